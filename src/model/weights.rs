//! A network with its weights, read from a safetensors file.

use std::collections::HashSet;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::description::{METADATA_KEY, NetworkDescription, Part, PartKind};
use super::error::ModelError;
use super::outcome::Novelty;
use super::reach::{Overflow, reach};

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

/// Largest header: fifty times those of the built-in networks. JSON takes many times its size in memory.
const MAX_HEADER_BYTES: u64 = 256 << 10;

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
    /// Reads a safetensors file with the description in its metadata. `file` is the name that
    /// errors give.
    ///
    /// # Errors
    /// See [`ModelError`]: a broken container, a wrong description, and tensors that are missing,
    /// superfluous, not float32, of another shape than described, not finite, or so large that sums
    /// of them overflow.
    pub fn from_safetensors(file: &str, bytes: &[u8]) -> Result<Self, ModelError> {
        let container = |error: safetensors::SafeTensorError| ModelError::Container {
            file: file.to_owned(),
            error: error.to_string(),
        };
        // The first eight bytes are the length of the JSON behind them (safetensors' format).
        if let Some(length) = bytes.first_chunk().map(|first| u64::from_le_bytes(*first))
            && length > MAX_HEADER_BYTES
        {
            return Err(ModelError::Container {
                file: file.to_owned(),
                error: format!("header of {length} bytes, expected at most {MAX_HEADER_BYTES}"),
            });
        }
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(container)?;
        let text = metadata
            .metadata()
            .as_ref()
            .and_then(|map| map.get(METADATA_KEY))
            .ok_or_else(|| ModelError::FieldMissing {
                file: file.to_owned(),
                field: METADATA_KEY.to_owned(),
                expected: "the network's description in the file's metadata".to_owned(),
            })?;
        let description = NetworkDescription::from_json(file, text)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(container)?;
        let mut reader = TensorReader {
            file,
            tensors,
            read: HashSet::new(),
        };
        let weights = description
            .layers
            .iter()
            .enumerate()
            .map(|(index, layer)| {
                layer
                    .parts
                    .iter()
                    .map(|part| reader.part(index, part))
                    .collect()
            })
            .collect::<Result<_, ModelError>>()?;
        let novelty = match description.limits.novelty {
            None => None,
            Some(_) => Some(reader.novelty(description.feature_maps().channels)?),
        };
        reader.finish()?;
        let model = Self {
            description,
            weights,
            novelty,
        };
        match reach(&model) {
            Ok(_) => Ok(model),
            Err(Overflow { tensor, reach }) => Err(ModelError::Overflow {
                file: file.to_owned(),
                tensor,
                reach,
            }),
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
                expected: "the ranges of its activations (models/training/quantise.py)".to_owned(),
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

    /// What tells how novel a beat is, where the model has it.
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

/// IEEE 754 binary16.
pub(crate) fn half_precision(bytes: [u8; 2]) -> f32 {
    let bits = u16::from_le_bytes(bytes);
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from((bits >> 10) & 0x1f);
    let fraction = f32::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction > 0.0 => f32::NAN,
        31 => f32::INFINITY,
        _ => (1024.0 + fraction) * 2.0_f32.powi(exponent - 25),
    };
    sign * magnitude
}

struct TensorReader<'a> {
    file: &'a str,
    tensors: SafeTensors<'a>,
    read: HashSet<String>,
}

impl TensorReader<'_> {
    fn part(&mut self, layer: usize, part: &Part) -> Result<PartWeights, ModelError> {
        let prefix = format!("layers.{layer}.{}", part.name);
        Ok(PartWeights {
            weight: self.tensor(format!("{prefix}.weight"), part.weight_shape())?,
            bias: self.tensor(format!("{prefix}.bias"), vec![part.output.channels])?,
            context: if part.context == 0 {
                Vec::new()
            } else {
                self.tensor(
                    format!("layers.{layer}.context.weight"),
                    vec![part.output.channels, part.context],
                )?
            },
        })
    }

    fn novelty(&mut self, channels: usize) -> Result<Novelty, ModelError> {
        let [mean_shape, scale_shape] = Novelty::shapes(channels);
        let mean = self.tensor("novelty.mean".to_owned(), mean_shape)?;
        let name = "novelty.scale";
        let scale = self.tensor(name.to_owned(), scale_shape)?;
        match scale.iter().position(|&value| value <= 0.0) {
            None => Ok(Novelty::new(mean, scale)),
            Some(index) => Err(ModelError::TensorValue {
                file: self.file.to_owned(),
                tensor: name.to_owned(),
                index,
                found: scale[index],
                expected: "a number above 0",
            }),
        }
    }

    fn tensor(&mut self, name: String, expected: Vec<usize>) -> Result<Vec<f32>, ModelError> {
        let Ok(view) = self.tensors.tensor(&name) else {
            return Err(ModelError::TensorMissing {
                file: self.file.to_owned(),
                tensor: name,
                expected,
            });
        };
        if view.shape() != expected {
            return Err(ModelError::TensorShape {
                file: self.file.to_owned(),
                tensor: name,
                found: view.shape().to_vec(),
                expected,
            });
        }
        let values = float32(self.file, &name, &view)?;
        self.read.insert(name);
        Ok(values)
    }

    fn finish(&self) -> Result<(), ModelError> {
        let mut unexpected: Vec<&str> = self
            .tensors
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !self.read.contains(*name))
            .collect();
        unexpected.sort_unstable();
        match unexpected.first() {
            None => Ok(()),
            Some(name) => Err(ModelError::TensorUnexpected {
                file: self.file.to_owned(),
                tensor: (*name).to_owned(),
            }),
        }
    }
}

/// The values of a tensor, checked for type and finiteness.
pub(super) fn float32(
    file: &str,
    name: &str,
    view: &TensorView<'_>,
) -> Result<Vec<f32>, ModelError> {
    if view.dtype() != Dtype::F32 {
        return Err(ModelError::TensorType {
            file: file.to_owned(),
            tensor: name.to_owned(),
            found: format!("{:?}", view.dtype()),
        });
    }
    let (groups, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = groups.iter().copied().map(f32::from_le_bytes).collect();
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(values),
        Some(index) => Err(ModelError::TensorValue {
            file: file.to_owned(),
            tensor: name.to_owned(),
            index,
            found: values[index],
            expected: "a finite number",
        }),
    }
}
