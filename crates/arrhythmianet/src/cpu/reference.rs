//! The engine the others are measured against: portable, clear, and fast enough for a bedside.

use std::sync::Arc;

use super::kernels::{self, PackedPointwise, PaddedRow};
use super::rounding::{InputSteps, rounded_weights};
use crate::CLASS_COUNT;
use crate::classifier::{Classifier, ClassifyError, Outputs};
use crate::description::{ActivationRange, Op, Part, PartKind};
use crate::model::{Model, PartWeights};

/// Runs a network on one core, window by window, in float32 without fused multiply-add: the same
/// bits on every machine.
#[derive(Debug, Clone)]
pub struct CpuReference {
    model: Arc<Model>,
    steps: Vec<Vec<Step>>,
    max_batch: usize,
    buffers: Buffers,
}

/// A part with its weights in the order its kernel reads them.
#[derive(Debug, Clone)]
struct Step {
    part: Part,
    weights: StepWeights,
}

#[derive(Debug, Clone)]
enum StepWeights {
    Taps(PartWeights),
    Pointwise(PackedPointwise),
    /// Rounded weights, and how the input is rounded.
    Int8(PackedPointwise, InputSteps),
}

/// Activations: what a layer reads stays in `layer_input` until its residual has been added, the
/// parts write `front` and read `back` in turn.
#[derive(Debug, Clone)]
struct Buffers {
    layer_input: Vec<f32>,
    front: Vec<f32>,
    back: Vec<f32>,
    row: PaddedRow,
    /// Biases of the stem for one beat.
    bias: Vec<f32>,
    /// Input of a part of the int8 variant.
    rounded: Vec<f32>,
}

impl CpuReference {
    /// Name of this engine.
    pub const ENGINE: &'static str = "cpu-reference";

    /// Prepares `model` for batches up to `max_batch` windows (0 counts as 1).
    #[must_use]
    pub fn new(model: Arc<Model>, max_batch: usize) -> Self {
        let ranges: Vec<_> = model.description().int8_ranges().collect();
        let mut ranges = ranges.into_iter();
        let steps = model
            .layers()
            .map(|layer| {
                layer
                    .map(|(part, weights)| match part.kind {
                        PartKind::Pointwise => Step::new(*part, weights, ranges.next()),
                        _ => Step::new(*part, weights, None),
                    })
                    .collect()
            })
            .collect();
        let buffers = Buffers::new(&model);
        Self {
            model,
            steps,
            max_batch: max_batch.max(1),
            buffers,
        }
    }

    /// As [`Classifier::classify`], and calls `observe` with the number of the window in the batch,
    /// the index of the layer and the layer's output `[channels][time]` after its activation.
    ///
    /// # Errors
    /// See [`ClassifyError`].
    pub fn classify_observed(
        &mut self,
        input: &[f32],
        outputs: &mut Outputs,
        mut observe: impl FnMut(usize, usize, &[f32]),
    ) -> Result<(), ClassifyError> {
        let network = self.model.description();
        let map_len = network.feature_maps().len();
        let window_len = network.input.len();
        let into = outputs.begin(network, self.max_batch, input)?;
        let mut maps = into.feature_maps.chunks_exact_mut(map_len);
        let mut pooled = into
            .pooled
            .chunks_exact_mut(network.feature_maps().channels);
        for (window, (values, logits)) in
            input.chunks_exact(window_len).zip(into.logits).enumerate()
        {
            forward(
                &self.model,
                &self.steps,
                &mut self.buffers,
                values,
                (maps.next(), pooled.next()),
                logits,
                |layer, output| observe(window, layer, output),
            );
        }
        Ok(())
    }
}

impl Classifier for CpuReference {
    fn engine(&self) -> &str {
        Self::ENGINE
    }

    fn model(&self) -> &Model {
        &self.model
    }

    fn max_batch(&self) -> usize {
        self.max_batch
    }

    fn classify(&mut self, input: &[f32], outputs: &mut Outputs) -> Result<(), ClassifyError> {
        self.classify_observed(input, outputs, |_, _, _| {})
    }
}

