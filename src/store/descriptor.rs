//! One descriptor per database file and process, closed after SQLite's last.
//!
//! SQLite guards a database with the locks of `fcntl`, and those belong to the process: whenever any
//! descriptor of a file is closed, all of them that the process has on it are gone, whoever took them.
//! A program that only looked at the file's header while SQLite had it open would let another program
//! take the write-ahead log for its own and remove it. So whoever looks at a database file, or opens it
//! with SQLite, holds it here as long: there is one descriptor for all of them, and it is closed when
//! nobody is left.
//!
//! The same descriptor carries the lock of the one writer, `flock`: Linux keeps it apart from the locks
//! of `fcntl`, it belongs to the file and not to a name of it, and closing some other descriptor does not
//! free it. (NFS makes it a lock of `fcntl`; but a write-ahead log needs shared memory, so the database
//! cannot lie there anyway.)

use std::collections::BTreeMap;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Device and inode: which file it is, whatever its names.
pub(super) type Inode = (u64, u64);

pub(super) fn inode(metadata: &Metadata) -> Inode {
    (metadata.dev(), metadata.ino())
}

/// Rights of every file the store makes: with whatever umask, nobody but the owner and the group reads
/// it. SQLite gives the log the rights of the database.
pub(super) const MODE: u32 = 0o640;

struct Entry {
    /// The first is everybody's. A file that was exchanged while it was opened may have a second one,
    /// which must not be closed sooner.
    files: Vec<File>,
    users: usize,
    written: bool,
}

static ENTRIES: Mutex<BTreeMap<Inode, Entry>> = Mutex::new(BTreeMap::new());

fn entries() -> MutexGuard<'static, BTreeMap<Inode, Entry>> {
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The open descriptor of a database file, shared by all its users in this process, perhaps the writer.
/// To be dropped after every SQLite connection to the file that was opened under its protection.
#[derive(Debug)]
pub(super) struct SharedFile {
    inode: Inode,
    writes: bool,
}

impl SharedFile {
    /// Opens the file that is at `path`.
    ///
    /// # Errors
    /// Those of opening it; `InvalidInput` where it is no regular file, which is not opened.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::open_with(path, OpenOptions::new().read(true))
    }

    /// Opens the file at `path`, which is made, empty, where there is none. Can be written through.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE);
        Self::open_with(path, &options)
    }

    fn open_with(path: &Path, options: &OpenOptions) -> io::Result<Self> {
        let mut entries = entries();
        match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => return Err(io::ErrorKind::InvalidInput.into()),
            Ok(metadata) => {
                let inode = inode(&metadata);
                if let Some(entry) = entries.get_mut(&inode) {
                    return Ok(entry.another(inode));
                }
            }
            Err(_) => {} // as opening it will say
        }
        let file = options.open(path)?;
        let inode = inode(&file.metadata()?);
        let entry = entries.entry(inode).or_insert_with(|| Entry {
            files: Vec::new(),
            users: 0,
            written: false,
        });
        entry.files.push(file);
        Ok(entry.another(inode))
    }

    /// What `ask` learns from the descriptor.
    ///
    /// # Errors
    /// Those of `ask`.
    pub(super) fn ask<T>(&self, ask: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
        let entries = entries();
        let entry = entries.get(&self.inode);
        ask(entry
            .and_then(|entry| entry.files.first())
            .ok_or(io::ErrorKind::NotFound)?)
    }

    pub(super) const fn inode(&self) -> Inode {
        self.inode
    }

    /// Whether the file at `path` is this one.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|metadata| inode(&metadata) == self.inode)
    }

    /// Makes this process the file's writer; false where there is one, here or elsewhere.
    pub(super) fn lock(&mut self) -> io::Result<bool> {
        let mut entries = entries();
        let Some(entry) = entries.get_mut(&self.inode) else {
            return Ok(false); // not while it is open
        };
        if self.writes || entry.written {
            return Ok(self.writes);
        }
        let Some(file) = entry.files.first() else {
            return Ok(false); // nor without a descriptor
        };
        match file.try_lock() {
            Ok(()) => {
                entry.written = true;
                self.writes = true;
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Entry {
    fn another(&mut self, inode: Inode) -> SharedFile {
        self.users += 1;
        SharedFile {
            inode,
            writes: false,
        }
    }
}

impl Drop for SharedFile {
    fn drop(&mut self) {
        // Closed while nobody else can begin to hold the file: a later one's locks would go with it.
        let mut entries = entries();
        let Some(entry) = entries.get_mut(&self.inode) else {
            return;
        };
        entry.users -= 1;
        if self.writes {
            entry.written = false;
            // readers in this process may go on, and closing would free nothing then
            if let Some(file) = entry.files.first() {
                let _ = file.unlock();
            }
        }
        if entry.users == 0 {
            entries.remove(&self.inode);
        }
    }
}
