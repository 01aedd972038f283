//! Supply and clock, and when registers sample under them.

use super::{Physical, SupplyOutOfRange, Technology};
use crate::units::{Picoseconds, Volts};

/// A supply voltage and a clock period.
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
        "at {supply} and {clock_ps:.0} ps the sampling window is {window} of a critical path of {critical}; below half of it operations overlap, which is not simulated: lengthen the clock or raise the supply"
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

impl OperatingPoint {
    /// Time from the operands' change to the sampling edge, at nominal speed, of a circuit between registers:
    /// clock / slowdown(V) − clock-to-output − set-up. All delays are taken to scale alike, the registers' too.
    ///
    /// Refused where two operations would be in flight at once: a window under half the `critical` path.
    pub fn window(
        self,
        technology: &Technology,
        physical: &Physical,
        critical: Picoseconds,
    ) -> Result<Picoseconds, PointError> {
        let OperatingPoint { supply, clock_ps } = self;
        let slowdown = technology.slowdown(supply)?;
        let window = (clock_ps / slowdown).floor() - f64::from(physical.launch.0) - f64::from(physical.setup.0);
        if window.is_nan() || window < 1.0 {
            return Err(PointError::NoWindow { supply, clock_ps });
        }
        let window = Picoseconds(window.min(f64::from(u32::MAX)) as u32);
        if window.0 < critical.0.div_ceil(2) {
            return Err(PointError::Overlap { supply, clock_ps, window, critical });
        }
        Ok(window)
    }
}

impl Technology {
    /// Lowest supply, to 0.1 mV, at which a circuit with this `critical` path settles before the sampling edge; `None` if
    /// it does not at the highest supply of the delay law.
    pub fn critical_supply(&self, physical: &Physical, critical: Picoseconds, clock_ps: f64) -> Option<Volts> {
        let settles = |supply: f64| {
            let window = OperatingPoint { supply: Volts(supply), clock_ps }.window(self, physical, critical);
            window.is_ok_and(|window| window > critical)
        };
        let (Volts(mut low), Volts(mut high)) = self.delay_law.range();
        if !settles(high) {
            return None;
        }
        // Delay falls as the supply rises.
        while high - low > 1e-4 {
            let middle = (low + high) / 2.0;
            if settles(middle) { high = middle } else { low = middle }
        }
        Some(Volts(high))
    }
}
