//! The contract between circuit and training: which errors a multiplier makes at an operating point, how often, and
//! given which operands. `traces/README.md` lists the keys of its file.

use super::mass_function::{MassFunction, MassSums};
use super::{Design, ErrorTrace, OnTimingError, Operation, SampledErrors, StimulatedTransitions, Stimulus};
use crate::multiplier::{NumberFormat, ProductTable, operand_value};
use crate::technology::{OperatingPoint, Technology};
use crate::units::Picoseconds;
use serde::{Deserialize, Serialize};

/// What identifies a profile: design, technology, operating point and how it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileMetadata {
    /// Version of this format.
    pub schema: String,
    /// Design name.
    pub design: String,
    /// SHA-256 of the design's netlist as structural Verilog.
    pub design_sha256: String,
    /// Bits of the first operand (the activation) in the product table.
    pub width_a: u32,
    /// Bits of the second operand (the weight).
    pub width_b: u32,
    /// Whether codes are two's complement.
    pub signed: bool,
    /// Number format of the multiplier's ports, and so of the product bits that flip.
    pub format: NumberFormat,
    /// Bits of a product in that format.
    pub product_bits: u32,
    /// SHA-256 of `product`.
    pub table_sha256: String,
    /// Technology name.
    pub technology: String,
    /// Supply, V.
    pub supply_v: f64,
    /// Clock period, ps.
    pub clock_ps: f64,
    /// Sampling window at nominal speed, ps.
    pub window_ps: u32,
    /// What becomes of late products: with `drop`, sampled is zero where a product was wrong.
    pub on_timing_error: OnTimingError,
    /// Name of the operands' distribution, which the file holds too.
    pub stimulus: String,
    /// Bits of an activation code in the per-operand arrays.
    pub activation_bits: u32,
    /// Seed of the operands; `null` if they were not drawn.
    pub seed: Option<u64>,
    /// Version of the program.
    pub version: String,
}

