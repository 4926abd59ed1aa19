//! A question's ticket: whether anybody still waits for its answer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::locked::locked;
use crate::store::Interrupter;

/// Whether anybody still waits for a question's answer.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    given_up: AtomicBool,
    /// Given up because it took too long, and not with its client.
    pub(super) overdue: AtomicBool,
    pub(super) begun: AtomicBool,
    /// What ends the read in progress.
    pub(super) reading: Mutex<Option<Interrupter>>,
}

impl Ticket {
    /// Nobody waits any more.
    pub(super) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
        if let Some(reading) = &*locked(&self.reading) {
            reading.interrupt();
        }
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }

    /// Whether a thread has taken it up.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    /// From here on giving up interrupts `reading`, until the question is done.
    pub(super) fn reads(&self, reading: Interrupter) {
        let mut kept = locked(&self.reading);
        // given up a moment ago, before there was anything to interrupt
        if self.is_given_up() {
            reading.interrupt();
        }
        *kept = Some(reading);
    }
}
