//! The thread: takes commands, collects rows, keeps the times by which they are committed.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use ecg_chain::{
    ClockRelation, EcgBlock, Event, EventKind, MonotonicNs, PipelineEvent, SessionInfo,
};

use super::super::audit::AuditQueue;
use super::super::batch::{Clocks, OpenSession, end_session};
use super::super::codec::{BlockEncoder, MAX_BLOCK_SAMPLES};
use super::super::database::Store;
use super::super::error::StoreError;
use super::super::housekeeping::Housekeeping;
use super::super::monitor::{Command, CommitHook, WriterMonitor};
use super::super::options::StoreOptions;
use super::super::pending::{Backlog, PendingMaps, PendingRow};
use super::super::rows::{EncodedBlock, LabelSource};
use super::super::saliency::StoredSaliency;
use super::super::statements::Statements;
use super::deletion_task::Deleting;

/// Longest wait of an idle turn: whoever watches the thread's liveness sees it alive.
const IDLE_TURN: Duration = Duration::from_secs(1);
/// The chain's newest link is logged this often, and at the end of each session.
pub(super) const HEAD_EVERY: Duration = Duration::from_secs(3_600);

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, which is meant
fn samples_to_ns(samples: u64, rate_hz: f64) -> u64 {
    (samples as f64 / rate_hz * 1e9) as u64
}

/// Writes fail for a passing reason.
pub(super) struct Trouble {
    pub(super) since: Instant,
    pub(super) pause: Duration,
    pub(super) next_try: Instant,
    /// Whether the event of it is in the backlog.
    pub(super) told: bool,
    pub(super) rows_dropped: u64,
}

pub(in super::super) struct WriterThread {
    pub(super) options: StoreOptions,
    pub(super) database: Store,
    pub(super) monitor: WriterMonitor,
    pub(super) on_commit: CommitHook,
    pub(super) encoder: BlockEncoder,
    pub(super) session: Option<OpenSession>,
    pub(super) backlog: Backlog,
    pub(super) maps: PendingMaps,
    /// When the pending rows must be committed.
    pub(super) due: Option<Instant>,
    pub(super) trouble: Option<Trouble>,
    pub(super) housekeeping: Housekeeping,
    /// Position and time of the newest row.
    pub(super) newest: (u64, MonotonicNs),
    /// Kind and detail of events that wait for a session.
    pub(super) notes: Vec<(EventKind, String)>,
    /// Who asked for what; goes along with whatever is committed next.
    pub(super) audit: AuditQueue,
    /// When the chain's newest link is logged next.
    pub(super) next_head: Instant,
    /// Whether raw ECG is left out because too little of the medium is free.
    pub(super) no_room: bool,
    /// Sessions that are being deleted, one after the other.
    pub(super) deleting: VecDeque<Deleting>,
    /// Whether those are among them whose deletion an earlier writer did not complete.
    pub(super) unfinished_known: bool,
}

impl WriterThread {
    pub(in super::super) fn new(
        mut database: Store,
        monitor: WriterMonitor,
        on_commit: CommitHook,
    ) -> Self {
        database.set_liveness(monitor.liveness().clone());
        let options = database.options().clone();
        monitor.lock().quarantined += u64::from(database.is_fresh());
        Self {
            encoder: BlockEncoder::new(options.ecg_compression_level),
            housekeeping: Housekeeping::new(&options),
            notes: database.take_notes(),
            database,
            options,
            monitor,
            on_commit,
            session: None,
            backlog: Backlog::default(),
            maps: PendingMaps::default(),
            due: None,
            trouble: None,
            newest: (0, MonotonicNs(0)),
            audit: AuditQueue::default(),
            next_head: Instant::now() + HEAD_EVERY,
            no_room: false,
            deleting: VecDeque::new(),
            unfinished_known: false,
        }
    }

    pub(in super::super) fn run(mut self, queue: &Receiver<Command>) {
        if let Err(error) = self.serve(queue) {
            let not_stored = self.backlog.len();
            tracing::error!(%error, not_stored, "the store's writer stops");
            self.monitor.note_failure(&error);
        }
        self.write_last_audit();
        // what was committed last may lie in files that have lost their names since
        if let Err(error) = self.database.check()
            && self.is_mendable(&error)
            && let Err(error) = self.mend(&error)
        {
            tracing::error!(%error, "what was committed last is lost with the files");
        }
        self.database.finish();
        // Dropping `queue`'s owner after this makes waiting senders learn of the failure.
    }

