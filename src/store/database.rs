//! A database taken for writing: locks, connection, creation, and what becomes of a damaged or replaced
//! one.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ecg_chain::EventKind;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use crate::liveness::Liveness;

use super::chain::{chain_interrupted, note_ids_passed_over};
use super::descriptor::{Inode, SharedFile, inode};
use super::error::{Context, StoreError};
use super::file::{
    Fresh, beside, check_file, check_header, check_version, io, lock, open_shared, resolve,
    take_lock_file,
};
use super::identity::StoreMark;
use super::ids::{GivenIds, Reserved, after_all_before};
use super::migrate::{APPLICATION_ID, STEPS, migrate};
use super::options::{READ_ONLY, READ_WRITE, StoreOptions, Synchronous};
use super::quarantine::{
    DAMAGED, Quarantined, copy, free_name, move_to_quarantine, quarantine_note,
};
use super::query::{faults, one};
use super::reader::StoreReader;
use super::watch::{Replaced, Seen};

/// Not more often than this is a database quarantined: a medium that damages every file is no reason to
/// fill it with them.
const QUARANTINE_AT_MOST_EVERY: Duration = Duration::from_secs(60);
/// Files that get the database's name while it is taken are looked at this often.
const ATTEMPTS: u32 = 8;
/// Steps of SQLite's machine between two signs of life: milliseconds.
const STEPS_BETWEEN_BEATS: i32 = 100_000;

/// A database taken by this process, with or without an open connection. Fields are dropped in this
/// order: locks after the connection.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// The folder it lies in: another one at its path means that a medium was taken away.
    folder: Option<Inode>,
    options: StoreOptions,
    connection: Option<Connection>,
    /// The file the connection writes to, locked. `None` while it cannot be reached.
    file: Option<SharedFile>,
    /// The lock of older programs; kept open, never read. `None` while the file system does not let a lock
    /// file be made.
    lock_file: Option<File>,
    /// Whether a lock file was here before this process came.
    was_here: bool,
    /// The files as the connection knows them.
    seen: Option<Seen>,
    /// How they were found to have been replaced.
    replaced: Option<Replaced>,
    /// Which database it is; `None` before it was ever open.
    epoch: Option<String>,
    /// Ids given up to the last commit.
    given: GivenIds,
    reserved: Option<Reserved>,
    /// Whether sessions of before, left open by a crash, are closed: what is open now is ours.
    crash_cleared: bool,
    quarantined_at: Option<Instant>,
    /// The writer thread's sign of life, for what takes long.
    liveness: Liveness,
    /// What happened on opening, for the first session: kind and detail.
    notes: Vec<(EventKind, String)>,
}

impl Store {
    /// Takes the database at `path`, creating or migrating it. A missing or empty file becomes a new
    /// database in one atomic step. Sessions that a crash left open are marked `interrupted`.
    ///
    /// Links in the path are followed once, now: everything later happens to the file they lead to.
    ///
    /// With [`super::Outage::Bridge`] a damaged database is quarantined for a fresh one (one whose header is
    /// unreadable only where a lock file shows that it was ours), and one that cannot be written for
    /// a passing reason is tried again later.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has taken it, by whatever name,
    /// [`StoreError::Refused`], [`StoreError::NotADatabase`] and [`StoreError::NewerSchema`] for files
    /// that are not ours to write (they stay as they are), [`StoreError::Locked`],
    /// [`StoreError::Corrupt`], [`StoreError::Io`], [`StoreError::Sqlite`].
    pub fn open(path: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let bridges = options.outage.bridges();
        let path = resolve(path)?;
        // A file without a readable header is ours to quarantine only if we have been here before.
        let was_here = beside(&path, ".lock").exists();
        match check_header(&path) {
            // before a lock file appears beside somebody else's file
            Err(StoreError::NotADatabase { .. }) if bridges && was_here && path.is_file() => {}
            other => drop(other?),
        }
        let mut database = Self {
            folder: folder_of(&path),
            path,
            options,
            connection: None,
            file: None,
            lock_file: None,
            was_here,
            seen: None,
            replaced: None,
            epoch: None,
            given: GivenIds::default(),
            reserved: None,
            crash_cleared: false,
            quarantined_at: None,
            liveness: Liveness::default(),
            notes: Vec::new(),
        };
        let error = match database.reopen() {
            Ok(()) => return Ok(database),
            Err(error) => error,
        };
        if !bridges || !(error.is_transient() || error.is_damage()) {
            return Err(error);
        }
        if database.file.is_some() && database.lock_file.is_some() && error.is_damage() {
            match database.quarantine() {
                Ok(quarantined) => {
                    let note = (
                        EventKind::StoreSetAside,
                        quarantine_note(&quarantined, &error),
                    );
                    database.notes.insert(0, note);
                    return Ok(database);
                }
                Err(error) if error.is_transient() => {}
                Err(error) => return Err(error),
            }
        }
        tracing::warn!(%error, "the database cannot be written yet: rows are collected in memory");
        Ok(database)
    }

