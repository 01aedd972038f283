//! Draws every figure from made-up data, to look at the layout: `cargo run --release --example gallery -- DIRECTORY`.

mod synthetic;

use axtrain_plots::{
    PlotError, accuracy_bit_errors, accuracy_voltage, bit_flips, energy_accuracy, energy_breakdown, error_fit,
    error_histogram, error_voltage, layer_utilization, operand_map, roofline, savings, supply_map, training_curves,
};
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: gallery DIRECTORY")?;
    std::fs::create_dir_all(&directory)?;
    for path in draw_all(&directory)? {
        println!("{}", path.display());
    }
    Ok(())
}

fn draw_all(directory: &Path) -> Result<Vec<PathBuf>, PlotError> {
    let stem = |name: &str| directory.join(name);
    let drawn = [
        energy_accuracy::draw(&synthetic::energy_accuracy(), &stem("energy_accuracy"))?,
        error_voltage::draw(&synthetic::error_voltage(true), &stem("error_voltage"))?,
        error_voltage::draw(&synthetic::error_voltage(false), &stem("error_voltage_alone"))?,
        error_voltage::draw(&synthetic::crowded(), &stem("error_voltage_crowded"))?,
        error_histogram::draw(&synthetic::error_histogram(), &stem("error_histogram"))?,
        accuracy_voltage::draw(&synthetic::accuracy_voltage(None), &stem("accuracy_voltage"))?,
        accuracy_voltage::draw(&synthetic::accuracy_voltage(Some(0.8)), &stem("accuracy_voltage_from_80"))?,
        energy_breakdown::draw(&synthetic::energy_breakdown(), &stem("energy_breakdown"))?,
        layer_utilization::draw(&synthetic::layer_utilization(), &stem("layer_utilization"))?,
        roofline::draw(&synthetic::roofline(), &stem("roofline"))?,
        savings::draw(&synthetic::savings(), &stem("savings"))?,
        operand_map::draw(&synthetic::operand_map(), &stem("operand_map"))?,
        bit_flips::draw(&synthetic::bit_flips(), &stem("bit_flips"))?,
        error_fit::draw(&synthetic::error_fit(), &stem("error_fit"))?,
        error_voltage::draw(&synthetic::bit_error_voltage(), &stem("bit_error_voltage"))?,
        accuracy_bit_errors::draw(&synthetic::accuracy_bit_errors(), &stem("accuracy_bit_errors"))?,
        supply_map::draw(&synthetic::supply_map(), &stem("supply_map"))?,
        training_curves::draw(&synthetic::training_curves(), &stem("training_curves"))?,
    ];
    Ok(drawn.into_iter().flatten().collect())
}
