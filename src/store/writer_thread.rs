//! The thread that writes: collects rows, commits them together, retries what may pass.

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::pipeline::{EcgBlock, PipelineEvent, SessionInfo};
use crate::time::{ClockRelation, WallUs};

use super::StoreError;
use super::batch::{Decider, OpenSession, Waiting, commit_batch};
use super::codec::{BlockEncoder, MAX_BLOCK_SAMPLES};
use super::error::Context;
use super::open::{Store, StoreOptions};
use super::rows::{Commit, CommittedRow};
use super::saliency::StoredSaliency;
use super::statements::{EncodedBlock, Statements};
use super::writer::{Command, CommitHook, WriterMonitor};

/// Longest wait of an idle turn: whoever watches the thread's pulse sees it alive.
const IDLE_TURN: Duration = Duration::from_secs(1);
/// First and longest pause between two tries of a write that failed for a passing reason.
const RETRY_PAUSE: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, which is meant
fn samples_to_ns(samples: u64, rate_hz: f64) -> u64 {
    (samples as f64 / rate_hz * 1e9) as u64
}

pub(super) struct WriterThread {
    path: PathBuf,
    options: StoreOptions,
    connection: Connection,
    /// Held until the thread ends.
    _lock: File,
    monitor: WriterMonitor,
    on_commit: CommitHook,
    encoder: BlockEncoder,
    session: Option<OpenSession>,
    waiting: Vec<Waiting>,
    /// When the waiting rows must be committed.
    due: Option<Instant>,
}

impl WriterThread {
    pub(super) fn new(store: Store, monitor: WriterMonitor, on_commit: CommitHook) -> Self {
        Self {
            encoder: BlockEncoder::new(store.options.ecg_compression_level),
            waiting: Vec::with_capacity(store.options.commit_rows),
            path: store.path,
            options: store.options,
            connection: store.connection,
            _lock: store.lock,
            monitor,
            on_commit,
            session: None,
            due: None,
        }
    }

    pub(super) fn run(mut self, queue: &Receiver<Command>) {
        if let Err(error) = self.serve(queue) {
            tracing::error!(%error, "the store's writer stops");
            self.monitor.note_failure(&error);
        }
        // So that the database file alone holds everything, even while readers keep the log open. A
        // reader in the middle of a query may prevent it, which costs nothing but that.
        let _ = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        // Dropping `queue`'s owner after this makes waiting senders learn of the failure.
    }

    fn serve(&mut self, queue: &Receiver<Command>) -> Result<(), StoreError> {
        loop {
            self.monitor.pulse().beat();
            let wait = self.due.map_or(IDLE_TURN, |due| {
                due.saturating_duration_since(Instant::now()).min(IDLE_TURN)
            });
            let command = queue.recv_timeout(wait);
            match command {
                Ok(command) => self.obey(command)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.commit(),
            }
            if self.waiting.len() >= self.options.commit_rows
                || self.due.is_some_and(|due| due <= Instant::now())
            {
                self.commit()?;
            }
        }
    }

    /// Every error stops the writer; whoever asked learns of it as [`StoreError::WriterStopped`].
    fn obey(&mut self, command: Command) -> Result<(), StoreError> {
        match command {
            Command::Record(event) => self.take(event),
            Command::Begin(info, reply) => {
                self.commit()?;
                self.end(info.start, "superseded")?;
                let id = self.begin(&info)?;
                let _ = reply.send(Ok(id)); // the asker may have gone away
                Ok(())
            }
            Command::End { at, reason, reply } => {
                self.commit()?;
                self.end(at, &reason)?;
                let _ = reply.send(Ok(()));
                Ok(())
            }
            Command::Keep(row) => {
                let beat = row.beat;
                self.commit()?;
                self.with_retry(|me| me.statements(|to| to.saliency(beat, &row)))
            }
            Command::Flush(reply) => {
                self.commit()?;
                let _ = reply.send(Ok(()));
                Ok(())
            }
        }
    }

    fn decided_by(&mut self, model: &str, engine: &str) -> Result<(), StoreError> {
        let decider = self.with_retry(|me| me.decider(model, engine))?;
        if let Some(session) = &mut self.session {
            session.decider = decider;
        }
        Ok(())
    }

