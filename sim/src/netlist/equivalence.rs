//! Whether two circuits compute the same.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

use super::{CellKind, NetId, Netlist, Port};

/// Most input bits for which every vector is tried.
pub const EXHAUSTIVE_INPUT_BITS: usize = 24;

/// Random vectors tried beyond that, from a fixed seed: the answer is the same every time.
pub const RANDOM_VECTORS: u64 = 1 << 20;

/// The outcome of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Equivalence {
    /// No vector tells the circuits apart.
    Equal {
        /// Whether all vectors were tried. If not, equality is likely, not proven.
        exhaustive: bool,
        /// Vectors tried.
        vectors: u64,
    },
    /// A vector that does.
    Different(Counterexample),
}

/// An input vector on which two circuits differ. Values are bits, least significant first, one list a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// Values of the input ports.
    pub inputs: Vec<Vec<bool>>,
    /// Values of the first circuit's output ports.
    pub left_outputs: Vec<Vec<bool>>,
    /// Values of the second circuit's output ports.
    pub right_outputs: Vec<Vec<bool>>,
}

/// Circuits whose ports do not correspond.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the {side} of `{left}` are {left_widths:?} bits wide, those of `{right}` {right_widths:?}")]
pub struct InterfaceMismatch {
    /// `inputs` or `outputs`.
    pub side: &'static str,
    /// Name of the first circuit.
    pub left: String,
    /// Name of the second circuit.
    pub right: String,
    /// Widths of the first circuit's ports, in order.
    pub left_widths: Vec<usize>,
    /// Widths of the second circuit's ports, in order.
    pub right_widths: Vec<usize>,
}

/// Compares two circuits on all input vectors if they have up to [`EXHAUSTIVE_INPUT_BITS`] input bits, else on
/// [`RANDOM_VECTORS`] random ones. They are evaluated bit-parallel.
///
/// Ports correspond by position and may have different names ([`Netlist::operands`] reorders them).
///
/// # Errors
/// If the circuits have different numbers or widths of ports.
pub fn equivalent(left: &Netlist, right: &Netlist) -> Result<Equivalence, InterfaceMismatch> {
    for (side, left_ports, right_ports) in
        [("inputs", left.inputs(), right.inputs()), ("outputs", left.outputs(), right.outputs())]
    {
        let widths = |ports: &[Port]| -> Vec<usize> { ports.iter().map(Port::width).collect() };
        let (left_widths, right_widths) = (widths(left_ports), widths(right_ports));
        if left_widths != right_widths {
            let (left, right) = (left.name().to_string(), right.name().to_string());
            return Err(InterfaceMismatch { side, left, right, left_widths, right_widths });
        }
    }
    let input_bits: usize = left.inputs().iter().map(Port::width).sum();
    let exhaustive = input_bits <= EXHAUSTIVE_INPUT_BITS;
    let vectors = if exhaustive { 1 << input_bits } else { RANDOM_VECTORS };
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let (mut left_values, mut right_values) = (BlockEvaluation::new(left), BlockEvaluation::new(right));
    let mut inputs = vec![[0; WORDS]; input_bits];
    // The last block may go beyond the last vector: it repeats the first ones.
    for block in 0..vectors.div_ceil(64 * WORDS as u64) {
        for (bit, words) in inputs.iter_mut().enumerate() {
            for (word, value) in (block * WORDS as u64..).zip(words) {
                *value = if exhaustive { counting_word(bit, word) } else { random.next_u64() };
            }
        }
        left_values.evaluate(&inputs);
        right_values.evaluate(&inputs);
        if let Some(lane) = first_difference(&left_values, &right_values) {
            return Ok(Equivalence::Different(Counterexample {
                inputs: left_values.lane(left.inputs(), lane),
                left_outputs: left_values.lane(left.outputs(), lane),
                right_outputs: right_values.lane(right.outputs(), lane),
            }));
        }
    }
    Ok(Equivalence::Equal { exhaustive, vectors })
}

/// Words evaluated at once, so that looking a cell up costs little beside evaluating it.
const WORDS: usize = 16;

/// 64·`WORDS` vectors of one net, a bit a vector.
type Block = [u64; WORDS];

