//! From toggles to femtojoules.

use crate::engine::{LANES, Lanes, TimedEngine, lane_values_inline, multiversion};
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
        count(netlist, engine, lanes, &mut self.toggles, &mut self.settled);
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

multiversion! {
    /// Adds the toggles of every net in `lanes`, and whether it ends at another value than before.
    fn count(
        netlist: &Netlist,
        engine: &TimedEngine<'_>,
        lanes: Lanes,
        toggles: &mut [u64],
        settled: &mut [u64],
    ) = count_lanes
}

#[inline(always)]
fn count_lanes(netlist: &Netlist, engine: &TimedEngine<'_>, lanes: Lanes, toggles: &mut [u64], settled: &mut [u64]) {
    let mut counter = LaneCounter::default();
    for ((net, toggles), settled) in netlist.nets().zip(toggles).zip(settled) {
        for (_, now) in engine.changes(net) {
            counter.add(now & lanes);
        }
        let planes = counter.total();
        for (bit, plane) in planes.iter().enumerate() {
            *toggles += u64::from(plane.count_ones()) << bit;
        }
        // A lane that toggles an odd number of times ends at another value.
        *settled += planes.first().map_or(0, |odd| u64::from(odd.count_ones()));
        counter.clear();
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
    counters: Vec<LaneCounter>,
}

impl LaneEnergy {
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
        let counters = vec![LaneCounter::default(); class_energy.len()];
        Self { class_of_net, class_energy, counters }
    }

    /// Energy each lane's transition cost, fJ at nominal supply.
    pub fn measure(&mut self, netlist: &Netlist, engine: &TimedEngine<'_>) -> [f32; LANES] {
        let mut energy = [0.0; LANES];
        measure(netlist, engine, self, &mut energy);
        energy
    }
}

multiversion! {
    fn measure(netlist: &Netlist, engine: &TimedEngine<'_>, lanes: &mut LaneEnergy, energy: &mut [f32; LANES])
        = measure_lanes
}

#[inline(always)]
fn measure_lanes(netlist: &Netlist, engine: &TimedEngine<'_>, lanes: &mut LaneEnergy, energy: &mut [f32; LANES]) {
    for (net, &class) in netlist.nets().zip(&lanes.class_of_net) {
        let counter = &mut lanes.counters[class];
        for (_, toggles) in engine.changes(net) {
            counter.add(toggles);
        }
    }
    for (counter, class_energy) in lanes.counters.iter_mut().zip(&lanes.class_energy) {
        let planes = counter.total();
        if !planes.is_empty() {
            let counts = lane_values_inline(planes);
            for (energy, count) in energy.iter_mut().zip(counts) {
                *energy += count as f32 * class_energy;
            }
        }
        counter.clear();
    }
}

/// A counter in every lane, bit-sliced, that sets summands aside until a full adder has three: five operations a
/// summand whatever the number of bits (carry-save counting; Warren, *Hacker's Delight*, 2nd ed., §5-1).
#[derive(Clone, Debug, Default)]
struct LaneCounter {
    planes: [Lanes; LaneCounter::BITS],
    /// A second summand of each weight, set aside if that bit of `added` is set.
    aside: [Lanes; LaneCounter::BITS],
    /// Number of summands so far.
    added: u32,
}

impl LaneCounter {
    /// At most 2^24 − 1 summands.
    const BITS: usize = 24;

    #[inline(always)]
    fn add(&mut self, mut summand: Lanes) {
        let level = self.added.trailing_ones() as usize;
        for (plane, aside) in self.planes.iter_mut().zip(&self.aside).take(level) {
            let half = *plane ^ *aside;
            let carry = (*plane & *aside) | (half & summand);
            *plane = half ^ summand;
            summand = carry;
        }
        self.aside[level] = summand;
        self.added += 1;
    }

    /// The planes that can be in use, once everything is added up.
    #[inline(always)]
    fn total(&mut self) -> &[Lanes] {
        let used = (u32::BITS - self.added.leading_zeros()) as usize;
        let mut carry = Lanes::ZERO;
        for level in 0..used {
            let aside = if self.added >> level & 1 == 1 { self.aside[level] } else { Lanes::ZERO };
            let half = self.planes[level] ^ aside;
            let next = (self.planes[level] & aside) | (half & carry);
            self.planes[level] = half ^ carry;
            carry = next;
        }
        // No lane counts more than all summands, so nothing is carried out of the highest plane.
        &self.planes[..used]
    }

    #[inline(always)]
    fn clear(&mut self) {
        let used = (u32::BITS - self.added.leading_zeros()) as usize;
        self.planes[..used].fill(Lanes::ZERO);
        self.added = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::DelayMode;
    use crate::netlist::NetlistBuilder;
    use crate::units::Picoseconds;

    #[test]
    fn lane_counters_count() {
        let mut counter = LaneCounter::default();
        for round in [1, 2, 3, 8, 100, 0, 63] {
            // Lane i gets a summand in i % 8 of 8.
            for summand in 0..8 * round {
                counter.add(Lanes(std::array::from_fn(|word| {
                    (0..64).map(|bit| u64::from((word * 64 + bit) % 8 > summand % 8) << bit).sum()
                })));
            }
            let counts = lane_values_inline(counter.total());
            assert!(counts.iter().enumerate().all(|(lane, &count)| count as usize == lane % 8 * round), "{round}");
            counter.clear();
        }
    }

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
