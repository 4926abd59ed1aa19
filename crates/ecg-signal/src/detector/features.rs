//! What tells a QRS complex from everything else, free of any scale.

use std::collections::VecDeque;

use super::super::CHAIN_RATE_HZ;
use super::candidate::{Candidate, Decided};
use super::duration::samples;
use super::envelope::Envelope;
use super::history::History;
use super::memory::Memory;

/// Groups of features in order, each with the number of its values. Ratios are natural logarithms.
pub const FEATURE_GROUPS: [(&str, usize); 12] = [
    (
        "energy over that of the last beats, of rejected candidates, of the last beat, of its surroundings",
        4,
    ),
    (
        "quiet quarter and quiet half of the last 2 s over the energy of the last beats",
        2,
    ),
    (
        "sharpness over that of the last beats and of the last beat",
        2,
    ),
    ("breadth, and less that of the last beats", 2),
    (
        "amplitude over that of the last beats; deflection to the usual side and to the other",
        3,
    ),
    (
        "likeness to the best of the patient's shapes and to the main one, share of the best",
        3,
    ),
    (
        "time since the last beat in seconds and in RR intervals, RR interval, last over median RR, spread of RR",
        5,
    ),
    (
        "next strong candidate: time from the last beat in RR intervals, time from here in seconds",
        2,
    ),
    (
        "strongest candidate behind: energy, distance, likeness, sharpness, breadth, amplitude",
        6,
    ),
    (
        "strongest candidate before: energy, distance, likeness, sharpness, breadth, whether a beat",
        6,
    ),
    (
        "energy from 0.64 s before to 0.48 s after over that of the last beats",
        PROFILE_MS.len(),
    ),
    (
        "signal from 96 ms before to 96 ms after R over its amplitude",
        WAVE_COUNT,
    ),
];

/// Place of the logarithm of the energy of the quiet quarter over that of the beats.
pub(super) const QUIET: usize = FEATURE_GROUPS[0].1;

/// Number of features of a candidate.
pub const FEATURE_COUNT: usize = {
    let (mut sum, mut group) = (0, 0);
    while group < FEATURE_GROUPS.len() {
        sum += FEATURE_GROUPS[group].1;
        group += 1;
    }
    sum
};

/// Where the energy around a candidate is looked at, ms.
const PROFILE_MS: [i64; 16] = [
    -640, -560, -480, -400, -320, -240, -180, -120, -80, 80, 120, 180, 240, 320, 400, 480,
];
/// Samples of the signal around R, and the distance between them.
const WAVE_COUNT: usize = 13;
const WAVE_STEP: u64 = samples(16);
/// Candidates this close may be the QRS complex that a P or a T wave belongs to.
const NEAR_SAMPLES: u64 = samples(400);
/// A candidate is strong from this part of the last beats' energy on.
const STRONG_PART: f32 = 0.5;
/// The RR interval of a patient of whom nothing is known, samples.
const UNKNOWN_RR: f32 = 200.0;
/// Longest times told apart, in RR intervals or seconds.
const LONGEST: f32 = 4.0;
/// Largest logarithm of a ratio.
const LARGEST_LOG: f32 = 4.0;

/// What a candidate is compared with.
pub(super) struct Context<'a> {
    pub(super) memory: &'a Memory,
    pub(super) history: &'a History,
    pub(super) envelope: &'a Envelope,
    pub(super) last: Option<&'a Candidate>,
    /// The candidates that wait.
    pub(super) queue: &'a VecDeque<Candidate>,
    /// The last decided candidates.
    pub(super) before: &'a [Option<Decided>],
    pub(super) newest: u64,
}

/// Features in the order of [`FEATURE_GROUPS`] as they are filled in.
struct Row {
    values: [f32; FEATURE_COUNT],
    filled: usize,
}

impl Row {
    fn add<const N: usize>(&mut self, values: [f32; N]) {
        self.values[self.filled..self.filled + N].copy_from_slice(&values);
        self.filled += N;
    }
}

