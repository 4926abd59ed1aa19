//! One transaction's worth of rows.

use std::sync::Arc;

use ecg_chain::{ClockRelation, MonotonicNs, SessionInfo, WallUs};
use rusqlite::{Connection, TransactionBehavior};

use super::audit::AuditQueue;
use super::chain::{self, Chain, ChainHead, Kind};
use super::error::{Context, StoreError};
use super::pending::{Backlog, LabelSource, PendingMaps, PendingRow};
use super::rows::{Commit, CommittedRow, Leads, SessionCounts, StoredBeat, StoredEvent, StoredGap};
use super::statements::Statements;

/// The session being recorded.
pub(super) struct OpenSession {
    /// Its row in the database that is written now; `None` while it has none there.
    pub(super) row: Option<i64>,
    pub(super) info: SessionInfo,
    /// How the clocks stand to each other.
    pub(super) clocks: Clocks,
    /// Who labels beats from here on.
    pub(super) label_source: LabelSource,
    /// Whether its row says how it ended.
    pub(super) ended: bool,
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
    /// The newest link of the chain.
    pub(super) head: Option<ChainHead>,
}

/// What writing a batch has come to so far.
struct Progress<'a> {
    statements: &'a Statements<'a>,
    chain: Chain<'a>,
    session: i64,
    leads: Leads,
    /// The last beat's label source and its row.
    label_source: Option<(LabelSource, i64)>,
    newest_beat: i64,
    clocks: Clocks,
    counts: SessionCounts,
    rows: Vec<CommittedRow>,
}

/// What waits for a commit.
pub(super) struct Batch<'a> {
    pub(super) backlog: &'a Backlog,
    /// The most rows of the backlog that are taken.
    pub(super) most: usize,
    /// Maps made on request.
    pub(super) maps: &'a PendingMaps,
    /// Who asked for what.
    pub(super) audit: &'a AuditQueue,
    /// Whether rows get links of the chain; off in benchmarks alone.
    pub(super) chained: bool,
}

/// Commits the oldest rows of a batch, what was dropped before them, the session's row if it has none
/// yet, its counts, maps and audit together, or none of it.
pub(super) fn commit_batch(
    connection: &mut Connection,
    context: &Context<'_>,
    session: &OpenSession,
    batch: &Batch<'_>,
) -> Result<Committed, StoreError> {
    // dropped without `commit` on every error below, which rolls it back
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| context.explain("beginning a transaction", error))?;
    let statements = Statements {
        connection: &transaction,
        context,
    };
    let mut chain = Chain::open(&transaction, batch.chained)
        .map_err(|error| context.explain("reading the chain", error))?;
    let row = match session.row {
        Some(row) => row,
        None => {
            let source = statements.label_source(&session.info.model, &session.info.engine)?;
            let row = statements.session(&session.info, source)?;
            statements.link(&mut chain, row, Kind::Session, row, || {
                chain::session(row, &session.info)
            })?;
            // a session that goes on in a fresh database
            if let Some((relation, step_us)) = session.clocks.since(session.info.start) {
                let id = statements.clock_relation(row, relation, step_us)?;
                statements.link(&mut chain, row, Kind::Clock, id, || {
                    chain::clock(id, row, relation, step_us)
                })?;
            }
            row
        }
    };
    let backlog = batch.backlog;
    let rows = backlog.len().min(batch.most);
    let before = statements.mark()?;
    let mut progress = Progress {
        statements: &statements,
        chain,
        session: row,
        leads: Leads::new(&session.info),
        label_source: None,
        newest_beat: before.beat,
        clocks: session.clocks,
        counts: SessionCounts::default(),
        rows: Vec::with_capacity(rows),
    };
    if let Some(row) = backlog.dropped().clock() {
        progress.write(&row)?;
    }
    if let Some(gap) = backlog.dropped().gap() {
        progress.write(&PendingRow::Gap(gap))?;
    }
    for row in backlog.oldest(rows) {
        progress.write(row)?;
    }
    statements.add_counts(row, &progress.counts)?;
    batch.audit.write(&transaction, context)?;
    if session.ended {
        // its end has a link with the counts of before
        statements.link_end(&mut progress.chain, row)?;
    }
    let (clocks, head) = (progress.clocks, progress.chain.head());
    let commit = Commit {
        before,
        rows: progress.rows,
    };
    let maps = statements.maps(batch.maps)?;
    transaction
        .commit()
        .map_err(|error| context.explain("committing", error))?;
    Ok(Committed {
        commit,
        session: row,
        rows,
        maps,
        clocks,
        head,
    })
}

