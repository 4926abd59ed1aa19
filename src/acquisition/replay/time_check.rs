//! Whether the times of a trace can be those of a recording.

use ecg_chain::MonotonicNs;

use super::super::drdy::DrdyEdge;
use super::super::trace::TraceEvent;

const SECOND_NS: u64 = 1_000_000_000;
const DAY_NS: u64 = 86_400 * SECOND_NS;
/// An event may lie this much before the trace's own start.
const BEFORE_START_NS: u64 = 3_600 * SECOND_NS;
/// No trace lasts longer.
const LONGEST_NS: u64 = 3_653 * DAY_NS;
/// No host stays silent longer: it writes down every wait without an edge.
const LONGEST_SILENCE_NS: u64 = 31 * DAY_NS;
/// Edges, and what the host does, may each go back by this much: an old kernel's stamps of edges are
/// taken where they are at most so far from the time they are read at.
const BACK_NS: u64 = 10 * SECOND_NS;
/// No interrupt controller counts edges faster.
const EDGES_PER_MICROSECOND: u64 = 1;
/// More edges than this are counted without time.
const EDGES_AT_ONCE: u64 = 1_000;

/// Follows the times of a trace's events.
#[derive(Debug)]
pub(super) struct TimeCheck {
    start: MonotonicNs,
    last_edge: Option<DrdyEdge>,
    /// Of transactions, waits without an edge and pins.
    last_doing: Option<MonotonicNs>,
}

impl TimeCheck {
    /// `start` is the header's; `None` where no clock can have stood there.
    pub(super) fn new(start: MonotonicNs) -> Option<Self> {
        // Times are stored as signed numbers.
        i64::try_from(start.0.saturating_add(LONGEST_NS)).ok()?;
        Some(Self {
            start,
            last_edge: None,
            last_doing: None,
        })
    }

    /// Takes in the next event.
    ///
    /// # Errors
    /// What makes no sense about it.
    pub(super) fn check(&mut self, event: &TraceEvent<'_>) -> Result<(), &'static str> {
        match event {
            TraceEvent::Frame(frame) => {
                self.edge(frame.edge)?;
                self.doing(frame.read_time)
            }
            TraceEvent::Edge(edge) => self.edge(*edge),
            TraceEvent::Timeout(time)
            | TraceEvent::Pin { time, .. }
            | TraceEvent::Transaction { time, .. } => self.doing(*time),
        }
    }

    fn edge(&mut self, edge: DrdyEdge) -> Result<(), &'static str> {
        self.time(edge.time, self.last_edge.map(|last| last.time))?;
        if let Some(last) = self.last_edge {
            let counted = u64::from(edge.sequence.wrapping_sub(last.sequence));
            let microseconds = edge.time.since(last.time) / 1_000;
            // Numbers that run backwards are known to tell nothing, and are not relied on.
            let forwards = counted <= u64::from(u32::MAX / 2);
            if forwards && counted > EDGES_AT_ONCE + microseconds * EDGES_PER_MICROSECOND {
                return Err("more edges are counted than can come in the time that passed");
            }
        }
        self.last_edge = Some(edge);
        Ok(())
    }

    fn doing(&mut self, time: MonotonicNs) -> Result<(), &'static str> {
        self.time(time, self.last_doing)?;
        self.last_doing = Some(time);
        Ok(())
    }

    fn time(&self, time: MonotonicNs, last: Option<MonotonicNs>) -> Result<(), &'static str> {
        if self.start.since(time) > BEFORE_START_NS {
            return Err("its time lies before the start of the trace");
        }
        if time.since(self.start) > LONGEST_NS {
            return Err("its time lies ten years and more from the start of the trace");
        }
        let newest = self.last_edge.map(|edge| edge.time).max(self.last_doing);
        if time.since(newest.unwrap_or(self.start)) > LONGEST_SILENCE_NS {
            return Err("its time lies more than 31 days after the event before");
        }
        if last.is_some_and(|last| last.since(time) > BACK_NS) {
            return Err("its time lies before that of an earlier event");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_no_clock_gives_are_found() {
        let day = |days: u64| days * DAY_NS;
        let start = day(100);
        let mut wrong = Vec::new();
        // Each row: edges as (nanoseconds, number), and the place of the first senseless one.
        for (what, edges, expected) in [
            (
                "a recording",
                vec![(start, 1), (start + 2_000_000, 2)],
                None,
            ),
            (
                "an edge before the start",
                vec![(start - SECOND_NS, 1), (start, 2)],
                None,
            ),
            (
                "a night of silence",
                vec![(start, 1), (start + day(1), 2)],
                None,
            ),
            (
                "a long loss",
                vec![(start, 1), (start + 10 * SECOND_NS, 5_001)],
                None,
            ),
            (
                "numbers that wrap",
                vec![(start, u32::MAX), (start + 2_000_000, 0)],
                None,
            ),
            (
                "numbers that go back",
                vec![(start, 900), (start + 2_000_000, 1)],
                None,
            ),
            (
                "a little back",
                vec![(start + 2_000_000, 1), (start, 2)],
                None,
            ),
            ("a year", vec![(start, 1), (start + day(366), 2)], Some(1)),
            (
                "many months",
                vec![(start, 1), (start + day(30), 2), (start + day(60), 3)],
                None,
            ),
            (
                "back",
                vec![(start + 11 * SECOND_NS, 1), (start, 2)],
                Some(1),
            ),
            ("before all", vec![(start, 1), (7, 2)], Some(1)),
            (
                "the end of the clock",
                vec![(start, 1), (u64::MAX, 2)],
                Some(1),
            ),
            (
                "numbers without time",
                vec![(start, 1), (start + 2_000_000, 1 << 30)],
                Some(1),
            ),
        ] {
            let mut times = TimeCheck::new(MonotonicNs(start)).unwrap();
            let found = edges.iter().position(|&(ns, sequence)| {
                let time = MonotonicNs(ns);
                let event = TraceEvent::Edge(DrdyEdge { time, sequence });
                times.check(&event).is_err()
            });
            if found != expected {
                wrong.push(format!("{what}: {found:?}, expected {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        // A recording of eleven years, month by month.
        let mut times = TimeCheck::new(MonotonicNs(0)).unwrap();
        let months = (0..140).map(|month| MonotonicNs(day(30) * month));
        let mut found = months.map(|time| times.check(&TraceEvent::Timeout(time)).is_err());
        assert_eq!(found.position(|wrong| wrong), Some(122));
        assert!(TimeCheck::new(MonotonicNs(1 << 63)).is_none());
        assert!(TimeCheck::new(MonotonicNs(u64::MAX)).is_none());
    }
}
