//! What the writer does between commits: checkpoints, retention, measuring.

use std::path::Path;
use std::time::{Duration, Instant};

use ecg_chain::WallUs;
use rusqlite::Connection;

use super::database::Store;
use super::deletion_delay::{DeletionDelay, Waits};
use super::monitor::WriterMonitor;
use super::options::{Retention, StoreOptions};
use super::retention::{Leave, used_and_free_bytes};
use super::space::{Space, SpaceSource};
use super::volume::VolumeMeter;

/// Pages of the write-ahead log that make a checkpoint due: 4 MiB, as SQLite has it.
const CHECKPOINT_PAGES: i64 = 1_000;
/// Commits between two looks at the log's length.
const LOOK_AFTER_COMMITS: u32 = 8;
/// Retention rests this long once there is nothing left to delete.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// Pause between two steps of retention, so that commits come first.
const BETWEEN_STEPS: Duration = Duration::from_millis(200);

/// Raw ECG is stored again only once there is this share more room than has to stay free, so that it
/// does not begin and stop from minute to minute.
const ROOM_AGAIN_SHARE: u64 = 50;

pub(super) struct Housekeeping {
    retention: Retention,
    space: SpaceSource,
    delay: DeletionDelay,
    volume: VolumeMeter,
    commits: u32,
    next_retention: Instant,
    last_retention: Option<Instant>,
    /// Whether there is no room for raw ECG.
    no_room: bool,
}

/// What retention has to say after a turn; `None` each where there is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Standing {
    /// Raw ECG will be deleted for the sake of free space, but is not yet.
    pub(super) warning: Option<String>,
    /// Nothing is deleted for its age.
    pub(super) age_doubt: Option<String>,
    /// Raw ECG is not stored.
    pub(super) no_room: Option<String>,
}

/// The room on the medium against what is to stay free, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Room {
    free: u64,
    wanted: u64,
}

impl Room {
    const fn is_short(&self) -> bool {
        self.free < self.wanted
    }

    fn is_enough_again(&self) -> bool {
        self.free >= self.wanted.saturating_add(self.wanted / ROOM_AGAIN_SHARE)
    }
}

impl Housekeeping {
    pub(super) fn new(options: &StoreOptions) -> Self {
        Self {
            retention: options.retention,
            space: options.space.clone(),
            delay: DeletionDelay::new(options.retention.shortest_age()),
            volume: VolumeMeter::new(options.synchronous),
            commits: 0,
            next_retention: Instant::now(),
            last_retention: None,
            no_room: false,
        }
    }

    pub(super) fn note_commit(&mut self) {
        self.commits += 1;
        self.volume.note_commit();
    }

    /// One turn; what fails is tried again at a later one. `now` is the newest row's wall time.
    pub(super) fn turn(
        &mut self,
        database: &mut Store,
        now: Option<WallUs>,
        monitor: &WriterMonitor,
    ) -> Option<Standing> {
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
        let mut standing = None;
        if let Some(now) = now
            && !self.retention.keeps_everything()
            && self.next_retention <= Instant::now()
        {
            standing = self.retain(database, now, monitor);
        }
        if let Some(volume) = self.volume.look() {
            monitor.lock().volume = volume;
        }
        standing
    }

    /// A person confirms what is waited with.
    pub(super) fn confirm(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        self.next_retention = Instant::now();
        self.delay.confirm(connection)
    }

    fn retain(
        &mut self,
        database: &mut Store,
        now: WallUs,
        monitor: &WriterMonitor,
    ) -> Option<Standing> {
        let room = self.room(database.path());
        // without a connection the next commit makes one
        let (connection, _) = database.connection().ok()?;
        let elapsed = self
            .last_retention
            .map_or(Duration::ZERO, |at| at.elapsed());
        self.last_retention = Some(Instant::now());
        let (pause, standing) = match self.look_and_delete(connection, now, elapsed, room, monitor)
        {
            Ok((more, standing)) => {
                let pause = if more { BETWEEN_STEPS } else { RETENTION_EVERY };
                (pause, Some(standing))
            }
            Err(error) => {
                tracing::warn!(%error, "nothing deleted by retention this time");
                (RETENTION_EVERY, None)
            }
        };
        self.next_retention = Instant::now() + pause;
        standing
    }

    /// The room on the medium, where some is to stay free and the kernel tells.
    fn room(&self, database: &Path) -> Option<(Space, u64)> {
        let least = self.retention.min_free?;
        match self.space.at(database) {
            Ok(space) => Some((space, least.wanted(space.total))),
            Err(error) => {
                tracing::warn!(%error, "the room on the medium is not known");
                None
            }
        }
    }

    pub(super) fn look_and_delete(
        &mut self,
        connection: &mut Connection,
        now: WallUs,
        elapsed: Duration,
        room: Option<(Space, u64)>,
        monitor: &WriterMonitor,
    ) -> rusqlite::Result<(bool, Standing)> {
        let mut waits = self.delay.turn(connection, elapsed)?;
        if self.retention.shortest_age().is_none() {
            waits.doubt = None;
        }
        if self.retention.min_free.is_none() {
            waits.warning = None;
        }
        let room = match room {
            None => None,
            Some((space, wanted)) => Some(Room {
                // rows to come take the free pages of the file first
                free: space
                    .free
                    .saturating_add(used_and_free_bytes(connection)?[1]),
                wanted,
            }),
        };
        let short = room.is_some_and(|room| room.is_short());
        let leave = Leave {
            now,
            by_age: waits.doubt.is_none(),
            for_space: short && waits.warning.is_none(),
        };
        let deleted = self.retention.step(connection, &leave)?;
        if deleted.blocks + deleted.rows > 0 {
            self.volume.note_commit();
        }
        if leave.for_space && deleted.blocks == 0 {
            self.no_room = true;
        } else if room.is_none_or(|room| room.is_enough_again()) {
            self.no_room = false;
        }
        let mut status = monitor.lock();
        status.blocks_deleted += deleted.blocks;
        status.rows_deleted += deleted.rows;
        status.free_bytes = room.map(|room| room.free);
        status.free_bytes_wanted = room.map(|room| room.wanted);
        Ok((deleted.more, self.standing(waits, room)))
    }

    fn standing(&self, waits: Waits, room: Option<Room>) -> Standing {
        let hours = |wait: Duration| wait.as_secs_f64() / 3_600.0;
        let mib = |bytes: u64| bytes >> 20;
        let little = room.map_or_else(
            || "too little".to_owned(),
            |room| format!("less than {} MiB", mib(room.wanted)),
        );
        Standing {
            warning: waits.warning.map(|wait| {
                format!(
                    "in {:.1} h of running the oldest raw ECG begins to be deleted where {little} \
                     of the medium is free (min_free_percent, min_free_mib; 0 for both \
                     turns it off)",
                    hours(wait)
                )
            }),
            age_doubt: waits.doubt.map(|(wait, why)| {
                format!(
                    "nothing is deleted for its age for {:.1} h of running, or until somebody confirms \
                     (POST /v1/retention/confirm): {why}",
                    hours(wait)
                )
            }),
            no_room: room.filter(|_| self.no_room).map(|room| {
                format!(
                    "raw ECG is not stored: {} MiB of the medium are free, {} are to stay free, and \
                     what is left of the ECG is the last 24 h",
                    mib(room.free),
                    mib(room.wanted)
                )
            }),
        }
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
