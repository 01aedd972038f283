//! Supply and clock, and when registers sample under them.

use super::{MissingCells, Physical, SupplyOutOfRange, Technology};
use crate::units::{Picoseconds, Volts};

/// A supply voltage and a clock period; corner and temperature are those of the [`Technology`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// Supply of the logic.
    pub supply: Volts,
    /// Clock period, ps.
    pub clock_ps: f64,
}

/// An operating point at which a circuit cannot be simulated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PointError {
    /// The technology says nothing about this supply.
    #[error(transparent)]
    Supply(#[from] SupplyOutOfRange),
    /// The technology lacks cells.
    #[error(transparent)]
    Missing(#[from] MissingCells),
    /// Registers alone take the whole period.
    #[error(
        "at {supply} a clock of {clock_ps:.0} ps leaves no time between registers; lengthen the clock or raise the supply"
    )]
    NoWindow {
        /// The supply.
        supply: Volts,
        /// The clock period, ps.
        clock_ps: f64,
    },
    /// The circuit would not have settled from one operand to the next, as two-vector simulation takes it to.
    #[error(
        "at {supply} and {clock_ps:.0} ps the sampling window is {window} of a critical path of {critical}; below half of it operations overlap, and there is no table of transitions: lengthen the clock or raise the supply"
    )]
    Overlap {
        /// The supply.
        supply: Volts,
        /// The clock period, ps.
        clock_ps: f64,
        /// The window.
        window: Picoseconds,
        /// The static critical path.
        critical: Picoseconds,
    },
}

/// A clock period and, within it, when the register samples, from the operands' change on, in the picoseconds of the delays
/// they are counted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    /// From one change of the operands to the next.
    pub period: Picoseconds,
    /// From a change of the operands to the sampling edge, before which a product bit must have changed.
    pub window: Picoseconds,
}

impl OperatingPoint {
    /// When registers sample at nominal speed: clock / slowdown(V) − clock-to-output − set-up. All delays are taken to scale
    /// alike, the registers' too.
    pub fn at_nominal_speed(self, technology: &Technology, physical: &Physical) -> Result<Sampling, PointError> {
        self.sampling(self.clock_ps / technology.slowdown(self.supply)?, physical)
    }

    /// When registers sample, delays being those of this supply already (see [`Technology::weigh_at`]).
    pub fn at_own_speed(self, physical: &Physical) -> Result<Sampling, PointError> {
        self.sampling(self.clock_ps, physical)
    }

    fn sampling(self, period: f64, physical: &Physical) -> Result<Sampling, PointError> {
        let OperatingPoint { supply, clock_ps } = self;
        let window = period.floor() - f64::from(physical.launch.0) - f64::from(physical.setup.0);
        if window.is_nan() || window < 1.0 {
            return Err(PointError::NoWindow { supply, clock_ps });
        }
        let whole = |time: f64| Picoseconds(time.min(f64::from(u32::MAX)) as u32);
        Ok(Sampling { period: whole(period.floor()), window: whole(window) })
    }
}
