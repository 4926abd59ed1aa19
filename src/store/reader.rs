//! Read-only connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrhythmianet::BeatClass;
use ecg_chain::{EventKind, WallUs};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle, Row, params};

use super::chain::Kind;
use super::descriptor::SharedFile;
use super::error::{Context, RowError, StoreError};
use super::file::{check_file, check_version, io, open_shared, resolve};
use super::identity::{Epoch, StoreMark};
use super::migrate::SCHEMA_VERSION;
use super::options::READ_ONLY;
use super::parse::{
    beat, beat_columns, beats_from, event, gap, session, session_columns, totals, totals_columns,
};
use super::rows::{StoredBeat, StoredEvent, StoredGap, StoredSession, Totals};

/// Readers wait this long at most: in WAL mode only a checkpoint's end or recovery makes them wait.
const READER_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Which rows to read, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFilter {
    /// Only this session.
    pub session: Option<i64>,
    /// Of beats only these classes; all if empty.
    pub classes: Vec<BeatClass>,
    /// Of beats only those whose class is one of these once corrections count; all if empty.
    pub corrected_classes: Vec<char>,
    /// Of beats only the unclassifiable, or only the others.
    pub unclassifiable: Option<bool>,
    /// Of events only these kinds; all if empty.
    pub kinds: Vec<EventKind>,
    /// Not before this wall time (of a beat's R peak, of a gap's or an event's sample).
    pub from: Option<WallUs>,
    /// Before this wall time.
    pub until: Option<WallUs>,
    /// Only rows that come behind the one with this id; 0 for all.
    pub after_id: i64,
    /// Whether the newest come first.
    pub newest_first: bool,
    /// At most this many.
    pub limit: u32,
}

impl RowFilter {
    /// The time range, microseconds; the end exclusive.
    pub(super) fn wall_us(&self) -> (i64, i64) {
        let us = |bound: Option<WallUs>, none| bound.map_or(none, |bound| bound.0);
        (us(self.from, i64::MIN), us(self.until, i64::MAX))
    }
}

impl RowFilter {
    /// The smallest and the largest id that rows may have.
    pub(super) const fn ids(&self) -> (i64, i64) {
        match (self.newest_first, self.after_id) {
            (false, after) => (after.saturating_add(1), i64::MAX),
            (true, 0) => (0, i64::MAX),
            (true, before) => (0, before.saturating_sub(1)),
        }
    }

    /// The order of ids, in SQL.
    pub(super) const fn direction(&self) -> &'static str {
        if self.newest_first { "DESC" } else { "ASC" }
    }
}

impl Default for RowFilter {
    fn default() -> Self {
        Self {
            session: None,
            classes: Vec::new(),
            corrected_classes: Vec::new(),
            unclassifiable: None,
            kinds: Vec::new(),
            from: None,
            until: None,
            after_id: 0,
            newest_first: false,
            limit: 1_000,
        }
    }
}

/// A database of any schema version up to this program's, opened to be read. Fields are dropped in this
/// order: the connection before the descriptor.
#[derive(Debug)]
pub(super) struct ReadFile {
    pub(super) connection: Connection,
    _file: SharedFile,
    version: i64,
}

impl ReadFile {
    pub(super) fn open(context: &Context<'_>) -> Result<Self, StoreError> {
        let file = open_shared(context.path)?;
        if !check_file(context.path, &file)? {
            return Err(io(context.path)(std::io::ErrorKind::NotFound.into()));
        }
        let connection = Connection::open_with_flags(context.path, READ_ONLY)
            .and_then(|connection| {
                connection.busy_timeout(context.busy_timeout)?;
                // should the file be quarantined meanwhile, its log stays as it is
                connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
                Ok(connection)
            })
            .map_err(|error| context.explain("opening", error))?;
        Ok(Self {
            version: check_version(context, &connection)?,
            connection,
            _file: file,
        })
    }
}

/// A read-only connection. Sees every commit that was complete when a call began.
#[derive(Debug)]
pub struct StoreReader {
    pub(super) path: PathBuf,
    pub(super) file: ReadFile,
    interrupted: Arc<AtomicBool>,
}

/// Ends a reader's reads from another thread.
pub struct Interrupter {
    handle: InterruptHandle,
    interrupted: Arc<AtomicBool>,
}

impl std::fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interrupter")
    }
}

