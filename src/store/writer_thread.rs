//! The thread that writes: collects rows, commits them together, retries what may pass.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::pipeline::{EcgBlock, Event, PipelineEvent, SessionInfo};
use crate::time::{ClockRelation, MonotonicNs, WallUs};

use super::StoreError;
use super::batch::{Clocks, Decider, OpenSession, Waiting, commit_batch};
use super::codec::{BlockEncoder, MAX_BLOCK_SAMPLES};
use super::database::Database;
use super::housekeeping::Housekeeping;
use super::open::{SET_ASIDE, Store, StoreOptions, aside_note};
use super::outage::{Backlog, Outage};
use super::rows::CommittedRow;
use super::saliency::StoredSaliency;
use super::statements::{EncodedBlock, Statements};
use super::writer::{Command, CommitHook, WriterMonitor};

/// Longest wait of an idle turn: whoever watches the thread's pulse sees it alive.
const IDLE_TURN: Duration = Duration::from_secs(1);
/// First and longest pause between two tries of a write that failed for a passing reason.
const RETRY_PAUSE: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];
/// Failures that pass within this time leave no event.
const NOT_WORTH_TELLING: Duration = Duration::from_secs(1);

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, which is meant
fn samples_to_ns(samples: u64, rate_hz: f64) -> u64 {
    (samples as f64 / rate_hz * 1e9) as u64
}

/// Writes fail for a passing reason.
struct Trouble {
    since: Instant,
    pause: Duration,
    next_try: Instant,
    /// Whether the event of it is in the backlog.
    told: bool,
    rows_let_go: u64,
}

pub(super) struct WriterThread {
    options: StoreOptions,
    database: Database,
    monitor: WriterMonitor,
    on_commit: CommitHook,
    encoder: BlockEncoder,
    session: Option<OpenSession>,
    backlog: Backlog,
    /// When the waiting rows must be committed.
    due: Option<Instant>,
    trouble: Option<Trouble>,
    housekeeping: Housekeeping,
    /// Position and time of the newest row.
    newest: (u64, MonotonicNs),
    /// Kind and detail of events that wait for a session.
    notes: Vec<(&'static str, String)>,
}

impl WriterThread {
    pub(super) fn new(store: Store, monitor: WriterMonitor, on_commit: CommitHook) -> Self {
        let Store { database, notes } = store;
        let options = database.options().clone();
        monitor.lock().set_aside += notes.len() as u64;
        Self {
            encoder: BlockEncoder::new(options.ecg_compression_level),
            housekeeping: Housekeeping::new(&options),
            database,
            options,
            monitor,
            on_commit,
            session: None,
            backlog: Backlog::new(),
            due: None,
            trouble: None,
            newest: (0, MonotonicNs(0)),
            notes,
        }
    }

    pub(super) fn run(mut self, queue: &Receiver<Command>) {
        if let Err(error) = self.serve(queue) {
            let not_stored = self.backlog.len();
            tracing::error!(%error, not_stored, "the store's writer stops");
            self.monitor.note_failure(&error);
        }
        // So that the database file alone holds everything, even while readers keep the log open. A
        // reader in the middle of a query may prevent it, which costs nothing but that.
        if let Some(connection) = self.database.connection_if_open() {
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
        // Dropping `queue`'s owner after this makes waiting senders learn of the failure.
    }

    fn serve(&mut self, queue: &Receiver<Command>) -> Result<(), StoreError> {
        loop {
            self.monitor.pulse().beat();
            let wake = match &self.trouble {
                Some(trouble) => Some(trouble.next_try),
                None => self.due,
            };
            let wait = wake.map_or(IDLE_TURN, |wake| {
                wake.saturating_duration_since(Instant::now())
                    .min(IDLE_TURN)
            });
            match queue.recv_timeout(wait) {
                Ok(command) => self.obey(command)?,
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
                self.housekeeping
                    .turn(&mut self.database, now, &self.monitor);
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
            }
        }
    }

    /// Every error stops the writer; whoever asked learns of it as [`StoreError::WriterStopped`].
    fn obey(&mut self, command: Command) -> Result<(), StoreError> {
        match command {
            Command::Record(event) => self.take(event),
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
            Command::Keep(row) => {
                self.commit()?;
                match self.keep(&row) {
                    // made anew when it is next asked for
                    Err(error) if self.may_pass(&error) => Ok(()),
                    outcome => outcome,
                }
            }
            Command::Flush(reply) => {
                self.commit_all()?;
                let _ = reply.send(Ok(()));
                Ok(())
            }
        }
    }

    fn take(&mut self, event: PipelineEvent) -> Result<(), StoreError> {
        let Some(session) = &mut self.session else {
            tracing::warn!("a row came after its session had ended and is not stored");
            self.monitor.lock().rows_refused += 1;
            return Ok(());
        };
        let (row, patience) = match event {
            PipelineEvent::Beat(beat) => (
                Waiting::Beat(beat, session.decider.clone()),
                self.options.commit_after,
            ),
            PipelineEvent::Gap(gap) => (Waiting::Gap(gap), self.options.commit_after),
            PipelineEvent::Event(event) => (Waiting::Event(event), self.options.commit_after),
            PipelineEvent::Engine(engine) => {
                session.decider.engine = engine.into();
                return Ok(());
            }
            PipelineEvent::Clock { relation, step_us } => {
                (Waiting::Clock(relation, step_us), self.options.commit_after)
            }
            PipelineEvent::Detail(detail) => match StoredSaliency::of(&detail) {
                None => return Ok(()),
                Some(row) => (Waiting::Saliency(Box::new(row)), self.options.commit_after),
            },
            PipelineEvent::Ecg(block) => {
                let rate_hz = session.info.sample_rate_hz;
                return self.take_block(&block, rate_hz);
            }
        };
        self.wait_for_commit(row, patience);
        Ok(())
    }

    /// Stores the map of a beat that is already stored; not while the store is out of reach.
    fn keep(&mut self, row: &StoredSaliency) -> Result<(), StoreError> {
        if self.trouble.is_some() {
            return Ok(());
        }
        let (connection, context) = self.database.connection()?;
        Statements {
            connection,
            context: &context,
        }
        .saliency(row.beat, row)
    }

    fn take_block(&mut self, block: &EcgBlock, rate_hz: f64) -> Result<(), StoreError> {
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
            self.wait_for_commit(Waiting::Block(encoded), self.options.ecg_commit_after);
            first_sample = first_sample.saturating_add(codes.len() as u64);
        }
        Ok(())
    }

