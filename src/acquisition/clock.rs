//! The machine's clocks.

use crate::time::{ClockRelation, MonotonicNs, WallUs};

/// A monotonic clock.
pub trait Clock {
    /// The time.
    fn now(&self) -> MonotonicNs;
}

/// `CLOCK_MONOTONIC`, the clock the kernel stamps GPIO edges with.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// This instant on both clocks.
    #[must_use]
    pub fn relation() -> ClockRelation {
        ClockRelation {
            monotonic: Self.now(),
            wall: WallUs::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> MonotonicNs {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
        MonotonicNs(seconds * 1_000_000_000 + nanoseconds)
    }
}
