//! What the elements of an array do with their cycles, one stacked bar a layer.

use crate::axis::Scale;
use crate::error::{PlotError, require_fraction, require_some};
use crate::figure::Caption;
use crate::scene::Scene;
use crate::stack::{self, Stacked};
use crate::{number, output};
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerUtilization {
    /// Title, and network, array and memories.
    pub caption: Caption,
    /// What elements can do, in stacking order; the first is work.
    pub states: Vec<String>,
    /// From top to bottom.
    pub layers: Vec<Layer>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Share of all (element, cycle) pairs in each state, 0…1; as many as there are states.
    pub shares: Vec<f64>,
}

/// Draws the figure to `stem.svg` and `stem.png`; behind each bar stands the share of the first state.
///
/// # Errors
/// If there are no layers or states, a layer has another number of states, or a share is not in 0…1; or on failing to
/// write.
pub fn draw(data: &LayerUtilization, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

pub(crate) fn scene(data: &LayerUtilization) -> Result<Scene, PlotError> {
    check(data)?;
    let bars = data.layers.iter().map(|layer| Stacked {
        name: &layer.name,
        parts: layer.shares.iter().map(|share| share * 100.0).collect(),
        total: number::percentage(layer.shares[0]),
    });
    let bars: Vec<_> = bars.collect();
    let x = Scale::Linear { low: 0.0, high: 100.0, whole: false };
    Ok(stack::scene(&data.caption, &data.states, &bars, x, "share of all elements in all cycles (%)"))
}

fn check(data: &LayerUtilization) -> Result<(), PlotError> {
    require_some(&data.states, "states")?;
    require_some(&data.layers, "layers")?;
    for layer in &data.layers {
        let (found, expected) = (layer.shares.len(), data.states.len());
        if found != expected {
            return Err(PlotError::Length { what: layer.name.clone(), found, expected });
        }
        for share in &layer.shares {
            require_fraction(*share, "share of a state")?;
        }
    }
    Ok(())
}