/// Input bit `bit` of the vectors 64·`word` … 64·`word` + 63, counted in binary.
fn counting_word(bit: usize, word: u64) -> u64 {
    const LOW: [u64; 6] = [
        0xaaaa_aaaa_aaaa_aaaa,
        0xcccc_cccc_cccc_cccc,
        0xf0f0_f0f0_f0f0_f0f0,
        0xff00_ff00_ff00_ff00,
        0xffff_0000_ffff_0000,
        0xffff_ffff_0000_0000,
    ];
    match LOW.get(bit) {
        Some(&pattern) => pattern,
        None if word >> (bit - 6) & 1 == 1 => u64::MAX,
        None => 0,
    }
}

/// The first vector of the block in which an output differs.
fn first_difference(left: &BlockEvaluation<'_>, right: &BlockEvaluation<'_>) -> Option<usize> {
    let pairs = left.output_nets.iter().zip(&right.output_nets);
    let first_lane = |(&l, &r): (&usize, &usize)| {
        let mut words = left.blocks[l].iter().zip(&right.blocks[r]).map(|(left, right)| left ^ right).enumerate();
        words.find(|(_, word)| *word != 0).map(|(index, word)| 64 * index + word.trailing_zeros() as usize)
    };
    pairs.filter_map(first_lane).min()
}

/// Evaluates a circuit on a block of vectors.
struct BlockEvaluation<'n> {
    netlist: &'n Netlist,
    /// Value of each net.
    blocks: Vec<Block>,
    output_nets: Vec<usize>,
}

impl<'n> BlockEvaluation<'n> {
    fn new(netlist: &'n Netlist) -> Self {
        let mut blocks = vec![[0; WORDS]; netlist.net_count()];
        blocks[NetId::ONE.index()] = [u64::MAX; WORDS];
        let output_nets = netlist.outputs().iter().flat_map(Port::nets).map(|net| net.index()).collect();
        Self { netlist, blocks, output_nets }
    }

    fn evaluate(&mut self, inputs: &[Block]) {
        // The first nets are the constants and the inputs, in order; then come the outputs of the cells.
        let mut next = 2 + inputs.len();
        self.blocks[2..next].copy_from_slice(inputs);
        for cell in self.netlist.cells() {
            let (known, outputs) = self.blocks.split_at_mut(next);
            let mut pins = [&known[0]; 4];
            for (pin, net) in pins.iter_mut().zip(cell.inputs()) {
                *pin = &known[net.index()];
            }
            evaluate_cell(cell.kind(), pins, outputs);
            next += cell.kind().outputs();
        }
    }

    /// Port values of one of the vectors.
    fn lane(&self, ports: &[Port], lane: usize) -> Vec<Vec<bool>> {
        let bit = |net: &NetId| self.blocks[net.index()][lane / 64] >> (lane % 64) & 1 == 1;
        ports.iter().map(|port| port.nets().iter().map(bit).collect()).collect()
    }
}