impl ProfileMetadata {
    /// Metadata of `design` sampled at `window`, with operands that were not drawn and late products captured.
    pub fn new(
        design: &Design,
        technology: &Technology,
        point: OperatingPoint,
        window: Picoseconds,
        stimulus: &Stimulus,
    ) -> Self {
        Self {
            schema: ErrorProfile::SCHEMA.to_owned(),
            design: design.name().to_owned(),
            design_sha256: design.sha256(),
            width_a: design.multiplier.width_a(),
            width_b: design.multiplier.width_b(),
            signed: design.multiplier.signed(),
            format: design.multiplier.coding().format(),
            product_bits: design.multiplier.coding().product_bits(),
            table_sha256: design.product.sha256(),
            technology: technology.label(),
            supply_v: point.supply.0,
            clock_ps: point.clock_ps,
            window_ps: window.0,
            on_timing_error: OnTimingError::Capture,
            stimulus: stimulus.name().to_owned(),
            activation_bits: stimulus.activation_bits(),
            seed: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Errors of a multiplier at one operating point.
///
/// Timing error is sampled − settled, approximation error settled − exact, total error their sum.
///
/// Invariant: `product` has 2^(width_a + width_b) entries, the per-operand arrays 2^(activation_bits + width_b),
/// the bit flips one entry a product bit, `classes` one a pair of magnitude classes; rates and probabilities are in
/// 0…1 and everything is finite.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorProfile {
    /// Identity and provenance.
    pub metadata: ProfileMetadata,
    /// Operands that everything below is taken over.
    pub stimulus: Stimulus,
    /// Settled products `[a][b]`.
    pub product: Vec<i32>,
    /// Probability of a timing error, `[activation][weight]`, marginal over the previous activation.
    pub error_rate: Vec<f32>,
    /// Mean timing error, likewise.
    pub error_mean: Vec<f32>,
    /// Variance of the timing error, likewise.
    pub error_var: Vec<f32>,
    /// Mean switching energy, fJ at the operating point, likewise.
    pub energy_fj: Vec<f32>,
    /// Probability that each product bit is sampled 1 and settles to 0, least significant bit first.
    pub bit_flip_01: Vec<f64>,
    /// Probability that each product bit is sampled 0 and settles to 1.
    pub bit_flip_10: Vec<f64>,
    /// Timing error.
    pub timing: MassFunction,
    /// Approximation error.
    pub approximation: MassFunction,
    /// Total error.
    pub total: MassFunction,
    /// Timing error given the bit lengths of the operands' magnitudes, `[activation][weight]` of
    /// (activation_bits + 1) × (width_b + 1) classes; empty where the stimulus has no such operands.
    pub classes: Vec<MassFunction>,
}

impl ErrorProfile {
    /// Version of the format.
    pub const SCHEMA: &'static str = "axtrain/profile/3";

    /// Condenses one operating point of a transition table under a stimulus. `switching_factor` carries energy from nominal
    /// to the point's supply.
    ///
    /// # Panics
    /// If the metadata say something else of late products than the table.
    pub fn new(
        metadata: ProfileMetadata,
        product: &ProductTable,
        transitions: &StimulatedTransitions<'_>,
        errors: &SampledErrors,
        switching_factor: f64,
    ) -> Self {
        let &StimulatedTransitions { table, stimulus, ref mass, ref energy } = transitions;
        assert_eq!(metadata.on_timing_error, table.on_timing_error(), "what the metadata say of late products");
        let bits = [stimulus.activation_bits(), stimulus.weight_bits()];
        let mut sums = ProfileSums::new(product, &metadata, bits, stimulus.weights());
        sums.mass.copy_from_slice(mass);
        sums.energy = energy.iter().map(|energy| energy * switching_factor).collect();
        let activations = 1usize << stimulus.activation_bits();
        for members in &sums.magnitudes() {
            for &activation in members {
                for (previous, row) in stimulus.transitions().chunks_exact(activations).enumerate() {
                    let probability = row[activation];
                    if probability == 0.0 {
                        continue;
                    }
                    let cells = activation << stimulus.weight_bits();
                    let (weights, deltas) = errors.row(table.pair(previous as u8, activation as u8));
                    for (&weight, &delta) in weights.iter().zip(deltas) {
                        sums.error(cells + usize::from(weight), delta, probability);
                    }
                }
            }
            sums.close_class(members);
        }
        sums.finish(metadata, stimulus.clone())
    }

    /// The same from the operations of a raw trace, each as likely as any other, under the stimulus they make: an
    /// estimate unless the trace holds every operation. Operands that do not occur have no errors and no energy.
    ///
    /// # Panics
    /// If the trace is empty or has operands wider than `activation_bits` or the table's.
    pub fn from_trace(
        metadata: ProfileMetadata,
        product: &ProductTable,
        activation_bits: u32,
        trace: &ErrorTrace,
    ) -> Self {
        let weight_bits = product.width_b();
        let operations = &trace.operations;
        let share = 1.0 / operations.len() as f64;
        let stimulus = Operation::stimulus(operations, metadata.stimulus.clone(), [activation_bits, weight_bits])
            .expect("a trace that is not empty");
        let ones = vec![1.0; 1 << weight_bits];
        let mut sums = ProfileSums::new(product, &metadata, [activation_bits, weight_bits], &ones);
        for members in &sums.magnitudes() {
            for (index, operation) in operations.iter().enumerate() {
                if !members.contains(&usize::from(operation.activation)) {
                    continue;
                }
                let cell = usize::from(operation.activation) << weight_bits | usize::from(operation.weight);
                sums.mass[cell] += share;
                sums.energy[cell] += share * f64::from(trace.energy_fj[index]);
                let delta = trace.sampled[index] - trace.settled[index];
                if delta != 0 {
                    sums.error(cell, delta, share);
                }
            }
            sums.close_class(members);
        }
        sums.finish(metadata, stimulus)
    }
}

impl ErrorProfile {
    /// How many (previous activation, activation, weight) triples the profile is taken over.
    pub fn operations(&self) -> f64 {
        2f64.powi((2 * self.metadata.activation_bits + self.metadata.width_b) as i32)
    }

    /// Mean switching energy of an operation under the stimulus, fJ at the operating point.
    pub fn mean_energy_fj(&self) -> f64 {
        let weights = self.stimulus.weights();
        let rows = self.stimulus.activations().into_iter().zip(self.energy_fj.chunks_exact(weights.len()));
        let row = |energy: &[f32]| {
            energy.iter().zip(weights).map(|(energy, share)| f64::from(*energy) * share).sum::<f64>()
        };
        rows.map(|(share, energy)| share * row(energy)).sum()
    }
}

/// A profile being added up, one class of activations after the other.
struct ProfileSums<'a> {
    product: &'a ProductTable,
    format: NumberFormat,
    product_bits: u32,
    activation_bits: u32,
    /// What the probability of each weight is multiplied with to get that of the operation.
    factor: &'a [f64],
    /// Sums of probability, by activation and weight.
    mass: Vec<f64>,
    rate: Vec<f64>,
    mean: Vec<f64>,
    square: Vec<f64>,
    energy: Vec<f64>,
    /// Probability that just these bits of the product are sampled 1 for 0, by their set, and 0 for 1.
    flips: [Vec<f64>; 2],
    /// Settled − exact, by activation and weight.
    approximation: Vec<i32>,
    /// Bit length of each weight's magnitude.
    weight_class: Vec<u8>,
    timing_sums: MassSums,
    total_sums: MassSums,
    /// Of the current class of activations, by class of weights.
    class_sums: Vec<MassSums>,
    classes: Vec<MassFunction>,
}

impl<'a> ProfileSums<'a> {
    fn new(
        product: &'a ProductTable,
        &ProfileMetadata { format, product_bits, .. }: &ProfileMetadata,
        [activation_bits, weight_bits]: [u32; 2],
        factor: &'a [f64],
    ) -> Self {
        let cells = 1usize << (activation_bits + weight_bits);
        let (width_a, width_b, signed) = (product.width_a(), product.width_b(), product.signed());
        let approximation = (0..cells as u32).map(|cell| {
            let (a, b) = (cell >> weight_bits, cell & ((1 << weight_bits) - 1));
            let exact = operand_value(a, width_a, signed) * operand_value(b, width_b, signed);
            product.product(a, b) - exact as i32
        });
        let weight_class = (0..1u32 << weight_bits).map(|code| bit_length(operand_value(code, width_b, signed)));
        let sums = MassSums::new(1 << product_bits);
        Self {
            product,
            format,
            product_bits,
            activation_bits,
            factor,
            mass: vec![0.0; cells],
            rate: vec![0.0; cells],
            mean: vec![0.0; cells],
            square: vec![0.0; cells],
            energy: vec![0.0; cells],
            flips: [(); 2].map(|()| vec![0.0; 1 << product_bits]),
            approximation: approximation.collect(),
            weight_class: weight_class.collect(),
            timing_sums: sums.clone(),
            total_sums: sums.clone(),
            class_sums: vec![sums; weight_bits as usize + 1],
            classes: Vec::new(),
        }
    }

