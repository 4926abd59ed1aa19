//! Copies of a database, and the way back.
//!
//! [`back_up`] copies a database while it is written: one snapshot, a few pages at a time, checked, and only
//! then given its name. [`restore()`] puts such a copy in the place of a database that nobody writes.

mod check;
mod copy;
mod folder;
mod restore;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::database::check_version;
use super::error::Context;
use super::file::{beside, check_header, hold, io};
use super::held::Held;
use super::identity::{Epoch, StoreMark};
use super::open::no_mutex;
use super::space::MinFree;
use super::{StoreError, parse::RowError};

pub use check::check_backup;
use copy::{Fresh, copy};
pub use folder::NumberedBackups;
pub use restore::{Restored, restore};

/// A lock that another program holds is waited for this long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// First schema version whose databases have an epoch.
const EPOCH_SINCE: i64 = 5;

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

/// A database as it was checked: what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Which database it is of; `None` before schema version 5.
    pub epoch: Option<Epoch>,
    /// Its schema version.
    pub schema_version: i64,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// Size of the file, bytes.
    pub bytes: u64,
}

/// What copying reports: bytes done and bytes in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

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
    let context = Context {
        path: database,
        busy_timeout: BUSY_TIMEOUT,
    };
    refuse_same(database, target)?;
    let replaces = match fs::symlink_metadata(target) {
        Ok(_) if !options.overwrite => {
            return Err(BackupError::Exists {
                path: target.to_owned(),
            });
        }
        Ok(found) if !found.is_file() => {
            return Err(BackupError::Exists {
                path: target.to_owned(),
            });
        }
        Ok(_) => true,
        Err(_) => false,
    };
    let opened = open_source(&context)?;
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
    let found = check::check_fresh(&fresh, target)?;
    compare(&expected, &found, target)?;
    if stop.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(BackupError::Stopped {
            path: target.to_owned(),
        });
    }
    let mode = metadata(database)?.mode() & 0o640;
    fresh.keep_as(target, mode, None, replaces)?;
    Ok(found)
}

/// A database that is read. Fields are dropped in this order: what holds the file after the connection.
struct Source {
    connection: Connection,
    _held: Held,
}

/// Opens a database to be read, of any schema version up to this program's.
fn open_source(context: &Context<'_>) -> Result<Source, BackupError> {
    let held = hold(context.path)?;
    if !check_header(context.path)? {
        return Err(io(context.path)(std::io::ErrorKind::NotFound.into()).into());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | no_mutex();
    let connection = Connection::open_with_flags(context.path, flags)
        .and_then(|connection| {
            connection.busy_timeout(context.busy_timeout)?;
            // should the file be quarantined meanwhile, its log stays as it is
            connection.set_db_config(
                rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
                true,
            )?;
            Ok(connection)
        })
        .map_err(|error| context.explain("opening", error))?;
    check_version(context, &connection)?;
    Ok(Source {
        connection,
        _held: held,
    })
}

/// From here on the connection sees one state of the database only; its size in bytes.
fn snapshot(connection: &Connection) -> rusqlite::Result<u64> {
    connection.execute_batch("BEGIN")?;
    size(connection) // the first reading takes the snapshot
}

/// A count from the database.
fn number(connection: &Connection, sql: &str) -> rusqlite::Result<u64> {
    let number: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(number.unsigned_abs()) // counts and sizes
}

fn size(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(number(connection, "PRAGMA page_count")? * number(connection, "PRAGMA page_size")?)
}

/// What is in the database at `path`.
fn contents(connection: &Connection, path: &Path) -> Result<Contents, StoreError> {
    let context = Context {
        path,
        busy_timeout: BUSY_TIMEOUT,
    };
    let explain = |error| context.explain("counting rows", error);
    let schema_version = check_version(&context, connection)?;
    let mut names = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .map_err(explain)?;
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))
        .and_then(Iterator::collect)
        .map_err(explain)?;
    let mut rows = BTreeMap::new();
    for name in names {
        let sql = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
        let count = number(connection, &sql).map_err(explain)?;
        rows.insert(name, count);
    }
    let epoch = match schema_version {
        EPOCH_SINCE.. => StoreMark::read(connection)
            .map(|mark| Some(mark.epoch))
            .map_err(|error: RowError| context.explain_row("reading its epoch", error))?,
        _ => None,
    };
    Ok(Contents {
        epoch,
        schema_version,
        rows,
        bytes: size(connection).map_err(explain)?,
    })
}

/// Refuses a copy that has not every row of what was copied.
fn compare(expected: &Contents, found: &Contents, path: &Path) -> Result<(), BackupError> {
    let different = expected
        .rows
        .iter()
        .find(|(name, count)| found.rows.get(*name) != Some(count));
    let detail = match different {
        Some((name, count)) => format!(
            "table {name}: found {} rows, expected {count}",
            found.rows.get(name).copied().unwrap_or(0)
        ),
        None if (expected.epoch, expected.schema_version)
            != (found.epoch, found.schema_version) =>
        {
            "epoch or schema version differ from what was copied".to_owned()
        }
        None => return Ok(()),
    };
    Err(BackupError::NotWhole {
        path: path.to_owned(),
        detail,
    })
}

fn metadata(path: &Path) -> Result<fs::Metadata, StoreError> {
    fs::metadata(path).map_err(|source| io(path)(source))
}

/// The folder a file is or will be in.
fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn refuse_same(database: &Path, copy: &Path) -> Result<(), BackupError> {
    let same = match (fs::metadata(database), fs::metadata(copy)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    };
    if same {
        return Err(BackupError::SameFile {
            path: copy.to_owned(),
        });
    }
    Ok(())
}

/// Bytes that recording wants to stay free where the backup goes.
fn recording_needs(database: &Path, target: &Path) -> Result<u64, StoreError> {
    let folder = folder_of(target);
    if metadata(database)?.dev() != metadata(folder)?.dev() {
        return Ok(0);
    }
    let medium = medium(folder)?;
    let least = MinFree {
        percent: 10,
        bytes: 1 << 30,
    };
    Ok(least.wanted(medium.f_blocks.saturating_mul(medium.f_frsize)))
}

fn medium(folder: &Path) -> Result<rustix::fs::StatVfs, StoreError> {
    rustix::fs::statvfs(folder).map_err(|error| io(folder)(error.into()))
}

fn refuse_full(target: &Path, needed: u64, keep_free: u64) -> Result<(), BackupError> {
    let medium = medium(folder_of(target))?;
    let free = medium.f_bavail * medium.f_frsize;
    if free < needed.saturating_add(keep_free) {
        return Err(BackupError::NoRoom {
            path: target.to_owned(),
            needed,
            keep_free,
            free,
        });
    }
    Ok(())
}

/// Sleeps so that what was done since `began` keeps to the pace.
fn keep_pace(began: Instant, done: u64, bytes_per_second: Option<u64>) {
    let Some(pace) = bytes_per_second.filter(|pace| *pace > 0) else {
        return;
    };
    let due = Duration::from_millis(done.saturating_mul(1_000) / pace);
    std::thread::sleep(due.saturating_sub(began.elapsed()));
}
