//! A database taken for writing.

use std::path::Path;

use super::database::Database;
use super::error::StoreError;
use super::identity::StoreMark;
use super::options::StoreOptions;
use super::quarantine::{QUARANTINED, quarantine_note};
use super::reader::StoreReader;

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
    /// With [`super::Outage::Bridge`] a damaged database is quarantined for a fresh one (one whose header is
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
        let (mut database, damaged) = Database::open(path, options)?;
        let quarantined = damaged.is_some();
        let mut notes: Vec<_> = damaged
            .into_iter()
            .map(|(quarantined, error)| (QUARANTINED, quarantine_note(&quarantined, &error)))
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
}
