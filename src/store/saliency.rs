//! Maps of beats: written with the beats as they come, or later on request.

use arrhythmianet::BeatClass;
use arrhythmianet::explain::{Method, SaliencyMap, WaveShares};
use ecg_chain::BeatDetail;
use ecg_signal::{Wave, Waves};
use rusqlite::{Row, params};

use super::error::{RowError, StoreError};
use super::packed::{pack, unpack};
use super::parse::text;
use super::reader::StoreReader;
use super::rows::{class_from_sql, class_to_sql};
use super::statements::Statements;

/// Why a stored beat was called what it was.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSaliency {
    /// The beat.
    pub beat: i64,
    /// The map, in 8 bits once it has been stored.
    pub map: SaliencyMap,
    /// Where its weight lies; `None` where nothing in it is positive.
    pub shares: Option<WaveShares>,
    /// The beat's waves, whole milliseconds once stored; their peaks are not stored and read as their
    /// onsets.
    pub waves: Waves,
}

/// Which maps to read, newest beats first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaliencyFilter {
    /// Only beats of this session.
    pub session: Option<i64>,
    /// Maps of this method.
    pub method: Method,
    /// Only beats called this, whose maps explain it.
    pub class: Option<BeatClass>,
    /// At most this many of a class.
    pub limit: u32,
}

impl StoredSaliency {
    /// The map of a beat that is being stored, if it has one.
    pub(super) fn from_detail(detail: &BeatDetail) -> Option<Self> {
        Some(Self {
            beat: 0,
            map: detail.map.clone()?,
            shares: detail.shares,
            waves: detail.waves,
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a window is 1 s long; saturates"
)]
fn whole(ms: f32) -> i32 {
    ms.round() as i32
}

impl Statements<'_> {
    pub(super) fn saliency(&self, beat: i64, row: &StoredSaliency) -> Result<(), StoreError> {
        let bounds = |wave: Option<Wave>| {
            let end = wave.and_then(|wave| wave.end_ms);
            (wave.map(|wave| whole(wave.onset_ms)), end.map(whole))
        };
        let [p, qrs, t] = [row.waves.p, row.waves.qrs, row.waves.t].map(bounds);
        let share = |of: fn(WaveShares) -> f32| row.shares.map(of);
        // Two may ask for the same map at once, and a beat may have been pruned meanwhile.
        self.update(
            "storing a saliency map",
            "INSERT OR REPLACE INTO saliency (beat, method, class, share_p, share_qrs, share_t, \
             p_onset_ms, p_end_ms, qrs_onset_ms, qrs_end_ms, t_onset_ms, t_end_ms, map) \
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13 \
             WHERE EXISTS (SELECT 1 FROM beats WHERE id = ?1)",
            params![
                beat,
                row.map.method.name(),
                class_to_sql(row.map.class),
                share(|shares| shares.p),
                share(|shares| shares.qrs),
                share(|shares| shares.t),
                p.0,
                p.1,
                qrs.0,
                qrs.1,
                t.0,
                t.1,
                pack(&row.map),
            ],
        )
    }
}

impl StoreReader {
    /// The stored map of a beat, `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError`] of the read, [`StoreError::Value`] for a damaged map.
    pub fn saliency(
        &self,
        beat: i64,
        method: Method,
        class: BeatClass,
    ) -> Result<Option<StoredSaliency>, StoreError> {
        let rows = self.rows(
            "SELECT * FROM saliency WHERE beat = ?1 AND method = ?2 AND class = ?3",
            params![beat, method.name(), class_to_sql(class)],
            read,
        )?;
        Ok(rows.into_iter().next())
    }

    /// Stored maps that explain the class their beat was called.
    ///
    /// # Errors
    /// As [`StoreReader::saliency`].
    pub fn saliencies(&self, filter: &SaliencyFilter) -> Result<Vec<StoredSaliency>, StoreError> {
        let mut found = Vec::new();
        for class in BeatClass::ALL {
            if filter.class.is_some_and(|only| only != class) {
                continue;
            }
            found.append(&mut self.rows(
                "SELECT a.* FROM beats b JOIN saliency a ON a.beat = b.id \
                 AND a.method = ?1 AND a.class = b.class \
                 WHERE b.class = ?2 AND (?3 IS NULL OR b.session = ?3) \
                 ORDER BY b.id DESC LIMIT ?4",
                params![
                    filter.method.name(),
                    class_to_sql(class),
                    filter.session,
                    filter.limit
                ],
                read,
            )?);
        }
        Ok(found)
    }
}

/// A row in the order of the columns of the table.
fn read(row: &Row<'_>) -> Result<StoredSaliency, RowError> {
    let blob = row.get_ref(12)?.as_blob().map_err(rusqlite::Error::from)?;
    let map =
        unpack(blob).map_err(|error| StoreError::value("saliency.map", &error, "a packed map"))?;
    let method: String = row.get(1)?;
    let class = class_from_sql(text(row, 2)?)?;
    if map.method.name() != method || map.class != class {
        let found = format!("{} of {}", map.method.name(), map.class.symbol());
        let expected = "the method and class of its row";
        return Err(StoreError::value("saliency.map", &found, expected).into());
    }
    let shares = match (row.get(3)?, row.get(4)?, row.get(5)?) {
        (Some(p), Some(qrs), Some(t)) => Some(WaveShares { p, qrs, t }),
        _ => None,
    };
    let wave = |onset| -> rusqlite::Result<Option<Wave>> {
        let ms =
            |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i32>>(index)?.map(from_whole));
        let end_ms = ms(onset + 1)?;
        Ok(ms(onset)?.map(|onset_ms| Wave {
            onset_ms,
            peak_ms: onset_ms,
            end_ms,
        }))
    };
    Ok(StoredSaliency {
        beat: row.get(0)?,
        map,
        shares,
        waves: Waves {
            p: wave(6)?,
            qrs: wave(8)?,
            t: wave(10)?,
        },
    })
}

fn from_whole(ms: i32) -> f32 {
    ms as f32
}
