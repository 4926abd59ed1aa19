//! Beats by session, time and class, page by page, without ever reading much more than a page.
//!
//! Pages go by id, so that rows committed meanwhile come after and a stepped wall clock can neither
//! hide nor repeat a row. One writer records one session at a time, so a session's beats have
//! neighbouring ids: a time range becomes an id range per session.
//!
//! Wall time is no order. Within a session it falls behind an earlier beat's by the labelling delay
//! and by what the wall clock was set back in between, but by no more; that sum is the session's
//! disorder, and the stored steps of the clock tell it. Of the rows in the range only those within
//! the disorder after the earliest can have a smaller id than it, and only those within the disorder
//! before the latest a larger one: the first and the last id are looked for among these alone. Without
//! a step back these are a few rows of an index; with one, as many as the step was long. A few ids
//! more are taken on both sides, because two beats on either side of a step may be labelled the wrong
//! way round.

use arrhythmianet::{BeatClass, CLASS_COUNT};
use ecg_chain::CHANNEL_COUNT;
use rusqlite::{Row, params, params_from_iter, types::Value};

use super::error::{RowError, StoreError};
use super::parse::{beat, beat_columns, beats_from, brief_beat};
use super::reader::{RowFilter, StoreReader};
use super::rows::{BriefBeat, StoredBeat, class_to_sql};

/// Beats may be labelled out of the order of their R peaks by no more than this. Labels are at most
/// 1 s old; this is far above.
const LABELLING_DISORDER_US: i64 = 5_000_000;

/// Beats labelled out of the order of their R peaks have ids nearer to each other than this.
const LABELLING_DISORDER_IDS: i64 = 64;

/// What is read of each beat `b`: its columns, the id first, and the tables they are in, found by an index.
pub(super) struct Selection<T> {
    columns: String,
    from: fn(&str) -> String,
    read: fn(&Row<'_>) -> Result<T, RowError>,
}

/// Everything.
pub(super) fn whole_beats() -> Selection<StoredBeat> {
    Selection {
        columns: beat_columns(),
        from: beats_from,
        read: beat,
    }
}

/// What lists of very many beats are made of.
fn brief_beats() -> Selection<BriefBeat> {
    Selection {
        columns: "b.id, b.r_sample, b.r_wall_us, b.rr_ms, b.class, b.channel, b.quality, b.unclassifiable"
            .to_owned(),
        from: |index| format!("beats b {index}"),
        read: brief_beat,
    }
}

impl StoreReader {
    /// Beats that pass `filter`, by id.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn beats(&self, filter: &RowFilter) -> Result<Vec<StoredBeat>, StoreError> {
        self.selected(filter, &whole_beats())
    }

