//! The weighing of a candidate's features: a small network of two hidden layers.

use super::features::FEATURE_COUNT;
use super::fusion::FUSION_COUNT;

/// Units of the first hidden layer (tanh) and of the second (rectified).
const FIRST: usize = 32;
const SECOND: usize = 16;
/// Units (tanh) that weigh the opinions of two channels.
const FUSION: usize = 12;

/// Weights of a fitted network.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub(super) first: [[f32; FEATURE_COUNT]; FIRST],
    pub(super) first_bias: [f32; FIRST],
    pub(super) second: [[f32; FIRST]; SECOND],
    pub(super) second_bias: [f32; SECOND],
    pub(super) output: [f32; SECOND],
    pub(super) output_bias: f32,
    pub(super) fusion: [[f32; FUSION_COUNT]; FUSION],
    pub(super) fusion_bias: [f32; FUSION],
    pub(super) fusion_output: [f32; FUSION],
    /// Past the hidden units.
    pub(super) fusion_direct: [f32; FUSION_COUNT],
    pub(super) fusion_output_bias: f32,
}

impl Network {
    /// Number of weights, biases included.
    pub const WEIGHT_COUNT: usize = FIRST * (FEATURE_COUNT + 1)
        + SECOND * (FIRST + 1)
        + SECOND
        + 1
        + FUSION * (FUSION_COUNT + 2)
        + FUSION_COUNT
        + 1;

    /// A network from its weights, layer by layer, each layer's weights (a row a unit) before its
    /// biases; `None` unless there are [`Network::WEIGHT_COUNT`].
    #[must_use]
    pub fn from_weights(weights: &[f32]) -> Option<Self> {
        if weights.len() != Self::WEIGHT_COUNT {
            return None;
        }
        let mut rest = weights.iter().copied();
        let mut next = || rest.next().unwrap_or(0.0);
        Some(Self {
            first: std::array::from_fn(|_| std::array::from_fn(|_| next())),
            first_bias: std::array::from_fn(|_| next()),
            second: std::array::from_fn(|_| std::array::from_fn(|_| next())),
            second_bias: std::array::from_fn(|_| next()),
            output: std::array::from_fn(|_| next()),
            output_bias: next(),
            fusion: std::array::from_fn(|_| std::array::from_fn(|_| next())),
            fusion_bias: std::array::from_fn(|_| next()),
            fusion_output: std::array::from_fn(|_| next()),
            fusion_direct: std::array::from_fn(|_| next()),
            fusion_output_bias: next(),
        })
    }

    /// Logarithm of the odds that the candidate is a QRS complex.
    pub(super) fn log_odds(&self, features: &[f32; FEATURE_COUNT]) -> f32 {
        let mut hidden = self.first_bias;
        for (unit, weights) in hidden.iter_mut().zip(&self.first) {
            *unit = (*unit + dot(weights, features)).tanh();
        }
        let mut sum = self.output_bias;
        let second = self.second.iter().zip(self.second_bias).zip(self.output);
        for ((weights, bias), output) in second {
            sum += output * (bias + dot(weights, &hidden)).max(0.0);
        }
        sum
    }

    /// The same in the light of both channels.
    pub(super) fn fused_log_odds(&self, beside: &[f32; FUSION_COUNT]) -> f32 {
        let mut sum = self.fusion_output_bias + dot(&self.fusion_direct, beside);
        let units = self.fusion.iter().zip(self.fusion_bias);
        for ((weights, bias), output) in units.zip(self.fusion_output) {
            sum += output * (bias + dot(weights, beside)).tanh();
        }
        sum
    }
}

/// Inner product in four sums of a fixed order, so that it is the same on every machine.
fn dot<const N: usize>(a: &[f32; N], b: &[f32; N]) -> f32 {
    const LANES: usize = 4;
    let mut sums = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let rest: f32 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}
