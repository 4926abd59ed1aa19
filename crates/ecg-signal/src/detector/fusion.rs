//! What the other channel says about a candidate.

use super::candidate::Candidate;
use super::features::log_ratio;

/// Log odds of a complex that the other channel has no candidate for.
const UNSEEN_LOG_ODDS: f32 = -6.0;
/// Largest log odds told apart.
const LARGEST_LOG_ODDS: f32 = 10.0;

/// Number of values two channels' opinions are weighed by.
pub const FUSION_COUNT: usize = 12;

/// What one channel makes of a complex: log odds; logarithms of the energy of the quiet quarter and of
/// the quiet half of the last 2 s over that of the beats; likeness; strength.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opinion([f32; 5]);

/// That of a channel without a candidate.
const UNSEEN: Opinion = Opinion([UNSEEN_LOG_ODDS, 0.0, 0.0, -1.0, -4.0]);

impl Opinion {
    pub(super) fn new(candidate: &Candidate, log_odds: f32, level_uv: f32) -> Self {
        Self([
            log_odds.clamp(-LARGEST_LOG_ODDS, LARGEST_LOG_ODDS),
            log_ratio(candidate.peak.quiet_uv, level_uv),
            log_ratio(candidate.peak.middle_uv, level_uv),
            candidate.fiducial.fit.likeness,
            log_ratio(candidate.peak.energy_uv, level_uv),
        ])
    }

    /// The values by which two opinions are weighed: each value of the channel in question and the
    /// other's, whether the other has one, and the smaller log odds.
    pub(super) fn beside(&self, other: Option<&Self>) -> [f32; FUSION_COUNT] {
        let seen = if other.is_some() { 1.0 } else { 0.0 };
        let other = other.unwrap_or(&UNSEEN);
        let mut values = [seen; FUSION_COUNT];
        for (pair, (own, other)) in values.chunks_exact_mut(2).zip(self.0.iter().zip(other.0)) {
            pair.copy_from_slice(&[*own, other]);
        }
        values[FUSION_COUNT - 1] = self.0[0].min(other.0[0]);
        values
    }
}
