//! From rows of the tables to Rust types, trusting nothing.

use std::sync::Arc;

use arrhythmianet::CLASS_COUNT;
use ecg_chain::{ClockRelation, MonotonicNs, WallUs};
use ecg_chain::{Gap, LabelledBeat, SessionInfo, channel_of_subject};
use rusqlite::Row;

use super::error::RowError;
use super::rows::{
    SessionCounts, SessionEnd, StoredBeat, StoredEvent, StoredGap, StoredSession, Totals,
    cause_from_sql, channel_from_sql, class_from_sql, from_sql, mains_from_sql, quality_from_sql,
    unclassifiable_from_sql,
};

pub(super) const BEAT_COLUMNS: &str = "b.id, b.session, b.r_sample, b.r_monotonic_ns, \
     b.r_wall_us, b.rr_ms, b.class, b.p_n, b.p_l, b.p_r, b.p_a, b.p_v, b.channel, b.quality, \
     b.window_complete, b.label_delay_ms, d.model, d.engine, b.unclassifiable, \
     (SELECT CASE b.channel WHEN 0 THEN n.lead_0 WHEN 1 THEN n.lead_1 END FROM sessions n \
     WHERE n.id = b.session)";

pub(super) const SESSION_COLUMNS: &str = "s.id, s.source, s.origin, s.chip, s.sample_rate_hz, \
     s.uv_per_code_0, s.uv_per_code_1, s.start_monotonic_ns, s.start_wall_us, d.model, d.engine, \
     s.end_monotonic_ns, s.end_wall_us, s.end_reason, s.beats_n, s.beats_l, s.beats_r, s.beats_a, \
     s.beats_v, s.beats_unclassifiable, s.gaps, s.missing_samples, s.events, s.samples, s.lead_0, \
     s.lead_1, s.mains_filter, s.channel_choice";

/// The sums of what a session counts, in the same order.
pub(super) const TOTALS: &str = "count(*), coalesce(sum(beats_n), 0), coalesce(sum(beats_l), 0), \
     coalesce(sum(beats_r), 0), coalesce(sum(beats_a), 0), coalesce(sum(beats_v), 0), \
     coalesce(sum(beats_unclassifiable), 0), coalesce(sum(gaps), 0), \
     coalesce(sum(missing_samples), 0), coalesce(sum(events), 0), coalesce(sum(samples), 0)";

pub(super) fn unsigned(row: &Row<'_>, index: usize, column: &'static str) -> Result<u64, RowError> {
    Ok(from_sql(row.get(index)?, column)?)
}

#[allow(clippy::cast_possible_truncation)] // REAL columns that were written from f32
fn float(row: &Row<'_>, index: usize) -> Result<f32, RowError> {
    Ok(row.get::<_, f64>(index)? as f32)
}

pub(super) fn text<'row>(row: &'row Row<'_>, index: usize) -> rusqlite::Result<&'row str> {
    Ok(row.get_ref(index)?.as_str()?)
}

fn optional_text<'row>(row: &'row Row<'_>, index: usize) -> rusqlite::Result<Option<&'row str>> {
    Ok(row.get_ref(index)?.as_str_or_null()?)
}

#[allow(clippy::cast_possible_truncation)] // as above
pub(super) fn beat(row: &Row<'_>) -> Result<StoredBeat, RowError> {
    let mut probabilities = [0.0; CLASS_COUNT];
    for (index, probability) in (7..).zip(&mut probabilities) {
        *probability = float(row, index)?;
    }
    Ok(StoredBeat {
        id: row.get(0)?,
        session: row.get(1)?,
        r_wall: WallUs(row.get(4)?),
        model: Arc::from(text(row, 16)?),
        engine: Arc::from(text(row, 17)?),
        lead: optional_text(row, 19)?.map(Arc::from),
        beat: LabelledBeat {
            r_sample: unsigned(row, 2, "beats.r_sample")?,
            r_time: MonotonicNs(unsigned(row, 3, "beats.r_monotonic_ns")?),
            rr_ms: row.get::<_, Option<f64>>(5)?.map(|rr_ms| rr_ms as f32),
            class: class_from_sql(text(row, 6)?)?,
            unclassifiable: optional_text(row, 18)?
                .map(unclassifiable_from_sql)
                .transpose()?,
            probabilities,
            channel: row.get(12)?,
            quality: quality_from_sql(text(row, 13)?)?,
            window_complete: row.get(14)?,
            label_delay_ms: float(row, 15)?,
        },
    })
}

pub(super) fn session(row: &Row<'_>) -> Result<StoredSession, RowError> {
    let end_monotonic: Option<i64> = row.get(11)?;
    let end_wall: Option<i64> = row.get(12)?;
    let end_reason: Option<String> = row.get(13)?;
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
            leads: [optional_text(row, 24)?, optional_text(row, 25)?]
                .map(|lead| lead.unwrap_or_default().to_owned()),
            mains: optional_text(row, 26)?.map(mains_from_sql).transpose()?,
            channel: optional_text(row, 27)?.map(channel_from_sql).transpose()?,
            start: ClockRelation {
                monotonic: MonotonicNs(unsigned(row, 7, "sessions.start_monotonic_ns")?),
                wall: WallUs(row.get(8)?),
            },
            model: row.get(9)?,
            engine: row.get(10)?,
        },
        end: end_reason.map(|reason| SessionEnd { at, reason }),
        counts: counts(row, 14)?,
    })
}

pub(super) fn totals(row: &Row<'_>) -> Result<Totals, RowError> {
    Ok(Totals {
        sessions: unsigned(row, 0, "sessions")?,
        counts: counts(row, 1)?,
    })
}

/// What a session counts, from column `first` on.
fn counts(row: &Row<'_>, first: usize) -> Result<SessionCounts, RowError> {
    let mut beats_by_class = [0; CLASS_COUNT];
    for (index, count) in (first..).zip(&mut beats_by_class) {
        *count = unsigned(row, index, "sessions.beats_*")?;
    }
    Ok(SessionCounts {
        beats_by_class,
        unclassifiable: unsigned(row, first + 5, "sessions.beats_unclassifiable")?,
        gaps: unsigned(row, first + 6, "sessions.gaps")?,
        missing_samples: unsigned(row, first + 7, "sessions.missing_samples")?,
        events: unsigned(row, first + 8, "sessions.events")?,
        samples: unsigned(row, first + 9, "sessions.samples")?,
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
        Some(channel) => optional_text(row, 12 + usize::from(channel))?.map(Arc::from),
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
