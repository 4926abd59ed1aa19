//! Databases and copies that are read, and what is in them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use serde::Serialize;

use super::super::error::{Context, StoreError};
use super::super::file::check_version;
use super::super::identity::{Epoch, StoreMark};
use super::super::query::{one, quoted, tables};
use super::error::BackupError;

/// A lock that another program holds is waited for this long.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// First schema version whose databases have an epoch.
const EPOCH_SINCE: i64 = 5;

/// A database as it was checked: what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// Which database it is of; `None` before schema version 5.
    pub epoch: Option<Epoch>,
    /// Its schema version.
    pub schema_version: i64,
    /// Size of the file, bytes.
    pub bytes: u64,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
}

/// From here on the connection sees one state of the database only; its size in bytes.
pub(super) fn snapshot(connection: &Connection) -> rusqlite::Result<u64> {
    connection.execute_batch("BEGIN")?;
    size(connection) // the first reading takes the snapshot
}

/// A count from the database.
pub(super) fn number(connection: &Connection, sql: &str) -> rusqlite::Result<u64> {
    one(connection, sql).map(i64::unsigned_abs) // counts and sizes
}

fn size(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(number(connection, "PRAGMA page_count")? * number(connection, "PRAGMA page_size")?)
}

/// What is in the database at `path`.
pub(super) fn contents(connection: &Connection, path: &Path) -> Result<Contents, StoreError> {
    let context = Context::new(path, BUSY_TIMEOUT);
    let explain = |error| context.explain("counting rows", error);
    let schema_version = check_version(&context, connection)?;
    let mut rows = BTreeMap::new();
    for name in tables(connection).map_err(explain)? {
        let sql = format!("SELECT count(*) FROM {}", quoted(&name));
        let count = number(connection, &sql).map_err(explain)?;
        rows.insert(name, count);
    }
    let epoch = match schema_version {
        EPOCH_SINCE.. => StoreMark::read(connection)
            .map(|mark| Some(mark.epoch))
            .map_err(|error| context.explain_row("reading its epoch", error))?,
        _ => None,
    };
    Ok(Contents {
        epoch,
        schema_version,
        rows,
        bytes: size(connection).map_err(explain)?,
    })
}

/// Refuses a copy that has not every row of what was copied.
pub(super) fn compare(
    expected: &Contents,
    found: &Contents,
    path: &Path,
) -> Result<(), BackupError> {
    let different = expected
        .rows
        .iter()
        .find(|(name, count)| found.rows.get(*name) != Some(count));
    let detail = match different {
        Some((name, count)) => format!(
            "table {name}: found {} rows, expected {count}",
            found.rows.get(name).copied().unwrap_or(0)
        ),
        None if (expected.epoch, expected.schema_version)
            != (found.epoch, found.schema_version) =>
        {
            "epoch or schema version differ from what was copied".to_owned()
        }
        None => return Ok(()),
    };
    Err(BackupError::not_whole(path, detail))
}
