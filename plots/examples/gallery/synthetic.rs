//! Made-up data with the shapes that real results have. None of it was measured.

use axtrain_plots::accuracy_bit_errors::{self, AccuracyBitErrors};
use axtrain_plots::accuracy_voltage::{self, AccuracyVoltage};
use axtrain_plots::bit_flips::{self, BitFlips};
use axtrain_plots::energy_accuracy::{self, EnergyAccuracy};
use axtrain_plots::energy_breakdown::{Bar, EnergyBreakdown};
use axtrain_plots::error_fit::{Bin, ErrorFit, FittedModel};
use axtrain_plots::error_histogram::{Distribution, ErrorHistogram, Outcome};
use axtrain_plots::error_voltage::{self, ErrorVoltage};
use axtrain_plots::layer_utilization::{self, LayerUtilization};
use axtrain_plots::operand_map::OperandMap;
use axtrain_plots::roofline::{self, Roofline};
use axtrain_plots::savings::{self, Savings};
use axtrain_plots::supply_map::SupplyMap;
use axtrain_plots::training_curves::{Curve, Epoch, TrainingCurves};
use axtrain_plots::{Caption, Estimate};

const METHODS: [&str; 4] = ["standard", "passive", "active", "passive + active"];

fn caption(title: &str, stimulus: &str) -> Caption {
    Caption::new(title, format!("Synthetic data for the layout, nothing measured. {stimulus}"))
}

fn supplies() -> impl Iterator<Item = f64> {
    (0..13).map(|step| 1.10 - 0.04 * f64::from(step))
}

/// Falls from 1 to 0 around 0, in steps of a hundredth as wide as `width`.
fn fall(distance: f64, width: f64) -> f64 {
    1.0 / (1.0 + (-distance / width).exp())
}

/// Accuracy that collapses to a tenth below `wall_v`; intervals widen on the way down.
fn accuracy(supply_v: f64, best: f64, wall_v: f64) -> Estimate {
    let kept = fall(supply_v - wall_v, 0.015);
    let mean = 0.1 + (best - 0.1) * kept;
    let half = 0.003 + 0.3 * kept * (1.0 - kept) * (best - 0.1);
    Estimate { mean, low: (mean - half).max(0.0), high: (mean + half).min(1.0) }
}

pub(crate) fn energy_accuracy() -> EnergyAccuracy {
    let designs =
        [("exact 8×8", 0.34, 0.0, 0.0), ("bam8_h2_v5", 0.25, 0.012, -0.05), ("drum8_k4", 0.20, 0.03, -0.02)];
    let series = designs.iter().flat_map(|(design, nominal_uj, loss, wall)| {
        METHODS.iter().enumerate().step_by(if *wall == 0.0 { 4 } else { 2 }).map(move |(rank, method)| {
            let gain = rank as f64;
            let points = supplies().map(|supply_v| energy_accuracy::Point {
                supply_v,
                energy_uj: nominal_uj * (0.9 * (supply_v / 1.1).powi(2) + 0.1 * supply_v / 1.1),
                accuracy: accuracy(supply_v, 0.982 - loss / (1.0 + gain), 0.90 + wall - 0.03 * gain),
            });
            let baseline = *wall == 0.0;
            energy_accuracy::Series {
                method: (*method).into(),
                design: (*design).into(),
                baseline,
                points: points.collect(),
            }
        })
    });
    let series: Vec<energy_accuracy::Series> = series.collect();
    let mut points: Vec<[f64; 2]> =
        series.iter().flat_map(|series| &series.points).map(|point| [point.energy_uj, point.accuracy.mean]).collect();
    points.sort_by(|first, second| first[0].total_cmp(&second[0]));
    let mut best = 0.0f64;
    points.retain(|&[_, accuracy]| {
        let better = accuracy > best;
        best = best.max(accuracy);
        better
    });
    EnergyAccuracy {
        groups: "training",
        caption: caption("Energy and accuracy under voltage scaling", "Digits, MLP 64-32-10, 16×16 array, 5 seeds"),
        series,
        exact_at_nominal: Some(0.982),
        front: points,
        accuracy_from: Some(0.6),
    }
}

