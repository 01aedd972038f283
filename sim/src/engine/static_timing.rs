//! Static timing: the latest time each net can change.

use crate::netlist::{Delays, NetId, Netlist};
use crate::units::Picoseconds;

/// Latest arrival times of all nets after the inputs change at time 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticTiming {
    arrival: Vec<Picoseconds>,
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
        let mut critical_path = Vec::new();
        let mut next = outputs.copied().max_by_key(|net| arrival[net.index()]);
        while let Some(net) = next {
            critical_path.push(net);
            next = latest_input[net.index()];
        }
        critical_path.reverse();
        Self { arrival, critical_path }
    }

    /// Latest time `net` can change.
    pub fn arrival(&self, net: NetId) -> Picoseconds {
        self.arrival[net.index()]
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
    }
}
