//! Raw error traces: what a multiplier did, operation by operation.

use super::profile_file::Archive;
use super::sampler::Draws;
use super::{NotTabulable, ProfileMetadata, Stimulus, StimulusError, TransitionSpec};
use crate::energy::LaneEnergy;
use crate::engine::{LANES, Lanes, TimedEngine, lane_values, multiversion};
use rayon::prelude::*;
use std::fmt::Write as _;
use std::io::{Seek, Write};

/// One operation: the activation changes, the weight stays. Raw two's-complement codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Activation before.
    pub previous: u8,
    /// Activation now.
    pub activation: u8,
    /// Weight.
    pub weight: u8,
}

/// Operations that a file does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct OperationsError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
}

impl Operation {
    /// Reads comma-separated values with a header that names `previous`, `activation` and `weight`; other columns are
    /// passed over, and so are lines that start with `#`. A trace as [`ErrorTrace::to_csv`] writes it can be read again.
    ///
    /// Codes need at most `activation_bits` and `weight_bits`.
    pub fn from_csv(text: &str, [activation_bits, weight_bits]: [u32; 2]) -> Result<Vec<Self>, OperationsError> {
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let error = |line, problem: String| OperationsError { line, problem };
        let (number, header) = lines.next().ok_or_else(|| error(1, "nothing but comments".to_owned()))?;
        let names: Vec<&str> = header.split(',').map(str::trim).collect();
        let column = |name: &str| {
            let found = names.iter().position(|found| *found == name);
            found.ok_or_else(|| error(number, format!("no column \"{name}\" in \"{header}\"")))
        };
        let columns = [
            (column("previous")?, activation_bits),
            (column("activation")?, activation_bits),
            (column("weight")?, weight_bits),
        ];
        let operations = lines.map(|(number, line)| {
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            let mut codes = [0; 3];
            for (code, (column, bits)) in codes.iter_mut().zip(columns) {
                let cell = cells.get(column).copied().unwrap_or("");
                *code = cell.parse().ok().filter(|code: &u8| u32::from(*code) < 1 << bits).ok_or_else(|| {
                    error(number, format!("{} \"{cell}\" is not a code of {bits} bits", names[column]))
                })?;
            }
            let [previous, activation, weight] = codes;
            Ok(Self { previous, activation, weight })
        });
        operations.collect()
    }
}

impl Operation {
    /// `count` operations with independent codes, each as likely as any other; the seed decides which.
    pub fn uniform(count: usize, [activation_bits, weight_bits]: [u32; 2], seed: u64) -> Vec<Self> {
        let stream = Draws::new(seed).stream(0, 0);
        let [activations, weights] = [activation_bits, weight_bits].map(|bits| u8::MAX >> (8 - bits));
        let operation = |index| {
            let [previous, activation, weight, ..] = stream.bits(index).to_le_bytes();
            Self { previous: previous & activations, activation: activation & activations, weight: weight & weights }
        };
        (0..count as u64).map(operation).collect()
    }

    /// Distribution of operations, in which activations and weights are taken as independent of each other.
    ///
    /// # Panics
    /// If an operation has a code of more bits.
    pub fn stimulus(
        operations: &[Self],
        name: impl Into<String>,
        [activation_bits, weight_bits]: [u32; 2],
    ) -> Result<Stimulus, StimulusError> {
        let mut transitions = vec![0.0; 1 << (2 * activation_bits)];
        let mut weights = vec![0.0; 1 << weight_bits];
        for operation in operations {
            assert!(u32::from(operation.previous.max(operation.activation)) < 1 << activation_bits, "{operation:?}");
            transitions[usize::from(operation.previous) << activation_bits | usize::from(operation.activation)] +=
                1.0;
            weights[usize::from(operation.weight)] += 1.0;
        }
        Stimulus::measured(name, [activation_bits, weight_bits], &transitions, &weights)
    }
}

/// Operations through the gates, sampled at every window of a [`TransitionSpec`].
#[derive(Clone, Debug, PartialEq)]
pub struct SimulatedOperations {
    operations: Vec<Operation>,
    settled: Vec<i32>,
    /// A list for each window.
    sampled: Vec<Vec<i32>>,
    last_change_ps: Vec<u32>,
    energy_fj: Vec<f32>,
}

