//! Schema versions and the steps between them.

use rusqlite::{Connection, TransactionBehavior};

use super::query::one;

/// Marks a database as ours in its header (`PRAGMA application_id`): `ECGg`.
pub const APPLICATION_ID: u32 = 0x4543_4767;

/// Steps from nothing to the newest schema; the n-th (from 1) leads to `user_version` n. A step that
/// was ever released is never edited: later changes are appended.
pub(super) const STEPS: &[&str] = &[
    include_str!("schema/v1.sql"),
    include_str!("schema/v2.sql"),
    include_str!("schema/v3.sql"),
    include_str!("schema/v4.sql"),
    include_str!("schema/v5.sql"),
    include_str!("schema/v6.sql"),
    include_str!("schema/v7.sql"),
    include_str!("schema/v8.sql"),
    include_str!("schema/v9.sql"),
    include_str!("schema/v10.sql"),
    include_str!("schema/v11.sql"),
];

/// The newest schema version this program knows.
#[allow(clippy::cast_possible_wrap)] // a handful of steps
pub const SCHEMA_VERSION: i64 = STEPS.len() as i64;

/// The database's schema version, 0 for an empty one.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    one(connection, "PRAGMA user_version")
}

/// Applies the steps after the database's version, all in one transaction: either the newest schema
/// results or nothing has changed.
pub(super) fn migrate(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let current = version(&transaction)?;
    for (number, step) in (1_i64..).zip(steps) {
        if number > current {
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", number)?;
        }
    }
    transaction.commit()
}
