//! Sessions that somebody has deleted: a step each time the thread has nothing more urgent to do.

use std::time::{Duration, Instant};

use super::super::error::StoreError;
use super::super::monitor::DeletionReply;
use super::super::rows::SessionDeletion;
use super::super::session_deletion as deletion;
use super::deletion_task::Deleting;
use super::thread::WriterThread;

/// Pause between two steps, so that commits come first.
const BETWEEN_STEPS: Duration = Duration::from_millis(20);
/// The log is tried to be emptied this often, and so many times: a reader may keep it.
const LOG_AGAIN_AFTER: Duration = Duration::from_millis(200);
const LOG_TRIES: u32 = 50;
/// After a step that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Who asked is told after so many of those; it goes on all the same.
const MOST_FAILURES: u32 = 5;

impl WriterThread {
    /// Begins to delete a session; the answer comes when its rows are gone.
    pub(super) fn delete_session(&mut self, session: i64, by: &str, reply: DeletionReply) {
        match self.bury(session, by) {
            Ok(deletion) => {
                tracing::info!(session, "a session is deleted");
                let deleting = Deleting::new(session, Some((deletion, reply)));
                self.deleting.push_back(deleting);
            }
            Err(error) => reply(Err(error)),
        }
    }

    fn bury(&mut self, session: i64, by: &str) -> Result<SessionDeletion, StoreError> {
        if self.session_row() == Some(session) {
            return Err(StoreError::SessionOpen { session });
        }
        let chained = self.options.chained;
        let (connection, context) = self.database.connection()?;
        let (deletion, head) = deletion::bury(connection, &context, session, by, chained)?;
        if head.is_some() {
            self.monitor.lock().chain_head = head;
            self.housekeeping.note_commit();
        }
        Ok(deletion)
    }

    /// When there is the next step to do.
    pub(super) fn deletion_due(&self) -> Option<Instant> {
        self.deleting.front().map(|deleting| deleting.next)
    }

    /// Does what is due: one step.
    pub(super) fn delete_on(&mut self) {
        self.find_unfinished();
        let Some(mut deleting) = self.deleting.pop_front() else {
            return;
        };
        if deleting.next > Instant::now() {
            self.deleting.push_front(deleting);
            return;
        }
        match self.delete_step(&mut deleting) {
            Ok(true) => {
                tracing::info!(session = deleting.session, "a deleted session is gone");
                if let Some((deletion, reply)) = deleting.asker {
                    reply(Ok(deletion));
                }
            }
            Ok(false) => self.deleting.push_front(deleting),
            Err(error) => {
                tracing::warn!(%error, "a session is deleted further on later");
                deleting.next = Instant::now() + AGAIN_AFTER;
                deleting.failures += 1;
                if deleting.failures >= MOST_FAILURES
                    && let Some((_, reply)) = deleting.asker.take()
                {
                    reply(Err(error));
                }
                self.deleting.push_front(deleting);
            }
        }
    }

    /// What a writer before this one had begun and did not complete.
    fn find_unfinished(&mut self) {
        if self.unfinished_known {
            return;
        }
        let Some(connection) = self.database.connection_if_open() else {
            return; // the next commit makes one
        };
        if let Ok(sessions) = deletion::unfinished(connection) {
            self.unfinished_known = true;
            let sessions = sessions.into_iter();
            self.deleting
                .extend(sessions.map(|session| Deleting::new(session, None)));
        }
    }

    /// The database was replaced by one without those sessions: what was not erased yet lies in the quarantined
    /// file, and whoever asked must not take it for gone.
    pub(super) fn give_up_deletions(&mut self) {
        for deleting in self.deleting.drain(..) {
            if let Some((_, reply)) = deleting.asker {
                reply(Err(StoreError::Replaced {
                    path: self.database.path().to_owned(),
                    detail: format!(
                        "session {} was being deleted when the database was quarantined: what is \
                         left of it lies in the quarantined file",
                        deleting.session
                    ),
                }));
            }
        }
        self.unfinished_known = false;
    }

    /// One step; whether it was the last.
    fn delete_step(&mut self, deleting: &mut Deleting) -> Result<bool, StoreError> {
        let busy_timeout = self.options.busy_timeout;
        let (connection, context) = self.database.connection()?;
        let failed = |error| context.explain("deleting a session", error);
        if !deleting.rows_gone {
            deleting.rows_gone = !deletion::step(connection, deleting.session).map_err(failed)?;
            deleting.next = Instant::now() + BETWEEN_STEPS;
            self.housekeeping.note_commit();
            return Ok(false);
        }
        deleting.log_tries += 1;
        // recording does not wait for readers
        connection.busy_timeout(Duration::ZERO).map_err(failed)?;
        let emptied = deletion::empty_log(connection);
        connection.busy_timeout(busy_timeout).map_err(failed)?;
        let emptied = emptied.map_err(failed)?;
        self.database.note_checkpoint();
        deleting.next = Instant::now() + LOG_AGAIN_AFTER;
        Ok(emptied || deleting.log_tries >= LOG_TRIES)
    }
}