pub(crate) fn error_voltage(with_energy: bool) -> ErrorVoltage {
    let designs = [("exact 8×8 (Wallace)", 0.97, 520.0), ("bam8_h2_v5", 0.90, 365.0), ("drum8_k4", 0.885, 290.0)];
    let designs = designs.map(|(name, critical_v, nominal_fj)| {
        let points = supplies().map(|supply_v| {
            let below = critical_v - 0.012 - supply_v;
            error_voltage::Point {
                supply_v,
                error_rate: if below > 0.0 { (3e-5 * (below * 65.0).exp()).min(0.55) } else { 0.0 },
                energy_fj: with_energy.then_some(nominal_fj * (supply_v / 1.1_f64).powi(2)),
            }
        });
        error_voltage::Design { name: name.into(), critical_v: Some(critical_v), points: points.collect() }
    });
    ErrorVoltage {
        quantities: error_voltage::Quantities::Timing,
        caption: caption(
            "Timing errors under voltage scaling",
            "Clock 1500 ps; weight-stationary exhaustive uniform",
        ),
        designs: designs.into(),
    }
}

/// Many designs, with names and a title too long for any line.
pub(crate) fn crowded() -> ErrorVoltage {
    let mut data = error_voltage(true);
    let design = |index: usize| {
        let name = format!("a multiplier whose name its author did not wish to be short, number {index}");
        error_voltage::Design { name, ..data.designs[index % 3].clone() }
    };
    data.designs = (0..7).map(design).collect();
    data.caption.title = [data.caption.title.as_str(); 4].join(", ");
    data
}

pub(crate) fn error_histogram() -> ErrorHistogram {
    let approximation = (1..=48).map(|step| {
        let step = f64::from(step);
        Outcome { error: -2.0 * step, probability: 0.08 * (-step / 9.0).exp() }
    });
    let with_correct = |mut outcomes: Vec<Outcome>| {
        let wrong: f64 = outcomes.iter().map(|outcome| outcome.probability).sum();
        outcomes.push(Outcome { error: 0.0, probability: 1.0 - wrong });
        outcomes
    };
    let timing = |rate: f64| {
        let bits = (4..16).flat_map(move |bit| {
            let probability = rate * 2f64.powi(bit - 16);
            [-1.0, 1.0]
                .map(|sign| Outcome { error: sign * 2f64.powi(bit), probability: probability * (1.2 + 0.3 * sign) })
        });
        with_correct(bits.collect())
    };
    let panels = [
        ("approximation error, settled products", with_correct(approximation.collect())),
        ("timing error at 0.86 V", timing(0.004)),
        ("timing error at 0.78 V", timing(0.2)),
    ];
    let panels = panels.map(|(name, outcomes)| Distribution { name: name.into(), outcomes });
    ErrorHistogram {
        caption: caption("Errors of bam8_h2_v5", "Clock 1500 ps; weight-stationary exhaustive uniform"),
        panels: panels.into(),
    }
}

pub(crate) fn accuracy_voltage(accuracy_from: Option<f64>) -> AccuracyVoltage {
    let series = METHODS.iter().enumerate().map(|(rank, method)| {
        let gain = rank as f64;
        let point = |supply_v| accuracy_voltage::Point {
            supply_v,
            accuracy: accuracy(supply_v, 0.972 + 0.002 * gain, 0.88 - 0.035 * gain),
        };
        accuracy_voltage::Series { method: (*method).into(), points: supplies().map(point).collect() }
    });
    AccuracyVoltage {
        caption: caption("Accuracy under voltage scaling", "Digits, MLP 64-32-10, bam8_h2_v5, 5 seeds"),
        series: series.collect(),
        exact_at_nominal: Some(0.982),
        accuracy_from,
    }
}

