//! From a sample's index to its monotonic time.

use super::time::MonotonicNs;

/// Remembers the time stamps of the newest samples, so that an R peak found up to
/// [`Timeline::REACH_S`] seconds later gets the stamp of its own DRDY edge, not an estimate.
///
/// Memory is bounded: one stamp for each of the newest samples.
#[derive(Debug)]
pub(super) struct Timeline {
    stamps: Vec<Stamp>,
    mask: u64,
    newest: Stamp,
    sample_period_ns: f64,
}

#[derive(Debug, Clone, Copy)]
struct Stamp {
    index: u64,
    time: MonotonicNs,
}

impl Timeline {
    /// Seconds of samples remembered; longer than any label delay.
    const REACH_S: f64 = 1.5;

    pub(super) fn new(sample_rate_hz: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rates are positive and at most 8000 Hz times 1.5 s"
        )]
        let length =
            ((sample_rate_hz * Self::REACH_S).ceil().max(1.0) as usize).next_power_of_two();
        // No sample has the last index of all, so an untouched slot matches nothing.
        let empty = Stamp {
            index: u64::MAX,
            time: MonotonicNs(0),
        };
        Self {
            stamps: vec![empty; length],
            mask: length as u64 - 1,
            newest: Stamp {
                index: 0,
                time: MonotonicNs(0),
            },
            sample_period_ns: 1e9 / sample_rate_hz,
        }
    }

    pub(super) fn push(&mut self, index: u64, time: MonotonicNs) {
        let slot = self.slot(index);
        self.newest = Stamp { index, time };
        self.stamps[slot] = self.newest;
    }

    /// The stamp of sample `index`; for an index that was never seen (or is too old) the stamp it
    /// would have had at the nominal rate, counted from the newest sample.
    pub(super) fn time_of(&self, index: u64) -> MonotonicNs {
        let stamp = self.stamps[self.slot(index)];
        if stamp.index == index {
            return stamp.time;
        }
        let distance = i128::from(index) - i128::from(self.newest.index);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturating: `as` clamps floats"
        )]
        let offset_ns = (distance as f64 * self.sample_period_ns).round() as i64;
        MonotonicNs(self.newest.time.0.saturating_add_signed(offset_ns))
    }

    fn slot(&self, index: u64) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "masked to the ring's length"
        )]
        let slot = (index & self.mask) as usize;
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_stamps_are_exact_and_others_follow_the_rate() {
        let mut timeline = Timeline::new(500.0);
        for index in 0..5_000_u64 {
            // Edges that jitter by up to 700 ns around 2 ms.
            timeline.push(
                index,
                MonotonicNs(1_000 + index * 2_000_000 + (index * 37) % 700),
            );
        }
        assert_eq!(
            timeline.time_of(4_700).0,
            1_000 + 4_700 * 2_000_000 + (4_700 * 37) % 700
        );
        let newest_ns = 1_000 + 4_999 * 2_000_000 + (4_999 * 37) % 700;
        assert_eq!(timeline.time_of(1_000).0, newest_ns - 3_999 * 2_000_000);
        assert_eq!(timeline.time_of(5_001).0, newest_ns + 2 * 2_000_000);
    }

    #[test]
    fn an_index_before_the_clock_began_saturates() {
        let mut timeline = Timeline::new(500.0);
        timeline.push(10_000, MonotonicNs(5));
        assert_eq!(timeline.time_of(0), MonotonicNs(0));
    }
}
