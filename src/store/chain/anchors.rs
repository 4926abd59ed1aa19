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
const WORTH_REMOVING: usize = 256;

/// Why rows were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Reason {
    Age,
    Size,
    FreeSpace,
}

impl Reason {
    const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Size => "size",
            Self::FreeSpace => "free_space",
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
    let connection = chain.connection();
    let rows = i64::try_from(removed.rows).unwrap_or(i64::MAX);
    let (table, reason, now) = (removed.kind.table(), removed.reason.name(), WallUs::now().0);
    let grown = connection
        .prepare_cached(
            "UPDATE chain_anchors SET last_id = max(last_id, ?2), row_count = row_count + ?3, \
             reason = ?4, wall_us = ?5 WHERE what = ?1 \
             AND reason NOT IN ('migration', 'restored') RETURNING id",
        )?
        .query_row(params![table, removed.last, rows, reason, now], |row| {
            row.get(0)
        })
        .optional()?;
    let anchor = match grown {
        Some(anchor) => anchor,
        None => connection
            .prepare_cached(
                "INSERT INTO chain_anchors (what, first_id, last_id, row_count, reason, wall_us) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .insert(params![
                table,
                removed.first,
                removed.last,
                rows,
                reason,
                now
            ])?,
    };
    chain.link_stored(session, Kind::Anchor, anchor)
}

/// Notes the ids that a database passes over because another one of its name has given them, so that they
/// are not taken for rows cut off the end. Tables without a row have nothing that could be cut off.
pub(in super::super) fn note_ids_passed_over(connection: &Connection) -> rusqlite::Result<()> {
    let mut chain = Chain::open(connection, true)?;
    let now = WallUs::now().0;
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
        let anchor = connection
            .prepare(
                "INSERT INTO chain_anchors (what, first_id, last_id, row_count, reason, wall_us) \
                 VALUES (?1, ?2, ?3, 0, 'restored', ?4)",
            )?
            .insert(params![table, known + 1, given, now])?;
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
    fn links(&self) -> usize {
        usize::try_from(self.last - self.first + 1).unwrap_or(0)
    }
}

/// Removes the oldest links, as far as their rows are gone. Links of sessions, their ends and their
/// clocks stay, as do those of anchors as they are now. How many went.
pub(in super::super) fn prune(
    chain: &mut Chain<'_>,
    session: i64,
    reason: Reason,
) -> rusqlite::Result<usize> {
    let runs = dead_runs(chain)?;
    let links = runs.iter().map(Run::links).sum();
    if links < WORTH_REMOVING {
        return Ok(0);
    }
    for run in runs {
        let anchor = anchor_links(chain, &run, reason)?;
        chain
            .connection()
            .prepare_cached("DELETE FROM chain WHERE id BETWEEN ?1 AND ?2")?
            .execute([run.first, run.last])?;
        chain.link_stored(session, Kind::Anchor, anchor)?;
    }
    Ok(links)
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
            Kind::Session | Kind::End | Kind::Clock => (false, true),
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

/// The anchor that stands for the run: the one right before it, grown, or a new one.
fn anchor_links(chain: &Chain<'_>, run: &Run, reason: Reason) -> rusqlite::Result<i64> {
    let connection = chain.connection();
    let (reason, now) = (reason.name(), WallUs::now().0);
    let links = run.last - run.first + 1;
    let grown = connection
        .prepare_cached(
            "UPDATE chain_anchors SET last_id = ?2, row_count = row_count + ?3, hash = ?4, \
             reason = ?5, wall_us = ?6 WHERE what = 'chain' AND last_id = ?1 - 1 RETURNING id",
        )?
        .query_row(
            params![run.first, run.last, links, run.hash, reason, now],
            |row| row.get(0),
        )
        .optional()?;
    match grown {
        Some(anchor) => Ok(anchor),
        None => connection
            .prepare_cached(
                "INSERT INTO chain_anchors (what, first_id, last_id, row_count, hash_before, hash, \
                 reason, wall_us) VALUES ('chain', ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .insert(params![
                run.first, run.last, links, run.before, run.hash, reason, now
            ]),
    }
}
