//! Rows that wait for their commit.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ecg_chain::{ClockRelation, Event, Gap, GapCause, LabelledBeat, MonotonicNs};

use super::rows::{EncodedBlock, LabelSource};
use super::saliency::StoredSaliency;

/// A row waiting for its commit.
pub(super) enum PendingRow {
    Beat(LabelledBeat, LabelSource),
    Gap(Gap),
    Event(Event),
    Block(EncodedBlock),
    /// How the clocks stand to each other from here on, and by how much the wall clock stepped.
    Clock(ClockRelation, i64),
    /// Of the newest beat; its own id is not known yet.
    Saliency(Box<StoredSaliency>),
}

/// Maps made on request that wait for a commit at most, and the memory they take at most.
pub(super) const MOST_MAPS: usize = 64;
pub(super) const MOST_MAP_BYTES: usize = 1 << 20;

/// A row in the backlog and since when it waits.
struct Queued {
    row: PendingRow,
    since: Instant,
}

/// Rows waiting for their commit, oldest first, and what had to be dropped before them.
#[derive(Default)]
pub(super) struct Backlog {
    rows: VecDeque<Queued>,
    bytes: usize,
    dropped: Dropped,
}

/// Rows dropped since the last commit: all of them are older than the backlog's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    rows: u64,
    /// How the clocks stand since the newest step among them, and all their steps together: the times
    /// of later rows rest on it.
    clock: Option<(ClockRelation, i64)>,
    /// First and last position, the last exclusive, and the time of the first.
    range: Option<(u64, u64, MonotonicNs)>,
}

impl Backlog {
    pub(super) fn push(&mut self, row: PendingRow) {
        let row = self.queued(row);
        self.rows.push_back(row);
    }

    /// Puts a row before all others.
    pub(super) fn push_first(&mut self, row: PendingRow) {
        let row = self.queued(row);
        self.rows.push_front(row);
    }

    fn queued(&mut self, row: PendingRow) -> Queued {
        self.bytes += row.bytes();
        let since = Instant::now();
        Queued { row, since }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.dropped.rows == 0
    }

    pub(super) fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// The oldest rows, at most `most`.
    pub(super) fn oldest(&self, most: usize) -> impl Iterator<Item = &PendingRow> {
        self.rows.iter().take(most).map(|queued| &queued.row)
    }

    /// Forgets the oldest `count` rows, and what was dropped before them: they are committed.
    pub(super) fn committed(&mut self, count: usize) {
        self.dropped = Dropped::default();
        for queued in self.rows.drain(..count.min(self.rows.len())) {
            self.bytes -= queued.row.bytes();
        }
    }

    /// Forgets maps before all else in line: the beat they belong to is not in the database that is
    /// written now. They are made anew when they are asked for.
    pub(super) fn drop_orphans(&mut self) {
        while let Some(queued) = self
            .rows
            .pop_front_if(|queued| matches!(queued.row, PendingRow::Saliency(..)))
        {
            self.bytes -= queued.row.bytes();
        }
    }

    /// Drops the oldest rows until the limits are kept; how many went.
    pub(super) fn enforce(&mut self, longest: Option<Duration>, most_bytes: usize) -> u64 {
        let before = self.dropped.rows;
        while let Some(oldest) = self.rows.front() {
            let too_old = longest.is_some_and(|longest| oldest.since.elapsed() > longest);
            if !too_old && self.bytes <= most_bytes {
                break;
            }
            if let Some(queued) = self.rows.pop_front() {
                self.bytes -= queued.row.bytes();
                self.dropped.add(&queued.row);
                if matches!(queued.row, PendingRow::Beat(..)) {
                    self.drop_orphans();
                }
            }
        }
        self.dropped.rows - before
    }
}

/// Maps of stored beats waiting for a commit that is due anyway, oldest first.
#[derive(Debug, Default)]
pub(super) struct PendingMaps {
    maps: VecDeque<StoredSaliency>,
    bytes: usize,
    since: Option<Instant>,
}

impl PendingMaps {
    pub(super) fn push(&mut self, map: StoredSaliency) {
        self.bytes += size_of::<StoredSaliency>() + map.map.bytes();
        self.maps.push_back(map);
        self.since.get_or_insert_with(Instant::now);
    }

