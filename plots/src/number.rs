//! Numbers as a figure writes them.

/// U+2212, as wide as a plus sign and never broken from its number.
const MINUS: char = '−';

/// Fixed-point with `decimals`, with a true minus sign.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.chars().any(|digit| matches!(digit, '1'..='9')) => format!("{MINUS}{digits}"),
        Some(digits) => digits.into(),
        None => text,
    }
}

/// Fixed-point with as many decimals as `step` needs to tell neighbouring multiples of it apart, or in scientific
/// notation where `largest` or `step` would need too many digits.
pub(crate) fn multiple_of(step: f64, largest: f64, value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if largest >= 1e6 || step < 1e-5 {
        let digits = (largest.log10().floor() - step.log10().floor()).clamp(0.0, 6.0);
        return scientific(value, digits as usize);
    }
    // The summand keeps a rounded power of ten in its own decade.
    fixed(value, (-(step.log10() + 1e-9).floor()).max(0.0) as usize)
}

/// `value` as `1.5×10⁻³`, with `decimals`.
fn scientific(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}×{}", mantissa.replace('-', "−"), power(10, exponent.parse().unwrap_or(0)))
}

/// `base` to an integer power, `10⁻³`.
pub(crate) fn power(base: u32, exponent: i32) -> String {
    let superscripts = exponent.to_string().chars().map(superscript).collect::<String>();
    format!("{base}{superscripts}")
}

fn superscript(character: char) -> char {
    match character {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' => '⁰',
        digit => char::from_u32('⁰' as u32 + digit as u32 - '0' as u32).unwrap_or(digit),
    }
}

/// Three significant digits without an exponent.
pub(crate) fn three_digits(value: f64) -> String {
    let magnitude = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    fixed(value, (2.0 - magnitude).clamp(0.0, 12.0) as usize)
}

/// A share of one as a percentage with three significant digits.
pub(crate) fn percentage(share: f64) -> String {
    let percent = share * 100.0;
    let digits = if percent > 0.0 && percent < 1e-3 { scientific(percent, 2) } else { three_digits(percent) };
    format!("{digits} %")
}

/// A supply as a label: two decimals, three where needed, and its unit.
pub(crate) fn supply(volts: f64) -> String {
    let text = fixed(volts, 3);
    format!("{} V", text.strip_suffix('0').unwrap_or(&text))
}

/// A prefix for energies that keeps the largest of them in 1…1000.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EnergyUnit {
    /// Symbol, as `nJ`.
    pub(crate) symbol: &'static str,
    joules: f64,
}

impl EnergyUnit {
    /// The unit for a set of energies of which `largest_j` is the largest.
    pub(crate) fn for_largest(largest_j: f64) -> Self {
        let units = [("fJ", 1e-15), ("pJ", 1e-12), ("nJ", 1e-9), ("µJ", 1e-6), ("mJ", 1e-3), ("J", 1.0)]
            .map(|(symbol, joules)| Self { symbol, joules });
        let fitting = units.iter().rev().find(|unit| largest_j >= unit.joules * (1.0 - 1e-12));
        *fitting.unwrap_or(&units[0])
    }

    /// How many of this unit a microjoule is.
    pub(crate) fn per_microjoule(&self) -> f64 {
        1e-6 / self.joules
    }

    /// How many of this unit a femtojoule is.
    pub(crate) fn per_femtojoule(&self) -> f64 {
        1e-15 / self.joules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_zero_has_no_sign() {
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(-0.01, 2), "−0.01");
    }

    #[test]
    fn decimals_follow_the_step() {
        assert_eq!(multiple_of(0.05, 1.1, 0.95), "0.95");
        assert_eq!(multiple_of(20.0, 100.0, 40.0), "40");
        assert_eq!(multiple_of(0.5, 2.0, 0.0), "0");
        assert_eq!(multiple_of(2e6, 1e7, 4e6), "4.0×10⁶");
        assert_eq!(multiple_of(5e-7, 2e-6, -1.5e-6), "−1.5×10⁻⁶");
    }

    #[test]
    fn powers_use_superscripts() {
        assert_eq!(power(10, -12), "10⁻¹²");
        assert_eq!(power(2, 15), "2¹⁵");
        assert_eq!(power(10, 30), "10³⁰");
        assert_eq!(power(10, -4567890), "10⁻⁴⁵⁶⁷⁸⁹⁰");
    }

    #[test]
    fn three_digits_are_significant() {
        assert_eq!(
            [0.0, 0.012345, 1.0, 45.678, 1234.5].map(three_digits),
            ["0.00", "0.0123", "1.00", "45.7", "1234"]
        );
    }

    #[test]
    fn small_percentages_keep_their_digits() {
        assert_eq!([0.0, 0.0096, 1.0, 3.456e-9].map(percentage), ["0.00 %", "0.960 %", "100 %", "3.46×10⁻⁷ %"]);
    }

    #[test]
    fn supplies_have_two_or_three_decimals() {
        assert_eq!([0.9, 1.1, 0.875].map(supply), ["0.90 V", "1.10 V", "0.875 V"]);
    }

    #[test]
    fn the_largest_energy_is_below_a_thousand_units() {
        let unit = EnergyUnit::for_largest(0.34e-6);
        assert_eq!(unit.symbol, "nJ");
        assert!((0.34 * unit.per_microjoule() - 340.0).abs() < 1e-9);
        assert_eq!(EnergyUnit::for_largest(1e-6).symbol, "µJ");
        assert_eq!(EnergyUnit::for_largest(512e-15).symbol, "fJ");
        assert_eq!(EnergyUnit::for_largest(0.0).symbol, "fJ");
    }
}
