//! How float32 becomes 8-bit integers in the int8 variants: one rule for all engines.

use crate::description::ActivationRange;

/// Largest integer a weight becomes: symmetric, so that a weight of zero stays one.
const LARGEST_WEIGHT: f32 = 127.0;
/// Steps of an input from the low end of its range to the high one.
const INPUT_STEPS: f32 = 255.0;
const LARGEST_BYTE: f32 = 255.0;
/// 1.5 times 2^23: what is added to it is rounded to an integer.
const INTEGERS_FROM: f32 = 12_582_912.0;

/// How an input becomes a byte: `input * per_unit + zero`, rounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct InputSteps {
    /// Integers per unit of the input.
    pub(super) per_unit: f32,
    /// The integer of 0; a whole one, so that what a ReLU stopped stays exactly 0.
    pub(super) zero: f32,
}

impl InputSteps {
    pub(super) fn new(range: ActivationRange) -> Self {
        let (low, high) = (range.low.min(0.0), range.high.max(0.0));
        let per_unit = INPUT_STEPS / (high - low).max(f32::MIN_POSITIVE);
        Self {
            per_unit,
            zero: (-low * per_unit).round(),
        }
    }

    /// Rounded to the nearest byte; what lies beyond the range becomes 0 or 255, what is no number 0.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lowest byte is the one that is meant"
    )]
    #[allow(
        clippy::manual_clamp,
        reason = "NaN has to become 0, which clamp would keep"
    )]
    pub(super) fn byte(self, value: f32) -> u8 {
        let within = (value * self.per_unit + self.zero)
            .max(0.0)
            .min(LARGEST_BYTE);
        // Between 2^23 and 2^24 the lowest bits of a float32 are those of the integer: the addition
        // rounds, and unlike a saturating cast it is one instruction per vector.
        (within + INTEGERS_FROM).to_bits() as u8
    }

    /// The value a byte stands for.
    pub(super) fn value(self, byte: u8) -> f32 {
        (f32::from(byte) - self.zero) / self.per_unit
    }
}

/// The weights of one output as integers, and the integers per unit of weight.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded values within 127 of zero"
)]
pub(super) fn rounded_weights(weights: &[f32]) -> (Vec<i8>, f32) {
    let largest = weights.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    let per_unit = LARGEST_WEIGHT / largest.max(f32::MIN_POSITIVE);
    let integers = weights
        .iter()
        .map(|weight| (weight * per_unit).round() as i8)
        .collect();
    (integers, per_unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_exact_and_everything_within_half_a_step() {
        let rows = [(0.0, 3.7), (-2.0, 5.0), (-1.0, 0.0), (1.0, 2.0)];
        for (low, high) in rows {
            let steps = InputSteps::new(ActivationRange { low, high });
            let of_zero = steps.value(steps.byte(0.0));
            assert!(of_zero.abs() < 1e-9, "{low} to {high}: {of_zero}");
            for k in 0..=100_u8 {
                let value = low + (high - low) * f32::from(k) / 100.0;
                let back = steps.value(steps.byte(value));
                assert!(
                    (back - value).abs() <= 0.51 / steps.per_unit + 0.5 / steps.per_unit,
                    "{low} to {high}: {value} became {back}"
                );
            }
            assert_eq!(steps.byte(1e9), 255);
            assert_eq!(steps.byte(-1e9), 0);
            assert_eq!(steps.byte(f32::NAN), 0);
        }
    }

    #[test]
    fn weights_use_the_whole_range() {
        let (integers, per_unit) = rounded_weights(&[0.5, -1.0, 0.0, 0.25]);
        assert_eq!(integers, [64, -127, 0, 32]);
        assert!((per_unit - 127.0).abs() < 1e-6);
        assert_eq!(rounded_weights(&[0.0, 0.0]).0, [0, 0]);
    }
}
