//! Ids that are never given twice, also where a database had to be begun anew.
//!
//! Within a database SQLite's `AUTOINCREMENT` and the table `given_ids` see to it. For a fresh one the
//! file `NAME.ids` beside the database says how far ids may have been given: they are reserved there in
//! advance, some thousands at a time, and no id is given that is not reserved on the medium. So ids go on
//! after the reserved ones, however little is left of the file before, and whatever the clock shows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ecg_chain::WallUs;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension};

use super::chain::Kind;
use super::descriptor::MODE;
use super::error::StoreError;
use super::file::{beside, io, sync_folder};
use super::options::READ_ONLY;
use super::query::tables;

/// Ids reserved ahead, at least: a fraction of a day's beats.
const RESERVED: i64 = 16_384;
/// Ids beyond this are not believed: no table of ours has ever given them.
const LARGEST: i64 = 1 << 53;
/// The file is far shorter than this; what lies beyond is not read.
const LONGEST: u64 = 64 << 10;
const FIRST_LINE: &str = "ecg-gateway ids 1";

/// The largest ids given, by table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GivenIds(BTreeMap<String, i64>);

impl GivenIds {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached(
            "SELECT name, seq FROM sqlite_sequence UNION ALL SELECT name, newest FROM given_ids",
        )?;
        let ids = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        ids.collect::<rusqlite::Result<_>>().map(Self)
    }

    /// As [`Self::read`], of a database of any schema version. Older ones kept no word of the ids of ECG
    /// blocks and clock relations; where the word is behind, the rows count.
    pub(super) fn read_any_version(connection: &Connection) -> rusqlite::Result<Self> {
        let tables = tables(connection)?;
        let has_table = |name: &str| tables.iter().any(|table| table == name);
        let mut found = Self::default();
        let mut read = |sql: &str| -> rusqlite::Result<()> {
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let id: &mut i64 = found.0.entry(row.get(0)?).or_default();
                *id = row.get::<_, i64>(1)?.max(*id);
            }
            Ok(())
        };
        read("SELECT name, seq FROM sqlite_sequence")?;
        if has_table("given_ids") {
            read("SELECT name, newest FROM given_ids")?;
        }
        for table in ["ecg_blocks", "clock_relations"] {
            if has_table(table) {
                read(&format!(
                    "SELECT '{table}', coalesce(max(id), 0) FROM {table}"
                ))?;
            }
        }
        Ok(found)
    }

    /// The same for all tables that give ids: for databases too damaged to be asked, and for tables without
    /// a row yet.
    fn of_all_tables(id: i64) -> Self {
        let tables = Kind::NUMBERED.map(Kind::table).into_iter().chain(["audit"]);
        Self(tables.map(|table| (table.to_owned(), id)).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether no id of `other` is larger; a table without a word has given none.
    pub(super) fn reaches(&self, other: &Self) -> bool {
        other
            .0
            .iter()
            .all(|(name, id)| self.0.get(name).unwrap_or(&0) >= id)
    }

    /// Every id larger by `more`.
    pub(super) fn plus(&self, more: i64) -> Self {
        let ids = self.0.iter();
        Self(
            ids.map(|(name, id)| (name.clone(), id.saturating_add(more)))
                .collect(),
        )
    }

    pub(super) fn or_larger(mut self, other: &Self) -> Self {
        for (name, id) in &other.0 {
            let mine = self.0.entry(name.clone()).or_default();
            *mine = (*mine).max(*id);
        }
        self
    }

    /// Makes a database go on after these ids.
    pub(super) fn go_on_in(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (name, id) in &self.0 {
            let sql: Option<String> = connection
                .query_row(
                    "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1",
                    [name],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(sql) = sql else { continue };
            if !sql.contains("AUTOINCREMENT") {
                connection.execute(
                    "INSERT INTO given_ids (name, newest) VALUES (?1, ?2) ON CONFLICT (name) \
                     DO UPDATE SET newest = max(newest, excluded.newest)",
                    rusqlite::params![name, id],
                )?;
                continue;
            }
            let known = connection.execute(
                "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1",
                rusqlite::params![name, id],
            )?;
            if known == 0 {
                connection.execute(
                    "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)",
                    rusqlite::params![name, id],
                )?;
            }
        }
        Ok(())
    }
}

/// What the file `NAME.ids` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reserved {
    /// The database it speaks of.
    pub(super) epoch: String,
    /// Given for certain when it was written.
    pub(super) given: GivenIds,
    /// No id above these has been given.
    pub(super) up_to: GivenIds,
}

impl Reserved {
    fn beside(path: &Path) -> PathBuf {
        beside(path, ".ids")
    }

    /// `None` where there is none, or none that can be read: then it is written anew.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let at = Self::beside(path);
        let mut text = String::new();
        let file = File::open(&at).ok()?;
        file.take(LONGEST).read_to_string(&mut text).ok()?;
        let reserved = Self::parse(&text);
        if reserved.is_none() {
            tracing::warn!(
                "{}: found {:?}, expected the ids an ecg-gateway has reserved; written anew",
                at.display(),
                text.lines().next().unwrap_or_default()
            );
        }
        reserved
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let mut reserved = Self {
            epoch: lines.next()?.strip_prefix("epoch ")?.to_owned(),
            ..Self::default()
        };
        let id = |text: &str| text.parse().ok().filter(|id| (0..=LARGEST).contains(id));
        let mut ended = false;
        for line in lines {
            if ended {
                return None;
            }
            if line == "end" {
                ended = true;
                continue;
            }
            let mut words = line.split(' ');
            let (name, given, up_to) = (words.next()?, id(words.next()?)?, id(words.next()?)?);
            if words.next().is_some() {
                return None;
            }
            reserved.given.0.insert(name.to_owned(), given);
            reserved.up_to.0.insert(name.to_owned(), up_to);
        }
        ended.then_some(reserved)
    }

    fn text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\nepoch {}\n", self.epoch);
        for (name, given) in &self.given.0 {
            let up_to = self.up_to.0.get(name).unwrap_or(given);
            let _ = writeln!(text, "{name} {given} {up_to}"); // to a string, which does not fail
        }
        text + "end\n"
    }

    /// Whether the next `most` ids of each table are reserved.
    pub(super) fn covers(&self, given: &GivenIds, most: i64) -> bool {
        self.up_to.reaches(&given.plus(most))
    }

    /// Reserves for a database that has given these, `most` of them at a time, and writes it down.
    ///
    /// # Errors
    /// [`StoreError::Io`]; nothing more is reserved then.
    pub(super) fn write(
        path: &Path,
        epoch: &str,
        given: &GivenIds,
        most: i64,
        durably: bool,
    ) -> Result<Self, StoreError> {
        let given = GivenIds::of_all_tables(0).or_larger(given);
        let reserved = Self {
            epoch: epoch.to_owned(),
            up_to: given.plus(RESERVED.max(most.saturating_mul(4))),
            given,
        };
        let at = Self::beside(path);
        let fresh = beside(&at, ".new");
        let write = || {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(MODE)
                .open(&fresh)?;
            file.write_all(reserved.text().as_bytes())?;
            if durably {
                file.sync_all()?;
            }
            std::fs::rename(&fresh, &at)
        };
        write().map_err(io(&at))?;
        if durably {
            sync_folder(path)?;
        }
        Ok(reserved)
    }
}

