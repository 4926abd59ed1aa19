//! The handle to the writer thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use ecg_chain::{ClockRelation, PipelineEvent, SessionInfo};

use super::checkup::Checker;
use super::database::Store;
use super::error::StoreError;
use super::monitor::{Command, WriterMonitor};
use super::rows::{Commit, SessionDeletion};
use super::writer_thread::WriterThread;

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

    /// Deletes a session that has ended, and waits until its rows are gone: see
    /// [`WriterMonitor::delete_session`].
    ///
    /// # Errors
    /// [`StoreError::NoSuchSession`], [`StoreError::SessionOpen`], [`StoreError::WriterStopped`] or the error
    /// of the write.
    pub fn delete_session(&self, session: i64, by: String) -> Result<SessionDeletion, StoreError> {
        self.ask(|answer| {
            let reply = Box::new(move |outcome| {
                let _ = answer.send(outcome); // the asker may have gone away
            });
            Command::Delete { session, by, reply }
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

impl Store {
    /// Starts the writer thread. `on_commit` runs on that thread after each commit, so it must
    /// neither block nor panic.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the thread cannot be started.
    pub fn into_writer(
        self,
        on_commit: impl FnMut(&Commit) + Send + 'static,
    ) -> Result<StoreWriter, StoreError> {
        let (commands, queue) = sync_channel(self.options().queue_length);
        let commands = Arc::new(commands);
        let monitor = WriterMonitor::new(&commands);
        let path = self.path().to_owned();
        let checkup = self.options().checkup;
        let checker = checkup
            .map(|checkup| Checker::start(&path, checkup, monitor.clone()))
            .transpose()?;
        let worker = WriterThread::new(self, monitor.clone(), Box::new(on_commit));
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || worker.run(&queue))
            .map_err(|source| StoreError::Io { path, source })?;
        Ok(StoreWriter {
            commands: Some(commands),
            monitor,
            session_open: AtomicBool::new(false),
            thread: Some(thread),
            checker,
        })
    }
}

impl Drop for StoreWriter {
    fn drop(&mut self) {
        self.join();
    }
}
