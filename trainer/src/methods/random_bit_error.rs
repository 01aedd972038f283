//! Training with the faults of memory cells in the forward pass.

use super::sensitivity::Penalty;
use super::{Batch, Objective, Step, TrainingMethod, cross_entropy, scores};
use crate::calibration::Calibration;
use crate::network::{LayerTrace, RoundedNetwork};
use crate::pass::Pass;
use crate::spec::WeightFaults;
use axtrain_sim::kernel::TableGemm;
use axtrain_sim::memory::{FaultMap, WeightMemory};
use rand::Rng;
use std::sync::Arc;

/// Minimises the mean of the cross-entropies with sound weights and with weights read on a fresh chip each step, so that no
/// pattern of faults is learnt (RandBET of Stutz et al., MLSys 2021). Exact arithmetic.
pub(crate) struct RandomBitError {
    /// The exact multiplier.
    pub(crate) gemm: Arc<TableGemm>,
    /// Where weights are stored.
    pub(crate) memory: WeightMemory,
    /// How its cells fail.
    pub(crate) faults: WeightFaults,
    /// A regulariser at the pass with sound weights, if there is one.
    pub(crate) penalty: Option<Penalty>,
}

/// Errors begin once the clean loss is this far below that of guessing: 1.75 of ln 10 for ten classes in Stutz et al.
const START: f64 = 1.75 / std::f64::consts::LN_10;

impl TrainingMethod for RandomBitError {
    fn deployed(&self, network: &RoundedNetwork, batch: &Batch, calibration: &mut Calibration) -> Vec<LayerTrace> {
        network.forward(batch.images.clone(), &Pass::settled(&self.gemm), calibration)
    }

    fn objective(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        calibration: &mut Calibration,
        step: &mut Step,
    ) -> Objective {
        let WeightFaults { model, bit_error_rate, .. } = &self.faults;
        let trace = network.forward(batch.images.clone(), &Pass::settled(&self.gemm), calibration);
        let network = &network.folded(&trace);
        let scores_clean = scores(&trace);
        let clean = cross_entropy(scores_clean.clone(), &batch.targets);
        let guessing = (batch.targets.dims()[1] as f64).ln();
        if f64::from(clean.clone().into_scalar::<f32>()) > START * guessing {
            return Objective { loss: clean, scores: scores_clean };
        }
        let chip = model.chip(self.memory.geometry(), step.rng.next_u64(), 0).faults(*bit_error_rate);
        let faulty = read(network, &self.memory, &chip, step.rng.next_u64());
        // A chip's faults are not known when activations are scaled.
        let frozen = &mut calibration.frozen();
        let faulty = scores(&faulty.forward(batch.images.clone(), &Pass::settled(&self.gemm), frozen));
        let mut loss = (clean + cross_entropy(faulty.clone(), &batch.targets)) * 0.5;
        if let Some(penalty) = &self.penalty {
            loss = loss + penalty.of(network, &trace, &batch.targets, step);
        }
        Objective { loss, scores: faulty }
    }
}

/// Minimises the cross-entropy with the weights that one chip gives, whose faults are known (MATIC of Kim et al., DATE 2018).
pub(crate) struct MemoryAdaptive {
    /// The exact multiplier.
    pub(crate) gemm: Arc<TableGemm>,
    /// Where weights are stored.
    pub(crate) memory: WeightMemory,
    /// The chip's faults.
    pub(crate) chip: FaultMap,
}

impl TrainingMethod for MemoryAdaptive {
    fn deployed(&self, network: &RoundedNetwork, batch: &Batch, calibration: &mut Calibration) -> Vec<LayerTrace> {
        let faulty = read(network, &self.memory, &self.chip, 0);
        faulty.forward(batch.images.clone(), &Pass::settled(&self.gemm), calibration)
    }

    fn objective(
        &self,
        network: &RoundedNetwork,
        batch: &Batch,
        calibration: &mut Calibration,
        step: &mut Step,
    ) -> Objective {
        let faulty = read(network, &self.memory, &self.chip, step.rng.next_u64());
        let scores = scores(&faulty.forward(batch.images.clone(), &Pass::settled(&self.gemm), calibration));
        Objective { loss: cross_entropy(scores.clone(), &batch.targets), scores }
    }
}

