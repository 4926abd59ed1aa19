//! What is deleted when, in steps small enough to come between two commits.

use std::time::Duration;

use ecg_chain::WallUs;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::chain::{Chain, Kind, Reason, Removed, anchor_rows, prune};
use super::options::Retention;
use super::query::one;

/// Raw ECG blocks deleted in one step: about ten minutes of them.
const BLOCKS_PER_STEP: u32 = 64;
/// Beats, gaps and events deleted in one step, each.
const ROWS_PER_STEP: u32 = 1_000;

const fn per_step(kind: Kind) -> u32 {
    match kind {
        Kind::Ecg => BLOCKS_PER_STEP,
        _ => ROWS_PER_STEP,
    }
}

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
            Some(most) => used_and_free_bytes(connection)?[0] > most,
            None => false,
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut removed = Vec::new();
        let mut delete = |kind, cutoff_us, first_kept, reason| -> rusqlite::Result<bool> {
            removed.extend(delete(&transaction, kind, cutoff_us, first_kept, reason)?);
            Ok(!removed.is_empty())
        };
        // While the file is too large every block is old.
        let mut any = if over {
            delete(Kind::Ecg, i64::MAX, i64::MAX, Reason::Size)?
        } else if let Some(cutoff) = aged(self.ecg) {
            delete(Kind::Ecg, cutoff, i64::MAX, Reason::Age)?
        } else {
            false
        };
        if !any
            && leave.for_space
            && let Some(first_kept) = first_of_the_last(&transaction, ECG_ALWAYS_KEPT)?
        {
            any = delete(Kind::Ecg, i64::MAX, first_kept, Reason::FreeSpace)?;
        }
        let rows_before = if over && !any {
            Some((i64::MAX, Reason::Size))
        } else {
            aged(self.rows).map(|cutoff| (cutoff, Reason::Age))
        };
        if let Some((cutoff, reason)) = rows_before {
            for kind in [Kind::Beat, Kind::Gap, Kind::Event] {
                delete(kind, cutoff, i64::MAX, reason)?;
            }
        }
        leave_anchors(&transaction, &removed)?;
        transaction.commit()?;
        let vacuumed = give_back(connection)?;
        let mut deleted = Deleted::default();
        let mut full = false;
        for part in &removed {
            let count = match part.kind {
                Kind::Ecg => &mut deleted.blocks,
                _ => &mut deleted.rows,
            };
            *count += part.rows;
            full |= part.rows == u64::from(per_step(part.kind));
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
    let Some(session) = one(connection, "SELECT max(id) FROM sessions")? else {
        return Ok(());
    };
    let mut chain = Chain::open(connection, true)?;
    for part in removed {
        anchor_rows(&mut chain, session, part)?;
    }
    prune(&mut chain, session, reason)
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

/// Bytes in use, and bytes inside the file that rows to come may take.
pub(super) fn used_and_free_bytes(connection: &Connection) -> rusqlite::Result<[u64; 2]> {
    let free: i64 = one(connection, "PRAGMA freelist_count")?;
    let pages: i64 = one(connection, "PRAGMA page_count")?;
    let page_bytes: i64 = one(connection, "PRAGMA page_size")?;
    Ok([pages.saturating_sub(free), free]
        .map(|pages| u64::try_from(pages.saturating_mul(page_bytes)).unwrap_or(0)))
}

/// Deletes the oldest rows before `cutoff_us` that come before row `first_kept`; the first younger one
/// ends it.
fn delete(
    connection: &Connection,
    kind: Kind,
    cutoff_us: i64,
    first_kept: i64,
    reason: Reason,
) -> rusqlite::Result<Option<Removed>> {
    let table = kind.table();
    let (wall_us, join) = match kind {
        Kind::Ecg => (
            "s.start_wall_us + (t.first_monotonic_ns - s.start_monotonic_ns) / 1000",
            "CROSS JOIN sessions s ON s.id = t.session", // in this order: the blocks are walked by id
        ),
        Kind::Beat => ("t.r_wall_us", ""),
        _ => ("t.wall_us", ""),
    };
    let range: (Option<i64>, Option<i64>) = connection
        .prepare_cached(&format!(
            "WITH oldest AS (SELECT t.id, {wall_us} < ?2 AS old FROM {table} t {join} \
             WHERE t.id < ?3 ORDER BY t.id LIMIT ?1) \
             SELECT min(id), max(id) FROM oldest WHERE old AND id < \
             coalesce((SELECT min(id) FROM oldest WHERE NOT old), 9223372036854775807)"
        ))?
        .query_row(params![per_step(kind), cutoff_us, first_kept], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let (Some(first), Some(last)) = range else {
        return Ok(None);
    };
    let rows = connection
        .prepare_cached(&format!("DELETE FROM {table} WHERE id <= ?1"))?
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
pub(super) fn give_back(connection: &Connection) -> rusqlite::Result<bool> {
    if one::<i64>(connection, "PRAGMA freelist_count")? <= PAGES_KEPT {
        return Ok(false);
    }
    let vacuum = format!("PRAGMA incremental_vacuum({PAGES_PER_STEP})");
    let mut statement = connection.prepare(&vacuum)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(true)
}
