//! What can go wrong with the store, worded for the person who has to mend it.

use std::path::PathBuf;

use super::codec::CodecError;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be read, written or created: check path and permissions.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Another process writes this database: stop it or choose another file.
    #[error("{path}: in use by another ecg-gateway{holder} (lock file {lock})")]
    InUse {
        /// The database.
        path: PathBuf,
        /// The lock file beside it.
        lock: PathBuf,
        /// ` with process id N` where the lock file says so, else empty.
        holder: String,
    },
    /// The file is left untouched: a symbolic link to nothing, a file with several names that was never
    /// written to by this one, another application's database, or one that an earlier version of the
    /// program wrote and that is to be read only.
    #[error("{path}: {detail}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        detail: String,
    },
    /// Another program removed or replaced the file, or its log, while this one had it.
    #[error("{path}: {detail}")]
    Replaced {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file is not an SQLite database; it was left untouched.
    #[error("{path}: not an SQLite database, left untouched")]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// A later version of the program wrote this database: use that version.
    #[error("{path}: schema version {found}, this program knows versions 1 to {known}")]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// Another connection holds the database's own lock: close it, or wait longer.
    #[error("{path}: locked by another program for longer than {waited_ms} ms")]
    Locked {
        /// The file.
        path: PathBuf,
        /// The busy time-out, milliseconds.
        waited_ms: u128,
    },
    /// The file is damaged.
    #[error("{path}: damaged: {detail}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        detail: String,
    },
    /// Any other answer of SQLite.
    #[error("{path}: {doing}: {source}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        doing: &'static str,
        /// SQLite's words.
        source: rusqlite::Error,
    },
    /// A stored value is outside its range: the row was not written by this program.
    #[error("column {column}: found {found}, expected {expected}")]
    Value {
        /// `table.column`.
        column: &'static str,
        /// The value.
        found: String,
        /// The allowed values.
        expected: &'static str,
    },
    /// A stored ECG block is damaged.
    #[error("ECG block of session {session} at sample {first_sample}: {source}")]
    Block {
        /// The block's session.
        session: i64,
        /// The block's first sample.
        first_sample: u64,
        /// What is wrong with its bytes.
        source: CodecError,
    },
    /// Somebody ended the read: nobody waits for it any more.
    #[error("the read was ended before it was done")]
    Interrupted,
    /// A beat, gap, event or block arrived while no session was open.
    #[error("no session is open")]
    NoSession,
    /// There is no session with this id.
    #[error("there is no session {session}")]
    NoSuchSession {
        /// The id.
        session: i64,
    },
    /// The session is being recorded, so it cannot be deleted.
    #[error("session {session} is being recorded: end it first")]
    SessionOpen {
        /// The id.
        session: i64,
    },
    /// The writer stopped for good; what was committed before is safe.
    #[error("the store's writer stopped: {first}")]
    WriterStopped {
        /// The first error, kept.
        first: String,
        /// Whether that was [`StoreError::Locked`].
        locked: bool,
    },
}

/// Why a row could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Turns SQLite's answers into [`StoreError`]s of one database.
pub(super) struct Context<'a> {
    pub(super) path: &'a std::path::Path,
    pub(super) busy_timeout: std::time::Duration,
}

impl<'a> Context<'a> {
    pub(super) const fn new(path: &'a std::path::Path, busy_timeout: std::time::Duration) -> Self {
        Self { path, busy_timeout }
    }

    pub(super) fn explain(&self, doing: &'static str, source: rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode;
        let path = self.path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked {
                path,
                waited_ms: self.busy_timeout.as_millis(),
            },
            Some(ErrorCode::OperationInterrupted) => StoreError::Interrupted,
            Some(ErrorCode::NotADatabase) => StoreError::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => StoreError::Corrupt {
                path,
                detail: format!("{doing}: {source}"),
            },
            _ => StoreError::Sqlite {
                path,
                doing,
                source,
            },
        }
    }

    pub(super) fn explain_row(&self, doing: &'static str, error: RowError) -> StoreError {
        match error {
            RowError::Sqlite(error) => self.explain(doing, error),
            RowError::Store(error) => error,
        }
    }
}

impl StoreError {
    pub(super) fn refused(path: &std::path::Path, detail: String) -> Self {
        let path = path.to_owned();
        Self::Refused { path, detail }
    }

    pub(super) fn replaced(path: &std::path::Path, detail: &str) -> Self {
        let (path, detail) = (path.to_owned(), detail.to_owned());
        Self::Replaced { path, detail }
    }

    pub(super) fn value(
        column: &'static str,
        found: &(impl ToString + ?Sized),
        expected: &'static str,
    ) -> Self {
        let found = found.to_string();
        Self::Value {
            column,
            found,
            expected,
        }
    }

    /// True where the same write may succeed later: the database is locked, the disk is full or
    /// read-only, the medium did not answer.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        use rusqlite::ErrorCode;
        use std::io::ErrorKind;
        const EIO: i32 = 5;
        match self {
            Self::Locked { .. } => true,
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(
                    ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::ReadOnly
                        | ErrorCode::OutOfMemory
                )
            ),
            Self::Io { source, .. } => {
                source.raw_os_error() == Some(EIO)
                    || matches!(
                        source.kind(),
                        ErrorKind::StorageFull
                            | ErrorKind::ReadOnlyFilesystem
                            | ErrorKind::QuotaExceeded
                    )
            }
            _ => false,
        }
    }

    /// True where the file itself is to blame: no try later will succeed with it.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Corrupt { .. } | Self::NotADatabase { .. } | Self::Replaced { .. }
        )
    }

    /// True where a file that was written before cannot be reached at the moment.
    pub(super) fn is_out_of_reach(&self) -> bool {
        match self {
            Self::Io { .. } => true,
            Self::Sqlite { source, .. } => {
                source.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen)
            }
            _ => false,
        }
    }
}
