//! Sample rates as exact fractions, so that no clock drifts over days.

use super::SignalError;

/// Samples per second as a fraction in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SampleRate {
    numerator: u32,
    denominator: u32,
}

impl SampleRate {
    /// The lowest rate whose pass band still holds a QRS complex, Hz.
    pub const MINIMUM_HZ: u32 = 100;
    /// The highest supported rate, Hz.
    pub const MAXIMUM_HZ: u32 = 10_000;
    /// Largest denominator [`SampleRate::from_hz`] looks for.
    const LARGEST_DENOMINATOR: u64 = 100_000;

    /// [`super::CHAIN_RATE_HZ`].
    pub(super) const CHAIN: Self = Self {
        numerator: super::CHAIN_RATE_HZ,
        denominator: 1,
    };

    /// The rate `numerator / denominator` Hz.
    ///
    /// # Errors
    /// [`SignalError::Rate`] if it is not between [`Self::MINIMUM_HZ`] and [`Self::MAXIMUM_HZ`].
    pub fn new(numerator: u32, denominator: u32) -> Result<Self, SignalError> {
        let rate_error = || Self::error(f64::from(numerator) / f64::from(denominator));
        let scaled = |hz: u32| u64::from(hz) * u64::from(denominator);
        let allowed = scaled(Self::MINIMUM_HZ)..=scaled(Self::MAXIMUM_HZ);
        if denominator == 0 || !allowed.contains(&u64::from(numerator)) {
            return Err(rate_error());
        }
        let divisor = gcd(u64::from(numerator), u64::from(denominator));
        let reduce = |n: u32| u32::try_from(u64::from(n) / divisor).map_err(|_| rate_error());
        Ok(Self {
            numerator: reduce(numerator)?,
            denominator: reduce(denominator)?,
        })
    }

    /// The fraction nearest to `hz`: exact for every rate written with up to five decimals, within
    /// 1e-8 Hz for any other (the best fraction with a denominator up to 100,000).
    ///
    /// # Errors
    /// [`SignalError::Rate`] if it is not between [`Self::MINIMUM_HZ`] and [`Self::MAXIMUM_HZ`].
    pub fn from_hz(hz: f64) -> Result<Self, SignalError> {
        if !(f64::from(Self::MINIMUM_HZ)..=f64::from(Self::MAXIMUM_HZ)).contains(&hz) {
            return Err(Self::error(hz));
        }
        let (numerator, denominator) = best_fraction(hz, Self::LARGEST_DENOMINATOR);
        let narrow = |n: u64| u32::try_from(n).map_err(|_| Self::error(hz));
        Self::new(narrow(numerator)?, narrow(denominator)?)
    }

    fn error(found_hz: f64) -> SignalError {
        SignalError::Rate {
            found_hz,
            minimum_hz: Self::MINIMUM_HZ,
            maximum_hz: Self::MAXIMUM_HZ,
        }
    }

    /// The numerator of the fraction in lowest terms.
    #[must_use]
    pub const fn numerator(self) -> u32 {
        self.numerator
    }

    /// The denominator of the fraction in lowest terms.
    #[must_use]
    pub const fn denominator(self) -> u32 {
        self.denominator
    }

    /// The rate in Hz, rounded to the nearest double.
    #[must_use]
    pub fn hz(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    /// The index at rate `to` nearest in time to index `index` at this rate (halves round up).
    #[must_use]
    pub fn convert_index(self, index: u64, to: Self) -> u64 {
        let numerator = u128::from(to.numerator) * u128::from(self.denominator);
        let denominator = u128::from(to.denominator) * u128::from(self.numerator);
        let nearest = (2 * u128::from(index) * numerator + denominator) / (2 * denominator);
        u64::try_from(nearest).unwrap_or(u64::MAX)
    }
}

/// The last convergent of `value`'s continued fraction with a denominator up to `largest`.
fn best_fraction(value: f64, largest: u64) -> (u64, u64) {
    const NEGLIGIBLE: f64 = 1e-9;
    let (mut previous, mut current) = ((1, 0), (whole(value), 1));
    let mut rest = value - value.floor();
    while rest > NEGLIGIBLE {
        let reciprocal = 1.0 / rest;
        let quotient = whole(reciprocal);
        let next = (
            quotient * current.0 + previous.0,
            quotient * current.1 + previous.1,
        );
        if next.1 > largest {
            break;
        }
        (previous, current) = (current, next);
        let found = current.0 as f64 / current.1 as f64;
        if (found - value).abs() < NEGLIGIBLE {
            break;
        }
        rest = reciprocal - reciprocal.floor();
    }
    current
}

/// The whole part of a number below 2^53; 0 of a negative one.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "said of the number"
)]
pub(super) fn whole(value: f64) -> u64 {
    value as u64
}

pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_from_decimals_are_exact() {
        let rows = [
            (125.0, 125, 1),
            (128.0, 128, 1),
            (257.0, 257, 1),
            (360.0, 360, 1),
            (499.5, 999, 2),
            (333.25, 1333, 4),
            (1000.0 / 3.0, 1000, 3),
            (249.98765, 4_999_753, 20_000),
            (8000.0, 8000, 1),
        ];
        let failed: Vec<_> = rows
            .into_iter()
            .map(|(hz, n, d)| (hz, SampleRate::from_hz(hz).unwrap(), n, d))
            .filter(|&(_, rate, n, d)| (rate.numerator(), rate.denominator()) != (n, d))
            .collect();
        assert!(failed.is_empty(), "{failed:?}");
    }

    #[test]
    fn impossible_rates_are_refused() {
        for hz in [0.0, -250.0, 99.9, 10_001.0, f64::NAN, f64::INFINITY] {
            assert!(SampleRate::from_hz(hz).is_err(), "{hz}");
        }
        assert!(SampleRate::new(250, 0).is_err());
        assert!(SampleRate::new(1, 1).is_err());
        assert_eq!(
            SampleRate::new(500, 2).unwrap(),
            SampleRate::new(250, 1).unwrap()
        );
    }

    #[test]
    fn any_rate_is_within_a_hundred_millionth_hertz() {
        for hz in [
            std::f64::consts::PI * 100.0,
            (2.0_f64).sqrt() * 200.0,
            std::f64::consts::E * 90.0,
        ] {
            let rate = SampleRate::from_hz(hz).unwrap();
            assert!((rate.hz() - hz).abs() < 1e-8, "{hz} {rate:?}");
        }
    }

    #[test]
    fn indices_convert_to_the_nearest_instant() {
        let mit = SampleRate::new(360, 1).unwrap();
        let chain = SampleRate::new(250, 1).unwrap();
        assert_eq!(mit.convert_index(36, chain), 25);
        assert_eq!(mit.convert_index(1, chain), 1);
        assert_eq!(chain.convert_index(25_000_000_001, mit), 36_000_000_001);
    }
}
