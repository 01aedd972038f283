//! From toggles to femtojoules.

use crate::engine::{LANES, Lanes, Steps, TimedEngine, multiversion};
use crate::netlist::{NetId, Netlist};
use crate::units::{Femtojoules, Nanowatts, Picoseconds};

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

    /// Transitions, and of each net the toggles and those needed to reach settled values.
    pub(crate) fn counts(&self) -> (u64, &[u64], &[u64]) {
        (self.transitions, &self.toggles, &self.settled)
    }

    /// What has these counts.
    pub(crate) fn from_counts(transitions: u64, toggles: Vec<u64>, settled: Vec<u64>) -> Self {
        Self { transitions, toggles, settled }
    }

    /// Adds what `engine` has just simulated in `lanes`. Toggles after the sampling edge count too: the next
    /// operation does not undo them.
    pub fn record(&mut self, netlist: &Netlist, engine: &TimedEngine<'_>, lanes: Lanes) {
        self.transitions += u64::from(lanes.count_ones());
        count(netlist, engine, lanes, &mut self.toggles, &mut self.settled);
    }

    /// Adds `transitions` that took place from one time of a clocked engine to before another, all lanes together. What of
    /// their toggles is needed to reach settled values must be told with [`Self::count_settled`].
    pub fn record_between(
        &mut self,
        netlist: &Netlist,
        engine: &TimedEngine<'_>,
        [from, to]: [Picoseconds; 2],
        transitions: u64,
    ) {
        self.transitions += transitions;
        for net in netlist.nets() {
            let changes = engine.changes(net).skip_while(|&(time, _)| time < from).take_while(|&(time, _)| time < to);
            self.toggles[net.index()] += changes.map(|(_, lanes)| u64::from(lanes.count_ones())).sum::<u64>();
        }
    }

    /// Adds lanes in which the settled value of `net` changes from one operation to the next.
    pub fn count_settled(&mut self, net: NetId, lanes: Lanes) {
        self.settled[net.index()] += u64::from(lanes.count_ones());
    }

    /// Adds another count over the same netlist.
    pub fn merge(&mut self, other: &SwitchingActivity) {
        self.merge_times(other, 1);
    }

    /// The same for what happens `times` times.
    pub(crate) fn merge_times(&mut self, other: &SwitchingActivity, times: u64) {
        self.transitions += other.transitions * times;
        let pairs = [(&mut self.toggles, &other.toggles), (&mut self.settled, &other.settled)];
        for (mine, theirs) in pairs {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs * times;
            }
        }
    }

    /// Transitions of a net so far, glitches included.
    pub fn toggles(&self, net: NetId) -> u64 {
        self.toggles[net.index()]
    }

    /// Energy of all transitions so far, given that of a transition of each net.
    pub fn switching(&self, transition_energy: &[Femtojoules]) -> Femtojoules {
        weighted(&self.toggles, transition_energy)
    }

    /// Mean energy of a transition, given the energy of a transition of each net and leakage over `period_ps`.
    pub fn energy(&self, transition_energy: &[Femtojoules], leakage: Nanowatts, period_ps: f64) -> EnergyBreakdown {
        let transitions = self.transitions.max(1) as f64;
        let per_transition = |counts: &[u64]| Femtojoules(weighted(counts, transition_energy).0 / transitions);
        let switching = per_transition(&self.toggles);
        let glitch = switching - per_transition(&self.settled);
        EnergyBreakdown { switching, glitch, leakage: leakage.over(period_ps) }
    }
}

/// Toggles of every net at or after each of some times, over many transitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateToggles {
    /// Ascending.
    times: Vec<Picoseconds>,
    /// `[time][net]`: from a time on and before the next.
    toggles: Vec<Vec<u64>>,
}

impl LateToggles {
    /// No transitions yet; the times ascend.
    pub fn new(netlist: &Netlist, times: &[Picoseconds]) -> Self {
        Self { times: times.to_vec(), toggles: vec![vec![0; netlist.net_count()]; times.len()] }
    }

    /// Adds what `engine` has just simulated in `lanes`.
    #[inline(always)]
    pub fn record(&mut self, netlist: &Netlist, engine: &TimedEngine<'_>, lanes: Lanes) {
        let Some(&first) = self.times.first() else { return };
        for net in netlist.nets() {
            let mut place = 0;
            for (time, toggles) in engine.changes_from(net, first) {
                while self.times.get(place + 1).is_some_and(|&next| next <= time) {
                    place += 1;
                }
                self.toggles[place][net.index()] += u64::from((toggles & lanes).count_ones());
            }
        }
    }

    /// Adds another count over the same netlist and times.
    pub fn merge(&mut self, other: &LateToggles) {
        for (mine, theirs) in self.toggles.iter_mut().zip(&other.toggles) {
            for (mine, theirs) in mine.iter_mut().zip(theirs) {
                *mine += theirs;
            }
        }
    }

    /// Energy of all toggles at or after the time at `index`, given that of a transition of each net.
    pub fn energy(&self, index: usize, transition_energy: &[Femtojoules]) -> Femtojoules {
        Femtojoules(self.toggles[index..].iter().map(|toggles| weighted(toggles, transition_energy).0).sum())
    }

