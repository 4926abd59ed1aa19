//! One transaction's worth of rows.

use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};

use crate::pipeline::{Event, Gap, LabelledBeat, SessionInfo};
use crate::time::{ClockRelation, MonotonicNs, WallUs};

use super::StoreError;
use super::audit::AuditQueue;
use super::error::Context;
use super::outage::{Backlog, MapsWaiting};
use super::rows::{Commit, CommittedRow, SessionCounts, StoredBeat, StoredEvent, StoredGap};
use super::saliency::StoredSaliency;
use super::statements::{EncodedBlock, Statements};

/// A row waiting for its commit.
pub(super) enum Waiting {
    Beat(LabelledBeat, Decider),
    Gap(Gap),
    Event(Event),
    Block(EncodedBlock),
    /// How the clocks stand to each other from here on, and by how much the wall clock stepped.
    Clock(ClockRelation, i64),
    /// Of the newest beat; its own id is not known yet.
    Saliency(Box<StoredSaliency>),
}

/// Who labelled a beat.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Decider {
    pub(super) model: Arc<str>,
    pub(super) engine: Arc<str>,
}

/// The session being recorded.
pub(super) struct OpenSession {
    /// Its row in the database that is written now; `None` while it has none there.
    pub(super) row: Option<i64>,
    pub(super) info: SessionInfo,
    /// How the clocks stand to each other.
    pub(super) clocks: Clocks,
    /// Who labels beats from here on.
    pub(super) decider: Decider,
}

/// How the clocks stand to each other since the last step, and how they stood before it.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    before: ClockRelation,
    now: ClockRelation,
}

impl Clocks {
    pub(super) const fn new(start: ClockRelation) -> Self {
        Self {
            before: start,
            now: start,
        }
    }

    /// The step a session begins with whose row is made only now: how the clocks stand, and by how
    /// much the wall clock has stepped since `start`, where it has.
    fn since(&self, start: ClockRelation) -> Option<(ClockRelation, i64)> {
        let expected = start.wall_at(self.now.monotonic);
        (self.now != start).then_some((self.now, self.now.wall.0.saturating_sub(expected.0)))
    }

    const fn step(&mut self, now: ClockRelation) {
        self.before = self.now;
        self.now = now;
    }

    /// Rows come a while after what they tell of: what happened before a step has the time the
    /// clock showed then.
    pub(super) fn wall_at(&self, time: MonotonicNs) -> WallUs {
        let relation = if time < self.now.monotonic {
            self.before
        } else {
            self.now
        };
        relation.wall_at(time)
    }
}

/// What a transaction has done.
pub(super) struct Committed {
    pub(super) commit: Commit,
    /// The session's row.
    pub(super) session: i64,
    /// Rows of the backlog that are stored now.
    pub(super) rows: usize,
    /// Maps that are.
    pub(super) maps: usize,
    /// The relation of the clocks after them.
    pub(super) clocks: Clocks,
}

/// What writing a batch has come to so far.
struct Progress<'a> {
    statements: &'a Statements<'a>,
    session: i64,
    /// The last beat's decider and its row.
    decider: Option<(Decider, i64)>,
    newest_beat: i64,
    clocks: Clocks,
    counts: SessionCounts,
    rows: Vec<CommittedRow>,
}

/// Commits the oldest `most` rows, what was let go before them, the session's row if it has none yet,
/// its counts and maps made on request together, or none of it.
pub(super) fn commit_batch(
    connection: &mut Connection,
    context: &Context<'_>,
    session: &OpenSession,
    backlog: &Backlog,
    audit: &AuditQueue,
    most: usize,
    maps: &MapsWaiting,
) -> Result<Committed, StoreError> {
    // dropped without `commit` on every error below, which rolls it back
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| context.explain("beginning a transaction", error))?;
    let statements = Statements {
        connection: &transaction,
        context,
    };
    let row = match session.row {
        Some(row) => row,
        None => {
            let decider = statements.decider(&session.info.model, &session.info.engine)?;
            let row = statements.session(&session.info, decider)?;
            // a session that goes on in a fresh database
            if let Some((relation, step_us)) = session.clocks.since(session.info.start) {
                statements.clock_relation(row, relation, step_us)?;
            }
            row
        }
    };
    let rows = backlog.len().min(most);
    let before = statements.mark()?;
    let mut progress = Progress {
        statements: &statements,
        session: row,
        decider: None,
        newest_beat: before.beat,
        clocks: session.clocks,
        counts: SessionCounts::default(),
        rows: Vec::with_capacity(rows),
    };
    if let Some(row) = backlog.let_go().clock() {
        progress.write(&row)?;
    }
    if let Some(gap) = backlog.let_go().gap() {
        progress.write(&Waiting::Gap(gap))?;
    }
    for row in backlog.oldest(rows) {
        progress.write(row)?;
    }
    statements.add_counts(row, &progress.counts)?;
    audit.write(&transaction, context)?;
    let clocks = progress.clocks;
    let commit = Commit {
        before,
        rows: progress.rows,
    };
    let maps = statements.maps(maps)?;
    transaction
        .commit()
        .map_err(|error| context.explain("committing", error))?;
    Ok(Committed {
        commit,
        session: row,
        rows,
        maps,
        clocks,
    })
}

impl Progress<'_> {
    fn decider(&mut self, decider: &Decider) -> Result<i64, StoreError> {
        match &self.decider {
            Some((known, row)) if known == decider => Ok(*row),
            _ => {
                let row = self.statements.decider(&decider.model, &decider.engine)?;
                self.decider = Some((decider.clone(), row));
                Ok(row)
            }
        }
    }

    fn write(&mut self, row: &Waiting) -> Result<(), StoreError> {
        let (statements, session) = (self.statements, self.session);
        match row {
            Waiting::Beat(beat, decider) => {
                let r_wall = self.clocks.wall_at(beat.r_time);
                let decider_row = self.decider(decider)?;
                self.newest_beat = statements.beat(session, r_wall, decider_row, beat)?;
                self.counts.beats_by_class[beat.class.index()] += 1;
                self.counts.unclassifiable += u64::from(beat.unclassifiable.is_some());
                self.rows.push(CommittedRow::Beat(StoredBeat {
                    id: self.newest_beat,
                    session,
                    r_wall,
                    model: Arc::clone(&decider.model),
                    engine: Arc::clone(&decider.engine),
                    beat: beat.clone(),
                }));
            }
            Waiting::Gap(gap) => {
                let wall = self.clocks.wall_at(gap.time);
                let id = statements.gap(session, wall, self.newest_beat, gap)?;
                self.counts.gaps += 1;
                self.counts.missing_samples = self
                    .counts
                    .missing_samples
                    .saturating_add(gap.missing_samples);
                self.rows.push(CommittedRow::Gap(StoredGap {
                    id,
                    session,
                    wall,
                    after_beat: self.newest_beat,
                    gap: *gap,
                }));
            }
            Waiting::Event(event) => {
                let wall = self.clocks.wall_at(event.time);
                let id = statements.event(session, wall, self.newest_beat, event)?;
                self.counts.events += 1;
                self.rows.push(CommittedRow::Event(StoredEvent::new(
                    id,
                    session,
                    wall,
                    self.newest_beat,
                    event.clone(),
                )));
            }
            Waiting::Clock(relation, step_us) => {
                statements.clock_relation(session, *relation, *step_us)?;
                self.clocks.step(*relation);
            }
            Waiting::Saliency(row) => statements.saliency(self.newest_beat, row)?,
            Waiting::Block(block) => {
                statements.block(session, block)?;
                self.counts.samples += block.samples;
            }
        }
        Ok(())
    }
}
