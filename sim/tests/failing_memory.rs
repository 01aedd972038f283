//! Inference through failing memories of activations and partial sums, against one sum after the other with cells looked up one
//! by one.

mod small_networks;

use axtrain_sim::array::FailingInference;
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::memory::{ArrayShape, FailureLaw, FaultMap, FaultModel, Scheme, Stored, ValueMemory};
use axtrain_sim::multiplier::ProductTable;
use axtrain_sim::units::Volts;
use axtrain_sim::workload::{Network, infer};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use small_networks::networks;

const ARRAY: ArrayShape = ArrayShape { rows: 8, columns: 4 };
const BITS: u32 = 20;
const BATCH: usize = 3;

/// Networks with images, more than go through the layers together, the last batch not full.
fn cases() -> Vec<(Network, Vec<u8>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let with_images = |network: Network, rng: &mut ChaCha8Rng| {
        let images = (0..40 * network.inputs()).map(|_| rng.random_range(0..=127)).collect();
        (network, images)
    };
    networks(&mut rng).map(|network| with_images(network, &mut rng)).into()
}

fn model() -> FaultModel {
    let law = FailureLaw::Probit { v50: 0.7056, sigma: 0.0552 };
    FaultModel::new("test", law, Volts(0.7)).unwrap().with_up_share(Some(0.6)).unwrap()
}

/// What the cells of a memory without interleaving make of a value that begins at byte `byte` of the stream.
fn read(map: &FaultMap, words: usize, byte: usize, bits: usize, code: u32) -> u32 {
    (0..bits).fold(code, |read, bit| {
        let cell = byte * 8 + bit;
        let [up, down, _] = map.fault(cell / 64 % words, cell % 64);
        match (code >> bit & 1, up, down) {
            (1, _, true) => read & !(1 << bit),
            (0, true, _) => read | 1 << bit,
            _ => read,
        }
    })
}

/// The definition, one image of a batch after the other.
fn reference(
    network: &Network,
    product: impl Fn(u8, i8) -> i32,
    images: &[u8],
    activations: Option<(&FaultMap, usize)>,
    sums: Option<(&FaultMap, usize)>,
) -> Vec<i32> {
    let mut scores = Vec::new();
    for batch in images.chunks(BATCH * network.inputs()) {
        let mut outputs: Vec<Vec<u8>> = Vec::new();
        for (index, layer) in network.layers().iter().enumerate() {
            let source = layer.wiring.source.or(index.checked_sub(1));
            let mut codes = source.map_or(batch.to_vec(), |source| outputs[source].clone());
            let geometry = &layer.convolution;
            let (positions, shape) = (geometry.positions(), geometry.shape(1));
            let count = codes.len() / layer.inputs();
            if let Some((map, words)) = activations {
                let first = if index % 2 == 0 { 0 } else { words / 2 * 8 };
                for (place, code) in codes.iter_mut().enumerate() {
                    *code = read(map, words, first + place, 7, (*code).into()) as u8;
                }
            }
            // Where the sums of a tile begin, tile after tile and group after group: whole words of 8 bytes, 3 bytes a sum.
            let tiles: Vec<usize> =
                (0..shape.n).step_by(ARRAY.columns).map(|first| (shape.n - first).min(4)).collect();
            let bytes = |width: usize| (count * positions * width * 3).div_ceil(8) * 8;
            let of_group: usize = tiles.iter().map(|&width| bytes(width)).sum();
            let mut accumulators = Vec::new();
            for image in 0..count {
                for channel in 0..geometry.channels() {
                    let (group, output) = (channel / shape.n, channel % shape.n);
                    let tile = output / ARRAY.columns;
                    let start = group * of_group + tiles[..tile].iter().map(|&width| bytes(width)).sum::<usize>();
                    for position in 0..positions {
                        let row = image * positions + position;
                        let byte = start + (row * tiles[tile] + output % ARRAY.columns) * 3;
                        let mut sum = 0i32;
                        for k in 0..shape.k {
                            let activation = geometry.code(&codes, group, row, k);
                            sum += product(activation, layer.weights[channel * shape.k + k]);
                            sum = sum << (32 - BITS) >> (32 - BITS);
                            if let Some((map, words)) =
                                sums.filter(|_| k % ARRAY.rows == ARRAY.rows - 1 || k == shape.k - 1)
                            {
                                let code = read(map, words, byte, BITS as usize, sum as u32 & 0xf_ffff);
                                sum = (code << (32 - BITS)) as i32 >> (32 - BITS);
                            }
                        }
                        accumulators.push(sum + layer.bias[channel]);
                    }
                }
            }
            layer.take_off_zero_points(&mut accumulators, &codes);
            if let Some(residual) = layer.wiring.residual {
                layer.add_residual(&mut accumulators, &outputs[residual]);
            }
            match layer.requantize {
                Some(_) => outputs.push(layer.activate(&accumulators)),
                None => scores.extend(accumulators),
            }
        }
    }
    scores
}

