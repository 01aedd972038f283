//! Every transition of a multiplier whose weight stays while the activation changes.
//!
//! On a weight-stationary array a multiplier sees (previous activation, activation, weight) triples, few enough for
//! 8-bit operands to time every one. Error and energy of real operand streams are then looked up, not modelled.

mod file;

use super::OnTimingError;
use crate::energy::{EnergyBreakdown, LaneEnergy, LateToggles, SwitchingActivity};
use crate::engine::{DelayMode, LANES, Lanes, TimedEngine, lane_values, multiversion};
use crate::multiplier::{Coding, NumberFormat};
use crate::netlist::Netlist;
use crate::technology::Physical;
use crate::units::{Femtojoules, Picoseconds};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Which transitions to tabulate, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransitionSpec<'a> {
    /// A multiplier of two operands of at most 8 bits each, first port the activation.
    pub netlist: &'a Netlist,
    /// Its delays and energies at nominal supply.
    pub physical: &'a Physical,
    /// What its ports carry.
    pub coding: Coding,
    /// Activation codes are 0 … 2^`activation_bits` − 1; 7 where activations are never negative.
    pub activation_bits: u32,
    /// What cells do with short pulses.
    pub mode: DelayMode,
    /// Ascending times, at nominal speed, at which the product register may sample.
    pub windows: &'a [Picoseconds],
}

/// A netlist that cannot be tabulated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: two operands of 1 to {most} bits and their product, of at most 32, are simulated so, not {shape}")]
pub struct NotTabulable {
    name: String,
    shape: String,
    most: u32,
}

impl TransitionSpec<'_> {
    /// Bits of a weight, if these are two operands and a product that can be tabulated.
    pub(super) fn check(&self) -> Result<u32, NotTabulable> {
        self.check_shape(8)
    }

    /// The same with operands of at most `most` bits.
    pub(crate) fn check_shape(&self, most: u32) -> Result<u32, NotTabulable> {
        let netlist = self.netlist;
        let widths: Vec<u32> =
            netlist.inputs().iter().chain(netlist.outputs()).map(|port| port.width() as u32).collect();
        let ([port_a, port_b], [first, second]) = (self.coding.operand_bits(), self.coding.code_bits());
        let product = self.coding.product_bits();
        let fits = widths == [port_a, port_b, product] && netlist.outputs().len() == 1 && product <= 32;
        if fits && (1..=first).contains(&self.activation_bits) && first <= most && (1..=most).contains(&second) {
            Ok(second)
        } else {
            let shape = format!("ports of {widths:?} bits");
            Err(NotTabulable { name: netlist.name().into(), shape, most })
        }
    }
}

/// What a multiplier does on every (previous activation, activation, weight) triple.
#[derive(Clone, Debug, PartialEq)]
pub struct TransitionTable {
    coding: Coding,
    activation_bits: u32,
    weight_bits: u32,
    energy_quantum: f32,
    /// `[pair][weight]`.
    energy: Vec<u16>,
    /// `[weight][pair]`, if anyone asked for it.
    energy_by_weight: OnceLock<Vec<u16>>,
    pub(super) points: Vec<SampledErrors>,
    pub(super) on_timing_error: OnTimingError,
    activity: SwitchingActivity,
    late: LateToggles,
}

/// Errors made by sampling at one window, sparse: only triples whose sampled product differs from the settled one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampledErrors {
    pub(super) window: Picoseconds,
    pub(super) row_start: Vec<u32>,
    /// For each row, the weight codes in it as a set.
    pub(super) members: Vec<[u64; 4]>,
    pub(super) weight: Vec<u8>,
    pub(super) delta: Vec<i32>,
    pub(super) bit_errors: Vec<[u64; 2]>,
}

/// Errors of one (previous activation, activation) pair.
#[derive(Clone, Copy)]
pub(crate) struct PairErrors<'a> {
    /// Weight codes that err.
    set: [u64; 4],
    /// How many of them lie in the words before each.
    before: [u32; 4],
    /// Of the codes in the set, ascending.
    deltas: &'a [i32],
}

impl PairErrors<'_> {
    /// Sampled − settled with a weight code.
    #[inline(always)]
    pub(crate) fn delta(&self, code: u8) -> i32 {
        let (word, bit) = (usize::from(code / 64), code % 64);
        if self.set[word] >> bit & 1 == 0 {
            return 0;
        }
        let rank = self.before[word] + (self.set[word] & ((1 << bit) - 1)).count_ones();
        self.deltas[rank as usize]
    }
}