impl Interrupter {
    /// The read in progress and every later one fail with [`StoreError::Interrupted`], until
    /// [`StoreReader::resume`].
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst); // before: a read that begins now sees it
        self.handle.interrupt();
    }
}

impl StoreReader {
    /// Opens the database at `path`; it may be in use by a writer, also of another process.
    ///
    /// # Errors
    /// [`StoreError::Io`] if there is no such file, [`StoreError::NotADatabase`],
    /// [`StoreError::Refused`], [`StoreError::NewerSchema`], [`StoreError::Sqlite`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = &resolve(path)?;
        let context = Context::new(path, READER_BUSY_TIMEOUT);
        let file = ReadFile::open(&context)?;
        file.connection.set_prepared_statement_cache_capacity(32);
        if file.version < SCHEMA_VERSION {
            let detail = format!(
                "schema version {}, expected {SCHEMA_VERSION}: it is migrated when it is next \
                 written to",
                file.version
            );
            return Err(StoreError::refused(path, detail));
        }
        Ok(Self {
            path: path.clone(),
            file,
            interrupted: Arc::default(),
        })
    }

    /// What ends the reads of this reader from another thread.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter {
            handle: self.file.connection.get_interrupt_handle(),
            interrupted: Arc::clone(&self.interrupted),
        }
    }

    /// Reads again after an interruption.
    pub fn resume(&self) {
        self.interrupted.store(false, Ordering::SeqCst);
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sessions with an id above `after_id`, ascending, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn sessions(&self, after_id: i64, limit: u32) -> Result<Vec<StoredSession>, StoreError> {
        let which = "WHERE s.id > ?1 ORDER BY s.id LIMIT ?2";
        self.select_sessions(which, params![after_id, limit])
    }

    /// One session, `None` if there is none with this id.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn session(&self, id: i64) -> Result<Option<StoredSession>, StoreError> {
        let found = self.sessions(id.saturating_sub(1), 1)?;
        Ok(found.into_iter().find(|session| session.id == id))
    }

    /// The session of a beat.
    ///
    /// # Errors
    /// [`StoreError`] of the read, [`StoreError::Value`] where there is none.
    pub fn session_of_beat(&self, beat: &StoredBeat) -> Result<StoredSession, StoreError> {
        self.session(beat.session)?.ok_or(StoreError::value(
            "beats.session",
            &beat.session,
            "the id of a session",
        ))
    }

    /// The session that started last.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn latest_session(&self) -> Result<Option<StoredSession>, StoreError> {
        let rows = self.select_sessions("ORDER BY s.id DESC LIMIT 1", [])?;
        Ok(rows.into_iter().next())
    }

    /// One beat, `None` if there is none with this id.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn beat(&self, id: i64) -> Result<Option<StoredBeat>, StoreError> {
        let rows = self.select_beats("WHERE b.id = ?1", id)?;
        Ok(rows.into_iter().next())
    }

    /// The newest `limit` beats, newest first.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn newest_beats(&self, limit: u32) -> Result<Vec<StoredBeat>, StoreError> {
        self.select_beats("ORDER BY b.id DESC LIMIT ?1", limit.into())
    }

    /// Which database this is and the largest ids it has given.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn mark(&self) -> Result<StoreMark, StoreError> {
        StoreMark::read(&self.file.connection)
            .map_err(|error| self.context().explain_row("reading", error))
    }

    /// Which database this is.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn epoch(&self) -> Result<Epoch, StoreError> {
        Ok(self.mark()?.epoch)
    }

    /// Asks several things of one and the same state: no commit falls between them.
    ///
    /// # Errors
    /// Those of `ask`, and [`StoreError`] where the database cannot be read.
    pub fn at_once<T, E: From<StoreError>>(
        &self,
        ask: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        // Rolled back when dropped, which ends a reading transaction like any other.
        let _transaction = self
            .file
            .connection
            .unchecked_transaction()
            .map_err(|error| self.context().explain("reading", error))?;
        ask(self)
    }

    /// The largest beat id ever given, 0 if none; the beat itself may be gone.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn newest_beat_id(&self) -> Result<i64, StoreError> {
        Ok(self.mark()?.beat)
    }

    /// Gaps that pass `filter`, by id.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn gaps(&self, filter: &RowFilter) -> Result<Vec<StoredGap>, StoreError> {
        let sql = format!("SELECT {} FROM gaps", Kind::Gap.select("gaps"));
        self.filtered(&sql, "", filter, gap)
    }

    /// Events that pass `filter`, by id.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn events(&self, filter: &RowFilter) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = format!(
            "SELECT {}, (SELECT n.lead_0 FROM sessions n WHERE n.id = events.session), \
             (SELECT n.lead_1 FROM sessions n WHERE n.id = events.session) FROM events",
            Kind::Event.select("events")
        );
        let names: Vec<_> = filter
            .kinds
            .iter()
            .map(|kind| format!("'{kind}'"))
            .collect();
        let of_kinds = match names.is_empty() {
            true => String::new(),
            false => format!(" AND kind IN ({})", names.join(", ")),
        };
        self.filtered(&sql, &of_kinds, filter, event)
    }

    /// The newest gap and the newest event recorded before this beat was the newest; 0 where there is none.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn newest_rows_before(&self, beat: i64) -> Result<(i64, i64), StoreError> {
        let newest = |sql| self.first(sql, [beat]).map(|id| id.unwrap_or(0));
        Ok((
            newest("SELECT id FROM gaps WHERE after_beat < ?1 ORDER BY id DESC LIMIT 1")?,
            newest("SELECT id FROM events WHERE after_beat < ?1 ORDER BY id DESC LIMIT 1")?,
        ))
    }

    /// Sums over all sessions, from the counts kept with them: cheap at any size.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        let sql = format!("SELECT {} FROM sessions", totals_columns());
        let rows = self.rows(&sql, [], totals)?;
        Ok(rows.first().copied().unwrap_or_default())
    }

    /// Size of the database file, bytes; the write-ahead log beside it not counted.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn size_bytes(&self) -> Result<u64, StoreError> {
        std::fs::metadata(&self.path)
            .map(|metadata| metadata.len())
            .map_err(io(&self.path))
    }

    fn select_sessions(
        &self,
        which: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<StoredSession>, StoreError> {
        let columns = session_columns();
        let from = "sessions s JOIN deciders d ON d.id = s.decider";
        let sql = format!("SELECT {columns} FROM {from} {which}");
        self.rows(&sql, values, session)
    }

    fn select_beats(&self, which: &str, value: i64) -> Result<Vec<StoredBeat>, StoreError> {
        let columns = beat_columns();
        let sql = format!("SELECT {columns} FROM {} {which}", beats_from(""));
        self.rows(&sql, [value], beat)
    }

    fn filtered<T>(
        &self,
        select: &str,
        condition: &str,
        filter: &RowFilter,
        read: fn(&Row<'_>) -> Result<T, RowError>,
    ) -> Result<Vec<T>, StoreError> {
        let (from, until) = filter.wall_us();
        let (first, last) = filter.ids();
        self.rows(
            &format!(
                "{select} WHERE id BETWEEN ?1 AND ?2 AND (?3 IS NULL OR session = ?3) \
                 AND wall_us >= ?4 AND wall_us < ?5{condition} ORDER BY id {} LIMIT ?6",
                filter.direction()
            ),
            params![first, last, filter.session, from, until, filter.limit],
            read,
        )
    }

    /// The first column of the first row; `None` also for NULL.
    pub(super) fn first(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<Option<i64>, StoreError> {
        let rows: Vec<Option<i64>> = self.rows(sql, values, |row| Ok(row.get(0)?))?;
        Ok(rows.into_iter().next().flatten())
    }

    pub(super) fn rows<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: fn(&Row<'_>) -> Result<T, RowError>,
    ) -> Result<Vec<T>, StoreError> {
        Ok(self.rows_until(sql, values, read, |_| false)?.0)
    }

    /// Rows up to the one that comes after `enough`, and whether there is such a one.
    pub(super) fn rows_until<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: fn(&Row<'_>) -> Result<T, RowError>,
        mut enough: impl FnMut(&T) -> bool,
    ) -> Result<(Vec<T>, bool), StoreError> {
        let explain = |error| self.context().explain("reading", error);
        let mut statement = self.file.connection.prepare_cached(sql).map_err(explain)?;
        let mut rows = statement.query(values).map_err(explain)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(explain)? {
            // SQLite forgets an interruption that comes between two statements
            if self.interrupted.load(Ordering::SeqCst) {
                return Err(StoreError::Interrupted);
            }
            let row = read(row).map_err(|error| self.context().explain_row("reading", error))?;
            if enough(&row) {
                return Ok((found, true));
            }
            found.push(row);
        }
        Ok((found, false))
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context::new(&self.path, READER_BUSY_TIMEOUT)
    }
}
