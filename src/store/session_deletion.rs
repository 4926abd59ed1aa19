//! A session that somebody has deleted: first a tombstone in its row, then its rows in steps small enough
//! to come between two commits.
//!
//! The tombstone is one transaction, so after a kill the deletion has either not begun or is completed by
//! the next writer: a session with a tombstone that still has rows is one to go on with.

use ecg_chain::WallUs;
use rusqlite::{Connection, TransactionBehavior, params};

use super::chain::{Chain, ChainHead};
use super::error::{Context, RowError, StoreError};
use super::parse::tombstone;
use super::query::column;
use super::retention::give_back;
use super::rows::{DeletedRows, SessionCounts, SessionDeletion, to_sql};
use super::statements::Statements;

/// Tables whose rows go with their session, and how many of each in one step. Maps go with their beats.
pub(super) const DELETED: [(&str, u32); 5] = [
    ("corrections", 200),
    ("beats", 500),
    ("gaps", 500),
    ("events", 500),
    ("ecg_blocks", 64),
];

/// Rows by which corrections are found, and their own columns: they would go with their correction, but one
/// correction may have thousands.
const OF_CORRECTIONS: [(&str, &str); 2] = [
    ("corrected_beats", "beat, correction"),
    ("corrected_stretches", "session, part, correction"),
];
/// How many of each of those go in one step.
const MOST_OF_CORRECTIONS: u32 = 1_000;

/// Puts the tombstone in place of the session's label and counts. A session that has one keeps it.
pub(super) fn bury(
    connection: &mut Connection,
    context: &Context<'_>,
    session: i64,
    by: &str,
    chained: bool,
) -> Result<(SessionDeletion, Option<ChainHead>), StoreError> {
    let failed = |error| context.explain("deleting a session", error);
    // What is freed is overwritten with zeros: the label here, rows in the steps.
    connection
        .pragma_update(None, "secure_delete", true)
        .map_err(failed)?;
    let buried = Statements::transact(connection, context, |statements| {
        let connection = statements.connection;
        match state(connection, session).map_err(|error| context.explain_row("reading", error))? {
            None => return Err(StoreError::NoSuchSession { session }),
            Some((false, _)) => return Err(StoreError::SessionOpen { session }),
            Some((true, Some(deletion))) => return Ok((deletion, None)),
            Some((true, None)) => {}
        }
        let deletion = SessionDeletion {
            at: WallUs::now(),
            by: by.to_owned(),
            rows: count(connection, session).map_err(failed)?,
        };
        let rows = &deletion.rows;
        let zeros = SessionCounts::COLUMNS.map(|column| {
            let column = column.trim_start_matches("sessions.");
            format!("{column} = 0, ")
        });
        statements.update(
            "deleting a session",
            &format!(
                "UPDATE sessions SET {} patient_label = NULL, label_salt = NULL, \
                 deleted_wall_us = ?2, deleted_by = ?3, deleted_beats = ?4, deleted_maps = ?5, \
                 deleted_gaps = ?6, deleted_events = ?7, deleted_ecg_blocks = ?8, \
                 deleted_corrections = ?9 WHERE id = ?1",
                zeros.concat()
            ),
            params![
                session,
                deletion.at.0,
                deletion.by,
                to_sql(rows.beats, "sessions.deleted_beats")?,
                to_sql(rows.maps, "sessions.deleted_maps")?,
                to_sql(rows.gaps, "sessions.deleted_gaps")?,
                to_sql(rows.events, "sessions.deleted_events")?,
                to_sql(rows.ecg_blocks, "sessions.deleted_ecg_blocks")?,
                to_sql(rows.corrections, "sessions.deleted_corrections")?,
            ],
        )?;
        // a session's last end counts: this one has the tombstone
        let mut chain = Chain::open(connection, chained).map_err(failed)?;
        statements.link_end(&mut chain, session)?;
        Ok((deletion, chain.head()))
    });
    connection
        .pragma_update(None, "secure_delete", false)
        .map_err(failed)?;
    buried
}

