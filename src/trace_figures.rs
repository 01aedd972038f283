//! Figures of a design's profiles over its operating points.

use crate::failure::Failure;
use crate::profile_figures::{distribution, error_fit, operand_map};
use axtrain_plots::{Caption, PlotError, bit_flips, error_histogram, error_voltage};
use axtrain_sim::profile::ErrorProfile;
use axtrain_sim::units::Volts;
use std::path::{Path, PathBuf};

/// Draws the profiles of one clock and one list of operands, with file names that begin with `prefix`; returns the files.
pub(crate) fn draw(
    profiles: &[ErrorProfile],
    critical: Option<Volts>,
    folder: &Path,
    prefix: &str,
) -> Result<Vec<PathBuf>, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::write(folder, error))?;
    let mut files = Vec::new();
    let mut keep = |drawn: Result<[PathBuf; 2], PlotError>| match drawn {
        Ok(paths) => {
            files.extend(paths);
            Ok(())
        }
        Err(error) => Err(Failure::other(format!("cannot draw a figure: {error}"))),
    };
    let named = |figure: &str| folder.join(format!("{prefix}_{figure}"));
    keep(error_voltage::draw(&voltage(profiles, critical), &named("error-voltage")))?;
    keep(bit_flips::draw(&flips(profiles, critical), &named("bit-flips")))?;
    keep(error_histogram::draw(&histogram(profiles), &named("error-histogram")))?;
    for profile in extremes(profiles) {
        let at = |figure: &str| named(&format!("{figure}@{:.3}V", profile.metadata.supply_v));
        keep(axtrain_plots::operand_map::draw(&operand_map(profile), &at("operand-map")))?;
        if let Some(fit) = error_fit(profile) {
            keep(axtrain_plots::error_fit::draw(&fit, &at("error-fit")))?;
        }
    }
    Ok(files)
}

/// Of the profiles with timing errors, the one at the highest and the one at the lowest supply.
fn extremes(profiles: &[ErrorProfile]) -> Vec<&ErrorProfile> {
    let mut failing: Vec<&ErrorProfile> =
        profiles.iter().filter(|profile| profile.timing.error_rate() > 0.0).collect();
    failing.sort_by(|first, second| second.metadata.supply_v.total_cmp(&first.metadata.supply_v));
    match failing[..] {
        [] => Vec::new(),
        [only] => vec![only],
        [first, .., last] => vec![first, last],
    }
}

fn caption(what: &str, profiles: &[ErrorProfile]) -> Caption {
    let about = &profiles[0].metadata;
    let conditions = format!("{}, clock {:.0} ps; {} operands", about.technology, about.clock_ps, about.stimulus);
    Caption::new(format!("{what} of {}", about.design), conditions)
}

fn voltage(profiles: &[ErrorProfile], critical: Option<Volts>) -> error_voltage::ErrorVoltage {
    let points = profiles.iter().map(|profile| error_voltage::Point {
        supply_v: profile.metadata.supply_v,
        error_rate: profile.timing.error_rate().min(1.0),
        energy_fj: Some(profile.mean_energy_fj()),
    });
    let design = error_voltage::Design {
        name: profiles[0].metadata.design.clone(),
        critical_v: critical.map(|supply| supply.0),
        points: points.collect(),
    };
    error_voltage::ErrorVoltage {
        quantities: error_voltage::Quantities::Timing,
        caption: caption("Timing errors and switching energy", profiles),
        designs: vec![design],
    }
}

/// One column for each supply.
pub(crate) fn flips(profiles: &[ErrorProfile], critical: Option<Volts>) -> bit_flips::BitFlips {
    let points = profiles.iter().map(|profile| bit_flips::Point {
        supply_v: profile.metadata.supply_v,
        up: profile.bit_flip_01.clone(),
        down: profile.bit_flip_10.clone(),
    });
    bit_flips::BitFlips {
        caption: caption("Bit flips", profiles),
        critical_v: critical.map(|supply| supply.0),
        points: points.collect(),
    }
}

/// Approximation error, and the timing error at the highest and lowest supplies that have any.
fn histogram(profiles: &[ErrorProfile]) -> error_histogram::ErrorHistogram {
    let approximation = distribution("approximation error".to_owned(), &profiles[0].approximation);
    let timing = extremes(profiles)
        .into_iter()
        .map(|profile| distribution(format!("timing error at {:.3} V", profile.metadata.supply_v), &profile.timing));
    error_histogram::ErrorHistogram {
        caption: caption("Errors", profiles),
        panels: [approximation].into_iter().chain(timing).collect(),
    }
}