pub(crate) fn savings() -> Savings {
    let bar = |name: &str, saved: [f64; 3]| savings::Bar { name: name.into(), saved: saved.into() };
    Savings {
        caption: Caption::new("Energy saved", "against exact, plain training, 1.10 V; digits, 2 seeds"),
        losses: ["within 1 point", "within 2 points", "within 5 points"].map(String::from).into(),
        bars: vec![
            bar("exact, plain", [0.0, 0.0, 0.12]),
            bar("truncated-3-3, plain", [0.0, 0.0, 0.0]),
            bar("truncated-3-3, passive", [0.21, 0.28, 0.36]),
            bar("broken-array-2-5, hybrid with clipping", [0.18, 0.18, 0.31]),
        ],
    }
}

pub(crate) fn energy_breakdown() -> EnergyBreakdown {
    let components = [
        ("MAC switching", 0.120),
        ("MAC leakage", 0.008),
        ("registers", 0.045),
        ("clock", 0.038),
        ("idle elements", 0.022),
        ("SRAM dynamic", 0.060),
        ("SRAM leakage", 0.012),
        ("DRAM", 0.051),
        ("level shifters", 0.004),
    ];
    let bars = [
        ("exact 8×8 at 1.10 V", 1.0, 1.0),
        ("exact 8×8 at 0.98 V", 1.0, 0.79),
        ("bam8_h2_v5 at 1.10 V", 0.70, 1.0),
        ("bam8_h2_v5 at 0.86 V", 0.70, 0.61),
        ("drum8_k4 at 0.86 V", 0.55, 0.61),
        ("drum8_k4 at 0.70 V, late products dropped", 0.55, 0.41),
    ];
    let bars = bars.map(|(name, multiplier, supply)| {
        let energy = |(index, (component, energy_uj)): (usize, &(&str, f64))| match index {
            0 | 1 => energy_uj * multiplier * supply,
            2..=4 => energy_uj * supply,
            _ if *component == "level shifters" && supply == 1.0 => 0.0,
            _ => *energy_uj,
        };
        Bar { name: name.into(), energy_uj: components.iter().enumerate().map(energy).collect() }
    });
    EnergyBreakdown {
        caption: caption(
            "Energy per image by component",
            "Digits, MLP 64-32-10, 16×16 array, batch 1, SRAM at 1.10 V",
        ),
        quantity: "energy per image".into(),
        components: components.map(|(name, _)| name.into()).into(),
        bars: bars.into(),
    }
}

pub(crate) fn layer_utilization() -> LayerUtilization {
    let layers =
        [("conv1", 0.62, 0.0, 0.03), ("conv2", 0.81, 0.05, 0.0), ("conv3", 0.44, 0.31, 0.12), ("fc", 0.02, 0.0, 0.9)];
    let layers = layers.map(|(name, work, unmapped, waiting)| layer_utilization::Layer {
        name: name.into(),
        shares: vec![work, 1.0 - work - unmapped - waiting, unmapped, waiting],
    });
    LayerUtilization {
        caption: caption("What the elements do", "a network of four layers on 32×32 elements, weight-stationary"),
        states: ["multiplying", "loading, filling, draining", "no work in the fold", "waiting for memory"]
            .map(Into::into)
            .into(),
        layers: layers.into(),
    }
}

/// Two layers below each roof, one near where they meet.
pub(crate) fn roofline() -> Roofline {
    let layers = [
        ("conv1", 31.0, 240.0),
        ("conv2", 210.0, 780.0),
        ("conv3", 95.0, 820.0),
        ("conv4", 95.5, 815.0),
        ("fc1", 1.0, 14.0),
        ("fc2", 0.98, 9.0),
    ];
    let layer = |(name, intensity, throughput): (&str, f64, f64)| roofline::Layer {
        name: name.into(),
        intensity,
        throughput,
    };
    Roofline {
        caption: caption("Roofline", "a network of five layers on 32×32 elements, weight-stationary"),
        peak: 1024.0,
        bytes_per_cycle: Some(16.0),
        layers: layers.map(layer).into(),
        total: Some(layer(("network", 60.0, 410.0))),
    }
}

