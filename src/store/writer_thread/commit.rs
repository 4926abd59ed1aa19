//! Commits: what is due, or everything.

use std::time::Instant;

use ecg_chain::{EventKind, WallUs};

use super::super::batch::{Batch, write_batch};
use super::super::error::StoreError;
use super::super::quarantine::quarantine_note;
use super::super::rows::CommittedRow;
use super::super::statements::Statements;
use super::thread::WriterThread;
use super::trouble::RETRY_PAUSE;

impl WriterThread {
    /// Commits what is due. While that fails for a passing reason either this waits, or the rows do.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        if self.trouble.is_none() && !self.has_rows() {
            self.commit_maps();
            return Ok(());
        }
        if !self.options.outage.bridges() {
            return self.commit_all();
        }
        match self.try_commit() {
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
    pub(super) fn commit_all(&mut self) -> Result<(), StoreError> {
        self.retry_until(Self::commit_pending)?;
        self.commit_maps(); // as far as no commit has taken them along
        Ok(())
    }

    pub(super) fn commit_pending(&mut self) -> Result<(), StoreError> {
        while self.has_rows() {
            self.try_commit()?;
        }
        Ok(())
    }

    /// Whether rows wait, the session's own among them.
    fn has_rows(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.row.is_none() || !self.backlog.is_empty())
    }

    /// Repeats `action` until it succeeds, or no longer than somebody who asked for it should wait.
    pub(super) fn retry_until(
        &mut self,
        mut action: impl FnMut(&mut Self) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let give_up = Instant::now() + self.options.outage.longest_answer();
        let [mut pause, longest_pause] = RETRY_PAUSE;
        loop {
            let error = match action(self) {
                Ok(()) => return Ok(()),
                Err(error) if self.may_pass(&error) && Instant::now() + pause < give_up => error,
                Err(error) => {
                    // before whoever asked notices that no answer comes
                    self.monitor.note_failure(&error);
                    return Err(error);
                }
            };
            self.monitor.liveness().beat();
            self.note_trouble(&error);
            std::thread::sleep(pause);
            pause = (pause * 2).min(longest_pause);
        }
    }

    pub(super) fn may_pass(&self, error: &StoreError) -> bool {
        error.is_transient()
            || (self.options.outage.bridges() && (error.is_damage() || error.is_out_of_reach()))
    }

    /// One transaction with the oldest rows; they stay in memory until it has succeeded.
    fn try_commit(&mut self) -> Result<(), StoreError> {
        let outcome = match self.transact() {
            Err(error) if self.is_mendable(&error) => {
                self.mend(&error)?;
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
                self.forget_unless_it_serves(&error);
                Err(error)
            }
        }
    }

    /// Closes the connection after an error of a write, but where the same one may do it later.
    pub(super) fn forget_unless_it_serves(&mut self, error: &StoreError) {
        let serves = match error {
            StoreError::Locked { .. } => true,
            StoreError::Sqlite { source, .. } => {
                source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
            }
            _ => false,
        };
        if !serves {
            self.database.forget();
        }
    }

    /// Whether a fresh database is the answer to this.
    pub(super) fn is_mendable(&self, error: &StoreError) -> bool {
        error.is_damage() && self.options.outage.bridges()
    }

    /// Quarantines a damaged or replaced database and goes on in a fresh one.
    pub(super) fn mend(&mut self, error: &StoreError) -> Result<(), StoreError> {
        let quarantined = self.database.quarantine()?;
        self.monitor.lock().quarantined += 1;
        let note = quarantine_note(&quarantined, error);
        if !quarantined.whole {
            if let Some(session) = &mut self.session {
                session.row = None; // the fresh one does not know it
            }
            self.backlog.drop_orphans();
            self.drop_maps();
            self.give_up_deletions();
        }
        if self.session.is_some() {
            let event = self.event(EventKind::StoreSetAside, note);
            self.backlog.push_first(event);
        } else {
            self.notes.push((EventKind::StoreSetAside, note));
        }
        Ok(())
    }

    fn transact(&mut self) -> Result<usize, StoreError> {
        let (connection, context) = self.database.connection()?;
        let session = self.session.as_mut().ok_or(StoreError::NoSession)?;
        let batch = Batch {
            backlog: &self.backlog,
            most: self.options.commit_rows,
            maps: &self.maps,
            audit: &self.audit,
            chained: self.options.chained,
        };
        let committed = Statements::transact(connection, &context, |statements| {
            write_batch(statements, session, &batch)
        })?;
        self.audit.written();
        session.row = Some(committed.session);
        session.clocks = committed.clocks;
        self.monitor.lock().chain_head = committed.head;
        self.backlog.committed(committed.rows);
        self.database.note_commit();
        let waited = std::mem::take(&mut self.maps).len();
        self.note_maps(committed.maps, waited - committed.maps);
        let rows = committed.commit.rows.iter();
        let beats = rows.filter(|row| matches!(row, CommittedRow::Beat(_)));
        let beats = beats.count();
        if !committed.commit.rows.is_empty() {
            (self.on_commit)(&committed.commit);
        }
        Ok(beats)
    }

    pub(super) fn note_commit(&self, beats: usize) {
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