    /// The database file, links in its path followed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it stands; `None` while it cannot be read.
    #[must_use]
    pub fn mark(&self) -> Option<StoreMark> {
        StoreMark::read(self.connection.as_ref()?).ok()
    }

    /// A reader of this database.
    ///
    /// # Errors
    /// As [`StoreReader::open`].
    pub fn reader(&self) -> Result<StoreReader, StoreError> {
        StoreReader::open(&self.path)
    }

    pub(super) fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Whether it was quarantined since it was opened.
    pub(super) const fn is_fresh(&self) -> bool {
        self.quarantined_at.is_some()
    }

    /// Reports to this liveness from now on, while something takes long.
    pub(super) fn set_liveness(&mut self, liveness: Liveness) {
        self.liveness = liveness;
    }

    /// What happened on opening, once: kind and detail of events.
    pub(super) fn take_notes(&mut self) -> Vec<(EventKind, String)> {
        std::mem::take(&mut self.notes)
    }

    /// The connection, opened again where it was lost, with ids reserved for one commit, and what its
    /// errors are explained with.
    ///
    /// # Errors
    /// [`StoreError::Replaced`] where the files are not those that were opened, and everything
    /// [`Store::open`] may answer.
    pub(super) fn connection(&mut self) -> Result<(&mut Connection, Context<'_>), StoreError> {
        self.check()?;
        if self.connection.is_none() {
            self.reopen()?;
        }
        self.reserve()?;
        let context = Context::new(&self.path, self.options.busy_timeout);
        match &mut self.connection {
            Some(connection) => Ok((connection, context)),
            None => Err(io(&self.path)(std::io::ErrorKind::NotConnected.into())),
        }
    }

