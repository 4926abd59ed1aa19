//! What is deleted when, in steps small enough to come between two commits.

use std::time::Duration;

use ecg_chain::WallUs;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::chain::{Chain, Kind, Reason, Removed, anchor_rows, prune};
use super::options::Retention;

/// Raw ECG blocks deleted in one step: about ten minutes of them.
const BLOCKS_PER_STEP: u32 = 64;
/// Beats, gaps and events deleted in one step, each.
const ROWS_PER_STEP: u32 = 1_000;
/// Free pages given back to the file system in one step.
const PAGES_PER_STEP: u32 = 256;
/// Free pages that are kept for rows to come: giving back and taking again would only write more.
const PAGES_KEPT: i64 = 256;
/// Raw ECG that is never deleted for the sake of free space, in signal time.
pub(super) const ECG_ALWAYS_KEPT: Duration = Duration::from_secs(24 * 3_600);

/// What a step may do, beside what the size asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leave {
    /// Wall time of the newest row by its session's own clock relation: a clock set in the meantime
    /// deletes nothing.
    pub(super) now: WallUs,
    /// Whether ages count: not while the wall clock is doubted.
    pub(super) by_age: bool,
    /// Whether the medium is too full.
    pub(super) for_space: bool,
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
    /// One step.
    pub(super) fn step(
        &self,
        connection: &mut Connection,
        leave: &Leave,
    ) -> rusqlite::Result<Deleted> {
        let before = |age: Duration| {
            let age_us = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
            leave.now.0.saturating_sub(age_us)
        };
        let aged = |age: Option<Duration>| age.filter(|_| leave.by_age).map(before);
        let over = match self.most_bytes {
            Some(most) => used_bytes(connection)? > most,
            None => false,
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut removed = Vec::new();
        // While the file is too large every block is old.
        if over {
            removed.extend(delete_blocks(
                &transaction,
                i64::MAX,
                i64::MAX,
                Reason::Size,
            )?);
        } else if let Some(cutoff) = aged(self.ecg) {
            removed.extend(delete_blocks(&transaction, cutoff, i64::MAX, Reason::Age)?);
        }
        if removed.is_empty()
            && leave.for_space
            && let Some(first_kept) = first_of_the_last(&transaction, ECG_ALWAYS_KEPT)?
        {
            let reason = Reason::FreeSpace;
            removed.extend(delete_blocks(&transaction, i64::MAX, first_kept, reason)?);
        }
        let rows_before = if over && removed.is_empty() {
            Some((i64::MAX, Reason::Size))
        } else {
            aged(self.rows).map(|cutoff| (cutoff, Reason::Age))
        };
        if let Some((cutoff, reason)) = rows_before {
            for (kind, time) in [
                (Kind::Beat, "r_wall_us"),
                (Kind::Gap, "wall_us"),
                (Kind::Event, "wall_us"),
            ] {
                removed.extend(delete_rows(&transaction, kind, time, cutoff, reason)?);
            }
        }
        leave_anchors(&transaction, &removed)?;
        transaction.commit()?;
        let vacuumed = give_back(connection)?;
        let mut deleted = Deleted::default();
        let mut full = false;
        for part in &removed {
            let (count, step) = match part.kind {
                Kind::Ecg => (&mut deleted.blocks, BLOCKS_PER_STEP),
                _ => (&mut deleted.rows, ROWS_PER_STEP),
            };
            *count += part.rows;
            full |= part.rows == u64::from(step);
        }
        deleted.more = full || vacuumed || ((over || leave.for_space) && !removed.is_empty());
        Ok(deleted)
    }
}

/// Tells the chain what is rightly missing.
fn leave_anchors(connection: &Connection, removed: &[Removed]) -> rusqlite::Result<()> {
    let Some(reason) = removed.first().map(|part| part.reason) else {
        return Ok(());
    };
    let newest = "SELECT max(id) FROM sessions";
    let session: Option<i64> = connection.query_row(newest, [], |row| row.get(0))?;
    let Some(session) = session else {
        return Ok(());
    };
    let mut chain = Chain::open(connection, true)?;
    for part in removed {
        anchor_rows(&mut chain, session, part)?;
    }
    prune(&mut chain, session, reason)?;
    Ok(())
}

