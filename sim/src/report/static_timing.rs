//! Static timing as listed for people: the critical path pin by pin, and every output.

use crate::engine::StaticTiming;
use crate::netlist::{Driver, NetId, Netlist};
use crate::units::Picoseconds;
use serde::{Deserialize, Serialize};

/// One step of a path: through a cell, or where it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathStep {
    /// The net that changes: an input bit as `a[3]`, or `n` and its number, as in exported Verilog with delays.
    pub net: String,
    /// Kind of the driving cell; `null` for an input.
    pub cell: Option<String>,
    /// Pins of that cell the path enters and leaves by.
    pub pins: Option<[String; 2]>,
    /// Delay between them, ps.
    pub delay_ps: u32,
    /// When the net changes at the latest, ps after the operands.
    pub arrival_ps: u32,
}

/// Latest arrival at an output bit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputArrival {
    /// Output bit, as `p[15]`.
    pub output: String,
    /// Latest change, ps after the operands.
    pub arrival_ps: u32,
    /// How much later it could come and still be sampled, ps.
    pub slack_ps: i64,
}

/// Static timing of a circuit between registers at nominal supply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimingReport {
    /// From the operands' change to the sampling edge, ps.
    pub window_ps: u32,
    /// The slowest path, from an input on.
    pub critical_path: Vec<PathStep>,
    /// All output bits, in port order.
    pub outputs: Vec<OutputArrival>,
}

impl TimingReport {
    /// Lists what `timing` found, sampled strictly before `window`.
    pub fn new(netlist: &Netlist, timing: &StaticTiming, window: Picoseconds) -> Self {
        let mut critical_path = Vec::new();
        let mut before: Option<NetId> = None;
        for &net in timing.critical_path() {
            let arrival = timing.arrival(net).0;
            let mut step =
                PathStep { net: name(netlist, net), cell: None, pins: None, delay_ps: 0, arrival_ps: arrival };
            if let (Driver::Cell { cell, pin }, Some(before)) = (netlist.driver(net), before) {
                let cell = &netlist.cells()[cell.index()];
                let entered = cell.inputs().iter().position(|&input| input == before).expect("the path is connected");
                step.cell = Some(cell.kind().name().to_owned());
                step.pins = Some([["a", "b", "c", "d"][entered], cell.kind().output_names()[pin]].map(str::to_owned));
                step.delay_ps = arrival - timing.arrival(before).0;
            }
            critical_path.push(step);
            before = Some(net);
        }
        let outputs = netlist.outputs().iter().flat_map(|port| {
            port.nets().iter().enumerate().map(move |(bit, &net)| OutputArrival {
                output: format!("{}[{bit}]", port.name()),
                arrival_ps: timing.arrival(net).0,
                slack_ps: i64::from(window.0) - 1 - i64::from(timing.arrival(net).0),
            })
        });
        Self { window_ps: window.0, critical_path, outputs: outputs.collect() }
    }
}

fn name(netlist: &Netlist, net: NetId) -> String {
    match netlist.driver(net) {
        Driver::Input { port, bit } => format!("{}[{bit}]", netlist.inputs()[port].name()),
        _ => format!("n{}", net.index()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multiplier::{Family, MultiplierSpec};

    #[test]
    fn the_listed_path_adds_up_to_the_latest_output() {
        let netlist = MultiplierSpec::new("m", Family::Array, 5, 4, false).unwrap().netlist();
        let delay: Vec<Picoseconds> = netlist.nets().map(|net| Picoseconds(5 + net.0 % 17)).collect();
        let timing = StaticTiming::new(&netlist, &delay);
        let report = TimingReport::new(&netlist, &timing, Picoseconds(timing.critical_delay().0 + 1));
        let path = &report.critical_path;
        assert!(path[0].cell.is_none() && path[0].net.starts_with(['a', 'b']), "{path:?}");
        assert!(path[1..].iter().all(|step| step.cell.is_some() && step.pins.is_some()));
        let sum: u32 = path.iter().map(|step| step.delay_ps).sum();
        assert_eq!((sum, path[path.len() - 1].arrival_ps), (timing.critical_delay().0, timing.critical_delay().0));
        assert_eq!(report.outputs.len(), 9);
        assert_eq!(report.outputs.iter().map(|output| output.slack_ps).min(), Some(0));
    }
}
