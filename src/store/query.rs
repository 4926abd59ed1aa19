//! Questions with one column of answers.

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params};

/// The first column of the first row.
pub(super) fn one<T: FromSql>(connection: &Connection, sql: &str) -> rusqlite::Result<T> {
    connection.query_row(sql, [], |row| row.get(0))
}

/// The first column of every row.
pub(super) fn column<T: FromSql>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(values, |row| row.get(0))?;
    rows.collect()
}

/// The names of all tables, in their order.
pub(super) fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    column(connection, sql, [])
}

/// A table's name within a statement, in whatever file it was found.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What a check of SQLite's own finds wrong, `integrity_check(1)` for example.
pub(super) fn faults(connection: &Connection, check: &str) -> rusqlite::Result<Vec<String>> {
    let mut lines: Vec<String> = column(connection, &format!("PRAGMA {check}"), [])?;
    lines.retain(|line| line != "ok");
    Ok(lines)
}
