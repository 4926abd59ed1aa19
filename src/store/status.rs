//! What the writer thread is up to, for whoever asks.

use ecg_chain::{EventKind, MonotonicNs, WallUs};

use super::chain::ChainHead;
use super::volume::WriteVolume;

/// Something about the store that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreCondition {
    /// The kind of the event it began with: `retention_warning`, `retention_held`, `ecg_not_stored`
    /// or `store_damaged`.
    pub kind: EventKind,
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
    /// Rows dropped since the start because the store was out of reach for too long; the stored gaps
    /// of cause `not_stored` say where.
    pub rows_dropped: u64,
    /// How often writing began to fail since the start.
    pub outages: u64,
    /// Damaged or replaced databases quarantined since the start.
    pub quarantined: u64,
    /// Maps made on request that wait for the next commit.
    pub maps_waiting: usize,
    /// Maps made on request and stored since the start.
    pub maps_stored: u64,
    /// Maps made on request and not stored since the start: too many waited, or the database was
    /// exchanged meanwhile. They are made anew when they are asked for again.
    pub maps_dropped: u64,
    /// Corrections committed since the start.
    pub corrections: u64,
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

/// What the checks in the background have found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckupStatus {
    /// Checks since the start; the log names tables that took too long for them.
    pub finished: u64,
    /// Checks that found damage since the start.
    pub damaged: u64,
    /// When the last one ended.
    pub last: Option<WallUs>,
    /// What it found, where it found damage.
    pub damage: Option<String>,
}
