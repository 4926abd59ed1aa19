//! Networks read from safetensors files.

use std::collections::HashSet;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::description::{METADATA_KEY, NetworkDescription, Part};
use super::error::ModelError;
use super::model::{Model, PartWeights};
use super::outcome::Novelty;
use super::reach::{Overflow, reach};

/// Largest header: fifty times those of the built-in networks. JSON takes many times its size in memory.
const MAX_HEADER_BYTES: u64 = 256 << 10;

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
        let model = Self::new(description, weights, novelty);
        match reach(&model) {
            Ok(_) => Ok(model),
            Err(Overflow { tensor, reach }) => Err(ModelError::Overflow {
                file: file.to_owned(),
                tensor,
                reach,
            }),
        }
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
