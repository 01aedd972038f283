//! Rounding-based multiplier.

use super::adder::ripple;
use super::sign_magnitude::UnsignedMultiplier;
use super::spec::{Operands, Violation};
use super::word::{enabled, encode, leading_one, shift_left};
use crate::netlist::{NetId, NetlistBuilder};

/// `R(a)·b + a·R(b) − R(a)·R(b)`, R(x) being the power of two nearest to x; halfway cases go up, except that R(3) = 2.
///
/// Zendegani, Kamal, Bahadori, Afzali-Kusha and Pedram, IEEE TVLSI 25, 2017: three barrel shifters, an adder and a
/// subtractor, here both ripple.
pub(super) struct Roba;

/// The exponent of R(x), or `None` for 0.
fn rounded_log(x: u64) -> Option<u32> {
    let leading = x.checked_ilog2()?;
    let up = x != 3 && leading > 0 && x >> (leading - 1) & 1 == 1;
    Some(leading + u32::from(up))
}

/// Gates for R(x) as a one-hot word of one bit more than x, all 0 for 0.
fn rounded(circuit: &mut NetlistBuilder, x: &[NetId], leading: &[NetId]) -> Vec<NetId> {
    let mut power = Vec::with_capacity(x.len() + 1);
    let mut up_from_below = NetId::ZERO;
    for (position, &line) in leading.iter().enumerate() {
        let half = if position >= 2 { x[position - 1] } else { NetId::ZERO };
        let up = circuit.and(line, half);
        let stays = circuit.xor(line, up);
        power.push(circuit.or(stays, up_from_below));
        up_from_below = up;
    }
    power.push(up_from_below);
    power
}

impl UnsignedMultiplier for Roba {
    fn validate(&self, _: Operands) -> Result<(), Violation> {
        Ok(())
    }

    fn generate(&self, circuit: &mut NetlistBuilder, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        let width = a.len() + b.len();
        let (leading_a, leading_b) = (leading_one(circuit, a), leading_one(circuit, b));
        let power_a = rounded(circuit, a, &leading_a.one_hot);
        let power_b = rounded(circuit, b, &leading_b.one_hot);
        let k = encode(circuit, &power_a, |position| position);
        let l = encode(circuit, &power_b, |position| position);
        let mut scaled = |word: &[NetId], other_nonzero: NetId, exponent: &[NetId]| {
            let word = enabled(circuit, word, other_nonzero);
            shift_left(circuit, &word, exponent, width)
        };
        let first = scaled(b, leading_a.found, &k);
        let second = scaled(a, leading_b.found, &l);
        let both = scaled(&power_a, leading_b.found, &l);
        let added = ripple(circuit, &first, &second, NetId::ZERO);
        let complement: Vec<NetId> = both.iter().map(|&bit| circuit.inv(bit)).collect();
        ripple(circuit, &added, &complement, NetId::ONE)
    }

    fn product(&self, _: Operands, a: u64, b: u64) -> u64 {
        let (Some(k), Some(l)) = (rounded_log(a), rounded_log(b)) else { return 0 };
        (b << k) + (a << l) - (1 << (k + l))
    }
}
