//! Is a copy whole?

use std::path::Path;

use rusqlite::Connection;

use super::super::StoreError;
use super::super::error::Context;
use super::{BUSY_TIMEOUT, BackupError, Contents, contents, open_source};

/// Reads all of the backup at `path` and says what is in it. It may also be a plain copy of a database that
/// nobody wrote, with its write-ahead log beside it or without.
///
/// # Errors
/// [`BackupError::NotWhole`] where anything in it is damaged, [`BackupError::Store`] where it is no database
/// of this program, or of a later version of it.
pub fn check_backup(path: &Path) -> Result<Contents, BackupError> {
    check(path, path)
}

/// As [`check_backup`], for a file at `path` that is spoken of as `name`.
pub(super) fn check(path: &Path, name: &Path) -> Result<Contents, BackupError> {
    let context = Context {
        path,
        busy_timeout: BUSY_TIMEOUT,
    };
    let not_whole = |detail: String| BackupError::NotWhole {
        path: name.to_owned(),
        detail,
    };
    let damage = |error: BackupError| match error {
        BackupError::Store(StoreError::Corrupt { detail, .. }) => not_whole(detail),
        BackupError::Store(StoreError::NotADatabase { .. }) => {
            not_whole("not an SQLite database".to_owned())
        }
        other => other,
    };
    let opened = open_source(&context).map_err(damage)?;
    let connection = &opened.connection;
    connection
        .execute_batch("BEGIN")
        .map_err(|error| damage(context.explain("checking", error).into()))?;
    if let Some(fault) = fault(connection, &context).map_err(|error| damage(error.into()))? {
        return Err(not_whole(fault));
    }
    contents(connection, path).map_err(|error| damage(error.into()))
}

/// The first thing `PRAGMA integrity_check` finds wrong.
pub(super) fn fault(
    connection: &Connection,
    context: &Context<'_>,
) -> Result<Option<String>, StoreError> {
    let found: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| context.explain("checking", error))?;
    Ok((found != "ok").then_some(found))
}