impl Context<'_> {
    /// The features of the candidate at `place` in the queue.
    pub(super) fn features(&self, place: usize) -> [f32; FEATURE_COUNT] {
        let mut row = Row {
            values: [0.0; FEATURE_COUNT],
            filled: 0,
        };
        let Some(candidate) = self.queue.get(place) else {
            return row.values;
        };
        self.add_strength(&mut row, candidate);
        self.add_rhythm(&mut row, candidate, place);
        self.add_neighbours(&mut row, candidate, place);
        self.add_surroundings(&mut row, candidate);
        row.values
    }

    fn level_uv(&self, candidate: &Candidate) -> f32 {
        self.memory
            .energy_uv
            .median()
            .unwrap_or(candidate.peak.energy_uv)
    }

    fn add_strength(&self, row: &mut Row, candidate: &Candidate) {
        let Candidate { peak, fiducial, .. } = candidate;
        let memory = self.memory;
        let level_uv = self.level_uv(candidate);
        let last = self.last.map_or(*candidate, |last| *last);
        let sharpness = memory.sharpness.median().unwrap_or(peak.sharpness);
        let breadth = memory.breadth.median().unwrap_or(fiducial.breadth);
        let amplitude_uv = memory.amplitude_uv.median();
        let amplitude_uv = amplitude_uv.unwrap_or(fiducial.amplitude_uv).max(1.0);
        let sides = if memory.polarity >= 0.0 {
            [fiducial.up_uv, fiducial.down_uv]
        } else {
            [fiducial.down_uv, fiducial.up_uv]
        };
        row.add([
            log_ratio(peak.energy_uv, level_uv),
            log_ratio(peak.energy_uv, memory.noise_uv),
            log_ratio(peak.energy_uv, last.peak.energy_uv),
            log_ratio(peak.prominence, 1.0),
            log_ratio(peak.quiet_uv, level_uv),
            log_ratio(peak.middle_uv, level_uv),
            log_ratio(peak.sharpness, sharpness),
            log_ratio(peak.sharpness, last.peak.sharpness),
            fiducial.breadth.min(2.0),
            (fiducial.breadth - breadth).clamp(-2.0, 2.0),
            log_ratio(fiducial.amplitude_uv, amplitude_uv),
        ]);
        row.add(sides.map(|uv| (uv / amplitude_uv).min(LONGEST)));
        row.add([
            fiducial.fit.likeness,
            fiducial.fit.main_likeness,
            fiducial.fit.share,
        ]);
    }

    fn add_rhythm(&self, row: &mut Row, candidate: &Candidate, place: usize) {
        let rate_hz = CHAIN_RATE_HZ as f32;
        let r = candidate.r();
        let rhythm = &self.memory.rr_samples;
        let rr = rhythm.median().unwrap_or(UNKNOWN_RR);
        let since_last = |index: u64| {
            self.last
                .map_or(LONGEST * rr, |last| index.saturating_sub(last.r()) as f32)
        };
        let strong_uv = STRONG_PART * self.level_uv(candidate);
        let next_strong = self
            .queue
            .iter()
            .skip(place + 1)
            .find(|other| other.peak.energy_uv >= strong_uv)
            .map_or(self.newest, Candidate::r)
            .max(r);
        row.add([
            (since_last(r) / rate_hz).min(LONGEST),
            (since_last(r) / rr).min(LONGEST),
            (rr / rate_hz).min(LONGEST),
            log_ratio(rhythm.back(0).unwrap_or(rr), rr),
            rhythm.log_spread().min(1.0),
            (since_last(next_strong) / rr).min(LONGEST),
            ((next_strong - r) as f32 / rate_hz).min(1.0),
        ]);
    }

    fn add_neighbours(&self, row: &mut Row, candidate: &Candidate, place: usize) {
        let rate_hz = CHAIN_RATE_HZ as f32;
        let r = candidate.r();
        let stronger =
            |a: &&Candidate, b: &&Candidate| a.peak.energy_uv.total_cmp(&b.peak.energy_uv);
        let compared = |other: &Candidate| {
            [
                log_ratio(candidate.peak.energy_uv, other.peak.energy_uv),
                r.abs_diff(other.r()) as f32 / rate_hz,
                other.fiducial.fit.likeness,
                log_ratio(candidate.peak.sharpness, other.peak.sharpness),
                candidate.fiducial.breadth.min(2.0) - other.fiducial.breadth.min(2.0),
            ]
        };
        const NOBODY: [f32; 5] = [LARGEST_LOG, NEAR_SAMPLES as f32 / 250.0, -1.0, 0.0, 0.0];
        let behind = self
            .queue
            .iter()
            .skip(place + 1)
            .filter(|other| other.r() <= r + NEAR_SAMPLES)
            .max_by(stronger);
        row.add(behind.map_or(NOBODY, compared));
        let amplitude = |other: &Candidate| {
            log_ratio(candidate.fiducial.amplitude_uv, other.fiducial.amplitude_uv)
        };
        row.add([behind.map_or(LARGEST_LOG, amplitude)]);
        let decided = self.before.iter().flatten();
        let before = decided
            .map(|decided| (&decided.candidate, decided.accepted))
            .chain(self.queue.iter().take(place).map(|other| (other, false)))
            .filter(|(other, _)| other.r() + NEAR_SAMPLES >= r)
            .max_by(|(a, _), (b, _)| stronger(a, b));
        row.add(before.map_or(NOBODY, |(other, _)| compared(other)));
        row.add([before.map_or(0.0, |(_, accepted)| f32::from(u8::from(accepted)))]);
    }

    fn add_surroundings(&self, row: &mut Row, candidate: &Candidate) {
        let level_uv = self.level_uv(candidate);
        let rate_hz = i64::from(CHAIN_RATE_HZ);
        row.add(PROFILE_MS.map(|ms| {
            let index = candidate
                .peak
                .index
                .saturating_add_signed(ms * rate_hz / 1000);
            log_ratio(self.envelope.at(index), level_uv)
        }));
        let start = candidate
            .r()
            .saturating_sub(WAVE_COUNT as u64 / 2 * WAVE_STEP);
        let mut wave = [0.0; WAVE_COUNT];
        for (value, step) in wave.iter_mut().zip(0_u64..) {
            *value = self.history.at(start + step * WAVE_STEP);
        }
        let mean_uv = wave.iter().sum::<f32>() / WAVE_COUNT as f32;
        let side = if candidate.fiducial.upward { 1.0 } else { -1.0 };
        let scale = side / candidate.fiducial.amplitude_uv.max(1.0);
        row.add(wave.map(|uv| ((uv - mean_uv) * scale).clamp(-2.0, 2.0)));
    }
}

pub(super) fn log_ratio(value: f32, reference: f32) -> f32 {
    const NEGLIGIBLE: f32 = 0.1;
    (value.max(NEGLIGIBLE) / reference.max(NEGLIGIBLE))
        .ln()
        .clamp(-LARGEST_LOG, LARGEST_LOG)
}
