//! The bytes of a row that are hashed, from its values as they are to be stored and from the tables.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, ToSql};
use sha2::{Digest, Sha256};

use super::kind::{Hash, Kind};

/// Values one after the other, each with its type and length before it, so that no two lists of
/// values have the same bytes.
pub(super) struct Canonical(Sha256);

impl Canonical {
    pub(super) const fn after(hasher: Sha256) -> Self {
        Self(hasher)
    }

    fn null(&mut self) {
        self.0.update([0]);
    }

    pub(super) fn integer(&mut self, value: i64) {
        let mut bytes = [1; 9];
        bytes[1..].copy_from_slice(&value.to_be_bytes());
        self.0.update(bytes);
    }

    /// Numbers that SQLite knows no other: no number is NULL to it, and minus zero is zero.
    fn real(&mut self, value: f64) {
        if value.is_nan() {
            return self.null();
        }
        let mut bytes = [2; 9];
        bytes[1..].copy_from_slice(&(value + 0.0).to_be_bytes());
        self.0.update(bytes);
    }

    fn long(&mut self, tag: u8, value: &[u8]) {
        let mut head = [tag; 9];
        head[1..].copy_from_slice(&(value.len() as u64).to_be_bytes());
        self.0.update(head);
        self.0.update(value);
    }

    pub(super) fn text(&mut self, value: &[u8]) {
        self.long(3, value);
    }

    pub(super) fn blob(&mut self, value: &[u8]) {
        self.long(4, value);
    }

    fn value(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.null(),
            ValueRef::Integer(value) => self.integer(value),
            ValueRef::Real(value) => self.real(value),
            ValueRef::Text(value) => self.text(value),
            ValueRef::Blob(value) => self.blob(value),
        }
    }

    pub(super) fn digest(self) -> Hash {
        self.0.finalize().into()
    }
}

/// The values without those of columns that the schema gained later, unless one of them is set: rows from
/// before keep their digests.
fn without_newer<'a, 'v>(kind: Kind, values: &'a [ValueRef<'v>]) -> &'a [ValueRef<'v>] {
    // by how many the columns grew, the newest first
    let grown: &[usize] = match kind {
        Kind::Session => &[1, 2], // versions 11 and 9
        Kind::End => &[8],        // version 11
        _ => &[],
    };
    let mut kept = values;
    for columns in grown {
        match kept.split_at_checked(kept.len().saturating_sub(*columns)) {
            Some((older, newer)) if newer.iter().all(|value| *value == ValueRef::Null) => {
                kept = older;
            }
            _ => break,
        }
    }
    kept
}

/// The digest of the values of [`Kind::select`].
fn digest(kind: Kind, values: &[ValueRef<'_>]) -> Hash {
    let values = without_newer(kind, values);
    let mut bytes = Canonical(Sha256::new());
    bytes.text(kind.name().as_bytes());
    for value in values {
        bytes.value(*value);
    }
    bytes.digest()
}

/// The digest of a row that gets the id and these values, in the order of [`Kind::columns`]; the values of
/// `source` are its model and engine.
pub(super) fn new_row(
    kind: Kind,
    id: i64,
    values: &[&dyn ToSql],
    source: Option<[&str; 2]>,
) -> rusqlite::Result<Hash> {
    let given = values.iter().map(ToSql::to_sql);
    let given: Vec<ToSqlOutput<'_>> = given.collect::<rusqlite::Result<_>>()?;
    let mut hashed = vec![ValueRef::Integer(id)];
    for (column, value) in kind.columns().split(", ").zip(&given) {
        match (column, source) {
            ("decider", Some(source)) => {
                hashed.extend(source.map(|name| ValueRef::Text(name.as_bytes())));
            }
            _ => hashed.push(match value {
                ToSqlOutput::Borrowed(value) => *value,
                ToSqlOutput::Owned(value) => value.into(),
                _ => ValueRef::Null, // not stored by us
            }),
        }
    }
    Ok(digest(kind, &hashed))
}

/// What of the rows of a kind is hashed; without an index, so that all of them come in the order of
/// their ids.
pub(super) fn select(kind: Kind) -> String {
    let sources = match kind {
        Kind::Session | Kind::Beat => " LEFT JOIN deciders d ON d.id = t.decider",
        _ => "",
    };
    let (columns, table) = (kind.select("t"), kind.table());
    format!("SELECT {columns} FROM {table} t NOT INDEXED{sources}")
}

/// The digest of a row of [`select`].
pub(super) fn digest_row(kind: Kind, row: &Row<'_>) -> rusqlite::Result<Hash> {
    let values = (0..row.as_ref().column_count()).map(|column| row.get_ref(column));
    Ok(digest(kind, &values.collect::<rusqlite::Result<Vec<_>>>()?))
}

/// The digest of a row as it is stored.
pub(super) fn stored(connection: &Connection, kind: Kind, id: i64) -> rusqlite::Result<Hash> {
    connection
        .prepare_cached(&format!("{} WHERE t.id = ?1", select(kind)))?
        .query_row([id], |row| digest_row(kind, row))
}
