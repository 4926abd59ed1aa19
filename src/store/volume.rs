//! How much is written: what wears out an SD card.
//!
//! Bytes are what the kernel says this process made it write to storage (`write_bytes` of
//! `/proc/self/io`, page by page as the medium sees it). fsyncs are counted: SQLite in WAL mode
//! makes one for a commit with `synchronous = FULL`, one more where that commit begins the log
//! anew, and two for a checkpoint, of the log and of the database, unless `synchronous = OFF`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::options::Synchronous;

const LOOK_EVERY: Duration = Duration::from_secs(5);
const SAMPLE_EVERY: Duration = Duration::from_secs(60);
const SAMPLES_KEPT: usize = 61; // of one hour, both ends

/// What has been written since the process started, and in the last hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteVolume {
    /// Bytes; `None` where the kernel does not tell.
    pub bytes: Option<u64>,
    /// fsyncs.
    pub syncs: u64,
    /// Bytes in the time below; `None` where the kernel does not tell.
    pub recent_bytes: Option<u64>,
    /// fsyncs in the time below.
    pub recent_syncs: u64,
    /// That time: an hour, less at the start, seconds.
    pub recent_seconds: u64,
}

/// Counts and remembers an hour.
pub(super) struct VolumeMeter {
    synchronous: Synchronous,
    syncs: u64,
    /// Whether the next commit begins the log anew.
    log_begins: bool,
    samples: VecDeque<(Instant, Option<u64>, u64)>,
    looked: Option<Instant>,
}

impl VolumeMeter {
    pub(super) fn new(synchronous: Synchronous) -> Self {
        Self {
            synchronous,
            syncs: 0,
            log_begins: true,
            samples: VecDeque::with_capacity(SAMPLES_KEPT),
            looked: None,
        }
    }

    pub(super) fn note_commit(&mut self) {
        if self.synchronous == Synchronous::Full {
            self.syncs += 1 + u64::from(self.log_begins);
        }
        self.log_begins = false;
    }

    /// `whole`: every page of the log is in the database, so the log may begin anew.
    pub(super) fn note_checkpoint(&mut self, whole: bool) {
        if self.synchronous != Synchronous::Off {
            self.syncs += 2;
        }
        self.log_begins |= whole;
    }

    /// The volume now, if it is time to look.
    pub(super) fn look(&mut self) -> Option<WriteVolume> {
        let due = self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY);
        due.then(|| self.measure(Instant::now(), written_bytes()))
    }

    fn measure(&mut self, now: Instant, bytes: Option<u64>) -> WriteVolume {
        self.looked = Some(now);
        let newest = self.samples.back();
        if newest.is_none_or(|(at, ..)| now.saturating_duration_since(*at) >= SAMPLE_EVERY) {
            if self.samples.len() == SAMPLES_KEPT {
                self.samples.pop_front();
            }
            self.samples.push_back((now, bytes, self.syncs));
        }
        let (since, before, syncs_before) = self.samples[0];
        WriteVolume {
            bytes,
            syncs: self.syncs,
            recent_bytes: bytes
                .zip(before)
                .map(|(bytes, before)| bytes.saturating_sub(before)),
            recent_syncs: self.syncs - syncs_before,
            recent_seconds: now.saturating_duration_since(since).as_secs(),
        }
    }
}

/// Bytes this process made the kernel write to storage since it started.
fn written_bytes() -> Option<u64> {
    std::fs::read_to_string("/proc/self/io")
        .ok()?
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_remembered_and_no_more() {
        let mut meter = VolumeMeter::new(Synchronous::Full);
        let start = Instant::now();
        let mut last = WriteVolume::default();
        for minute in 0..=90 {
            meter.note_commit();
            last = meter.measure(
                start + SAMPLE_EVERY * u32::try_from(minute).unwrap(),
                Some(minute * 1_000),
            );
        }
        assert_eq!(
            last,
            WriteVolume {
                bytes: Some(90_000),
                syncs: 92, // one a commit, one more for the first page of the log
                recent_bytes: Some(60_000),
                recent_syncs: 60,
                recent_seconds: 3_600,
            }
        );
    }

    #[test]
    fn the_kernel_tells_what_was_written() {
        // On tmpfs nothing is ever written to storage, so only that it tells can be asked here.
        assert!(written_bytes().is_some());
    }
}
