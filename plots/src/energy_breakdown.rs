//! Where the energy goes, one stacked bar a configuration or a layer.

use crate::axis::Scale;
use crate::error::{PlotError, require_not_negative, require_some};
use crate::figure::Caption;
use crate::number::{self, EnergyUnit};
use crate::output;
use crate::scene::Scene;
use crate::stack::{self, Stacked};
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct EnergyBreakdown {
    /// Title, and model, array, technology and clock.
    pub caption: Caption,
    /// What the bars measure, as `energy per image`.
    pub quantity: String,
    /// Names of the components, in stacking order.
    pub components: Vec<String>,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// One configuration or layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Energy of each component, µJ; as many as there are components.
    pub energy_uj: Vec<f64>,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If there are no bars or components, a bar has another number of components, or an energy is negative or not finite;
/// or on failing to write.
pub fn draw(data: &EnergyBreakdown, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

pub(crate) fn scene(data: &EnergyBreakdown) -> Result<Scene, PlotError> {
    check(data)?;
    let totals: Vec<f64> = data.bars.iter().map(|bar| bar.energy_uj.iter().sum()).collect();
    let largest_uj = totals.iter().copied().fold(0.0, f64::max);
    let unit = EnergyUnit::for_largest(largest_uj * 1e-6);
    let bars = data.bars.iter().zip(&totals).map(|(bar, total)| Stacked {
        name: &bar.name,
        parts: bar.energy_uj.iter().map(|energy| energy * unit.per_microjoule()).collect(),
        total: format!("{} {}", number::three_digits(total * unit.per_microjoule()), unit.symbol),
    });
    let bars: Vec<_> = bars.collect();
    let x = Scale::from_zero([largest_uj * unit.per_microjoule()]);
    let title = format!("{} ({})", data.quantity, unit.symbol);
    Ok(stack::scene(&data.caption, &data.components, &bars, x, &title))
}

fn check(data: &EnergyBreakdown) -> Result<(), PlotError> {
    require_some(&data.components, "components")?;
    require_some(&data.bars, "bars")?;
    for bar in &data.bars {
        let (found, expected) = (bar.energy_uj.len(), data.components.len());
        if found != expected {
            return Err(PlotError::Length { what: bar.name.clone(), found, expected });
        }
        for energy in &bar.energy_uj {
            require_not_negative(*energy, "energy of a component")?;
        }
    }
    Ok(())
}
