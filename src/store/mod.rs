//! The SQLite store.
//!
//! [`Store::open`] takes the database for this process alone, [`Store::into_writer`] starts the one
//! thread that writes, [`StoreReader`]s (any number, any thread, any process) read. What a commit
//! hook or a reader has seen is durable as far as [`StoreOptions::synchronous`] promises.
//! `docs/database.md` describes the file for people who open it with other tools.

mod audit;
mod backup;
mod batch;
mod beat_query;
mod chain;
mod checkup;
mod codec;
mod correcting;
mod correction;
mod database;
mod deletion_delay;
mod descriptor;
mod ecg;
mod error;
mod file;
mod housekeeping;
mod identity;
mod ids;
mod migrate;
mod minutes;
mod monitor;
mod options;
mod packed;
mod parse;
mod patient_label;
mod pending;
mod quarantine;
mod query;
mod reader;
mod retention;
mod rows;
mod saliency;
mod session_deletion;
mod space;
mod statements;
mod status;
#[cfg(test)]
mod tests;
mod volume;
mod watch;
mod waveform;
mod writer;
mod writer_thread;

pub use audit::{AuditKind, AuditRow, StoredAudit};
pub use backup::{
    BackupError, BackupOptions, Contents, KeepFree, NumberedBackups, Progress, Restored, back_up,
    check_backup, restore,
};
pub use chain::{
    AnchorSummary, ChainHead, DeletionSummary, Finding, HeadCheck, HeadVerdict, Protection,
    Verification,
};
pub use codec::{BlockEncoder, CodecError, MAX_BLOCK_SAMPLES, MAX_COMPRESSION_LEVEL, decode};
pub use correcting::MOST_CORRECTIONS_BYTES;
pub use correction::{
    CORRECTED_CLASSES, Change, CorrectionError, Decision, MOST_CORRECTED_BEATS, NewCorrection,
    Place, Says, StoredCorrection, Target,
};
pub use database::Store;
pub use ecg::{EcgSamples, MISSING_CODE};
pub use error::StoreError;
pub use identity::{Epoch, StoreMark};
pub use migrate::{APPLICATION_ID, SCHEMA_VERSION};
pub use minutes::{MOST_MINUTES, Minute};
pub use monitor::{Claim, WriterMonitor};
pub use options::{Checkup, Outage, Retention, StoreOptions, Synchronous};
pub use patient_label::{PATIENT_LABEL_EXPECTED, is_patient_label};
pub use reader::{Interrupter, RowFilter, StoreReader};
pub use rows::{
    BriefBeat, Commit, CommittedRow, DeletedRows, SessionCounts, SessionDeletion, SessionEnd,
    StoredBeat, StoredEvent, StoredGap, StoredSession, Totals,
};
pub use saliency::{SaliencyFilter, StoredSaliency};
pub use space::{MinFree, Space, SpaceSource};
pub use status::{CheckupStatus, StoreCondition, WriterStatus};
pub use volume::WriteVolume;
pub(crate) use waveform::to_uv;
pub use waveform::{Waveform, WaveformRange};
pub use writer::StoreWriter;
