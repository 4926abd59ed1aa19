//! What retention leaves behind, so that verification goes on after it.
//!
//! An anchor of a table says up to which id its rows are rightly missing. An anchor of the chain stands for
//! links that were removed once their rows were gone: the hash before the first and the hash of the last,
//! so that the links to both sides stay tied together. Anchors grow in place; each time one does, a new
//! link holds its digest, and the older link may go with the rest.

use std::collections::HashMap;

use ecg_chain::WallUs;
use rusqlite::{Connection, OptionalExtension, params};

use super::digest::stored;
use super::kind::{BEGINNING, Hash, Kind};
use super::links::{Chain, newest_given};

/// Links looked at in one go.
const MOST_LINKS: i64 = 8_192;
/// Fewer dead links are left where they are: an anchor has a row and a link, too.
const WORTH_REMOVING: i64 = 256;

/// Why rows were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Reason {
    Age,
    Size,
    FreeSpace,
    /// Not deleted: the ids were passed over.
    Restored,
}

impl Reason {
    const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Size => "size",
            Self::FreeSpace => "free_space",
            Self::Restored => "restored",
        }
    }
}

/// Rows of a table that retention has just deleted.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Removed {
    pub(in super::super) kind: Kind,
    pub(in super::super) first: i64,
    pub(in super::super) last: i64,
    pub(in super::super) rows: u64,
    pub(in super::super) reason: Reason,
}

/// Notes that the rows are rightly missing.
pub(in super::super) fn anchor_rows(
    chain: &mut Chain<'_>,
    session: i64,
    removed: &Removed,
) -> rusqlite::Result<()> {
    let anchor = Anchor {
        what: removed.kind.table(),
        first: removed.first,
        last: removed.last,
        rows: i64::try_from(removed.rows).unwrap_or(i64::MAX),
        reason: removed.reason,
        hashes: None,
    };
    let of_retention = "what = ?1 AND reason NOT IN ('migration', 'restored')";
    let anchor = anchor.note(chain.connection(), Some(of_retention))?;
    chain.link_stored(session, Kind::Anchor, anchor)
}

/// What an anchor says.
struct Anchor {
    what: &'static str,
    first: i64,
    last: i64,
    rows: i64,
    reason: Reason,
    /// Of links: the hash before the first and that of the last.
    hashes: Option<(Hash, Hash)>,
}

