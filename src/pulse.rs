//! Signs of life of threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter one thread raises with every turn of its loop, also when there was nothing to do, and
/// another one watches: a count that stands still is a thread that hangs. Cheap to clone; all
/// clones are one counter.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    turns: Arc<AtomicU64>,
}

impl Pulse {
    /// One more turn.
    pub fn beat(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// Turns so far; wraps after 2^64.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_are_one_counter() {
        let pulse = Pulse::default();
        let watched = pulse.clone();
        pulse.beat();
        pulse.beat();
        assert_eq!(watched.turns(), 2);
    }
}
