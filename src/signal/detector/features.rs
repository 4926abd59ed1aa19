//! What tells a QRS complex from everything else, free of any scale.

use std::collections::VecDeque;

use super::memory::Memory;
use super::{CHAIN_RATE_HZ, Candidate, samples};

/// Number of features of a candidate.
pub const FEATURE_COUNT: usize = 15;
/// Their names, in order. Ratios are natural logarithms.
pub const FEATURE_NAMES: [&str; FEATURE_COUNT] = [
    "energy over that of the last beats",
    "energy over that of rejected candidates",
    "energy over that of the last beat",
    "seconds since the last beat",
    "RR intervals since the last beat",
    "sharpness over that of the last beats",
    "sharpness over that of the last beat",
    "likeness to one of the patient's shapes",
    "amplitude over that of the last beats",
    "energy over that of the strongest candidate behind",
    "RR intervals from the last beat to the next strong candidate",
    "seconds to the next strong candidate",
    "energy over its surroundings",
    "RR interval in seconds",
    "energy over that of the strongest candidate before",
];

/// Candidates this close behind may be the QRS complex a P wave belongs to, or a T wave.
const NEAR_SAMPLES: u64 = samples(360);
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
    pub(super) last: Option<&'a Candidate>,
    /// The candidate itself, then those behind it.
    pub(super) queue: &'a VecDeque<Candidate>,
    /// The last decided candidates.
    pub(super) before: &'a [Option<Candidate>],
    pub(super) newest: u64,
}

impl Context<'_> {
    pub(super) fn features(&self, candidate: &Candidate) -> [f32; FEATURE_COUNT] {
        let rate_hz = CHAIN_RATE_HZ as f32;
        let Candidate { peak, fiducial, .. } = candidate;
        let r = fiducial.index;
        let memory = self.memory;
        let level_uv = memory.energy_uv.median().unwrap_or(peak.energy_uv);
        let rr = memory.rr_samples.median().unwrap_or(UNKNOWN_RR);
        let since_last = |index: u64| {
            self.last
                .map_or(LONGEST * rr, |last| index.saturating_sub(last.r()) as f32)
        };
        let behind = || self.queue.iter().skip(1);
        let strongest_near = behind()
            .filter(|other| other.r() <= r + NEAR_SAMPLES)
            .map(|other| other.peak.energy_uv)
            .fold(0.0, f32::max);
        let strongest_before = self
            .before
            .iter()
            .flatten()
            .filter(|other| other.r() + NEAR_SAMPLES >= r)
            .map(|other| other.peak.energy_uv)
            .fold(0.0, f32::max);
        let next_strong = behind()
            .find(|other| other.peak.energy_uv >= STRONG_PART * level_uv)
            .map_or(self.newest, Candidate::r)
            .max(r);
        let last_peak = self.last.map(|last| last.peak);
        [
            log_ratio(peak.energy_uv, level_uv),
            log_ratio(peak.energy_uv, memory.noise_uv),
            log_ratio(
                peak.energy_uv,
                last_peak.map_or(level_uv, |last| last.energy_uv),
            ),
            (since_last(r) / rate_hz).min(LONGEST),
            (since_last(r) / rr).min(LONGEST),
            log_ratio(
                peak.sharpness,
                memory.sharpness.median().unwrap_or(peak.sharpness),
            ),
            log_ratio(
                peak.sharpness,
                last_peak.map_or(peak.sharpness, |last| last.sharpness),
            ),
            fiducial.fit.likeness,
            log_ratio(
                fiducial.amplitude_uv,
                memory
                    .amplitude_uv
                    .median()
                    .unwrap_or(fiducial.amplitude_uv),
            ),
            log_ratio(peak.energy_uv, strongest_near),
            (since_last(next_strong) / rr).min(LONGEST),
            ((next_strong - r) as f32 / rate_hz).min(1.0),
            log_ratio(peak.prominence, 1.0),
            (rr / rate_hz).min(LONGEST),
            log_ratio(peak.energy_uv, strongest_before),
        ]
    }
}

fn log_ratio(value: f32, reference: f32) -> f32 {
    const NEGLIGIBLE: f32 = 0.1;
    (value.max(NEGLIGIBLE) / reference.max(NEGLIGIBLE))
        .ln()
        .clamp(-LARGEST_LOG, LARGEST_LOG)
}
