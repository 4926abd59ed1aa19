//! Corrections written and read.

use ecg_chain::WallUs;
use rusqlite::{Row, params};

use super::chain::{Chain, ChainHead, Kind};
use super::correction::{
    Change, CorrectionError, NewCorrection, Place, Says, StoredCorrection, Target, corrected_class,
};
use super::error::{RowError, StoreError};
use super::parse::{optional_text, unsigned};
use super::query::one;
use super::reader::{RowFilter, StoreReader};
use super::rows::to_sql;
use super::statements::Statements;

/// Corrections that are read at a time take about this many bytes at most, and one row more.
pub const MOST_CORRECTIONS_BYTES: usize = 256 * 1_024;
const DOING: &str = "storing a correction";

/// The undo because of which row `c` is not in force, in SQL.
const SUPERSEDED_BY: &str = "\
    CASE WHEN c.about IS NULL THEN (SELECT CASE WHEN count(*) % 2 = 1 THEN max(u.id) END \
    FROM corrections u WHERE u.about = c.id) \
    ELSE (SELECT max(u.id) FROM corrections u WHERE u.about = c.about AND u.supersedes = c.id) END";

/// Lets the beats of correction ?1 be found by the beat.
const BY_BEAT: &str = "INSERT INTO corrected_beats (beat, correction) \
    SELECT j.value, c.id FROM corrections c, json_each(c.beats) j WHERE c.id = ?1";

/// Lets the stretch of correction ?1, where it has one, be found by a position.
const BY_PART: &str = "INSERT INTO corrected_stretches (session, part, correction) \
    WITH RECURSIVE parts (session, part, last) AS (SELECT session, from_sample >> 16, \
    (to_sample - 1) >> 16 FROM corrections WHERE id = ?1 AND target = 'stretch' \
    UNION ALL SELECT session, part + 1, last FROM parts WHERE part < last) \
    SELECT session, part, ?1 FROM parts";

fn select() -> String {
    let columns = Kind::Correction.select("c");
    format!("SELECT {columns}, {SUPERSEDED_BY} FROM corrections c")
}

/// Position and wall time in two columns.
fn place(row: &Row<'_>, first: usize) -> Result<Place, RowError> {
    Ok(Place {
        sample: unsigned(row, first, "corrections.from_sample")?,
        wall: WallUs(row.get(first + 1)?),
    })
}

fn stored(row: &Row<'_>) -> Result<StoredCorrection, RowError> {
    let beats = optional_text(row, 4)?.map(|text| {
        serde_json::from_str(text)
            .map_err(|_| StoreError::value("corrections.beats", text, "a list of ids in brackets"))
    });
    Ok(StoredCorrection {
        id: row.get(0)?,
        session: row.get(1)?,
        kind: row.get(2)?,
        target: row.get(3)?,
        beats: beats.transpose()?,
        from: place(row, 5)?,
        to: place(row, 7)?,
        class: corrected_class(row, 9)?,
        note: row.get(10)?,
        author: row.get(11)?,
        origin: row.get(12)?,
        supersedes: row.get(13)?,
        wall: WallUs(row.get(15)?),
        superseded_by: row.get(16)?,
    })
}

impl StoreReader {
    /// Corrections that pass `filter`, by id, and whether there are more: as many as the filter's limit, or
    /// fewer where they are long. A time range finds what overlaps it; classes are not looked at.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn corrections(
        &self,
        filter: &RowFilter,
    ) -> Result<(Vec<StoredCorrection>, bool), StoreError> {
        let (from, until) = filter.wall_us();
        let (first, last) = filter.ids();
        let sql = format!(
            "{} WHERE c.id BETWEEN ?1 AND ?2 AND (?3 IS NULL OR c.session = ?3) \
             AND (c.to_wall_us > ?4 OR c.from_wall_us >= ?4) AND c.from_wall_us < ?5 \
             ORDER BY c.id {} LIMIT ?6",
            select(),
            filter.direction()
        );
        let most = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let values = params![
            first,
            last,
            filter.session,
            from,
            until,
            i64::from(filter.limit) + 1
        ];
        let (mut bytes, mut rows) = (0, 0);
        let enough = |row: &StoredCorrection| {
            let full = rows >= most || bytes > MOST_CORRECTIONS_BYTES;
            rows += 1;
            bytes += row.bytes();
            full
        };
        self.rows_until(&sql, values, stored, enough)
    }
}

