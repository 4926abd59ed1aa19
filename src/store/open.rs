//! Taking a database: lock, checks, creation, migration.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::{Context, StoreError};
use super::file::{beside, check_header, refuse_newer, take_lock};
use super::migrate::{APPLICATION_ID, STEPS, migrate, version};
use super::rows::Commit;
use super::{StoreReader, StoreWriter};

/// How hard a commit is pressed onto the disk (`PRAGMA synchronous`, always with WAL).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// No fsync at all: a power cut may damage the database. For throw-away databases only.
    Off,
    /// fsync at checkpoints only: a power cut never damages the database but may take back the last
    /// commits, and their beat ids are then given to other beats. For replays, which can be redone.
    Normal,
    /// fsync at every commit: what was announced survives a power cut. The default, since a client
    /// of the stream may already have acted on a beat. Costs one fsync per commit; commits are
    /// batched, so this is one or two a second at a resting heart rate.
    #[default]
    Full,
}

/// How a store is opened and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreOptions {
    /// Durability of a commit.
    pub synchronous: Synchronous,
    /// How long a lock held by another program is waited for.
    pub busy_timeout: Duration,
    /// Longest time a beat, gap or event waits for its commit.
    pub commit_after: Duration,
    /// Longest time raw ECG waits for its commit where nothing else is waiting.
    pub ecg_commit_after: Duration,
    /// Rows that make a commit due at once.
    pub commit_rows: usize,
    /// Commands the queue to the writer thread holds before a sender has to wait.
    pub queue_length: usize,
    /// How long a write that failed for a passing reason (locked, disk full) is tried again before
    /// the writer gives up. Rows wait in memory meanwhile.
    pub retry_for: Duration,
    /// Deflate level of the ECG blocks, 0 (off) to [`super::MAX_COMPRESSION_LEVEL`].
    pub ecg_compression_level: u32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            busy_timeout: Duration::from_secs(5),
            commit_after: Duration::from_millis(200),
            ecg_commit_after: Duration::from_secs(5),
            commit_rows: 4_096,
            queue_length: 8_192,
            retry_for: Duration::from_secs(30),
            ecg_compression_level: 2, // the first with Huffman codes of its own: noise is all there is to gain
        }
    }
}

/// A database taken for writing by this process.
#[derive(Debug)]
pub struct Store {
    pub(super) path: PathBuf,
    pub(super) options: StoreOptions,
    pub(super) connection: Connection,
    /// Held, never read: the operating system frees the lock with the file.
    pub(super) lock: File,
}

impl Store {
    /// Takes the database at `path`, creating or migrating it. A missing or empty file becomes a new
    /// database in one atomic step. Sessions that a crash left open are marked `interrupted`.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has taken it, [`StoreError::NotADatabase`],
    /// [`StoreError::OtherApplication`] and [`StoreError::NewerSchema`] for files that are not ours to
    /// write (they stay as they are), [`StoreError::Locked`], [`StoreError::Corrupt`],
    /// [`StoreError::Io`], [`StoreError::Sqlite`].
    pub fn open(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        check_header(path)?; // before a lock file appears beside somebody else's file
        let lock = take_lock(path)?;
        let exists = check_header(path)?; // again: another process may have created it meanwhile
        let context = Context {
            path,
            busy_timeout: options.busy_timeout,
        };
        if !exists {
            create(&context)?;
        }
        let mut connection =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | no_mutex())
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
        check_version(&context, &connection)?;
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
            connection.pragma_update(None, "wal_autocheckpoint", 1_000)?;
            migrate(connection, STEPS)?;
            connection.execute(
                "UPDATE sessions SET end_reason = 'interrupted' WHERE end_reason IS NULL",
                [],
            )?;
            connection.set_prepared_statement_cache_capacity(32);
            Ok(())
        };
        set_up(&mut connection).map_err(|error| context.explain("preparing for writing", error))?;
        Ok(Self {
            path: path.to_owned(),
            options,
            connection,
            lock,
        })
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader of this database.
    ///
    /// # Errors
    /// As [`StoreReader::open`].
    pub fn reader(&self) -> Result<StoreReader, StoreError> {
        StoreReader::open(&self.path)
    }

    /// Starts the writer thread. `on_commit` runs on that thread after each commit, so it must
    /// neither block nor panic.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the thread cannot be started.
    pub fn into_writer(
        self,
        on_commit: impl FnMut(&Commit) + Send + 'static,
    ) -> Result<StoreWriter, StoreError> {
        StoreWriter::start(self, Box::new(on_commit))
    }
}

pub(super) const fn no_mutex() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_NO_MUTEX
}

pub(super) fn check_version(
    context: &Context<'_>,
    connection: &Connection,
) -> Result<i64, StoreError> {
    let found = version(connection).map_err(|error| context.explain("reading", error))?;
    refuse_newer(context.path, found)?;
    Ok(found)
}

/// Builds the new database under another name and renames it, so that `path` is either absent or a
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
