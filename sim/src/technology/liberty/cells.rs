//! A cell's tables, its pins in the order of ours.

use super::table::Table;

/// Which way an output goes when an input rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// Up.
    Positive,
    /// Down.
    Negative,
    /// It depends on other inputs.
    Either,
}

/// From an input to an output; `[rise, fall]` of the output.
#[derive(Clone, Debug, PartialEq)]
pub struct ArcTables {
    /// Which edge of the input brings which of the output.
    pub sense: Sense,
    /// Delay, ps.
    pub delay: [Table; 2],
    /// Slew of the output, ps.
    pub slew: [Table; 2],
}

impl ArcTables {
    /// Slew of the input, given those of its edges `[rise, fall]`, that counts for each edge of the output.
    pub fn input_slew(&self, [rise, fall]: [f64; 2]) -> [f64; 2] {
        match self.sense {
            Sense::Positive => [rise, fall],
            Sense::Negative => [fall, rise],
            Sense::Either => [(rise + fall) / 2.0; 2],
        }
    }
}

/// The tables of a cell in one library.
#[derive(Clone, Debug, PartialEq)]
pub struct CellTables {
    /// Capacitance of each input pin, fF.
    pub pin_capacitance_ff: Vec<f64>,
    /// `[output][input]`: one or more arcs, of which the mean counts.
    pub arcs: Vec<Vec<Vec<ArcTables>>>,
    /// `[output]`: internal energy of its edges, fJ, `[rise, fall]`; of several the mean counts, of none it is zero.
    pub energy: Vec<Vec<[Table; 2]>>,
}

/// An output under a load: `[rise, fall]`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct OutputTiming {
    /// Mean delay of the pins, ps.
    pub(crate) delay: [f64; 2],
    /// Delay of each pin, ps.
    pub(crate) pins: [[f64; 2]; 4],
    /// Slew that the slowest pin brings, ps.
    pub(crate) slew: [f64; 2],
    /// Internal energy of an edge, fJ.
    pub(crate) energy: [f64; 2],
}

impl CellTables {
    /// What an output does that drives `load`, fF, if the inputs have these slews, ps, `[rise, fall]`.
    pub(crate) fn output(&self, output: usize, load: f64, inputs: &[[f64; 2]]) -> OutputTiming {
        let mut timing = OutputTiming::default();
        let pins = self.arcs[output].iter().zip(inputs);
        for (pin, (arcs, &slews)) in pins.enumerate() {
            let share = 1.0 / (arcs.len() * inputs.len()) as f64;
            let mut slew = [0.0; 2];
            for arc in arcs {
                let input = arc.input_slew(slews);
                for edge in 0..2 {
                    let delay = arc.delay[edge].at(input[edge], load);
                    timing.delay[edge] += share * delay;
                    timing.pins[pin][edge] += delay / arcs.len() as f64;
                    // Tables that begin at large loads may go on below zero.
                    slew[edge] += arc.slew[edge].at(input[edge], load).max(0.0) / arcs.len() as f64;
                }
            }
            for (slowest, slew) in timing.slew.iter_mut().zip(slew) {
                *slowest = slowest.max(slew);
            }
        }
        let mean = inputs.iter().flatten().sum::<f64>() / (2 * inputs.len()) as f64;
        let tables = &self.energy[output];
        for table in tables {
            for (energy, table) in timing.energy.iter_mut().zip(table) {
                *energy += table.at(mean, load) / tables.len() as f64;
            }
        }
        timing
    }
}