/// Whether the session has ended, and its tombstone.
fn state(
    connection: &Connection,
    session: i64,
) -> Result<Option<(bool, Option<SessionDeletion>)>, RowError> {
    let mut statement = connection.prepare_cached(
        "SELECT end_reason IS NOT NULL, deleted_wall_us, deleted_by, deleted_beats, deleted_maps, \
         deleted_gaps, deleted_events, deleted_ecg_blocks, deleted_corrections FROM sessions \
         WHERE id = ?1",
    )?;
    let mut rows = statement.query([session])?;
    rows.next()?
        .map(|row| Ok((row.get(0)?, tombstone(row, 1)?)))
        .transpose()
}

fn count(connection: &Connection, session: i64) -> rusqlite::Result<DeletedRows> {
    let of = |rows: &str| -> rusqlite::Result<u64> {
        let sql = format!("SELECT count(*) FROM {rows} WHERE session = ?1");
        let count: i64 = connection.query_row(&sql, [session], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    };
    Ok(DeletedRows {
        beats: of("beats")?,
        maps: of("saliency JOIN beats ON beats.id = saliency.beat")?,
        gaps: of("gaps")?,
        events: of("events")?,
        ecg_blocks: of("ecg_blocks")?,
        corrections: of("corrections")?,
    })
}

/// Deletes some rows of a session with a tombstone; whether there is more to do.
pub(super) fn step(connection: &mut Connection, session: i64) -> rusqlite::Result<bool> {
    connection.pragma_update(None, "secure_delete", true)?;
    let stepped = delete_some(connection, session);
    connection.pragma_update(None, "secure_delete", false)?;
    Ok(stepped? || give_back(connection)?)
}

fn delete_some(connection: &mut Connection, session: i64) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut more = false;
    for (table, columns) in OF_CORRECTIONS {
        let sql = of_corrections_sql(table, columns);
        let deleted = transaction.prepare_cached(&sql)?.execute(params![
            session,
            most_of("corrections"),
            MOST_OF_CORRECTIONS
        ])?;
        more |= deleted > 0;
    }
    for (table, most) in DELETED {
        let deleted = transaction
            .prepare_cached(&delete_sql(table))?
            .execute(params![session, most])?;
        more |= deleted > 0;
    }
    transaction.commit()?;
    Ok(more)
}

fn most_of(table: &str) -> u32 {
    let of_table = DELETED.iter().find(|(name, _)| *name == table);
    of_table.map_or(0, |(_, most)| *most)
}

/// Takes rows of the corrections that go next, those of one correction after the other: so few corrections
/// become empty in one step, and few of their lists of beats are overwritten.
fn of_corrections_sql(table: &str, columns: &str) -> String {
    format!(
        "DELETE FROM {table} WHERE ({columns}) IN (SELECT {} FROM (SELECT id FROM corrections \
         WHERE session = ?1 ORDER BY id DESC LIMIT ?2) c CROSS JOIN {table} t \
         ON t.correction = c.id LIMIT ?3)",
        columns
            .split(", ")
            .map(|column| format!("t.{column}"))
            .collect::<Vec<_>>()
            .join(", ")
    )
}

fn delete_sql(table: &str) -> String {
    // The newest first, because an undo refers to what came before it. One that waits for its rows holds up
    // no other: an undo has none.
    let (order, only) = match table {
        "corrections" => (
            " ORDER BY id DESC",
            OF_CORRECTIONS
                .map(|(of, _)| {
                    format!(
                        " AND NOT EXISTS (SELECT 1 FROM {of} t WHERE t.correction = {table}.id)"
                    )
                })
                .concat(),
        ),
        _ => ("", String::new()),
    };
    format!(
        "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE session = ?1{order} \
         LIMIT ?2){only}"
    )
}

/// Sessions with a tombstone that still have rows.
pub(super) fn unfinished(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let has_rows = DELETED
        .map(|(table, _)| format!("EXISTS (SELECT 1 FROM {table} t WHERE t.session = s.id)"))
        .join(" OR ");
    let sql = format!(
        "SELECT s.id FROM sessions s WHERE s.deleted_wall_us IS NOT NULL AND ({has_rows}) \
         ORDER BY s.id"
    );
    column(connection, &sql, [])
}

/// Empties the write-ahead log, in which deleted rows may still be read; false where a reader keeps it now.
pub(super) fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(busy == 0)
}
