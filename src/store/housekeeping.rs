//! What the writer does between commits: checkpoints, retention, measuring.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::time::WallUs;

use super::database::Database;
use super::open::StoreOptions;
use super::retention::Retention;
use super::volume::VolumeMeter;
use super::writer::WriterMonitor;

/// Pages of the write-ahead log that make a checkpoint due: 4 MiB, as SQLite has it.
const CHECKPOINT_PAGES: i64 = 1_000;
/// Commits between two looks at the log's length.
const LOOK_AFTER_COMMITS: u32 = 8;
/// Retention rests this long once there is nothing left to delete.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// Pause between two steps of retention, so that commits come first.
const BETWEEN_STEPS: Duration = Duration::from_millis(200);

pub(super) struct Housekeeping {
    retention: Retention,
    volume: VolumeMeter,
    commits: u32,
    next_retention: Instant,
}

impl Housekeeping {
    pub(super) fn new(options: &StoreOptions) -> Self {
        Self {
            retention: options.retention,
            volume: VolumeMeter::new(options.synchronous),
            commits: 0,
            next_retention: Instant::now(),
        }
    }

    pub(super) fn note_commit(&mut self) {
        self.commits += 1;
        self.volume.note_commit();
    }

    /// One turn; what fails is tried again at a later one. `now` is the newest row's wall time.
    pub(super) fn turn(
        &mut self,
        database: &mut Database,
        now: Option<WallUs>,
        monitor: &WriterMonitor,
    ) {
        // never into files that are not those we write to; the next commit tells of them
        if self.commits >= LOOK_AFTER_COMMITS
            && database.check().is_ok()
            && let Some(connection) = database.connection_if_open()
        {
            self.commits = 0;
            match checkpoint_if_due(connection) {
                Ok(Some(whole)) => {
                    self.volume.note_checkpoint(whole);
                    database.note_checkpoint();
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "no checkpoint this time");
                    database.note_checkpoint(); // some of it may be done
                }
            }
        }
        if let Some(now) = now
            && !self.retention.keeps_everything()
            && self.next_retention <= Instant::now()
        {
            self.retain(database, now, monitor);
        }
        if let Some(volume) = self.volume.look() {
            monitor.lock().volume = volume;
        }
    }

    fn retain(&mut self, database: &mut Database, now: WallUs, monitor: &WriterMonitor) {
        // without a connection the next commit makes one
        let Ok((connection, _)) = database.connection() else {
            return;
        };
        let pause = match self.retention.step(connection, now) {
            Ok(deleted) => {
                if deleted.blocks + deleted.rows > 0 {
                    self.volume.note_commit();
                    let mut status = monitor.lock();
                    status.blocks_deleted += deleted.blocks;
                    status.rows_deleted += deleted.rows;
                }
                if deleted.more {
                    BETWEEN_STEPS
                } else {
                    RETENTION_EVERY
                }
            }
            Err(error) => {
                tracing::warn!(%error, "nothing deleted by retention this time");
                RETENTION_EVERY
            }
        };
        self.next_retention = Instant::now() + pause;
    }
}

/// Writes the log into the database where it has grown long; whether all of it went.
fn checkpoint_if_due(connection: &Connection) -> rusqlite::Result<Option<bool>> {
    let ask = |mode: &str| {
        connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })
    };
    let (length, done) = ask("NOOP")?;
    if length - done < CHECKPOINT_PAGES {
        return Ok(None);
    }
    let (length, done) = ask("PASSIVE")?;
    Ok(Some(done >= length))
}
