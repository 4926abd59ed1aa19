//! The handle to the writer thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use crate::pipeline::{PipelineEvent, SessionInfo};
use crate::pulse::Pulse;
use crate::time::{ClockRelation, MonotonicNs, WallUs};

use super::audit::AuditRow;
use super::chain::ChainHead;
use super::checkup::{Checker, CheckupStatus};
use super::open::Store;
use super::saliency::StoredSaliency;
use super::volume::WriteVolume;
use super::writer_thread::WriterThread;
use super::{Commit, StoreError};

pub(super) type CommitHook = Box<dyn FnMut(&Commit) + Send>;

pub(super) enum Command {
    Begin(SessionInfo, SyncSender<Result<Option<i64>, StoreError>>),
    Record(PipelineEvent),
    /// A map of a stored beat, made later, and how often the database had been exchanged then.
    Keep(Box<StoredSaliency>, u64),
    /// Who asked for what: stored with the next commit, makes none due.
    Audit(AuditRow),
    End {
        at: ClockRelation,
        reason: String,
        reply: SyncSender<Result<(), StoreError>>,
    },
    Flush(SyncSender<Result<(), StoreError>>),
    /// Somebody confirms what retention waits with.
    ConfirmRetention,
}

/// Something about the store that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreCondition {
    /// The kind of the event it began with: `retention_warning`, `retention_held`, `ecg_not_stored`
    /// or `store_damaged`.
    pub kind: &'static str,
    /// One sentence, as of now.
    pub detail: String,
    /// Index of the sample it began at, in the running session.
    pub since_sample: u64,
    /// When it began.
    pub since: MonotonicNs,
}

/// What the writer thread is up to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriterStatus {
    /// The session being recorded.
    pub open_session: Option<i64>,
    /// Transactions committed since the start.
    pub commits: u64,
    /// Beats committed since the start.
    pub beats_committed: u64,
    /// Rows waiting for their commit (the queue before the thread not counted).
    pub rows_waiting: usize,
    /// Memory they take, bytes.
    pub bytes_waiting: usize,
    /// Rows let go since the start because the store was out of reach for too long; the stored gaps
    /// of cause `not_stored` say where.
    pub rows_let_go: u64,
    /// How often writing began to fail since the start.
    pub outages: u64,
    /// Damaged or replaced databases quarantined since the start.
    pub set_aside: u64,
    /// Maps made on request that wait for the next commit.
    pub maps_waiting: usize,
    /// Maps made on request and stored since the start.
    pub maps_stored: u64,
    /// Maps made on request and not stored since the start: too many waited, or the database was
    /// exchanged meanwhile. They are made anew when they are asked for again.
    pub maps_dropped: u64,
    /// Beats, gaps and events deleted by retention since the start.
    pub rows_deleted: u64,
    /// Raw ECG blocks deleted by retention since the start.
    pub blocks_deleted: u64,
    /// Raw ECG blocks not stored since the start because too little of the medium was free.
    pub blocks_not_stored: u64,
    /// Free bytes of the medium and of the file, where some are to stay free.
    pub free_bytes: Option<u64>,
    /// How many are to stay free.
    pub free_bytes_wanted: Option<u64>,
    /// What lasts now, oldest first.
    pub conditions: Vec<StoreCondition>,
    /// The newest link of the chain.
    pub chain_head: Option<ChainHead>,
    /// What the checks in the background found.
    pub checkup: CheckupStatus,
    /// What has been written to the medium, a few seconds old.
    pub volume: WriteVolume,
    /// Rows that came after their session had ended and were not stored.
    pub rows_refused: u64,
    /// Wall time of the newest commit.
    pub last_commit: Option<WallUs>,
    /// A passing error that is being retried right now.
    pub trouble: Option<String>,
    /// The error that stopped the writer for good.
    pub failure: Option<String>,
    /// Whether that error was a lock another program held.
    pub failed_locked: bool,
}

/// Shows the writer's status to others; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct WriterMonitor {
    status: Arc<Mutex<WriterStatus>>,
    pulse: Pulse,
    /// The writer's queue as long as the writer lives.
    queue: Weak<SyncSender<Command>>,
}

impl WriterMonitor {
    /// The status now.
    #[must_use]
    pub fn status(&self) -> WriterStatus {
        self.lock().clone()
    }

    /// Beats with every turn of the writer thread, once per second at least while it is idle.
    #[must_use]
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// The writer goes on after all.
    pub(super) fn clear_failure(&self) {
        let mut status = self.lock();
        status.failure = None;
        status.failed_locked = false;
    }

    /// Damaged or replaced databases quarantined since the start, as [`WriterStatus::set_aside`].
    #[must_use]
    pub fn set_aside(&self) -> u64 {
        self.lock().set_aside
    }

    /// Hands a map of a stored beat to the writer to be kept, unless its queue is full or it is gone:
    /// then the map is made anew when it is next asked for. `set_aside` is what
    /// [`WriterMonitor::set_aside`] said before the beat was read: in another database its number is
    /// another beat's. The map is stored with the next commit that is due anyway, after
    /// [`super::StoreOptions::maps_commit_after`] at the latest.
    pub fn keep(&self, map: StoredSaliency, set_aside: u64) -> bool {
        let queue = self.queue.upgrade();
        let command = Command::Keep(Box::new(map), set_aside);
        let kept = queue.is_some_and(|queue| queue.try_send(command).is_ok());
        self.lock().maps_dropped += u64::from(!kept);
        kept
    }

    /// Hands over who asked for what, to be stored with the next commit; false if the writer's queue
    /// is full or it is gone.
    pub fn audit(&self, row: AuditRow) -> bool {
        let queue = self.queue.upgrade();
        queue.is_some_and(|queue| queue.try_send(Command::Audit(row)).is_ok())
    }