    /// As [`StoreReader::beats`], without what lists of very many beats have no use for.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn brief_beats(&self, filter: &RowFilter) -> Result<Vec<BriefBeat>, StoreError> {
        self.selected(filter, &brief_beats())
    }

    /// Of which channels the session has beats.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn channels_with_beats(&self, session: i64) -> Result<[bool; CHANNEL_COUNT], StoreError> {
        let sql = "SELECT DISTINCT channel FROM beats WHERE session = ?1";
        let found = self.rows(sql, [session], |row| Ok(row.get::<_, u16>(0)?))?;
        Ok(std::array::from_fn(|channel| {
            found.iter().any(|&found| usize::from(found) == channel)
        }))
    }

    fn selected<T>(
        &self,
        filter: &RowFilter,
        selection: &Selection<T>,
    ) -> Result<Vec<T>, StoreError> {
        let by_correction = !filter.corrected_classes.is_empty();
        if filter.session.is_none()
            && filter.from.is_none()
            && filter.until.is_none()
            && !by_correction
        {
            return self.beats_in(filter, selection, None, filter.ids(), filter.limit);
        }
        // one state for all that is asked: a step of the clock may be committed in between
        let _snapshot = self
            .file
            .connection
            .is_autocommit()
            .then(|| self.file.connection.unchecked_transaction())
            .transpose()
            .map_err(|error| self.context().explain("reading", error))?;
        let mut found = Vec::new();
        let (first_id, last_id) = filter.ids();
        let mut session = self.session_at(filter)?;
        loop {
            let missing = filter
                .limit
                .saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            if missing == 0 {
                return Ok(found);
            }
            let Some(next) = self.next_session_with_beats(session, filter)? else {
                return Ok(found);
            };
            if let Some((first, last)) = self.id_range(next, filter)? {
                let ids = (first.max(first_id), last.min(last_id));
                if ids.0 <= ids.1 {
                    found.append(&mut self.beats_in(
                        filter,
                        selection,
                        Some(next),
                        ids,
                        missing,
                    )?);
                }
            }
            // of a file that is not ours there may be one with the largest number there is
            let step = if filter.newest_first { -1 } else { 1 };
            let Some(after) = next.checked_add(step) else {
                return Ok(found);
            };
            session = after;
        }
    }

    /// The session in which the beats that come next begin: there are none in those before it.
    fn session_at(&self, filter: &RowFilter) -> Result<i64, StoreError> {
        let newest_first_of_all = filter.newest_first && filter.after_id == 0;
        if newest_first_of_all {
            return Ok(i64::MAX);
        }
        let sql = "SELECT session FROM beats WHERE id <= ?1 ORDER BY id DESC LIMIT 1";
        Ok(self.first(sql, [filter.after_id])?.unwrap_or(0))
    }

    /// The first session from `session` on, in the order asked for, that has beats in the time range.
    fn next_session_with_beats(
        &self,
        session: i64,
        filter: &RowFilter,
    ) -> Result<Option<i64>, StoreError> {
        let (from, until) = filter.wall_us();
        let from_there_on = if filter.newest_first { "<=" } else { ">=" };
        let sql = format!(
            "SELECT id FROM sessions s WHERE id {from_there_on} ?1 AND (?2 IS NULL OR id = ?2) AND EXISTS \
             (SELECT 1 FROM beats WHERE session = s.id AND r_wall_us >= ?3 AND r_wall_us < ?4) \
             ORDER BY id {} LIMIT 1",
            filter.direction()
        );
        self.first(&sql, params![session, filter.session, from, until])
    }

    /// How far a beat's wall time may lie before that of an earlier beat of the session, microseconds.
    fn disorder_us(&self, session: i64) -> Result<i64, StoreError> {
        let steps = self.rows(
            "SELECT step_us FROM clock_relations WHERE session = ?1 AND step_us < 0",
            [session],
            |row| Ok(row.get::<_, i64>(0)?),
        )?;
        Ok(steps
            .into_iter()
            .fold(LABELLING_DISORDER_US, i64::saturating_sub))
    }

    /// The ids between which the session's beats in the time range lie.
    fn id_range(&self, session: i64, filter: &RowFilter) -> Result<Option<(i64, i64)>, StoreError> {
        let (from, until) = filter.wall_us();
        let disorder_us = self.disorder_us(session)?;
        let edge = |order: &str| {
            let sql = format!(
                "SELECT r_wall_us FROM beats INDEXED BY beats_by_time WHERE session = ?1 \
                 AND r_wall_us >= ?2 AND r_wall_us < ?3 ORDER BY r_wall_us {order} LIMIT 1"
            );
            self.first(&sql, [session, from, until])
        };
        let (Some(earliest), Some(latest)) = (edge("ASC")?, edge("DESC")?) else {
            return Ok(None);
        };
        let extreme = |which: &str, from: i64, until: i64| {
            let sql = format!(
                "SELECT {which}(id) FROM beats INDEXED BY beats_by_time WHERE session = ?1 \
                 AND r_wall_us >= ?2 AND r_wall_us < ?3"
            );
            self.first(&sql, [session, from, until])
        };
        let after_earliest = earliest.saturating_add(disorder_us).saturating_add(1);
        let first = extreme("min", earliest, after_earliest.min(until))?;
        let before_latest = latest.saturating_sub(disorder_us);
        let last = extreme("max", before_latest.max(from), latest.saturating_add(1))?;
        Ok(first.zip(last).map(|(first, last)| {
            (
                first.saturating_sub(LABELLING_DISORDER_IDS),
                last.saturating_add(LABELLING_DISORDER_IDS),
            )
        }))
    }

    fn beats_in<T>(
        &self,
        filter: &RowFilter,
        selection: &Selection<T>,
        session: Option<i64>,
        (first, last): (i64, i64),
        limit: u32,
    ) -> Result<Vec<T>, StoreError> {
        if !filter.corrected_classes.is_empty() {
            return self.corrected_beats_in(filter, selection, session, (first, last), limit);
        }
        let mut classes = filter.classes.clone();
        classes.sort_unstable();
        classes.dedup();
        let (from, until) = filter.wall_us();
        let mut values = vec![
            Value::from(first),
            Value::from(last),
            Value::from(from),
            Value::from(until),
            Value::from(limit),
            Value::from(session),
        ];
        if classes.len() == CLASS_COUNT {
            classes.clear();
        }
        let names = classes.iter().map(|class| class_to_sql(*class).to_owned());
        values.extend(names.map(Value::from));
        let sql = sql(classes.len(), filter, selection);
        self.rows(&sql, params_from_iter(values), selection.read)
    }

    /// By what the beats are once corrections count. No index knows that, so the beats of a session that somebody
    /// has corrected are read one by one; of all others the model's labels are the answer.
    fn corrected_beats_in<T>(
        &self,
        filter: &RowFilter,
        selection: &Selection<T>,
        session: Option<i64>,
        (first, last): (i64, i64),
        limit: u32,
    ) -> Result<Vec<T>, StoreError> {
        let is_asked = |class: char| filter.corrected_classes.contains(&class);
        if !self.is_corrected(session)? {
            let classes = BeatClass::ALL.into_iter();
            let classes: Vec<_> = classes.filter(|class| is_asked(class.symbol())).collect();
            if classes.is_empty() {
                return Ok(Vec::new());
            }
            let filter = RowFilter {
                classes,
                corrected_classes: Vec::new(),
                ..filter.clone()
            };
            return self.beats_in(&filter, selection, session, (first, last), limit);
        }
        let (from, until) = filter.wall_us();
        let classes: String = filter.corrected_classes.iter().collect();
        let sql = format!(
            "{} AND instr(?7, {CORRECTED_CLASS}) > 0 ORDER BY 1 {} LIMIT ?5",
            all(filter, selection, "NOT INDEXED"),
            filter.direction()
        );
        let values = params![first, last, from, until, limit, session, classes];
        self.rows(&sql, values, selection.read)
    }

    /// Whether somebody has corrected a label of the session, or of any.
    pub(super) fn is_corrected(&self, session: Option<i64>) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM corrections WHERE (?1 IS NULL OR session = ?1) \
                   AND kind IN ('label', 'artefact') LIMIT 1";
        Ok(self.first(sql, [session])?.is_some())
    }
}

