//! Figures of axtrain's results, one module a figure.
//!
//! Every figure module has a plain data type and a function `draw(&data, stem)`, which writes `stem.svg` and `stem.png`
//! (900×600 points, the PNG at two pixels a point) and returns both paths. The files appear complete or not at all.
//!
//! ```
//! use axtrain_plots::accuracy_voltage::{AccuracyVoltage, Point, Series, draw};
//! use axtrain_plots::{Caption, Estimate};
//!
//! let measured = [(0.8, 0.902, 0.887, 0.917), (0.9, 0.961, 0.957, 0.965), (1.1, 0.975, 0.973, 0.977)];
//! let points = measured.map(|(supply_v, mean, low, high)| Point { supply_v, accuracy: Estimate { mean, low, high } });
//! let data = AccuracyVoltage {
//!     caption: Caption::new("Accuracy under voltage scaling", "digits, exact 8×8, clock 1500 ps; 5 seeds"),
//!     series: vec![Series { method: "passive".into(), points: points.into() }],
//!     exact_at_nominal: Some(0.981),
//!     accuracy_from: None,
//! };
//! let directory = std::env::temp_dir();
//! let [svg, png] = draw(&data, &directory.join("accuracy_voltage"))?;
//! # std::fs::remove_file(&png).unwrap();
//! # std::fs::remove_file(&svg).unwrap();
//! # Ok::<(), axtrain_plots::PlotError>(())
//! ```
//!
//! Numbers are drawn as given: nothing is averaged, fitted or interpolated here, and confidence intervals come from the
//! caller. Only unit prefixes are chosen. Series keep the caller's order, which also decides their colours: pass the
//! same methods in the same order to every figure and each keeps its colour.

pub mod accuracy_bit_errors;
pub mod accuracy_voltage;
pub mod bit_flips;
pub mod energy_accuracy;
pub mod energy_breakdown;
pub mod error_fit;
pub mod error_histogram;
pub mod error_voltage;
pub mod layer_utilization;
pub mod operand_map;
pub mod roofline;
pub mod savings;
pub mod supply_map;
pub mod training_curves;

mod axis;
mod clip;
mod error;
mod estimate;
mod figure;
mod font;
mod heat;
mod label;
mod legend;
mod number;
mod output;
mod panel;
mod scene;
mod stack;
mod style;

pub use error::PlotError;
pub use estimate::Estimate;
pub use figure::Caption;

#[cfg(test)]
mod robustness;

#[cfg(test)]
extern crate self as axtrain_plots;
#[cfg(test)]
#[path = "../examples/gallery/synthetic.rs"]
mod synthetic;
