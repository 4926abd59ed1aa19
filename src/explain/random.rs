//! Chance that repeats: random maps, and networks of shuffled weights.

use crate::model::Model;

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
