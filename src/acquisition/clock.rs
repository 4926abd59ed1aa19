//! The machine's clocks.

use ecg_chain::{ClockRelation, MonotonicNs, WallUs};

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
        // A thread that lost its processor between the readings would see a step that is none.
        let mut best: Option<(u64, ClockRelation)> = None;
        for _ in 0..5 {
            let before = Self.now();
            let wall = WallUs::now();
            let took_ns = Self.now().since(before);
            if best.is_none_or(|(shortest_ns, _)| took_ns < shortest_ns) {
                let monotonic = before.plus_ns(took_ns / 2);
                best = Some((took_ns, ClockRelation { monotonic, wall }));
            }
            if took_ns < 100_000 {
                break;
            }
        }
        best.map_or(
            ClockRelation {
                monotonic: Self.now(),
                wall: WallUs::now(),
            },
            |(_, relation)| relation,
        )
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
