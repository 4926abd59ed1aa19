//! How a database is opened and written.

use std::path::Path;
use std::time::Duration;

use rusqlite::OpenFlags;

use super::checkup::Checkup;
use super::database::Database;
use super::outage::Outage;
use super::quarantine::Quarantined;
use super::retention::Retention;
use super::rows::Commit;
use super::space::SpaceSource;
use super::{StoreError, StoreMark, StoreReader, StoreWriter};

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
    /// batched, so this is one or two per second at a resting heart rate.
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
    /// Longest time a map made on request waits for a commit where nothing else is due.
    pub maps_commit_after: Duration,
    /// Rows that make a commit due at once.
    pub commit_rows: usize,
    /// Commands the queue to the writer thread holds before a sender has to wait.
    pub queue_length: usize,
    /// What happens while a write fails for a passing reason (locked, disk full, read-only).
    pub outage: Outage,
    /// Whether sessions store raw ECG: if so, what a crash took of it is recorded as a gap.
    pub ecg_kept: bool,
    /// What is deleted when.
    pub retention: Retention,
    /// Where the room on the medium is asked for.
    pub space: SpaceSource,
    /// Whether rows are chained; off only to measure what that costs.
    pub chained: bool,
    /// When the file is checked in the background; `None` for never.
    pub checkup: Option<Checkup>,
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
            maps_commit_after: Duration::from_secs(30),
            commit_rows: 4_096,
            queue_length: 8_192,
            outage: Outage::GiveUpAfter(Duration::from_secs(30)),
            ecg_kept: true,
            retention: Retention::default(),
            space: SpaceSource::default(),
            chained: true,
            checkup: None,
            // the first with Huffman codes of its own: noise is all there is to gain
            ecg_compression_level: 2,
        }
    }
}

/// A database taken for writing by this process.
#[derive(Debug)]
pub struct Store {
    pub(super) database: Database,
    /// What happened on opening, to be stored with the first session: kind and detail.
    pub(super) notes: Vec<(&'static str, String)>,
    /// Whether a damaged database was quarantined on opening.
    pub(super) quarantined: bool,
}

impl Store {
    /// Takes the database at `path`, creating or migrating it. A missing or empty file becomes a new
    /// database in one atomic step. Sessions that a crash left open are marked `interrupted`.
    ///
    /// Links in the path are followed once, now: everything later happens to the file they lead to.
    ///
    /// With [`Outage::Bridge`] a damaged database is quarantined for a fresh one (one whose header is
    /// unreadable only where a lock file shows that it was ours), and one that cannot be written for
    /// a passing reason is tried again later.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has taken it, by whatever name,
    /// [`StoreError::DanglingLink`], [`StoreError::OtherNames`], [`StoreError::NotADatabase`],
    /// [`StoreError::OtherApplication`] and [`StoreError::NewerSchema`] for files that are not ours to
    /// write (they stay as they are), [`StoreError::Locked`], [`StoreError::Corrupt`],
    /// [`StoreError::Io`], [`StoreError::Sqlite`].
    pub fn open(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let (mut database, aside) = Database::open(path, options)?;
        let quarantined = aside.is_some();
        let mut notes: Vec<_> = aside
            .into_iter()
            .map(|(aside, error)| (SET_ASIDE, aside_note(&aside, &error)))
            .collect();
        notes.append(&mut database.take_notes());
        Ok(Self {
            database,
            notes,
            quarantined,
        })
    }

    /// The database file, links in its path followed.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.database.path()
    }

    /// Where it stands; `None` while it cannot be read.
    #[must_use]
    pub fn mark(&self) -> Option<StoreMark> {
        let connection = self.database.connection_if_open()?;
        StoreMark::read(connection).ok()
    }

    /// A reader of this database.
    ///
    /// # Errors
    /// As [`StoreReader::open`].
    pub fn reader(&self) -> Result<StoreReader, StoreError> {
        StoreReader::open(self.path())
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

/// Kind of the event that says a damaged or replaced database was quarantined.
pub(super) const SET_ASIDE: &str = "store_set_aside";

/// Logs that a database was quarantined; the event's words.
pub(super) fn aside_note(quarantined: &Quarantined, error: &StoreError) -> String {
    let then = if quarantined.whole {
        "a fresh one goes on with all its rows"
    } else {
        "a fresh, empty one begins"
    };
    let kept = match &quarantined.aside {
        Some(aside) => format!("quarantined as {}", aside.display()),
        None => "nothing was left of it".to_owned(),
    };
    tracing::error!(%error, "the database: {kept}, {then}");
    format!("{error}; {kept}, {then}")
}

pub(super) const fn no_mutex() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_NO_MUTEX
}