impl Statements<'_> {
    /// Stores a correction with its link; the row, and the newest link.
    pub(super) fn correct(
        &self,
        asked: &NewCorrection,
        open_session: Option<i64>,
        chained: bool,
    ) -> Result<(StoredCorrection, Option<ChainHead>), CorrectionError> {
        let failed = |error| self.context.explain(DOING, error);
        let row = match &asked.change {
            Change::Undo {
                session,
                supersedes,
            } => self.undo(*session, *supersedes)?,
            Change::Correct {
                session,
                says,
                target,
            } => {
                let session = session.or(open_session);
                let session = session.ok_or(CorrectionError::NoOpenSession)?;
                self.about(session, *says, target)?
            }
        };
        let kept = "SELECT id FROM sessions WHERE id = ?1 AND deleted_wall_us IS NULL";
        let kept = self.first(kept, row.session, |row| Ok(row.get::<_, i64>(0)?))?;
        kept.ok_or(CorrectionError::NoSuchSession(row.session))?;
        let mut chain = Chain::open(self.connection, chained).map_err(failed)?;
        // as retention does: the session that is written in now
        let newest = one(self.connection, "SELECT max(id) FROM sessions").map_err(failed)?;
        let values = params![
            row.session,
            row.kind,
            row.target,
            row.beats,
            to_sql(row.from.sample, "corrections.from_sample")?,
            row.from.wall.0,
            to_sql(row.to.sample, "corrections.to_sample")?,
            row.to.wall.0,
            row.class.map(String::from),
            asked.note,
            asked.author,
            asked.origin,
            row.supersedes,
            row.about,
            WallUs::now().0,
        ];
        let id = self.store(&mut chain, Some(newest), Kind::Correction, values, None)?;
        self.update(DOING, BY_BEAT, [id])?;
        self.update(DOING, BY_PART, [id])?;
        let sql = format!("{} WHERE c.id = ?1", select());
        let missing = || failed(rusqlite::Error::QueryReturnedNoRows);
        let stored = self.first(&sql, id, stored)?.ok_or_else(missing)?;
        Ok((stored, chain.head()))
    }

    fn undo(&self, session: Option<i64>, id: i64) -> Result<Fresh, CorrectionError> {
        let sql = format!(
            "SELECT c.session, c.from_sample, c.from_wall_us, c.to_sample, c.to_wall_us, \
             coalesce(c.about, c.id), coalesce({SUPERSEDED_BY}, \
             (SELECT max(u.id) FROM corrections u WHERE u.about = c.about), c.id) \
             FROM corrections c WHERE c.id = ?1"
        );
        let found = self.first(&sql, id, |row| {
            let undo = Fresh {
                session: row.get(0)?,
                kind: "undo",
                target: None,
                beats: None,
                from: place(row, 1)?,
                to: place(row, 3)?,
                class: None,
                supersedes: None,
                about: row.get(5)?,
            };
            Ok((undo, row.get::<_, i64>(6)?))
        })?;
        let (mut row, by) = found.ok_or(CorrectionError::NoSuchCorrection(id))?;
        let found = row.session;
        if let Some(expected) = session.filter(|expected| *expected != found) {
            return Err(CorrectionError::OtherSession {
                what: "correction",
                id,
                found,
                expected,
            });
        }
        if by != id {
            return Err(CorrectionError::NotInForce { id, by });
        }
        row.supersedes = Some(id);
        Ok(row)
    }

    fn about(&self, session: i64, says: Says, target: &Target) -> Result<Fresh, CorrectionError> {
        let known = "SELECT id FROM sessions WHERE id = ?1";
        let known = self.first(known, session, |row| Ok(row.get::<_, i64>(0)?))?;
        known.ok_or(CorrectionError::NoSuchSession(session))?;
        let (beats, [from, to]) = match target {
            Target::Stretch(from, to) => (None, [*from, *to]),
            Target::Moment(at) => (None, [*at; 2]),
            Target::Beat(beat) => self.peaks(session, &[*beat])?,
            Target::Beats(beats) => self.peaks(session, beats)?,
        };
        Ok(Fresh {
            session,
            kind: says.name(),
            target: Some(target.name()),
            beats,
            from,
            to,
            class: says.class(),
            supersedes: None,
            about: None,
        })
    }

    /// The beats as they are stored, and the stretch from the first R peak to behind the last.
    fn peaks(
        &self,
        session: i64,
        beats: &[i64],
    ) -> Result<(Option<String>, [Place; 2]), CorrectionError> {
        let mut beats = beats.to_vec();
        beats.sort_unstable();
        beats.dedup();
        let mut covered: Option<[Place; 2]> = None;
        for &id in &beats {
            let sql = "SELECT session, r_sample, r_wall_us FROM beats WHERE id = ?1";
            let found = self.first(sql, id, |row| Ok((row.get::<_, i64>(0)?, place(row, 1)?)))?;
            let (found, peak) = found.ok_or(CorrectionError::NoSuchBeat(id))?;
            if found != session {
                return Err(CorrectionError::OtherSession {
                    what: "beat",
                    id,
                    found,
                    expected: session,
                });
            }
            let behind = peak.sample.saturating_add(1);
            let [from, to] = covered.get_or_insert([peak; 2]);
            from.sample = from.sample.min(peak.sample);
            from.wall = from.wall.min(peak.wall);
            to.sample = to.sample.max(behind);
            to.wall = to.wall.max(peak.wall);
        }
        let covered = covered.ok_or(CorrectionError::NoSuchBeat(0))?;
        let ids: Vec<String> = beats.iter().map(ToString::to_string).collect();
        Ok((Some(format!("[{}]", ids.join(","))), covered))
    }

    /// The first row with this id.
    fn first<T>(
        &self,
        sql: &str,
        id: i64,
        read: fn(&Row<'_>) -> Result<T, RowError>,
    ) -> Result<Option<T>, StoreError> {
        let failed = |error| self.context.explain(DOING, error);
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query([id]).map_err(failed)?;
        let row = rows.next().map_err(failed)?;
        let read = row.map(read).transpose();
        read.map_err(|error| self.context.explain_row(DOING, error))
    }
}

/// A row that is about to be stored.
struct Fresh {
    session: i64,
    kind: &'static str,
    target: Option<&'static str>,
    beats: Option<String>,
    from: Place,
    to: Place,
    class: Option<char>,
    supersedes: Option<i64>,
    about: Option<i64>,
}