    /// Activation codes by the bit length of their magnitude.
    fn magnitudes(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.activation_bits as usize + 1];
        for code in 0..1u32 << self.activation_bits {
            let value = operand_value(code, self.product.width_a(), self.product.signed());
            members[usize::from(bit_length(value))].push(code as usize);
        }
        members
    }

    /// Adds an error of a product of these operands.
    #[inline]
    fn error(&mut self, cell: usize, delta: i32, probability: f64) {
        let value = f64::from(delta);
        self.rate[cell] += probability;
        self.mean[cell] += probability * value;
        self.square[cell] += probability * value * value;
        let weight = cell % self.factor.len();
        let probability = probability * self.factor[weight];
        self.class_sums[usize::from(self.weight_class[weight])].add(delta, probability);
        self.timing_sums.add(delta, probability);
        self.total_sums.add(delta + self.approximation[cell], probability);
        let settled = self.product.product((cell / self.factor.len()) as u32, weight as u32);
        let sampled = settled.wrapping_add(delta);
        let [settled, sampled] = self.format.settled_and_sampled(settled, sampled, self.product_bits);
        let [up, down] = &mut self.flips;
        let set = |bits: u32| bits as usize & (up.len() - 1);
        let [rises, falls] = [set(sampled & !settled), set(settled & !sampled)];
        up[rises] += probability;
        down[falls] += probability;
    }

