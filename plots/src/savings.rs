//! How much energy may be saved for how much accuracy, one bar a configuration.

use crate::axis::Scale;
use crate::error::{PlotError, require_not_negative, require_some};
use crate::figure::Caption;
use crate::output;
use crate::scene::Scene;
use crate::stack::{self, Stacked};
use std::path::{Path, PathBuf};

/// What the figure shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Savings {
    /// Title, and what the savings are against.
    pub caption: Caption,
    /// Names of the losses of accuracy that are accepted, least first, as `within 1 point`.
    pub losses: Vec<String>,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// One configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// Its name.
    pub name: String,
    /// Largest share of the energy saved within each loss, 0 if none; never falls, since what is good enough stays so.
    pub saved: Vec<f64>,
}

/// Draws the figure to `stem.svg` and `stem.png`.
///
/// # Errors
/// If there are no bars or losses, a bar has another number of savings, or savings fall, are negative, above 1 or not finite; or on
/// failing to write.
pub fn draw(data: &Savings, stem: &Path) -> Result<[PathBuf; 2], PlotError> {
    output::write(&scene(data)?, stem)
}

pub(crate) fn scene(data: &Savings) -> Result<Scene, PlotError> {
    check(data)?;
    let percent = |share: &f64| 100.0 * share;
    let bars: Vec<Stacked<'_>> = data
        .bars
        .iter()
        .map(|bar| {
            let before = std::iter::once(&0.0).chain(&bar.saved);
            let parts = bar.saved.iter().zip(before).map(|(saved, before)| percent(&(saved - before))).collect();
            let words: Vec<String> = bar.saved.iter().map(in_percent).collect();
            Stacked { name: &bar.name, parts, total: words.join(" · ") }
        })
        .collect();
    let largest = data.bars.iter().filter_map(|bar| bar.saved.last()).fold(0.0, |a: f64, b| a.max(*b));
    // An axis needs a length even if nothing is saved.
    let x = Scale::from_zero([percent(&largest.max(0.01))]);
    Ok(stack::scene(&data.caption, &data.losses, &bars, x, "energy saved (%)"))
}

/// A saving behind its bar.
fn in_percent(share: &f64) -> String {
    if *share > 0.0 { format!("{:.0} %", 100.0 * share) } else { "none".to_owned() }
}

fn check(data: &Savings) -> Result<(), PlotError> {
    require_some(&data.losses, "losses")?;
    require_some(&data.bars, "bars")?;
    for bar in &data.bars {
        let (found, expected) = (bar.saved.len(), data.losses.len());
        if found != expected {
            return Err(PlotError::Length { what: bar.name.clone(), found, expected });
        }
        let mut before = 0.0;
        for saved in &bar.saved {
            require_not_negative(*saved, "a saving")?;
            if *saved > 1.0 || *saved < before {
                let requirement = "at most 1, and no less than within a smaller loss";
                return Err(PlotError::Invalid { what: "a saving".into(), value: *saved, requirement });
            }
            before = *saved;
        }
    }
    Ok(())
}
