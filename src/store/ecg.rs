//! A stretch of a session's ECG, from the raw blocks.

use std::ops::Range;

use ecg_chain::{CHANNEL_COUNT, ClockRelation, MonotonicNs, WallUs};
use rusqlite::params;

use super::correction::Place;
use super::error::StoreError;
use super::parse::{gap, unsigned};
use super::reader::StoreReader;
use super::rows::{StoredGap, StoredSession};

/// Stands for a sample that is not stored. The chip's codes have 24 bits and never have this value.
pub const MISSING_CODE: i32 = i32::MIN;

/// Codes with their places: missing ones are [`MISSING_CODE`].
pub type EcgSamples = Vec<[i32; CHANNEL_COUNT]>;

impl StoreReader {
    /// The wall time of a sample, by the clock as it stood then.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn wall_of_sample(
        &self,
        session: &StoredSession,
        sample: u64,
    ) -> Result<WallUs, StoreError> {
        let times = self.walls_of_samples(session, std::iter::once(sample))?;
        Ok(times.first().copied().unwrap_or(session.info.start.wall))
    }

    /// The wall times of samples.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn walls_of_samples(
        &self,
        session: &StoredSession,
        samples: impl Iterator<Item = u64>,
    ) -> Result<Vec<WallUs>, StoreError> {
        let rate_hz = session.info.sample_rate_hz;
        let start = session.info.start;
        let clocks = self.clocks_of(session)?;
        samples
            .map(|sample| {
                let block = self.block_at(session.id, sample)?;
                let (first, began) = block.unwrap_or((0, start.monotonic));
                let time = began.plus_ns(ns_of(sample.saturating_sub(first), rate_hz));
                let clock = clocks.iter().rev().find(|clock| clock.monotonic <= time);
                Ok(clock.unwrap_or(&start).wall_at(time))
            })
            .collect()
    }

    /// The samples from the first that was taken when the wall clock showed a time in the range to the last
    /// one; where the clock was stepped and showed such times twice, also those between. Empty where there
    /// is none.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn samples_between(
        &self,
        session: &StoredSession,
        from: Option<WallUs>,
        until: Option<WallUs>,
    ) -> Result<Range<u64>, StoreError> {
        let stored = self.stored_samples(session.id)?;
        self.positions_between(session, from, until, &stored)
    }

    /// Where a stretch of a session begins and ends, cut at the session's ends, of which `newest` is known to be a
    /// position; `None` where the clock showed no such time in it.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn places_between(
        &self,
        session: &StoredSession,
        from: WallUs,
        until: Option<WallUs>,
        newest: u64,
    ) -> Result<Option<[Place; 2]>, StoreError> {
        let ended = match session.end.as_ref().and_then(|end| end.at) {
            Some(at) => self.sample_at(session, at.monotonic)?,
            None => newest.saturating_add(1),
        };
        let known = self.first(
            "SELECT max(coalesce((SELECT first_sample + samples FROM ecg_blocks WHERE session = ?1 \
             ORDER BY first_sample DESC LIMIT 1), 0), \
             coalesce((SELECT max(first_missing_sample + missing_samples) FROM gaps WHERE session = ?1), 0), \
             coalesce((SELECT max(r_sample) + 1 FROM (SELECT r_sample FROM beats WHERE session = ?1 \
             ORDER BY r_wall_us DESC LIMIT 64)), 0))",
            [session.id],
        )?;
        let known = known.and_then(|known| u64::try_from(known).ok());
        let end = ended.max(known.unwrap_or(0));
        let range = self.positions_between(session, Some(from), until, &(0..end))?;
        if range.is_empty() {
            return Ok(None);
        }
        let samples = [range.start, range.end];
        let walls = self.walls_of_samples(session, samples.into_iter())?;
        let places = samples.into_iter().zip(walls);
        let places: Vec<_> = places
            .map(|(sample, wall)| Place { sample, wall })
            .collect();
        Ok(places.try_into().ok())
    }

    /// The samples of `within` that were taken when the wall clock showed a time in the range.
    fn positions_between(
        &self,
        session: &StoredSession,
        from: Option<WallUs>,
        until: Option<WallUs>,
        within: &Range<u64>,
    ) -> Result<Range<u64>, StoreError> {
        let clocks = self.clocks_of(session)?;
        let mut found: Option<Range<u64>> = None;
        for (at, clock) in clocks.iter().enumerate() {
            // The monotonic span in which this relation of the clocks held, as far as it is asked for.
            let begin = if at == 0 { 0 } else { clock.monotonic.0 };
            let end = clocks.get(at + 1).map_or(u64::MAX, |next| next.monotonic.0);
            let begin = from.map_or(begin, |from| monotonic_at(clock, from).max(begin));
            let end = until.map_or(end, |until| monotonic_at(clock, until).min(end));
            if begin >= end {
                continue;
            }
            let sample = |time| self.sample_at(session, MonotonicNs(time));
            let (first, last) = (
                sample(begin)?.max(within.start),
                sample(end)?.min(within.end),
            );
            if first < last {
                let start = found.map_or(first, |before| before.start);
                found = Some(start..last);
            }
        }
        Ok(found.unwrap_or(within.end..within.end))
    }

    /// From the first stored sample to behind the last one.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn stored_samples(&self, session: i64) -> Result<Range<u64>, StoreError> {
        let ends = self.rows(
            "SELECT (SELECT min(first_sample) FROM ecg_blocks WHERE session = ?1), first_sample + samples \
             FROM ecg_blocks WHERE session = ?1 ORDER BY first_sample DESC LIMIT 1",
            [session],
            |row| {
                let first = unsigned(row, 0, "ecg_blocks.first_sample")?;
                Ok(first..unsigned(row, 1, "ecg_blocks.samples")?)
            },
        )?;
        Ok(ends.into_iter().next().unwrap_or(0..0))
    }

    /// The codes of `range`, [`MISSING_CODE`] where no sample is stored. Memory is that of the range.
    ///
    /// # Errors
    /// [`StoreError::Block`] for a damaged block, else [`StoreError`] of the read.
    pub fn ecg(&self, session: i64, range: &Range<u64>) -> Result<EcgSamples, StoreError> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let mut samples = vec![[MISSING_CODE; CHANNEL_COUNT]; length];
        if length == 0 {
            return Ok(samples);
        }
        for (block_first, codes) in self.blocks(session, sql(range.start), sql(range.end - 1))? {
            let block_first = u64::try_from(block_first).unwrap_or(0);
            // Either the block begins inside of the range, or the range inside of the block.
            let skip =
                usize::try_from(range.start.saturating_sub(block_first)).unwrap_or(usize::MAX);
            let place =
                usize::try_from(block_first.saturating_sub(range.start)).unwrap_or(usize::MAX);
            let source = codes.get(skip..).unwrap_or_default();
            let places = samples.get_mut(place..).unwrap_or_default();
            let count = source.len().min(places.len());
            places[..count].copy_from_slice(&source[..count]);
        }
        Ok(samples)
    }

    /// Gaps that touch `range`, in the order of recording, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] of the read.
    pub fn gaps_within(
        &self,
        session: i64,
        range: &Range<u64>,
        limit: u32,
    ) -> Result<Vec<StoredGap>, StoreError> {
        self.rows(
            "SELECT id, session, first_missing_sample, missing_samples, monotonic_ns, wall_us, cause, \
             after_beat FROM gaps WHERE session = ?1 AND first_missing_sample < ?3 \
             AND first_missing_sample + missing_samples > ?2 ORDER BY first_missing_sample LIMIT ?4",
            params![session, sql(range.start), sql(range.end), limit],
            gap,
        )
    }

    /// The sample that was taken at `time`, by the block it lies in or behind.
    fn sample_at(&self, session: &StoredSession, time: MonotonicNs) -> Result<u64, StoreError> {
        let rate_hz = session.info.sample_rate_hz;
        let start = session.info.start.monotonic;
        // The chip's clock is not the machine's: the second look corrects the first by its block.
        let mut sample = samples_in(time.since(start), rate_hz);
        for _ in 0..2 {
            let Some((first, began)) = self.block_at(session.id, sample)? else {
                break;
            };
            sample = if time >= began {
                first.saturating_add(samples_in(time.since(began), rate_hz))
            } else {
                first.saturating_sub(samples_in(began.since(time), rate_hz))
            };
        }
        Ok(sample)
    }

    /// Index and time of the first sample of the block that `sample` lies in or behind.
    fn block_at(
        &self,
        session: i64,
        sample: u64,
    ) -> Result<Option<(u64, MonotonicNs)>, StoreError> {
        let block = self.rows(
            "SELECT first_sample, first_monotonic_ns FROM ecg_blocks WHERE session = ?1 \
             AND first_sample <= ?2 ORDER BY first_sample DESC LIMIT 1",
            params![session, sql(sample)],
            |row| {
                let time = unsigned(row, 1, "ecg_blocks.first_monotonic_ns")?;
                Ok((
                    unsigned(row, 0, "ecg_blocks.first_sample")?,
                    MonotonicNs(time),
                ))
            },
        )?;
        Ok(block.into_iter().next())
    }

    /// The relations of both clocks in a session, in order.
    fn clocks_of(&self, session: &StoredSession) -> Result<Vec<ClockRelation>, StoreError> {
        let mut clocks = vec![session.info.start];
        clocks.extend(self.rows(
            "SELECT monotonic_ns, wall_us FROM clock_relations WHERE session = ?1 AND step_us != 0 \
             ORDER BY monotonic_ns",
            [session.id],
            |row| {
                let monotonic = MonotonicNs(unsigned(row, 0, "clock_relations.monotonic_ns")?);
                let wall = WallUs(row.get(1)?);
                Ok(ClockRelation { monotonic, wall })
            },
        )?);
        Ok(clocks)
    }
}

/// An index as SQLite takes it; beyond its range nothing is stored.
fn sql(sample: u64) -> i64 {
    i64::try_from(sample).unwrap_or(i64::MAX)
}

/// Samples in a stretch of time, rounded up: the first sample at or after its end.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates; never negative"
)]
fn samples_in(ns: u64, rate_hz: f64) -> u64 {
    // A nanosecond of rounding is no sample.
    ((ns as f64 - 1.0).max(0.0) * rate_hz / 1e9).ceil() as u64
}

/// How long so many samples take.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates; never negative"
)]
fn ns_of(samples: u64, rate_hz: f64) -> u64 {
    (samples as f64 * 1e9 / rate_hz) as u64
}

/// When the wall clock showed `wall`, by this relation.
fn monotonic_at(clock: &ClockRelation, wall: WallUs) -> u64 {
    let difference_ns = (i128::from(wall.0) - i128::from(clock.wall.0)) * 1_000;
    let monotonic = i128::from(clock.monotonic.0) + difference_ns;
    u64::try_from(monotonic.max(0)).unwrap_or(u64::MAX)
}
