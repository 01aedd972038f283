//! How loud a layer's errors are beside its sums.

use super::LayerOperands;
use super::inference::{WeightColumns, for_each_block};
use crate::kernel::{Shape, TableGemm};
use crate::profile::{SampledErrors, TransitionTable};

/// Mean squares over all outputs of a layer, before biases are added, in squared units of the product.
///
/// Approximation and timing errors are apart; where they are correlated, the total is not their sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNoise {
    /// Of the exact sums.
    pub signal: f64,
    /// Of settled less exact sums.
    pub approximation: f64,
    /// Of sampled less settled sums.
    pub timing: f64,
    /// Of sampled less exact sums.
    pub total: f64,
}

impl LayerNoise {
    /// Signal-to-noise ratio in decibels, 10 log₁₀(signal / noise); infinite without noise.
    pub fn decibels(&self, noise: f64) -> f64 {
        10.0 * (self.signal / noise).log10()
    }
}

impl LayerOperands {
    /// The layer's sums by the exact multiplier, by `settled` products, and with the errors of an operating point.
    pub fn noise(
        &self,
        exact: &TableGemm,
        settled: &TableGemm,
        table: &TransitionTable,
        errors: &SampledErrors,
    ) -> LayerNoise {
        let layer = self.layer();
        let columns = WeightColumns::of(layer);
        let mut noise = LayerNoise { signal: 0.0, approximation: 0.0, timing: 0.0, total: 0.0 };
        let (mut count, batch) = (0, self.batch().saturating_mul(layer.convolution.positions()));
        for_each_block(layer, self.activations(), self.batch(), |_, group, activations| {
            let rows = activations.len() / layer.convolution.shape(1).k;
            let shape = Shape { m: rows, ..layer.convolution.shape(1) };
            let sums = |gemm: &TableGemm| {
                let mut sums = vec![0; shape.m * shape.n];
                gemm.run_parallel(activations, layer.group_weights(group), shape, &mut sums);
                sums
            };
            let (exact, settled) = (sums(exact), sums(settled));
            let mut sampled = settled.clone();
            columns[group].add_errors(table, errors, activations, batch, &mut sampled);
            let squares = |first: &[i32], second: &[i32]| {
                let squares = first.iter().zip(second).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
                squares.sum::<f64>()
            };
            noise.signal += exact.iter().map(|sum| f64::from(*sum).powi(2)).sum::<f64>();
            noise.approximation += squares(&settled, &exact);
            noise.timing += squares(&sampled, &settled);
            noise.total += squares(&sampled, &exact);
            count += exact.len();
        });
        let count = count as f64;
        LayerNoise {
            signal: noise.signal / count,
            approximation: noise.approximation / count,
            timing: noise.timing / count,
            total: noise.total / count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::DelayMode;
    use crate::multiplier::{Family, MultiplierSpec, ProductTable};
    use crate::profile::{Design, TransitionSpec};
    use crate::technology::Technology;
    use crate::units::Picoseconds;
    use crate::workload::Network;
    use crate::workload::testing::dense;

    /// Against one multiplication after the other.
    #[test]
    fn noise_is_its_definition() {
        let technology = include_str!("../../../hwconfigs/technology/freepdk45.toml");
        let technology = Technology::from_toml(technology).unwrap();
        let spec = MultiplierSpec::new("m", Family::OperandTruncated { a: 4, b: 4 }, 8, 8, true).unwrap();
        let design = Design::new(spec.into(), &technology).unwrap();
        let windows = [Picoseconds(design.critical().0 * 6 / 10), Picoseconds(design.critical().0 + 1)];
        let transitions = TransitionSpec {
            netlist: design.multiplier.netlist(),
            physical: &design.physical,
            coding: design.multiplier.coding(),
            activation_bits: 7,
            mode: DelayMode::Inertial,
            windows: &windows,
        };
        let table = TransitionTable::build(transitions, &|| ()).unwrap();
        let (inputs, outputs, batch) = (5, 3, 2);
        let weights = (0..inputs * outputs).map(|place| (place * 53 % 255) as u8 as i8).collect();
        let layer = dense("only", inputs, weights, vec![1000; outputs]);
        let images: Vec<u8> = (0..7 * inputs).map(|place| (place * 89 % 128) as u8).collect();
        let network = Network::new(vec![layer.clone()]).unwrap();
        let [exact, settled] =
            [ProductTable::exact(8, 8, true), design.product.clone()].map(|table| TableGemm::new(&table));
        let operands = &LayerOperands::of(&network, &settled, &images, batch)[0];
        for (errors, fails) in table.points().iter().zip([true, false]) {
            let mut squares = [0.0; 4];
            for (image, row) in images.chunks_exact(inputs).enumerate() {
                for output in 0..outputs {
                    let mut sums = [0i32; 3];
                    for (input, &activation) in row.iter().enumerate() {
                        let weight = layer.weights[output * inputs + input];
                        let first = image % batch == 0;
                        let previous = if first { 0 } else { images[(image - 1) * inputs + input] };
                        let (codes, deltas) = errors.row(table.pair(previous, activation));
                        let error =
                            codes.iter().position(|code| *code == weight as u8).map_or(0, |place| deltas[place]);
                        let product = design.product.product(activation.into(), weight as u8 as u32);
                        sums[0] += i32::from(activation) * i32::from(weight);
                        sums[1] += product;
                        sums[2] += product + error;
                    }
                    let [exact, settled, sampled] = sums.map(f64::from);
                    for (sum, difference) in
                        squares.iter_mut().zip([exact, settled - exact, sampled - settled, sampled - exact])
                    {
                        *sum += difference * difference / (7 * outputs) as f64;
                    }
                }
            }
            let noise = operands.noise(&exact, &settled, &table, errors);
            let found = [noise.signal, noise.approximation, noise.timing, noise.total];
            for (found, expected) in found.into_iter().zip(squares) {
                assert!((found - expected).abs() <= 1e-9 * expected, "{found} is not {expected}");
            }
            assert_eq!(noise.timing > 0.0, fails);
            assert_eq!(noise.decibels(noise.timing).is_finite(), fails);
            assert!((noise.decibels(noise.signal / 100.0) - 20.0).abs() < 1e-12);
        }
    }
}
