//! What a session recorded, minute by minute.

use std::ops::Range;

use arrhythmianet::CLASS_COUNT;
use ecg_chain::WallUs;
use rusqlite::params;

use super::beat_query::CORRECTED_CLASS;
use super::error::StoreError;
use super::parse::{beats_from, unsigned};
use super::reader::StoreReader;
use super::rows::StoredSession;

/// Most minutes in one answer: a week.
pub const MOST_MINUTES: u64 = 7 * 24 * 60;

/// One minute of recorded time, counted from the session's first sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Minute {
    /// 0 for the first.
    pub minute: u64,
    /// Its first sample.
    pub first_sample: u64,
    /// Wall time of its first sample.
    pub wall: WallUs,
    /// Beats with their R peak in it, by class, in the order N L R A V.
    pub beats_by_class: [u64; CLASS_COUNT],
    /// Beats that somebody called `F` and `Q`; `None` where the model's labels are counted.
    pub corrected: Option<[u64; 2]>,
    /// Unclassifiable ones among them.
    pub unclassifiable: u64,
    /// Those of good signal quality among them.
    pub good_quality: u64,
    /// Shortest, mean and longest RR interval that ends in it, milliseconds.
    pub rr_ms: Option<[f64; 3]>,
    /// Gaps that begin in it.
    pub gaps: u64,
    /// Samples missing in those.
    pub missing_samples: u64,
    /// Events.
    pub events: u64,
}

impl Minute {
    /// Beats.
    #[must_use]
    pub fn beats(&self) -> u64 {
        let corrected = self.corrected.iter().flatten();
        self.beats_by_class.iter().chain(corrected).sum()
    }
}

impl StoreReader {
    /// Every minute of the session that holds a sample of `range`, at most [`MOST_MINUTES`]. `corrected`: beats
    /// count as what somebody corrected them to, and artefacts not at all.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn minutes(
        &self,
        session: &StoredSession,
        range: &Range<u64>,
        corrected: bool,
    ) -> Result<Vec<Minute>, StoreError> {
        let per_minute = session.info.sample_rate_hz * 60.0;
        let first = minute_of(range.start, per_minute);
        let last = match range.end.checked_sub(1) {
            Some(last) if last >= range.start => minute_of(last, per_minute) + 1,
            _ => first,
        };
        let last = last.min(first.saturating_add(MOST_MINUTES));
        let firsts = (first..last).map(|minute| first_sample_of(minute, per_minute));
        let walls = self.walls_of_samples(session, firsts.clone())?;
        let mut minutes: Vec<Minute> = (first..last)
            .zip(firsts)
            .zip(walls)
            .map(|((minute, first_sample), wall)| Minute {
                minute,
                first_sample,
                wall,
                beats_by_class: [0; CLASS_COUNT],
                corrected: corrected.then_some([0; 2]),
                unclassifiable: 0,
                good_quality: 0,
                rr_ms: None,
                gaps: 0,
                missing_samples: 0,
                events: 0,
            })
            .collect();
        let bounds = params![session.id, sql(first), sql(last), per_minute];
        // where nobody has corrected anything the shorter question has the same answer
        let (class, unclassifiable, beats) = if corrected && self.is_corrected(Some(session.id))? {
            let unclassifiable = "b.unclassifiable IS NOT NULL AND k.id IS NULL";
            (CORRECTED_CLASS, unclassifiable, beats_from(""))
        } else {
            let unclassifiable = "b.unclassifiable IS NOT NULL";
            ("b.class", unclassifiable, "beats b".to_owned())
        };
        let sums = ['N', 'L', 'R', 'A', 'V', 'F', 'Q'].map(|of| format!("sum(class = '{of}'), "));
        let sql = format!(
            "SELECT minute, {} sum(unclear), sum(quality = 'good'), min(rr_ms), avg(rr_ms), max(rr_ms) \
             FROM (SELECT CAST(b.r_sample / ?4 AS INTEGER) AS minute, {class} AS class, \
             {unclassifiable} AS unclear, b.quality AS quality, b.rr_ms AS rr_ms FROM {beats} \
             WHERE b.session = ?1) WHERE class IS NOT NULL \
             GROUP BY minute HAVING minute >= ?2 AND minute < ?3",
            sums.concat()
        );
        let beats = self.rows(&sql, bounds, |row| {
            let mut counts = [0; 10];
            for (index, count) in counts.iter_mut().enumerate() {
                *count = unsigned(row, index, "beats.r_sample")?;
            }
            let shortest: Option<f64> = row.get(10)?;
            let rr_ms = match shortest {
                Some(shortest) => Some([shortest, row.get(11)?, row.get(12)?]),
                None => None,
            };
            Ok((counts, rr_ms))
        })?;
        for ([minute, n, l, r, a, v, f, q, unclassifiable, good_quality], rr_ms) in beats {
            if let Some(minute) = with_number(&mut minutes, minute) {
                minute.beats_by_class = [n, l, r, a, v];
                minute.corrected = minute.corrected.map(|_| [f, q]);
                minute.unclassifiable = unclassifiable;
                minute.good_quality = good_quality;
                minute.rr_ms = rr_ms;
            }
        }
        let counted = |sql| {
            self.rows(sql, bounds, |row| {
                let number = |index| unsigned(row, index, "gaps.missing_samples");
                Ok([number(0)?, number(1)?, number(2)?])
            })
        };
        for [minute, gaps, missing_samples] in counted(
            "SELECT CAST(first_missing_sample / ?4 AS INTEGER) AS minute, count(*), \
             sum(missing_samples) FROM gaps WHERE session = ?1 GROUP BY minute \
             HAVING minute >= ?2 AND minute < ?3",
        )? {
            if let Some(minute) = with_number(&mut minutes, minute) {
                (minute.gaps, minute.missing_samples) = (gaps, missing_samples);
            }
        }
        for [minute, events, _] in counted(
            "SELECT CAST(sample / ?4 AS INTEGER) AS minute, count(*), 0 FROM events \
             WHERE session = ?1 GROUP BY minute HAVING minute >= ?2 AND minute < ?3",
        )? {
            if let Some(minute) = with_number(&mut minutes, minute) {
                minute.events = events;
            }
        }
        Ok(minutes)
    }
}

/// The minute with this number.
fn with_number(minutes: &mut [Minute], minute: u64) -> Option<&mut Minute> {
    let first = minutes.first()?.minute;
    minutes.get_mut(usize::try_from(minute.checked_sub(first)?).ok()?)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative; saturates"
)]
fn minute_of(sample: u64, per_minute: f64) -> u64 {
    (sample as f64 / per_minute) as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative; saturates"
)]
fn first_sample_of(minute: u64, per_minute: f64) -> u64 {
    (minute as f64 * per_minute).ceil() as u64
}

fn sql(minute: u64) -> i64 {
    i64::try_from(minute).unwrap_or(i64::MAX)
}
