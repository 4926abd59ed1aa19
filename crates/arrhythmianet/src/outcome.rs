//! When a beat is not to be trusted to a class.

use super::class::{BeatClass, CLASS_COUNT};
use super::input::Decision;

/// Why a beat counts as unclassifiable. The network's class stays beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unclassifiable {
    /// Nothing can be read from the signal: flat, an electrode off, or not there: the beat's window
    /// begins before the signal, or ends within the QRS complex.
    PoorSignal,
    /// The beat looks like none of the five classes (paced and fusion beats do).
    OutOfClass,
    /// No class is probable enough.
    LowConfidence,
}

impl Unclassifiable {
    /// All reasons; where several hold, the first is given.
    pub const ALL: [Self; 3] = [Self::PoorSignal, Self::OutOfClass, Self::LowConfidence];

    /// The name used in JSON and in the store, e.g. `low_confidence`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PoorSignal => "poor_signal",
            Self::OutOfClass => "out_of_class",
            Self::LowConfidence => "low_confidence",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// Limits past which a beat is unclassifiable; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Least probability of the class, 0 to 1.
    pub confidence: Option<f64>,
    /// Largest [`Novelty::distance`].
    pub novelty: Option<f64>,
}

/// Whose limits are used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rejection {
    /// Least probability of the class, 0 to 1; `None` for the model's own limit.
    pub confidence: Option<f64>,
    /// Whether the model's limit of novelty counts, where it has one.
    pub novelty: bool,
}

impl Default for Rejection {
    fn default() -> Self {
        Self {
            confidence: None,
            novelty: true,
        }
    }
}

impl Rejection {
    /// What becomes of the model's limits.
    #[must_use]
    pub fn applied_to(self, of_model: Limits) -> Limits {
        Limits {
            confidence: self.confidence.or(of_model.confidence),
            novelty: of_model.novelty.filter(|_| self.novelty),
        }
    }
}

// Engines round differently, and neither a label nor a reason may depend on which of them computed
// it. Whatever is as close to its boundary as one of these could be on the other side in another
// engine: the CPU decides it.

/// Between the two largest logits, each of which may differ by 1e-3 (`choose` refuses more): twice
/// that could turn them round, and there is room beside it.
const CLOSE_LOGITS: f64 = 5e-3;

/// Between a probability, or a share of a distance, and its limit.
const CLOSE_TO_LIMIT: f64 = 1e-3;

/// Whether rounding could decide on which side of `boundary` a value is.
fn is_close(found: f64, boundary: f64, width: f64) -> bool {
    (found - boundary).abs() <= width
}

/// Whether rounding could decide which class a beat is of.
pub(super) fn is_class_close(logits: &[f32; CLASS_COUNT]) -> bool {
    let mut sorted = *logits;
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    is_close(sorted[0].into(), sorted[1].into(), CLOSE_LOGITS)
}

impl Limits {
    /// Whether rounding could decide on which side of a limit a beat is.
    #[must_use]
    pub fn is_close(&self, decision: &Decision, distance: Option<f64>) -> bool {
        let probability = f64::from(decision.probabilities[decision.class.index()]);
        self.confidence
            .is_some_and(|least| is_close(probability, least, CLOSE_TO_LIMIT))
            || self
                .novelty
                .zip(distance)
                .is_some_and(|(most, found)| is_close(found, most, CLOSE_TO_LIMIT * most))
    }

    /// Whether a beat is unclassifiable, and why. `distance` is its [`Novelty::distance`] where there
    /// is one; `signal_usable` is false where nothing can be read from its signal.
    #[must_use]
    pub fn judge(
        &self,
        decision: &Decision,
        distance: Option<f64>,
        signal_usable: bool,
    ) -> Option<Unclassifiable> {
        let probability = f64::from(decision.probabilities[decision.class.index()]);
        if !signal_usable {
            Some(Unclassifiable::PoorSignal)
        } else if self
            .novelty
            .zip(distance)
            .is_some_and(|(most, found)| found > most)
        {
            Some(Unclassifiable::OutOfClass)
        } else if self.confidence.is_some_and(|least| probability < least) {
            Some(Unclassifiable::LowConfidence)
        } else {
            None
        }
    }
}

/// Where the beats of each class lie among the pooled features (the last feature maps' means over
/// time), as the training found them.
#[derive(Debug, Clone, PartialEq)]
pub struct Novelty {
    /// Centre of each class `[class][channel]`, row-major.
    mean: Vec<f32>,
    /// Extent per channel, greater than 0.
    scale: Vec<f32>,
}

impl Novelty {
    /// `mean` `[class][channel]`, `scale` `[channel]`.
    pub(super) const fn new(mean: Vec<f32>, scale: Vec<f32>) -> Self {
        Self { mean, scale }
    }

    /// How unlike every class a beat is: the mean square of its pooled features' distances from a
    /// class's centre, each divided by its channel's extent, of the class where that is least.
    #[must_use]
    pub fn distance(&self, pooled: &[f32]) -> f64 {
        let channels = self.scale.len() as f64;
        self.mean
            .chunks_exact(self.scale.len())
            .map(|centre| {
                let squares = pooled.iter().zip(centre).zip(&self.scale);
                let sum: f32 = squares
                    .map(|((value, centre), scale)| ((value - centre) / scale).powi(2))
                    .sum();
                f64::from(sum) / channels
            })
            .fold(f64::INFINITY, f64::min)
    }

