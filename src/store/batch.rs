//! One transaction's worth of rows.

use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};

use crate::pipeline::{Event, Gap, LabelledBeat};
use crate::time::ClockRelation;

use super::StoreError;
use super::error::Context;
use super::rows::{Commit, CommittedRow, SessionCounts, StoredBeat, StoredEvent, StoredGap};
use super::saliency::StoredSaliency;
use super::statements::{EncodedBlock, Statements};

/// A row waiting for its commit.
pub(super) enum Waiting {
    Beat(LabelledBeat, Decider),
    Gap(Gap),
    Event(Event),
    Block(EncodedBlock),
    /// Of the newest beat; its own id is not known yet.
    Saliency(Box<StoredSaliency>),
}

/// Who labelled a beat.
#[derive(Clone)]
pub(super) struct Decider {
    pub(super) id: i64,
    pub(super) model: Arc<str>,
    pub(super) engine: Arc<str>,
}

/// The session being recorded.
pub(super) struct OpenSession {
    pub(super) id: i64,
    pub(super) start: ClockRelation,
    pub(super) sample_rate_hz: f64,
    pub(super) decider: Decider,
}

/// What writing a batch has come to so far.
struct Progress {
    newest_beat: i64,
    counts: SessionCounts,
    rows: Vec<CommittedRow>,
}

/// Commits the rows and the session's counts together, or none of it.
pub(super) fn commit_batch(
    connection: &mut Connection,
    context: &Context<'_>,
    session: &OpenSession,
    waiting: &[Waiting],
) -> Result<Commit, StoreError> {
    // dropped without `commit` on every error below, which rolls it back
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| context.explain("beginning a transaction", error))?;
    let statements = Statements {
        connection: &transaction,
        context,
    };
    let mut progress = Progress {
        newest_beat: statements.newest_beat_id()?,
        counts: SessionCounts::default(),
        rows: Vec::with_capacity(waiting.len()),
    };
    for row in waiting {
        progress.write(&statements, session, row)?;
    }
    statements.add_counts(session.id, &progress.counts)?;
    transaction
        .commit()
        .map_err(|error| context.explain("committing", error))?;
    Ok(Commit {
        rows: progress.rows,
    })
}

impl Progress {
    fn write(
        &mut self,
        statements: &Statements<'_>,
        session: &OpenSession,
        row: &Waiting,
    ) -> Result<(), StoreError> {
        match row {
            Waiting::Beat(beat, decider) => {
                let r_wall = session.start.wall_at(beat.r_time);
                self.newest_beat = statements.beat(session.id, r_wall, decider.id, beat)?;
                self.counts.beats_by_class[beat.class.index()] += 1;
                self.counts.unclassifiable += u64::from(beat.unclassifiable.is_some());
                self.rows.push(CommittedRow::Beat(StoredBeat {
                    id: self.newest_beat,
                    session: session.id,
                    r_wall,
                    model: Arc::clone(&decider.model),
                    engine: Arc::clone(&decider.engine),
                    beat: beat.clone(),
                }));
            }
            Waiting::Gap(gap) => {
                let wall = session.start.wall_at(gap.time);
                let id = statements.gap(session.id, wall, self.newest_beat, gap)?;
                self.counts.gaps += 1;
                self.counts.missing_samples = self
                    .counts
                    .missing_samples
                    .saturating_add(gap.missing_samples);
                self.rows.push(CommittedRow::Gap(StoredGap {
                    id,
                    session: session.id,
                    wall,
                    after_beat: self.newest_beat,
                    gap: *gap,
                }));
            }
            Waiting::Event(event) => {
                let wall = session.start.wall_at(event.time);
                let id = statements.event(session.id, wall, self.newest_beat, event)?;
                self.counts.events += 1;
                self.rows.push(CommittedRow::Event(StoredEvent::new(
                    id,
                    session.id,
                    wall,
                    self.newest_beat,
                    event.clone(),
                )));
            }
            Waiting::Saliency(row) => statements.saliency(self.newest_beat, row)?,
            Waiting::Block(block) => {
                statements.block(session.id, block)?;
                self.counts.samples += block.samples;
            }
        }
        Ok(())
    }
}
