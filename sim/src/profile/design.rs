//! A multiplier with all that is known about it before it meets data.

use super::{ErrorMetrics, MetricOptions, Pass};
use crate::engine::{StaticTiming, exhaustive_codes};
use crate::multiplier::{Multiplier, NumberFormat, ProductTable};
use crate::netlist::export::to_verilog;
use crate::technology::{MissingCells, OperatingPoint, Physical, PointError, Technology};
use crate::units::{Picoseconds, Volts};
use sha2::{Digest, Sha256};

/// A multiplier built from gates, weighed in a technology, and compared with the exact product on all operands.
#[derive(Clone, Debug)]
pub struct Design {
    /// Its gates.
    pub multiplier: Multiplier,
    /// What the gates compute.
    pub product: ProductTable,
    /// How far that is from the exact product.
    pub metrics: ErrorMetrics,
    /// Area, delays, energies and leakage at nominal supply.
    pub physical: Physical,
    /// Latest arrival times at nominal supply.
    pub timing: StaticTiming,
}

/// What a multiplier's gates compute.
///
/// # Panics
/// If it is not [tabulable](Multiplier::is_tabulable).
pub fn product_table(multiplier: &Multiplier) -> ProductTable {
    let (codes, coding) = (exhaustive_codes(multiplier.netlist()), multiplier.coding());
    let port_b = coding.operand_bits()[1];
    ProductTable::from_fn(multiplier.width_a(), multiplier.width_b(), multiplier.signed(), |a, b| {
        let [a, b] = coding.operands([a, b]);
        coding.value(codes[(a << port_b | b) as usize])
    })
}

impl ErrorMetrics {
    /// Metrics of a multiplier over all pairs of operand codes.
    ///
    /// # Panics
    /// If ports carry other codes than tables have, and those are too wide for a table.
    pub fn of_multiplier(multiplier: &Multiplier, options: MetricOptions) -> Self {
        match multiplier.coding().format() {
            NumberFormat::SignMagnitude => Self::of_table(&product_table(multiplier), options),
            _ => Self::of_netlist(multiplier.netlist(), multiplier.signed(), options),
        }
    }
}

impl Design {
    /// Builds and measures a design.
    ///
    /// # Panics
    /// If the operands are wider than a [`ProductTable`] holds.
    pub fn new(multiplier: Multiplier, technology: &Technology) -> Result<Self, MissingCells> {
        let netlist = multiplier.netlist();
        let physical = technology.weigh(netlist)?;
        let timing = StaticTiming::with_delays(netlist, &physical.delay);
        let product = product_table(&multiplier);
        let metrics = ErrorMetrics::of_multiplier(&multiplier, MetricOptions::default());
        Ok(Self { multiplier, product, metrics, physical, timing })
    }

    /// Name of the design.
    pub fn name(&self) -> &str {
        self.multiplier.name()
    }

    /// SHA-256 of the gates as structural Verilog, in hexadecimal.
    pub fn sha256(&self) -> String {
        let digest = Sha256::digest(to_verilog(self.multiplier.netlist()).as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Shortest clock period at nominal supply without timing errors: clock-to-output, critical path, set-up, and one
    /// picosecond because sampling is strictly before the edge.
    pub fn minimum_clock_ps(&self) -> f64 {
        self.physical.minimum_clock_ps(self.critical())
    }

    /// The critical path's delay at nominal supply.
    pub fn critical(&self) -> Picoseconds {
        self.timing.critical_delay()
    }

    /// How an operating point is simulated.
    pub fn pass(&self, technology: &Technology, point: OperatingPoint) -> Result<Pass, PointError> {
        Pass::new(technology, self.multiplier.netlist(), &self.physical, self.critical(), point)
    }

    /// Lowest supply, to 0.1 mV, at which all outputs settle before the sampling edge; `None` if they do not at the
    /// highest supply of the delay laws.
    pub fn critical_supply(&self, technology: &Technology, clock_ps: f64) -> Option<Volts> {
        let netlist = self.multiplier.netlist();
        Pass::critical_supply(technology, netlist, &self.physical, self.critical(), clock_ps)
    }

    /// [`Self::minimum_clock_ps`] at a supply, at the technology's corner and temperature.
    pub fn minimum_clock_at(&self, technology: &Technology, supply: Volts) -> Result<f64, PointError> {
        if technology.has_shared_law() {
            return Ok(self.minimum_clock_ps() * technology.slowdown(supply)?);
        }
        let netlist = self.multiplier.netlist();
        let physical = technology.weigh_at(netlist, supply)?;
        let critical = StaticTiming::with_delays(netlist, &physical.delay).critical_delay();
        Ok(physical.minimum_clock_ps(critical))
    }
}
