//! Whether the files are still those that are written to.
//!
//! Between two checkpoints nobody writes to the database file itself: commits go into the log. So at
//! each commit its device, inode, number of names, size and times must be those of after our own last
//! checkpoint, and the log and its index must be the files they were. Nothing is opened for that, and
//! nothing closed.
//!
//! Another program may checkpoint too, if somebody asks it to. SQLite's own memory of the log, shared by
//! all who have the database open, then says so: more of the log is in the database than before, or
//! there are commits of others. A change that this does not explain within a moment is somebody writing
//! over the file, unless a full check of everything says that it is whole all the same. New rights, owners
//! or names change the time of the last change alone; with size, time of the last write and header as
//! before they are ignored.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::descriptor::{Inode, SharedFile, inode};
use super::error::{Context, StoreError};
use super::file::{beside, head, io};

/// How long another program's checkpoint may take to say that it was one.
const SETTLES_WITHIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What has become of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replaced {
    /// For people.
    pub(super) detail: String,
    /// Whether the open connection still has every committed row.
    pub(super) intact: bool,
    /// Whether nothing but the log is gone: the database file can take what is in it.
    pub(super) log_only: bool,
    /// Whether the files are those that were opened, and only what is in them may be another's.
    pub(super) same_files: bool,
}

/// Size and time of the last write of a file.
fn content(file: &Metadata) -> (u64, i64, i64) {
    (file.len(), file.mtime(), file.mtime_nsec())
}

/// Whether a file is as it was, with its names, rights and owners.
fn is_untouched(file: &Metadata, before: &Metadata) -> bool {
    let state = |file: &Metadata| {
        let changed = (file.ctime(), file.ctime_nsec());
        (inode(file), file.nlink(), content(file), changed)
    };
    state(file) == state(before)
}

/// What SQLite's shared memory says of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Log {
    frames: i64,
    checkpointed: i64,
    /// Another number after every commit of another connection.
    version: i64,
}

impl Log {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let (frames, checkpointed) = connection
            .prepare_cached("PRAGMA wal_checkpoint(NOOP)")?
            .query_row([], |row| Ok((row.get(1)?, row.get(2)?)))?;
        let version = connection
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))?;
        Ok(Self {
            frames,
            checkpointed,
            version,
        })
    }

    /// Whether somebody else has written to the database file since `before`: our own commits only begin
    /// the log anew.
    fn explains_a_write_since(&self, before: &Self) -> bool {
        self.version != before.version
            || if self.frames < before.frames {
                self.checkpointed > 0
            } else {
                self.checkpointed > before.checkpointed
            }
    }
}

/// The files as they were when last seen in order.
#[derive(Debug)]
pub(super) struct Seen {
    file: Metadata,
    head: Vec<u8>,
    log: Log,
    /// The log and its index.
    beside: [Option<Inode>; 2],
}

const BESIDE: [&str; 2] = ["-wal", "-shm"];

fn look(path: &Path) -> Result<Option<Metadata>, StoreError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(path)(error)),
    }
}

impl Seen {
    /// Takes the files as they are: after opening them, and after a checkpoint of our own.
    ///
    /// # Errors
    /// [`StoreError::Replaced`] where the open file is not at `path`, [`StoreError::Io`].
    pub(super) fn now(
        path: &Path,
        shared: &SharedFile,
        connection: &Connection,
    ) -> Result<Self, StoreError> {
        // before the look at the file: what is checkpointed later shows in both
        let context = Context::new(path, Duration::ZERO);
        let log =
            Log::read(connection).map_err(|error| context.explain("looking at the log", error))?;
        let metadata = look(path)?.filter(|metadata| inode(metadata) == shared.inode());
        let metadata = metadata.ok_or_else(|| {
            StoreError::replaced(
                path,
                "removed or replaced by another program while it was opened",
            )
        })?;
        let mut beside_now = [None; 2];
        for (seen, suffix) in beside_now.iter_mut().zip(BESIDE) {
            *seen = look(&beside(path, suffix))?.as_ref().map(inode);
        }
        Ok(Self {
            file: metadata,
            head: head(shared).map_err(io(path))?,
            log,
            beside: beside_now,
        })
    }

    /// What has become of the files since; `None` where they are in order.
    ///
    /// # Errors
    /// [`StoreError::Io`] where they cannot be looked at.
    pub(super) fn look(
        &mut self,
        path: &Path,
        shared: &SharedFile,
        connection: &Connection,
    ) -> Result<Option<Replaced>, StoreError> {
        let give_up = Instant::now() + SETTLES_WITHIN;
        loop {
            let log = Log::read(connection).ok(); // a file written over may not be readable
            let there = look(path)?;
            let explained = log.is_some_and(|log| log.explains_a_write_since(&self.log));
            let Some(file) = there.filter(|metadata| inode(metadata) == shared.inode()) else {
                let own = shared.ask(std::fs::File::metadata).map_err(io(path))?;
                return Ok(Some(Replaced {
                    detail: "removed or replaced by another program while it was written"
                        .to_owned(),
                    intact: explained || content(&own) == content(&self.file),
                    log_only: false,
                    same_files: false,
                }));
            };
            let untouched = is_untouched(&file, &self.file);
            let same_content = content(&file) == content(&self.file)
                && (untouched || head(shared).map_err(io(path))? == self.head);
            if same_content || explained {
                if let Some(replaced) = self.look_beside(path)? {
                    return Ok(Some(replaced));
                }
                if file.nlink() > self.file.nlink() {
                    tracing::warn!(
                        "{}: it has {} names (hard links) now; whoever opens it by another one \
                         does not see what is in {}-wal",
                        path.display(),
                        file.nlink(),
                        path.display()
                    );
                }
                if !untouched {
                    self.head = head(shared).map_err(io(path))?;
                }
                self.file = file;
                self.log = log.unwrap_or(self.log);
                return Ok(None);
            }
            if Instant::now() >= give_up {
                let same_files = self.look_beside(path)?.is_none();
                return Ok(Some(Replaced {
                    detail: "written over by another program while it was written".to_owned(),
                    intact: false,
                    log_only: false,
                    same_files,
                }));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn look_beside(&mut self, path: &Path) -> Result<Option<Replaced>, StoreError> {
        for (seen, suffix) in self.beside.iter_mut().zip(BESIDE) {
            let path = beside(path, suffix);
            let now = look(&path)?.as_ref().map(inode);
            if seen.is_none() {
                *seen = now; // SQLite makes them when it first needs them
            }
            if *seen != now {
                return Ok(Some(Replaced {
                    detail: format!(
                        "{} was removed or replaced by another program while it was written",
                        path.display()
                    ),
                    intact: true,
                    log_only: true,
                    same_files: false,
                }));
            }
        }
        Ok(None)
    }
}
