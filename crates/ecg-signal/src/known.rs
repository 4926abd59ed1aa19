//! R peaks somebody else found, e.g. the annotators of a database.

use std::sync::Arc;

use super::detector::{Detection, History, LEAST_WAIT_SAMPLES};
use super::{CHAIN_RATE_HZ, SampleRate};

/// Hands out known R peaks as the detector hands out its own: each as soon as its window is
/// complete.
#[derive(Debug, Clone)]
pub(super) struct KnownBeats {
    rate: SampleRate,
    r_samples: Arc<[u64]>,
    /// Place in `r_samples` behind `next`.
    place: usize,
    next: Option<Detection>,
}

impl KnownBeats {
    /// `r_samples` are input indices at `rate`, in order of time.
    pub(super) fn new(rate: SampleRate, r_samples: Arc<[u64]>) -> Self {
        let mut known = Self {
            rate,
            r_samples,
            place: 0,
            next: None,
        };
        known.advance();
        known
    }

    /// The next beat whose window `history` holds; with `at_the_end`, whose R peak it holds. Beats
    /// before the history's start are left out: there was no signal.
    #[inline]
    pub(super) fn next_complete(
        &mut self,
        history: &History,
        at_the_end: bool,
    ) -> Option<Detection> {
        let wait = if at_the_end { 0 } else { LEAST_WAIT_SAMPLES };
        while let Some(beat) = self.next
            && beat.index + wait < history.end()
        {
            self.advance();
            if beat.index >= history.start() {
                return Some(beat);
            }
        }
        None
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "half a sample at most, in single precision"
    )]
    fn advance(&mut self) {
        self.next = self.r_samples.get(self.place).map(|&r_sample| {
            let position = r_sample as f64 / self.rate.hz() * f64::from(CHAIN_RATE_HZ);
            let chain_rate = SampleRate::CHAIN;
            let index = self.rate.convert_index(r_sample, chain_rate);
            Detection {
                index,
                offset: (position - index as f64) as f32,
            }
        });
        self.place += 1;
    }
}