#[test]
fn inference_through_failing_memories_is_its_definition() {
    let exact = ProductTable::exact(8, 8, true);
    let table = ProductTable::from_fn(8, 8, true, |a, b| exact.product(a & !3, b));
    let gemm = TableGemm::new(&table);
    let product = |activation: u8, weight: i8| table.product(activation.into(), weight.cast_unsigned().into());
    // Small enough for tiles to come back to the same cells.
    let input = ValueMemory::new(Scheme::default(), Stored::Activations, 256, 16).unwrap();
    let output = ValueMemory::new(Scheme::default(), Stored::PartialSums { bits: BITS }, 512, 16).unwrap();
    let (input_map, output_map) =
        (model().chip(input.geometry(), 1, 0).faults(0.01), model().chip(output.geometry(), 2, 0).faults(0.01));
    for (network, images) in cases() {
        let inference = |activations: bool, sums: bool| FailingInference {
            gemm: &gemm,
            array: ARRAY,
            batch: BATCH,
            accumulator_bits: BITS,
            activations: activations.then(|| input.on(&input_map)),
            partial_sums: sums.then(|| output.on(&output_map)),
        };
        let mut seen = Vec::new();
        for (activations, sums) in [(false, false), (true, false), (false, true), (true, true)] {
            let scores = inference(activations, sums).scores(&network, &images, 0);
            let maps =
                (activations.then_some((&input_map, input.words())), sums.then_some((&output_map, output.words())));
            assert_eq!(scores, reference(&network, product, &images, maps.0, maps.1), "{activations} {sums}");
            assert!(!seen.contains(&scores), "each memory makes a difference");
            seen.push(scores);
        }
        assert_eq!(seen[0], infer(&network, &gemm, &images), "sound memories");
    }
}

#[test]
fn transient_faults_depend_on_the_batch_alone() {
    let gemm = TableGemm::new(&ProductTable::exact(8, 8, true));
    let model = model().with_persistent_share(0.0).unwrap();
    let input = ValueMemory::new(Scheme::default(), Stored::Activations, 1024, 16).unwrap();
    let output = ValueMemory::new(Scheme::default(), Stored::PartialSums { bits: BITS }, 1024, 16).unwrap();
    let (input_map, output_map) =
        (model.chip(input.geometry(), 1, 0).faults(0.05), model.chip(output.geometry(), 2, 0).faults(0.05));
    let inference = FailingInference {
        gemm: &gemm,
        array: ARRAY,
        batch: BATCH,
        accumulator_bits: BITS,
        activations: Some(input.on(&input_map)),
        partial_sums: Some(output.on(&output_map)),
    };
    let (network, images) = cases().remove(0);
    let (first, rest) = images.split_at(BATCH * network.inputs());
    let whole = inference.scores(&network, &images, 5);
    assert_eq!(whole, [inference.scores(&network, first, 5), inference.scores(&network, rest, 6)].concat());
    assert_ne!(whole, inference.scores(&network, &images, 6));
}
