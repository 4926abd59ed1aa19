//! Beats by session, time and class, page by page, without ever reading much more than a page.
//!
//! Pages go by id, so that rows committed meanwhile come after and a stepped wall clock can neither
//! hide nor repeat a row. One writer records one session at a time, so a session's beats have
//! neighbouring ids and, within a session, wall time follows id up to the labelling delay: a time
//! range becomes an id range per session by two look-ups.

use rusqlite::{OptionalExtension, params, params_from_iter, types::Value};

use crate::model::{BeatClass, CLASS_COUNT};
use crate::time::WallUs;

use super::parse::{BEAT_COLUMNS, beat};
use super::rows::class_to_sql;
use super::{StoreError, StoreReader, StoredBeat};

/// Beats may be labelled out of the order of their R peaks by no more than this. Labels are at most
/// 1 s old; this is far above.
const DISORDER_US: i64 = 5_000_000;

/// Which beats to read, in ascending order of id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeatFilter {
    /// Only this session.
    pub session: Option<i64>,
    /// Only these classes; all if empty.
    pub classes: Vec<BeatClass>,
    /// Only unclassifiable beats, or only the others.
    pub unclassifiable: Option<bool>,
    /// R peak not before this wall time.
    pub from: Option<WallUs>,
    /// R peak before this wall time.
    pub until: Option<WallUs>,
    /// Only beats with a larger id.
    pub after_id: i64,
    /// At most this many.
    pub limit: u32,
}

impl Default for BeatFilter {
    fn default() -> Self {
        Self {
            session: None,
            classes: Vec::new(),
            unclassifiable: None,
            from: None,
            until: None,
            after_id: 0,
            limit: 1_000,
        }
    }
}

impl StoreReader {
    /// Beats that pass `filter`, ascending by id.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn beats(&self, filter: &BeatFilter) -> Result<Vec<StoredBeat>, StoreError> {
        if filter.session.is_none() && filter.from.is_none() && filter.until.is_none() {
            return self.beats_in(
                filter,
                filter.after_id.saturating_add(1),
                i64::MAX,
                filter.limit,
            );
        }
        let mut found = Vec::new();
        for session in self.sessions_of(filter)? {
            let missing = filter
                .limit
                .saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            if missing == 0 {
                break;
            }
            if let Some((first, last)) = self.id_range(session, filter)? {
                let first = first.max(filter.after_id.saturating_add(1));
                if first <= last {
                    found.append(&mut self.beats_in(filter, first, last, missing)?);
                }
            }
        }
        Ok(found)
    }

    /// Sessions that may hold beats of the filter, ascending.
    fn sessions_of(&self, filter: &BeatFilter) -> Result<Vec<i64>, StoreError> {
        self.rows(
            "SELECT id FROM sessions WHERE (?1 IS NULL OR id = ?1) AND start_wall_us < ?2 \
             AND (end_wall_us IS NULL OR end_wall_us >= ?3) \
             AND id >= coalesce((SELECT session FROM beats WHERE id <= ?4 ORDER BY id DESC LIMIT 1), 0) \
             ORDER BY id",
            params![
                filter.session,
                filter.until.map_or(i64::MAX, |until| until.0),
                filter
                    .from
                    .map_or(i64::MIN, |from| from.0.saturating_sub(DISORDER_US)),
                filter.after_id
            ],
            |row| Ok(row.get(0)?),
        )
    }

    /// First and last id of the session's beats that the time range may hold.
    fn id_range(
        &self,
        session: i64,
        filter: &BeatFilter,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        let edge = |sql: &str, wall_us: i64| {
            self.connection
                .prepare_cached(sql)
                .and_then(|mut statement| {
                    statement
                        .query_row([session, wall_us], |row| row.get::<_, i64>(0))
                        .optional()
                })
                .map_err(|error| self.context().explain("reading", error))
        };
        let first = edge(
            "SELECT id FROM beats WHERE session = ?1 AND r_wall_us >= ?2 \
             ORDER BY r_wall_us, id LIMIT 1",
            filter
                .from
                .map_or(i64::MIN, |from| from.0.saturating_sub(DISORDER_US)),
        )?;
        let last = edge(
            "SELECT id FROM beats WHERE session = ?1 AND r_wall_us <= ?2 \
             ORDER BY r_wall_us DESC, id DESC LIMIT 1",
            filter
                .until
                .map_or(i64::MAX, |until| until.0.saturating_add(DISORDER_US)),
        )?;
        Ok(first.zip(last))
    }

    fn beats_in(
        &self,
        filter: &BeatFilter,
        first: i64,
        last: i64,
        limit: u32,
    ) -> Result<Vec<StoredBeat>, StoreError> {
        let mut classes = filter.classes.clone();
        classes.sort_unstable();
        classes.dedup();
        let mut values = vec![
            Value::from(first),
            Value::from(last),
            Value::from(filter.from.map_or(i64::MIN, |from| from.0)),
            Value::from(filter.until.map_or(i64::MAX, |until| until.0)),
            Value::from(limit),
        ];
        if classes.len() == CLASS_COUNT {
            classes.clear();
        }
        let names = classes.iter().map(|class| class_to_sql(*class).to_owned());
        values.extend(names.map(Value::from));
        let sql = sql(classes.len(), filter.unclassifiable);
        self.rows(&sql, params_from_iter(values), beat)
    }
}

/// Beats with ids from ?1 to ?2 and R peaks from ?3 until before ?4, at most ?5 of them, of the
/// `classes` classes named by the parameters from ?6 on, or of all for 0; only unclassifiable ones
/// or only the others where `unclassifiable` says so.
pub(super) fn sql(classes: usize, unclassifiable: Option<bool>) -> String {
    let outcome = match unclassifiable {
        None => "",
        Some(true) => " AND b.unclassifiable IS NOT NULL",
        Some(false) => " AND b.unclassifiable IS NULL",
    };
    let bounds =
        format!("b.id BETWEEN ?1 AND ?2 AND b.r_wall_us >= ?3 AND b.r_wall_us < ?4{outcome}");
    // the few unclassifiable beats have an index by id of their own
    let by_id = if unclassifiable == Some(true) {
        "INDEXED BY beats_unclassifiable"
    } else {
        "NOT INDEXED"
    };
    if classes == 0 {
        return format!(
            "SELECT {BEAT_COLUMNS} FROM beats b {by_id} JOIN deciders d ON d.id = b.decider \
             WHERE {bounds} ORDER BY b.id LIMIT ?5"
        );
    }
    if unclassifiable == Some(true) {
        let named: Vec<_> = (6..6 + classes)
            .map(|number| format!("?{number}"))
            .collect();
        return format!(
            "SELECT {BEAT_COLUMNS} FROM beats b {by_id} JOIN deciders d ON d.id = b.decider \
             WHERE {bounds} AND b.class IN ({}) ORDER BY b.id LIMIT ?5",
            named.join(", ")
        );
    }
    // one index walk a class, merged by id: a rare class costs what it returns
    let parts: Vec<_> = (6..6 + classes)
        .map(|number| {
            format!(
                "SELECT {BEAT_COLUMNS} FROM beats b INDEXED BY beats_by_class \
                 JOIN deciders d ON d.id = b.decider WHERE b.class = ?{number} AND {bounds}"
            )
        })
        .collect();
    format!("{} ORDER BY 1 LIMIT ?5", parts.join(" UNION ALL "))
}