/// After what ids a database at `path` must go on that knows nothing of those before it: after the
/// reserved ones. Where nothing says how many were reserved, after the largest that the file there and
/// all that were quarantined beside it still tell; for each that tells nothing, after the milliseconds since
/// 1970 as well, which are more than any rows there can have been.
pub(super) fn after_all_before(path: &Path, reserved: Option<&Reserved>) -> GivenIds {
    if let Some(reserved) = reserved {
        return reserved.up_to.clone();
    }
    let mut ids = GivenIds::default();
    for file in quarantined(path)
        .into_iter()
        .chain(path.exists().then(|| path.to_owned()))
    {
        ids = ids.or_larger(&salvage(&file));
    }
    ids
}

/// As far as a damaged file still tells; nothing of it is changed.
fn salvage(path: &Path) -> GivenIds {
    let ids = Connection::open_with_flags(path, READ_ONLY)
        .and_then(|connection| {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            GivenIds::read_any_version(&connection)
        })
        .ok()
        .filter(|ids| !ids.is_empty() && ids.0.values().all(|id| (0..=LARGEST).contains(id)));
    ids.unwrap_or_else(|| {
        let milliseconds = (WallUs::now().0 / 1_000).clamp(0, LARGEST);
        GivenIds::of_all_tables(milliseconds)
    })
}

/// Databases that were quarantined beside `path`, or replaced by a restored one.
pub(super) fn quarantined(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Vec::new();
    };
    let name = name.to_string_lossy();
    let begin = [".damaged-", ".replaced-"].map(|kind| format!("{name}{kind}"));
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.file_name().is_some_and(|name| {
                let name = name.to_string_lossy();
                begin.iter().any(|begin| name.starts_with(begin))
                    && !name.ends_with("-wal")
                    && !name.ends_with("-shm")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[(&str, i64)]) -> GivenIds {
        GivenIds(
            ids.iter()
                .map(|(name, id)| ((*name).to_owned(), *id))
                .collect(),
        )
    }

    #[test]
    fn what_is_reserved_is_read_as_it_was_written_and_a_torn_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ecg.db");
        assert_eq!(Reserved::read(&path), None);
        let given = ids(&[("beats", 7), ("events", 0)]);
        let written = Reserved::write(&path, "0123", &given, 100, true).unwrap();
        assert_eq!(Reserved::read(&path).unwrap(), written);
        assert!(written.covers(&given, RESERVED));
        assert!(!written.covers(&given, RESERVED + 1));
        let first = ids(&[("gaps", 1)]);
        assert!(written.covers(&first, 1), "reserved before its first row");
        assert!(!written.covers(&first, RESERVED));
        let text = written.text();
        for cut in 0..text.len() - 1 {
            assert_eq!(Reserved::parse(&text[..cut]), None, "cut at {cut}");
        }
        for wrong in [
            text.replace("beats 7", "beats -7"),
            text.replace("beats 7", "beats"),
            text.replace("beats 7", "beats 7 8"),
            format!("{text}more"),
        ] {
            assert_eq!(Reserved::parse(&wrong), None, "{wrong}");
        }
        // whatever somebody puts there, memory is bounded
        let many: String = (0..10_000).map(|k| format!("t{k} 1 1\n")).collect();
        let long = text.replace("end\n", &format!("{many}end\n"));
        assert!(Reserved::parse(&long).is_some());
        std::fs::write(Reserved::beside(&path), long).unwrap();
        assert_eq!(Reserved::read(&path), None);
    }
}
