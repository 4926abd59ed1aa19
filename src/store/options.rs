//! How a database is opened and written.

use std::time::Duration;

use rusqlite::OpenFlags;

use super::space::{MinFree, SpaceSource};

/// Connections are used by one thread at a time.
pub(super) const READ_ONLY: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
pub(super) const READ_WRITE: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// How hard a commit is pressed onto the disk (`PRAGMA synchronous`, always with WAL).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Synchronous {
    /// No fsync at all: a power cut may damage the database. For throw-away databases only, and no
    /// choice of the configuration.
    #[value(skip)]
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

/// What the writer does while a write fails for a reason that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// Whoever sends rows waits while the write is tried again for this long, then the writer stops
    /// for good. For sources that can wait and be read again.
    GiveUpAfter(Duration),
    /// Rows are collected in memory and written in order once the store takes them; a damaged
    /// database is quarantined and a fresh one begun. For a chip, which does not wait.
    Bridge {
        /// Rows that have waited longer are dropped, oldest first.
        longest: Duration,
        /// Memory the waiting rows may take, bytes; beyond it the oldest are dropped.
        most_bytes: usize,
    },
}

impl Outage {
    /// How long somebody who asked for a commit and waits for the answer is kept waiting.
    pub(super) const fn longest_answer(self) -> Duration {
        match self {
            Self::GiveUpAfter(longest) => longest,
            Self::Bridge { .. } => Duration::from_secs(1), // of the 2 s a stop may take
        }
    }

    /// Whether the writer goes on without a store.
    pub(super) const fn bridges(self) -> bool {
        matches!(self, Self::Bridge { .. })
    }
}

/// When the file is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkup {
    /// After the start.
    pub first: Duration,
    /// After the end of the check before.
    pub every: Duration,
}

/// What is kept how long. Nothing is deleted by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Age at which beats, gaps and events are deleted.
    pub rows: Option<Duration>,
    /// Age at which raw ECG is deleted.
    pub ecg: Option<Duration>,
    /// Bytes the database may take: beyond them the oldest raw ECG goes first, then the oldest rows.
    pub most_bytes: Option<u64>,
    /// What stays free on the medium: below it the oldest raw ECG goes, but never the last 24 h of it.
    pub min_free: Option<MinFree>,
}

impl Retention {
    pub(super) fn keeps_everything(&self) -> bool {
        *self == Self::default()
    }

    /// The shortest age at which anything is deleted.
    pub(super) fn shortest_age(&self) -> Option<Duration> {
        [self.rows, self.ecg].into_iter().flatten().min()
    }
}
