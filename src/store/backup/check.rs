//! Is a copy whole?

use std::path::Path;

use rusqlite::Connection;

use super::super::error::{Context, StoreError};
use super::super::query::faults;
use super::super::reader::ReadFile;
use super::copy::Fresh;
use super::error::BackupError;
use super::source::{BUSY_TIMEOUT, Contents, contents};

/// Reads all of the backup at `path` and says what is in it. It may also be a plain copy of a database that
/// nobody wrote, with its write-ahead log beside it or without.
///
/// The file is opened for reading only, and SQLite then leaves out whether each value is what the schema
/// allows; [`super::back_up()`] and [`super::restore()`] look at that, too.
///
/// # Errors
/// [`BackupError::NotWhole`] where anything in it is damaged, [`BackupError::Store`] where it is no database
/// of this program, or of a later version of it.
pub fn check_backup(path: &Path) -> Result<Contents, BackupError> {
    let context = Context::new(path, BUSY_TIMEOUT);
    let opened = ReadFile::open(&context).map_err(|error| in_a_backup(error.into(), path))?;
    examine(&opened.connection, &context, path)
}

/// As [`check_backup`], for a copy of our own: it may be opened for writing, without which SQLite does not
/// look whether values are what the schema allows.
pub(super) fn check_fresh(fresh: &Fresh, name: &Path) -> Result<Contents, BackupError> {
    examine(&fresh.connect()?, &fresh.context(), name)
}

fn examine(
    connection: &Connection,
    context: &Context<'_>,
    name: &Path,
) -> Result<Contents, BackupError> {
    let look = || -> Result<Contents, BackupError> {
        // no commit falls between; rolled back with it
        let transaction = connection
            .unchecked_transaction()
            .map_err(|error| context.explain("checking", error))?;
        match fault(&transaction, context)? {
            Some(detail) => Err(BackupError::not_whole(name, detail)),
            None => Ok(contents(&transaction, context.path)?),
        }
    };
    look().map_err(|error| in_a_backup(error, name))
}

/// What damage of a database means where that is a backup.
fn in_a_backup(error: BackupError, name: &Path) -> BackupError {
    let detail = match error {
        BackupError::Store(StoreError::Corrupt { detail, .. }) => detail,
        BackupError::Store(StoreError::NotADatabase { .. }) => "not an SQLite database".to_owned(),
        other => return other,
    };
    BackupError::not_whole(name, detail)
}

/// The first thing `PRAGMA integrity_check` finds wrong.
pub(super) fn fault(
    connection: &Connection,
    context: &Context<'_>,
) -> Result<Option<String>, StoreError> {
    faults(connection, "integrity_check(1)")
        .map(|found| found.into_iter().next())
        .map_err(|error| context.explain("checking", error))
}
