//! The way there: a checked copy of a database.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::error::Context;
use super::super::file::beside;
use super::super::reader::ReadFile;
use super::check::check_fresh;
use super::copy::{Fresh, Progress, copy};
use super::error::BackupError;
use super::medium::{metadata, recording_needs, refuse_full, refuse_same};
use super::source::{BUSY_TIMEOUT, Contents, compare, contents, snapshot};

/// What must stay free on the medium that a backup goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepFree {
    /// A tenth of the medium, at least 1 GiB, at most half of it, where the database lies on it, too: a
    /// fuller one would make the daemon give up raw ECG for it. Else nothing.
    #[default]
    WhatRecordingNeeds,
    /// This many bytes.
    Bytes(u64),
}

/// How a backup is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupOptions {
    /// Whether a file that has the backup's name already may be replaced (by a whole backup only).
    pub overwrite: bool,
    /// Bytes copied per second at most, so that the daemon's commits do not wait; `None` is no limit.
    pub bytes_per_second: Option<u64>,
    /// What must stay free on the medium.
    pub keep_free: KeepFree,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            overwrite: false,
            bytes_per_second: Some(8 << 20),
            keep_free: KeepFree::default(),
        }
    }
}

/// Copies `database`, which may be in use by its daemon, to `target`: a snapshot of one moment. The copy is
/// made under the name `TARGET.part`, at the pace of the options, checked (`PRAGMA integrity_check`, and the
/// rows of each table counted in both), synced, and only then renamed. Its mode is the database's without
/// anything for others. It is one file: no write-ahead log belongs to it.
///
/// While it runs, the database's write-ahead log cannot shrink.
///
/// # Errors
/// [`BackupError`]; there is no file of that name then, or the one of before.
pub fn back_up(
    database: &Path,
    target: &Path,
    options: &BackupOptions,
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> Result<Contents, BackupError> {
    let context = Context::new(database, BUSY_TIMEOUT);
    refuse_same(database, target)?;
    let replaces = match fs::symlink_metadata(target) {
        Ok(found) if !options.overwrite || !found.is_file() => {
            return Err(BackupError::Exists {
                path: target.to_owned(),
            });
        }
        Ok(_) => true,
        Err(_) => false,
    };
    let opened = ReadFile::open(&context)?;
    let source = &opened.connection;
    let bytes = snapshot(source).map_err(|error| context.explain("reading", error))?;
    let room = match options.keep_free {
        KeepFree::Bytes(bytes) => bytes,
        KeepFree::WhatRecordingNeeds => recording_needs(database, target)?,
    };
    refuse_full(target, bytes, room)?;
    let fresh = Fresh::create(beside(target, ".part"), target)?;
    copy(
        source,
        &context,
        &fresh,
        options.bytes_per_second,
        stop,
        progress,
    )?;
    let expected = contents(source, database)?;
    let found = check_fresh(&fresh, target)?;
    compare(&expected, &found, target)?;
    if stop.load(Ordering::Relaxed) {
        return Err(BackupError::Stopped {
            path: target.to_owned(),
        });
    }
    let mode = metadata(database)?.mode() & 0o640;
    fresh.keep_as(target, mode, None, replaces)?;
    Ok(found)
}