/// One window through the network.
fn forward(
    model: &Model,
    steps: &[Vec<Step>],
    buffers: &mut Buffers,
    window: &[f32],
    (mut maps, mut pooled): (Option<&mut [f32]>, Option<&mut [f32]>),
    logits: &mut [f32; CLASS_COUNT],
    mut observe: impl FnMut(usize, &[f32]),
) {
    let (waveform, context) = window.split_at(model.description().input.waveform().len());
    buffers.layer_input[..waveform.len()].copy_from_slice(waveform);
    for (index, (layer, steps)) in model.description().layers.iter().zip(steps).enumerate() {
        if layer.op == Op::Pool {
            let input = &buffers.layer_input[..layer.input.len()];
            if let Some(maps) = maps.take() {
                maps.copy_from_slice(input);
            }
            kernels::pool(
                input,
                layer.input.time,
                &mut buffers.front[..layer.output.channels],
            );
            if let Some(pooled) = pooled.take() {
                pooled.copy_from_slice(&buffers.front[..layer.output.channels]);
            }
        }
        for (number, step) in steps.iter().enumerate() {
            let Buffers {
                layer_input,
                front,
                back,
                row,
                bias,
                rounded,
            } = buffers;
            std::mem::swap(front, back);
            let input = if number == 0 { layer_input } else { back };
            step.run(input, context, front, (row, bias, rounded));
        }
        let output = &mut buffers.front[..layer.output.len()];
        if layer.residual {
            kernels::add(&buffers.layer_input, output);
        }
        observe(index, output);
        std::mem::swap(&mut buffers.layer_input, &mut buffers.front);
    }
    logits.copy_from_slice(&buffers.layer_input[..CLASS_COUNT]);
}

impl Step {
    fn new(part: Part, weights: &PartWeights, range: Option<ActivationRange>) -> Self {
        let inputs = part.input.channels;
        let weights = match (part.kind, range) {
            (PartKind::Convolution | PartKind::Depthwise, _) => StepWeights::Taps(weights.clone()),
            (PartKind::Pointwise | PartKind::Dense, None) => {
                StepWeights::Pointwise(PackedPointwise::new(&weights.weight, &weights.bias, inputs))
            }
            (PartKind::Pointwise | PartKind::Dense, Some(range)) => {
                let rounded: Vec<f32> = weights
                    .weight
                    .chunks_exact(inputs)
                    .flat_map(|row| {
                        let (row, per_unit) = rounded_weights(row);
                        row.into_iter()
                            .map(move |weight| f32::from(weight) / per_unit)
                    })
                    .collect();
                StepWeights::Int8(
                    PackedPointwise::new(&rounded, &weights.bias, inputs),
                    InputSteps::new(range),
                )
            }
        };
        Self { part, weights }
    }

    /// `input` and `output` are at least as long as the part's shapes, `bias` as its channels.
    fn run(
        &self,
        input: &[f32],
        context: &[f32],
        output: &mut [f32],
        (row, bias, rounded): (&mut PaddedRow, &mut [f32], &mut [f32]),
    ) {
        let part = &self.part;
        let input = &input[..part.input.len()];
        let output = &mut output[..part.output.len()];
        match &self.weights {
            StepWeights::Pointwise(packed) => {
                kernels::pointwise(input, part.input.time, packed, output);
            }
            StepWeights::Int8(packed, steps) => {
                for (value, &input) in rounded.iter_mut().zip(input) {
                    *value = steps.value(steps.byte(input));
                }
                let input = &rounded[..part.input.len()];
                kernels::pointwise(input, part.input.time, packed, output);
            }
            StepWeights::Taps(weights) => {
                let bias = &mut bias[..part.output.channels];
                weights.bias_with(&context[..part.context], bias);
                kernels::convolution(part, input, &weights.weight, bias, row, output);
            }
        }
        if part.relu {
            kernels::relu(output);
        }
    }
}

impl Buffers {
    fn new(model: &Model) -> Self {
        let network = model.description();
        let largest = |of: fn(&Part) -> usize| network.parts().map(of).max().unwrap_or(0);
        let activation = vec![0.0; network.largest_activation()];
        Self {
            layer_input: activation.clone(),
            rounded: activation.clone(),
            front: activation.clone(),
            back: activation,
            row: PaddedRow::new(
                largest(|part| part.input.time),
                largest(|part| part.kernel),
                largest(|part| part.stride),
            ),
            bias: vec![0.0; largest(|part| part.output.channels)],
        }
    }
}
