//! The typed form of a network's description.

use super::layer::{Layer, Op, Part, Shape};
use crate::error::ModelError;
use crate::input::{BeatInput, InputError, Normalisation};
use crate::outcome::{Limits, Novelty};

/// Most parameters V1 may have: the paper's 302.18 KB as float32 with 1 KB = 1024 bytes
/// (arXiv 2505.03787, abstract).
pub const V1_MAX_PARAMETERS: usize = 77_358;

/// Most parameters V2 may have: the paper's 157.76 KB (arXiv 2505.03787, abstract).
pub const V2_MAX_PARAMETERS: usize = 40_386;

/// Most parameters of a model of any other name. Keeps a nonsense file from asking for gigabytes.
pub const MAX_PARAMETERS: usize = 1_000_000;

/// What a network reads of a beat: waveform channels, then context values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputDescription {
    /// Input channels, 1 to 8.
    pub channels: usize,
    /// Samples per channel, 8 to 4096.
    pub samples: usize,
    /// Sampling rate of the window.
    pub rate_hz: f64,
    /// Index of the R peak in the window.
    pub r_index: usize,
    /// Values without a time axis that follow the channels, 0 to 64.
    pub context: usize,
}

impl InputDescription {
    /// Values of one beat's input: channels times samples, and the context.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.channels * self.samples + self.context
    }

    /// Extent of the waveform channels.
    #[must_use]
    pub const fn waveform(&self) -> Shape {
        Shape {
            channels: self.channels,
            time: self.samples,
        }
    }

    /// Whether an input holds no values; never true of a parsed description.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What one activation is within on real beats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActivationRange {
    /// Low end; 0 after a ReLU.
    pub low: f32,
    /// High end.
    pub high: f32,
}

/// A whole network: its input, layers with all shapes derived, and how to read its outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkDescription {
    /// Short name, e.g. `v1`.
    pub name: String,
    /// The architecture in words.
    pub architecture: String,
    /// What the network reads.
    pub input: InputDescription,
    /// How a window is normalised before it enters the network.
    pub normalisation: Normalisation,
    /// Divides the logits before the softmax (calibration), 0.05 to 20.
    pub temperature: f64,
    /// Past what a beat is unclassifiable, as the training chose it.
    pub limits: Limits,
    /// Ranges of what the pointwise convolutions read, in the order they run, for the int8 variant;
    /// empty where the file has none.
    pub activation_ranges: Vec<ActivationRange>,
    /// Whether this is the int8 variant: its pointwise convolutions run in 8-bit integers.
    pub int8: bool,
    /// Layers in order: a stem, blocks, pooling, dense.
    pub layers: Vec<Layer>,
    /// How the network was trained: free-form JSON of the training project.
    pub training: serde_json::Value,
}

impl NetworkDescription {
    /// Checks that the network reads what the signal chain gives, `window`, or of that one channel
    /// without context.
    ///
    /// # Errors
    /// [`ModelError::Field`] for the first property that differs.
    pub fn require_window(&self, window: &InputDescription) -> Result<(), ModelError> {
        let found = &self.input;
        let (channels, context) = match (found.channels, found.context) {
            (1, 0) => (1, 0),
            _ => (window.channels, window.context),
        };
        let differing = [
            ("channels", found.channels as f64, channels as f64),
            ("context", found.context as f64, context as f64),
            ("samples", found.samples as f64, window.samples as f64),
            ("rate_hz", found.rate_hz, window.rate_hz),
            ("r_index", found.r_index as f64, window.r_index as f64),
        ]
        .into_iter()
        .find(|(_, found, expected)| found.total_cmp(expected).is_ne());
        match differing {
            None => Ok(()),
            Some((key, found, expected)) => Err(ModelError::Field {
                file: format!("model {}", self.name),
                field: format!("input.{key}"),
                found: found.to_string(),
                expected: format!("{expected}, which is what the signal chain gives"),
            }),
        }
    }

    /// Ranges of the pointwise convolutions that run in 8-bit integers: all of them in the int8
    /// variant, none otherwise.
    pub(crate) fn int8_ranges(&self) -> impl Iterator<Item = ActivationRange> + '_ {
        self.activation_ranges.iter().copied().filter(|_| self.int8)
    }

    /// Shape of the last feature maps: the input of the pooling layer.
    #[must_use]
    pub fn feature_maps(&self) -> Shape {
        self.layers
            .iter()
            .find(|layer| matches!(layer.op, Op::Pool))
            .map_or_else(Shape::default, |layer| layer.input)
    }

    /// Number of weights and biases, batch normalisation folded.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.parts().map(Part::parameters).sum()
    }

    /// Number of values that tell novelty, 0 where the model does not. They count towards the limit
    /// of the model's name as parameters do.
    #[must_use]
    pub fn novelty_values(&self) -> usize {
        let channels = self.feature_maps().channels;
        self.limits.novelty.map_or(0, |_| Novelty::values(channels))
    }

    /// Multiply-accumulate operations of the convolutions and the dense layer for one beat.
    #[must_use]
    pub fn macs_per_beat(&self) -> usize {
        self.parts().map(Part::macs).sum()
    }

    /// All parts of all layers in the order they run.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.layers.iter().flat_map(|layer| &layer.parts)
    }

    /// Values of the largest activation anywhere in the network, the input included: what an
    /// engine needs to allocate per buffer.
    #[must_use]
    pub fn largest_activation(&self) -> usize {
        self.parts()
            .map(|part| part.output.len())
            .chain([self.input.len()])
            .max()
            .unwrap_or(0)
    }

    /// Writes the network's input of one beat: the normalised window; as a second channel, where the
    /// network has one, what is left of it when the normalised template is subtracted (zeros without
    /// a template); then the context, where the network reads one.
    ///
    /// # Errors
    /// [`InputError::Length`] where `out` or a part of the beat has another length than the
    /// network's input, [`InputError::NotFinite`]. `out` is then of no meaning.
    pub fn fill_input(&self, beat: &BeatInput<'_>, out: &mut [f32]) -> Result<(), InputError> {
        let waveform = self.input.waveform();
        if out.len() != self.input.len() || waveform.channels > 2 {
            return Err(InputError::Length {
                found: self.input.len(),
                expected: out.len(),
            });
        }
        let (channels, context) = out.split_at_mut(waveform.len());
        let (window, residual) = channels.split_at_mut(waveform.time);
        self.normalisation.apply(beat.window_uv, window)?;
        if waveform.channels == 2 {
            match beat.template_uv {
                None => residual.fill(0.0),
                Some(template_uv) => {
                    self.normalisation.apply(template_uv, residual)?;
                    for (value, &window) in residual.iter_mut().zip(&*window) {
                        *value = window - *value;
                    }
                }
            }
        }
        if context.is_empty() {
            return Ok(());
        }
        if context.len() != beat.context.len() {
            return Err(InputError::Length {
                found: beat.context.len(),
                expected: context.len(),
            });
        }
        context.copy_from_slice(beat.context);
        Ok(())
    }
}