    fn serve(&mut self, queue: &Receiver<Command>) -> Result<(), StoreError> {
        loop {
            self.monitor.liveness().beat();
            let wake = match &self.trouble {
                Some(trouble) => Some(trouble.next_try),
                None => {
                    let due = self.due.into_iter().chain(self.maps_due());
                    due.chain(self.deletion_due()).min()
                }
            };
            let wait = wake.map_or(IDLE_TURN, |wake| {
                wake.saturating_duration_since(Instant::now())
                    .min(IDLE_TURN)
            });
            match queue.recv_timeout(wait) {
                Ok(command) => self.handle_command(command)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.commit_all(),
            }
            if self.is_due() {
                self.commit()?;
            }
            if self.trouble.is_none() {
                let now = self
                    .session
                    .as_ref()
                    .map(|session| session.clocks.wall_at(self.newest.1));
                let standing = self
                    .housekeeping
                    .turn(&mut self.database, now, &self.monitor);
                if let Some(standing) = standing {
                    self.show(standing);
                }
                self.show_damage();
                self.delete_on();
                if self.next_head <= Instant::now() {
                    self.log_head();
                }
            }
        }
    }

    fn is_due(&self) -> bool {
        let now = Instant::now();
        match &self.trouble {
            Some(trouble) => trouble.next_try <= now,
            None => {
                self.backlog.len() >= self.options.commit_rows
                    || self.due.is_some_and(|due| due <= now)
                    || self.maps_due().is_some_and(|due| due <= now)
            }
        }
    }

    /// Every error stops the writer; whoever asked learns of it as [`StoreError::WriterStopped`].
    fn handle_command(&mut self, command: Command) -> Result<(), StoreError> {
        match command {
            Command::Record(event) => self.record(event),
            Command::Begin(info, reply) => {
                self.end(info.start, "superseded")?;
                let id = self.begin(info)?;
                let _ = reply.send(Ok(id)); // the asker may have gone away
                Ok(())
            }
            Command::End { at, reason, reply } => {
                self.end(at, &reason)?;
                let _ = reply.send(Ok(()));
                Ok(())
            }
            Command::Audit(row) => {
                self.audit.push(row);
                Ok(())
            }
            Command::Keep(map, exchanged) => {
                self.keep(*map, exchanged);
                Ok(())
            }
            Command::ConfirmRetention => self.confirm_retention(),
            Command::Correct(asked) => {
                self.correct(*asked);
                Ok(())
            }
            Command::Delete { session, by, reply } => {
                self.delete_session(session, &by, reply);
                Ok(())
            }
            Command::Flush(reply) => {
                self.commit_all()?;
                let _ = reply.send(Ok(()));
                Ok(())
            }
        }
    }

    fn record(&mut self, event: PipelineEvent) -> Result<(), StoreError> {
        let Some(session) = &mut self.session else {
            tracing::warn!("a row came after its session had ended and is not stored");
            self.monitor.lock().rows_refused += 1;
            return Ok(());
        };
        let row = match event {
            PipelineEvent::Beat(beat) => PendingRow::Beat(beat, session.label_source.clone()),
            PipelineEvent::Gap(gap) => PendingRow::Gap(gap),
            PipelineEvent::Event(event) => PendingRow::Event(event),
            PipelineEvent::Engine(engine) => {
                session.label_source.engine = engine.into();
                return Ok(());
            }
            PipelineEvent::Clock { relation, step_us } => PendingRow::Clock(relation, step_us),
            PipelineEvent::Detail(detail) => match StoredSaliency::from_detail(&detail) {
                None => return Ok(()),
                Some(row) => PendingRow::Saliency(Box::new(row)),
            },
            PipelineEvent::Ecg(_) if self.no_room => {
                self.monitor.lock().blocks_not_stored += 1;
                return Ok(());
            }
            PipelineEvent::Ecg(block) => {
                let rate_hz = session.info.sample_rate_hz;
                return self.record_block(&block, rate_hz);
            }
            other => {
                tracing::error!(?other, "the store knows no such row, and does not store it");
                self.monitor.lock().rows_refused += 1;
                return Ok(());
            }
        };
        self.push_pending(row, self.options.commit_after);
        Ok(())
    }

