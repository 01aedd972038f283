//! Static timing: the latest time each net can change, and how much later it could without harm.

use crate::netlist::{Delays, NetId, Netlist};
use crate::units::Picoseconds;

/// Latest arrival times of all nets after the inputs change at time 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticTiming {
    arrival: Vec<Picoseconds>,
    /// Delay of the slowest path from each net to an output, if there is one.
    onward: Vec<Option<u32>>,
    critical_path: Vec<NetId>,
}

impl StaticTiming {
    /// Propagates arrival times; `delay` is from any input of a net's driver to the net, indexed by net.
    ///
    /// Pessimistic: paths that no input vector sensitises count too.
    pub fn new(netlist: &Netlist, delay: &[Picoseconds]) -> Self {
        Self::along(netlist, |net, _| delay[net.index()])
    }

    /// The same with delays by edge or pin: of every arc the slower edge counts, whichever edges can follow each other.
    pub fn with_delays(netlist: &Netlist, delays: &Delays) -> Self {
        Self::along(netlist, |net, pin| delays.arc(net, pin).slower())
    }

    /// Propagates arrival times; `arc` is the delay from input pin `pin` of a net's driver to the net.
    fn along(netlist: &Netlist, arc: impl Fn(NetId, usize) -> Picoseconds) -> Self {
        let mut arrival = vec![Picoseconds(0); netlist.net_count()];
        let mut latest_input: Vec<Option<NetId>> = vec![None; netlist.net_count()];
        let mut varies = vec![false; netlist.net_count()];
        for net in netlist.inputs().iter().flat_map(|port| port.nets()) {
            varies[net.index()] = true;
        }
        for cell in netlist.cells() {
            let changing = cell.inputs().iter().enumerate().filter(|(_, input)| varies[input.index()]);
            let changing: Vec<(usize, NetId)> = changing.map(|(pin, &input)| (pin, input)).collect();
            for net in cell.outputs() {
                let arrivals =
                    changing.iter().map(|&(pin, input)| (arrival[input.index()].0 + arc(net, pin).0, input));
                let Some((latest, input)) = arrivals.max_by_key(|&(time, _)| time) else { continue };
                varies[net.index()] = true;
                arrival[net.index()] = Picoseconds(latest);
                latest_input[net.index()] = Some(input);
            }
        }
        let outputs = netlist.outputs().iter().flat_map(|port| port.nets());
        let mut onward = vec![None; netlist.net_count()];
        for net in outputs.clone() {
            onward[net.index()] = Some(0);
        }
        for cell in netlist.cells().iter().rev() {
            for net in cell.outputs() {
                let Some(rest) = onward[net.index()] else { continue };
                for (pin, input) in cell.inputs().iter().enumerate() {
                    let through = &mut onward[input.index()];
                    *through = (*through).max(Some(rest + arc(net, pin).0));
                }
            }
        }
        let mut critical_path = Vec::new();
        let mut next = outputs.copied().max_by_key(|net| arrival[net.index()]);
        while let Some(net) = next {
            critical_path.push(net);
            next = latest_input[net.index()];
        }
        critical_path.reverse();
        Self { arrival, onward, critical_path }
    }

    /// Latest time `net` can change.
    pub fn arrival(&self, net: NetId) -> Picoseconds {
        self.arrival[net.index()]
    }

    /// Slack of the slowest path through `net` to an output that is sampled strictly before `window`, ps: how much later
    /// the net may change; negative if samples can come too early. `None` for nets that lead to no output.
    pub fn slack(&self, net: NetId, window: Picoseconds) -> Option<i64> {
        let onward = self.onward[net.index()]?;
        Some(i64::from(window.0) - 1 - i64::from(self.arrival(net).0) - i64::from(onward))
    }

    /// Nets along the slowest path to an output, from input to output.
    pub fn critical_path(&self) -> &[NetId] {
        &self.critical_path
    }

    /// Delay of the slowest path to an output.
    pub fn critical_delay(&self) -> Picoseconds {
        self.critical_path.last().map_or(Picoseconds(0), |net| self.arrival(*net))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlist::NetlistBuilder;

    #[test]
    fn the_critical_path_runs_through_the_slowest_cells() {
        let mut builder = NetlistBuilder::new("chain");
        let (a, b) = (builder.input("a", 1)[0], builder.input("b", 1)[0]);
        let slow = builder.inv(a);
        let merged = builder.and(slow, b);
        let tied = builder.and(NetId::ONE, NetId::ONE);
        builder.output("y", [merged, tied]);
        let netlist = builder.finish();
        let mut delay = vec![Picoseconds(10); netlist.net_count()];
        delay[slow.index()] = Picoseconds(25);
        let timing = StaticTiming::new(&netlist, &delay);
        assert_eq!(timing.critical_delay(), Picoseconds(35));
        assert_eq!(timing.critical_path(), [a, slow, merged]);
        assert_eq!(timing.arrival(tied), Picoseconds(0), "constants never change");
        // Sampling before 36 ps is just in time for a; b has the inverter's 25 ps to spare.
        let slacks = [a, slow, merged, b].map(|net| timing.slack(net, Picoseconds(36)));
        assert_eq!(slacks, [Some(0), Some(0), Some(0), Some(25)]);
        assert_eq!(timing.slack(a, Picoseconds(30)), Some(-6));
    }

    #[test]
    fn the_worst_slack_is_that_of_the_critical_path_and_unused_nets_have_none() {
        use crate::multiplier::{Family, MultiplierSpec};
        let netlist = MultiplierSpec::new("m", Family::Wallace, 6, 6, true).unwrap().netlist();
        let delay: Vec<Picoseconds> = netlist.nets().map(|net| Picoseconds(5 + net.0 % 17)).collect();
        let timing = StaticTiming::new(&netlist, &delay);
        let window = Picoseconds(timing.critical_delay().0 + 11);
        let worst = netlist.nets().filter_map(|net| timing.slack(net, window)).min();
        assert_eq!(worst, Some(10));
        assert!(timing.critical_path().iter().all(|&net| timing.slack(net, window) == worst));

        let mut builder = NetlistBuilder::new("unused");
        let a = builder.input("a", 1)[0];
        let dangling = builder.inv(a);
        builder.output("y", [a]);
        let netlist = builder.finish();
        let timing = StaticTiming::new(&netlist, &vec![Picoseconds(1); netlist.net_count()]);
        assert_eq!(timing.slack(dangling, Picoseconds(9)), None);
    }
}
