//! Writes that fail for a reason that may pass: when they are tried again, what is told of it, and
//! what is dropped.

use std::time::{Duration, Instant};

use ecg_chain::EventKind;

use super::super::error::StoreError;
use super::super::options::Outage;
use super::thread::{Trouble, WriterThread};

/// First and longest pause between two tries of a write that failed for a passing reason.
pub(super) const RETRY_PAUSE: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];
/// Failures that pass within this time leave no event.
const NOT_WORTH_TELLING: Duration = Duration::from_secs(1);

impl WriterThread {
    /// Drops what memory is not meant to hold.
    pub(super) fn keep_limits(&mut self) {
        let Outage::Bridge {
            longest,
            most_bytes,
        } = self.options.outage
        else {
            return;
        };
        let longest = self.trouble.is_some().then_some(longest);
        let gone = self.backlog.enforce(longest, most_bytes);
        if gone == 0 {
            return;
        }
        if let Some(trouble) = &mut self.trouble {
            if trouble.rows_dropped == 0 {
                tracing::error!(
                    "the store is out of reach for too long: the oldest rows are let go"
                );
            }
            trouble.rows_dropped += gone;
        }
        let mut status = self.monitor.lock();
        status.rows_dropped += gone;
    }

    pub(super) fn note_trouble(&mut self, error: &StoreError) {
        let [first_pause, longest_pause] = RETRY_PAUSE;
        let now = Instant::now();
        let trouble = self.trouble.get_or_insert(Trouble {
            since: now,
            pause: first_pause,
            next_try: now,
            told: false,
            rows_dropped: 0,
        });
        let first = trouble.since == now;
        trouble.next_try = now + trouble.pause;
        trouble.pause = (trouble.pause * 2).min(longest_pause);
        let tell = !trouble.told && trouble.since.elapsed() >= NOT_WORTH_TELLING;
        trouble.told |= tell;
        if first || tell {
            tracing::warn!(%error, "a write to the store failed and is tried again");
        }
        if tell {
            let event = self.event(EventKind::StoreOutage, error.to_string());
            self.backlog.push(event);
        }
        self.keep_limits();
        let mut status = self.monitor.lock();
        status.trouble = Some(error.to_string());
        status.outages += u64::from(first);
        status.rows_waiting = self.backlog.len();
        status.bytes_waiting = self.backlog.bytes();
    }

    pub(super) fn end_trouble(&mut self) {
        let Some(trouble) = self.trouble.take().filter(|trouble| trouble.told) else {
            return;
        };
        let seconds = trouble.since.elapsed().as_secs_f64();
        let dropped = trouble.rows_dropped;
        tracing::info!(seconds, let_go = dropped, "the store is written again");
        let detail =
            format!("written again after {seconds:.1} s; {dropped} rows had been let go by then");
        let event = self.event(EventKind::StoreRecovered, detail);
        self.backlog.push(event);
    }
}
