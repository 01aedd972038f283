//! Virtual chips: the same netlist with thresholds that vary from cell to cell and from die to die.

use super::sequences::{Changing, SequenceSpec, Sequences};
use super::{Design, TransitionSpec};
use crate::engine::{DelayMode, StaticTiming};
use crate::technology::{NoVariation, OperatingPoint, PointError, Technology};
use rayon::prelude::*;

/// Which chips to draw, and how closely to look at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChipSpec {
    /// Number of chips.
    pub chips: u64,
    /// Operations drawn at each point of each chip, the same ones for all.
    pub operations: u64,
    /// Bits of an activation.
    pub activation_bits: u32,
    /// Decides chips and operations.
    pub seed: u64,
}

/// One chip at one operating point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChipPoint {
    /// Static critical path there, ps.
    pub critical_ps: f64,
    /// Whether it is over before the sampling edge, so that no operands can fail.
    pub settles: bool,
    /// Share of wrong products among those drawn; 1 if the registers alone take longer than the period.
    pub error_rate: f64,
    /// Energy of an operation, fJ; `None` if the registers alone take longer than the period.
    pub energy_fj: Option<f64>,
}

/// Simulates chips: `[point][chip]`. Nothing depends on threads.
///
/// # Errors
/// If the technology does not say how chips differ, or not what a point is.
///
/// # Panics
/// If the design's operands are wider than 8 bits.
pub fn simulate_chips(
    design: &Design,
    technology: &Technology,
    points: &[OperatingPoint],
    spec: ChipSpec,
    progress: &(impl Fn() + Sync),
) -> Result<Vec<Vec<ChipPoint>>, ChipError> {
    let chip = |chip: u64| {
        let thresholds = technology.thresholds(design.multiplier.netlist(), spec.seed, chip)?;
        let points = points.iter().map(|&point| {
            let physical = technology.weigh_chip(design.multiplier.netlist(), point.supply, &thresholds)?;
            let critical = StaticTiming::with_delays(design.multiplier.netlist(), &physical.delay).critical_delay();
            let critical_ps = f64::from(critical.0);
            let sampling = match point.at_own_speed(&physical) {
                Ok(sampling) => sampling,
                Err(PointError::NoWindow { .. }) => {
                    return Ok(ChipPoint { critical_ps, settles: false, error_rate: 1.0, energy_fj: None });
                }
                Err(error) => return Err(error.into()),
            };
            let circuit = TransitionSpec {
                netlist: design.multiplier.netlist(),
                physical: &physical,
                coding: design.multiplier.coding(),
                activation_bits: spec.activation_bits,
                mode: DelayMode::Inertial,
                windows: &[],
            };
            let (operations, seed) = (spec.operations, spec.seed);
            let changing = Changing::Activation;
            let sequences =
                Sequences::simulate(SequenceSpec { circuit, changing, sampling, critical, operations, seed });
            let sequences = sequences.expect("operands of at most 8 bits");
            let nominal =
                sequences.activity().total().energy(&physical.transition_energy, physical.leakage, point.clock_ps);
            let energy_fj = nominal.switching.0 * technology.switching_factor(point.supply)
                + nominal.leakage.0 * technology.leakage_factor(point.supply);
            Ok(ChipPoint {
                critical_ps,
                settles: sampling.window > critical,
                error_rate: sequences.errors().error_rate,
                energy_fj: Some(energy_fj),
            })
        });
        let points = points.collect::<Result<Vec<ChipPoint>, ChipError>>();
        progress();
        points
    };
    let chips: Vec<Vec<ChipPoint>> = (0..spec.chips).into_par_iter().map(chip).collect::<Result<_, _>>()?;
    Ok((0..points.len()).map(|point| chips.iter().map(|chip| chip[point]).collect()).collect())
}

/// Chips that cannot be simulated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ChipError {
    /// The technology does not say how they differ.
    #[error(transparent)]
    NoVariation(#[from] NoVariation),
    /// The technology does not cover an operating point.
    #[error(transparent)]
    Point(#[from] PointError),
}
