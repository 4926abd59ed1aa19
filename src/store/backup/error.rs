//! Why a backup or a restoration failed.

use std::path::{Path, PathBuf};

use super::super::error::StoreError;

/// Why a database was not copied, or a copy not restored. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database or the copy could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is a file of this name already: choose another name, or allow overwriting.
    #[error("{path}: exists, left untouched")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another program is writing a copy of this name: let it end.
    #[error("{path}: another backup or restoration is being written there")]
    Busy {
        /// The unfinished copy.
        path: PathBuf,
    },
    /// Database and copy are one and the same file.
    #[error("{path}: is the database itself, expected a backup of it")]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// The medium would be too full afterwards: make room, or choose another medium.
    #[error(
        "{path}: {needed} bytes are needed and {keep_free} are to stay free, found {free} bytes free"
    )]
    NoRoom {
        /// The file that would have been written.
        path: PathBuf,
        /// Its size, bytes.
        needed: u64,
        /// Bytes that are to stay free.
        keep_free: u64,
        /// Bytes free now.
        free: u64,
    },
    /// The copy is not whole: use another one.
    #[error("{path}: not a whole backup: {detail}")]
    NotWhole {
        /// The copy.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Somebody asked to stop.
    #[error("{path}: stopped before the copy was whole, nothing was changed")]
    Stopped {
        /// The file that would have been written.
        path: PathBuf,
    },
}

impl BackupError {
    pub(super) fn not_whole(path: &Path, detail: impl Into<String>) -> Self {
        let (path, detail) = (path.to_owned(), detail.into());
        Self::NotWhole { path, detail }
    }
}