    /// The connection as it is, for what can be left out.
    pub(super) fn connection_if_open(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// Whether the files are still those the connection writes to; nothing to find without one.
    ///
    /// # Errors
    /// [`StoreError::Replaced`]; the connection stays, because it may be all that still has the rows.
    /// [`StoreError::Io`] where the files cannot be looked at.
    pub(super) fn check(&mut self) -> Result<(), StoreError> {
        let (Some(connection), Some(file), Some(seen)) =
            (&self.connection, &self.file, &mut self.seen)
        else {
            return Ok(());
        };
        if self.replaced.is_none() {
            if folder_of(&self.path) != self.folder {
                return Err(medium_gone(&self.path));
            }
            self.replaced = seen.look(&self.path, file, connection)?;
        }
        let Some(replaced) = &self.replaced else {
            return Ok(());
        };
        if replaced.same_files && self.is_whole() {
            tracing::warn!(
                "{}: another program wrote to it or set its times; nothing is missing",
                self.path.display()
            );
            self.replaced = None;
            self.forget(); // its cached pages may be outdated
            return self.reopen();
        }
        Err(StoreError::replaced(&self.path, &replaced.detail))
    }

    /// Whether a connection that knows nothing yet finds this database, in order, with the newest rows. Of
    /// an older copy under a newer log tables and indexes would not fit each other.
    fn is_whole(&self) -> bool {
        let liveness = self.liveness.clone();
        let look = || -> rusqlite::Result<bool> {
            let mut connection = Connection::open_with_flags(&self.path, READ_ONLY)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            let alive = move || {
                liveness.beat();
                false // go on
            };
            connection.progress_handler(STEPS_BETWEEN_BEATS, Some(alive))?;
            let ours = Some(epoch(&connection)?) == self.epoch
                && GivenIds::read(&connection)?.reaches(&self.given);
            Ok(ours && faults(&connection, "integrity_check(1)")?.is_empty())
        };
        look().unwrap_or(false)
    }

    /// Takes note of ids that have just been given.
    pub(super) fn note_commit(&mut self) {
        if let Some(ids) = self.connection.as_ref().map(GivenIds::read) {
            match ids {
                Ok(ids) => self.given = ids,
                Err(error) => tracing::warn!(%error, "the newest ids cannot be read"),
            }
        }
    }

    /// Takes note of the files as a checkpoint of our own has left them.
    pub(super) fn note_checkpoint(&mut self) {
        if let (Some(connection), Some(file)) = (&self.connection, &self.file) {
            match Seen::now(&self.path, file, connection) {
                Ok(seen) => self.seen = Some(seen),
                // the next look finds it
                Err(error) => tracing::debug!(%error, "no look after a checkpoint"),
            }
        }
    }

    /// Closes the connection without touching the file once more.
    pub(super) fn forget(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        self.seen = None;
    }

    /// What is left to do before a connection in order is closed: the file alone then holds everything,
    /// even while readers keep the log open, and what was given is written down.
    pub(super) fn finish(&mut self) {
        if self.check().is_err() {
            self.forget(); // no checkpoint into a file that is not ours
            return;
        }
        let Some(connection) = &self.connection else {
            return;
        };
        // a reader in the middle of a query may prevent it, which costs nothing but that
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.note_commit();
        if let Some(epoch) = &self.epoch {
            let _ = Reserved::write(
                &self.path,
                epoch,
                &self.given,
                self.most_ids(),
                self.is_durable(),
            );
        }
    }

    /// Quarantines the damaged or replaced file and begins a fresh one: with every committed row, where the
    /// open connection still has them, else empty.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] where that was done a moment ago, the error of the copying or renaming, and
    /// everything [`Store::open`] may answer. What the connection has it still has then.
    pub(super) fn quarantine(&mut self) -> Result<Quarantined, StoreError> {
        if self
            .quarantined_at
            .is_some_and(|at| at.elapsed() < QUARANTINE_AT_MOST_EVERY)
        {
            return Err(StoreError::Corrupt {
                path: self.path.clone(),
                detail: "damaged or replaced again at once: the medium may be failing".to_owned(),
            });
        }
        if folder_of(&self.path) != self.folder {
            return Err(medium_gone(&self.path));
        }
        let mut fresh = Fresh::begin(&self.path).map_err(|error| match error {
            // by another process that wants to begin here, and will be refused
            StoreError::InUse { path, .. } => StoreError::Locked { path, waited_ms: 0 },
            error => error,
        })?;
        let whole = self.rescue(&fresh);
        let built = if whole {
            None
        } else {
            fresh.clear()?;
            let ids = if self.given.is_empty() {
                let reserved = Reserved::read(&self.path);
                after_all_before(&self.path, reserved.as_ref())
            } else {
                self.given.clone()
            };
            Some((self.build(&fresh, &ids)?, ids))
        };
        let mut moved_to = None;
        let mut published = None;
        for _ in 0..ATTEMPTS {
            // what lies there now may be another daemon's, which is not to be driven away
            let mut there = open_shared(&self.path).ok();
            if let Some(there) = &mut there
                && self.file.as_ref().map(SharedFile::inode) != Some(there.inode())
                && let Err(error) = lock(&self.path, there)
            {
                if whole {
                    let saved = fresh.publish_as(&free_name(&self.path, DAMAGED))?;
                    tracing::error!(
                        "the rows of a replaced database are saved as {}",
                        saved.display()
                    );
                    self.forget();
                    self.replaced = None;
                }
                return Err(error);
            }
            moved_to = moved_to.or(move_to_quarantine(&self.path)?);
            published = fresh.publish(false)?;
            if published.is_some() {
                break;
            }
        }
        let Some(file) = published else {
            return Err(self.never_still());
        };
        self.forget();
        self.file = Some(file); // and the lock of the one before is free only now
        self.quarantined_at = Some(Instant::now());
        self.replaced = None;
        if let Some((epoch, ids)) = built {
            self.epoch = Some(epoch);
            self.given = ids;
        }
        if let Err(error) = self.reopen() {
            tracing::warn!(%error, "the fresh database cannot be written yet");
        }
        Ok(Quarantined {
            path: moved_to,
            whole,
        })
    }

    /// Copies what the connection still sees of a replaced database into `fresh`; whether all of it.
    fn rescue(&self, fresh: &Fresh) -> bool {
        let (Some(connection), Some(replaced)) = (&self.connection, &self.replaced) else {
            return false;
        };
        if !replaced.intact {
            return false;
        }
        let log = beside(&self.path, "-wal");
        if replaced.log_only && std::fs::metadata(log).map_or(true, |log| log.len() == 0) {
            // The file is in its place and takes what was in the log: whatever happens to the copy,
            // the rows are safe there.
            let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
        let copied = copy(connection, fresh.at(), &|| self.liveness.beat()).and_then(|()| {
            let copy = Connection::open_with_flags(fresh.at(), READ_ONLY)?;
            Ok(GivenIds::read(&copy)?.reaches(&self.given))
        });
        match copied {
            Ok(whole) => whole,
            Err(error) => {
                tracing::error!(%error, "the rows of a replaced database could not be copied");
                false
            }
        }
    }

    /// Opens the file and makes it ready to be written, having made it where there is none.
    fn reopen(&mut self) -> Result<(), StoreError> {
        self.open_file()?;
        let context = Context::new(&self.path, self.options.busy_timeout);
        let known = self.epoch.as_ref().map(|epoch| (epoch, &self.given));
        let mut connection = connect(&context, &self.options, known)?;
        let preparing = |error| context.explain("preparing for writing", error);
        if self.epoch.is_none() {
            let reserved = Reserved::read(&self.path);
            let note = meet(&mut connection, reserved.as_ref()).map_err(preparing)?;
            if let Some(detail) = note {
                tracing::warn!("{}: {detail}", self.path.display());
                self.notes.push((EventKind::StoreRowsMissing, detail));
            }
        }
        self.epoch = Some(epoch(&connection).map_err(preparing)?);
        // only now: the gap of an interrupted session must not get an id that was given before
        if !self.crash_cleared {
            close_interrupted(&mut connection, self.options.ecg_kept, self.options.chained)
                .map_err(preparing)?;
            self.crash_cleared = true;
        }
        self.given = GivenIds::read(&connection)
            .map_err(preparing)?
            .or_larger(&self.given);
        self.reserved = None;
        if let Some(file) = &self.file {
            self.seen = Some(Seen::now(&self.path, file, &connection)?);
        }
        self.connection = Some(connection);
        self.reserve()
    }

    /// Opens the file as its one writer, having made it where there is none.
    fn open_file(&mut self) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let mut file = match (&self.file, open_shared(&self.path)) {
                (Some(_), Err(StoreError::Io { source, .. }))
                    if source.kind() == std::io::ErrorKind::NotFound =>
                {
                    if folder_of(&self.path) != self.folder {
                        return Err(medium_gone(&self.path));
                    }
                    let detail = "removed by another program while it was closed";
                    return Err(StoreError::replaced(&self.path, detail));
                }
                (None, Err(StoreError::Io { source, .. }))
                    if source.kind() == std::io::ErrorKind::NotFound =>
                {
                    if self.begin(false)? {
                        return Ok(());
                    }
                    continue;
                }
                (_, Err(error)) => return Err(error),
                // whether it is the same database is seen when it is open
                (Some(mine), Ok(file)) if mine.inode() != file.inode() => file,
                (Some(mine), Ok(_)) => {
                    check_file(&self.path, mine)?;
                    return self.take_lock_file();
                }
                (None, Ok(file)) => file,
            };
            lock(&self.path, &mut file)?;
            if !file.is_at(&self.path) {
                continue; // replaced between the two steps
            }
            let checked = check_file(&self.path, &file);
            if matches!(checked, Ok(false)) {
                if self.begin(true)? {
                    return Ok(());
                }
                continue;
            }
            let names = file.ask(File::metadata).map_or(1, |metadata| {
                std::os::unix::fs::MetadataExt::nlink(&metadata)
            });
            if names > 1 && !self.was_here {
                let detail = format!(
                    "a file with {names} names (hard links) that was never written to by this one: \
                     what its write-ahead log holds may lie beside another name; keep one name"
                );
                return Err(StoreError::refused(&self.path, detail));
            }
            self.file = Some(file);
            self.folder = folder_of(&self.path);
            self.take_lock_file()?;
            return checked.map(drop);
        }
        Err(self.never_still())
    }

