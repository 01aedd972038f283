//! Scales: from numbers to shares of an axis, and the ticks along it.

use crate::number;

/// A labelled place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    /// Empty for a minor tick.
    pub(crate) label: String,
}

/// The numbers an axis shows and how they are spread along it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// `low..high`, `low < high`; with `whole`, no ticks between whole numbers.
    Linear { low: f64, high: f64, whole: bool },
    /// Decades from 10^`low` to 10^`high`, `low < high`; with `zero`, exact zeros below a break in the axis.
    Decades { low: i32, high: i32, zero: bool },
    /// Signed doublings: linear in −1…1, then each doubling is as long as that unit. `low < high` are in doublings,
    /// so −3 is −4, 0 is 0, 1 is 1 and 3 is 4.
    SignedDoublings { low: f64, high: f64 },
}

/// Where exact zeros stand on a logarithmic axis with a break, as a share of it.
const ZERO_POSITION: f64 = 0.05;
/// Where the lowest decade of such an axis begins.
const ABOVE_BREAK: f64 = 0.15;
/// Share of a linear axis left free on either side of the data.
const PADDING: f64 = 0.04;

impl Scale {
    /// A linear scale around all `values`, which must be finite, with a little room at both ends.
    pub(crate) fn around(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extent(values);
        // Equal values, or values that differ by rounding only, get a range of a tenth of their size.
        let room =
            ((high - low) * PADDING).max(if high - low <= 1e-9 * high.abs() { high.abs() * 0.05 } else { 0.0 });
        let room = if room > 0.0 { room } else { 0.5 };
        Scale::Linear { low: low - room, high: high + room, whole: false }
    }

    /// A linear scale from zero to a little above the largest of `values`, which must not be negative.
    pub(crate) fn from_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let (_, high) = extent(values);
        Scale::Linear { low: 0.0, high: if high > 0.0 { high * (1.0 + PADDING) } else { 1.0 }, whole: false }
    }

    /// A linear scale around `counts`, ticked at whole numbers only.
    pub(crate) fn counts(counts: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extent(counts);
        let room = ((high - low) * PADDING / 2.0).max(0.25);
        Scale::Linear { low: low - room, high: high + room, whole: true }
    }

    /// A linear scale around `percentages`, not far beyond 0 and 100, or from `floor` if given.
    pub(crate) fn percentages(percentages: impl IntoIterator<Item = f64>, floor: Option<f64>) -> Self {
        let values = percentages.into_iter().map(|value| value.clamp(0.0, 100.0));
        let (low, high) = extent(values.filter(|value| floor.is_none_or(|floor| *value >= floor)));
        let room = ((high - floor.unwrap_or(low)) * PADDING).max(0.5);
        let low = floor.unwrap_or((low - room).max(-2.0));
        Scale::Linear { low, high: (high + room).min(102.0).max(low + 1.0), whole: false }
    }

    /// Whole decades around the positive ones of `values`, with a break below if some are zero.
    pub(crate) fn decades(values: impl IntoIterator<Item = f64>) -> Self {
        let (mut low, mut high, mut zero) = (i32::MAX, i32::MIN, false);
        for value in values {
            if value > 0.0 {
                low = low.min((value.log10() + 1e-9).floor() as i32);
                high = high.max((value.log10() - 1e-9).ceil() as i32);
            } else {
                zero = true;
            }
        }
        if low > high {
            (low, high) = (-1, 0);
        }
        // Powers of ten further down are not all numbers.
        let low = low.min(high - 1).max(-300);
        Scale::Decades { low, high: high.max(low + 1), zero }
    }

    /// Signed doublings around `values`, which must be finite, and zero.
    pub(crate) fn signed_doublings(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = extent(values.into_iter().map(doublings).chain([0.0]));
        let room = ((high - low) * PADDING / 2.0).max(0.5);
        Scale::SignedDoublings { low: low - room, high: high + room }
    }

    /// Share of the axis at which `value` stands; 0 and 1 are its ends.
    pub(crate) fn position(&self, value: f64) -> f64 {
        match *self {
            Scale::Linear { low, high, .. } => (value - low) / (high - low),
            Scale::Decades { zero: true, .. } if value <= 0.0 => ZERO_POSITION,
            Scale::Decades { low, high, zero } => {
                let bottom = if zero { ABOVE_BREAK } else { 0.0 };
                bottom + (1.0 - bottom) * (value.log10() - f64::from(low)) / f64::from(high - low)
            }
            Scale::SignedDoublings { low, high } => (doublings(value) - low) / (high - low),
        }
    }

    /// The number at a share of the axis; nothing in the break of a logarithmic one.
    pub(crate) fn value(&self, position: f64) -> Option<f64> {
        match *self {
            Scale::Linear { low, high, .. } => Some(low + position * (high - low)),
            Scale::Decades { low, high, zero } => {
                let bottom = if zero { ABOVE_BREAK } else { 0.0 };
                let share = (position - bottom) / (1.0 - bottom);
                (share >= 0.0).then(|| 10f64.powf(f64::from(low) + share * f64::from(high - low)))
            }
            Scale::SignedDoublings { low, high } => {
                let doublings = low + position * (high - low);
                let value = if doublings.abs() <= 1.0 { doublings.abs() } else { (doublings.abs() - 1.0).exp2() };
                Some(value * doublings.signum())
            }
        }
    }

    /// Where the axis is broken, if it is, as a share of it.
    pub(crate) fn break_position(&self) -> Option<f64> {
        matches!(self, Scale::Decades { zero: true, .. }).then_some(0.35 * ZERO_POSITION + 0.65 * ABOVE_BREAK)
    }

    /// Ticks at round numbers, about `count` of them labelled, in ascending order.
    pub(crate) fn ticks(&self, count: usize) -> Vec<Tick> {
        let count = count.max(2);
        match *self {
            Scale::Linear { low, high, whole } => linear_ticks(low, high, count, if whole { 1.0 } else { 0.0 }),
            Scale::Decades { low, high, zero } => {
                let zero = zero.then(|| Tick { value: 0.0, label: "0".into() });
                zero.into_iter().chain(decade_ticks(low, high, count)).collect()
            }
            Scale::SignedDoublings { low, high } => doubling_ticks(low, high, count),
        }
    }
}

