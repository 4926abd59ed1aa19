//! Random gaps.

use super::super::error::RecordError;
use super::super::whole::whole;
use arrhythmianet::SplitMix64;

/// The longest gap, seconds; the shortest is one sample, and each octave of lengths between is as
/// frequent as every other.
const LONGEST_GAP_S: f64 = 2.0;
/// Beyond this share hardly a beat is whole.
const LARGEST_SHARE: f64 = 0.9;

/// Loses stretches of samples: gaps of one sample to two seconds at random places.
#[derive(Debug, Clone)]
pub struct Dropping {
    random: SplitMix64,
    longest_samples: f64,
    mean_kept_samples: f64,
    /// Samples until the next change, and whether they are lost.
    left: u64,
    losing: bool,
    dropped: u64,
}

impl Dropping {
    /// Lose `share` of all samples, 0 to 0.9, at `rate_hz`. Equal seeds lose the same samples.
    ///
    /// # Errors
    /// [`RecordError::Share`].
    pub fn new(share: f64, rate_hz: f64, seed: u64) -> Result<Self, RecordError> {
        if !(0.0..=LARGEST_SHARE).contains(&share) {
            return Err(RecordError::Share { found: share });
        }
        let longest_samples = (LONGEST_GAP_S * rate_hz).max(2.0);
        // Mean of a length whose logarithm is uniform.
        let mean_gap = (longest_samples - 1.0) / longest_samples.ln();
        let mut dropping = Self {
            random: SplitMix64::new(seed),
            longest_samples,
            mean_kept_samples: mean_gap * (1.0 - share) / share,
            left: 0,
            losing: false,
            dropped: 0,
        };
        dropping.left = dropping.kept_samples();
        Ok(dropping)
    }

    /// Whether the next sample is lost.
    pub(super) fn drops_next(&mut self) -> bool {
        while self.left == 0 {
            self.losing = !self.losing;
            self.left = if self.losing {
                whole(self.longest_samples.powf(self.random.fraction()))
            } else {
                self.kept_samples()
            };
        }
        self.left -= 1;
        self.dropped += u64::from(self.losing);
        self.losing
    }

    /// Samples lost so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn kept_samples(&mut self) -> u64 {
        whole(-self.random.fraction().ln() * self.mean_kept_samples).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_asked_for_is_lost_in_gaps() {
        for share in [0.0, 0.01, 0.1, 0.5] {
            let mut dropping = Dropping::new(share, 360.0, 1).unwrap();
            let lost: Vec<bool> = (0..2_000_000).map(|_| dropping.drops_next()).collect();
            let count = lost.iter().filter(|&&lost| lost).count();
            assert_eq!(count as u64, dropping.dropped());
            let found = count as f64 / lost.len() as f64;
            assert!((found - share).abs() <= 0.1 * share, "{share}: {found}");
            let gaps = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
            if share > 0.0 {
                // Mean gap 719 / ln 720 = 109 samples.
                let mean = count as f64 / gaps as f64;
                assert!((95.0..125.0).contains(&mean), "{share}: {mean}");
            }
            let mut again = Dropping::new(share, 360.0, 1).unwrap();
            assert!(lost.iter().all(|&lost| again.drops_next() == lost));
        }
    }

    #[test]
    fn impossible_shares_are_refused() {
        for share in [-0.1, 0.95, f64::NAN] {
            assert!(matches!(
                Dropping::new(share, 360.0, 1),
                Err(RecordError::Share { .. })
            ));
        }
    }
}
