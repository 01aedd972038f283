//! How an operating point is simulated: with which delays, and when the product is sampled.

use crate::engine::StaticTiming;
use crate::netlist::Netlist;
use crate::technology::{OperatingPoint, Physical, PointError, Sampling, Technology};
use crate::units::{Picoseconds, Volts};

/// A netlist at an operating point.
///
/// While all delays change by one factor, lowering the supply equals sampling earlier, and every point is a time at which
/// one simulation at nominal speed is sampled. Where cells have laws of their own, a point has delays of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    point: OperatingPoint,
    own: Option<Physical>,
    critical: Picoseconds,
    sampling: Sampling,
}

impl Pass {
    /// Plans the simulation of `netlist`, which weighs `nominal` and has a static critical path of `critical` at nominal
    /// supply.
    pub fn new(
        technology: &Technology,
        netlist: &Netlist,
        nominal: &Physical,
        critical: Picoseconds,
        point: OperatingPoint,
    ) -> Result<Self, PointError> {
        if technology.has_shared_law() {
            let sampling = point.at_nominal_speed(technology, nominal)?;
            return Ok(Self { point, own: None, critical, sampling });
        }
        let own = technology.weigh_at(netlist, point.supply)?;
        let sampling = point.at_own_speed(&own)?;
        let critical = StaticTiming::with_delays(netlist, &own.delay).critical_delay();
        Ok(Self { point, own: Some(own), critical, sampling })
    }

    /// Lowest supply, to 0.1 mV, at which all outputs of a netlist settle before the sampling edge of a clock; `None` if they
    /// do not at the highest supply of the delay laws.
    pub fn critical_supply(
        technology: &Technology,
        netlist: &Netlist,
        nominal: &Physical,
        critical: Picoseconds,
        clock_ps: f64,
    ) -> Option<Volts> {
        let settles = |supply: f64| {
            let point = OperatingPoint { supply: Volts(supply), clock_ps };
            Self::new(technology, netlist, nominal, critical, point).is_ok_and(|pass| pass.settles())
        };
        let (Volts(mut low), Volts(mut high)) = technology.supply_range();
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

    /// The operating point.
    pub fn point(&self) -> OperatingPoint {
        self.point
    }

    /// Delays, energies and leakage to simulate with: the point's own, if it has any, or else those at nominal supply.
    pub fn own_physical(&self) -> Option<&Physical> {
        self.own.as_ref()
    }

    /// Latest arrival at an output, ps at the pass's speed.
    pub fn critical(&self) -> Picoseconds {
        self.critical
    }

    /// When the product is sampled, ps at the pass's speed.
    pub fn sampling(&self) -> Sampling {
        self.sampling
    }

    /// Whether every output settles before the sampling edge, whatever the operands.
    pub fn settles(&self) -> bool {
        self.sampling.window > self.critical
    }

    /// Whether operations are in flight together: a window under half the critical path. Simulation from one settled state
    /// to the next is not what happens there.
    pub fn overlaps(&self) -> bool {
        self.sampling.window.0 < self.critical.0.div_ceil(2)
    }

    /// What to say of a point that [overlaps](Self::overlaps) where settled states are needed.
    pub fn overlap(&self) -> PointError {
        let OperatingPoint { supply, clock_ps } = self.point;
        PointError::Overlap { supply, clock_ps, window: self.sampling.window, critical: self.critical }
    }
}