/// The outputs of a cell.
fn evaluate_cell(kind: CellKind, [a, b, c, d]: [&Block; 4], outputs: &mut [Block]) {
    use CellKind::*;
    fn each(output: &mut Block, word: impl Fn(usize) -> u64) {
        for (index, value) in output.iter_mut().enumerate() {
            *value = word(index);
        }
    }
    let y = &mut outputs[0];
    match kind {
        Buf => *y = *a,
        Inv => each(y, |i| !a[i]),
        And2 => each(y, |i| a[i] & b[i]),
        Or2 => each(y, |i| a[i] | b[i]),
        Nand2 => each(y, |i| !(a[i] & b[i])),
        Nand3 => each(y, |i| !(a[i] & b[i] & c[i])),
        Nor2 => each(y, |i| !(a[i] | b[i])),
        Nor3 => each(y, |i| !(a[i] | b[i] | c[i])),
        Xor2 => each(y, |i| a[i] ^ b[i]),
        Xnor2 => each(y, |i| !(a[i] ^ b[i])),
        Aoi21 => each(y, |i| !((a[i] & b[i]) | c[i])),
        Aoi22 => each(y, |i| !((a[i] & b[i]) | (c[i] & d[i]))),
        Oai21 => each(y, |i| !((a[i] | b[i]) & c[i])),
        Oai22 => each(y, |i| !((a[i] | b[i]) & (c[i] | d[i]))),
        Mux2 => each(y, |i| (c[i] & a[i]) | (!c[i] & b[i])),
        MuxInv2 => each(y, |i| !((c[i] & a[i]) | (!c[i] & b[i]))),
        HalfAdder => {
            each(y, |i| a[i] ^ b[i]);
            each(&mut outputs[1], |i| a[i] & b[i]);
        }
        FullAdder => {
            each(y, |i| a[i] ^ b[i] ^ c[i]);
            each(&mut outputs[1], |i| (a[i] & b[i]) | (c[i] & (a[i] | b[i])));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::NetlistBuilder;
    use super::*;

    #[test]
    fn blocks_agree_with_truth_tables() {
        for kind in CellKind::ALL {
            let pins = [0xaaaa, 0xcccc, 0xf0f0, 0xff00].map(|word| [word; WORDS]);
            let mut blocks = [[0; WORDS]; 2];
            evaluate_cell(kind, pins.each_ref(), &mut blocks);
            for row in 0..1u8 << kind.inputs() {
                let outputs: u8 = (0..kind.outputs()).map(|pin| ((blocks[pin][7] >> row & 1) as u8) << pin).sum();
                assert_eq!(outputs, kind.evaluate(row), "{} {row}", kind.name());
            }
        }
    }

    fn parity(width: usize, wrong: Option<u64>) -> Netlist {
        let mut builder = NetlistBuilder::new("parity");
        let bits = builder.input("x", width);
        let mut sum = bits[1..].iter().fold(bits[0], |sum, &bit| builder.xor(sum, bit));
        if let Some(vector) = wrong {
            let literals: Vec<_> = bits
                .iter()
                .enumerate()
                .map(|(bit, &net)| if vector >> bit & 1 == 1 { net } else { builder.inv(net) })
                .collect();
            let hit = literals[1..].iter().fold(literals[0], |all, &net| builder.and(all, net));
            sum = builder.xor(sum, hit);
        }
        builder.output("y", [sum]);
        builder.finish()
    }

    #[test]
    fn a_single_wrong_vector_is_found_and_reported() {
        for width in [1, 3, 6, 7, 17] {
            let vector = 0x1_5a5a & ((1 << width) - 1);
            let (right, wrong) = (parity(width, None), parity(width, Some(vector)));
            let all = Equivalence::Equal { exhaustive: true, vectors: 1 << width };
            assert_eq!(equivalent(&right, &right.clone()).unwrap(), all);
            let Equivalence::Different(found) = equivalent(&right, &wrong).unwrap() else { panic!("not found") };
            let value = |bits: &Vec<bool>| bits.iter().rev().fold(0, |word, &bit| word << 1 | u64::from(bit));
            assert_eq!(value(&found.inputs[0]), vector);
            assert_eq!(vec![value(&found.left_outputs[0])], right.evaluate(&[vector]));
            assert_eq!(vec![value(&found.right_outputs[0])], wrong.evaluate(&[vector]));
        }
    }

    #[test]
    fn wide_circuits_are_sampled() {
        let (straight, inverted) = (parity(40, None), {
            let mut builder = NetlistBuilder::new("inverted");
            let bits = builder.input("x", 40);
            let sum = bits[1..].iter().fold(bits[0], |sum, &bit| builder.xnor(sum, bit));
            builder.output("y", [sum]);
            builder.finish()
        });
        // 39 exclusive nors: an odd number of complements.
        assert!(matches!(equivalent(&straight, &inverted).unwrap(), Equivalence::Different(_)));
        let sampled = Equivalence::Equal { exhaustive: false, vectors: RANDOM_VECTORS };
        assert_eq!(equivalent(&straight, &straight.clone()).unwrap(), sampled);
    }

    #[test]
    fn ports_must_correspond() {
        let mismatch = equivalent(&parity(3, None), &parity(4, None)).unwrap_err();
        assert_eq!((mismatch.side, mismatch.left_widths, mismatch.right_widths), ("inputs", vec![3], vec![4]));
    }
}
