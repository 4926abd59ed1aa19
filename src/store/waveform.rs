//! The ECG around a beat, from the raw blocks.

use ecg_chain::CHANNEL_COUNT;
use rusqlite::params;

use super::codec::decode;
use super::error::StoreError;
use super::reader::StoreReader;
use super::rows::{StoredBeat, from_sql};

/// How much ECG around the R peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WaveformRange {
    /// Milliseconds before the R peak, 0 to [`WaveformRange::LONGEST_MS`].
    pub before_ms: f64,
    /// Milliseconds after the R peak, 0 to [`WaveformRange::LONGEST_MS`].
    pub after_ms: f64,
}

impl WaveformRange {
    /// Longest stretch to either side of the R peak, milliseconds.
    pub const LONGEST_MS: f64 = 10_000.0;
}

impl Default for WaveformRange {
    /// What the classifier sees: 440 ms before to 576 ms after the R peak.
    fn default() -> Self {
        Self {
            before_ms: 440.0,
            after_ms: 576.0,
        }
    }
}

/// Samples around an R peak at the session's sample rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    /// Samples per second and channel.
    pub sample_rate_hz: f64,
    /// Index of the first sample in the session; negative where the range begins before it.
    pub first_sample: i64,
    /// Place of the R peak in the vectors below.
    pub r_offset_samples: usize,
    /// Microvolts per channel, both of the same length; `None` where no sample is stored (a gap, or
    /// outside the session).
    pub uv: [Vec<Option<f64>>; CHANNEL_COUNT],
}

/// Index of the first sample, and the codes from there on.
pub(crate) type PlacedCodes = (i64, Vec<[i32; CHANNEL_COUNT]>);

impl Waveform {
    /// Samples per channel that are not stored.
    #[must_use]
    pub fn missing_samples(&self) -> usize {
        self.uv[0].iter().filter(|value| value.is_none()).count()
    }
}

impl StoreReader {
    /// The ECG around `beat`. Bounds outside 0 to [`WaveformRange::LONGEST_MS`] are brought inside.
    ///
    /// # Errors
    /// [`StoreError::Block`] for a damaged block, else [`StoreError`] of the read.
    pub fn waveform(
        &self,
        beat: &StoredBeat,
        range: WaveformRange,
    ) -> Result<Waveform, StoreError> {
        let session = self.session_of_beat(beat)?;
        let rate_hz = session.info.sample_rate_hz;
        let before = samples_in(range.before_ms, rate_hz);
        let after = samples_in(range.after_ms, rate_hz);
        let r_sample = i64::try_from(beat.beat.r_sample).unwrap_or(i64::MAX / 2);
        let first_sample = r_sample.saturating_sub(before);
        let length = usize::try_from(before + after + 1).unwrap_or(0);
        let mut uv = [vec![None; length], vec![None; length]];
        let last_sample = r_sample.saturating_add(after);
        for (block_first, codes) in self.blocks(beat.session, first_sample, last_sample)? {
            let offset = block_first.saturating_sub(first_sample);
            for (k, sample) in (0_i64..).zip(codes) {
                let Ok(place) = usize::try_from(offset.saturating_add(k)) else {
                    continue; // before the range
                };
                for ((channel, code), uv_per_code) in
                    uv.iter_mut().zip(sample).zip(session.info.uv_per_code)
                {
                    if let Some(value) = channel.get_mut(place) {
                        *value = Some(to_uv(code, uv_per_code));
                    }
                }
            }
        }
        Ok(Waveform {
            sample_rate_hz: rate_hz,
            first_sample,
            r_offset_samples: usize::try_from(before).unwrap_or(0),
            uv,
        })
    }

    /// Decoded blocks that overlap the range of samples, both ends included.
    ///
    /// # Errors
    /// As [`StoreReader::waveform`].
    pub(crate) fn blocks(
        &self,
        session: i64,
        first_sample: i64,
        last_sample: i64,
    ) -> Result<Vec<PlacedCodes>, StoreError> {
        let rows: Vec<(i64, i64, Vec<u8>)> = self.rows(
            "SELECT first_sample, samples, codes FROM ecg_blocks WHERE session = ?1 \
             AND first_sample <= ?3 AND first_sample >= coalesce((SELECT max(first_sample) \
             FROM ecg_blocks WHERE session = ?1 AND first_sample <= ?2), 0) ORDER BY first_sample",
            params![session, first_sample, last_sample],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        rows.into_iter()
            .map(|(block_first, samples, blob)| {
                let first_sample = from_sql(block_first, "ecg_blocks.first_sample")?;
                let codes = decode(&blob).map_err(|source| StoreError::Block {
                    session,
                    first_sample,
                    source,
                })?;
                if i64::try_from(codes.len()) != Ok(samples) {
                    return Err(StoreError::value(
                        "ecg_blocks.samples",
                        &samples,
                        "the number of samples in the block",
                    ));
                }
                Ok((block_first, codes))
            })
            .collect()
    }
}

#[allow(clippy::cast_possible_truncation)] // at most 10 s; a nonsensical rate saturates to a cap
fn samples_in(ms: f64, rate_hz: f64) -> i64 {
    const MOST: f64 = 1e6;
    let samples = ms.clamp(0.0, WaveformRange::LONGEST_MS) / 1_000.0 * rate_hz;
    samples.clamp(0.0, MOST).round() as i64
}

/// Microvolts of a code. Rounded to a nanovolt, far below one code of the converter.
pub(crate) fn to_uv(code: i32, uv_per_code: f64) -> f64 {
    (f64::from(code) * uv_per_code * 1_000.0).round() / 1_000.0
}