/// Timing errors under the stimulus "weight-stationary exhaustive uniform": every triple once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimingErrors {
    /// Share of transitions with a wrong product.
    pub error_rate: f64,
    /// Mean of sampled − settled.
    pub mean_error: f64,
    /// Mean of |sampled − settled|.
    pub mae: f64,
    /// Mean of (sampled − settled)².
    pub mse: f64,
    /// Share of transitions in which each product bit is wrong, least significant first.
    pub bit_error_rate: Vec<f64>,
}

/// What one weight contributes.
struct WeightResult {
    energy: Vec<f32>,
    errors: Vec<Vec<(u32, i32)>>,
    bit_errors: Vec<Vec<[u64; 2]>>,
    activity: SwitchingActivity,
    late: LateToggles,
}

impl TransitionTable {
    /// Simulates every transition. `progress` is called once a weight, from any thread.
    pub fn build(spec: TransitionSpec<'_>, progress: &(impl Fn() + Sync)) -> Result<Self, NotTabulable> {
        let weight_bits = spec.check()?;
        let netlist = spec.netlist;
        let results: Vec<WeightResult> = (0..1u32 << weight_bits)
            .into_par_iter()
            .map_init(
                || {
                    let engine = TimedEngine::with_delays(netlist, &spec.physical.delay, spec.mode);
                    (engine, LaneEnergy::new(&spec.physical.transition_energy))
                },
                |(engine, lane_energy), weight| {
                    let result = simulate_weight(&spec, engine, lane_energy, weight);
                    progress();
                    result
                },
            )
            .collect();
        Ok(Self::assemble(&spec, weight_bits, results))
    }

    fn assemble(spec: &TransitionSpec<'_>, weight_bits: u32, results: Vec<WeightResult>) -> Self {
        let pairs = 1usize << (2 * spec.activation_bits);
        let weights = results.len();
        let largest = results.iter().flat_map(|result| &result.energy).copied().fold(0.0, f32::max);
        let energy_quantum = if largest > 0.0 { largest / f32::from(u16::MAX) } else { 1.0 };
        let mut energy = vec![0u16; pairs * weights];
        energy.par_chunks_mut(weights).enumerate().for_each(|(pair, row)| {
            for (quantised, result) in row.iter_mut().zip(&results) {
                *quantised = (result.energy[pair] / energy_quantum).round() as u16;
            }
        });
        let points = spec.windows.par_iter().enumerate();
        let points = points.map(|(point, &window)| SampledErrors::assemble(window, pairs, point, &results)).collect();
        let mut activity = SwitchingActivity::new(spec.netlist);
        let mut late = LateToggles::new(spec.netlist, spec.windows);
        for result in &results {
            activity.merge(&result.activity);
            late.merge(&result.late);
        }
        let TransitionSpec { coding, activation_bits, .. } = *spec;
        let on_timing_error = OnTimingError::Capture;
        Self {
            coding,
            activation_bits,
            weight_bits,
            energy_quantum,
            energy,
            energy_by_weight: OnceLock::new(),
            points,
            on_timing_error,
            activity,
            late,
        }
    }

    /// What becomes of late products, as the errors at [`Self::points`] take it.
    pub fn on_timing_error(&self) -> OnTimingError {
        self.on_timing_error
    }

    /// What the multiplier's ports carry.
    pub fn coding(&self) -> Coding {
        self.coding
    }

    /// Bits of an activation code.
    pub fn activation_bits(&self) -> u32 {
        self.activation_bits
    }

    /// Bits of a weight code.
    pub fn weight_bits(&self) -> u32 {
        self.weight_bits
    }

    /// Number of triples.
    pub fn transitions(&self) -> usize {
        self.energy.len()
    }

    /// Row of a (previous activation, activation) pair.
    #[inline]
    pub fn pair(&self, previous: u8, activation: u8) -> usize {
        usize::from(previous) << self.activation_bits | usize::from(activation)
    }

    /// Switching energy of a pair with every weight code, in units of [`Self::energy_quantum`].
    #[inline]
    pub fn energy_row(&self, pair: usize) -> &[u16] {
        &self.energy[pair << self.weight_bits..][..1 << self.weight_bits]
    }

