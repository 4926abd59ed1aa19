//! Copying pages, at a pace.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::super::descriptor::inode;
use super::super::error::{Context, StoreError};
use super::super::file::{beside, io, sync_folder};
use super::super::options::READ_WRITE;
use super::error::BackupError;
use super::source::{BUSY_TIMEOUT, number};

/// Pages copied at a time: a quarter of a MiB, as long as a commit of the daemon waits for the medium.
const STEP_PAGES: i32 = 64;
/// What has been copied is pressed onto the medium this often: left to the kernel, it would all be written
/// in the end, and the daemon's next fsync would wait for it.
const SYNC_EVERY: u64 = 2 << 20;

/// What copying reports: bytes done and bytes in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// A file that is being made, and gone with this unless it is kept.
#[derive(Debug)]
pub(super) struct Fresh {
    path: PathBuf,
    /// Open from before SQLite opens the file until after it has closed it; also the lock that keeps
    /// another copy from being made under the same name.
    file: File,
    kept: bool,
}

impl Fresh {
    /// `whole` is the name it is to get. What an earlier try left under `path` is replaced.
    pub(super) fn create(path: PathBuf, whole: &Path) -> Result<Self, BackupError> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false) // not before it is ours
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)
            .map_err(io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(BackupError::Busy { path });
            }
            Err(fs::TryLockError::Error(source)) => return Err(io(&path)(source).into()),
        }
        // Whoever held it may have been done between the two steps: the file is a whole copy by now.
        let own = file.metadata().map_err(io(&path))?;
        let there = fs::symlink_metadata(&path).ok();
        if there.as_ref().map(inode) != Some(inode(&own)) {
            return Err(BackupError::Busy { path });
        }
        let fresh = Self {
            path,
            file,
            kept: false,
        };
        for suffix in ["-journal", "-wal", "-shm"] {
            let _ = fs::remove_file(beside(&fresh.path, suffix));
        }
        fresh.file.set_len(0).map_err(io(whole))?;
        Ok(fresh)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A connection that writes it.
    pub(super) fn connect(&self) -> Result<Connection, StoreError> {
        Connection::open_with_flags(&self.path, READ_WRITE)
            .and_then(|connection| {
                connection.busy_timeout(BUSY_TIMEOUT)?;
                Ok(connection)
            })
            .map_err(|error| self.context().explain("creating", error))
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context::new(&self.path, BUSY_TIMEOUT)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(io(&self.path))
    }

    /// Sets owner and mode, presses it onto the medium and gives it its name. `replaces` says whether a
    /// file may have that name; otherwise one that appeared meanwhile is left alone.
    pub(super) fn keep_as(
        mut self,
        name: &Path,
        mode: u32,
        owner: Option<(u32, u32)>,
        replaces: bool,
    ) -> Result<(), BackupError> {
        let io = io(name);
        if let Some((user, group)) = owner {
            // Only root may, and only root needs to.
            let _ = fchown(&self.file, Some(user), Some(group));
        }
        // A medium without modes (FAT) has none to set.
        let _ = self.file.set_permissions(Permissions::from_mode(mode));
        self.file.sync_all().map_err(&io)?;
        if !replaces && fs::symlink_metadata(name).is_ok() {
            return Err(BackupError::Exists {
                path: name.to_owned(),
            });
        }
        fs::rename(&self.path, name).map_err(&io)?;
        self.kept = true;
        sync_folder(name)?;
        Ok(())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.kept {
            for suffix in ["", "-journal", "-wal", "-shm"] {
                let _ = fs::remove_file(beside(&self.path, suffix));
            }
        }
    }
}

/// Copies what `source` sees into `fresh`, which is an ordinary database without a log afterwards. `source`
/// is within a transaction, so that all pages are of one moment.
pub(super) fn copy(
    source: &Connection,
    context: &Context<'_>,
    fresh: &Fresh,
    bytes_per_second: Option<u64>,
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> Result<(), BackupError> {
    let explain = |error| fresh.context().explain("copying", error);
    {
        let mut to = fresh.connect()?;
        // What it is worth is decided by the check and the sync in the end.
        to.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))
            .map_err(explain)?;
        to.pragma_update(None, "synchronous", "OFF")
            .map_err(explain)?;
        to.pragma_update(None, "cache_size", -1_024)
            .map_err(explain)?;
        let page_bytes = number(source, "PRAGMA page_size")
            .map_err(|error| context.explain("reading", error))?;
        let began = Instant::now();
        let backup = Backup::new(source, &mut to).map_err(explain)?;
        let mut synced = 0;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(BackupError::Stopped {
                    path: fresh.path().to_owned(),
                });
            }
            // an error of either: which one SQLite does not tell
            let step = backup.step(STEP_PAGES).map_err(explain)?;
            let so_far = backup.progress();
            let pages = u64::try_from(so_far.pagecount).unwrap_or(0);
            let left = u64::try_from(so_far.remaining).unwrap_or(0);
            let done = pages.saturating_sub(left) * page_bytes;
            progress(done, pages * page_bytes);
            if done - synced >= SYNC_EVERY {
                fresh.sync()?;
                synced = done;
            }
            match step {
                StepResult::Done => break,
                StepResult::More => keep_pace(began, done, bytes_per_second),
                // another connection is at the copy or recovers the log
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
    // A copied header says "write-ahead log"; a file that stands alone is better off without.
    let to = fresh.connect()?;
    to.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        .map_err(explain)?;
    to.close().map_err(|(_, error)| explain(error))?;
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