    /// As [`PendingMaps::push`], keeping to the limits; how many had to go.
    pub(super) fn push_dropping_oldest(&mut self, map: StoredSaliency) -> usize {
        self.push(map);
        let before = self.maps.len();
        while self.maps.len() > MOST_MAPS || self.bytes > MOST_MAP_BYTES {
            let Some(oldest) = self.maps.pop_front() else {
                break;
            };
            self.bytes -= size_of::<StoredSaliency>() + oldest.map.bytes();
        }
        before - self.maps.len()
    }

    /// Whether there is no room for another one.
    pub(super) fn is_full(&self) -> bool {
        self.maps.len() >= MOST_MAPS || self.bytes >= MOST_MAP_BYTES
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &StoredSaliency> {
        self.maps.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.maps.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.maps.is_empty()
    }

    /// When the oldest came.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }
}

impl PendingRow {
    /// Memory the row takes, about.
    fn bytes(&self) -> usize {
        size_of::<Queued>()
            + match self {
                Self::Block(block) => block.blob.capacity(),
                Self::Event(event) => event.detail.capacity(),
                Self::Saliency(row) => row.map.bytes(),
                Self::Beat(..) | Self::Gap(_) | Self::Clock(..) => 0,
            }
    }

    /// The positions the row is about, first and last (exclusive), and the time of the first; `None`
    /// for what stands at none.
    pub(super) fn range(&self) -> Option<(u64, u64, MonotonicNs)> {
        match self {
            Self::Beat(beat, _) => Some((beat.r_sample, 1, beat.r_time)),
            Self::Gap(gap) => Some((gap.first_missing_sample, gap.missing_samples, gap.time)),
            Self::Event(event) => Some((event.sample, 0, event.time)),
            Self::Block(block) => Some((block.first_sample, block.samples, block.first_time)),
            Self::Clock(..) | Self::Saliency(_) => None,
        }
        .map(|(first, samples, time)| (first, first.saturating_add(samples), time))
    }
}

impl Dropped {
    fn add(&mut self, row: &PendingRow) {
        self.rows += 1;
        match row {
            // an event stands at a position without taking it away
            PendingRow::Event(_) => return,
            PendingRow::Clock(relation, step_us) => {
                let before = self.clock.map_or(0, |(_, step_us)| step_us);
                self.clock = Some((*relation, step_us.saturating_add(before)));
            }
            _ => {}
        }
        let Some((first, end, time)) = row.range() else {
            return;
        };
        // Oldest rows go first, so whatever lies between two of them went as well.
        self.range = Some(match self.range {
            None => (first, end, time),
            Some((begun, ended, at)) if begun <= first => (begun, ended.max(end), at),
            Some((_, ended, _)) => (first, ended.max(end), time),
        });
    }

    /// The step of the clocks to be stored all the same.
    pub(super) fn clock(&self) -> Option<PendingRow> {
        self.clock
            .map(|(relation, step_us)| PendingRow::Clock(relation, step_us))
    }

    /// The gap to be stored in place of the rows.
    pub(super) fn gap(&self) -> Option<Gap> {
        self.range.map(|(first, end, time)| Gap {
            first_missing_sample: first,
            missing_samples: end.saturating_sub(first).max(1),
            time,
            cause: GapCause::NotStored,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(first_sample: u64, samples: u64) -> PendingRow {
        PendingRow::Block(EncodedBlock {
            first_sample,
            samples,
            first_time: MonotonicNs(first_sample * 10),
            blob: vec![0; 1_000],
        })
    }

    #[test]
    fn the_oldest_go_first_and_leave_one_gap() {
        let mut backlog = Backlog::default();
        for k in 0..10 {
            backlog.push(block(k * 100, 100));
        }
        let whole = backlog.bytes();
        assert_eq!(backlog.enforce(None, whole), 0);
        assert_eq!(backlog.enforce(None, whole / 2), 5);
        let gap = backlog.dropped().gap().unwrap();
        assert_eq!((gap.first_missing_sample, gap.missing_samples), (0, 500));
        assert_eq!((gap.time, gap.cause), (MonotonicNs(0), GapCause::NotStored));
        assert_eq!(backlog.enforce(Some(Duration::ZERO), usize::MAX), 5);
        assert_eq!(backlog.dropped().gap().unwrap().missing_samples, 1_000);
        assert_eq!((backlog.bytes(), backlog.len()), (0, 0));
        assert!(!backlog.is_empty(), "the gap is still to be stored");
        backlog.committed(0);
        assert!(backlog.is_empty());
    }
}
