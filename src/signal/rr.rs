//! Intervals between beats and what is unusual about the newest.

/// Intervals kept.
const HISTORY: usize = 256;
/// Intervals of the mean.
const MEAN_OF: usize = 8;
/// Intervals of the median.
const MEDIAN_OF: usize = 64;

/// The rhythm up to a beat. All ratios are 1 where there is nothing to compare or to compare with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RrFeatures {
    /// Interval ending in this beat, seconds; `None` for the first beat and the first after a gap.
    pub rr_s: Option<f32>,
    /// The interval before that one, seconds; `None` likewise.
    pub previous_rr_s: Option<f32>,
    /// This interval over the mean of the last eight before it.
    pub ratio_to_mean_8: f32,
    /// This interval over the median of the last 64 before it.
    pub ratio_to_median_64: f32,
}

/// The last 256 intervals of a session. A gap breaks an interval, not the history.
#[derive(Debug, Clone)]
pub(super) struct RrHistory {
    intervals_s: [f32; HISTORY],
    count: usize,
    next: usize,
    /// Time of the last beat, seconds, and the interval that ended in it.
    last_beat_s: Option<f64>,
    last_interval_s: Option<f32>,
}

impl RrHistory {
    pub(super) fn new() -> Self {
        Self {
            intervals_s: [0.0; HISTORY],
            count: 0,
            next: 0,
            last_beat_s: None,
            last_interval_s: None,
        }
    }

    /// The next beat's interval is unknown.
    pub(super) fn break_interval(&mut self) {
        self.last_beat_s = None;
        self.last_interval_s = None;
    }

    /// Take a beat at `beat_s`, seconds, later than the one before.
    #[allow(clippy::cast_possible_truncation, reason = "intervals are short")]
    pub(super) fn add(&mut self, beat_s: f64) -> RrFeatures {
        let rr_s = self.last_beat_s.map(|last_s| (beat_s - last_s) as f32);
        let ratio = |reference_s: Option<f32>| match (rr_s, reference_s) {
            (Some(rr_s), Some(reference_s)) if reference_s > 0.0 => rr_s / reference_s,
            _ => 1.0,
        };
        let features = RrFeatures {
            rr_s,
            previous_rr_s: self.last_interval_s,
            ratio_to_mean_8: ratio(self.mean_s(MEAN_OF)),
            ratio_to_median_64: ratio(self.median_s()),
        };
        if let Some(interval_s) = rr_s {
            self.intervals_s[self.next] = interval_s;
            self.next = (self.next + 1) % HISTORY;
            self.count = (self.count + 1).min(HISTORY);
        }
        self.last_beat_s = Some(beat_s);
        self.last_interval_s = rr_s;
        features
    }

    /// The newest `most` intervals, newest first.
    fn newest(&self, most: usize) -> impl Iterator<Item = f32> + '_ {
        (1..=most.min(self.count))
            .map(|age| self.intervals_s[(self.next + HISTORY - age) % HISTORY])
    }

    fn mean_s(&self, of: usize) -> Option<f32> {
        let count = of.min(self.count);
        (count > 0).then(|| self.newest(of).sum::<f32>() / count as f32)
    }

    fn median_s(&self) -> Option<f32> {
        let mut sorted = [0.0; MEDIAN_OF];
        let count = MEDIAN_OF.min(self.count);
        for (place, interval_s) in sorted.iter_mut().zip(self.newest(MEDIAN_OF)) {
            *place = interval_s;
        }
        let sorted = &mut sorted[..count];
        sorted.sort_unstable_by(f32::total_cmp);
        let upper = *sorted.get(count / 2)?;
        Some(f32::midpoint(sorted[(count - 1) / 2], upper))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f32, expected: f32) -> bool {
        (found - expected).abs() < 1e-5
    }

    #[test]
    fn intervals_need_two_beats() {
        let mut history = RrHistory::new();
        let first = history.add(1.0);
        assert_eq!((first.rr_s, first.previous_rr_s), (None, None));
        assert!(close(first.ratio_to_mean_8, 1.0) && close(first.ratio_to_median_64, 1.0));
        let second = history.add(1.75);
        assert_eq!((second.rr_s, second.previous_rr_s), (Some(0.75), None));
        let third = history.add(2.75);
        assert_eq!((third.rr_s, third.previous_rr_s), (Some(1.0), Some(0.75)));
        assert!(close(third.ratio_to_mean_8, 1.0 / 0.75));
    }

    #[test]
    fn a_premature_beat_shows_against_mean_and_median() {
        let mut history = RrHistory::new();
        let mut beat_s = 0.0;
        history.add(beat_s);
        for interval_s in [0.8].repeat(300) {
            beat_s += interval_s;
            history.add(beat_s);
        }
        let premature = history.add(beat_s + 0.4);
        assert!(close(premature.ratio_to_mean_8, 0.5), "{premature:?}");
        assert!(close(premature.ratio_to_median_64, 0.5), "{premature:?}");
        let after = history.add(beat_s + 1.6);
        assert!(close(after.ratio_to_mean_8, 1.2 / 0.75), "{after:?}");
        assert!(close(after.ratio_to_median_64, 1.5), "{after:?}");
    }

    #[test]
    fn a_gap_breaks_the_interval_but_not_the_history() {
        let mut history = RrHistory::new();
        for beat in 0..10 {
            history.add(f64::from(beat));
        }
        history.break_interval();
        let first = history.add(100.0);
        assert_eq!((first.rr_s, first.previous_rr_s), (None, None));
        let second = history.add(100.5);
        assert_eq!((second.rr_s, second.previous_rr_s), (Some(0.5), None));
        assert!(close(second.ratio_to_mean_8, 0.5), "{second:?}");
    }
}
