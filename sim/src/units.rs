//! Physical quantities as types: a supply cannot be passed where a delay is expected.
//!
//! Time on a waveform is integer picoseconds ([`Picoseconds`]) so that event order never depends on rounding;
//! every other quantity is a double.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $symbol:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub f64);

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }
        impl Mul<f64> for $name {
            type Output = Self;
            fn mul(self, factor: f64) -> Self {
                Self(self.0 * factor)
            }
        }
        impl Div<$name> for $name {
            type Output = f64;
            fn div(self, other: Self) -> f64 {
                self.0 / other.0
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                Self(items.map(|item| item.0).sum())
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)?;
                f.write_str(concat!(" ", $symbol))
            }
        }
    };
}

quantity!(
    /// Supply or threshold voltage, V.
    Volts, "V"
);
quantity!(
    /// Energy, fJ.
    Femtojoules, "fJ"
);
quantity!(
    /// Leakage power, nW.
    Nanowatts, "nW"
);
quantity!(
    /// Pin or wire capacitance, fF.
    Femtofarads, "fF"
);
quantity!(
    /// Layout area, µm².
    SquareMicrons, "µm²"
);

impl Nanowatts {
    /// Energy leaked in `picoseconds` (nW × ps = 10⁻⁶ fJ).
    pub fn over(self, picoseconds: f64) -> Femtojoules {
        Femtojoules(self.0 * picoseconds * 1e-6)
    }
}

/// Time on a waveform, integer ps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Picoseconds(pub u32);

impl fmt::Display for Picoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        f.write_str(" ps")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leakage_times_time_is_energy() {
        // 1 nW for 1 µs is 1 fJ.
        assert_eq!(Nanowatts(1.0).over(1e6), Femtojoules(1.0));
    }
}
