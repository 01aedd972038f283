//! From toggles to femtojoules.

use crate::engine::{LANES, Lanes, TimedEngine, lane_values};
use crate::netlist::Netlist;
use crate::units::{Femtojoules, Nanowatts};

/// Toggles of every net over many transitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwitchingActivity {
    transitions: u64,
    toggles: Vec<u64>,
    settled: Vec<u64>,
}

/// Energy of one operation (one transition of the operands) at nominal supply.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EnergyBreakdown {
    /// All transitions of all nets, glitches included.
    pub switching: Femtojoules,
    /// The part of `switching` that transitions beyond those needed to reach the settled values cost.
    pub glitch: Femtojoules,
    /// Leakage over the time given.
    pub leakage: Femtojoules,
}

impl EnergyBreakdown {
    /// Switching and leakage.
    pub fn total(self) -> Femtojoules {
        self.switching + self.leakage
    }
}

impl SwitchingActivity {
    /// No transitions yet.
    pub fn new(netlist: &Netlist) -> Self {
        let nets = netlist.net_count();
        Self { transitions: 0, toggles: vec![0; nets], settled: vec![0; nets] }
    }

    /// Adds what `engine` has just simulated in `lanes`. Toggles after the sampling edge count too: the next
    /// operation does not undo them.
    pub fn record(&mut self, netlist: &Netlist, engine: &TimedEngine<'_>, lanes: Lanes) {
        self.transitions += u64::from(lanes.count_ones());
        for net in netlist.nets() {
            let mut changed = Lanes::ZERO;
            for (_, toggles) in engine.changes(net) {
                self.toggles[net.index()] += u64::from((toggles & lanes).count_ones());
                changed ^= toggles;
            }
            self.settled[net.index()] += u64::from((changed & lanes).count_ones());
        }
    }

    /// Adds another count over the same netlist.
    pub fn merge(&mut self, other: &SwitchingActivity) {
        self.transitions += other.transitions;
        let pairs = [(&mut self.toggles, &other.toggles), (&mut self.settled, &other.settled)];
        for (mine, theirs) in pairs {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
    }

    /// Mean energy of a transition, given the energy of a transition of each net and leakage over `period_ps`.
    pub fn energy(&self, transition_energy: &[Femtojoules], leakage: Nanowatts, period_ps: f64) -> EnergyBreakdown {
        let per_transition = |counts: &[u64]| {
            let sum: f64 = counts.iter().zip(transition_energy).map(|(&count, energy)| count as f64 * energy.0).sum();
            Femtojoules(sum / self.transitions.max(1) as f64)
        };
        let switching = per_transition(&self.toggles);
        let glitch = switching - per_transition(&self.settled);
        EnergyBreakdown { switching, glitch, leakage: leakage.over(period_ps) }
    }
}

/// Switching energy of each lane of a simulated block.
///
/// Nets of equal transition energy share one bank of bit-sliced counters; an array multiplier has about twenty such
/// classes.
#[derive(Clone, Debug)]
pub struct LaneEnergy {
    class_of_net: Vec<usize>,
    class_energy: Vec<f32>,
    counters: Vec<[Lanes; LaneEnergy::COUNTER_BITS]>,
}

impl LaneEnergy {
    /// At most 2^16 − 1 transitions a class and lane.
    const COUNTER_BITS: usize = 16;

    /// Prepares for a netlist whose nets cost `transition_energy` a transition.
    pub fn new(transition_energy: &[Femtojoules]) -> Self {
        let mut class_energy: Vec<f32> = Vec::new();
        let class_of_net = transition_energy.iter().map(|energy| {
            let energy = energy.0 as f32;
            class_energy.iter().position(|&other| other == energy).unwrap_or_else(|| {
                class_energy.push(energy);
                class_energy.len() - 1
            })
        });
        let class_of_net = class_of_net.collect();
        let counters = vec![[Lanes::ZERO; Self::COUNTER_BITS]; class_energy.len()];
        Self { class_of_net, class_energy, counters }
    }

    /// Energy each lane's transition cost, fJ at nominal supply.
    pub fn measure(&mut self, netlist: &Netlist, engine: &TimedEngine<'_>) -> [f32; LANES] {
        self.counters.fill([Lanes::ZERO; Self::COUNTER_BITS]);
        for net in netlist.nets() {
            let counter = &mut self.counters[self.class_of_net[net.index()]];
            for (_, toggles) in engine.changes(net) {
                let mut carry = toggles;
                for plane in counter.iter_mut() {
                    let sum = *plane ^ carry;
                    carry &= *plane;
                    *plane = sum;
                    if carry.is_zero() {
                        break;
                    }
                }
            }
        }
        let mut energy = [0.0; LANES];
        for (counter, class_energy) in self.counters.iter().zip(&self.class_energy) {
            let used = counter.iter().rposition(|plane| !plane.is_zero()).map_or(0, |highest| highest + 1);
            if used > 0 {
                let counts = lane_values(&counter[..used]);
                for (energy, count) in energy.iter_mut().zip(counts) {
                    *energy += count as f32 * class_energy;
                }
            }
        }
        energy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::DelayMode;
    use crate::netlist::NetlistBuilder;
    use crate::units::Picoseconds;

    /// y = a ⊕ (delayed a): rises for the delay of the inverter whenever a changes, and settles back.
    fn pulse() -> Netlist {
        let mut builder = NetlistBuilder::new("pulse");
        let a = builder.input("a", 1)[0];
        let late = builder.inv(a);
        let pulse = builder.xnor(a, late);
        builder.output("y", [pulse]);
        builder.finish()
    }

    #[test]
    fn a_pulse_is_all_glitch_under_transport_and_vanishes_under_inertial_delay() {
        let netlist = pulse();
        let delay = [0, 0, 0, 7, 10].map(Picoseconds);
        let energies: Vec<Femtojoules> = [0.0, 0.0, 1.0, 10.0, 100.0].map(Femtojoules).to_vec();
        for (mode, expected, glitch) in [(DelayMode::Transport, 211.0, 200.0), (DelayMode::Inertial, 11.0, 0.0)] {
            let mut engine = TimedEngine::new(&netlist, &delay, mode);
            engine.set_input(0, 0, Lanes::ZERO, Lanes::first(100));
            engine.run();
            let mut activity = SwitchingActivity::new(&netlist);
            activity.record(&netlist, &engine, Lanes::first(100));
            let energy = activity.energy(&energies, Nanowatts(1.0), 1e6);
            assert_eq!(energy.switching, Femtojoules(expected), "{mode:?}");
            assert_eq!(energy.glitch, Femtojoules(glitch), "{mode:?}");
            assert_eq!(energy.total(), Femtojoules(expected + 1.0));
            let lanes = LaneEnergy::new(&energies).measure(&netlist, &engine);
            assert!(lanes[..100].iter().all(|&energy| f64::from(energy) == expected), "{mode:?}");
            assert!(lanes[100..].iter().all(|&energy| energy == 0.0));
        }
    }
}
