//! The way back: a backup in the place of a database.

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rusqlite::Connection;
use serde::Serialize;

use super::super::chain::note_ids_passed_over;
use super::super::database::epoch;
use super::super::descriptor::inode;
use super::super::error::{Context, StoreError};
use super::super::file::{
    beside, check_header, io, lock, open_shared, resolve, sync_folder, take_lock_file,
};
use super::super::ids::{GivenIds, Reserved, after_all_before};
use super::super::migrate::{STEPS, migrate};
use super::super::options::READ_WRITE;
use super::super::quarantine::free_name;
use super::super::reader::ReadFile;
use super::check::{check_backup, check_fresh, fault};
use super::copy::{Fresh, Progress, copy};
use super::error::BackupError;
use super::medium::{folder_of, metadata, refuse_full, refuse_same};
use super::source::{BUSY_TIMEOUT, Contents, compare, contents, snapshot};

/// Where the database that is replaced tells none of its ids, they go on this far behind the backup's: more
/// than were ever given, and 2,047 such steps stay below 2^53, the largest id the socket can tell.
const BEYOND_ANY: i64 = 1 << 42;

/// A backup that is in its place.
#[derive(Debug, Serialize)]
pub struct Restored {
    /// What the database holds now; its epoch is a new one.
    #[serde(flatten)]
    pub contents: Contents,
    /// Schema version of the backup; the database's is the newest.
    pub backup_schema_version: i64,
    /// The new name of the database that was there, `None` if there was none.
    pub previous: Option<PathBuf>,
    /// Whether the ids of that one could not be read.
    pub ids_guessed: bool,
}

/// Puts the backup in the place of `database`: a copy of it, migrated to the newest schema, with a new random
/// epoch, whose ids go on after the largest of both. The database that was there is renamed to
/// `NAME.replaced-TIME` with its log. The backup itself stays as it is. At every moment there is a whole
/// database of that name.
///
/// # Errors
/// [`BackupError`]; the database is as it was then. [`StoreError::InUse`] while a daemon has it.
pub fn restore(
    backup: &Path,
    database: &Path,
    stop: &AtomicBool,
    progress: Progress<'_>,
) -> Result<Restored, BackupError> {
    refuse_same(database, backup)?;
    let database = &resolve(database)?;
    let exists = ours_to_replace(database)?;
    let owner = owner(database, exists)?;
    let mut file = exists.then(|| open_shared(database)).transpose()?;
    if let Some(file) = &mut file {
        lock(database, file)?;
    }
    let lock_file = take_lock_file(database)?;
    // What root made belongs to whom the database belonged: the daemon must be able to open both.
    let _ = lchown(beside(database, ".lock"), Some(owner.0), Some(owner.1));
    let before = check_backup(backup)?;
    refuse_full(database, before.bytes, 0)?;

    let fresh = Fresh::create(beside(database, ".restoring"), database)?;
    let context = Context::new(backup, BUSY_TIMEOUT);
    let source = ReadFile::open(&context)?;
    snapshot(&source.connection).map_err(|error| context.explain("reading", error))?;
    copy(&source.connection, &context, &fresh, None, stop, progress)?;
    drop(source);
    let copied = check_fresh(&fresh, backup)?;
    compare(&before, &copied, backup)?;

    let known = ids_before(database, exists);
    let guessed = known.is_none() && exists;
    let (after, ids) = finish(&fresh, backup, &copied, known, guessed)?;

    let previous = exists.then(|| free_name(database, "replaced"));
    if let Some(previous) = &previous {
        keep_previous(database, previous)?;
    }
    let named = fresh.keep_as(database, owner.2, Some((owner.0, owner.1)), exists);
    if let (Err(_), Some(previous)) = (&named, &previous) {
        put_previous_back(database, previous);
    }
    if named.is_ok() {
        write_down(database, &after, &ids, owner);
    }
    drop(file);
    drop(lock_file);
    named?;
    Ok(Restored {
        contents: after,
        backup_schema_version: before.schema_version,
        previous,
        ids_guessed: guessed,
    })
}

/// Notes how far ids are given under the new epoch. Without the note the daemon goes on after those
/// reserved under the old one, which are further.
fn write_down(database: &Path, after: &Contents, ids: &GivenIds, owner: (u32, u32, u32)) {
    let Some(epoch) = after.epoch else {
        return;
    };
    match Reserved::write(database, &epoch.to_string(), ids, 0, true) {
        Ok(_) => {
            let _ = lchown(beside(database, ".ids"), Some(owner.0), Some(owner.1));
        }
        Err(error) => tracing::warn!(%error, "the newest ids are not written down"),
    }
}

/// Whether there is a database to be replaced; somebody else's file is refused. A damaged one is ours where
/// a lock file shows that we have been here, a newer one always: going back is what this is for.
fn ours_to_replace(database: &Path) -> Result<bool, StoreError> {
    let was_ours = database.is_file() && beside(database, ".lock").exists();
    match check_header(database) {
        Ok(there) => Ok(there || database.exists()),
        Err(StoreError::NewerSchema { .. }) => Ok(true),
        Err(StoreError::NotADatabase { .. }) if was_ours => Ok(true),
        Err(error) => Err(error),
    }
}