    fn take_lock_file(&mut self) -> Result<(), StoreError> {
        if self.lock_file.is_none() {
            self.lock_file = Some(take_lock_file(&self.path)?);
        }
        Ok(())
    }

    fn never_still(&self) -> StoreError {
        io(&self.path)(std::io::Error::other(
            "another program goes on putting files in its place",
        ))
    }

    /// Begins a database where there is none, or an empty file; false where there is one meanwhile.
    fn begin(&mut self, over_empty: bool) -> Result<bool, StoreError> {
        let mut fresh = Fresh::begin(&self.path)?;
        self.take_lock_file()?;
        let reserved = Reserved::read(&self.path);
        let ids = after_all_before(&self.path, reserved.as_ref());
        let epoch = self.build(&fresh, &ids)?;
        self.file = fresh.publish(over_empty)?;
        let begun = self.file.is_some();
        if begun {
            self.epoch = Some(epoch);
            self.given = ids;
        }
        Ok(begun)
    }

    /// Builds an empty database of ours that goes on after `ids`; its epoch.
    fn build(&self, fresh: &Fresh, ids: &GivenIds) -> Result<String, StoreError> {
        let build = || {
            let mut connection = Connection::open(fresh.at())?;
            // before the first table, or it has no effect; retention needs it
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            migrate(&mut connection, STEPS)?;
            ids.go_on_in(&connection)?;
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            let epoch = epoch(&connection)?;
            connection.close().map_err(|(_, error)| error)?;
            Ok(epoch)
        };
        let context = Context::new(&self.path, self.options.busy_timeout);
        build().map_err(|error| context.explain("creating", error))
    }