pub(crate) fn training_curves() -> TrainingCurves {
    let curve = |(rank, method): (usize, &&str)| {
        let gain = rank as f64;
        let epoch = |epoch: u32| {
            let progress = (-f64::from(epoch) / (4.0 + 1.5 * gain)).exp();
            let loss = 0.08 + 0.03 * gain + (2.2 - 0.03 * gain) * progress;
            let accuracy = 0.975 - 0.008 * gain - 0.87 * progress.powf(1.6);
            let around = |mean: f64, half: f64| Estimate { mean, low: mean - half, high: mean + half };
            Epoch {
                epoch,
                loss: around(loss, 0.02 + 0.06 * progress),
                accuracy: around(accuracy, 0.004 + 0.03 * progress),
            }
        };
        Curve { method: (*method).into(), epochs: (0..=30).map(epoch).collect() }
    };
    TrainingCurves {
        caption: caption("Training", "Digits, MLP 64-32-10, test set after each epoch, 5 seeds"),
        curves: METHODS.iter().enumerate().map(curve).collect(),
    }
}

pub(crate) fn operand_map() -> OperandMap {
    let (columns, rows) = (64, 32);
    let operand = |index: usize| ((index / columns * 4) as f64, (index % columns * 4) as f64 - 128.0);
    let cell = |index: usize| {
        let (activation, weight) = operand(index);
        let size = (activation * weight).abs() / 16256.0;
        if weight < 0.0 { 0.4 * size } else { 0.002 * size * size }
    };
    let error = |index: usize| {
        let (activation, weight) = operand(index);
        if weight < 0.0 {
            -900.0 * cell(index) * activation / 127.0
        } else {
            4.0 * weight * activation / 127.0 * cell(index)
        }
    };
    OperandMap {
        caption: caption("Where bam8_h2_v5 errs at 0.78 V", "Clock 1500 ps; weight-stationary exhaustive uniform"),
        weights: [-128.0, 127.0],
        activations: [0.0, 127.0],
        columns,
        error_rate: (0..columns * rows).map(cell).collect(),
        mean_error: (0..columns * rows).map(error).collect(),
    }
}

pub(crate) fn bit_flips() -> BitFlips {
    let points = supplies().map(|supply_v| {
        let rate = |bit: u32, share: f64| {
            let below = 0.99 - 0.01 * f64::from(15 - bit) - supply_v;
            if below > 0.0 && bit > 2 { (share * 2e-4 * (below * 40.0).exp()).min(0.4) } else { 0.0 }
        };
        let rates = |share: f64| (0..16).map(|bit| rate(bit, share)).collect();
        bit_flips::Point { supply_v, up: rates(1.0), down: rates(0.4) }
    });
    BitFlips {
        caption: caption("Bit flips of bam8_h2_v5", "Clock 1500 ps; weight-stationary exhaustive uniform"),
        critical_v: Some(0.97),
        points: points.collect(),
    }
}

pub(crate) fn error_fit() -> ErrorFit {
    let magnitudes = (0..14).map(|power| (2f64.powi(power), 2f64.powi(power + 1) - 1.0));
    let negative = magnitudes.clone().rev().map(|(low, high)| (-high, -low));
    let edges: Vec<(f64, f64)> = negative.chain([(0.0, 0.0)]).chain(magnitudes).collect();
    let errors = |(low, high): &(f64, f64)| match low + high {
        0.0 => 0.93,
        middle => 0.002 + 0.00001 * (middle.abs().ln() * 40.0 + 0.01 * middle).min(400.0),
    };
    let around = |width: f64| {
        move |(low, high): &(f64, f64)| {
            ((high - low + 1.0) / width * (-(low + high).abs() / width / 2.0).exp()).min(0.9)
        }
    };
    let bins = edges.iter().map(|edge| Bin { low: edge.0, high: edge.1, probability: errors(edge) }).collect();
    let fit = |name: &str, ks: f64, probability: Vec<f64>| FittedModel { name: name.into(), ks, probability };
    let fits = vec![
        fit(
            "spike and normal",
            0.0341,
            edges.iter().map(|edge| if edge.0 == 0.0 { 0.93 } else { 0.07 * around(3000.0)(edge) }).collect(),
        ),
        fit("two-sided geometric", 0.298, edges.iter().map(around(40.0)).collect()),
        fit("Laplace", 0.301, edges.iter().map(around(60.0)).collect()),
        fit("normal", 0.442, edges.iter().map(around(1200.0)).collect()),
    ];
    ErrorFit {
        caption: caption(
            "Errors of bam8_h2_v5 at 0.86 V, and fits",
            "Clock 1500 ps; weight-stationary exhaustive uniform",
        ),
        bins,
        fits,
    }
}

