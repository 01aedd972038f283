//! Where waveforms lie: all nets in one arena, in simulation order.

use super::lanes::Lanes;
use crate::netlist::{NetId, Netlist};

/// The end of every list of times.
pub(super) const NEVER: u32 = u32::MAX;

/// The history of every net in every lane: its value before time 0, and the times at which lanes toggle.
///
/// Invariant: the times of a net ascend strictly and are followed by [`NEVER`]; a cell's lists lie behind those of its
/// inputs, so an output is written while inputs are read.
#[derive(Clone, Debug)]
pub(super) struct Waveforms {
    initial: Vec<Lanes>,
    extents: Vec<Extent>,
    times: Vec<u32>,
    toggles: Vec<Lanes>,
    /// First entry behind the inputs.
    cells: usize,
    /// First free entry.
    free: usize,
}

/// Where a net's events begin, and how many there are before [`NEVER`].
#[derive(Clone, Copy, Debug, Default)]
struct Extent {
    start: usize,
    len: usize,
}

/// One net's events, for reading: times with [`NEVER`] at the end, and the lanes that toggle then (the last entry of
/// which means nothing).
#[derive(Clone, Copy)]
pub(super) struct Events<'w> {
    pub(super) times: &'w [u32],
    pub(super) toggles: &'w [Lanes],
}

/// Room for one output's events. What is written beyond the length given back to [`Waveforms::keep`] is ignored.
pub(super) struct Room<'w> {
    pub(super) times: &'w mut [u32],
    pub(super) toggles: &'w mut [Lanes],
}

impl Waveforms {
    /// All inputs zero and no cell simulated; inputs change at `edges` at most.
    pub(super) fn new(netlist: &Netlist, edges: &[u32]) -> Self {
        let mut initial = vec![Lanes::ZERO; netlist.net_count()];
        initial[NetId::ONE.index()] = Lanes::ONES;
        let room = edges.len() + 1;
        let sources = 2 + netlist.inputs().iter().map(|port| port.width()).sum::<usize>();
        let mut extents: Vec<Extent> = (0..sources).map(|net| Extent { start: room * net, len: 0 }).collect();
        extents.resize(netlist.net_count(), Extent { start: room - 1, len: 0 });
        let cells = room * sources;
        let (times, toggles) = (vec![NEVER; cells], vec![Lanes::ZERO; cells]);
        Self { initial, extents, times, toggles, cells, free: cells }
    }

    /// Gives an input its values: before the first of `edges`, then from each on.
    pub(super) fn set_input(&mut self, net: NetId, edges: &[u32], values: &[Lanes]) {
        let Extent { start, len } = &mut self.extents[net.index()];
        self.initial[net.index()] = values[0];
        *len = 0;
        for (&edge, pair) in edges.iter().zip(values.windows(2)) {
            let toggles = pair[0] ^ pair[1];
            if !toggles.is_zero() {
                (self.times[*start + *len], self.toggles[*start + *len]) = (edge, toggles);
                *len += 1;
            }
        }
        self.times[*start + *len] = NEVER;
    }

    /// Forgets what cells did.
    pub(super) fn restart(&mut self) {
        self.free = self.cells;
    }

    pub(super) fn initial(&self, net: NetId) -> Lanes {
        self.initial[net.index()]
    }

    pub(super) fn set_initial(&mut self, net: NetId, value: Lanes) {
        self.initial[net.index()] = value;
    }

    /// Number of times a net changes in any lane.
    pub(super) fn len(&self, net: NetId) -> usize {
        self.extents[net.index()].len
    }

    /// Times of a net's changes, and the lanes that toggle at each.
    #[inline]
    pub(super) fn changes(&self, net: NetId) -> (&[u32], &[Lanes]) {
        let Extent { start, len } = self.extents[net.index()];
        (&self.times[start..start + len], &self.toggles[start..start + len])
    }

    /// Inputs to read and room for `OUT` outputs of up to `capacity` entries each, the closing one included.
    #[inline(always)]
    pub(super) fn split<const IN: usize, const OUT: usize>(
        &mut self,
        inputs: [NetId; IN],
        capacity: usize,
    ) -> ([Events<'_>; IN], [Room<'_>; OUT]) {
        let end = self.free + OUT * capacity;
        if self.times.len() < end {
            self.times.resize(2 * end, NEVER);
            self.toggles.resize(2 * end, Lanes::ZERO);
        }
        let (times, mut free_times) = self.times.split_at_mut(self.free);
        let (toggles, mut free_toggles) = self.toggles.split_at_mut(self.free);
        let (times, toggles): (&[u32], &[Lanes]) = (times, toggles);
        let extents = &self.extents;
        let events = inputs.map(|net| {
            let Extent { start, len } = extents[net.index()];
            Events { times: &times[start..=start + len], toggles: &toggles[start..=start + len] }
        });
        let rooms = std::array::from_fn(|_| {
            let (times, rest) = std::mem::take(&mut free_times).split_at_mut(capacity);
            free_times = rest;
            let (toggles, rest) = std::mem::take(&mut free_toggles).split_at_mut(capacity);
            free_toggles = rest;
            Room { times, toggles }
        });
        (events, rooms)
    }

    /// Keeps the events written to the rooms of consecutive nets, the first of which is `first`.
    #[inline(always)]
    pub(super) fn keep<const OUT: usize>(&mut self, first: NetId, lens: [usize; OUT], capacity: usize) {
        for (pin, len) in lens.into_iter().enumerate() {
            let start = self.free + pin * capacity;
            self.times[start + len] = NEVER;
            self.extents[first.index() + pin] = Extent { start, len };
        }
    }

    /// Frees what lies behind the events of `last`, the net whose room came last.
    #[inline(always)]
    pub(super) fn close(&mut self, last: NetId) {
        let Extent { start, len } = self.extents[last.index()];
        self.free = start + len + 1;
    }
}

impl Room<'_> {
    /// Drops events in which no lane toggles any more, of the first `len`; returns how many remain.
    #[inline(always)]
    pub(super) fn without_empty(&mut self, len: usize) -> usize {
        let mut kept = 0;
        for event in 0..len {
            let toggles = self.toggles[event];
            self.times[kept] = self.times[event];
            self.toggles[kept] = toggles;
            kept += usize::from(!toggles.is_zero());
        }
        kept
    }
}