    /// Switching energy of every pair with a weight code, in units of [`Self::energy_quantum`].
    pub fn energy_column(&self, weight: u8) -> &[u16] {
        let pairs = self.energy.len() >> self.weight_bits;
        let columns = self.energy_by_weight.get_or_init(|| {
            let mut columns = vec![0; self.energy.len()];
            columns.par_chunks_mut(pairs).enumerate().for_each(|(weight, column)| {
                for (energy, row) in column.iter_mut().zip(self.energy.chunks_exact(1 << self.weight_bits)) {
                    *energy = row[weight];
                }
            });
            columns
        });
        &columns[usize::from(weight) * pairs..][..pairs]
    }

    /// Unit of [`Self::energy_row`], fJ at nominal supply.
    pub fn energy_quantum(&self) -> f64 {
        f64::from(self.energy_quantum)
    }

    /// Errors at each window given to [`Self::build`], in the same order.
    pub fn points(&self) -> &[SampledErrors] {
        &self.points
    }

    /// Mean energy of a transition under "weight-stationary exhaustive uniform", at nominal supply, with the leakage
    /// of `period_ps`.
    pub fn mean_energy(&self, physical: &Physical, period_ps: f64) -> EnergyBreakdown {
        self.activity.energy(&physical.transition_energy, physical.leakage, period_ps)
    }

    /// The part of [`Self::mean_energy`]'s switching that comes at or after the sampling edge of point `index`.
    pub fn late_energy(&self, index: usize, physical: &Physical) -> Femtojoules {
        let total = self.late.energy(index, &physical.transition_energy);
        Femtojoules(total.0 / self.transitions() as f64)
    }

    /// Timing errors at point `index` under "weight-stationary exhaustive uniform".
    pub fn timing_errors(&self, index: usize) -> TimingErrors {
        let point = &self.points[index];
        let transitions = self.transitions() as f64;
        let (mut sum, mut absolute, mut squares) = (0i64, 0u64, 0u128);
        for &delta in &point.delta {
            sum += i64::from(delta);
            absolute += u64::from(delta.unsigned_abs());
            squares += u128::from(delta.unsigned_abs()).pow(2);
        }
        TimingErrors {
            error_rate: point.delta.len() as f64 / transitions,
            mean_error: sum as f64 / transitions,
            mae: absolute as f64 / transitions,
            mse: squares as f64 / transitions,
            bit_error_rate: point.bit_flips().map(|[up, down]| (up + down) as f64 / transitions).collect(),
        }
    }
}

impl SampledErrors {
    /// Pairs whose errors are brought in order together: few enough that those of all weights fit a cache.
    const BLOCK: usize = 512;

    fn assemble(window: Picoseconds, pairs: usize, point: usize, results: &[WeightResult]) -> Self {
        let total = results.iter().map(|result| result.errors[point].len()).sum();
        let (mut weight, mut delta) = (vec![0u8; total], vec![0i32; total]);
        let mut row_start = Vec::with_capacity(pairs + 1);
        row_start.push(0u32);
        // What is left of each weight's errors, which ascend by pair.
        let mut left: Vec<&[(u32, i32)]> = results.iter().map(|result| &result.errors[point][..]).collect();
        let mut next = [0u32; Self::BLOCK];
        for block in (0..pairs).step_by(Self::BLOCK) {
            // A counting sort by pair; going through the weights in order leaves each row sorted by weight.
            let end = (block + Self::BLOCK).min(pairs);
            let next = &mut next[..end - block];
            next.fill(0);
            let of_block = left.iter_mut().map(|left| {
                let (own, rest) = left.split_at(left.partition_point(|&(pair, _)| (pair as usize) < end));
                *left = rest;
                own
            });
            let of_block: Vec<&[(u32, i32)]> = of_block.collect();
            for &(pair, _) in of_block.iter().copied().flatten() {
                next[pair as usize - block] += 1;
            }
            for slot in &mut *next {
                let start = row_start[row_start.len() - 1];
                row_start.push(start + *slot);
                *slot = start;
            }
            for (code, errors) in of_block.into_iter().enumerate() {
                for &(pair, difference) in errors {
                    let slot = &mut next[pair as usize - block];
                    weight[*slot as usize] = code as u8;
                    delta[*slot as usize] = difference;
                    *slot += 1;
                }
            }
        }
        let members = Self::members(&row_start, &weight);
        let mut bit_errors = vec![[0; 2]; results[0].bit_errors[point].len()];
        for result in results {
            for (total, counts) in bit_errors.iter_mut().zip(&result.bit_errors[point]) {
                total[0] += counts[0];
                total[1] += counts[1];
            }
        }
        Self { window, row_start, members, weight, delta, bit_errors }
    }