    /// Stores who asked for what after the last commit there was.
    fn write_last_audit(&mut self) {
        if self.audit.is_empty() || self.trouble.is_some() {
            return;
        }
        let opened = self.database.connection();
        let written = opened.and_then(|(connection, context)| {
            Statements::transact(connection, &context, |statements| {
                self.audit.write(statements.connection, &context)
            })
        });
        if let Err(error) = written {
            tracing::warn!(%error, "who asked for what in the last seconds is in the log alone");
        }
    }

    fn record_block(&mut self, block: &EcgBlock, rate_hz: f64) -> Result<(), StoreError> {
        let mut first_sample = block.first_sample;
        for codes in block.codes.chunks(MAX_BLOCK_SAMPLES) {
            let blob = self
                .encoder
                .encode(codes)
                .map_err(|source| StoreError::Block {
                    session: self.session_row().unwrap_or(0),
                    first_sample,
                    source,
                })?;
            let encoded = EncodedBlock {
                first_sample,
                samples: codes.len() as u64,
                first_time: block
                    .first_time
                    .plus_ns(samples_to_ns(first_sample - block.first_sample, rate_hz)),
                blob,
            };
            self.push_pending(PendingRow::Block(encoded), self.options.ecg_commit_after);
            first_sample = first_sample.saturating_add(codes.len() as u64);
        }
        Ok(())
    }

    pub(super) fn push_pending(&mut self, row: PendingRow, timeout: Duration) {
        if let Some((first, _, time)) = row.range()
            && first >= self.newest.0
        {
            self.newest = (first, time);
        }
        self.backlog.push(row);
        let due = Instant::now() + timeout;
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
        self.keep_limits();
    }

    fn begin(&mut self, info: SessionInfo) -> Result<Option<i64>, StoreError> {
        self.newest = (0, info.start.monotonic);
        self.session = Some(OpenSession {
            row: None,
            clocks: Clocks::new(info.start),
            label_source: LabelSource::at_start(&info),
            info,
            ended: false,
        });
        self.show_again();
        for (kind, detail) in std::mem::take(&mut self.notes) {
            let event = self.event(kind, detail);
            self.push_pending(event, self.options.commit_after);
        }
        match self.commit_all() {
            Err(error) if self.options.outage.bridges() && self.may_pass(&error) => {
                self.monitor.clear_failure(); // it goes on without
                self.note_trouble(&error);
            }
            other => other?,
        }
        Ok(self.session_row())
    }

    fn end(&mut self, at: ClockRelation, reason: &str) -> Result<(), StoreError> {
        if self.session.is_none() {
            return Ok(());
        }
        self.commit_all()?;
        self.retry_until(|me| match me.close_row(at, reason) {
            Err(error) if me.is_mendable(&error) => {
                me.mend(&error)?;
                me.commit_pending()?;
                me.close_row(at, reason)
            }
            outcome => outcome,
        })?;
        if let Some(session) = &mut self.session {
            session.ended = true;
        }
        self.end_trouble();
        self.commit_all()?; // what the store itself had to tell of the end
        self.log_head();
        self.session = None;
        self.note_commit(0);
        Ok(())
    }

    fn close_row(&mut self, at: ClockRelation, reason: &str) -> Result<(), StoreError> {
        let Some(row) = self.session_row() else {
            return Ok(());
        };
        let chained = self.options.chained;
        let (connection, context) = self.database.connection()?;
        let head = end_session(connection, &context, row, at, reason, chained)?;
        self.monitor.lock().chain_head = head;
        Ok(())
    }

    pub(super) fn session_row(&self) -> Option<i64> {
        self.session.as_ref().and_then(|session| session.row)
    }

    /// An event of the store's own, at the newest row.
    pub(super) fn event(&self, kind: EventKind, detail: String) -> PendingRow {
        let (sample, time) = self.newest;
        PendingRow::Event(Event::momentary(sample, time, kind, detail))
    }
}