impl Anchor {
    /// Lets the anchor grow that `grows` chooses, where there is one, else adds one; its id.
    fn note(&self, connection: &Connection, grows: Option<&str>) -> rusqlite::Result<i64> {
        let (before, hash) = self.hashes.unzip();
        let (reason, now) = (self.reason.name(), WallUs::now().0);
        let values = params![
            self.what, self.first, self.last, self.rows, before, hash, reason, now
        ];
        let grown = match grows {
            None => None,
            Some(which) => connection
                .prepare_cached(&format!(
                    "UPDATE chain_anchors SET last_id = max(last_id, ?3), \
                     row_count = row_count + ?4, hash = ?6, reason = ?7, wall_us = ?8 \
                     WHERE {which} RETURNING id"
                ))?
                .query_row(values, |row| row.get(0))
                .optional()?,
        };
        match grown {
            Some(anchor) => Ok(anchor),
            None => connection
                .prepare_cached(
                    "INSERT INTO chain_anchors (what, first_id, last_id, row_count, hash_before, \
                     hash, reason, wall_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .insert(values),
        }
    }
}

/// Notes the ids that a database passes over because another one of its name has given them, so that they
/// are not taken for rows cut off the end. Tables without a row have nothing that could be cut off.
pub(in super::super) fn note_ids_passed_over(connection: &Connection) -> rusqlite::Result<()> {
    let mut chain = Chain::open(connection, true)?;
    for kind in Kind::NUMBERED {
        let table = kind.table();
        let known: i64 = connection.query_row(
            "SELECT max(coalesce((SELECT max(row_id) FROM chain WHERE kind = ?2), 0), \
             coalesce((SELECT max(last_id) FROM chain_anchors WHERE what = ?1), 0))",
            [table, kind.name()],
            |row| row.get(0),
        )?;
        let given = newest_given(connection, table)?;
        if known == 0 || given <= known {
            continue;
        }
        let anchor = Anchor {
            what: table,
            first: known + 1,
            last: given,
            rows: 0,
            reason: Reason::Restored,
            hashes: None,
        };
        let anchor = anchor.note(connection, None)?;
        // Without a link yet, it gets one with those of the migration.
        if let Some(head) = chain.head() {
            chain.link_stored(head.session, Kind::Anchor, anchor)?;
        }
    }
    Ok(())
}

/// Links in a row whose rows are gone.
struct Run {
    first: i64,
    last: i64,
    before: Hash,
    hash: Hash,
}

impl Run {
    fn links(&self) -> i64 {
        self.last - self.first + 1
    }
}

/// Removes the oldest links, as far as their rows are gone. Links of sessions, their ends, their clocks and
/// corrections stay, as do those of anchors as they are now.
pub(in super::super) fn prune(
    chain: &mut Chain<'_>,
    session: i64,
    reason: Reason,
) -> rusqlite::Result<()> {
    let runs = dead_runs(chain)?;
    if runs.iter().map(Run::links).sum::<i64>() < WORTH_REMOVING {
        return Ok(());
    }
    let connection = chain.connection();
    for run in runs {
        let anchor = Anchor {
            what: "chain",
            first: run.first,
            last: run.last,
            rows: run.links(),
            reason,
            hashes: Some((run.before, run.hash)),
        };
        // the one right before it grows
        let anchor = anchor.note(connection, Some("what = ?1 AND last_id = ?2 - 1"))?;
        connection
            .prepare_cached("DELETE FROM chain WHERE id BETWEEN ?1 AND ?2")?
            .execute([run.first, run.last])?;
        chain.link_stored(session, Kind::Anchor, anchor)?;
    }
    Ok(())
}

fn dead_runs(chain: &Chain<'_>) -> rusqlite::Result<Vec<Run>> {
    let Some(head) = chain.head() else {
        return Ok(Vec::new());
    };
    let connection = chain.connection();
    let mut gone_up_to = HashMap::new();
    let mut anchors = HashMap::new();
    let (mut searched, mut before) = (0, BEGINNING);
    let mut statement = connection.prepare_cached(
        "SELECT id, what, last_id, hash FROM chain_anchors \
         WHERE reason NOT IN ('migration', 'restored')",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, what, last): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        anchors.insert(id, stored(connection, Kind::Anchor, id)?);
        if what != "chain" {
            gone_up_to.insert(what, last);
        } else if last > searched {
            (searched, before) = (last, row.get(3)?);
        }
    }
    let mut statement = connection.prepare_cached(
        "SELECT id, kind, row_id, digest, hash FROM chain WHERE id > ?1 AND id < ?2 \
         ORDER BY id LIMIT ?3",
    )?;
    let mut rows = statement.query([searched, head.link, MOST_LINKS])?;
    let mut runs: Vec<Run> = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let (digest, hash): (Hash, Hash) = (row.get(3)?, row.get(4)?);
        let Some(kind) = Kind::from_name(row.get_ref(1)?.as_bytes().unwrap_or_default()) else {
            break;
        };
        let row_id: i64 = row.get(2)?;
        let (dead, stays) = match kind {
            Kind::Session | Kind::End | Kind::Clock | Kind::Correction => (false, true),
            Kind::Anchor => {
                let stays = anchors.get(&row_id).is_none_or(|now| *now == digest);
                (!stays, stays)
            }
            Kind::Beat | Kind::Gap | Kind::Event | Kind::Ecg => {
                let dead = gone_up_to
                    .get(kind.table())
                    .is_some_and(|last| row_id <= *last);
                (dead, false)
            }
        };
        if dead {
            match runs.last_mut().filter(|run| run.last + 1 == id) {
                Some(run) => (run.last, run.hash) = (id, hash),
                None => runs.push(Run {
                    first: id,
                    last: id,
                    before,
                    hash,
                }),
            }
        } else if !stays {
            break;
        }
        before = hash;
    }
    Ok(runs)
}