    /// Tells the writer that somebody confirms what retention waits with; false where its queue is full
    /// or it is gone.
    #[must_use]
    pub fn confirm_retention(&self) -> bool {
        let queue = self.queue.upgrade();
        queue.is_some_and(|queue| queue.try_send(Command::ConfirmRetention).is_ok())
    }

    /// Keeps the first error that stops the writer.
    pub(super) fn note_failure(&self, error: &StoreError) {
        let mut status = self.lock();
        if status.failure.is_none() {
            status.failure = Some(error.to_string());
            status.failed_locked = matches!(error, StoreError::Locked { .. });
        }
    }

    /// The status, to change it. A panic elsewhere cannot leave it half-written in a way that
    /// matters.
    pub(super) fn lock(&self) -> MutexGuard<'_, WriterStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands rows to the one thread that writes.
///
/// Rows are committed together, [`super::StoreOptions::commit_after`] after the first at the latest.
/// Dropping the handle commits what is queued; [`StoreWriter::close`] does the same and tells how it
/// went. A full queue makes the sender wait.
#[derive(Debug)]
pub struct StoreWriter {
    commands: Option<Arc<SyncSender<Command>>>,
    monitor: WriterMonitor,
    /// Lets [`StoreWriter::record`] refuse at once what the thread could only drop.
    session_open: AtomicBool,
    thread: Option<JoinHandle<()>>,
    checker: Option<Checker>,
}

impl StoreWriter {
    pub(super) fn start(store: Store, on_commit: CommitHook) -> Result<Self, StoreError> {
        let (commands, queue) = sync_channel(store.database.options().queue_length);
        let commands = Arc::new(commands);
        let monitor = WriterMonitor {
            queue: Arc::downgrade(&commands),
            ..WriterMonitor::default()
        };
        let path = store.path().to_owned();
        let checkup = store.database.options().checkup;
        let checker = checkup
            .map(|checkup| Checker::start(&path, checkup, monitor.clone()))
            .transpose()?;
        let worker = WriterThread::new(store, monitor.clone(), on_commit);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || worker.run(&queue))
            .map_err(|source| StoreError::Io { path, source })?;
        Ok(Self {
            commands: Some(commands),
            monitor,
            session_open: AtomicBool::new(false),
            thread: Some(thread),
            checker,
        })
    }

    /// The writer's status, also after the writer is gone.
    #[must_use]
    pub fn monitor(&self) -> WriterMonitor {
        self.monitor.clone()
    }

    /// Opens a session, ending an open one as `superseded` at the new one's start, and waits until
    /// it is committed. Returns its id; `None` if the store is out of reach and the session begins
    /// in memory ([`super::Outage::Bridge`] only).
    ///
    /// # Errors
    /// [`StoreError::WriterStopped`] or the error of the write.
    pub fn begin_session(&self, info: &SessionInfo) -> Result<Option<i64>, StoreError> {
        let id = self.ask(|reply| Command::Begin(info.clone(), reply))?;
        self.session_open.store(true, Ordering::Relaxed);
        Ok(id)
    }

    /// Queues a beat, gap, event, ECG block or change of engine of the open session.
    ///
    /// # Errors
    /// [`StoreError::NoSession`] while no session is open, [`StoreError::WriterStopped`] once the
    /// writer has given up. `Ok` means queued, not stored: see [`StoreWriter::flush`] and the commit
    /// hook.
    pub fn record(&self, event: PipelineEvent) -> Result<(), StoreError> {
        if !self.session_open.load(Ordering::Relaxed) {
            return Err(StoreError::NoSession);
        }
        self.send(Command::Record(event))
    }

    /// Commits what is queued and closes the open session; without one, does nothing.
    ///
    /// # Errors
    /// [`StoreError::WriterStopped`] or the error of the write.
    pub fn end_session(&self, at: ClockRelation, reason: &str) -> Result<(), StoreError> {
        self.session_open.store(false, Ordering::Relaxed);
        self.ask(|reply| Command::End {
            at,
            reason: reason.to_owned(),
            reply,
        })
    }

    /// Waits until everything queued before is committed.
    ///
    /// # Errors
    /// [`StoreError::WriterStopped`] or the error of the write.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.ask(Command::Flush)
    }

    /// Commits everything, stops the thread and frees the database.
    ///
    /// # Errors
    /// [`StoreError::WriterStopped`] if anything queued was not committed.
    pub fn close(mut self) -> Result<(), StoreError> {
        let flushed = self.flush();
        self.join();
        flushed
    }

    fn ask<T>(
        &self,
        command: impl FnOnce(SyncSender<Result<T, StoreError>>) -> Command,
    ) -> Result<T, StoreError> {
        let (reply, answer): (_, Receiver<Result<T, StoreError>>) = sync_channel(1);
        self.send(command(reply))?;
        answer.recv().map_err(|_| self.stopped())?
    }

    fn send(&self, command: Command) -> Result<(), StoreError> {
        self.commands
            .as_ref()
            .ok_or_else(|| self.stopped())?
            .send(command)
            .map_err(|_| self.stopped())
    }

    fn stopped(&self) -> StoreError {
        let status = self.monitor.status();
        StoreError::WriterStopped {
            first: status
                .failure
                .unwrap_or_else(|| "its thread is gone".to_owned()),
            locked: status.failed_locked,
        }
    }

    fn join(&mut self) {
        self.checker = None; // before the database is freed
        self.commands = None; // the thread commits the rest and ends
        if let Some(thread) = self.thread.take() {
            // a panic there has already been reported by the panic hook
            let _ = thread.join();
        }
    }
}

impl Drop for StoreWriter {
    fn drop(&mut self) {
        self.join();
    }
}