    /// Number of values for `channels` pooled channels.
    pub(super) const fn values(channels: usize) -> usize {
        (BeatClass::ALL.len() + 1) * channels
    }

    /// Shapes of `novelty.mean` and `novelty.scale` for `channels` pooled channels.
    pub(super) fn shapes(channels: usize) -> [Vec<usize>; 2] {
        [vec![CLASS_COUNT, channels], vec![channels]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_a_limit_is_close() {
        let decision = Decision::from_logits(&[2.0, 0.0, 0.0, 0.0, 0.0], 1.0).unwrap();
        let probability = f64::from(decision.probabilities[0]);
        for (confidence, novelty, distance, expected) in [
            (None, None, Some(3.0), false),
            (Some(probability + 9e-4), None, None, true),
            (Some(probability - 9e-4), None, None, true),
            (Some(probability + 2e-3), None, None, false),
            (Some(0.0), Some(3.0), Some(3.002), true),
            (None, Some(3.0), Some(3.01), false),
            (None, Some(3.0), None, false),
        ] {
            let limits = Limits {
                confidence,
                novelty,
            };
            assert_eq!(
                limits.is_close(&decision, distance),
                expected,
                "{limits:?} {distance:?}"
            );
        }
    }

    #[test]
    fn a_class_is_close_where_the_two_largest_logits_are() {
        for (logits, expected) in [
            ([2.0, 1.996, 0.0, 0.0, 0.0], true),
            ([0.0, 1.996, 2.0, 1.0, 0.0], true),
            ([2.0, 1.994, 0.0, 0.0, 0.0], false),
            ([2.0, 0.0, 0.001, 0.0, 0.0], false),
        ] {
            assert_eq!(is_class_close(&logits), expected, "{logits:?}");
        }
    }

    fn decision(probability: f32) -> Decision {
        let rest = (1.0 - probability) / 4.0;
        let mut probabilities = [rest; CLASS_COUNT];
        probabilities[BeatClass::V.index()] = probability;
        Decision {
            class: BeatClass::V,
            probabilities,
        }
    }

    #[test]
    fn the_first_reason_that_holds_is_given() {
        let limits = Limits {
            confidence: Some(0.75),
            novelty: Some(2.0),
        };
        let none = Limits::default();
        use Unclassifiable::{LowConfidence, OutOfClass, PoorSignal};
        let rows = [
            (limits, 0.75, Some(2.0), true, None),
            (limits, 0.7, Some(2.0), true, Some(LowConfidence)),
            (limits, 0.9, Some(2.1), true, Some(OutOfClass)),
            (limits, 0.7, Some(2.1), true, Some(OutOfClass)),
            (limits, 0.7, Some(2.1), false, Some(PoorSignal)),
            (limits, 0.9, None, true, None),
            (limits, 0.9, Some(f64::INFINITY), true, Some(OutOfClass)),
            (none, 0.21, Some(1e9), true, None),
            (none, 0.99, None, false, Some(PoorSignal)),
        ];
        for (limits, probability, distance, usable, expected) in rows {
            let found = limits.judge(&decision(probability), distance, usable);
            assert_eq!(
                found, expected,
                "{limits:?} {probability} {distance:?} {usable}"
            );
        }
    }

    #[test]
    fn a_limit_of_ones_own_goes_before_the_models() {
        let of_model = Limits {
            confidence: Some(0.6),
            novelty: Some(3.0),
        };
        let own = |confidence, novelty| {
            Rejection {
                confidence,
                novelty,
            }
            .applied_to(of_model)
        };
        assert_eq!(Rejection::default().applied_to(of_model), of_model);
        assert_eq!(own(Some(0.0), true).confidence, Some(0.0));
        assert_eq!(own(None, false).novelty, None);
        let bare = Rejection::default().applied_to(Limits::default());
        assert_eq!(bare, Limits::default());
    }

    #[test]
    fn novelty_is_the_distance_from_the_nearest_class() {
        let mut mean = vec![100.0; 2 * CLASS_COUNT];
        mean[4..6].copy_from_slice(&[1.0, -1.0]);
        mean[8..10].copy_from_slice(&[4.0, 0.0]);
        let novelty = Novelty::new(mean, vec![1.0, 0.5]);
        for (pooled, expected) in [
            ([1.0, -1.0], 0.0),
            ([2.0, -1.0], 0.5),
            ([1.0, 0.0], 2.0),
            ([4.0, 0.5], 0.5),
        ] {
            let found = novelty.distance(&pooled);
            assert!((found - expected).abs() < 1e-6, "{pooled:?}: {found}");
        }
    }

    #[test]
    fn reasons_are_known_by_name() {
        for reason in Unclassifiable::ALL {
            assert_eq!(Unclassifiable::from_name(reason.name()), Some(reason));
        }
        assert_eq!(Unclassifiable::from_name("noise"), None);
    }
}