/// The network with the weights that a read of the memory gives; gradients pass as if they were the stored ones.
fn read(network: &RoundedNetwork, memory: &WeightMemory, chip: &FaultMap, number: u64) -> RoundedNetwork {
    network.with_changed_codes(|layers| {
        memory.read(chip, number, layers);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::to_vec;
    use crate::spec::Chips;
    use crate::testing::Fixture;
    use axtrain_sim::memory::{ArrayShape, BUILT_IN_FAULTS, FaultModel, LayerShape, Scheme};
    use axtrain_sim::multiplier::ProductTable;
    use axtrain_sim::units::Volts;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn faults(bit_error_rate: f64) -> WeightFaults {
        WeightFaults {
            model: FaultModel::from_toml(BUILT_IN_FAULTS[0].1, Volts(0.7)).unwrap(),
            scheme: Scheme::default(),
            memory_bytes: 8192,
            array: ArrayShape { rows: 16, columns: 16 },
            bit_error_rate,
            chips: Chips::Fresh,
        }
    }

    #[test]
    fn the_faulty_pass_sees_the_codes_that_the_memory_gives_and_the_gradient_passes_through() {
        let fixture = Fixture::perceptron(&[30, 17, 9, 4], 40, &ProductTable::exact(8, 8, true));
        let faults = faults(0.05);
        let shapes = [(30, 17), (17, 9), (9, 4)].map(|(inputs, outputs)| LayerShape { inputs, outputs });
        let memory = faults.memory(&shapes).unwrap();
        let chip = faults.model.chip(memory.geometry(), 3, 0).faults(0.05);
        let network = fixture.network();
        let codes = |network: &RoundedNetwork| -> Vec<Vec<i8>> {
            let layers = network.layers().iter();
            layers.map(|l| l.coding.codes(&to_vec(l.weight.clone()))).collect()
        };
        let mut expected = codes(&network);
        memory.read(&chip, 0, &mut expected.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
        let faulty = read(&network, &memory, &chip, 0);
        assert_eq!(codes(&faulty), expected);
        assert_ne!(codes(&network), expected);

        // d(Σ w')/dw is one whatever the faults are.
        let sum = faulty.layers()[0].weight.clone().sum();
        let [by_weight, _] = &fixture.real.gradients(&sum)[0];
        assert!(by_weight.iter().all(|gradient| *gradient == 1.0));
    }

    #[test]
    fn errors_begin_when_the_clean_loss_is_low() {
        let fixture = Fixture::perceptron(&[30, 17, 9, 4], 40, &ProductTable::exact(8, 8, true));
        let shapes = [(30, 17), (17, 9), (9, 4)].map(|(inputs, outputs)| LayerShape { inputs, outputs });
        let faults = faults(0.2);
        let memory = faults.memory(&shapes).unwrap();
        let method = RandomBitError { gemm: fixture.gemm.clone(), memory, faults, penalty: None };
        let network = fixture.network();
        // As the method does, with scales that move with the batch.
        let moved = &mut fixture.calibration.clone();
        let clean = scores(&network.forward(fixture.images.clone(), &Pass::settled(&fixture.gemm), moved));
        let objective = |targets: burn::tensor::Tensor<2>| {
            let batch = Batch { images: fixture.images.clone(), targets };
            let step = &mut Step { rng: ChaCha8Rng::seed_from_u64(1), strength: 1.0 };
            to_vec(method.objective(&network, &batch, &mut fixture.calibration.clone(), step).scores)
        };
        // The class that the clean pass scores highest (lowest) is the right one, and the loss is low (high).
        let sharp = to_vec(clean.clone());
        let targets = |right: fn(f32, f32) -> f32| {
            let ones = sharp.chunks_exact(4).flat_map(|scores| {
                let right = scores.iter().copied().reduce(right).unwrap();
                scores.iter().map(move |score| f32::from(u8::from(*score == right)))
            });
            let ones = burn::tensor::TensorData::new(ones.collect::<Vec<f32>>(), [40, 4]);
            burn::tensor::Tensor::from_data(ones, &clean.device())
        };
        assert_eq!(objective(targets(f32::min)), sharp);
        assert_ne!(objective(targets(f32::max)), sharp);
    }
}
