//! Number literals.

use super::syntax::Number;
use crate::netlist::read_error::Problem;

/// Widest vector, in bits.
pub(super) const MAX_WIDTH: usize = 1 << 16;

/// Reads `42`, `8'hff`, `'sb101`; blanks may surround the base.
pub(super) fn parse(text: &str) -> Result<Number, Problem> {
    let fail = |reason| Problem::Number { literal: text.into(), reason };
    let Some((size, rest)) = text.split_once('\'') else {
        let value = decimal(text).ok_or(fail("it is not a decimal number below 2^127"))?;
        // Two's complement: one more bit than the magnitude.
        let width = (129 - value.leading_zeros() as usize).max(32);
        return Ok(Number {
            bits: (0..width).map(|bit| Some(bit < 128 && value >> bit & 1 == 1)).collect(),
            signed: true,
            sized: false,
        });
    };
    let signed = rest.starts_with(['s', 'S']);
    let rest = &rest[usize::from(signed)..];
    let (base, digits) = rest.split_at(1);
    let digits: String = digits.chars().filter(|c| !c.is_ascii_whitespace() && *c != '_').collect();
    if digits.is_empty() {
        return Err(fail("it has no digits"));
    }
    let mut bits = match base {
        "d" | "D" if digits.len() == 1 && is_unknown(digits.as_bytes()[0] as char) => vec![None],
        "d" | "D" => {
            let value = decimal(&digits).ok_or(fail("it is not a decimal number below 2^127"))?;
            (0..128).map(|bit| Some(value >> bit & 1 == 1)).collect()
        }
        "h" | "H" => grouped_bits(&digits, 4).ok_or(fail("it has a digit that is not hexadecimal"))?,
        "o" | "O" => grouped_bits(&digits, 3).ok_or(fail("it has a digit that is not octal"))?,
        _ => grouped_bits(&digits, 1).ok_or(fail("it has a digit that is not binary"))?,
    };
    let size = size.trim();
    let width = match size {
        // Leading zeros beyond 32 bits do not count.
        "" => bits.iter().rposition(|&bit| bit != Some(false)).map_or(0, |highest| highest + 1).max(32),
        _ => {
            let width = decimal(size).and_then(|width| usize::try_from(width).ok()).unwrap_or(usize::MAX);
            if width == 0 {
                return Err(fail("it has no bits"));
            }
            width
        }
    };
    if width > MAX_WIDTH {
        return Err(Problem::TooLarge { what: "the width of a number".into(), limit: MAX_WIDTH });
    }
    // A leading unknown digit extends, as zeros do otherwise.
    let fill = if bits.last() == Some(&None) { None } else { Some(false) };
    bits.resize(width, fill);
    Ok(Number { bits, signed, sized: !size.is_empty() })
}

/// A decimal number below 2^127.
fn decimal(text: &str) -> Option<u128> {
    let mut value: u128 = 0;
    for digit in text.bytes().filter(|&byte| byte != b'_') {
        let digit = (digit as char).to_digit(10)?;
        value = value.checked_mul(10)?.checked_add(u128::from(digit))?;
    }
    (value >> 127 == 0).then_some(value)
}

/// Bits of digits of `size` bits each, least significant first.
fn grouped_bits(digits: &str, size: u32) -> Option<Vec<Option<bool>>> {
    let mut bits = Vec::with_capacity(digits.len() * size as usize);
    for digit in digits.chars().rev() {
        if is_unknown(digit) {
            bits.extend((0..size).map(|_| None));
        } else {
            let value = digit.to_digit(1 << size)?;
            bits.extend((0..size).map(|bit| Some(value >> bit & 1 == 1)));
        }
    }
    Some(bits)
}

/// Unknown (`x`) and floating (`z`, `?`) digits.
fn is_unknown(digit: char) -> bool {
    matches!(digit, 'x' | 'X' | 'z' | 'Z' | '?')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> (u128, usize, bool, bool) {
        let number = parse(text).unwrap();
        let value = number.bits.iter().rev().fold(0, |value, bit| value << 1 | u128::from(bit.unwrap()));
        (value, number.bits.len(), number.signed, number.sized)
    }

    #[test]
    fn literals_have_value_width_and_sign() {
        assert_eq!(value("42"), (42, 32, true, false));
        assert_eq!(value("4_294_967_295"), (4_294_967_295, 33, true, false));
        assert_eq!(value("8'hfF"), (255, 8, false, true));
        assert_eq!(value("4 'sb 1010"), (10, 4, true, true));
        assert_eq!(value("4'd255"), (15, 4, false, true));
        assert_eq!(value("'o17"), (15, 32, false, false));
        assert_eq!(value("12'b1_1"), (3, 12, false, true));
    }

    #[test]
    fn unknown_digits_extend() {
        let bits = |text: &str| parse(text).unwrap().bits;
        assert_eq!(bits("4'b1x0z"), [None, Some(false), None, Some(true)]);
        assert_eq!(bits("6'hx"), [None; 6]);
        assert_eq!(bits("5'ox1"), [Some(true), Some(false), Some(false), None, None]);
        assert_eq!(bits("2'd?"), [None; 2]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["8'h", "8'hg", "4'b2", "8'o8", "3'da", "0'd0", "2'd1x", "12ab", "99999999'd0"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"9".repeat(100_000)).is_err());
    }
}