    /// The most ids of a table that one commit gives: a row each, what stands for dropped rows, and a
    /// session with its clock.
    fn most_ids(&self) -> i64 {
        i64::try_from(self.options.commit_rows)
            .unwrap_or(i64::MAX)
            .saturating_add(16)
    }

    fn is_durable(&self) -> bool {
        self.options.synchronous != Synchronous::Off
    }

    /// Reserves ids for commits to come, where the reserved ones run short.
    fn reserve(&mut self) -> Result<(), StoreError> {
        let most = self.most_ids();
        let covered = |reserved: &Reserved| reserved.covers(&self.given, most);
        if self.reserved.as_ref().is_some_and(covered) {
            return Ok(());
        }
        let epoch = self.epoch.as_deref().unwrap_or_default();
        let reserved = Reserved::write(&self.path, epoch, &self.given, most, self.is_durable())?;
        self.reserved = Some(reserved);
        Ok(())
    }
}

fn folder_of(path: &Path) -> Option<Inode> {
    let folder = path.parent()?;
    std::fs::metadata(folder)
        .ok()
        .map(|metadata| inode(&metadata))
}

/// A mount point without its medium is a folder like any other: nothing is to be begun there.
fn medium_gone(path: &Path) -> StoreError {
    io(path)(std::io::Error::new(
        std::io::ErrorKind::NotFound,
        "its folder is another one than before: is the medium mounted?",
    ))
}

pub(super) fn epoch(connection: &Connection) -> rusqlite::Result<String> {
    one(connection, "SELECT epoch FROM store_identity")
}

/// Compares a database that was there with what is known of the one that was written here before, and lets
/// ids go on after those given in either. What is to be told of it, if anything.
fn meet(
    connection: &mut Connection,
    reserved: Option<&Reserved>,
) -> rusqlite::Result<Option<String>> {
    let Some(reserved) = reserved else {
        return Ok(None);
    };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut note = None;
    if epoch(&transaction)? != reserved.epoch {
        // Put here on purpose: restored, or another one. One whose ids are that far already passes nothing
        // over: what it lacks, as after the branch below where the process died then, stays to be found.
        if !GivenIds::read(&transaction)?.reaches(&reserved.up_to) {
            reserved.up_to.go_on_in(&transaction)?;
            note_ids_passed_over(&transaction)?;
        }
    } else if !GivenIds::read(&transaction)?.reaches(&reserved.given) {
        transaction.execute(
            "UPDATE store_identity SET epoch = lower(hex(randomblob(16)))",
            [],
        )?;
        reserved.up_to.go_on_in(&transaction)?;
        note = Some(
            "rows are missing that were stored: an older copy of the database, or its log was \
             removed; it goes on under another epoch and with ids after the missing ones"
                .to_owned(),
        );
    }
    transaction.commit()?;
    Ok(note)
}