fn extent(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    let (low, high) = values.into_iter().fold(start, |(low, high), value| (low.min(value), high.max(value)));
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

fn doublings(value: f64) -> f64 {
    if value.abs() <= 1.0 { value } else { value.signum() * (1.0 + value.abs().log2()) }
}

/// Ticks at multiples of 1, 2 or 5 times a power of ten, but not finer than `finest`.
fn linear_ticks(low: f64, high: f64, count: usize, finest: f64) -> Vec<Tick> {
    let coarse = (high - low) / count as f64;
    let decade = 10f64.powf(coarse.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade).into_iter().find(|step| *step >= coarse * 0.999);
    let step = step.unwrap_or(10.0 * decade).max(finest);
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    let largest = low.abs().max(high.abs());
    let multiples = (0..=2 * count).map(|index| first + index as f64).take_while(|multiple| *multiple <= last);
    multiples
        .map(|multiple| Tick { value: multiple * step, label: number::multiple_of(step, largest, multiple * step) })
        .collect()
}

/// Labels on every n-th power of ten; the powers between, or else 2…9 times each, are minor.
fn decade_ticks(low: i32, high: i32, count: usize) -> Vec<Tick> {
    let every = stride(high - low, count);
    let powers = (low..=high).flat_map(|exponent| {
        let value = 10f64.powi(exponent);
        let label = match exponent {
            _ if (high - exponent) % every != 0 => String::new(),
            0 => "1".into(),
            _ => number::power(10, exponent),
        };
        let minor = if every == 1 && exponent < high { 2..10 } else { 2..2 };
        let minor = minor.map(move |digit| Tick { value: value * f64::from(digit), label: String::new() });
        std::iter::once(Tick { value, label }).chain(minor)
    });
    powers.collect()
}

/// Labels on zero and every n-th power of two on either side.
fn doubling_ticks(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let every = stride((high - low).ceil() as i32, count);
    // The label nearest to zero keeps clear of it.
    let largest = low.abs().max(high.abs()) as i32;
    let exponents: Vec<i32> =
        (0..largest).filter(|exponent| every == 1 || (exponent % every == 0 && *exponent > 0)).collect();
    let tick = |sign: f64, exponent: i32| {
        let power = if exponent == 0 { "1".into() } else { number::power(2, exponent) };
        let label = if sign < 0.0 { format!("−{power}") } else { power };
        Tick { value: sign * 2f64.powi(exponent), label }
    };
    let negative = exponents.iter().rev().map(|exponent| tick(-1.0, *exponent));
    let positive = exponents.iter().map(|exponent| tick(1.0, *exponent));
    let all = negative.chain([Tick { value: 0.0, label: "0".into() }]).chain(positive);
    all.filter(|tick| (low..=high).contains(&doublings(tick.value))).collect()
}

/// The smallest of 1, 2, 4, 5, 10 … that leaves at most `count` of `steps`.
fn stride(steps: i32, count: usize) -> i32 {
    let fits = |stride: &i32| steps / stride <= count as i32;
    [1, 2, 4, 5, 10, 20, 50, 100].into_iter().find(fits).unwrap_or(steps.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).filter(|label| !label.is_empty()).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_inside() {
        let scale = Scale::around([0.62, 1.1]);
        assert_eq!(labels(&scale.ticks(6)), ["0.7", "0.8", "0.9", "1.0", "1.1"]);
        for (low, high) in [(0.0, 347.0), (-3.2e-4, 1.0), (1.0e-15, 3.0e-15), (9.99, 10.01), (1e12, 3e12)] {
            let scale = Scale::around([low, high]);
            for count in 2..12 {
                let ticks = scale.ticks(count);
                assert!(!ticks.is_empty() && ticks.len() <= count + 1, "{} for {count}", ticks.len());
                assert!(ticks.iter().all(|tick| (-1e-6..=1.0 + 1e-6).contains(&scale.position(tick.value))));
                let labels = labels(&ticks);
                assert!(labels.windows(2).all(|pair| pair[0] != pair[1]), "{labels:?}");
            }
        }
    }

    #[test]
    fn equal_values_still_span_an_axis() {
        for value in [0.0, 1.0, -7.5, 98.3, 1e-12, 1e15] {
            let scale = Scale::around([value, value]);
            let position = scale.position(value);
            assert!((position - 0.5).abs() < 1e-3, "{value} at {position}");
            assert!(!scale.ticks(5).is_empty());
        }
    }

    #[test]
    fn counts_have_no_ticks_between() {
        assert_eq!(labels(&Scale::counts([1.0, 3.0]).ticks(8)), ["1", "2", "3"]);
        assert_eq!(labels(&Scale::counts([5.0]).ticks(8)), ["5"]);
        assert_eq!(labels(&Scale::counts([0.0, 40.0]).ticks(5)), ["0", "10", "20", "30", "40"]);
    }

    #[test]
    fn percentages_end_near_a_hundred() {
        let scale = Scale::percentages([10.0, 99.8, 100.0], None);
        assert!(scale.position(100.0) < 1.0 && scale.position(102.0) >= 1.0);
        assert_eq!(Scale::percentages([12.0, 91.0, 95.0], Some(80.0)).position(80.0), 0.0);
        // A floor above all data still gives a scale.
        assert!(Scale::percentages([12.0], Some(95.0)).position(95.5).is_finite());
    }

    #[test]
    fn decades_hold_their_values() {
        assert_eq!(Scale::decades([1e-6, 0.3]), Scale::Decades { low: -6, high: 0, zero: false });
        assert_eq!(Scale::decades([0.0, 3e-4, 2e-2]), Scale::Decades { low: -4, high: -1, zero: true });
        assert_eq!(Scale::decades([1e-3]), Scale::Decades { low: -4, high: -3, zero: false });
        assert_eq!(Scale::decades([0.0, 0.0]), Scale::Decades { low: -1, high: 0, zero: true });
    }

    #[test]
    fn values_stand_at_their_positions() {
        let scales =
            [Scale::around([3.0, 8.0]), Scale::decades([0.0, 1e-4, 1.0]), Scale::signed_doublings([-900.0, 40.0])];
        for scale in scales {
            for position in [0.2, 0.37, 0.5, 0.98] {
                let value = scale.value(position).unwrap();
                assert!((scale.position(value) - position).abs() < 1e-12, "{scale:?} at {position}: {value}");
            }
        }
        assert_eq!(Scale::decades([0.0, 1e-4]).value(0.1), None);
    }

    #[test]
    fn zero_stands_below_the_break_and_every_decade_above() {
        let scale = Scale::decades([0.0, 1e-5, 1.0]);
        let gap = scale.break_position().unwrap();
        assert!(scale.position(0.0) < gap && gap < scale.position(1e-5));
        assert_eq!(scale.position(1.0), 1.0);
        assert_eq!(labels(&scale.ticks(8)), ["0", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "1"]);
    }

    #[test]
    fn doublings_are_odd_and_evenly_spaced() {
        let scale = Scale::signed_doublings([-32768.0, 32768.0]);
        assert_eq!(scale.position(0.0), 0.5);
        let step = scale.position(8.0) - scale.position(4.0);
        assert!((scale.position(-1024.0) - scale.position(-2048.0) - step).abs() < 1e-12);
        assert_eq!(labels(&scale.ticks(8)), ["−2¹²", "−2⁸", "−2⁴", "0", "2⁴", "2⁸", "2¹²"]);
        let one_sided = Scale::signed_doublings([-20.0, 0.0]);
        assert_eq!(labels(&one_sided.ticks(8)), ["−2⁴", "−2³", "−2²", "−2¹", "−1", "0"]);
    }
}
