//! The rows of the status.

use crate::store::{Epoch, StoredBeat, StoredSession, Totals};

/// What is read from the database: nothing that tells of now.
#[derive(Debug)]
pub(super) struct StatusRows {
    pub(super) epoch: Epoch,
    pub(super) session: Option<StoredSession>,
    pub(super) last_beat: Option<StoredBeat>,
    pub(super) totals: Totals,
    pub(super) size_bytes: u64,
}
