//! Liveness of threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that one thread increments in every turn of its loop, also when there was nothing to do, and
/// another one watches: a count that stands still is a thread that hangs. Cheap to clone; all clones are
/// one counter.
#[derive(Debug, Clone, Default)]
pub struct Liveness {
    turns: Arc<AtomicU64>,
}

impl Liveness {
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
        let liveness = Liveness::default();
        let watched = liveness.clone();
        liveness.beat();
        liveness.beat();
        assert_eq!(watched.turns(), 2);
    }
}
