//! The database as a file: where it is, whose it is, who writes it, and how a new one gets its place.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use rusqlite::Connection;

use super::descriptor::{MODE, SharedFile};
use super::error::{Context, StoreError};
use super::migrate::{APPLICATION_ID, SCHEMA_VERSION, version};

/// Bytes of the header of an SQLite file.
pub(super) const HEADER_BYTES: usize = 100;

fn refuse_newer(path: &Path, found: i64) -> Result<(), StoreError> {
    if found > SCHEMA_VERSION {
        return Err(StoreError::NewerSchema {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(())
}

/// The schema version of a database, refused where it is newer than this program.
pub(super) fn check_version(
    context: &Context<'_>,
    connection: &Connection,
) -> Result<i64, StoreError> {
    let found = version(connection).map_err(|error| context.explain("reading", error))?;
    refuse_newer(context.path, found)?;
    Ok(found)
}

/// Explains an answer of the operating system about this file.
pub(super) fn io(path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    move |source| StoreError::Io {
        path: path.to_owned(),
        source,
    }
}

/// The file a path stands for, without links; asked once, so that nobody can exchange a link for
/// another one later. Of a file that is not there yet the folder must be.
///
/// # Errors
/// [`StoreError::Refused`], [`StoreError::Io`].
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    match std::fs::canonicalize(path) {
        Ok(resolved) => return Ok(resolved),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(io(path)(error)),
    }
    // A file made at the end of a link that leads nowhere may lie on another medium than was meant.
    if let Ok(target) = std::fs::read_link(path) {
        let detail = format!(
            "a symbolic link to {}, where there is no file: mount the medium it lies on, or make \
             an empty file there for a new database",
            target.display()
        );
        return Err(StoreError::refused(path, detail));
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io(path)(ErrorKind::NotFound.into()));
    };
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let folder = std::fs::canonicalize(folder).map_err(io(path))?;
    Ok(folder.join(name))
}

/// Opens the file at `path`, or shares its descriptor.
///
/// # Errors
/// [`StoreError::Io`], also where there is none; [`StoreError::NotADatabase`] for folders, devices and
/// the like.
pub(super) fn open_shared(path: &Path) -> Result<SharedFile, StoreError> {
    SharedFile::open(path).map_err(|error| match error.kind() {
        ErrorKind::InvalidInput => StoreError::NotADatabase {
            path: path.to_owned(),
        },
        _ => io(path)(error),
    })
}

/// The first bytes of a file, fewer where it is shorter.
pub(super) fn head(file: &SharedFile) -> std::io::Result<Vec<u8>> {
    file.ask(|file| {
        let mut head = vec![0; HEADER_BYTES];
        let mut filled = 0;
        while filled < head.len() {
            match file.read_at(&mut head[filled..], filled as u64) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        head.truncate(filled);
        Ok(head)
    })
}

/// As [`check_file`], for a file nobody has opened yet; false also where there is none.
pub(super) fn check_header(path: &Path) -> Result<bool, StoreError> {
    match open_shared(path) {
        Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(file) => check_file(path, &file),
    }
}

/// Looks at the first 100 bytes without SQLite, so that a foreign file is certainly not touched.
/// False where it is empty. The application id is always in the main file: it is written before the file
/// gets its name. A schema version may still be in the write-ahead log only;
/// [`check_version`] asks SQLite about that.
pub(super) fn check_file(path: &Path, file: &SharedFile) -> Result<bool, StoreError> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    const USER_VERSION_AT: usize = 60; // SQLite file format, section 1.3
    const APPLICATION_ID_AT: usize = 68;
    let header = head(file).map_err(io(path))?;
    if header.is_empty() {
        return Ok(false);
    }
    let number_at = |offset: usize| {
        header
            .get(offset..offset + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u32::from_be_bytes)
    };
    let numbers = (number_at(APPLICATION_ID_AT), number_at(USER_VERSION_AT));
    let (Some(id), Some(version), true) = (numbers.0, numbers.1, header.starts_with(MAGIC)) else {
        return Err(StoreError::NotADatabase {
            path: path.to_owned(),
        });
    };
    if id != APPLICATION_ID {
        let detail = format!(
            "an SQLite database of another application (application id {id:#010x}, expected \
             {APPLICATION_ID:#010x}), left untouched"
        );
        return Err(StoreError::refused(path, detail));
    }
    refuse_newer(path, i64::from(version))?;
    Ok(true)
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes the names in the folder of `path` survive a power cut.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io(folder))
}

