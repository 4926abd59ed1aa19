//! Who asked for what: rows that wait for the next commit that is due anyway.

use std::collections::VecDeque;

use ecg_chain::{MonotonicNs, WallUs};
use rusqlite::{Connection, Row, params};

use super::error::{Context, RowError, StoreError};
use super::parse::unsigned;
use super::reader::{RowFilter, StoreReader};
use super::rows::to_sql;

/// Rows that wait in memory at most; beyond it the oldest are dropped, and counted.
const MOST_WAITING: usize = 1_000;
/// Rows kept of what was read, and as many of everything else, so that reading much does not push out
/// who was refused.
pub(super) const MOST_KEPT: u32 = 10_000;
/// Old rows are deleted after this many new ones.
const TIDY_EVERY: usize = 100;

/// What kind of thing a client did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditKind {
    /// It connected and was let in.
    Connected,
    /// It asked for something to be read.
    Read,
    /// It was not let in, or was not answered.
    Refused,
    /// It changed something.
    Changed,
}

impl AuditKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connected, Self::Read, Self::Refused, Self::Changed];

    /// Stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Read => "read",
            Self::Refused => "refused",
            Self::Changed => "changed",
        }
    }
}

/// What a client did, in words fixed here where it is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow<Kind = AuditKind, Word = &'static str> {
    /// When it was noted.
    pub wall: WallUs,
    /// The same instant on the monotonic clock of the machine at that time.
    pub time: MonotonicNs,
    /// The client's user; `None` of several.
    pub uid: Option<u32>,
    /// Its own group.
    pub gid: Option<u32>,
    /// Its process; `None` where several are counted.
    pub pid: Option<u32>,
    /// What it did.
    pub kind: Kind,
    /// To what: `socket` or the endpoint.
    pub what: Word,
    /// `done`, or the name of the problem.
    pub outcome: Word,
    /// How often.
    pub count: u64,
    /// Of a browser: the name of the token it signed in with.
    pub token: Option<String>,
}

/// A row of the table `audit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAudit {
    /// Row id, ascending.
    pub id: i64,
    /// What was done. The kind is a name of [`AuditKind`], or `lost`: rows that found no room in memory.
    pub row: AuditRow<String, String>,
}

/// Rows that wait for a commit. They never make one due.
#[derive(Debug, Default)]
pub(super) struct AuditQueue {
    rows: VecDeque<AuditRow>,
    /// Dropped since the last commit, and when the newest of them was noted.
    lost: Option<(u64, WallUs, MonotonicNs)>,
    since_tidy: usize,
}

impl AuditQueue {
    pub(super) fn push(&mut self, row: AuditRow) {
        if self.rows.len() >= MOST_WAITING
            && let Some(oldest) = self.rows.pop_front()
        {
            let before = self.lost.map_or(0, |(count, _, _)| count);
            self.lost = Some((before + 1, oldest.wall, oldest.time));
        }
        self.rows.push_back(row);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.lost.is_none()
    }

    /// Writes the waiting rows inside whatever transaction is open.
    pub(super) fn write(
        &self,
        connection: &Connection,
        context: &Context<'_>,
    ) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        let failed = |error| context.explain("storing who asked for what", error);
        let mut insert = connection
            .prepare_cached(
                "INSERT INTO audit (wall_us, monotonic_ns, uid, gid, pid, kind, what, outcome, \
                 count, token) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )
            .map_err(failed)?;
        let lost = self.lost.map(|(count, wall, time)| AuditRow {
            wall,
            time,
            uid: None,
            gid: None,
            pid: None,
            kind: AuditKind::Refused, // stored as lost
            what: "audit",
            outcome: "no_room",
            count,
            token: None,
        });
        let lost = lost.iter().map(|row| ("lost", row));
        let rows = self.rows.iter().map(|row| (row.kind.name(), row));
        for (kind, row) in lost.chain(rows) {
            insert
                .execute(params![
                    row.wall.0,
                    to_sql(row.time.0, "audit.monotonic_ns")?,
                    row.uid,
                    row.gid,
                    row.pid,
                    kind,
                    row.what,
                    row.outcome,
                    to_sql(row.count, "audit.count")?,
                    row.token,
                ])
                .map_err(failed)?;
        }
        if self.since_tidy + self.rows.len() >= TIDY_EVERY {
            tidy(connection, MOST_KEPT).map_err(failed)?;
        }
        Ok(())
    }

