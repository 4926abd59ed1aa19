//! Maps of stored beats, made on request: they go with the next commit that is due, so that a client
//! that only reads makes nobody write.

use std::time::Instant;

use super::super::error::StoreError;
use super::super::pending::PendingMaps;
use super::super::saliency::StoredSaliency;
use super::super::statements::Statements;
use super::thread::WriterThread;

impl WriterThread {
    /// Keeps a map of a database that had been exchanged `exchanged` times when it was made.
    pub(super) fn keep(&mut self, map: StoredSaliency, exchanged: u64) {
        let dropped = if self.monitor.quarantined() != exchanged {
            1 // the beat of this number is another one now
        } else if self.trouble.is_some() {
            // While nothing can be written the oldest go; else being full makes a commit due.
            self.maps.push_dropping_oldest(map)
        } else {
            self.maps.push(map);
            0
        };
        self.note_maps(0, dropped);
    }

    /// When the maps that wait must be committed at the latest.
    pub(super) fn maps_due(&self) -> Option<Instant> {
        self.maps.since().map(|since| {
            if self.maps.is_full() {
                since
            } else {
                since + self.options.maps_commit_after
            }
        })
    }

    /// Commits the maps by themselves: nothing else is due. What cannot be stored is dropped.
    pub(super) fn commit_maps(&mut self) {
        if self.maps.is_empty() {
            return;
        }
        let waited = self.maps.len();
        let stored = match self.transact_maps() {
            Ok(stored) => {
                self.housekeeping.note_commit();
                self.note_commit(0);
                stored
            }
            Err(error) => {
                tracing::debug!(%error, "maps made on request are not stored");
                0
            }
        };
        self.maps = PendingMaps::default();
        self.note_maps(stored, waited - stored);
    }

    fn transact_maps(&mut self) -> Result<usize, StoreError> {
        let (connection, context) = self.database.connection()?;
        Statements::transact(connection, &context, |statements| {
            statements.maps(&self.maps)
        })
    }

    /// The database was exchanged: its beats are not the maps' beats.
    pub(super) fn drop_maps(&mut self) {
        let dropped = self.maps.len();
        self.maps = PendingMaps::default();
        self.note_maps(0, dropped);
    }

    pub(super) fn note_maps(&self, stored: usize, dropped: usize) {
        let mut status = self.monitor.lock();
        status.maps_waiting = self.maps.len();
        status.maps_stored += stored as u64;
        status.maps_dropped += dropped as u64;
    }
}

impl Statements<'_> {
    /// Stores the maps that can be stored; how many. One that cannot is no reason to lose what is
    /// committed with it.
    pub(in super::super) fn maps(&self, maps: &PendingMaps) -> Result<usize, StoreError> {
        let mut stored = 0;
        for map in maps.iter() {
            match self.saliency(map.beat, map) {
                Ok(()) => stored += 1,
                Err(error) if error.is_transient() || error.is_damage() => return Err(error),
                Err(error) => {
                    tracing::warn!(beat = map.beat, %error, "a map made on request is not stored");
                }
            }
        }
        Ok(stored)
    }
}
