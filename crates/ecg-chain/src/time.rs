//! Monotonic and wall time, two types that never mix.
//!
//! Intervals, orders and RR are computed from [`MonotonicNs`] alone; [`WallUs`] is for people and
//! for correlation with other systems. [`ClockRelation`] is the one bridge between them.

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

/// Nanoseconds on the acquiring machine's monotonic clock (`CLOCK_MONOTONIC`), origin arbitrary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(transparent))]
pub struct MonotonicNs(pub u64);

/// Microseconds since 1970-01-01T00:00:00Z (UTC, leap seconds not counted).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize), serde(transparent))]
pub struct WallUs(pub i64);

/// One instant read on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
pub struct ClockRelation {
    /// The instant on the monotonic clock.
    pub monotonic: MonotonicNs,
    /// The same instant on the wall clock.
    pub wall: WallUs,
}

impl MonotonicNs {
    /// This instant plus `ns` nanoseconds, saturating at the end of the clock.
    #[must_use]
    pub const fn plus_ns(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }

    /// Nanoseconds from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl ClockRelation {
    /// The wall time of a monotonic instant, assuming the wall clock ran evenly around the relation.
    #[must_use]
    pub fn wall_at(&self, instant: MonotonicNs) -> WallUs {
        let difference_ns = i128::from(instant.0) - i128::from(self.monotonic.0);
        let wall_us = i128::from(self.wall.0) + difference_ns.div_euclid(1_000);
        WallUs(i64::try_from(wall_us).unwrap_or(if wall_us < 0 { i64::MIN } else { i64::MAX }))
    }
}

/// Less than this the wall clock may drift or be read unevenly, microseconds: not worth a row.
const TOLERANCE_US: u64 = 100_000;

/// Watches the wall clock against the monotonic one: steps in either direction (set by hand, set by
/// NTP after the start, leap seconds, a suspended machine) and drift that has added up.
#[derive(Debug, Clone, Copy)]
pub struct ClockWatch {
    relation: ClockRelation,
}

impl ClockWatch {
    /// Watches from this relation on.
    #[must_use]
    pub const fn new(relation: ClockRelation) -> Self {
        Self { relation }
    }

    /// The relation in force.
    #[must_use]
    pub const fn relation(&self) -> ClockRelation {
        self.relation
    }

    /// Compares both clocks now. If the wall clock has stepped, returns by how many microseconds, and
    /// `now` is the relation from here on.
    pub fn update(&mut self, now: ClockRelation) -> Option<i64> {
        let expected = self.relation.wall_at(now.monotonic);
        let step_us = now.wall.0.saturating_sub(expected.0);
        if step_us.unsigned_abs() < TOLERANCE_US {
            return None;
        }
        self.relation = now;
        Some(step_us)
    }
}

impl WallUs {
    /// The current wall time.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    /// The instant an RFC 3339 text with an offset means, cut to microseconds; `None` if it is none.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(|timestamp| Self(timestamp.as_microsecond()))
    }

    /// RFC 3339 in UTC with microseconds, e.g. `2026-11-22T18:54:32.000001Z`; `None` outside years
    /// -9999 to 9999.
    #[must_use]
    pub fn to_rfc3339(self) -> Option<String> {
        jiff::Timestamp::from_microsecond(self.0)
            .ok()
            .map(|timestamp| format!("{timestamp:.6}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_follows_the_relation_in_both_directions() {
        let relation = ClockRelation {
            monotonic: MonotonicNs(5_000_000),
            wall: WallUs(1_000_000_000),
        };
        assert_eq!(
            relation.wall_at(MonotonicNs(7_000_999)),
            WallUs(1_000_002_000)
        );
        assert_eq!(
            relation.wall_at(MonotonicNs(4_999_999)),
            WallUs(999_999_999)
        );
    }

    #[test]
    fn steps_and_drift_are_seen_and_small_differences_are_not() {
        let at = |monotonic_s: u64, wall_us: i64| ClockRelation {
            monotonic: MonotonicNs(monotonic_s * 1_000_000_000),
            wall: WallUs(wall_us),
        };
        let mut watch = ClockWatch::new(at(10, 0));
        assert_eq!(watch.update(at(11, 1_000_000)), None);
        assert_eq!(watch.update(at(12, 2_099_999)), None);
        assert_eq!(watch.relation(), at(10, 0));
        // Forward by years: NTP after a start without a battery-backed clock.
        let years_us = 1_700_000_000_000_000;
        assert_eq!(watch.update(at(13, 3_000_000 + years_us)), Some(years_us));
        assert_eq!(watch.update(at(14, 4_000_000 + years_us)), None);
        // A leap second, and an hour back.
        assert_eq!(watch.update(at(15, 4_000_000 + years_us)), Some(-1_000_000));
        let back_us = 5_000_000 + years_us - 3_600_000_000;
        assert_eq!(watch.update(at(16, back_us)), Some(-3_600_000_000));
        // Drift of 10 ppm adds up to a row in three hours.
        let drifts = (1..4 * 3_600_u64).filter(|&s| {
            let passed_us = i64::try_from(s).unwrap() * 1_000_010;
            watch.update(at(16 + s, back_us + passed_us)).is_some()
        });
        assert_eq!(drifts.count(), 1);
    }

    #[test]
    fn rfc3339_always_has_six_decimals() {
        assert_eq!(
            WallUs(1_500_000).to_rfc3339().unwrap(),
            "1970-01-01T00:00:01.500000Z"
        );
        assert_eq!(
            WallUs(0).to_rfc3339().unwrap(),
            "1970-01-01T00:00:00.000000Z"
        );
        assert_eq!(WallUs(i64::MAX).to_rfc3339(), None);
        assert_eq!(
            WallUs::from_rfc3339("1970-01-01T01:00:01.5+01:00"),
            Some(WallUs(1_500_000))
        );
        assert_eq!(WallUs::from_rfc3339("yesterday"), None);
    }
}