    /// The rows are committed.
    pub(super) fn written(&mut self) {
        self.since_tidy = (self.since_tidy + self.rows.len()) % TIDY_EVERY;
        self.rows.clear();
        self.lost = None;
    }
}

/// Deletes all but the newest `kept` rows of what was read, and of everything else.
fn tidy(connection: &Connection, kept: u32) -> rusqlite::Result<()> {
    for group in [
        "kind IN ('connected', 'read')",
        "kind NOT IN ('connected', 'read')",
    ] {
        connection
            .prepare_cached(&format!(
                "DELETE FROM audit WHERE {group} AND id <= \
                 (SELECT id FROM audit WHERE {group} ORDER BY id DESC LIMIT 1 OFFSET ?1)"
            ))?
            .execute([kept])?;
    }
    Ok(())
}

impl StoreReader {
    /// Rows of the table `audit` that pass `filter`, ascending by id; its session and beat are not
    /// looked at.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn audit(&self, filter: &RowFilter) -> Result<Vec<StoredAudit>, StoreError> {
        let (from, until) = filter.wall_us();
        let (first, last) = filter.ids();
        let sql = format!(
            "SELECT id, wall_us, monotonic_ns, uid, gid, pid, kind, what, outcome, count, token \
             FROM audit \
             WHERE id BETWEEN ?1 AND ?2 AND wall_us >= ?3 AND wall_us < ?4 ORDER BY id {} LIMIT ?5",
            filter.direction()
        );
        self.rows(
            &sql,
            params![first, last, from, until, filter.limit],
            stored,
        )
    }
}

fn stored(row: &Row<'_>) -> Result<StoredAudit, RowError> {
    let id = row.get(0)?;
    let row = AuditRow {
        wall: WallUs(row.get(1)?),
        time: MonotonicNs(unsigned(row, 2, "audit.monotonic_ns")?),
        uid: row.get(3)?,
        gid: row.get(4)?,
        pid: row.get(5)?,
        kind: row.get(6)?,
        what: row.get(7)?,
        outcome: row.get(8)?,
        count: unsigned(row, 9, "audit.count")?,
        token: row.get(10)?,
    };
    Ok(StoredAudit { id, row })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: AuditKind, count: u64) -> AuditRow {
        AuditRow {
            wall: WallUs(1),
            time: MonotonicNs(2),
            uid: Some(u32::MAX - 1),
            gid: Some(3),
            pid: Some(4),
            kind,
            what: "beats",
            outcome: "done",
            count,
            token: None,
        }
    }

    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("schema/v7.sql"))
            .unwrap();
        let later = "ALTER TABLE audit ADD COLUMN token TEXT";
        connection.execute_batch(later).unwrap();
        connection
    }

    fn counts(connection: &Connection) -> (i64, i64) {
        connection
            .query_row(
                "SELECT count(*) FILTER (WHERE kind = 'read'), \
                 count(*) FILTER (WHERE kind <> 'read') FROM audit",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap()
    }

    #[test]
    fn what_waits_and_what_is_kept_is_bounded_and_reading_pushes_out_no_refusal() {
        let context = Context::new(std::path::Path::new("x"), std::time::Duration::ZERO);
        let connection = table();
        let mut queue = AuditQueue::default();
        queue.push(row(AuditKind::Refused, 1));
        queue.write(&connection, &context).unwrap();
        queue.written();
        let rounds = MOST_KEPT as usize / MOST_WAITING + 2;
        for _ in 0..rounds {
            for _ in 0..MOST_WAITING {
                queue.push(row(AuditKind::Read, 1));
            }
            queue.write(&connection, &context).unwrap();
            queue.written();
        }
        assert_eq!(counts(&connection), (MOST_KEPT.into(), 1));
        // more than there is room for in memory is counted
        for _ in 0..MOST_WAITING + 7 {
            queue.push(row(AuditKind::Connected, 1));
        }
        queue.write(&connection, &context).unwrap();
        let lost: i64 = connection
            .query_row("SELECT count FROM audit WHERE kind = 'lost'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(lost, 7);
    }

    #[test]
    fn every_kind_can_be_stored() {
        let context = Context::new(std::path::Path::new("x"), std::time::Duration::ZERO);
        let connection = table();
        let mut queue = AuditQueue::default();
        for kind in AuditKind::ALL {
            queue.push(row(kind, 1));
        }
        queue.write(&connection, &context).unwrap();
        assert_eq!(counts(&connection), (1, 3));
    }
}
