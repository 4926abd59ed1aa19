//! One transaction's worth of rows.

use std::sync::Arc;

use arrhythmianet::Unclassifiable;
use ecg_chain::{ClockRelation, MonotonicNs, WallUs};
use ecg_chain::{Event, Gap, LabelledBeat, SessionInfo};
use rusqlite::{Connection, ToSql, TransactionBehavior, params};

use super::audit::AuditQueue;
use super::chain::{Chain, ChainHead, Kind};
use super::correction::decision_of;
use super::error::{Context, StoreError};
use super::identity::StoreMark;
use super::patient_label::Sealed;
use super::pending::{Backlog, PendingMaps, PendingRow};
use super::rows::{
    Commit, CommittedRow, LabelSource, Leads, SessionCounts, StoredBeat, StoredEvent, StoredGap,
    channel_to_sql, class_to_sql, episode_to_sql, lead_to_sql, mains_to_sql, to_sql,
};
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

/// Writes the oldest rows of a batch, what was dropped before them, the session's row if it has none
/// yet, its counts, maps and audit, inside the transaction that is open.
pub(super) fn write_batch(
    statements: &Statements<'_>,
    session: &OpenSession,
    batch: &Batch<'_>,
) -> Result<Committed, StoreError> {
    let (connection, context) = (statements.connection, statements.context);
    let chain = Chain::open(connection, batch.chained)
        .map_err(|error| context.explain("reading the chain", error))?;
    let before = StoreMark::read(connection)
        .map_err(|error| context.explain_row("reading the newest ids", error))?;
    let backlog = batch.backlog;
    let rows = backlog.len().min(batch.most);
    let mut progress = Progress {
        statements,
        chain,
        session: 0,
        leads: Leads::new(&session.info),
        label_source: None,
        newest_beat: before.beat,
        clocks: session.clocks,
        counts: SessionCounts::default(),
        rows: Vec::with_capacity(rows),
    };
    match session.row {
        Some(row) => progress.session = row,
        None => progress.begin(session)?,
    }
    if let Some(row) = backlog.dropped().clock() {
        progress.write(&row)?;
    }
    if let Some(gap) = backlog.dropped().gap() {
        progress.write(&PendingRow::Gap(gap))?;
    }
    for row in backlog.oldest(rows) {
        progress.write(row)?;
    }
    let row = progress.session;
    statements.add_counts(row, &progress.counts)?;
    batch.audit.write(connection, context)?;
    if session.ended {
        // its end has a link with the counts of before
        statements.link_end(&mut progress.chain, row)?;
    }
    let (clocks, head) = (progress.clocks, progress.chain.head());
    let commit = Commit {
        before,
        rows: progress.rows,
    };
    Ok(Committed {
        commit,
        session: row,
        rows,
        maps: statements.maps(batch.maps)?,
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
    /// Begins a session that has no row yet.
    fn begin(&mut self, session: &OpenSession) -> Result<(), StoreError> {
        let info = &session.info;
        let source = LabelSource::at_start(info);
        let source_row = self.label_source(&source)?;
        let [uv_per_code_0, uv_per_code_1] = info.uv_per_code;
        let [lead_0, lead_1] = info.leads.each_ref().map(|lead| lead_to_sql(lead));
        let label = info.patient_label.as_deref();
        let sealed = label
            .map(|label| Sealed::new(self.statements.connection, label))
            .transpose()
            .map_err(|error| self.statements.context.explain("storing a session", error))?;
        let values = params![
            info.source,
            info.origin,
            info.chip,
            info.sample_rate_hz,
            uv_per_code_0,
            uv_per_code_1,
            to_sql(info.start.monotonic.0, "sessions.start_monotonic_ns")?,
            info.start.wall.0,
            source_row,
            lead_0,
            lead_1,
            info.mains.map(mains_to_sql),
            info.channel.map(channel_to_sql),
            sealed.as_ref().map(|sealed| sealed.digest),
        ];
        let (statements, chain) = (self.statements, &mut self.chain);
        self.session = statements.store(chain, None, Kind::Session, values, Some(&source))?;
        if let Some(sealed) = sealed {
            statements.update(
                "storing a session",
                "UPDATE sessions SET patient_label = ?2, label_salt = ?3 WHERE id = ?1",
                params![self.session, label, sealed.salt],
            )?;
        }
        // one that goes on in a fresh database
        if let Some((relation, step_us)) = session.clocks.since(info.start) {
            self.clock(relation, step_us)?;
        }
        Ok(())
    }

    /// The row of a label source.
    fn label_source(&mut self, source: &LabelSource) -> Result<i64, StoreError> {
        match &self.label_source {
            Some((known, row)) if known == source => Ok(*row),
            _ => {
                let row = self.statements.label_source(source)?;
                self.label_source = Some((source.clone(), row));
                Ok(row)
            }
        }
    }

    /// Stores a row of the session with its link; its id.
    fn store(&mut self, kind: Kind, values: &[&dyn ToSql]) -> Result<i64, StoreError> {
        let session = Some(self.session);
        self.statements
            .store(&mut self.chain, session, kind, values, None)
    }

    fn clock(&mut self, relation: ClockRelation, step_us: i64) -> Result<(), StoreError> {
        let monotonic_ns = to_sql(relation.monotonic.0, "clock_relations.monotonic_ns")?;
        let session = self.session;
        let values = params![session, monotonic_ns, relation.wall.0, step_us];
        self.store(Kind::Clock, values).map(drop)
    }

    fn write(&mut self, row: &PendingRow) -> Result<(), StoreError> {
        match row {
            PendingRow::Beat(beat, source) => self.beat(beat, source),
            PendingRow::Gap(gap) => self.gap(gap),
            PendingRow::Event(event) => self.event(event),
            PendingRow::Clock(relation, step_us) => {
                self.clock(*relation, *step_us)?;
                self.clocks.step(*relation);
                Ok(())
            }
            PendingRow::Saliency(row) => self.statements.saliency(self.newest_beat, row),
            PendingRow::Block(block) => {
                let session = self.session;
                let values = params![
                    session,
                    to_sql(block.first_sample, "ecg_blocks.first_sample")?,
                    to_sql(block.samples, "ecg_blocks.samples")?,
                    to_sql(block.first_time.0, "ecg_blocks.first_monotonic_ns")?,
                    block.blob,
                ];
                self.store(Kind::Ecg, values)?;
                self.counts.samples += block.samples;
                Ok(())
            }
        }
    }

    fn beat(&mut self, beat: &LabelledBeat, source: &LabelSource) -> Result<(), StoreError> {
        let (session, r_wall) = (self.session, self.clocks.wall_at(beat.r_time));
        let source_row = self.label_source(source)?;
        let [n, l, r, a, v] = beat.probabilities;
        let values = params![
            session,
            to_sql(beat.r_sample, "beats.r_sample")?,
            to_sql(beat.r_time.0, "beats.r_monotonic_ns")?,
            r_wall.0,
            beat.rr_ms,
            class_to_sql(beat.class),
            n,
            l,
            r,
            a,
            v,
            beat.channel,
            beat.quality.name(),
            beat.window_complete,
            beat.label_delay_ms,
            source_row,
            beat.unclassifiable.map(Unclassifiable::name),
        ];
        let (statements, chain) = (self.statements, &mut self.chain);
        let id = statements.store(chain, Some(session), Kind::Beat, values, Some(source))?;
        self.newest_beat = id;
        let r_sample = to_sql(beat.r_sample, "beats.r_sample")?;
        let context = statements.context;
        let decision = decision_of(statements.connection, id, session, r_sample)
            .map_err(|error| context.explain_row("looking for a correction", error))?;
        self.counts.beats_by_class[beat.class.index()] += 1;
        self.counts.unclassifiable += u64::from(beat.unclassifiable.is_some());
        self.rows.push(CommittedRow::Beat(StoredBeat {
            id,
            session,
            r_wall,
            model: Arc::clone(&source.model),
            engine: Arc::clone(&source.engine),
            lead: self.leads.lead(beat.channel),
            decision,
            beat: beat.clone(),
        }));
        Ok(())
    }

    fn gap(&mut self, gap: &Gap) -> Result<(), StoreError> {
        let (session, after_beat) = (self.session, self.newest_beat);
        let wall = self.clocks.wall_at(gap.time);
        let values = params![
            session,
            to_sql(gap.first_missing_sample, "gaps.first_missing_sample")?,
            to_sql(gap.missing_samples, "gaps.missing_samples")?,
            to_sql(gap.time.0, "gaps.monotonic_ns")?,
            wall.0,
            gap.cause.name(),
            after_beat,
        ];
        let id = self.store(Kind::Gap, values)?;
        self.counts.gaps += 1;
        let missing_samples = &mut self.counts.missing_samples;
        *missing_samples = missing_samples.saturating_add(gap.missing_samples);
        self.rows.push(CommittedRow::Gap(StoredGap {
            id,
            session,
            wall,
            after_beat,
            gap: *gap,
        }));
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Result<(), StoreError> {
        let (session, after_beat) = (self.session, self.newest_beat);
        let wall = self.clocks.wall_at(event.time);
        let (phase, subject, began) = episode_to_sql(event.episode);
        let began_sql =
            |value: Option<u64>, column| value.map(|value| to_sql(value, column)).transpose();
        let values = params![
            session,
            to_sql(event.sample, "events.sample")?,
            to_sql(event.time.0, "events.monotonic_ns")?,
            wall.0,
            event.kind.name(),
            event.detail,
            after_beat,
            phase,
            subject,
            began_sql(began.map(|(sample, _)| sample), "events.began_sample")?,
            began_sql(began.map(|(_, time)| time.0), "events.began_monotonic_ns")?,
        ];
        let id = self.store(Kind::Event, values)?;
        self.counts.events += 1;
        let place = (session, &self.leads);
        let stored = StoredEvent::new(id, place, wall, after_beat, event.clone());
        self.rows.push(CommittedRow::Event(stored));
        Ok(())
    }
}
