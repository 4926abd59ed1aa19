//! Chance that repeats: random maps, and networks of shuffled weights.

use crate::Model;

/// `SplitMix64` (Steele, Lea and Flood 2014).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// About normally distributed: the sum of twelve even ones (Irwin and Hall).
    fn normal(&mut self) -> f32 {
        let even = |bits: u64| (bits >> 40) as f32 / 16_777_216.0;
        (0..12).map(|_| even(self.next())).sum::<f32>() - 6.0
    }

    /// Fisher and Yates' shuffle.
    pub(super) fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            let other = self.next() % (last as u64 + 1);
            values.swap(last, usize::try_from(other).unwrap_or(last));
        }
    }
}

/// `model` with the weights of its last `parts` parts shuffled, each tensor within itself: the
/// network's shape and the spread of its weights stay, what it has learned is gone. For the sanity
/// check of Adebayo et al. 2018.
#[must_use]
pub fn with_random_weights(model: &Model, parts: usize, seed: u64) -> Model {
    let all = model.description().parts().count();
    let mut chance = Chance(seed);
    model.changed(|part, weights| {
        if part + parts >= all {
            chance.shuffle(&mut weights.weight);
            chance.shuffle(&mut weights.bias);
            chance.shuffle(&mut weights.context);
        }
    })
}

/// A network's input with white noise `snr_db` below the power of the window, which is
/// normalised to power 1, and, where the network reads it, the same on what differs from the usual beat.
#[must_use]
pub fn with_noise(input: &[f32], samples: usize, snr_db: f32, seed: u64) -> Vec<f32> {
    let size = 10.0_f32.powf(-snr_db / 20.0);
    let mut chance = Chance(seed);
    let mut noisy = input.to_vec();
    for sample in 0..samples {
        let noise = size * chance.normal();
        for channel in [sample, sample + samples] {
            if channel < noisy.len() {
                noisy[channel] += noise;
            }
        }
    }
    noisy
}