/// What a multiplier did at one operating point; an entry in each list is an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorTrace {
    /// Operands.
    pub operations: Vec<Operation>,
    /// Products after everything has settled.
    pub settled: Vec<i32>,
    /// Products that the register sampled.
    pub sampled: Vec<i32>,
    /// Time of the last change of any product bit after the operands changed, ps at nominal speed; 0 if none changed.
    pub last_change_ps: Vec<u32>,
    /// Switching energy, fJ at the operating point.
    pub energy_fj: Vec<f32>,
}

/// What comes of a block of operations.
struct Block {
    settled: Vec<i32>,
    sampled: Vec<Vec<i32>>,
    last_change_ps: Vec<u32>,
    energy_fj: Vec<f32>,
}

impl SimulatedOperations {
    /// Sends operations through the gates, each from the settled state of its previous activation.
    pub fn new(spec: TransitionSpec<'_>, operations: Vec<Operation>) -> Result<Self, NotTabulable> {
        spec.check()?;
        let blocks: Vec<Block> = operations
            .par_chunks(LANES)
            .map_init(
                || {
                    let engine = TimedEngine::with_delays(spec.netlist, &spec.physical.delay, spec.mode);
                    (engine, LaneEnergy::new(&spec.physical.transition_energy))
                },
                |(engine, lane_energy), operations| simulate_block(&spec, engine, lane_energy, operations),
            )
            .collect();
        let mut simulated = Self {
            settled: Vec::with_capacity(operations.len()),
            sampled: vec![Vec::with_capacity(operations.len()); spec.windows.len()],
            last_change_ps: Vec::with_capacity(operations.len()),
            energy_fj: Vec::with_capacity(operations.len()),
            operations,
        };
        for block in blocks {
            simulated.settled.extend(block.settled);
            simulated.last_change_ps.extend(block.last_change_ps);
            simulated.energy_fj.extend(block.energy_fj);
            for (all, sampled) in simulated.sampled.iter_mut().zip(block.sampled) {
                all.extend(sampled);
            }
        }
        Ok(simulated)
    }

    /// The trace at the window of that index; `switching_factor` carries energy from nominal to the point's supply.
    pub fn trace(&self, window: usize, switching_factor: f64) -> ErrorTrace {
        ErrorTrace {
            operations: self.operations.clone(),
            settled: self.settled.clone(),
            sampled: self.sampled[window].clone(),
            last_change_ps: self.last_change_ps.clone(),
            energy_fj: self.energy_fj.iter().map(|energy| (f64::from(*energy) * switching_factor) as f32).collect(),
        }
    }
}

multiversion! {
    fn simulate_block(
        spec: &TransitionSpec<'_>,
        engine: &mut TimedEngine<'_>,
        lane_energy: &mut LaneEnergy,
        operations: &[Operation],
    ) -> Block = simulate_operations
}

