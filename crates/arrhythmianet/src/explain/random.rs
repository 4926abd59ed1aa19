//! Noise that repeats, and networks of shuffled weights.

use crate::{Model, SplitMix64};

/// About normally distributed: the sum of twelve even ones (Irwin and Hall).
fn normal(random: &mut SplitMix64) -> f32 {
    let even = |bits: u64| (bits >> 40) as f32 / 16_777_216.0;
    (0..12).map(|_| even(random.next_u64())).sum::<f32>() - 6.0
}

/// Fisher and Yates' shuffle.
pub(super) fn shuffle<T>(random: &mut SplitMix64, values: &mut [T]) {
    for last in (1..values.len()).rev() {
        let other = random.next_u64() % (last as u64 + 1);
        values.swap(last, usize::try_from(other).unwrap_or(last));
    }
}

/// `model` with the weights of its last `parts` parts shuffled, each tensor within itself: the
/// network's shape and the spread of its weights stay, what it has learned is gone. For the sanity
/// check of Adebayo et al. 2018.
#[must_use]
pub fn with_random_weights(model: &Model, parts: usize, seed: u64) -> Model {
    let all = model.description().parts().count();
    let mut random = SplitMix64::new(seed);
    model.changed(|part, weights| {
        if part + parts >= all {
            shuffle(&mut random, &mut weights.weight);
            shuffle(&mut random, &mut weights.bias);
            shuffle(&mut random, &mut weights.context);
        }
    })
}

/// A network's input with white noise `snr_db` below the power of the window, which is
/// normalised to power 1, and, where the network reads it, the same on what differs from the usual beat.
#[must_use]
pub fn with_noise(input: &[f32], samples: usize, snr_db: f32, seed: u64) -> Vec<f32> {
    let size = 10.0_f32.powf(-snr_db / 20.0);
    let mut random = SplitMix64::new(seed);
    let mut noisy = input.to_vec();
    for sample in 0..samples {
        let noise = size * normal(&mut random);
        for channel in [sample, sample + samples] {
            if channel < noisy.len() {
                noisy[channel] += noise;
            }
        }
    }
    noisy
}
