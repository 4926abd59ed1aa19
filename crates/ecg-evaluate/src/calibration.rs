//! What a probability is worth: calibration, and coverage against accuracy.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::figures::ratio;
use super::whole::place;

/// Equally wide bins of the largest probability.
const BINS: usize = 15;

/// The limits of [`Calibration::coverage`].
pub const CONFIDENCE_LIMITS: [f32; 7] = [0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99];

/// Beats of the five classes by the largest probability they were given. Serialises as
/// `expected_calibration_error` and `coverage`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Calibration {
    bins: [Bin; BINS],
    above: [Counted; CONFIDENCE_LIMITS.len()],
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Bin {
    counted: Counted,
    probability_sum: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counted {
    beats: u64,
    right: u64,
}

/// The beats that keep a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Coverage {
    /// Least largest probability.
    pub confidence: f32,
    /// Share of the beats with at least that.
    pub coverage: Option<f64>,
    /// Share of those that were called what they are.
    pub accuracy: Option<f64>,
}

impl Counted {
    fn add(&mut self, right: bool) {
        self.beats += 1;
        self.right += u64::from(right);
    }

    fn merge(&mut self, other: &Self) {
        self.beats += other.beats;
        self.right += other.right;
    }
}

impl Calibration {
    /// Count a beat whose largest probability is `probability`, 0 to 1.
    pub fn add(&mut self, probability: f32, right: bool) {
        let bin = place(f64::from(probability) * BINS as f64);
        let bin = &mut self.bins[bin.min(BINS - 1)];
        bin.counted.add(right);
        bin.probability_sum += f64::from(probability);
        for (counted, limit) in self.above.iter_mut().zip(CONFIDENCE_LIMITS) {
            if probability >= limit {
                counted.add(right);
            }
        }
    }

    /// Add another record's beats.
    pub fn merge(&mut self, other: &Self) {
        for (bin, other) in self.bins.iter_mut().zip(&other.bins) {
            bin.counted.merge(&other.counted);
            bin.probability_sum += other.probability_sum;
        }
        for (counted, other) in self.above.iter_mut().zip(&other.above) {
            counted.merge(other);
        }
    }

    /// Expected calibration error: mean distance of probability and share of right ones over the
    /// bins, weighted by their beats; `None` without beats.
    #[must_use]
    pub fn error(&self) -> Option<f64> {
        let beats: u64 = self.bins.iter().map(|bin| bin.counted.beats).sum();
        let distance: f64 = self
            .bins
            .iter()
            .map(|bin| (bin.probability_sum - bin.counted.right as f64).abs())
            .sum();
        (beats > 0).then(|| distance / beats as f64)
    }

    /// Share of the beats, and accuracy among them, at each of [`CONFIDENCE_LIMITS`].
    #[must_use]
    pub fn coverage(&self) -> Vec<Coverage> {
        let all = self.above[0].beats;
        CONFIDENCE_LIMITS
            .into_iter()
            .zip(&self.above)
            .map(|(confidence, counted)| Coverage {
                confidence,
                coverage: ratio(counted.beats, all),
                accuracy: ratio(counted.right, counted.beats),
            })
            .collect()
    }
}

impl Serialize for Calibration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Calibration", 2)?;
        fields.serialize_field("expected_calibration_error", &self.error())?;
        fields.serialize_field("coverage", &self.coverage())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_and_coverage_by_hand() {
        let mut calibration = Calibration::default();
        assert_eq!(calibration.error(), None);
        assert_eq!(calibration.coverage()[0].coverage, None);
        // Bin 13: 0.9 three times right once; bin 14: 1.0 once right.
        for (probability, right) in [(0.9, true), (0.9, false), (0.9, false), (1.0, true)] {
            calibration.add(probability, right);
        }
        let expected = (3.0 * (0.9 - 1.0 / 3.0)) / 4.0;
        assert!((calibration.error().unwrap() - expected).abs() < 1e-6);
        let coverage = calibration.coverage();
        assert_eq!(coverage[0].coverage, Some(1.0));
        assert_eq!(coverage[0].accuracy, Some(0.5));
        assert_eq!(coverage[5].coverage, Some(0.25));
        assert_eq!(coverage[5].accuracy, Some(1.0));
        let copy = calibration;
        calibration.merge(&copy);
        assert_eq!(calibration.coverage()[5].coverage, Some(0.25));
        assert!((calibration.error().unwrap() - expected).abs() < 1e-6);
    }
}