    /// Ends the class of these activations: what made no error was right.
    fn close_class(&mut self, members: &[usize]) {
        let weights = self.factor.len();
        let mut mass = vec![0.0; self.class_sums.len()];
        for cell in members.iter().flat_map(|activation| activation * weights..(activation + 1) * weights) {
            let (weight, class) = (cell % weights, usize::from(self.weight_class[cell % weights]));
            let right = (self.mass[cell] - self.rate[cell]).max(0.0) * self.factor[weight];
            self.class_sums[class].add(0, right);
            self.timing_sums.add(0, right);
            self.total_sums.add(self.approximation[cell], right);
            mass[class] += self.mass[cell] * self.factor[weight];
        }
        let classes = self.class_sums.iter_mut().zip(mass).map(|(sums, mass)| sums.take(mass));
        self.classes.extend(classes);
    }

    fn finish(mut self, metadata: ProfileMetadata, stimulus: Stimulus) -> ErrorProfile {
        let cells = self.mass.len();
        let mut approximation_sums = MassSums::new(1 << self.product_bits);
        for cell in 0..cells {
            let mass = self.mass[cell];
            approximation_sums.add(self.approximation[cell], mass * self.factor[cell % self.factor.len()]);
            if mass > 0.0 {
                for sums in [&mut self.rate, &mut self.mean, &mut self.square, &mut self.energy] {
                    sums[cell] /= mass;
                }
                // Rounding of the sums must not make a certain error more than certain.
                self.rate[cell] = self.rate[cell].min(1.0);
            }
        }
        let variance =
            self.square.iter().zip(&self.mean).map(|(square, mean)| (square - mean * mean).max(0.0) as f32);
        let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        ErrorProfile {
            stimulus,
            product: self.product.products().to_vec(),
            error_var: variance.collect(),
            error_rate: single(&self.rate),
            error_mean: single(&self.mean),
            energy_fj: single(&self.energy),
            bit_flip_01: by_bit(&self.flips[0], self.product_bits),
            bit_flip_10: by_bit(&self.flips[1], self.product_bits),
            timing: self.timing_sums.take(1.0),
            approximation: approximation_sums.take(1.0),
            total: self.total_sums.take(1.0),
            classes: self.classes,
            metadata,
        }
    }
}

/// Probability of each bit, given those of sets of bits.
fn by_bit(sets: &[f64], bits: u32) -> Vec<f64> {
    let mut sums = vec![0.0; bits as usize];
    for (set, &probability) in sets.iter().enumerate().filter(|(_, probability)| **probability > 0.0) {
        for (bit, sum) in sums.iter_mut().enumerate() {
            *sum += if set >> bit & 1 == 1 { probability } else { 0.0 };
        }
    }
    sums.iter().map(|sum: &f64| sum.min(1.0)).collect()
}

/// Bits that a magnitude needs; 0 for zero.
fn bit_length(value: i64) -> u8 {
    (i64::BITS - value.unsigned_abs().leading_zeros()) as u8
}
