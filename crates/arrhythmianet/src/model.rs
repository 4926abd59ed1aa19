//! A network with its weights.

use super::description::{NetworkDescription, Part, PartKind};
use super::error::ModelError;
use super::outcome::Novelty;

/// Weights and bias of one [`Part`].
#[derive(Debug, Clone, PartialEq)]
pub struct PartWeights {
    /// Weights in the order of [`Part::weight_shape`], row-major.
    pub weight: Vec<f32>,
    /// One value per output channel.
    pub bias: Vec<f32>,
    /// Map of the context `[output channels][context]`, row-major; empty where there is none.
    pub context: Vec<f32>,
}

impl PartWeights {
    /// The biases of one beat: those of the part plus the map of the beat's context.
    pub(super) fn bias_with(&self, context: &[f32], bias: &mut [f32]) {
        bias.copy_from_slice(&self.bias);
        if context.is_empty() {
            return;
        }
        for (bias, weights) in bias
            .iter_mut()
            .zip(self.context.chunks_exact(context.len()))
        {
            for (weight, value) in weights.iter().zip(context) {
                *bias += weight * value;
            }
        }
    }
}

/// What the name of an int8 variant ends in.
pub(super) const INT8_SUFFIX: &str = "-int8";

/// A checked network: description and weights that fit each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    description: NetworkDescription,
    /// Per layer, per part.
    weights: Vec<Vec<PartWeights>>,
    novelty: Option<Novelty>,
}

impl Model {
    /// `weights` has those of each part of each layer, in the shapes that `description` gives.
    pub(super) const fn new(
        description: NetworkDescription,
        weights: Vec<Vec<PartWeights>>,
        novelty: Option<Novelty>,
    ) -> Self {
        Self {
            description,
            weights,
            novelty,
        }
    }

    /// The int8 variant: the same weights, but its pointwise convolutions run in 8-bit integers
    /// within calibrated ranges. Its name ends in `-int8`.
    ///
    /// # Errors
    /// [`ModelError::FieldMissing`] where the file has no calibrated ranges.
    pub fn into_int8(mut self) -> Result<Self, ModelError> {
        if self.description.activation_ranges.is_empty() {
            return Err(ModelError::FieldMissing {
                file: format!("model {}", self.description.name),
                field: "int8".to_owned(),
                expected:
                    "the ranges of its activations (python -m arrhythmianet_training.quantise)"
                        .to_owned(),
            });
        }
        self.description.int8 = true;
        self.description.name.push_str(INT8_SUFFIX);
        Ok(self)
    }

    /// A copy with other weights: `change` gets the number of each part, in the order they run, and
    /// its weights, whose lengths must stay.
    pub(crate) fn changed(&self, mut change: impl FnMut(usize, &mut PartWeights)) -> Self {
        let mut copy = self.clone();
        for (number, weights) in copy.weights.iter_mut().flatten().enumerate() {
            change(number, weights);
        }
        copy
    }

    /// The network's description.
    #[must_use]
    pub const fn description(&self) -> &NetworkDescription {
        &self.description
    }

    /// The measure of novelty, where the model has one.
    #[must_use]
    pub const fn novelty(&self) -> Option<&Novelty> {
        self.novelty.as_ref()
    }

    /// The parts of each layer with their weights, in the order they run. Pooling has none.
    pub fn layers(&self) -> impl Iterator<Item = impl Iterator<Item = (&Part, &PartWeights)>> {
        self.description
            .layers
            .iter()
            .zip(&self.weights)
            .map(|(layer, weights)| layer.parts.iter().zip(weights))
    }

    /// The dense layer's weights `[class][channel]`, row-major, and bias `[class]`: what Grad-CAM
    /// weighs the last feature maps with.
    #[must_use]
    pub fn dense(&self) -> (&[f32], &[f32]) {
        self.layers()
            .flatten()
            .find(|(part, _)| part.kind == PartKind::Dense)
            .map_or((&[], &[]), |(_, weights)| {
                (weights.weight.as_slice(), weights.bias.as_slice())
            })
    }
}
