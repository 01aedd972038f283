//! Carry-propagate adders, exact and approximate.
//!
//! The parallel-prefix adders are those of Kogge and Stone (IEEE Trans. Computers C-22, 1973) and of Brent and Kung
//! (IEEE Trans. Computers C-31, 1982); the lower-part-OR adder is Mahdiani et al. (IEEE TCAS-I 57, 2010).

use crate::netlist::{NetId, Netlist, NetlistBuilder};
use serde::{Deserialize, Serialize};

/// How the last two rows of a reduction tree, or the operands of an accumulator, are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FinalAdder {
    /// A chain of full adders: smallest, delay linear in the width.
    #[default]
    Ripple,
    /// Parallel prefix with 2·log2(width) − 1 levels and few cells.
    BrentKung,
    /// Parallel prefix with log2(width) levels and the most cells.
    KoggeStone,
    /// Lower-part OR: the low bits are ORed, the carry into the exact ripple part is the AND of the top low bits.
    Loa {
        /// Number of ORed bits.
        lower: u32,
    },
}

impl FinalAdder {
    /// Whether every sum is right.
    pub fn is_exact(self) -> bool {
        !matches!(self, FinalAdder::Loa { lower: 1.. })
    }

    /// Gates for `(x + y) mod 2^width` as this adder computes it; `x` and `y` have the same width.
    pub(super) fn build(self, circuit: &mut NetlistBuilder, x: &[NetId], y: &[NetId]) -> Vec<NetId> {
        match self {
            FinalAdder::Ripple => ripple(circuit, x, y, NetId::ZERO),
            FinalAdder::BrentKung => prefix(circuit, x, y, &[], brent_kung),
            FinalAdder::KoggeStone => prefix(circuit, x, y, &[], kogge_stone),
            FinalAdder::Loa { lower } => {
                let (lower, mut carry) = (x.len().min(lower as usize), NetId::ZERO);
                let mut sum: Vec<NetId> = (0..lower).map(|bit| circuit.or(x[bit], y[bit])).collect();
                if let Some(top) = lower.checked_sub(1) {
                    carry = circuit.and(x[top], y[top]);
                }
                sum.extend(ripple(circuit, &x[lower..], &y[lower..], carry));
                sum
            }
        }
    }

    /// `(x + y) mod 2^width` as this adder computes it, for operands below 2^width, width ≤ 63.
    pub fn sum(self, x: u64, y: u64, width: u32) -> u64 {
        let sum = match self {
            FinalAdder::Loa { lower } if lower > 0 => {
                let carry = (x & y) >> (lower - 1) & 1;
                ((x >> lower) + (y >> lower) + carry) << lower | (x | y) & ((1 << lower) - 1)
            }
            _ => x + y,
        };
        sum & ((1 << width) - 1)
    }
}

/// A standalone adder: inputs `a` and `b`, output `s = (a + b) mod 2^width`, as an accumulator needs it.
///
/// # Panics
/// If the width is 0.
pub fn adder_netlist(adder: FinalAdder, width: u32, name: impl Into<String>) -> Netlist {
    assert!(width > 0, "an adder has at least one bit");
    let mut circuit = NetlistBuilder::new(name);
    let (a, b) = (circuit.input("a", width as usize), circuit.input("b", width as usize));
    let sum = adder.build(&mut circuit, &a, &b);
    circuit.output("s", sum);
    circuit.finish().simplified()
}

/// `(x + y + carry) mod 2^width` as a chain of full adders.
pub(super) fn ripple(circuit: &mut NetlistBuilder, x: &[NetId], y: &[NetId], mut carry: NetId) -> Vec<NetId> {
    let pairs = x.iter().zip(y);
    let sum = pairs.map(|(&x, &y)| {
        let added = circuit.full_adder(x, y, carry);
        carry = added.carry;
        added.sum
    });
    sum.collect()
}

/// `x + y` as a chain of full adders, one bit wider than the wider operand.
pub(super) fn sum(circuit: &mut NetlistBuilder, x: &[NetId], y: &[NetId]) -> Vec<NetId> {
    sum_with_carry(circuit, x, y, NetId::ZERO)
}

/// `x + y + carry` as a chain of full adders, one bit wider than the wider operand.
pub(super) fn sum_with_carry(circuit: &mut NetlistBuilder, x: &[NetId], y: &[NetId], carry: NetId) -> Vec<NetId> {
    let width = x.len().max(y.len()) + 1;
    let extended = |word: &[NetId]| [word, &vec![NetId::ZERO; width - word.len()]].concat();
    ripple(circuit, &extended(x), &extended(y), carry)
}

/// Kogge–Stone gates for `(x + y + carry) mod 2^width`, the carry entering as a group below the lowest bit; `x` and `y` have the same
/// width.
pub fn sum_and_carry(circuit: &mut NetlistBuilder, x: &[NetId], y: &[NetId], carry: NetId) -> Vec<NetId> {
    prefix(circuit, x, y, &[carry], kogge_stone)
}