/// The block with which the last `length` of raw ECG begins, in signal time; `None` where there is less.
/// Wall times do not matter here.
fn first_of_the_last(connection: &Connection, length: Duration) -> rusqlite::Result<Option<i64>> {
    let mut left_s = length.as_secs_f64();
    let mut session = i64::MAX;
    loop {
        let before: Option<(i64, f64)> = connection
            .prepare_cached(
                "SELECT id, sample_rate_hz FROM sessions WHERE id < ?1 AND EXISTS \
                 (SELECT 1 FROM ecg_blocks WHERE session = sessions.id) ORDER BY id DESC LIMIT 1",
            )?
            .query_row([session], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, rate_hz)) = before else {
            return Ok(None);
        };
        session = id;
        if rate_hz.is_nan() || rate_hz <= 0.0 {
            continue;
        }
        let edge = |order: &str, value: &str| -> rusqlite::Result<i64> {
            connection
                .prepare_cached(&format!(
                    "SELECT {value} FROM ecg_blocks WHERE session = ?1 \
                     ORDER BY first_sample {order} LIMIT 1"
                ))?
                .query_row([session], |row| row.get(0))
        };
        let (first, end) = (
            edge("ASC", "first_sample")?,
            edge("DESC", "first_sample + samples")?,
        );
        let length_s = end.saturating_sub(first) as f64 / rate_hz;
        if length_s < left_s {
            left_s -= length_s;
            continue;
        }
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let begins = end.saturating_sub((left_s * rate_hz) as i64);
        return connection
            .prepare_cached(
                "SELECT id FROM ecg_blocks WHERE session = ?1 AND first_sample <= ?2 \
                 ORDER BY first_sample DESC LIMIT 1",
            )?
            .query_row([session, begins], |row| row.get(0))
            .optional();
    }
}

fn number(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}

/// Bytes in use, free pages not counted.
fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let free = number(connection, "freelist_count")?;
    let pages = number(connection, "page_count")?.saturating_sub(free);
    let bytes = pages.saturating_mul(number(connection, "page_size")?);
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Bytes inside the file that rows to come may take.
pub(super) fn free_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pages = number(connection, "freelist_count")?;
    let bytes = pages.saturating_mul(number(connection, "page_size")?);
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Deletes the oldest blocks that began before `cutoff_us` and come before block `first_kept`; the first
/// younger one ends it.
fn delete_blocks(
    connection: &Connection,
    cutoff_us: i64,
    first_kept: i64,
    reason: Reason,
) -> rusqlite::Result<Option<Removed>> {
    let range: Range = connection
        .prepare_cached(
            "WITH oldest AS (SELECT id, session, first_monotonic_ns FROM ecg_blocks \
             WHERE id < ?3 ORDER BY id LIMIT ?1), \
             timed AS (SELECT o.id, s.start_wall_us + \
             (o.first_monotonic_ns - s.start_monotonic_ns) / 1000 < ?2 AS old \
             FROM oldest o JOIN sessions s ON s.id = o.session) \
             SELECT min(id), max(id) FROM timed WHERE old AND id < \
             coalesce((SELECT min(id) FROM timed WHERE NOT old), 9223372036854775807)",
        )?
        .query_row(params![BLOCKS_PER_STEP, cutoff_us, first_kept], range)?;
    delete(connection, Kind::Ecg, range, reason)
}

/// First and last id, where there is any.
type Range = Option<(i64, i64)>;

fn range(row: &Row<'_>) -> rusqlite::Result<Range> {
    let (first, last): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
    Ok(first.zip(last))
}

/// Deletes the oldest rows before `cutoff_us`; the first younger one ends it.
fn delete_rows(
    connection: &Connection,
    kind: Kind,
    time: &str,
    cutoff_us: i64,
    reason: Reason,
) -> rusqlite::Result<Option<Removed>> {
    let range: Range = connection
        .prepare_cached(&format!(
            "WITH oldest AS (SELECT id, {time} < ?2 AS old FROM {} ORDER BY id LIMIT ?1) \
             SELECT min(id), max(id) FROM oldest WHERE old AND id < \
             coalesce((SELECT min(id) FROM oldest WHERE NOT old), 9223372036854775807)",
            kind.table()
        ))?
        .query_row(params![ROWS_PER_STEP, cutoff_us], range)?;
    delete(connection, kind, range, reason)
}

fn delete(
    connection: &Connection,
    kind: Kind,
    range: Range,
    reason: Reason,
) -> rusqlite::Result<Option<Removed>> {
    let Some((first, last)) = range else {
        return Ok(None);
    };
    let rows = connection
        .prepare_cached(&format!("DELETE FROM {} WHERE id <= ?1", kind.table()))?
        .execute([last])?;
    Ok(Some(Removed {
        kind,
        first,
        last,
        rows: rows as u64,
        reason,
    }))
}

/// Gives some free pages back to the file system; whether there were too many.
fn give_back(connection: &Connection) -> rusqlite::Result<bool> {
    if number(connection, "freelist_count")? <= PAGES_KEPT {
        return Ok(false);
    }
    let mut statement =
        connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_PER_STEP})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(true)
}
