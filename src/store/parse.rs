//! From rows of the tables to Rust types, trusting nothing.

use arrhythmianet::CLASS_COUNT;
use ecg_chain::{ClockRelation, MonotonicNs, WallUs};
use ecg_chain::{Gap, LabelledBeat, SessionInfo, channel_of_subject};
use rusqlite::Row;

use super::chain::Kind;
use super::correction::{deciding, decision};
use super::error::RowError;
use super::rows::{
    BriefBeat, DeletedRows, SessionCounts, SessionDeletion, SessionEnd, StoredBeat, StoredEvent,
    StoredGap, StoredSession, Totals, cause_from_sql, channel_from_sql, class_from_sql, from_sql,
    mains_from_sql, quality_from_sql, unclassifiable_from_sql,
};

/// What [`beat`] reads, of [`beats_from`].
pub(super) fn beat_columns() -> String {
    Kind::Beat.select("b")
        + ", (SELECT CASE b.channel WHEN 0 THEN n.lead_0 WHEN 1 THEN n.lead_1 END FROM sessions n \
           WHERE n.id = b.session), k.id, k.class"
}

/// Beats `b`, found as `index` says, with who labelled them and the correction `k` that decides.
pub(super) fn beats_from(index: &str) -> String {
    let deciding = deciding("b.id", "b.session", "b.r_sample");
    format!(
        "beats b {index} JOIN deciders d ON d.id = b.decider \
         LEFT JOIN corrections k ON k.id = {deciding}"
    )
}

/// What [`session`] reads, of `sessions s JOIN deciders d`: what is fixed from the start, then the rest.
pub(super) fn session_columns() -> String {
    let (start, end) = (Kind::Session.select("s"), Kind::End.select("s"));
    format!("{start}, {end}, s.patient_label")
}

/// What [`totals`] reads, of `sessions`.
pub(super) fn totals_columns() -> String {
    let sums = SessionCounts::COLUMNS.map(|column| format!(", coalesce(sum({column}), 0)"));
    let corrections = ", (SELECT count(*) FROM corrections)";
    format!("count(*){}{corrections}", sums.concat())
}

pub(super) fn unsigned(row: &Row<'_>, index: usize, column: &'static str) -> Result<u64, RowError> {
    Ok(from_sql(row.get(index)?, column)?)
}

pub(super) fn text<'row>(row: &'row Row<'_>, index: usize) -> rusqlite::Result<&'row str> {
    Ok(row.get_ref(index)?.as_str()?)
}

pub(super) fn optional_text<'row>(
    row: &'row Row<'_>,
    index: usize,
) -> rusqlite::Result<Option<&'row str>> {
    Ok(row.get_ref(index)?.as_str_or_null()?)
}

pub(super) fn beat(row: &Row<'_>) -> Result<StoredBeat, RowError> {
    let mut probabilities = [0.0; CLASS_COUNT];
    for (index, probability) in (7..).zip(&mut probabilities) {
        *probability = row.get(index)?;
    }
    Ok(StoredBeat {
        id: row.get(0)?,
        session: row.get(1)?,
        r_wall: WallUs(row.get(4)?),
        model: row.get(16)?,
        engine: row.get(17)?,
        lead: row.get(19)?,
        decision: decision(row, 20)?,
        beat: LabelledBeat {
            r_sample: unsigned(row, 2, "beats.r_sample")?,
            r_time: MonotonicNs(unsigned(row, 3, "beats.r_monotonic_ns")?),
            rr_ms: row.get(5)?,
            class: class_from_sql(text(row, 6)?)?,
            unclassifiable: optional_text(row, 18)?
                .map(unclassifiable_from_sql)
                .transpose()?,
            probabilities,
            channel: row.get(12)?,
            quality: quality_from_sql(text(row, 13)?)?,
            window_complete: row.get(14)?,
            label_delay_ms: row.get(15)?,
        },
    })
}

/// The columns are those of [`StoreReader::brief_beats`](super::reader::StoreReader::brief_beats).
pub(super) fn brief_beat(row: &Row<'_>) -> Result<BriefBeat, RowError> {
    Ok(BriefBeat {
        id: row.get(0)?,
        r_sample: unsigned(row, 1, "beats.r_sample")?,
        r_wall: WallUs(row.get(2)?),
        rr_ms: row.get(3)?,
        class: class_from_sql(text(row, 4)?)?,
        channel: row.get(5)?,
        quality: quality_from_sql(text(row, 6)?)?,
        unclassifiable: optional_text(row, 7)?
            .map(unclassifiable_from_sql)
            .transpose()?,
    })
}

