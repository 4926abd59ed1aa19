//! Carries committed rows to the streams.

use std::sync::{Arc, Mutex};

use tokio::sync::broadcast;

use super::json::Json;
use super::locked::locked;
use crate::store::{Commit, CommittedRow, StoreMark};

/// Commits a stream may be behind before it is closed.
pub(super) const MOST_COMMITS_BEHIND: usize = 256;
/// A row as it goes over the stream, serialised once for all clients.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) row: RowId,
    pub(super) data: Arc<str>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum RowId {
    Beat(i64),
    Gap(i64),
    Event(i64),
    Correction,
}

/// A commit as it goes to the streams.
#[derive(Debug)]
pub(super) struct Published {
    /// Where its database stood before.
    pub(super) before: StoreMark,
    pub(super) frames: Vec<Frame>,
}

/// Carries committed rows from the store's commit hook to the streams; cheap to clone.
#[derive(Debug, Clone)]
pub struct StreamHub {
    commits: broadcast::Sender<Arc<Published>>,
    /// Where the database stands after what was published last. Held while a commit is passed on, so
    /// that a stream begins exactly between two of them.
    latest: Arc<Mutex<Option<StoreMark>>>,
}

impl Default for StreamHub {
    fn default() -> Self {
        Self {
            commits: broadcast::Sender::new(MOST_COMMITS_BEHIND),
            latest: Arc::default(),
        }
    }
}

impl StreamHub {
    /// A hub for a database that stands at `mark`; `None` where that is not known yet.
    #[must_use]
    pub fn at(mark: Option<StoreMark>) -> Self {
        let hub = Self::default();
        *locked(&hub.latest) = mark;
        hub
    }

    /// Passes a commit on to every open stream; never blocks, costs next to nothing without one.
    pub fn publish(&self, commit: &Commit) {
        let mut latest = locked(&self.latest);
        let mut after = commit.before;
        for row in &commit.rows {
            advance(&mut after, RowId::of_row(row));
        }
        *latest = Some(after);
        if self.commits.receiver_count() > 0 {
            // no receiver any more is no error
            let _ = self.commits.send(Arc::new(Published {
                before: commit.before,
                frames: commit.rows.iter().map(frame).collect(),
            }));
        }
    }

    /// Everything published from now on, and where the database stands at this moment.
    pub(super) fn subscribe(&self) -> (broadcast::Receiver<Arc<Published>>, Option<StoreMark>) {
        let latest = locked(&self.latest);
        (self.commits.subscribe(), *latest)
    }
}

impl RowId {
    const fn of_row(row: &CommittedRow) -> Self {
        match row {
            CommittedRow::Beat(row) => Self::Beat(row.id),
            CommittedRow::Gap(row) => Self::Gap(row.id),
            CommittedRow::Event(row) => Self::Event(row.id),
            CommittedRow::Correction(_) => Self::Correction,
        }
    }

    /// What the row is called in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Beat(_) => "beat",
            Self::Gap(_) => "gap",
            Self::Event(_) => "event",
            Self::Correction => "correction",
        }
    }
}

/// The row serialised.
pub(super) fn frame(row: &CommittedRow) -> Frame {
    let data = match row {
        CommittedRow::Beat(row) => serde_json::to_string(&Json(row)),
        CommittedRow::Gap(row) => serde_json::to_string(&Json(row)),
        CommittedRow::Event(row) => serde_json::to_string(&Json(row)),
        CommittedRow::Correction(row) => serde_json::to_string(&Json(row)),
    };
    Frame {
        row: RowId::of_row(row),
        data: data.unwrap_or_default().into(), // plain structs serialise
    }
}

/// Moves a stream's position past the row; false if it has been sent before, or is none of a stream's.
pub(super) fn advance(position: &mut StoreMark, row: RowId) -> bool {
    let (sent, id) = match row {
        RowId::Beat(id) => (&mut position.beat, id),
        RowId::Gap(id) => (&mut position.gap, id),
        RowId::Event(id) => (&mut position.event, id),
        RowId::Correction => return false,
    };
    let new = id > *sent;
    *sent = id.max(*sent);
    new
}
