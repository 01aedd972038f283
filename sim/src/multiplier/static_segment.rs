//! Multipliers of one of a few fixed segments of each operand: SSM and ESSM.
//!
//! Narayanamoorthy, Moghaddam, Liu, Park and Kim, IEEE TVLSI 23, 2015. Segments of m bits start at fixed, equally spaced
//! positions of the n-bit operand, the lowest at 0, the highest at n − m; the lowest one that holds the operand's leading
//! one is kept. The segments are multiplied exactly by an m×m array and the product is shifted back.

use super::array::multiply;
use super::sign_magnitude::UnsignedMultiplier;
use super::spec::{Operands, Violation, require};
use super::word::{any, select, shift_left_if};
use crate::netlist::{NetId, NetlistBuilder};

/// SSM chooses between two segments of an operand, ESSM between three.
pub(super) struct StaticSegment {
    pub(super) segment: u32,
    /// Segments of an operand to choose from: 2 or 3.
    pub(super) segments: u32,
}

impl StaticSegment {
    /// Distance between the starts of two segments.
    fn step(&self, width: u32) -> u32 {
        (width - self.segment) / (self.segments - 1)
    }

    /// The segment of `operand` and the position at which it starts.
    fn segment_of(&self, operand: u64, width: u32) -> (u64, u32) {
        let starts = (0..self.segments).map(|segment| segment * self.step(width));
        let start = starts.clone().find(|start| operand >> (self.segment + start) == 0);
        let start = start.expect("the highest segment reaches the top of the operand");
        (operand >> start, start)
    }

    /// Gates for the same; the position as one line for each step above the lowest segment.
    fn segment_gates(&self, circuit: &mut NetlistBuilder, operand: &[NetId]) -> (Vec<NetId>, Vec<NetId>) {
        let (segment, step) = (self.segment as usize, self.step(operand.len() as u32) as usize);
        let mut kept = operand[..segment].to_vec();
        let mut beyond = Vec::new();
        for start in (1..self.segments as usize).map(|number| number * step) {
            let line = any(circuit, &operand[segment + start - step..]);
            kept = select(circuit, line, &operand[start..start + segment], &kept);
            beyond.push(line);
        }
        (kept, beyond)
    }
}

impl UnsignedMultiplier for StaticSegment {
    /// Segments overlap or touch, so that one of them always holds the leading one.
    fn validate(&self, operands: Operands) -> Result<(), Violation> {
        let widths = [operands.width_a, operands.width_b];
        if self.segments == 3 && (widths[0] + widths[1]) % 2 == 1 {
            return Err(Violation::Widths { requirement: "widths both even or both odd" });
        }
        let fits = |segment: &u32| {
            widths
                .iter()
                .all(|width| segment * self.segments >= *width && (width - segment).is_multiple_of(self.segments - 1))
        };
        require("segment", self.segment, (1..=widths[0].min(widths[1])).filter(fits))
    }

    fn generate(&self, circuit: &mut NetlistBuilder, a: &[NetId], b: &[NetId]) -> Vec<NetId> {
        let (kept_a, beyond_a) = self.segment_gates(circuit, a);
        let (kept_b, beyond_b) = self.segment_gates(circuit, b);
        let mut product = multiply(circuit, &kept_a, &kept_b);
        for (operand, lines) in [(a, beyond_a), (b, beyond_b)] {
            for line in lines {
                let step = self.step(operand.len() as u32) as usize;
                product = shift_left_if(circuit, line, &product, step, a.len() + b.len());
            }
        }
        product
    }

    fn product(&self, operands: Operands, a: u64, b: u64) -> u64 {
        let (kept_a, start_a) = self.segment_of(a, operands.width_a);
        let (kept_b, start_b) = self.segment_of(b, operands.width_b);
        (kept_a * kept_b) << (start_a + start_b)
    }
}