/// Opens an existing database for writing.
/// `known`: its epoch and the ids it must have given, where it was open before.
fn connect(
    context: &Context<'_>,
    options: &StoreOptions,
    known: Option<(&String, &GivenIds)>,
) -> Result<Connection, StoreError> {
    let opening = |error| context.explain("opening", error);
    let mut connection = Connection::open_with_flags(context.path, READ_WRITE).map_err(opening)?;
    connection
        .busy_timeout(options.busy_timeout)
        .map_err(opening)?;
    // A refused database keeps its write-ahead log too: without this the last connection to
    // close would write the log into the file.
    let keep_log = |keep| {
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep)
            .map_err(opening)
    };
    keep_log(true)?;
    check_version(context, &connection)?;
    if let Some((known, given)) = known {
        let found = epoch(&connection).and_then(|epoch| Ok((epoch, GivenIds::read(&connection)?)));
        let (epoch, ids) = found.map_err(|error| context.explain("reading", error))?;
        if epoch != *known || !ids.reaches(given) {
            let detail = "another database, or an older copy of it, was put in its place";
            return Err(StoreError::replaced(context.path, detail));
        }
    }
    keep_log(false)?;
    let set_up = |connection: &mut Connection| {
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(
            None,
            "synchronous",
            match options.synchronous {
                Synchronous::Off => "OFF",
                Synchronous::Normal => "NORMAL",
                Synchronous::Full => "FULL",
            },
        )?;
        connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?; // the writer does it between commits
        migrate(connection, STEPS)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(())
    };
    set_up(&mut connection).map_err(|error| context.explain("preparing for writing", error))?;
    Ok(connection)
}

/// Ends the sessions a crash left open. Raw ECG is committed block by block, beats sooner: what was
/// known to have been acquired beyond the last block is a gap of cause `interrupted`. Not so while raw ECG
/// was left out for lack of room: blocks from before that are committed with the event that says so, the
/// crash took none of the rest, and without a crash such a time has no gap either.
fn close_interrupted(
    connection: &mut Connection,
    ecg_kept: bool,
    chained: bool,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    chain_interrupted(&transaction, chained, || {
        if ecg_kept {
            // The newest beats by id, not all of a session that may be weeks long.
            let left_out = EventKind::EcgNotStored.name();
            transaction.execute_batch(&format!(
                "CREATE TEMP TABLE tails AS SELECT id AS session, \
                 max(coalesce((SELECT first_sample + samples FROM ecg_blocks \
                  WHERE session = s.id ORDER BY first_sample DESC LIMIT 1), 0), \
                  coalesce((SELECT max(first_missing_sample + missing_samples) FROM gaps \
                  WHERE session = s.id), 0), \
                  coalesce((SELECT CASE phase WHEN 'begin' THEN 9223372036854775807 ELSE sample END \
                  FROM events WHERE session = s.id AND kind = '{left_out}' \
                  ORDER BY id DESC LIMIT 1), 0)) AS covered, \
                 max(coalesce((SELECT max(r_sample) + 1 FROM beats NOT INDEXED WHERE session = s.id \
                  AND id > (SELECT max(id) FROM beats WHERE session = s.id) - 64), 0), \
                  coalesce((SELECT max(sample) FROM events WHERE session = s.id), 0)) AS known \
                 FROM sessions s WHERE end_reason IS NULL; \
                 CREATE TEMP TABLE lost AS SELECT t.session, covered, known - covered AS missing, \
                  s.start_monotonic_ns + CAST(covered * 1e9 / s.sample_rate_hz AS INTEGER) AS at_ns \
                  FROM tails t JOIN sessions s ON s.id = t.session WHERE known > covered; \
                 INSERT INTO gaps (session, first_missing_sample, missing_samples, monotonic_ns, \
                  wall_us, cause, after_beat) \
                 SELECT session, covered, missing, at_ns, \
                  coalesce((SELECT c.wall_us + (at_ns - c.monotonic_ns) / 1000 FROM clock_relations c \
                   WHERE c.session = l.session AND c.monotonic_ns <= at_ns \
                   ORDER BY c.monotonic_ns DESC, c.id DESC LIMIT 1), \
                   s.start_wall_us + (at_ns - s.start_monotonic_ns) / 1000), \
                  'interrupted', \
                  coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'beats'), 0) \
                  FROM lost l JOIN sessions s ON s.id = l.session ORDER BY session; \
                 UPDATE sessions SET gaps = gaps + 1, missing_samples = missing_samples + \
                  (SELECT missing FROM lost WHERE lost.session = sessions.id) \
                  WHERE id IN (SELECT session FROM lost); \
                 DROP TABLE lost; DROP TABLE tails;"
            ))?;
        }
        let interrupted = "UPDATE sessions SET end_reason = 'interrupted' WHERE end_reason IS NULL";
        transaction.execute(interrupted, []).map(drop)
    })?;
    transaction.commit()
}
