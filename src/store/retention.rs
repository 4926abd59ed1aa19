//! What is deleted when, in steps small enough to come between two commits.

use std::time::Duration;

use rusqlite::{Connection, params};

use crate::time::WallUs;

/// Raw ECG blocks deleted in one step: about ten minutes of them.
const BLOCKS_A_STEP: u32 = 64;
/// Beats, gaps and events deleted in one step, each.
const ROWS_A_STEP: u32 = 1_000;
/// Free pages given back to the file system in one step.
const PAGES_A_STEP: u32 = 256;
/// Free pages that are kept for rows to come: giving back and taking again would only write more.
const PAGES_KEPT: i64 = 256;

/// What is kept how long. Nothing is deleted by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Age at which beats, gaps and events are deleted.
    pub rows: Option<Duration>,
    /// Age at which raw ECG is deleted.
    pub ecg: Option<Duration>,
    /// Bytes the database may take: beyond them the oldest raw ECG goes first, then the oldest rows.
    pub most_bytes: Option<u64>,
}

/// What one step has deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Deleted {
    /// Raw ECG blocks.
    pub(super) blocks: u64,
    /// Beats, gaps and events.
    pub(super) rows: u64,
    /// Whether there is more to do at once.
    pub(super) more: bool,
}

impl Retention {
    pub(super) fn keeps_everything(&self) -> bool {
        *self == Self::default()
    }

    /// One step. Age is counted back from `now`, the wall time of the newest row by its session's
    /// own clock relation, so that a clock set in the meantime deletes nothing.
    pub(super) fn step(
        &self,
        connection: &mut Connection,
        now: WallUs,
    ) -> rusqlite::Result<Deleted> {
        let before = |age: Duration| {
            let age_us = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
            now.0.saturating_sub(age_us)
        };
        let over = match self.most_bytes {
            Some(most) => used_bytes(connection)? > most,
            None => false,
        };
        let transaction = connection.transaction()?;
        let mut deleted = Deleted::default();
        // While the file is too large every block is old.
        let ecg_before = if over {
            Some(i64::MAX)
        } else {
            self.ecg.map(before)
        };
        if let Some(cutoff) = ecg_before {
            deleted.blocks = delete_blocks(&transaction, cutoff)?;
        }
        let rows_before = if over && deleted.blocks == 0 {
            Some(i64::MAX)
        } else {
            self.rows.map(before)
        };
        let mut full = deleted.blocks == u64::from(BLOCKS_A_STEP);
        if let Some(cutoff) = rows_before {
            for (table, time) in [
                ("beats", "r_wall_us"),
                ("gaps", "wall_us"),
                ("events", "wall_us"),
            ] {
                let rows = delete_rows(&transaction, table, time, cutoff)?;
                full |= rows == u64::from(ROWS_A_STEP);
                deleted.rows += rows;
            }
        }
        transaction.commit()?;
        let vacuumed = give_back(connection)?;
        deleted.more = full || vacuumed || (over && deleted.blocks + deleted.rows > 0);
        Ok(deleted)
    }
}

/// Bytes in use, free pages not counted.
fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |name: &str| -> rusqlite::Result<i64> {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
    };
    let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
    let bytes = pages.saturating_mul(number("page_size")?);
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Deletes the oldest blocks that began before `cutoff_us`; the first younger one ends it.
fn delete_blocks(connection: &Connection, cutoff_us: i64) -> rusqlite::Result<u64> {
    let last: Option<i64> = connection
        .prepare_cached(
            "WITH oldest AS (SELECT id, session, first_monotonic_ns FROM ecg_blocks \
             ORDER BY id LIMIT ?1), \
             timed AS (SELECT o.id, s.start_wall_us + \
             (o.first_monotonic_ns - s.start_monotonic_ns) / 1000 < ?2 AS old \
             FROM oldest o JOIN sessions s ON s.id = o.session) \
             SELECT max(id) FROM timed WHERE old AND id < \
             coalesce((SELECT min(id) FROM timed WHERE NOT old), 9223372036854775807)",
        )?
        .query_row(params![BLOCKS_A_STEP, cutoff_us], |row| row.get(0))?;
    match last {
        None => Ok(0),
        Some(last) => connection
            .prepare_cached("DELETE FROM ecg_blocks WHERE id <= ?1")?
            .execute([last])
            .map(|count| count as u64),
    }
}

/// Deletes the oldest rows before `cutoff_us`; the first younger one ends it.
fn delete_rows(
    connection: &Connection,
    table: &str,
    time: &str,
    cutoff_us: i64,
) -> rusqlite::Result<u64> {
    let last: Option<i64> = connection
        .prepare_cached(&format!(
            "WITH oldest AS (SELECT id, {time} < ?2 AS old FROM {table} ORDER BY id LIMIT ?1) \
             SELECT max(id) FROM oldest WHERE old AND id < \
             coalesce((SELECT min(id) FROM oldest WHERE NOT old), 9223372036854775807)"
        ))?
        .query_row(params![ROWS_A_STEP, cutoff_us], |row| row.get(0))?;
    match last {
        None => Ok(0),
        Some(last) => connection
            .prepare_cached(&format!("DELETE FROM {table} WHERE id <= ?1"))?
            .execute([last])
            .map(|count| count as u64),
    }
}

/// Gives some free pages back to the file system; whether there were too many.
fn give_back(connection: &Connection) -> rusqlite::Result<bool> {
    let free: i64 = connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    if free <= PAGES_KEPT {
        return Ok(false);
    }
    let mut statement =
        connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_A_STEP})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(true)
}