    fn take(&mut self, event: PipelineEvent) -> Result<(), StoreError> {
        let Some(session) = &self.session else {
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
                let model = session.decider.model.to_string();
                return self.decided_by(&model, &engine);
            }
            PipelineEvent::Detail(detail) => match StoredSaliency::of(&detail) {
                None => return Ok(()),
                Some(row) => (Waiting::Saliency(Box::new(row)), self.options.commit_after),
            },
            PipelineEvent::Ecg(block) => {
                let (id, rate_hz) = (session.id, session.sample_rate_hz);
                return self.take_block(&block, id, rate_hz);
            }
        };
        self.wait_for_commit(row, patience);
        Ok(())
    }

    fn take_block(
        &mut self,
        block: &EcgBlock,
        session: i64,
        rate_hz: f64,
    ) -> Result<(), StoreError> {
        let mut first_sample = block.first_sample;
        for codes in block.codes.chunks(MAX_BLOCK_SAMPLES) {
            let blob = self
                .encoder
                .encode(codes)
                .map_err(|source| StoreError::Block {
                    session,
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
        self.waiting.push(row);
        let due = Instant::now() + patience;
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    fn begin(&mut self, info: &SessionInfo) -> Result<i64, StoreError> {
        let decider = self.with_retry(|me| me.decider(&info.model, &info.engine))?;
        let id = self.with_retry(|me| me.statements(|to| to.session(info, decider.id)))?;
        self.session = Some(OpenSession {
            id,
            start: info.start,
            sample_rate_hz: info.sample_rate_hz,
            decider,
        });
        self.note_commit(Some(id), 0);
        Ok(id)
    }

    fn end(&mut self, at: ClockRelation, reason: &str) -> Result<(), StoreError> {
        let Some(session) = self.session.take() else {
            return Ok(());
        };
        self.with_retry(|me| me.statements(|to| to.end_session(session.id, at, reason)))?;
        self.note_commit(None, 0);
        Ok(())
    }

    fn decider(&mut self, model: &str, engine: &str) -> Result<Decider, StoreError> {
        Ok(Decider {
            id: self.statements(|to| to.decider(model, engine))?,
            model: model.into(),
            engine: engine.into(),
        })
    }

    /// Single statements outside a transaction: SQLite commits each by itself.
    fn statements<T>(
        &mut self,
        run: impl FnOnce(&Statements<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        run(&Statements {
            connection: &self.connection,
            context: &Context {
                path: &self.path,
                busy_timeout: self.options.busy_timeout,
            },
        })
    }

    /// Commits the waiting rows; they stay in memory until that has succeeded.
    fn commit(&mut self) -> Result<(), StoreError> {
        self.due = None;
        if self.waiting.is_empty() {
            return Ok(());
        }
        let commit = self.with_retry(Self::try_commit)?;
        self.waiting.clear();
        let beats = commit
            .rows
            .iter()
            .filter(|row| matches!(row, CommittedRow::Beat(_)))
            .count();
        self.note_commit(self.session.as_ref().map(|session| session.id), beats);
        if !commit.rows.is_empty() {
            (self.on_commit)(&commit);
        }
        Ok(())
    }

    fn try_commit(&mut self) -> Result<Commit, StoreError> {
        let context = Context {
            path: &self.path,
            busy_timeout: self.options.busy_timeout,
        };
        let session = self.session.as_ref().ok_or(StoreError::NoSession)?;
        commit_batch(&mut self.connection, &context, session, &self.waiting)
    }

    fn with_retry<T>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let give_up = Instant::now() + self.options.retry_for;
        let [mut pause, longest_pause] = RETRY_PAUSE;
        loop {
            let error = match attempt(self) {
                Ok(value) => return Ok(value),
                Err(error) if error.is_transient() && Instant::now() + pause < give_up => error,
                Err(error) => {
                    // before whoever asked notices that no answer comes
                    self.monitor.note_failure(&error);
                    return Err(error);
                }
            };
            tracing::warn!(%error, "a write to the store failed and is tried again");
            let mut status = self.monitor.lock();
            status.trouble = Some(error.to_string());
            status.rows_waiting = self.waiting.len();
            drop(status);
            std::thread::sleep(pause);
            pause = (pause * 2).min(longest_pause);
        }
    }

    fn note_commit(&self, open_session: Option<i64>, beats: usize) {
        let mut status = self.monitor.lock();
        status.open_session = open_session;
        status.commits += 1;
        status.beats_committed += beats as u64;
        status.rows_waiting = self.waiting.len();
        status.last_commit = Some(WallUs::now());
        status.trouble = None;
    }
}
