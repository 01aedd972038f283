//! Boolean functions as Liberty writes them.

/// Truth table of `text` over `pins`: bit `i` is the output when pin `j` carries bit `j` of `i`. `None` if it has other names or
/// is no function, or there are more than four pins.
///
/// Operators, from strong to weak: `!x` and `x'`, exclusive or `^`, and (`*`, `&` or nothing), or (`+` or `|`).
pub(super) fn truth_table(text: &str, pins: &[&str]) -> Option<u16> {
    if pins.len() > 4 {
        return None;
    }
    let mut reader = Reader { rest: text, pins };
    let table = reader.or(0)?;
    reader.skip();
    reader.rest.is_empty().then(|| table & mask(pins.len()))
}

/// The rows that a truth table of so many pins has.
fn mask(pins: usize) -> u16 {
    (((1u32 << (1 << pins)) - 1) & 0xffff) as u16
}

struct Reader<'t> {
    rest: &'t str,
    pins: &'t [&'t str],
}

/// Parentheses in parentheses.
const DEEPEST: usize = 100;

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, symbols: &[char]) -> bool {
        self.skip();
        let found = self.rest.starts_with(symbols);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn or(&mut self, depth: usize) -> Option<u16> {
        let mut table = self.and(depth)?;
        while self.take(&['+', '|']) {
            table |= self.and(depth)?;
        }
        Some(table)
    }

    fn and(&mut self, depth: usize) -> Option<u16> {
        let mut table = self.exclusive(depth)?;
        loop {
            let operator = self.take(&['*', '&']);
            self.skip();
            let operand = self.rest.starts_with(|c: char| c.is_alphanumeric() || "(!_[\"".contains(c));
            if !operator && !operand {
                return Some(table);
            }
            table &= self.exclusive(depth)?;
        }
    }

    fn exclusive(&mut self, depth: usize) -> Option<u16> {
        let mut table = self.operand(depth)?;
        while self.take(&['^']) {
            table ^= self.operand(depth)?;
        }
        Some(table)
    }

    fn operand(&mut self, depth: usize) -> Option<u16> {
        if depth == DEEPEST {
            return None;
        }
        let mut table = if self.take(&['!']) {
            !self.operand(depth + 1)?
        } else if self.take(&['(']) {
            let table = self.or(depth + 1)?;
            self.take(&[')']).then_some(table)?
        } else {
            self.name()?
        };
        while self.take(&['\'']) {
            table = !table;
        }
        Some(table)
    }

    fn name(&mut self) -> Option<u16> {
        const VARIABLES: [u16; 4] = [0xaaaa, 0xcccc, 0xf0f0, 0xff00];
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || "_[]".contains(c))).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        match (self.pins.iter().position(|pin| *pin == name), name) {
            (Some(pin), _) => Some(VARIABLES[pin]),
            (None, "0") => Some(0),
            (None, "1") => Some(0xffff),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlist::CellKind;

    /// As libraries write them.
    #[test]
    fn functions_are_those_of_the_cells() {
        for (text, kind, output) in [
            ("!A", CellKind::Inv, 0),
            ("(!(A B))", CellKind::Nand2, 0),
            ("!(A + B + C)", CellKind::Nor3, 0),
            ("(A^B)'", CellKind::Xnor2, 0),
            ("(!A&!C) | (!B&!C)", CellKind::Aoi21, 0),
            ("!((A | B) & (C | D))", CellKind::Oai22, 0),
            ("(A C) + (B C')", CellKind::Mux2, 0),
            ("A ^ B ^ C", CellKind::FullAdder, 0),
            ("(A*B)+(A*C)+(B*C)", CellKind::FullAdder, 1),
            ("(!A & !B & C) | (!A & B & !C) | (A & !B & !C) | (A & B & C)", CellKind::FullAdder, 0),
        ] {
            let pins = &["A", "B", "C", "D"][..kind.inputs()];
            assert_eq!(truth_table(text, pins), Some(kind.truth_table(output)), "{text}");
        }
        assert_eq!(truth_table("1", &[]), Some(1));
        assert_eq!(truth_table("A ^ B & C", &["A", "B", "C"]), truth_table("(A ^ B) & C", &["A", "B", "C"]));
    }

    #[test]
    fn what_is_no_function_is_none() {
        for text in ["", "A &", "(A", "A)", "Q", "!", "A ? B", "A++B"] {
            assert_eq!(truth_table(text, &["A", "B"]), None, "{text}");
        }
        assert_eq!(truth_table(&"(".repeat(10_000), &["A"]), None);
    }
}
