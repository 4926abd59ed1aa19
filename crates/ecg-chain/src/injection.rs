//! A scripted loss of the device that classifies, for demonstrations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrhythmianet::choose::DeviceFault;

use super::time::MonotonicNs;

/// When the device fails. Fires once, however many pipelines share it.
#[derive(Debug)]
pub struct Injection {
    when: When,
    beats: AtomicU64,
    fired: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// With the batch that reaches this time since the session began.
    TimeNs(u64),
    /// With the batch that holds this beat, counted from 1 over all sessions.
    Beat(u64),
}

impl Injection {
    /// With the batch that reaches this time since the session began, nanoseconds.
    #[must_use]
    pub fn at_time(time_ns: u64) -> Self {
        Self::at(When::TimeNs(time_ns))
    }

    /// With the batch that holds this beat, counted from 1 over all sessions.
    #[must_use]
    pub fn at_beat(beat: u64) -> Self {
        Self::at(When::Beat(beat))
    }

    fn at(when: When) -> Self {
        Self {
            when,
            beats: AtomicU64::new(0),
            fired: AtomicBool::new(false),
        }
    }

    /// Counts a batch of `beats`, the last of which is `last_ns` after the session's start; true for
    /// the one batch that loses its device.
    fn is_due(&self, beats: usize, last_ns: u64) -> bool {
        let counted = self.beats.fetch_add(beats as u64, Ordering::Relaxed) + beats as u64;
        let reached = match self.when {
            When::TimeNs(time_ns) => last_ns >= time_ns,
            When::Beat(beat) => counted >= beat,
        };
        reached && !self.fired.swap(true, Ordering::Relaxed)
    }
}

/// An injection into one session, the device of which it takes away.
pub(super) struct SessionFault {
    pub(super) injection: Arc<Injection>,
    pub(super) start: MonotonicNs,
    pub(super) device: DeviceFault,
}

impl SessionFault {
    /// Counts a batch of `beats` that is about to be classified, the last of which is at `last_time`.
    pub(super) fn before_batch(&self, beats: usize, last_time: MonotonicNs) {
        if self.injection.is_due(beats, last_time.since(self.start)) {
            self.device.lose_device();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fires_once_with_the_batch_that_reaches_it() {
        let beat = Injection::at_beat(100);
        let due: Vec<bool> = [64, 35, 1, 64].map(|beats| beat.is_due(beats, 0)).into();
        assert_eq!(due, [false, false, true, false]);
        let time = Injection::at_time(1_500_000_000);
        let due: Vec<bool> = [1_400_000_000, 1_500_000_000, 1_600_000_000]
            .map(|ns| time.is_due(1, ns))
            .into();
        assert_eq!(due, [false, true, false]);
    }
}