    /// The weight codes in each row, as sets.
    fn members(row_start: &[u32], weight: &[u8]) -> Vec<[u64; 4]> {
        let mut members = vec![[0u64; 4]; row_start.len().saturating_sub(1)];
        for (row, set) in row_start.windows(2).zip(&mut members) {
            for &code in &weight[row[0] as usize..row[1] as usize] {
                set[usize::from(code / 64)] |= 1 << (code % 64);
            }
        }
        members
    }

    /// When the product is sampled, at nominal speed.
    pub fn window(&self) -> Picoseconds {
        self.window
    }

    /// Whether every product is right.
    pub fn is_empty(&self) -> bool {
        self.delta.is_empty()
    }

    /// Weight codes, ascending, whose product comes out wrong for a pair, and sampled − settled for each.
    #[inline]
    pub fn row(&self, pair: usize) -> (&[u8], &[i32]) {
        let range = self.row_start[pair] as usize..self.row_start[pair + 1] as usize;
        (&self.weight[range.clone()], &self.delta[range])
    }

    /// The errors of a pair, ready to be asked for by weight code; `None` if it makes none.
    #[inline(always)]
    pub(crate) fn of_pair(&self, pair: usize) -> Option<PairErrors<'_>> {
        let set = self.members[pair];
        if set == [0; 4] {
            return None;
        }
        let deltas = &self.delta[self.row_start[pair] as usize..self.row_start[pair + 1] as usize];
        let [first, second, third, _] = set.map(u64::count_ones);
        Some(PairErrors { set, before: [0, first, first + second, first + second + third], deltas })
    }

    /// Sampled − settled of every triple of a table, `[weight][pair]`.
    pub(crate) fn by_weight(&self, table: &TransitionTable) -> Vec<i32> {
        let pairs = self.members.len();
        let mut deltas = vec![0; table.transitions()];
        for (pair, weight, delta) in self.iter() {
            deltas[usize::from(weight) * pairs + pair] = delta;
        }
        deltas
    }

    /// For each product bit, how many transitions sample 1 for 0, and 0 for 1.
    pub fn bit_flips(&self) -> impl Iterator<Item = [u64; 2]> {
        self.bit_errors.iter().copied()
    }

    /// Every (pair, weight, sampled − settled), by pair and weight.
    pub fn iter(&self) -> impl Iterator<Item = (usize, u8, i32)> {
        (0..self.row_start.len() - 1).flat_map(|pair| {
            let (weights, deltas) = self.row(pair);
            weights.iter().zip(deltas).map(move |(&weight, &delta)| (pair, weight, delta))
        })
    }
}

multiversion! {
    /// Every transition with one weight.
    fn simulate_weight(
        spec: &TransitionSpec<'_>,
        engine: &mut TimedEngine<'_>,
        lane_energy: &mut LaneEnergy,
        weight: u32,
    ) -> WeightResult = simulate_transitions
}