/// Makes this process the writer of a file: by a lock on the file itself, which all its names and
/// mounts share.
///
/// # Errors
/// [`StoreError::InUse`], [`StoreError::Io`].
pub(super) fn lock(path: &Path, file: &mut SharedFile) -> Result<(), StoreError> {
    if file.lock().map_err(io(path))? {
        return Ok(());
    }
    let beside = beside(path, ".lock");
    let holder = File::open(&beside).map_or_else(
        |_| " by another name or path of the file".to_owned(),
        |mut file| holder(&mut file),
    );
    Err(StoreError::InUse {
        path: path.to_owned(),
        lock: beside,
        holder,
    })
}

/// Who holds a lock file is a courtesy: an unreadable name is no error of its own.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let _ = (&mut *file).take(32).read_to_string(&mut text);
    text.trim()
        .parse::<u32>()
        .map_or_else(|_| String::new(), |pid| format!(" with process id {pid}"))
}

/// The lock of programs before the file's own lock, taken as well. The lock file is left in place when
/// the lock is freed: removing it would race with a process that has just opened it.
pub(super) fn take_lock_file(path: &Path) -> Result<File, StoreError> {
    let lock_path = beside(path, ".lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(MODE)
        .open(&lock_path)
        .map_err(io(&lock_path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::Error(source)) => return Err(io(&lock_path)(source)),
        Err(std::fs::TryLockError::WouldBlock) => {
            let holder = holder(&mut file);
            return Err(StoreError::InUse {
                path: path.to_owned(),
                lock: lock_path,
                holder,
            });
        }
    }
    // Who holds it is for people: a full disk must not keep the lock from its holder.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

/// A database in the making, under the name `NAME.new`. It is locked from the first moment on, so that
/// whoever finds no database at `NAME` finds this, and whoever opens the database when it has got its
/// name finds it locked: there is no moment for a second writer.
#[derive(Debug)]
pub(super) struct Fresh {
    path: PathBuf,
    at: PathBuf,
    file: Option<SharedFile>,
}

impl Fresh {
    /// Begins one, empty, to be built by SQLite.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process builds one, [`StoreError::Io`].
    pub(super) fn begin(path: &Path) -> Result<Self, StoreError> {
        let at = beside(path, ".new");
        loop {
            let mut file = SharedFile::create(&at).map_err(io(&at))?;
            lock(path, &mut file)?;
            if file.is_at(&at) {
                let fresh = Self {
                    path: path.to_owned(),
                    at,
                    file: Some(file),
                };
                fresh.clear()?;
                return Ok(fresh);
            }
            // whoever built it was done between the two steps
        }
    }

    /// Where SQLite finds it.
    pub(super) fn at(&self) -> &Path {
        &self.at
    }

    /// Empties it again.
    pub(super) fn clear(&self) -> Result<(), StoreError> {
        for leftover in ["-journal", "-wal", "-shm"] {
            let leftover = beside(&self.at, leftover);
            match std::fs::remove_file(&leftover) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(io(&leftover)(error));
                }
                _ => {}
            }
        }
        match &self.file {
            Some(file) => file.ask(|file| file.set_len(0)).map_err(io(&self.at)),
            None => Ok(()),
        }
    }

    /// Gives it its name; `None` where a file has got that meanwhile. `over_empty` replaces an empty one.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub(super) fn publish(&mut self, over_empty: bool) -> Result<Option<SharedFile>, StoreError> {
        let renamed = if over_empty {
            std::fs::rename(&self.at, &self.path)
        } else {
            let renamed = renameat_with(CWD, &self.at, CWD, &self.path, RenameFlags::NOREPLACE);
            // not every file system has it
            let unknown = matches!(renamed, Err(Errno::INVAL | Errno::NOSYS));
            if renamed == Err(Errno::EXIST) || (unknown && self.path.exists()) {
                return Ok(None);
            }
            if unknown {
                std::fs::rename(&self.at, &self.path)
            } else {
                renamed.map_err(std::io::Error::from)
            }
        };
        renamed.map_err(io(&self.at))?;
        let file = self.file.take();
        sync_folder(&self.path)?;
        Ok(file)
    }

    /// Gives it another name instead, which must be free; that name.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub(super) fn publish_as(&mut self, path: &Path) -> Result<PathBuf, StoreError> {
        std::fs::rename(&self.at, path).map_err(io(&self.at))?;
        self.file = None;
        sync_folder(path)?;
        Ok(path.to_owned())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = std::fs::remove_file(&self.at); // nothing of it is anybody's yet
        }
    }
}
