//! The database as a file: whose it is, and the lock beside it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::migrate::{APPLICATION_ID, SCHEMA_VERSION};

pub(super) fn refuse_newer(path: &Path, found: i64) -> Result<(), StoreError> {
    if found > SCHEMA_VERSION {
        return Err(StoreError::NewerSchema {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(())
}

/// Looks at the first 100 bytes without SQLite, so that a foreign file is certainly not touched.
/// False where there is no file or an empty one. The application id is always in the main file: it
/// is written before the file gets its name. A schema version may still be in the write-ahead log only;
/// [`super::database::check_version`] asks SQLite about that.
pub(super) fn check_header(path: &Path) -> Result<bool, StoreError> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    const USER_VERSION_AT: usize = 60; // SQLite file format, section 1.3
    const APPLICATION_ID_AT: usize = 68;
    let io = |source| StoreError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io(error)),
    };
    if !file.metadata().map_err(io)?.is_file() {
        return Err(StoreError::NotADatabase {
            path: path.to_owned(),
        });
    }
    let mut header = Vec::new();
    (&mut file).take(100).read_to_end(&mut header).map_err(io)?;
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
        return Err(StoreError::OtherApplication {
            path: path.to_owned(),
            found: id,
            expected: APPLICATION_ID,
        });
    }
    refuse_newer(path, i64::from(version))?;
    Ok(true)
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The lock file is left in place when the lock is freed: removing it would race with a process that
/// has just opened it.
pub(super) fn take_lock(path: &Path) -> Result<File, StoreError> {
    let lock_path = beside(path, ".lock");
    let io = |source| StoreError::Io {
        path: lock_path.clone(),
        source,
    };
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&lock_path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::Error(source)) => return Err(io(source)),
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut text = String::new();
            // who holds it is a courtesy: an unreadable name is no error of its own
            let _ = (&mut file).take(32).read_to_string(&mut text);
            let holder = text
                .trim()
                .parse::<u32>()
                .map_or_else(|_| String::new(), |pid| format!(" with process id {pid}"));
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
