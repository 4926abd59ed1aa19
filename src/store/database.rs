//! The writer's hold on the file: lock, connection, creation, and what becomes of a damaged one.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::StoreError;
use super::aside::{GivenIds, set_aside};
use super::error::Context;
use super::file::{beside, check_header, refuse_newer, take_lock};
use super::migrate::{APPLICATION_ID, STEPS, migrate, version};
use super::open::{StoreOptions, Synchronous, no_mutex};

/// Not more often than this is a database set aside: a medium that damages every file is no reason to
/// fill it with them.
const ASIDE_AT_MOST_EVERY: Duration = Duration::from_secs(60);

/// A database taken by this process, with or without an open connection.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    options: StoreOptions,
    connection: Option<Connection>,
    /// Held, never read: the operating system frees the lock with the file. `None` while the file
    /// system does not let a lock file be made.
    lock: Option<File>,
    /// Device and inode of the file the connection writes to.
    identity: Option<(u64, u64)>,
    given: GivenIds,
    /// Whether sessions of before, left open by a crash, are closed: what is open now is ours.
    crash_cleared: bool,
    set_aside_at: Option<Instant>,
}

impl Database {
    /// See [`super::Store::open`]. The path and error of a damaged file that was set aside come back
    /// too.
    pub(super) fn open(
        path: &Path,
        options: StoreOptions,
    ) -> Result<(Self, Option<(PathBuf, StoreError)>), StoreError> {
        let bridges = options.outage.bridges();
        // A file without a readable header is ours to set aside only if we have been here before.
        let was_ours = path.is_file() && beside(path, ".lock").exists();
        match check_header(path) {
            // before a lock file appears beside somebody else's file
            Err(StoreError::NotADatabase { .. }) if bridges && was_ours => {}
            other => drop(other?),
        }
        let mut database = Self {
            path: path.to_owned(),
            options,
            connection: None,
            lock: None,
            identity: None,
            given: GivenIds::default(),
            crash_cleared: false,
            set_aside_at: None,
        };
        let error = match database.reopen() {
            Ok(()) => return Ok((database, None)),
            Err(error) => error,
        };
        if !bridges || !(error.is_transient() || error.is_damage()) {
            return Err(error);
        }
        if database.lock.is_some() && error.is_damage() {
            let aside = database.set_aside()?;
            return Ok((database, Some((aside, error))));
        }
        tracing::warn!(%error, "the database cannot be written yet: rows are collected in memory");
        Ok((database, None))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// The connection, opened again where it was lost, and what its errors are explained with.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where the file is not the one that was opened, and everything
    /// [`super::Store::open`] may answer.
    pub(super) fn connection(&mut self) -> Result<(&mut Connection, Context<'_>), StoreError> {
        if self.connection.is_some() && identity(&self.path) != self.identity {
            self.forget();
            return Err(StoreError::Corrupt {
                path: self.path.clone(),
                detail: "removed or replaced by another program while it was written".to_owned(),
            });
        }
        if self.connection.is_none() {
            self.reopen()?;
        }
        let context = Context {
            path: &self.path,
            busy_timeout: self.options.busy_timeout,
        };
        match &mut self.connection {
            Some(connection) => Ok((connection, context)),
            None => Err(StoreError::Io {
                path: self.path.clone(),
                source: std::io::ErrorKind::NotConnected.into(), // `reopen` has just made one
            }),
        }
    }

    /// The connection as it is, for what can be left out.
    pub(super) fn connection_if_open(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// Closes the connection without touching the file once more.
    pub(super) fn forget(&mut self) {
        if let Some(connection) = self.connection.take() {
            if let Ok(ids) = GivenIds::read(&connection) {
                self.given = self.given.or_larger(ids);
            }
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }

    /// Sets the damaged file aside and begins a fresh one; the new name of the old one.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where that was done a moment ago, the error of the renaming, and
    /// everything [`super::Store::open`] may answer.
    pub(super) fn set_aside(&mut self) -> Result<PathBuf, StoreError> {
        if self
            .set_aside_at
            .is_some_and(|at| at.elapsed() < ASIDE_AT_MOST_EVERY)
        {
            return Err(StoreError::Corrupt {
                path: self.path.clone(),
                detail: "damaged again at once: the medium may be failing".to_owned(),
            });
        }
        self.forget();
        if self.given == GivenIds::default() {
            self.given = GivenIds::salvage(&self.path);
        }
        let aside = set_aside(&self.path)?;
        self.set_aside_at = Some(Instant::now());
        self.reopen()?;
        Ok(aside)
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.lock.is_none() {
            self.lock = Some(take_lock(&self.path)?);
        }
        let exists = check_header(&self.path)?; // again: another process may have created it meanwhile
        let context = Context {
            path: &self.path,
            busy_timeout: self.options.busy_timeout,
        };
        if !exists {
            create(&context)?;
        }
        let mut connection = connect(&context, &self.options)?;
        if !self.crash_cleared {
            close_interrupted(&mut connection, self.options.ecg_kept)
                .map_err(|error| context.explain("preparing for writing", error))?;
            self.crash_cleared = true;
        }
        if !exists {
            self.given
                .go_on_in(&connection)
                .map_err(|error| context.explain("creating", error))?;
        }
        self.given = GivenIds::read(&connection)
            .map_err(|error| context.explain("reading", error))?
            .or_larger(self.given);
        self.identity = identity(&self.path);
        self.connection = Some(connection);
        Ok(())
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path)
        .ok()
        .map(|metadata| (metadata.dev(), metadata.ino()))
}

pub(super) fn check_version(
    context: &Context<'_>,
    connection: &Connection,
) -> Result<i64, StoreError> {
    let found = version(connection).map_err(|error| context.explain("reading", error))?;
    refuse_newer(context.path, found)?;
    Ok(found)
}

/// Opens an existing database for writing.
fn connect(context: &Context<'_>, options: &StoreOptions) -> Result<Connection, StoreError> {
    let mut connection =
        Connection::open_with_flags(context.path, OpenFlags::SQLITE_OPEN_READ_WRITE | no_mutex())
            .map_err(|error| context.explain("opening", error))?;
    connection
        .busy_timeout(options.busy_timeout)
        .map_err(|error| context.explain("opening", error))?;
    // A refused database keeps its write-ahead log too: without this the last connection to
    // close would write the log into the file.
    let keep_log = |keep| {
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)
            .map_err(|error| context.explain("opening", error))
    };
    keep_log(true)?;
    check_version(context, &connection)?;
    keep_log(false)?;
    let set_up = |connection: &mut Connection| {
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(
            None,
            "synchronous",
            match options.synchronous {
                Synchronous::Off => "OFF",
                Synchronous::Normal => "NORMAL",
                Synchronous::Full => "FULL",
            },
        )?;
        connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?; // the writer does it between commits
        migrate(connection, STEPS)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(())
    };
    set_up(&mut connection).map_err(|error| context.explain("preparing for writing", error))?;
    Ok(connection)
}

/// Ends the sessions a crash left open. Raw ECG is committed block by block, beats sooner: what was
/// known to have been acquired beyond the last block is a gap of cause `interrupted`.
fn close_interrupted(connection: &mut Connection, ecg_kept: bool) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if ecg_kept {
        transaction.execute_batch(
            "CREATE TEMP TABLE tails AS SELECT id AS session, \
             max(coalesce((SELECT first_sample + samples FROM ecg_blocks \
              WHERE session = s.id ORDER BY first_sample DESC LIMIT 1), 0), \
              coalesce((SELECT first_missing_sample + missing_samples FROM gaps \
              WHERE session = s.id ORDER BY wall_us DESC LIMIT 1), 0)) AS covered, \
             max(coalesce((SELECT r_sample + 1 FROM beats \
              WHERE session = s.id ORDER BY r_wall_us DESC LIMIT 1), 0), \
              coalesce((SELECT sample FROM events \
              WHERE session = s.id ORDER BY wall_us DESC LIMIT 1), 0)) AS known \
             FROM sessions s WHERE end_reason IS NULL; \
             INSERT INTO gaps (session, first_missing_sample, missing_samples, monotonic_ns, \
              wall_us, cause, after_beat) \
             SELECT s.id, covered, known - covered, \
              s.start_monotonic_ns + CAST(covered * 1e9 / s.sample_rate_hz AS INTEGER), \
              s.start_wall_us + CAST(covered * 1e6 / s.sample_rate_hz AS INTEGER), \
              'interrupted', \
              coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'beats'), 0) \
              FROM tails t JOIN sessions s ON s.id = t.session WHERE known > covered; \
             UPDATE sessions SET gaps = gaps + 1, missing_samples = missing_samples + \
              (SELECT known - covered FROM tails t WHERE t.session = id) \
              WHERE id IN (SELECT session FROM tails WHERE known > covered); \
             DROP TABLE tails;",
        )?;
    }
    transaction.execute(
        "UPDATE sessions SET end_reason = 'interrupted' WHERE end_reason IS NULL",
        [],
    )?;
    transaction.commit()
}

/// Builds the new database under another name and renames it, so that the path is either absent or a
/// whole database of ours.
fn create(context: &Context<'_>) -> Result<(), StoreError> {
    let fresh = beside(context.path, ".new");
    let io = |source| StoreError::Io {
        path: fresh.clone(),
        source,
    };
    for leftover in ["", "-journal", "-wal", "-shm"] {
        match std::fs::remove_file(beside(&fresh, leftover)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
    }
    let build = || {
        let mut connection = Connection::open(&fresh)?;
        // before the first table, or it has no effect; retention needs it
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        migrate(&mut connection, STEPS)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.close().map_err(|(_, error)| error)
    };
    build().map_err(|error| context.explain("creating", error))?;
    std::fs::rename(&fresh, context.path).map_err(io)?;
    if let Some(folder) = context.path.parent() {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io)?;
    }
    Ok(())
}
