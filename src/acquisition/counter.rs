//! From DRDY edges to sample indices.

use ecg_chain::MonotonicNs;

use super::drdy::DrdyEdge;
use super::whole::whole;

/// Share of a difference by which the estimated period follows it.
const FOLLOW: f64 = 1.0 / 64.0;
/// Intervals further off than this share of the period do not teach it.
const MAX_PERIOD_ERROR: f64 = 0.125;
/// An edge sooner than this share of a period after the last is none of the chip's.
const SPURIOUS_PERIODS: f64 = 0.25;
/// An edge whose number follows the last one's, but later than this, hides an edge that the
/// interrupt controller lost before the kernel could number it.
const HIDDEN_PERIODS: f64 = 1.75;
/// A period not learnt yet may be this much longer than the nominal one.
const PERIOD_NOT_LEARNT: f64 = 1.02;

/// Share of a period by which intervals must be off to be of another rate.
const OTHER_RATE: f64 = 0.1;
/// Intervals in a row that must be so.
const OTHER_RATE_AFTER: u32 = 32;

/// Counts samples from the numbers and times of edges.
#[derive(Debug, Clone)]
pub(super) struct SampleCounter {
    nominal_ns: f64,
    period_ns: f64,
    /// Intervals in a row that are off the nominal rate.
    off_rate: u32,
    last: Option<DrdyEdge>,
    last_index: u64,
    by_time_alone: bool,
    /// Periods the last edge lies after its index, where stops have shifted the chip's conversions
    /// against the grid of indices: at most half a period either way, however many stops there are.
    phase: f64,
}

/// Where an edge stands: at this index, this many samples after the last edge having been skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) index: u64,
    pub(super) skipped: u64,
    /// Time of the first skipped sample.
    pub(super) skipped_time: MonotonicNs,
}

impl SampleCounter {
    pub(super) fn new(period_ns: u64) -> Self {
        Self {
            nominal_ns: period_ns as f64,
            period_ns: period_ns as f64,
            off_rate: 0,
            last: None,
            last_index: 0,
            by_time_alone: false,
            phase: 0.0,
        }
    }

    /// Index the next sample will have if nothing is missing.
    pub(super) fn next_index(&self) -> u64 {
        self.last.map_or(0, |_| self.last_index + 1)
    }

    /// Time of the last edge.
    pub(super) fn last_time(&self) -> Option<MonotonicNs> {
        self.last.map(|edge| edge.time)
    }

    /// The rate of the last edges, hertz, where they have not come at the nominal one for a while.
    pub(super) fn other_rate_hz(&self, edge: DrdyEdge, before: DrdyEdge) -> Option<f64> {
        let elapsed_ns = edge.time.since(before.time).max(1) as f64;
        (self.off_rate >= OTHER_RATE_AFTER).then_some(1e9 / elapsed_ns)
    }

    /// Whether the newest interval was that of the nominal rate, as far as it tells.
    pub(super) fn is_at_rate(&self) -> bool {
        self.off_rate == 0
    }

    /// The last edge.
    pub(super) fn last(&self) -> Option<DrdyEdge> {
        self.last
    }

    /// Conversions were stopped: until the next edge, only time tells how many samples are missing.
    pub(super) fn stopped(&mut self) {
        self.by_time_alone = true;
    }

    /// Only neighbours tell: where edges were lost, so was the measure.
    fn note_rate(&mut self, numbered: u32, nominal_periods: f64) {
        if self.by_time_alone || numbered != 1 || (nominal_periods - 1.0).abs() <= OTHER_RATE {
            self.off_rate = 0;
        } else {
            self.off_rate = self.off_rate.saturating_add(1);
        }
    }

    /// Takes in an edge; `None` where it stands nowhere: noise on the line.
    pub(super) fn place(&mut self, edge: DrdyEdge) -> Option<Position> {
        let Some(last) = self.last else {
            self.last = Some(edge);
            self.by_time_alone = false;
            return Some(Position {
                index: 0,
                skipped: 0,
                skipped_time: edge.time,
            });
        };
        let elapsed_ns = edge.time.since(last.time);
        let periods = elapsed_ns as f64 / self.period_ns;
        let numbered = edge.sequence.wrapping_sub(last.sequence);
        self.note_rate(numbered, elapsed_ns as f64 / self.nominal_ns);
        // Numbers that stand still or run backwards tell nothing.
        let steps = if self.by_time_alone || numbered == 0 || numbered > u32::MAX / 2 {
            let steps = nearest(periods + self.phase).max(1);
            self.phase = (self.phase + periods - steps as f64).clamp(-0.5, 0.5);
            steps
        } else if numbered == 1 {
            if periods < SPURIOUS_PERIODS {
                self.last = Some(DrdyEdge {
                    sequence: edge.sequence,
                    ..last
                });
                return None;
            }
            if periods > HIDDEN_PERIODS {
                nearest(periods)
            } else {
                1
            }
        } else if periods > f64::from(numbered) * PERIOD_NOT_LEARNT + HIDDEN_PERIODS - 1.0 {
            // Edges may hide between numbered ones as well.
            nearest(periods)
        } else {
            u64::from(numbered)
        };
        let interval_ns = elapsed_ns as f64 / steps as f64;
        if !self.by_time_alone
            && (interval_ns - self.period_ns).abs() <= self.period_ns * MAX_PERIOD_ERROR
        {
            self.period_ns += (interval_ns - self.period_ns) * FOLLOW;
        }
        self.by_time_alone = false;
        self.last = Some(edge);
        self.last_index += steps;
        Some(Position {
            index: self.last_index,
            skipped: steps - 1,
            skipped_time: last.time.plus_ns(nearest(self.period_ns)),
        })
    }
}