    /// Counts by time and net, from each time on and before the next.
    pub(crate) fn counts(&self) -> &[Vec<u64>] {
        &self.toggles
    }

    /// What has these counts.
    pub(crate) fn from_counts(times: Vec<Picoseconds>, toggles: Vec<Vec<u64>>) -> Self {
        Self { times, toggles }
    }
}

/// Energy of so many transitions of each net.
fn weighted(counts: &[u64], transition_energy: &[Femtojoules]) -> Femtojoules {
    Femtojoules(counts.iter().zip(transition_energy).map(|(&count, energy)| count as f64 * energy.0).sum())
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
    for ((net, total), settled) in netlist.nets().zip(toggles).zip(settled) {
        counter.add(engine.steps(net));
        let planes = counter.total();
        let mut sums = [0; 8];
        for &plane in planes.iter().rev() {
            // Counts of eight words at once, where there is an instruction for it.
            sums = std::array::from_fn(|word| 2 * sums[word] + u64::from((plane & lanes).0[word].count_ones()));
        }
        *total += sums.iter().sum::<u64>();
        // A lane that toggles an odd number of times ends at another value.
        *settled += planes.first().map_or(0, |&odd| u64::from((odd & lanes).count_ones()));
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
        counter.add(engine.steps(net));
    }
    for (counter, class_energy) in lanes.counters.iter_mut().zip(&lanes.class_energy) {
        for (bit, plane) in counter.total().iter().enumerate() {
            let weight = (1u32 << bit) as f32 * class_energy;
            for (energy, word) in energy.as_chunks_mut().0.iter_mut().zip(plane.0) {
                add_where_set(energy, word, weight);
            }
        }
        counter.clear();
    }
}

/// Adds `weight` to the numbers whose bit is set in `word`.
#[inline(always)]
fn add_where_set(numbers: &mut [f32; 64], word: u64, weight: f32) {
    for (half, numbers) in numbers.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let half = (word >> (32 * half)) as u32;
        for (bit, number) in numbers.iter_mut().enumerate() {
            *number += if half & (1 << bit) != 0 { weight } else { 0.0 };
        }
    }
}

/// A bit-sliced counter in every lane. Eight summands pass seven full adders, whatever the number of bits; only their
/// carry ripples (carry-save counting; Warren, *Hacker's Delight*, 2nd ed., §5-1).
#[derive(Clone, Debug, Default)]
struct LaneCounter {
    planes: [Lanes; LaneCounter::BITS],
    /// Number of summands so far.
    added: u32,
}

impl LaneCounter {
    /// At most 2^24 − 1 summands.
    const BITS: usize = 24;

    /// Counts a net's toggles.
    #[inline(always)]
    fn add(&mut self, steps: Steps<'_>) {
        let mut room = [Lanes::ZERO; 9];
        for run in 0..steps.runs() {
            self.add_run(steps.run(run, &mut room));
        }
    }

    /// Counts eight steps between values.
    #[inline(always)]
    fn add_run(&mut self, values: &[Lanes; 9]) {
        self.added += 8;
        let used = self.used();
        let toggles = |step: usize| values[step] ^ values[step + 1];
        let (ones, first) = full_adder(self.planes[0], toggles(0), toggles(1));
        let (ones, second) = full_adder(ones, toggles(2), toggles(3));
        let (twos, third) = full_adder(self.planes[1], first, second);
        let (ones, first) = full_adder(ones, toggles(4), toggles(5));
        let (ones, second) = full_adder(ones, toggles(6), toggles(7));
        let (twos, fourth) = full_adder(twos, first, second);
        let (fours, mut carry) = full_adder(self.planes[2], third, fourth);
        (self.planes[0], self.planes[1], self.planes[2]) = (ones, twos, fours);
        for plane in &mut self.planes[3..used] {
            (*plane, carry) = (*plane ^ carry, *plane & carry);
        }
    }

    /// The planes that can be in use.
    #[inline(always)]
    fn total(&self) -> &[Lanes] {
        // No lane counts more than all summands, so nothing is carried out of the highest plane.
        &self.planes[..self.used()]
    }

    fn used(&self) -> usize {
        (u32::BITS - self.added.leading_zeros()) as usize
    }

    #[inline(always)]
    fn clear(&mut self) {
        let used = self.used();
        self.planes[..used].fill(Lanes::ZERO);
        self.added = 0;
    }
}

/// Sum and carry of three bits in every lane.
#[inline(always)]
fn full_adder(a: Lanes, b: Lanes, c: Lanes) -> (Lanes, Lanes) {
    let half = a ^ b;
    (half ^ c, (a & b) | (c & half))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{DelayMode, lane_values};
    use crate::netlist::NetlistBuilder;
    use crate::units::Picoseconds;

    #[test]
    fn lane_counters_count() {
        let mut counter = LaneCounter::default();
        for round in [1, 2, 3, 8, 100, 0, 63] {
            for _ in 0..round {
                // Lane i toggles i % 8 times.
                let toggles = [0, 1, 2, 3, 4, 5, 6, 7].map(|step| {
                    Lanes(std::array::from_fn(|word| {
                        (0..64).map(|bit| u64::from((word * 64 + bit) % 8 > step) << bit).sum()
                    }))
                });
                counter.add(Steps::Toggles(&toggles));
            }
            let counts = lane_values(counter.total());
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