    fn wait_for_commit(&mut self, row: Waiting, patience: Duration) {
        if let Some((first, _, time)) = row.range()
            && first >= self.newest.0
        {
            self.newest = (first, time);
        }
        self.backlog.push(row);
        let due = Instant::now() + patience;
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
        self.keep_limits();
    }

    /// Lets go what memory is not meant to hold.
    fn keep_limits(&mut self) {
        let Outage::Bridge {
            longest,
            most_bytes,
        } = self.options.outage
        else {
            return;
        };
        let longest = self.trouble.is_some().then_some(longest);
        let gone = self.backlog.enforce(longest, most_bytes);
        if gone == 0 {
            return;
        }
        if let Some(trouble) = &mut self.trouble {
            if trouble.rows_let_go == 0 {
                tracing::error!(
                    "the store is out of reach for too long: the oldest rows are let go"
                );
            }
            trouble.rows_let_go += gone;
        }
        let mut status = self.monitor.lock();
        status.rows_let_go += gone;
    }

    fn begin(&mut self, info: SessionInfo) -> Result<Option<i64>, StoreError> {
        self.newest = (0, info.start.monotonic);
        let decider = Decider {
            model: (&*info.model).into(),
            engine: (&*info.engine).into(),
        };
        self.session = Some(OpenSession {
            row: None,
            clocks: Clocks::new(info.start),
            info,
            decider,
        });
        for (kind, detail) in std::mem::take(&mut self.notes) {
            let event = self.event(kind, detail);
            self.wait_for_commit(event, self.options.commit_after);
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
        self.insist(|me| {
            let Some(row) = me.session_row() else {
                return Ok(());
            };
            let (connection, context) = me.database.connection()?;
            Statements {
                connection,
                context: &context,
            }
            .end_session(row, at, reason)
        })?;
        self.end_trouble();
        self.commit_all()?; // what the store itself had to tell of the end
        self.session = None;
        self.note_commit(0);
        Ok(())
    }

    fn session_row(&self) -> Option<i64> {
        self.session.as_ref().and_then(|session| session.row)
    }

    /// An event of the store's own, at the newest row.
    fn event(&self, kind: &'static str, detail: String) -> Waiting {
        let (sample, time) = self.newest;
        Waiting::Event(Event::momentary(sample, time, kind, detail))
    }

    /// Commits what is due. While that fails for a passing reason either this waits, or the rows do.
    fn commit(&mut self) -> Result<(), StoreError> {
        if !self.options.outage.bridges() {
            return self.commit_all();
        }
        match self.attempt() {
            Err(error) if self.may_pass(&error) => {
                self.note_trouble(&error);
                Ok(())
            }
            Err(error) => {
                self.monitor.note_failure(&error);
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    /// Commits everything, trying again for as long as somebody who asked for it should wait.
    fn commit_all(&mut self) -> Result<(), StoreError> {
        self.insist(|me| {
            while me
                .session
                .as_ref()
                .is_some_and(|session| session.row.is_none() || !me.backlog.is_empty())
            {
                me.attempt()?;
            }
            Ok(())
        })
    }

    fn insist(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let give_up = Instant::now() + self.options.outage.longest_answer();
        let [mut pause, longest_pause] = RETRY_PAUSE;
        loop {
            let error = match attempt(self) {
                Ok(()) => return Ok(()),
                Err(error) if self.may_pass(&error) && Instant::now() + pause < give_up => error,
                Err(error) => {
                    // before whoever asked notices that no answer comes
                    self.monitor.note_failure(&error);
                    return Err(error);
                }
            };
            self.monitor.pulse().beat();
            self.note_trouble(&error);
            std::thread::sleep(pause);
            pause = (pause * 2).min(longest_pause);
        }
    }

    fn may_pass(&self, error: &StoreError) -> bool {
        error.is_transient()
            || (self.options.outage.bridges() && (error.is_damage() || error.is_out_of_reach()))
    }

    /// One transaction with the oldest rows; they stay in memory until it has succeeded.
    fn attempt(&mut self) -> Result<(), StoreError> {
        let outcome = match self.transact() {
            Err(error) if error.is_damage() && self.options.outage.bridges() => {
                let aside = self.database.set_aside()?;
                self.monitor.lock().set_aside += 1;
                if let Some(session) = &mut self.session {
                    session.row = None; // the fresh one does not know it
                }
                self.backlog.drop_orphans();
                let event = self.event(SET_ASIDE, aside_note(&aside, &error));
                self.backlog.push_first(event);
                self.transact()
            }
            outcome => outcome,
        };
        match outcome {
            Ok(beats) => {
                self.housekeeping.note_commit();
                self.end_trouble();
                // what is left over waits no longer than its commit takes
                self.due = (!self.backlog.is_empty()).then(Instant::now);
                self.note_commit(beats);
                Ok(())
            }
            Err(error) => {
                let same_connection_serves = match &error {
                    StoreError::Locked { .. } => true,
                    StoreError::Sqlite { source, .. } => {
                        source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
                    }
                    _ => false,
                };
                if !same_connection_serves {
                    self.database.forget();
                }
                Err(error)
            }
        }
    }

    fn transact(&mut self) -> Result<usize, StoreError> {
        let (connection, context) = self.database.connection()?;
        let session = self.session.as_mut().ok_or(StoreError::NoSession)?;
        let committed = commit_batch(
            connection,
            &context,
            session,
            &self.backlog,
            self.options.commit_rows,
        )?;
        session.row = Some(committed.session);
        session.clocks = committed.clocks;
        self.backlog.committed(committed.rows);
        let rows = committed.commit.rows.iter();
        let beats = rows.filter(|row| matches!(row, CommittedRow::Beat(_)));
        let beats = beats.count();
        if !committed.commit.rows.is_empty() {
            (self.on_commit)(&committed.commit);
        }
        Ok(beats)
    }

    fn note_trouble(&mut self, error: &StoreError) {
        let [first_pause, longest_pause] = RETRY_PAUSE;
        let now = Instant::now();
        let trouble = self.trouble.get_or_insert(Trouble {
            since: now,
            pause: first_pause,
            next_try: now,
            told: false,
            rows_let_go: 0,
        });
        let first = trouble.since == now;
        trouble.next_try = now + trouble.pause;
        trouble.pause = (trouble.pause * 2).min(longest_pause);
        let tell = !trouble.told && trouble.since.elapsed() >= NOT_WORTH_TELLING;
        trouble.told |= tell;
        if first || tell {
            tracing::warn!(%error, "a write to the store failed and is tried again");
        }
        if tell {
            let event = self.event("store_outage", error.to_string());
            self.backlog.push(event);
        }
        self.keep_limits();
        let mut status = self.monitor.lock();
        status.trouble = Some(error.to_string());
        status.outages += u64::from(first);
        status.rows_waiting = self.backlog.len();
        status.bytes_waiting = self.backlog.bytes();
    }

    fn end_trouble(&mut self) {
        let Some(trouble) = self.trouble.take().filter(|trouble| trouble.told) else {
            return;
        };
        let seconds = trouble.since.elapsed().as_secs_f64();
        let let_go = trouble.rows_let_go;
        tracing::info!(seconds, let_go, "the store is written again");
        let detail =
            format!("written again after {seconds:.1} s; {let_go} rows had been let go by then");
        let event = self.event("store_recovered", detail);
        self.backlog.push(event);
    }

    fn note_commit(&self, beats: usize) {
        let mut status = self.monitor.lock();
        status.open_session = self.session_row();
        status.commits += 1;
        status.beats_committed += beats as u64;
        status.rows_waiting = self.backlog.len();
        status.bytes_waiting = self.backlog.bytes();
        status.last_commit = Some(WallUs::now());
        status.trouble = None;
    }
}
