//! A damaged database is set aside, never deleted.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::time::WallUs;

use super::StoreError;
use super::file::beside;
use super::open::no_mutex;

/// The largest ids ever given, by table: a fresh database goes on after them, so that no client takes
/// a new beat for one it knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct GivenIds([i64; 4]);

const TABLES: [&str; 4] = ["sessions", "beats", "gaps", "events"];

impl GivenIds {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut ids = [0; 4];
        for (id, table) in ids.iter_mut().zip(TABLES) {
            *id = connection.query_row(
                "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?1), 0)",
                [table],
                |row| row.get(0),
            )?;
        }
        Ok(Self(ids))
    }

    /// As far as a damaged file still tells; nothing of it is changed. Where it tells nothing, the
    /// time does: milliseconds since 1970 are more than any beats there can have been.
    pub(super) fn salvage(path: &Path) -> Self {
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | no_mutex())
            .and_then(|connection| {
                connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
                Self::read(&connection)
            })
            .unwrap_or_else(|_| Self([(WallUs::now().0 / 1_000).max(0); 4]))
    }

    pub(super) fn or_larger(self, other: Self) -> Self {
        let mut larger = self;
        for (mine, theirs) in larger.0.iter_mut().zip(other.0) {
            *mine = theirs.max(*mine);
        }
        larger
    }

    /// Makes a fresh database go on after these ids.
    pub(super) fn go_on_in(self, connection: &Connection) -> rusqlite::Result<()> {
        for (id, table) in self.0.into_iter().zip(TABLES) {
            if id > 0 {
                connection.execute(
                    "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, ?2 WHERE NOT EXISTS \
                     (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
                    rusqlite::params![table, id],
                )?;
            }
        }
        Ok(())
    }
}

/// Renames the database with its write-ahead log to `NAME.damaged-TIME`; its new name. Every
/// connection to it should be closed, none may write.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    // a time stamp that is a file name everywhere: 20261123T034500Z
    let stamp: String = WallUs::now()
        .to_rfc3339()
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let (second, _) = stamp.split_at(stamp.len().min(15));
    let aside = (0_u32..)
        .map(|number| match number {
            0 => beside(path, &format!(".damaged-{second}Z")),
            _ => beside(path, &format!(".damaged-{second}Z-{number}")),
        })
        .find(|name| !name.exists())
        .unwrap_or_else(|| beside(path, ".damaged"));
    // The log first: if the last rename fails, the next try finds the database still in its place.
    for suffix in ["-wal", "-shm", ""] {
        let from = beside(path, suffix);
        match std::fs::rename(&from, beside(&aside, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Io {
                    path: from,
                    source: error,
                });
            }
            _ => {}
        }
    }
    Ok(aside)
}
