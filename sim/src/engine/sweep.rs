//! All operand pairs of a circuit, 512 at a time, each block differing from the one before in one input bit.

use super::lanes::{LANES, Lanes, Transposed};
use super::tape::{Program, Settled, Tape};
use crate::netlist::Netlist;
use rayon::prelude::*;
use std::ops::Range;

/// Operand bits that count within a block: 2⁹ = [`LANES`].
pub const LANE_BITS: usize = LANES.trailing_zeros() as usize;

/// Visits every pair of operand codes of a circuit with two input ports and one output port.
///
/// A pair's code is first · 2^(width of second) + second. Its low nine bits are the lane; the others are the block's, and
/// follow a Gray code, so that from block to block only the cone behind one input bit is settled anew. Bits of the
/// second operand change fastest, those with the smallest cone first: a run of [`Self::run_blocks`] blocks has one
/// first operand.
#[derive(Clone, Debug)]
pub struct ExhaustiveSweep {
    tape: Tape,
    code_bits: usize,
    second_width: usize,
    /// Bits of the code above the lanes, fastest first, and what to settle when they change.
    toggles: Vec<(usize, Program)>,
}

/// One step of a sweep: [`LANES`] operand pairs with consecutive codes.
pub struct Block<'s, 't> {
    /// Code of lane 0.
    pub code: u64,
    settled: &'s Settled<'t>,
}

impl Block<'_, '_> {
    /// Reads the number each lane shows at the output, of at most 32 bits; `signed` extends its sign to 32.
    pub fn read(&self, signed: bool, values: &mut Transposed) {
        self.settled.read(0, signed, values);
    }
}

impl ExhaustiveSweep {
    /// Prepares the sweep of a circuit.
    ///
    /// # Panics
    /// If the circuit does not have two input ports, of at most 32 bits together, and one output port.
    pub fn new(netlist: &Netlist) -> Self {
        let [first, second] = netlist.inputs() else { panic!("{} has two operands", netlist.name()) };
        let code_bits = first.width() + second.width();
        assert!(code_bits <= 32, "{code_bits} operand bits are too many to visit all pairs");
        assert_eq!(netlist.outputs().len(), 1, "{} has one output port", netlist.name());
        let second_width = second.width();
        let tape = Tape::new(netlist);
        let mut toggles: Vec<(usize, Program)> = (LANE_BITS..code_bits)
            .map(|bit| (bit, tape.cone(tape.inputs()[usize::from(bit < second_width)][port_bit(bit, second_width)])))
            .collect();
        let of_second = second_width.saturating_sub(LANE_BITS);
        toggles[..of_second].sort_by_key(|(_, cone)| cone.len());
        Self { tape, code_bits, second_width, toggles }
    }

    /// Number of blocks of [`LANES`] pairs. Circuits of fewer than nine operand bits have one block, in which the pairs
    /// repeat.
    pub fn blocks(&self) -> u64 {
        1 << self.toggles.len()
    }

    /// Consecutive blocks that share the first operand, if the second fills a block.
    pub fn run_blocks(&self) -> u64 {
        1 << self.second_width.saturating_sub(LANE_BITS)
    }

    /// Visits the blocks at these places of the sweep.
    pub fn visit(&self, places: Range<u64>, mut visitor: impl FnMut(Block<'_, '_>)) {
        let mut settled = self.tape.start();
        for bit in 0..LANE_BITS.min(self.code_bits) {
            self.set(&mut settled, bit, Lanes::counting(bit));
        }
        let start = places.start ^ places.start >> 1;
        let mut code = 0;
        for (place, &(bit, _)) in self.toggles.iter().enumerate() {
            let set = start >> place & 1 == 1;
            code |= u64::from(set) << bit;
            self.set(&mut settled, bit, Lanes::splat(set));
        }
        settled.settle();
        for place in places.clone() {
            if place != places.start {
                let (bit, cone) = &self.toggles[place.trailing_zeros() as usize];
                code ^= 1 << bit;
                self.set(&mut settled, *bit, Lanes::splat(code >> bit & 1 == 1));
                cone.run(&mut settled.nets);
            }
            visitor(Block { code, settled: &settled });
        }
    }

