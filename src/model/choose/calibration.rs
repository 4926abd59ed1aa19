//! How long an engine takes.

use std::time::{Duration, Instant};

use crate::model::{Classifier, ClassifyError, Outputs};

/// What an engine was measured to take, medians.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// A batch of one beat, nanoseconds.
    pub single_ns: u64,
    /// Beats of the larger batch, at least 2.
    pub batch: usize,
    /// The larger batch, nanoseconds a beat.
    pub batch_ns_per_beat: u64,
}

impl Figures {
    /// What a batch of `beats` should take: on the straight line through both measurements.
    #[must_use]
    pub fn expected(&self, beats: usize) -> Duration {
        let (single, whole) = (
            u128::from(self.single_ns),
            u128::from(self.batch_ns_per_beat).saturating_mul(self.batch as u128),
        );
        let further = whole
            .saturating_sub(single)
            .saturating_mul(beats.saturating_sub(1) as u128)
            / self.batch.saturating_sub(1).max(1) as u128;
        Duration::from_nanos(u64::try_from(single.saturating_add(further)).unwrap_or(u64::MAX))
    }
}

/// Measures `engine` on a single one of `windows` and on `batch` of them, which are repeated as
/// often as need be. Takes some ten milliseconds with an engine that answers within one.
///
/// # Errors
/// The engine's.
pub(super) fn measure(
    engine: &mut dyn Classifier,
    windows: &[f32],
    batch: usize,
) -> Result<Figures, ClassifyError> {
    let window = engine.model().description().input.len();
    let input: Vec<f32> = windows
        .iter()
        .copied()
        .cycle()
        .take(batch * window)
        .collect();
    let mut outputs = Outputs::logits_only(engine.model().description(), batch);
    let single = median(5, Duration::from_millis(5), || {
        engine.classify(&input[..window], &mut outputs)
    })?;
    let whole = median(3, Duration::from_millis(10), || {
        engine.classify(&input, &mut outputs)
    })?;
    Ok(Figures {
        single_ns: nanoseconds(single),
        batch,
        batch_ns_per_beat: nanoseconds(whole) / batch.max(1) as u64,
    })
}

/// Longest one measurement goes on for the sake of a second and third value.
const LONGEST: Duration = Duration::from_millis(50);

/// Median time of `least` calls after a first one that is not counted, of more while `budget` lasts,
/// of fewer where they would take longer than [`LONGEST`].
fn median(
    least: usize,
    budget: Duration,
    mut call: impl FnMut() -> Result<(), ClassifyError>,
) -> Result<Duration, ClassifyError> {
    call()?;
    let mut times = Vec::new();
    let began = Instant::now();
    while times.is_empty()
        || began.elapsed() < budget
        || times.len() < least && began.elapsed() < LONGEST
    {
        let before = Instant::now();
        call()?;
        times.push(before.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_between_the_measurements_is_on_the_line_between_them() {
        let figures = Figures {
            single_ns: 1_000,
            batch: 11,
            batch_ns_per_beat: 1_000,
        };
        for (beats, expected_ns) in [(1, 1_000), (2, 2_000), (11, 11_000), (21, 21_000)] {
            assert_eq!(
                figures.expected(beats),
                Duration::from_nanos(expected_ns),
                "{beats}"
            );
        }
        let card = Figures {
            single_ns: 200_000,
            batch: 512,
            batch_ns_per_beat: 500,
        };
        assert_eq!(card.expected(1), Duration::from_nanos(200_000));
        assert_eq!(card.expected(512), Duration::from_nanos(256_000));
        let absurd = Figures {
            single_ns: u64::MAX,
            batch: usize::MAX,
            batch_ns_per_beat: u64::MAX,
        };
        assert!(absurd.expected(usize::MAX) > Duration::from_secs(1));
    }
}