/// What a beat `b` is once its correction `k` counts, in SQL; NULL where it is an artefact.
pub(super) const CORRECTED_CLASS: &str = "CASE WHEN k.id IS NULL THEN b.class ELSE k.class END";

/// Beats with ids from ?1 to ?2 and R peaks from ?3 until before ?4, of session ?6 unless that is NULL, only
/// unclassifiable ones or only the others, as the filter says.
fn all<T>(filter: &RowFilter, selection: &Selection<T>, index: &str) -> String {
    let outcome = match filter.unclassifiable {
        None => "",
        Some(true) => " AND b.unclassifiable IS NOT NULL",
        Some(false) => " AND b.unclassifiable IS NULL",
    };
    format!(
        "SELECT {} FROM {} WHERE b.id BETWEEN ?1 AND ?2 AND b.r_wall_us >= ?3 AND b.r_wall_us < ?4 \
         AND (?6 IS NULL OR b.session = ?6){outcome}",
        selection.columns,
        (selection.from)(index)
    )
}

/// Beats with ids from ?1 to ?2 and R peaks from ?3 until before ?4, at most ?5 of them, of session ?6
/// unless that is NULL, of the `classes` classes named by the parameters from ?7 on, or of all for 0;
/// only unclassifiable ones or only the others, in the order, that the filter names.
pub(super) fn sql<T>(classes: usize, filter: &RowFilter, selection: &Selection<T>) -> String {
    let select = |index: &str, named: &str| all(filter, selection, index) + named;
    let numbers = (7..7 + classes).map(|number| format!("?{number}"));
    let parts = if filter.unclassifiable == Some(true) {
        // the few unclassifiable beats have an index by id of their own
        let named = match classes {
            0 => String::new(),
            _ => format!(
                " AND b.class IN ({})",
                numbers.collect::<Vec<_>>().join(", ")
            ),
        };
        select("INDEXED BY beats_unclassifiable", &named)
    } else if classes == 0 {
        select("NOT INDEXED", "")
    } else {
        // one index walk per class, merged by id: a rare class costs what it returns
        let part = |number| {
            let named = format!(" AND b.class = {number}");
            select("INDEXED BY beats_by_class", &named)
        };
        numbers.map(part).collect::<Vec<_>>().join(" UNION ALL ")
    };
    format!("{parts} ORDER BY 1 {} LIMIT ?5", filter.direction())
}
