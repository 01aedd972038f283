//! Figures of the layers that `cycles` counts.

use crate::cycles::three_digits;
use crate::failure::Failure;
use crate::figures::component_label;
use crate::layer_energy::NetworkEnergy;
use axtrain_plots::{Caption, PlotError, energy_breakdown, layer_utilization, roofline};
use axtrain_sim::array::{ElementShares, Layer, LayerCycles, MemorySystem, SystolicArray};
use std::path::Path;

/// What the figures show.
pub(crate) struct LayerFigures<'a> {
    pub(crate) array: &'a SystolicArray,
    pub(crate) memory: Option<&'a MemorySystem>,
    pub(crate) layers: &'a [Layer],
    pub(crate) counted: &'a [LayerCycles],
    pub(crate) total: &'a LayerCycles,
    pub(crate) energy: Option<&'a NetworkEnergy>,
    /// Network and array.
    pub(crate) conditions: &'a str,
}

impl LayerFigures<'_> {
    /// Draws all of them into `folder`.
    pub(crate) fn draw(&self, folder: &Path) -> Result<(), Failure> {
        std::fs::create_dir_all(folder).map_err(|error| Failure::write(folder, error))?;
        let failed = |error: PlotError| Failure::other(format!("cannot draw a figure: {error}"));
        layer_utilization::draw(&self.utilization()?, &folder.join("utilization")).map_err(failed)?;
        roofline::draw(&self.roofline()?, &folder.join("roofline")).map_err(failed)?;
        if let Some(energy) = self.energy {
            energy_breakdown::draw(&self.energy_breakdown(energy), &folder.join("energy")).map_err(failed)?;
        }
        Ok(())
    }

    fn utilization(&self) -> Result<layer_utilization::LayerUtilization, Failure> {
        let states = ["multiplying", "loading, filling, draining", "no work in the fold", "waiting for memory"];
        let layer = |(layer, counted): (&Layer, &LayerCycles)| {
            let activity = self.array.activity(layer).map_err(|error| Failure::request(error, "split the layer"))?;
            let ElementShares { active, bubble, unmapped, waiting } =
                activity.shares(counted.cycles, counted.stall_cycles);
            let name = layer.name().to_owned();
            Ok(layer_utilization::Layer { name, shares: vec![active, bubble, unmapped, waiting] })
        };
        Ok(layer_utilization::LayerUtilization {
            caption: Caption::new("What the elements do", self.conditions),
            states: states.map(str::to_owned).into(),
            layers: self.layers.iter().zip(self.counted).map(layer).collect::<Result<_, Failure>>()?,
        })
    }

    fn roofline(&self) -> Result<roofline::Roofline, Failure> {
        let roofs = self.array.roofs(self.memory);
        let place = |name: &str, work: u64, counted: &LayerCycles| {
            let point = self.array.roofline_point(work, counted, self.memory);
            roofline::Layer { name: name.to_owned(), intensity: point.intensity, throughput: point.throughput }
        };
        let mut work = 0_u64;
        let mut layers = Vec::new();
        for (layer, counted) in self.layers.iter().zip(self.counted) {
            let own = layer.multiply_accumulates();
            let own = own.map_err(|error| Failure::request(error, "split the layer"))?;
            work = work.saturating_add(own);
            // A layer whose operands and results all stay on chip has no place under the roofs.
            if counted.dram.words() > 0 {
                layers.push(place(layer.name(), own, counted));
            }
        }
        Ok(roofline::Roofline {
            caption: Caption::new("Roofline", self.conditions),
            peak: roofs.peak,
            bytes_per_cycle: roofs.bytes_per_cycle,
            total: (layers.len() > 1).then(|| place("network", work, self.total)),
            layers,
        })
    }

    fn energy_breakdown(&self, energy: &NetworkEnergy) -> energy_breakdown::EnergyBreakdown {
        let bars = self.layers.iter().zip(&energy.layers).map(|(layer, energy)| energy_breakdown::Bar {
            name: layer.name().to_owned(),
            energy_uj: energy.parts().iter().map(|(_, energy)| *energy).collect(),
        });
        energy_breakdown::EnergyBreakdown {
            caption: Caption::new(
                "Where the energy goes",
                format!(
                    "{} µJ in all; {}; {}",
                    three_digits(energy.total.total),
                    self.conditions,
                    energy.conditions.describe()
                ),
            ),
            quantity: "energy".to_owned(),
            components: energy.total.parts().iter().map(|(name, _)| component_label(name)).collect(),
            bars: bars.collect(),
        }
    }
}
