//! A damaged or replaced database is quarantined: renamed, never deleted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ecg_chain::WallUs;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::error::StoreError;
use super::file::{beside, io};
use super::options::READ_WRITE;

/// Pages copied between two signs of life.
const PAGES_PER_STEP: i32 = 512;

/// Where a database went, and what of it goes on.
#[derive(Debug)]
pub(super) struct Quarantined {
    /// Its new name; `None` where nothing was left of it.
    pub(super) path: Option<PathBuf>,
    /// Whether every committed row is in the fresh database too.
    pub(super) whole: bool,
}

/// Logs that a database was quarantined; the event's words.
pub(super) fn quarantine_note(quarantined: &Quarantined, error: &StoreError) -> String {
    let then = if quarantined.whole {
        "a fresh one goes on with all its rows"
    } else {
        "a fresh, empty one begins"
    };
    let kept = match &quarantined.path {
        Some(path) => format!("quarantined as {}", path.display()),
        None => "nothing was left of it".to_owned(),
    };
    tracing::error!(%error, "the database: {kept}, {then}");
    format!("{error}; {kept}, {then}")
}

/// What a quarantined database is called after its own name.
pub(super) const DAMAGED: &str = "damaged";

/// The second it is, as a file name has it everywhere: `20261123T034500Z`.
pub(super) fn time_stamp() -> String {
    let time = WallUs::now().to_rfc3339().unwrap_or_default();
    let digits = time.chars().filter(char::is_ascii_alphanumeric);
    digits.take(15).chain(['Z']).collect()
}

/// A name that is free for a database, its log and its index: `NAME.KIND-TIME`.
pub(super) fn free_name(path: &Path, kind: &str) -> PathBuf {
    let time = time_stamp();
    let taken = |name: &Path| {
        ["", "-wal", "-shm"]
            .iter()
            .any(|suffix| beside(name, suffix).exists())
    };
    (0_u32..)
        .map(|number| match number {
            0 => beside(path, &format!(".{kind}-{time}")),
            _ => beside(path, &format!(".{kind}-{time}-{number}")),
        })
        .find(|name| !taken(name))
        .unwrap_or_else(|| beside(path, &format!(".{kind}")))
}

/// Renames the database with its write-ahead log to `NAME.damaged-TIME`; its new name, `None` where there
/// is neither. No connection to it may write any more.
pub(super) fn move_to_quarantine(path: &Path) -> Result<Option<PathBuf>, StoreError> {
    let quarantine = free_name(path, DAMAGED);
    let mut any = false;
    // The log first: if the last rename fails, the next try finds the database still in its place.
    for suffix in ["-wal", "-shm", ""] {
        let from = beside(path, suffix);
        match std::fs::rename(&from, beside(&quarantine, suffix)) {
            Ok(()) => any = true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(&from)(error)),
        }
    }
    Ok(any.then_some(quarantine))
}

/// Copies everything a connection sees into the empty file at `to`: also what lies in a file or log that
/// has lost its name, as long as the connection has it open. `turn` is called between two steps.
pub(super) fn copy(connection: &Connection, to: &Path, turn: &dyn Fn()) -> rusqlite::Result<()> {
    let mut copy = Connection::open_with_flags(to, READ_WRITE)?;
    let backup = Backup::new(connection, &mut copy)?;
    loop {
        turn();
        match backup.step(PAGES_PER_STEP)? {
            StepResult::Done => break,
            StepResult::More => {}
            // a reader's lock, for a moment
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    drop(backup);
    copy.close().map_err(|(_, error)| error)
}