/// Ends a session, with its link.
pub(super) fn end_session(
    connection: &mut Connection,
    context: &Context<'_>,
    session: i64,
    at: ClockRelation,
    reason: &str,
    chained: bool,
) -> Result<Option<ChainHead>, StoreError> {
    const DOING: &str = "ending a session";
    let explain = |error| context.explain(DOING, error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(explain)?;
    let statements = Statements {
        connection: &transaction,
        context,
    };
    statements.end_session(session, at, reason)?;
    let mut chain = Chain::open(&transaction, chained).map_err(explain)?;
    statements.link_end(&mut chain, session)?;
    let head = chain.head();
    transaction.commit().map_err(explain)?;
    Ok(head)
}

impl Progress<'_> {
    fn label_source(&mut self, source: &LabelSource) -> Result<i64, StoreError> {
        match &self.label_source {
            Some((known, row)) if known == source => Ok(*row),
            _ => {
                let row = self
                    .statements
                    .label_source(&source.model, &source.engine)?;
                self.label_source = Some((source.clone(), row));
                Ok(row)
            }
        }
    }

    fn link(
        &mut self,
        kind: Kind,
        row: i64,
        digest: impl FnOnce() -> chain::Hash,
    ) -> Result<(), StoreError> {
        self.statements
            .link(&mut self.chain, self.session, kind, row, digest)
    }

    fn write(&mut self, row: &PendingRow) -> Result<(), StoreError> {
        let (statements, session) = (self.statements, self.session);
        match row {
            PendingRow::Beat(beat, source) => {
                let r_wall = self.clocks.wall_at(beat.r_time);
                let source_row = self.label_source(source)?;
                self.newest_beat = statements.beat(session, r_wall, source_row, beat)?;
                self.counts.beats_by_class[beat.class.index()] += 1;
                self.counts.unclassifiable += u64::from(beat.unclassifiable.is_some());
                let stored = StoredBeat {
                    id: self.newest_beat,
                    session,
                    r_wall,
                    model: Arc::clone(&source.model),
                    engine: Arc::clone(&source.engine),
                    lead: self.leads.lead(beat.channel),
                    beat: beat.clone(),
                };
                self.link(Kind::Beat, stored.id, || chain::beat(&stored))?;
                self.rows.push(CommittedRow::Beat(stored));
            }
            PendingRow::Gap(gap) => {
                let wall = self.clocks.wall_at(gap.time);
                let id = statements.gap(session, wall, self.newest_beat, gap)?;
                self.counts.gaps += 1;
                self.counts.missing_samples = self
                    .counts
                    .missing_samples
                    .saturating_add(gap.missing_samples);
                let stored = StoredGap {
                    id,
                    session,
                    wall,
                    after_beat: self.newest_beat,
                    gap: *gap,
                };
                self.link(Kind::Gap, id, || chain::gap(&stored))?;
                self.rows.push(CommittedRow::Gap(stored));
            }
            PendingRow::Event(event) => {
                let wall = self.clocks.wall_at(event.time);
                let id = statements.event(session, wall, self.newest_beat, event)?;
                self.counts.events += 1;
                let stored = StoredEvent::new(
                    id,
                    (session, &self.leads),
                    wall,
                    self.newest_beat,
                    event.clone(),
                );
                self.link(Kind::Event, id, || chain::event(&stored))?;
                self.rows.push(CommittedRow::Event(stored));
            }
            PendingRow::Clock(relation, step_us) => {
                let id = statements.clock_relation(session, *relation, *step_us)?;
                self.link(Kind::Clock, id, || {
                    chain::clock(id, session, *relation, *step_us)
                })?;
                self.clocks.step(*relation);
            }
            PendingRow::Saliency(row) => statements.saliency(self.newest_beat, row)?,
            PendingRow::Block(block) => {
                let id = statements.block(session, block)?;
                self.link(Kind::Ecg, id, || chain::ecg(id, session, block))?;
                self.counts.samples += block.samples;
            }
        }
        Ok(())
    }
}
