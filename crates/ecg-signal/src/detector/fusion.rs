//! What the other channel says about a candidate.

use super::candidate::Candidate;
use super::features::log_ratio;

/// Log odds of a complex that the other channel has no candidate for.
const UNSEEN_LOG_ODDS: f32 = -6.0;
/// Largest log odds told apart.
const LARGEST_LOG_ODDS: f32 = 10.0;

/// Number of values two channels' opinions are weighed by.
pub const FUSION_COUNT: usize = 12;

/// What one channel makes of a complex.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opinion {
    log_odds: f32,
    /// Logarithm of the energy of the quiet quarter and half of the last 2 s over that of the beats.
    quiet: f32,
    middle: f32,
    likeness: f32,
    strength: f32,
}

impl Opinion {
    pub(super) fn new(candidate: &Candidate, log_odds: f32, level_uv: f32) -> Self {
        Self {
            log_odds: log_odds.clamp(-LARGEST_LOG_ODDS, LARGEST_LOG_ODDS),
            quiet: log_ratio(candidate.peak.quiet_uv, level_uv),
            middle: log_ratio(candidate.peak.middle_uv, level_uv),
            likeness: candidate.fiducial.fit.likeness,
            strength: log_ratio(candidate.peak.energy_uv, level_uv),
        }
    }

    /// The values by which two opinions are weighed, that of the channel in question first.
    pub(super) fn beside(&self, other: Option<&Self>) -> [f32; FUSION_COUNT] {
        let unseen = Self {
            log_odds: UNSEEN_LOG_ODDS,
            quiet: 0.0,
            middle: 0.0,
            likeness: -1.0,
            strength: -4.0,
        };
        let seen = if other.is_some() { 1.0 } else { 0.0 };
        let other = other.unwrap_or(&unseen);
        [
            self.log_odds,
            other.log_odds,
            self.quiet,
            other.quiet,
            self.middle,
            other.middle,
            self.likeness,
            other.likeness,
            self.strength,
            other.strength,
            seen,
            self.log_odds.min(other.log_odds),
        ]
    }
}