pub(crate) fn bit_error_voltage() -> ErrorVoltage {
    let memories = [("unprotected", 1.0, 3.0), ("SEC-DED over 64 bits", 1.125, 3.3)];
    let designs = memories.map(|(name, cost, decades)| {
        let points = (0..9).map(|step| {
            let supply_v = 0.70 - 0.02 * f64::from(step);
            let error_rate = 10f64.powf(-decades * (supply_v - 0.5) / 0.06);
            let energy_fj = Some(4e8 + 5e8 * cost * (supply_v / 1.1).powi(2));
            error_voltage::Point { supply_v, error_rate: error_rate.min(0.3), energy_fj }
        });
        error_voltage::Design { name: name.into(), critical_v: None, points: points.collect() }
    });
    let mut designs: Vec<error_voltage::Design> = designs.into();
    designs[0].critical_v = Some(0.7);
    ErrorVoltage {
        quantities: error_voltage::Quantities::Memory,
        caption: caption("Failing cells and energy over the memory's supply", "14 nm 6T, Vmin 0.7 V"),
        designs,
    }
}

pub(crate) fn accuracy_bit_errors() -> AccuracyBitErrors {
    let series = METHODS.iter().enumerate().map(|(rank, method)| {
        let points = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05].map(|rate: f64| {
            let kept = fall(rate.log10() + 2.2 - 0.4 * rank as f64, -0.2);
            let mean = 0.1 + 0.76 * kept;
            let half = 0.005 + 0.3 * kept * (1.0 - kept);
            let chips = Estimate { mean, low: mean - half, high: (mean + half).min(1.0) };
            accuracy_bit_errors::Point { bit_error_rate: rate, chips, worst: (mean - 1.6 * half).max(0.0) }
        });
        accuracy_bit_errors::Series { name: (*method).into(), points: points.into() }
    });
    AccuracyBitErrors {
        caption: caption("Accuracy over bit errors", "MLP 784-128-64-10, 20 chips, 3 seeds"),
        series: series.collect(),
        target: Some(0.84),
    }
}

pub(crate) fn supply_map() -> SupplyMap {
    let logic_v: Vec<f64> = (0..9).map(|step| 0.70 + 0.05 * f64::from(step)).collect();
    let sram_v: Vec<f64> = (0..7).map(|step| 0.52 + 0.03 * f64::from(step)).collect();
    let pairs = || sram_v.iter().flat_map(|sram| logic_v.iter().map(move |logic| (*logic, *sram)));
    SupplyMap {
        caption: caption("Two supplies", "random-bit-error + clip, sign-magnitude; 20 chips, 3 seeds"),
        energy_uj: pairs().map(|(logic, sram)| 0.3 * logic * logic + 0.5 * sram * sram).collect(),
        accuracy: pairs()
            .map(|(logic, sram)| 0.86 - 0.7 * (0.84 - logic).max(0.0) - 2.0 * (0.6 - sram).max(0.0))
            .collect(),
        good: pairs().map(|(logic, sram)| logic > 0.79 && sram > 0.57 && logic + sram > 1.42).collect(),
        optimum: Some([3, 2]),
        good_name: "at least 84.0 % accuracy on 90 % of chips".into(),
        logic_v,
        sram_v,
    }
}
