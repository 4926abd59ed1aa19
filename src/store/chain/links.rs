//! Links: computed and appended.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, ToSql, params};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::super::query::{column, one};
use super::digest::{Canonical, new_row, stored};
use super::kind::{BEGINNING, Hash, Kind};

/// The newest link of a chain, to be written down where nobody who can change the database can
/// change it: `SESSION:LINK:HASH`, the hash as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// The session it was written in.
    pub session: i64,
    /// The number of the link.
    pub link: i64,
    /// Its hash (SHA-256).
    pub hash: [u8; 32],
}

impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.session, self.link)?;
        self.hash
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for ChainHead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for ChainHead {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("found {text:?}, expected SESSION:LINK:HASH with 64 hexadecimal digits");
        let parts: Vec<&str> = text.split(':').collect();
        let [session, link, digits] = parts[..] else {
            return Err(wrong());
        };
        let mut hash = BEGINNING;
        if digits.len() != 2 * hash.len() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        {
            return Err(wrong());
        }
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = std::str::from_utf8(pair)
                .ok()
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                .ok_or_else(wrong)?;
        }
        match (session.parse(), link.parse()) {
            (Ok(session), Ok(link)) if session > 0 && link > 0 => Ok(Self {
                session,
                link,
                hash,
            }),
            _ => Err(wrong()),
        }
    }
}

/// The hash of a link.
pub(super) fn link_hash(
    before: &Hash,
    link: i64,
    session: i64,
    kind: &[u8],
    row: i64,
    digest: &[u8],
) -> Hash {
    let mut bytes = Canonical::after(Sha256::new_with_prefix(before));
    bytes.integer(link);
    bytes.integer(session);
    bytes.text(kind);
    bytes.integer(row);
    bytes.blob(digest);
    bytes.digest()
}

/// The end of the chain, inside the transaction that goes on with it.
pub(in super::super) struct Chain<'a> {
    connection: &'a Connection,
    head: Option<ChainHead>,
    /// Off in benchmarks alone: rows without links count as added by somebody else.
    on: bool,
}

impl<'a> Chain<'a> {
    pub(in super::super) fn open(connection: &'a Connection, on: bool) -> rusqlite::Result<Self> {
        let head = if on { read_head(connection)? } else { None };
        Ok(Self {
            connection,
            head,
            on,
        })
    }

    pub(in super::super) fn connection(&self) -> &'a Connection {
        self.connection
    }

    pub(in super::super) fn head(&self) -> Option<ChainHead> {
        self.head
    }

    /// Appends the link of a row that has been stored with these values: see [`new_row`].
    pub(in super::super) fn link_new(
        &mut self,
        session: i64,
        kind: Kind,
        row: i64,
        values: &[&dyn ToSql],
        source: Option<[&str; 2]>,
    ) -> rusqlite::Result<()> {
        self.link(session, kind, row, |_| new_row(kind, row, values, source))
    }

    /// Appends the link of a row as it is stored.
    pub(in super::super) fn link_stored(
        &mut self,
        session: i64,
        kind: Kind,
        row: i64,
    ) -> rusqlite::Result<()> {
        self.link(session, kind, row, |connection| {
            stored(connection, kind, row)
        })
    }

    fn link(
        &mut self,
        session: i64,
        kind: Kind,
        row: i64,
        digest: impl FnOnce(&Connection) -> rusqlite::Result<Hash>,
    ) -> rusqlite::Result<()> {
        if !self.on {
            return Ok(());
        }
        let digest = digest(self.connection)?;
        let first = self.head.is_none();
        let (before, link) = self
            .head
            .map_or((BEGINNING, 1), |head| (head.hash, head.link + 1));
        let name = kind.name();
        let hash = link_hash(&before, link, session, name.as_bytes(), row, &digest);
        self.connection
            .prepare_cached(
                "INSERT INTO chain (id, session, kind, row_id, digest, hash) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![link, session, name, row, digest, hash])?;
        self.head = Some(ChainHead {
            session,
            link,
            hash,
        });
        if first {
            self.link_anchors_of_the_migration(session)?;
        }
        Ok(())
    }

    /// The migration could not hash: what it noted gets its links with the first other one.
    fn link_anchors_of_the_migration(&mut self, session: i64) -> rusqlite::Result<()> {
        let anchors = "SELECT id FROM chain_anchors ORDER BY id";
        let anchors: Vec<i64> = column(self.connection, anchors, [])?;
        anchors
            .into_iter()
            .try_for_each(|anchor| self.link_stored(session, Kind::Anchor, anchor))
    }
}

/// The newest link, `None` where there is none.
fn read_head(connection: &Connection) -> rusqlite::Result<Option<ChainHead>> {
    connection
        .prepare_cached("SELECT session, id, hash FROM chain ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| {
            Ok(ChainHead {
                session: row.get(0)?,
                link: row.get(1)?,
                hash: row.get(2)?,
            })
        })
        .optional()
}

/// The newest id that a table has given, 0 where it has given none.
pub(super) fn newest_given(connection: &Connection, table: &str) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?1), 0), \
         coalesce((SELECT newest FROM given_ids WHERE name = ?1), 0))",
        [table],
        |row| row.get(0),
    )
}

/// Lets `close` close the sessions that a crash has left open, and chains the gaps that it adds and the ends.
pub(in super::super) fn chain_interrupted(
    connection: &Connection,
    on: bool,
    close: impl FnOnce() -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let open = "SELECT id FROM sessions WHERE end_reason IS NULL ORDER BY id";
    let sessions: Vec<i64> = column(connection, open, [])?;
    let newest_gap: i64 = one(connection, "SELECT coalesce(max(id), 0) FROM gaps")?;
    close()?;
    let gaps: Vec<(i64, i64)> = connection
        .prepare("SELECT session, id FROM gaps WHERE id > ?1 ORDER BY id")?
        .query_map([newest_gap], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut chain = Chain::open(connection, on)?;
    for (session, gap) in gaps {
        chain.link_stored(session, Kind::Gap, gap)?;
    }
    for session in sessions {
        chain.link_stored(session, Kind::End, session)?;
    }
    Ok(())
}
