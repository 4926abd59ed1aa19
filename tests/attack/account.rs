//! Samples and beats of one recording, over all the databases it was written to.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// What identifies a beat in whatever database it lies: start of its session and its sample.
pub(crate) type Key = (i64, i64);

/// Samples of one session.
#[derive(Debug, Default)]
struct Pieces {
    stored: Vec<(i64, i64)>,
    missing: Vec<(i64, i64)>,
    beats: Vec<i64>,
}

/// All databases together.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) databases: usize,
    /// Databases that an attack left so damaged that they cannot be read to their end.
    pub(crate) damaged: usize,
    pub(crate) samples: i64,
    pub(crate) missing: i64,
    pub(crate) gaps: usize,
    /// Stretches that are neither stored nor in a gap: session, first and last sample, the last
    /// exclusive.
    pub(crate) holes: Vec<(i64, i64, i64)>,
    /// How often each beat is stored.
    pub(crate) beats: HashMap<Key, usize>,
}

/// Every database of ours in the folder and the folders in it, whatever it is called now.
pub(crate) fn databases(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(databases(&path));
            continue;
        }
        let mut head = [0; 16];
        let read = fs::File::open(&path).and_then(|mut file| file.read_exact(&mut head));
        if read.is_ok() && head == *b"SQLite format 3\0" {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Adds up what lies in `databases`, in sessions that began on the monotonic clock at `from_ns` or later.
pub(crate) fn account(databases: &[PathBuf], from_ns: i64) -> Account {
    let mut sessions: BTreeMap<i64, Pieces> = BTreeMap::new();
    let mut account = Account {
        databases: databases.len(),
        ..Account::default()
    };
    for database in databases {
        if read(database, from_ns, &mut sessions).is_err() {
            account.damaged += 1;
        }
    }
    for (session, pieces) in sessions {
        account.add(session, pieces);
    }
    account
}

/// Everything that can be read of one database.
fn read(
    database: &Path,
    from_ns: i64,
    sessions: &mut BTreeMap<i64, Pieces>,
) -> rusqlite::Result<()> {
    let connection = Connection::open(database)?;
    for (table, columns) in [
        ("ecg_blocks", "first_sample, t.samples"),
        ("gaps", "first_missing_sample, t.missing_samples"),
        ("beats", "r_sample, 1"),
    ] {
        let mut statement = connection.prepare(&format!(
            "SELECT s.start_monotonic_ns, {columns} FROM {table} t JOIN sessions s \
             ON s.id = t.session WHERE s.start_monotonic_ns >= {from_ns}"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let pieces = sessions.entry(row.get(0)?).or_default();
            let piece = (row.get(1)?, row.get(2)?);
            match table {
                "ecg_blocks" => pieces.stored.push(piece),
                "gaps" => pieces.missing.push(piece),
                _ => pieces.beats.push(piece.0),
            }
        }
    }
    Ok(())
}

impl Account {
    fn add(&mut self, session: i64, mut pieces: Pieces) {
        // A copy that was put in place of a database holds some rows once more.
        for list in [&mut pieces.stored, &mut pieces.missing] {
            list.sort_unstable();
            list.dedup();
        }
        let length = |list: &[(i64, i64)]| list.iter().map(|(_, length)| length).sum::<i64>();
        self.samples += length(&pieces.stored);
        self.missing += length(&pieces.missing);
        self.gaps += pieces.missing.len();
        let mut all = [pieces.stored, pieces.missing].concat();
        all.sort_unstable();
        let mut end = 0;
        for (first, length) in all {
            if first > end {
                self.holes.push((session, end, first));
            }
            end = end.max(first + length);
        }
        let known = pieces.beats.iter().max().map_or(0, |sample| sample + 1);
        if known > end {
            self.holes.push((session, end, known));
        }
        for sample in pieces.beats {
            *self.beats.entry((session, sample)).or_default() += 1;
        }
    }

    /// One line.
    pub(crate) fn text(&self) -> String {
        let unaccounted: i64 = self.holes.iter().map(|(_, from, to)| to - from).sum();
        let damaged = match self.damaged {
            0 => String::new(),
            damaged => format!(" ({damaged} of them damaged)"),
        };
        format!(
            "{} samples stored in {} database(s){damaged}, {} missing in {} gap(s), {unaccounted} \
             unaccounted for; {} beats",
            self.samples,
            self.databases,
            self.missing,
            self.gaps,
            self.beats.len(),
        )
    }
}