#[inline(always)]
fn simulate_transitions(
    spec: &TransitionSpec<'_>,
    engine: &mut TimedEngine<'_>,
    lane_energy: &mut LaneEnergy,
    weight: u32,
) -> WeightResult {
    let netlist = spec.netlist;
    let pair_bits = 2 * spec.activation_bits as usize;
    let pairs = 1usize << pair_bits;
    let product = netlist.outputs()[0].nets();
    let points = spec.windows.len();
    let mut result = WeightResult {
        energy: Vec::with_capacity(pairs),
        errors: vec![Vec::new(); points],
        bit_errors: vec![vec![[0; 2]; product.len()]; points],
        activity: SwitchingActivity::new(netlist),
        late: LateToggles::new(netlist, spec.windows),
    };
    let weight = spec.coding.operand(1, weight);
    for (bit, _) in netlist.inputs()[1].nets().iter().enumerate() {
        engine.hold_input(1, bit, weight >> bit & 1 == 1);
    }
    let used = Lanes::first(pairs);
    // One row of planes a window, then the settled product.
    let mut planes = vec![vec![Lanes::ZERO; product.len()]; points + 1];
    let mut samples = vec![Lanes::ZERO; points];
    for block in 0..pairs.div_ceil(LANES) {
        let pair_bit = |bit: usize| match bit {
            0..9 => Lanes::counting(bit),
            _ => Lanes::splat(block >> (bit - 9) & 1 == 1),
        };
        let bits = spec.activation_bits as usize;
        let [from, to] = [bits..2 * bits, 0..bits].map(|bits| port_planes(spec.coding, bits.map(pair_bit).collect()));
        for (bit, (&from, &to)) in from.iter().zip(&to).enumerate() {
            engine.set_input(0, bit, from, to);
        }
        engine.run();
        result.activity.record(netlist, engine, used);
        result.late.record(netlist, engine, used);
        let energy = lane_energy.measure(netlist, engine);
        result.energy.extend(&energy[..pairs.min(LANES)]);
        for (bit, &net) in product.iter().enumerate() {
            engine.sample_all(net, spec.windows, &mut samples);
            for (plane, &sample) in planes.iter_mut().zip(&samples) {
                plane[bit] = sample;
            }
            planes[points][bit] = engine.settled(net);
        }
        let (sampled, settled) = planes.split_at(points);
        let settled = &settled[0];
        let mut settled_codes = None;
        for (point, sampled) in sampled.iter().enumerate() {
            let mut wrong = Lanes::ZERO;
            for (bit, (&sample, &truth)) in sampled.iter().zip(settled).enumerate() {
                let flipped = (sample ^ truth) & used;
                wrong |= flipped;
                result.bit_errors[point][bit][0] += u64::from((flipped & sample).count_ones());
                result.bit_errors[point][bit][1] += u64::from((flipped & truth).count_ones());
            }
            if wrong.is_zero() {
                continue;
            }
            let settled_codes = settled_codes.get_or_insert_with(|| lane_values(settled));
            let codes = lane_values(sampled);
            let errors = &mut result.errors[point];
            for lane in wrong.set_lanes() {
                let [sampled, settled] = [codes[lane], settled_codes[lane]].map(|code| spec.coding.value(code));
                // Two codes of zero are the same number.
                if sampled != settled {
                    errors.push(((block * LANES + lane) as u32, sampled.wrapping_sub(settled)));
                }
            }
        }
    }
    result
}

/// What the activation's port carries, plane by plane, for codes whose highest bits may have been left out as zeros.
#[inline(always)]
pub(super) fn port_planes(coding: Coding, mut codes: Vec<Lanes>) -> Vec<Lanes> {
    let (width, port) = (coding.code_bits()[0] as usize, coding.operand_bits()[0] as usize);
    if coding.format() == NumberFormat::SignMagnitude && codes.len() == width {
        // Complement and add one where the number is negative.
        let sign = codes[width - 1];
        let mut carry = sign;
        for plane in &mut codes {
            let complemented = *plane ^ sign;
            *plane = complemented ^ carry;
            carry = complemented & carry;
        }
        // The highest bit is left of the lowest code alone, which a narrow magnitude takes as the one above.
        let lowest = if port - 1 < width { codes[width - 1] } else { Lanes::ZERO };
        codes.resize(port - 1, Lanes::ZERO);
        codes.iter_mut().for_each(|plane| *plane |= lowest);
        codes.push(sign);
    }
    codes.resize(port, Lanes::ZERO);
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::lane_values;
    use crate::multiplier::{Family, Multiplier, MultiplierSpec};

    #[test]
    fn planes_carry_what_single_operands_do() {
        for bits in [5, 7, 8] {
            let unsigned = MultiplierSpec::new("m", Family::Array, bits, bits, false).unwrap();
            let multiplier = Multiplier::from(unsigned.clone()).sign_magnitude("m").unwrap();
            for coding in [multiplier.coding(), Multiplier::from(unsigned).coding()] {
                let width = coding.code_bits()[0];
                for used in [width - 1, width] {
                    let planes = port_planes(coding, (0..used as usize).map(Lanes::counting).collect());
                    assert_eq!(planes.len(), coding.operand_bits()[0] as usize);
                    let ports = lane_values(&planes);
                    for code in 0..1 << used {
                        assert_eq!(ports[code as usize], coding.operand(0, code), "{coding:?}: {code}");
                    }
                }
            }
        }
    }
}