#[inline(always)]
fn simulate_operations(
    spec: &TransitionSpec<'_>,
    engine: &mut TimedEngine<'_>,
    lane_energy: &mut LaneEnergy,
    operations: &[Operation],
) -> Block {
    let codes = |index: usize, code: fn(&Operation) -> u8| {
        operations.iter().map(|operation| spec.coding.operand(index, code(operation).into())).collect()
    };
    let operands: [Vec<u32>; 3] = [
        codes(0, |operation| operation.previous),
        codes(0, |operation| operation.activation),
        codes(1, |operation| operation.weight),
    ];
    for bit in 0..spec.netlist.inputs()[0].width() {
        engine.set_input(0, bit, Lanes::gather(&operands[0], bit), Lanes::gather(&operands[1], bit));
    }
    for bit in 0..spec.netlist.inputs()[1].width() {
        let weight = Lanes::gather(&operands[2], bit);
        engine.set_input(1, bit, weight, weight);
    }
    engine.run();
    let product = spec.netlist.outputs()[0].nets();
    let mut planes = vec![vec![Lanes::ZERO; product.len()]; spec.windows.len()];
    let mut settled = vec![Lanes::ZERO; product.len()];
    let mut samples = vec![Lanes::ZERO; spec.windows.len()];
    let mut last_change_ps = vec![0; operations.len()];
    let used = Lanes::first(operations.len());
    for (bit, &net) in product.iter().enumerate() {
        engine.sample_all(net, spec.windows, &mut samples);
        for (plane, &sample) in planes.iter_mut().zip(&samples) {
            plane[bit] = sample;
        }
        settled[bit] = engine.settled(net);
        for (time, toggles) in engine.changes(net) {
            for lane in (toggles & used).set_lanes() {
                last_change_ps[lane] = last_change_ps[lane].max(time.0);
            }
        }
    }
    let values = |planes: &[Lanes]| {
        let codes = lane_values(planes).into_iter().take(operations.len());
        codes.map(|code| spec.coding.value(code)).collect()
    };
    Block {
        settled: values(&settled),
        sampled: planes.iter().map(|planes| values(planes)).collect(),
        last_change_ps,
        energy_fj: lane_energy.measure(spec.netlist, engine)[..operations.len()].to_vec(),
    }
}

impl ErrorTrace {
    /// Version of the format.
    pub const SCHEMA: &'static str = "axtrain/trace/1";

    /// Writes an NPZ archive that `numpy.load` opens; `traces/README.md` lists the keys.
    pub fn write(&self, metadata: &ProfileMetadata, sink: impl Write + Seek) -> std::io::Result<()> {
        let codes = |code: fn(&Operation) -> u8| self.operations.iter().map(code).collect::<Vec<u8>>();
        let mut archive = Archive::new(sink);
        archive.vector("previous", &codes(|operation| operation.previous))?;
        archive.vector("activation", &codes(|operation| operation.activation))?;
        archive.vector("weight", &codes(|operation| operation.weight))?;
        archive.vector("settled", &self.settled)?;
        archive.vector("sampled", &self.sampled)?;
        archive.vector("last_change_ps", &self.last_change_ps)?;
        archive.vector("energy_fj", &self.energy_fj)?;
        archive.vector("metadata", Self::metadata(metadata).as_bytes())?;
        archive.finish()
    }

    /// The same as comma-separated values: metadata in a comment, a header, a line an operation.
    pub fn to_csv(&self, metadata: &ProfileMetadata) -> String {
        let mut text = format!("# {}\n", Self::metadata(metadata));
        text += "previous,activation,weight,settled,sampled,last_change_ps,energy_fj\n";
        for (index, Operation { previous, activation, weight }) in self.operations.iter().enumerate() {
            let (settled, sampled) = (self.settled[index], self.sampled[index]);
            let (last_change, energy) = (self.last_change_ps[index], self.energy_fj[index]);
            writeln!(text, "{previous},{activation},{weight},{settled},{sampled},{last_change},{energy}")
                .expect("a string takes everything");
        }
        text
    }

    fn metadata(metadata: &ProfileMetadata) -> String {
        let metadata = ProfileMetadata { schema: Self::SCHEMA.to_owned(), ..metadata.clone() };
        serde_json::to_string(&metadata).expect("metadata serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_by_the_names_of_their_columns() {
        let text = "# a comment\nweight,x,previous,activation\n\n9,?,1,2\n15, ,0,7\n";
        let operation = |previous, activation, weight| Operation { previous, activation, weight };
        assert_eq!(Operation::from_csv(text, [3, 4]), Ok(vec![operation(1, 2, 9), operation(0, 7, 15)]));
        for (wrong, line) in [
            ("", 1),
            ("previous,weight\n1,2", 1),
            ("previous,activation,weight\n1,2,3\n1,8,3", 3),
            ("previous,activation,weight\n1,2,16", 2),
            ("previous,activation,weight\n1,2", 2),
            ("previous,activation,weight\n-1,2,3", 2),
        ] {
            assert_eq!(Operation::from_csv(wrong, [3, 4]).map_err(|error| error.line), Err(line), "{wrong}");
        }
    }
}