/// User, group and mode of the result: those of the database that was there without anything for others,
/// else the folder's and 0640.
fn owner(database: &Path, exists: bool) -> Result<(u32, u32, u32), StoreError> {
    let found = metadata(if exists {
        database
    } else {
        folder_of(database)
    })?;
    let mode = if exists { found.mode() & 0o640 } else { 0o640 };
    Ok((found.uid(), found.gid(), mode | 0o600))
}

/// Migrates the copy, gives it its epoch, lets its ids go on after those in `known`, or far behind its own
/// where they are to be `guessed`, and checks that nothing is missing. What it holds, and its newest ids.
fn finish(
    fresh: &Fresh,
    backup: &Path,
    copied: &Contents,
    known: Option<GivenIds>,
    guessed: bool,
) -> Result<(Contents, GivenIds), BackupError> {
    let context = fresh.context();
    let explain = |error| context.explain("restoring", error);
    let mut connection = fresh.connect()?;
    connection
        .pragma_update(None, "foreign_keys", true)
        .map_err(explain)?;
    migrate(&mut connection, STEPS).map_err(explain)?;
    let set_up = || -> rusqlite::Result<()> {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute(
            "UPDATE store_identity SET epoch = lower(hex(randomblob(16)))",
            [],
        )?;
        let mine = GivenIds::read(&transaction)?;
        match known {
            Some(ids) => ids.go_on_in(&transaction)?,
            None if guessed => mine.plus(BEYOND_ANY).go_on_in(&transaction)?,
            None => {}
        }
        note_ids_passed_over(&transaction)?;
        transaction.commit()?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
    };
    set_up().map_err(explain)?;
    if let Some(detail) = fault(&connection, &context)? {
        return Err(BackupError::not_whole(backup, detail));
    }
    let after = contents(&connection, fresh.path())?;
    let lost = copied.rows.iter().find(|(name, count)| {
        let now = after.rows.get(*name).copied().unwrap_or(0);
        now < **count // a migration may add rows
    });
    if let Some((name, count)) = lost {
        return Err(BackupError::not_whole(
            backup,
            format!("table {name}: fewer than {count} rows after the migration"),
        ));
    }
    let ids = GivenIds::read(&connection).map_err(explain)?;
    connection.close().map_err(|(_, error)| explain(error))?;
    Ok((after, ids))
}

/// The ids given here before: those of the database that is to be replaced, and where it lacks rows it
/// once had, those that were reserved. Without either, those of files quarantined beside it. `None` where
/// there is a database that nothing is known of.
fn ids_before(database: &Path, exists: bool) -> Option<GivenIds> {
    let reserved = Reserved::read(database);
    let old = exists.then(|| read_ids(database).ok()).flatten();
    match (old, reserved) {
        (Some((epoch, ids)), Some(reserved))
            if epoch.as_ref() == Some(&reserved.epoch) && ids.reaches(&reserved.given) =>
        {
            Some(ids)
        }
        (Some((_, ids)), Some(reserved)) => Some(ids.or_larger(&reserved.up_to)),
        (Some((_, ids)), None) => Some(ids),
        (None, Some(reserved)) => Some(reserved.up_to),
        (None, None) if exists => None,
        (None, None) => Some(after_all_before(database, None)),
    }
}

/// Epoch and newest ids of the database that is to be replaced. Its log is written into it, so that both
/// can be renamed one after the other.
fn read_ids(database: &Path) -> rusqlite::Result<(Option<String>, GivenIds)> {
    let connection = Connection::open_with_flags(database, READ_WRITE)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let ids = GivenIds::read_any_version(&connection)?;
    let epoch = epoch(&connection).ok(); // older schemas have none
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok((epoch, ids))
}

/// Undoes [`keep_previous`], unless the result has got the name already.
fn put_previous_back(database: &Path, previous: &Path) {
    let file = |path: &Path| fs::metadata(path).map(|found| inode(&found)).ok();
    let _ = match file(database) {
        None => fs::rename(previous, database),
        there if there == file(previous) => fs::remove_file(previous), // its second name only
        Some(_) => return,
    };
    for suffix in ["-wal", "-shm"] {
        let _ = fs::rename(beside(previous, suffix), beside(database, suffix));
    }
}

/// Gives the database that is replaced its second name. It keeps its own until the result takes that.
fn keep_previous(database: &Path, previous: &Path) -> Result<(), StoreError> {
    for suffix in ["-wal", "-shm"] {
        let from = beside(database, suffix);
        match fs::rename(&from, beside(previous, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io(&from)(error));
            }
            _ => {}
        }
    }
    // A medium without hard links (FAT): there is no database of that name for a moment.
    fs::hard_link(database, previous)
        .or_else(|_| fs::rename(database, previous))
        .map_err(io(database))?;
    sync_folder(database)
}
