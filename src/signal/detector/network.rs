//! The weighing of a candidate's features: one hidden layer of tanh units.

use super::features::FEATURE_COUNT;
use super::weights::{HIDDEN_BIAS, HIDDEN_WEIGHTS, OUTPUT_BIAS, OUTPUT_WEIGHTS};

/// Logarithm of the odds that the candidate is a QRS complex.
pub(super) fn log_odds(features: &[f32; FEATURE_COUNT]) -> f32 {
    let mut sum = OUTPUT_BIAS;
    for ((weights, bias), output) in HIDDEN_WEIGHTS.iter().zip(HIDDEN_BIAS).zip(OUTPUT_WEIGHTS) {
        let products = weights.iter().zip(features).map(|(w, f)| w * f);
        sum += output * (bias + products.sum::<f32>()).tanh();
    }
    sum
}