    fn set(&self, settled: &mut Settled<'_>, bit: usize, lanes: Lanes) {
        settled.set_input(usize::from(bit < self.second_width), port_bit(bit, self.second_width), lanes);
    }
}

/// Place of a code word in the Gray code.
fn gray_place(mut word: u64) -> u64 {
    for distance in [32, 16, 8, 4, 2, 1] {
        word ^= word >> distance;
    }
    word
}

/// Position in its port of a bit of the code.
fn port_bit(bit: usize, second_width: usize) -> usize {
    if bit < second_width { bit } else { bit - second_width }
}

/// The output code for every pair of operand codes, `[first << width_second | second]`, of a circuit with two input
/// ports and one output port of at most 32 bits.
///
/// # Panics
/// If the ports are not so, or the operands have more than 28 bits together.
pub fn exhaustive_codes(netlist: &Netlist) -> Vec<u32> {
    let bits: usize = netlist.inputs().iter().map(|port| port.width()).sum();
    assert!(bits <= 28, "{bits} operand bits are too many to tabulate");
    assert!(netlist.outputs().iter().all(|port| port.width() <= 32), "an output of at most 32 bits");
    let sweep = ExhaustiveSweep::new(netlist);
    let mut codes = vec![0u32; 1 << bits];
    // A whole number of runs, so that a part of the sweep fills a contiguous part of the table.
    let part = sweep.run_blocks().max(64).min(sweep.blocks());
    codes.par_chunks_mut(part as usize * LANES).enumerate().for_each(|(index, codes)| {
        let start = gray_place(index as u64) * part;
        let mut values = Transposed::ZERO;
        sweep.visit(start..start + part, |block| {
            block.read(false, &mut values);
            let place = block.code as usize % (part as usize * LANES);
            for (lane, code) in codes[place..].iter_mut().take(LANES).enumerate() {
                *code = values.lane(lane);
            }
        });
    });
    codes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlist::NetlistBuilder;

    fn odd(width_a: usize, width_b: usize) -> Netlist {
        let mut builder = NetlistBuilder::new("odd");
        let (a, b) = (builder.input("a", width_a), builder.input("b", width_b));
        let mut nets = vec![];
        for bit in 0..width_a {
            let added = builder.full_adder(a[bit], b[bit % width_b], b[(bit + 2) % width_b]);
            nets.push(builder.mux(added.carry, a[(bit + 1) % width_a], added.sum));
        }
        builder.output("p", nets);
        builder.finish()
    }

    #[test]
    fn codes_agree_with_the_scalar_evaluation() {
        for (width_a, width_b) in [(1, 1), (2, 6), (5, 7), (1, 12), (12, 1), (4, 11), (9, 8)] {
            let netlist = odd(width_a, width_b);
            let codes = exhaustive_codes(&netlist);
            assert_eq!(codes.len(), 1 << (width_a + width_b));
            for (code, &output) in codes.iter().enumerate() {
                let (a, b) = (code as u64 >> width_b, code as u64 & ((1 << width_b) - 1));
                assert_eq!(netlist.evaluate(&[a, b]), [u64::from(output)], "{width_a}x{width_b}: {a}, {b}");
            }
        }
    }

    /// Wherever a part starts, its blocks carry the values of their codes.
    #[test]
    fn parts_of_a_sweep_equal_the_whole() {
        let netlist = odd(4, 11);
        let codes = exhaustive_codes(&netlist);
        let sweep = ExhaustiveSweep::new(&netlist);
        assert_eq!((sweep.blocks(), sweep.run_blocks()), (64, 4));
        let mut seen = vec![0; 64];
        let mut values = Transposed::ZERO;
        for places in [0..5, 5..6, 6..41, 41..64] {
            sweep.visit(places, |block| {
                block.read(false, &mut values);
                let first = block.code as usize;
                assert!((0..LANES).all(|lane| values.lane(lane) == codes[first + lane]));
                seen[first / LANES] += 1;
            });
        }
        assert!(seen.iter().all(|&count| count == 1));
    }
}
