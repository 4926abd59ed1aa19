//! A deletion that the writer has before it.

use std::time::Instant;

use super::super::monitor::DeletionReply;
use super::super::rows::SessionDeletion;

/// A session whose rows are being deleted.
pub(super) struct Deleting {
    pub(super) session: i64,
    /// Who waits for the end.
    pub(super) asker: Option<(SessionDeletion, DeletionReply)>,
    pub(super) rows_gone: bool,
    pub(super) log_tries: u32,
    pub(super) failures: u32,
    pub(super) next: Instant,
}

impl Deleting {
    pub(super) fn new(session: i64, asker: Option<(SessionDeletion, DeletionReply)>) -> Self {
        Self {
            session,
            asker,
            rows_gone: false,
            log_tries: 0,
            failures: 0,
            next: Instant::now(),
        }
    }
}