pub(super) fn session(row: &Row<'_>) -> Result<StoredSession, RowError> {
    let end_monotonic: Option<i64> = row.get(17)?;
    let end_wall: Option<i64> = row.get(18)?;
    let end_reason: Option<String> = row.get(19)?;
    let at = match (end_monotonic, end_wall) {
        (Some(monotonic), Some(wall)) => Some(ClockRelation {
            monotonic: MonotonicNs(from_sql(monotonic, "sessions.end_monotonic_ns")?),
            wall: WallUs(wall),
        }),
        _ => None,
    };
    Ok(StoredSession {
        id: row.get(0)?,
        info: SessionInfo {
            source: row.get(1)?,
            origin: row.get(2)?,
            chip: row.get(3)?,
            sample_rate_hz: row.get(4)?,
            uv_per_code: [row.get(5)?, row.get(6)?],
            leads: [optional_text(row, 11)?, optional_text(row, 12)?]
                .map(|lead| lead.unwrap_or_default().to_owned()),
            mains: optional_text(row, 13)?.map(mains_from_sql).transpose()?,
            channel: optional_text(row, 14)?.map(channel_from_sql).transpose()?,
            patient_label: row.get(38)?,
            start: ClockRelation {
                monotonic: MonotonicNs(unsigned(row, 7, "sessions.start_monotonic_ns")?),
                wall: WallUs(row.get(8)?),
            },
            model: row.get(9)?,
            engine: row.get(10)?,
        },
        end: end_reason.map(|reason| SessionEnd { at, reason }),
        counts: counts(row, 20)?,
        deletion: tombstone(row, 30)?,
    })
}

/// The tombstone in a row of `sessions` whose columns `deleted_wall_us` to `deleted_corrections` begin at
/// `first`.
pub(super) fn tombstone(row: &Row<'_>, first: usize) -> Result<Option<SessionDeletion>, RowError> {
    let Some(at) = row.get::<_, Option<i64>>(first)? else {
        return Ok(None);
    };
    let count = |place, column| unsigned(row, first + place, column);
    Ok(Some(SessionDeletion {
        at: WallUs(at),
        by: row.get(first + 1)?,
        rows: DeletedRows {
            beats: count(2, "sessions.deleted_beats")?,
            maps: count(3, "sessions.deleted_maps")?,
            gaps: count(4, "sessions.deleted_gaps")?,
            events: count(5, "sessions.deleted_events")?,
            ecg_blocks: count(6, "sessions.deleted_ecg_blocks")?,
            corrections: count(7, "sessions.deleted_corrections")?,
        },
    }))
}

pub(super) fn totals(row: &Row<'_>) -> Result<Totals, RowError> {
    Ok(Totals {
        sessions: unsigned(row, 0, "sessions")?,
        counts: counts(row, 1)?,
        corrections: unsigned(row, 1 + SessionCounts::COLUMNS.len(), "corrections")?,
    })
}

/// What a session counts, from column `first` on.
fn counts(row: &Row<'_>, first: usize) -> Result<SessionCounts, RowError> {
    let mut values = [0; SessionCounts::COLUMNS.len()];
    for ((index, column), value) in (first..).zip(SessionCounts::COLUMNS).zip(&mut values) {
        *value = unsigned(row, index, column)?;
    }
    let [
        samples,
        n,
        l,
        r,
        a,
        v,
        gaps,
        missing_samples,
        events,
        unclassifiable,
    ] = values;
    Ok(SessionCounts {
        beats_by_class: [n, l, r, a, v],
        unclassifiable,
        gaps,
        missing_samples,
        events,
        samples,
    })
}

pub(super) fn gap(row: &Row<'_>) -> Result<StoredGap, RowError> {
    Ok(StoredGap {
        id: row.get(0)?,
        session: row.get(1)?,
        wall: WallUs(row.get(5)?),
        after_beat: row.get(7)?,
        gap: Gap {
            first_missing_sample: unsigned(row, 2, "gaps.first_missing_sample")?,
            missing_samples: unsigned(row, 3, "gaps.missing_samples")?,
            time: MonotonicNs(unsigned(row, 4, "gaps.monotonic_ns")?),
            cause: cause_from_sql(text(row, 6)?)?,
        },
    })
}

pub(super) fn event(row: &Row<'_>) -> Result<StoredEvent, RowError> {
    let subject: Option<String> = row.get(9)?;
    let lead = match subject.as_deref().and_then(channel_of_subject) {
        Some(channel) => row.get(12 + usize::from(channel))?,
        None => None,
    };
    Ok(StoredEvent {
        id: row.get(0)?,
        session: row.get(1)?,
        sample: unsigned(row, 2, "events.sample")?,
        time: MonotonicNs(unsigned(row, 3, "events.monotonic_ns")?),
        wall: WallUs(row.get(4)?),
        kind: row.get(5)?,
        detail: row.get(6)?,
        after_beat: row.get(7)?,
        phase: row.get(8)?,
        subject,
        lead,
        began: match row.get::<_, Option<i64>>(10)? {
            None => None,
            Some(_) => Some((
                unsigned(row, 10, "events.began_sample")?,
                MonotonicNs(unsigned(row, 11, "events.began_monotonic_ns")?),
            )),
        },
    })
}