fn nearest(value: f64) -> u64 {
    whole(value.round())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD_NS: u64 = 2_000_000;

    /// Indices of edges given as (microseconds, number); `None` for a spurious one.
    fn indices(edges: &[(u64, u32)]) -> Vec<Option<(u64, u64)>> {
        let mut counter = SampleCounter::new(PERIOD_NS);
        edges
            .iter()
            .map(|&(us, sequence)| {
                let time = MonotonicNs(us * 1_000);
                let position = counter.place(DrdyEdge { time, sequence })?;
                Some((position.index, position.skipped))
            })
            .collect()
    }

    #[test]
    fn edges_get_their_places() {
        for (what, edges, expected) in [
            (
                "in step, the first number being anything",
                vec![(5, 77), (2_005, 78), (4_105, 79)],
                vec![Some((0, 0)), Some((1, 0)), Some((2, 0))],
            ),
            (
                "three unread",
                vec![(0, 1), (8_000, 5), (10_000, 6)],
                vec![Some((0, 0)), Some((4, 3)), Some((5, 0))],
            ),
            (
                "numbers wrap",
                vec![(0, u32::MAX), (2_000, 0), (6_000, 2)],
                vec![Some((0, 0)), Some((1, 0)), Some((3, 1))],
            ),
            (
                "an edge lost before it was numbered",
                vec![(0, 1), (6_010, 2), (8_000, 3)],
                vec![Some((0, 0)), Some((3, 2)), Some((4, 0))],
            ),
            (
                "edges lost before they were numbered, and the host late for one that was",
                vec![(0, 1), (22_000, 3), (24_000, 4)],
                vec![Some((0, 0)), Some((11, 10)), Some((12, 0))],
            ),
            (
                "noise on the line",
                vec![(0, 1), (100, 2), (2_000, 3), (4_000, 4)],
                vec![Some((0, 0)), None, Some((1, 0)), Some((2, 0))],
            ),
            (
                "late by half a period is not lost",
                vec![(0, 1), (3_000, 2), (4_000, 3)],
                vec![Some((0, 0)), Some((1, 0)), Some((2, 0))],
            ),
            (
                "numbers that stand still",
                vec![(0, 0), (2_000, 0), (8_000, 0)],
                vec![Some((0, 0)), Some((1, 0)), Some((4, 2))],
            ),
        ] {
            assert_eq!(indices(&edges), expected, "{what}");
        }
    }

    #[test]
    fn after_a_stop_time_tells_with_the_period_the_chip_has() {
        // A chip 1.5 % slow: 1000 periods later the nominal period would be 15 samples off.
        let mut counter = SampleCounter::new(PERIOD_NS);
        let at = |index: u64| MonotonicNs(index * 2_030_000);
        for index in 0..1_000_u32 {
            let time = at(index.into());
            counter.place(DrdyEdge {
                time,
                sequence: index,
            });
        }
        counter.stopped();
        let edge = DrdyEdge {
            time: at(2_000),
            sequence: 3,
        };
        let position = counter.place(edge);
        assert_eq!(
            position,
            Some(Position {
                index: 2_000,
                skipped: 1_000,
                skipped_time: at(1_000)
            })
        );
        assert_eq!(counter.next_index(), 2_001);
        assert_eq!(counter.last_time(), Some(at(2_000)));
    }
    #[test]
    fn many_stops_do_not_add_up() {
        // Each stop shifts the conversions by 0.4 periods; a hundred of them by 40.
        let mut counter = SampleCounter::new(PERIOD_NS);
        let mut time_ns = 0;
        for stop in 0..=100_u32 {
            let time = MonotonicNs(time_ns);
            counter.place(DrdyEdge {
                time,
                sequence: stop,
            });
            counter.stopped();
            time_ns += 100 * PERIOD_NS + PERIOD_NS * 4 / 10;
        }
        assert_eq!(counter.next_index(), 10_041);
    }
}