/// A prefix adder of bits above `carry_in`, if there is one. Its carries come from `merges` of so many groups: in order, group
/// `high` absorbs the group that ends at `low`.
fn prefix(
    circuit: &mut NetlistBuilder,
    x: &[NetId],
    y: &[NetId],
    carry_in: &[NetId],
    merges: fn(usize) -> Vec<(usize, usize)>,
) -> Vec<NetId> {
    let halves: Vec<_> = x.iter().zip(y).map(|(&x, &y)| circuit.half_adder(x, y)).collect();
    let mut propagate: Vec<NetId> =
        carry_in.iter().map(|_| NetId::ZERO).chain(halves.iter().map(|half| half.sum)).collect();
    let mut generate: Vec<NetId> = carry_in.iter().copied().chain(halves.iter().map(|half| half.carry)).collect();
    for (high, low) in merges(generate.len()) {
        let passed = circuit.and(propagate[high], generate[low]);
        generate[high] = circuit.or(generate[high], passed);
        propagate[high] = circuit.and(propagate[high], propagate[low]);
    }
    let below = if carry_in.is_empty() { Some(NetId::ZERO) } else { None };
    let carries = below.into_iter().chain(generate);
    halves.iter().zip(carries).map(|(half, carry)| circuit.xor(half.sum, carry)).collect()
}

/// Every group absorbs the one `distance` below it, the distance doubling.
fn kogge_stone(width: usize) -> Vec<(usize, usize)> {
    let distances = (0..).map(|level| 1 << level).take_while(|&distance| distance < width);
    // From the top down, so that a level only reads groups of the level before.
    distances.flat_map(|distance| (distance..width).rev().map(move |high| (high, high - distance))).collect()
}

/// A binary tree of groups that end at powers of two, then the positions between them.
fn brent_kung(width: usize) -> Vec<(usize, usize)> {
    let distances: Vec<usize> = (0..).map(|level| 1 << level).take_while(|&distance| distance < width).collect();
    let level =
        |first: usize, distance: usize| (first..width).step_by(2 * distance).map(move |high| (high, high - distance));
    let up = distances.iter().flat_map(|&distance| level(2 * distance - 1, distance));
    let down = distances.iter().rev().flat_map(|&distance| level(3 * distance - 1, distance));
    up.chain(down).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adders(width: u32) -> Vec<FinalAdder> {
        let loa = (0..=width).map(|lower| FinalAdder::Loa { lower });
        [FinalAdder::Ripple, FinalAdder::BrentKung, FinalAdder::KoggeStone].into_iter().chain(loa).collect()
    }

    #[test]
    fn every_adder_adds_as_defined() {
        for width in 1..=6 {
            for adder in adders(width) {
                let netlist = adder_netlist(adder, width, "add");
                for (x, y) in (0..1 << (2 * width)).map(|code: u64| (code >> width, code & ((1 << width) - 1))) {
                    assert_eq!(netlist.evaluate(&[x, y]), [adder.sum(x, y, width)], "{adder:?} {width}: {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn a_carry_enters_below_the_lowest_bit() {
        for width in 1..=6 {
            let mut circuit = NetlistBuilder::new("add");
            let (a, b) = (circuit.input("a", width), circuit.input("b", width));
            let carry = circuit.input("c", 1)[0];
            let sum = sum_and_carry(&mut circuit, &a, &b, carry);
            circuit.output("s", sum);
            let netlist = circuit.finish().simplified();
            let mask = (1u64 << width) - 1;
            for code in 0..1u64 << (2 * width + 1) {
                let (x, y, carry) = (code & mask, code >> width & mask, code >> (2 * width));
                assert_eq!(netlist.evaluate(&[x, y, carry]), [(x + y + carry) & mask], "{width}: {x}, {y}, {carry}");
            }
        }
    }

    /// Wide enough for every prefix level; each bit's carry is both generated and propagated by these operands.
    #[test]
    fn wide_prefix_adders_add() {
        for adder in [FinalAdder::Ripple, FinalAdder::BrentKung, FinalAdder::KoggeStone] {
            for width in [24, 31, 32] {
                let netlist = adder_netlist(adder, width, "add");
                let mask = (1u64 << width) - 1;
                for bit in 0..width {
                    for (x, y) in [(1 << bit, mask), (mask >> bit, 1), (0x5555_5555 & mask, 1 << bit)] {
                        assert_eq!(netlist.evaluate(&[x, y]), [(x + y) & mask], "{adder:?} {width}: {x}, {y}");
                    }
                }
            }
        }
    }

    #[test]
    fn adders_are_written_as_in_design_files() {
        let written = ["\"ripple\"", "\"brent-kung\"", "\"kogge-stone\"", "{\"loa\":{\"lower\":4}}"];
        let loa = FinalAdder::Loa { lower: 4 };
        let adders = [FinalAdder::Ripple, FinalAdder::BrentKung, FinalAdder::KoggeStone, loa];
        for (adder, text) in adders.into_iter().zip(written) {
            assert_eq!(serde_json::to_string(&adder).unwrap(), text);
            assert_eq!(serde_json::from_str::<FinalAdder>(text).unwrap(), adder);
        }
    }

    /// Mahdiani et al. 2010: a lower part of l bits errs with probability 1 − (3/4)^l, by 1/4 on average.
    #[test]
    fn lower_part_or_errs_as_published() {
        for lower in 1..=6 {
            let adder = FinalAdder::Loa { lower };
            let pairs = (0..1u64 << 12).map(|code| (code >> 6, code & 63));
            let errors: Vec<i64> = pairs.map(|(x, y)| adder.sum(x, y, 7) as i64 - (x + y) as i64).collect();
            let wrong = errors.iter().filter(|&&error| error != 0).count();
            assert_eq!(wrong, 4096 - 4096 / 4usize.pow(lower) * 3usize.pow(lower), "{lower}");
            assert_eq!(errors.iter().sum::<i64>(), 4096 / 4);
        }
    }
}
