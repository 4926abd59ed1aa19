//! The forward pass, which stores the values before each ReLU.

use super::super::dead_channels::live_parts;
use super::super::depthwise::PackedDepthwise;
use super::super::isa::{Isa, Kernel, scalars, scalars_mut};
use super::super::layout::{Layout, Strides};
use super::super::product::PackedProduct;
use super::super::tiling::{Output, Rows};
use crate::CLASS_COUNT;
use crate::description::{Part, PartKind};
use crate::model::{Model, PartWeights};

/// One part of the network and what follows it.
pub(super) struct Stage<I: Isa> {
    operation: Operation<I>,
    /// Where the part's output lies before its ReLU.
    pub(super) before: Layout,
    /// Where it lies after, with the margin its reader needs.
    after: Layout,
    relu: bool,
    /// The stage before whose output is this layer's input, for the residual: `Some(None)` adds the
    /// network's own input, which no network does.
    residual_of: Option<usize>,
    /// Whether the pooling follows.
    pooled: bool,
}

enum Operation<I: Isa> {
    /// The stem: the convolution's weights, and the map of the context where there is one.
    Stem {
        weights: PackedProduct<I>,
        row_step: usize,
        padding: usize,
        channels: usize,
        bias: PartWeights,
    },
    Pointwise(PackedProduct<I>),
    Depthwise(PackedDepthwise<I>),
}

/// One beat's values at every part, as the forward pass left them.
#[derive(Clone)]
pub(super) struct ForwardValues<I: Isa> {
    /// Before the ReLU, one list of vectors per stage.
    pub(super) before: Vec<Vec<I::F32>>,
    after: Vec<Vec<I::F32>>,
    /// The input of the stem, padded and with its channels interleaved.
    window: Vec<f32>,
    context: Vec<f32>,
    pooled: Vec<I::F32>,
    samples: usize,
}

pub(super) fn stages<I: Isa>(isa: I, model: &Model) -> Vec<Stage<I>> {
    let description = model.description();
    let readers: Vec<&Part> = description.parts().skip(1).collect();
    let mut stages: Vec<Stage<I>> = Vec::new();
    for (layer, parts) in description.layers.iter().zip(model.layers()) {
        if layer.parts.is_empty()
            && let Some(last) = stages.last_mut()
        {
            last.pooled = true;
        }
        let input = stages.len().checked_sub(1);
        for (part, weights) in &live_parts(parts) {
            let margin = match readers.get(stages.len()) {
                Some(reader) if reader.kind == PartKind::Depthwise => reader.kernel / 2,
                _ => 0,
            };
            stages.push(Stage {
                operation: lower(isa, part, weights),
                before: Layout::new::<I>(part.output, 0),
                after: Layout::new::<I>(part.output, margin),
                relu: part.relu,
                residual_of: None,
                pooled: false,
            });
        }
        if layer.residual
            && let Some(last) = stages.last_mut()
        {
            last.residual_of = input;
        }
    }
    stages
}

fn lower<I: Isa>(isa: I, part: &Part, weights: &PartWeights) -> Operation<I> {
    let PartWeights { weight, bias, .. } = weights;
    let inputs = part.input.channels;
    match part.kind {
        PartKind::Convolution => {
            let taps = part.kernel;
            let depth = taps * inputs;
            let no_bias = vec![0.0; part.output.channels];
            Operation::Stem {
                weights: PackedProduct::new(isa, &no_bias, depth, |output, row| {
                    weight[output * depth + row % inputs * taps + row / inputs]
                }),
                row_step: part.stride * inputs,
                padding: taps / 2,
                channels: inputs,
                bias: weights.clone(),
            }
        }
        PartKind::Depthwise => {
            Operation::Depthwise(PackedDepthwise::new(isa, weight, bias, part.stride, false))
        }
        PartKind::Pointwise | PartKind::Dense => {
            Operation::Pointwise(PackedProduct::new(isa, bias, inputs, |output, input| {
                weight[output * inputs + input]
            }))
        }
    }
}

impl<I: Isa> ForwardValues<I> {
    pub(super) fn new(isa: I, model: &Model, stages: &[Stage<I>]) -> Self {
        let room = |layout: &Layout| vec![isa.splat(0.0); layout.beat_len()];
        let description = model.description();
        let padding = description.parts().next().map_or(0, |part| part.kernel / 2);
        let input = description.input;
        let maps = Layout::new::<I>(description.feature_maps(), 0);
        Self {
            before: stages.iter().map(|stage| room(&stage.before)).collect(),
            after: stages.iter().map(|stage| room(&stage.after)).collect(),
            window: vec![0.0; (input.samples + 2 * padding) * input.channels],
            context: vec![0.0; input.context],
            pooled: vec![isa.splat(0.0); maps.width],
            samples: input.samples,
        }
    }

    /// One beat through the network; its logits.
    pub(super) fn forward(
        &mut self,
        isa: I,
        stages: &[Stage<I>],
        input: &[f32],
    ) -> [f32; CLASS_COUNT] {
        for (index, stage) in stages.iter().enumerate() {
            self.operate(isa, index, stage, stages, input);
            self.activate(isa, index, stage);
        }
        let last = self.before.last().map_or(&[][..], |values| values);
        let mut logits = [0.0; CLASS_COUNT];
        for (logit, &value) in logits.iter_mut().zip(scalars::<I>(last)) {
            *logit = value;
        }
        logits
    }

    /// What part `index` gave last, after its activation: `[time][vectors of channels]`.
    pub(super) fn activation(&self, index: usize, stages: &[Stage<I>]) -> &[I::F32] {
        let Layout { shape, width, .. } = stages[index].after;
        let first = stages[index].after.at(0, 0);
        &self.after[index][first..first + shape.time * width]
    }

    fn operate(
        &mut self,
        isa: I,
        index: usize,
        stage: &Stage<I>,
        stages: &[Stage<I>],
        input: &[f32],
    ) {
        let output = Output {
            values: &mut self.before[index],
            layout: stage.before,
            relu: false,
            addend: None,
        };
        match &stage.operation {
            Operation::Stem {
                weights,
                row_step,
                padding,
                channels,
                bias,
            } => {
                let (waveform, context) = input.split_at(channels * self.samples);
                for (channel, values) in waveform.chunks_exact(self.samples).enumerate() {
                    let first = padding * channels + channel;
                    for (place, &value) in self.window[first..]
                        .iter_mut()
                        .step_by(*channels)
                        .zip(values)
                    {
                        *place = value;
                    }
                }
                self.context.copy_from_slice(context);
                let rows = Rows {
                    values: &self.window,
                    strides: Strides {
                        first: 0,
                        beat: 0,
                        row: *row_step,
                    },
                };
                weights.run(isa, 1, rows, output);
                add_bias::<I>(bias, context, &stage.before, &mut self.before[index]);
            }
            Operation::Pointwise(weights) => {
                let previous = index - 1;
                let (values, strides) = if stages[previous].pooled {
                    let (first, beat, row) = (0, 0, 0);
                    (&self.pooled, Strides { first, beat, row })
                } else {
                    let from = stages[previous].after;
                    (&self.after[previous], from.scalar_strides::<I>())
                };
                let values = scalars::<I>(values);
                weights.run(isa, 1, Rows { values, strides }, output);
            }
            Operation::Depthwise(weights) => {
                let previous = index - 1;
                let from = (self.after[previous].as_slice(), stages[previous].after);
                weights.run(isa, 1, from, (output.values, stage.before), None);
            }
        }
    }

    fn activate(&mut self, isa: I, index: usize, stage: &Stage<I>) {
        let (earlier, rest) = self.after.split_at_mut(index);
        let Layout { shape, width, .. } = stage.before;
        let first = stage.after.at(0, 0);
        let after = &mut rest[0][first..first + shape.time * width];
        isa.run(Activate {
            before: &self.before[index],
            residual: stage.residual_of.map(|stage| {
                // A layer's input is read by a pointwise part: it has no margin.
                earlier[stage].as_slice()
            }),
            after,
            relu: stage.relu,
        });
        if stage.pooled {
            isa.run(Mean {
                rows: after,
                time: shape.time,
                mean: &mut self.pooled,
            });
        }
    }
}

/// The stem's bias, with the beat's context in it, on every row.
fn add_bias<I: Isa>(bias: &PartWeights, context: &[f32], layout: &Layout, values: &mut [I::F32]) {
    let row_len = layout.width * I::LANES;
    for (channel, &bias_value) in bias.bias.iter().enumerate() {
        let mapped: f32 = bias
            .context
            .get(channel * context.len()..(channel + 1) * context.len())
            .unwrap_or_default()
            .iter()
            .zip(context)
            .map(|(weight, value)| weight * value)
            .sum();
        for row in scalars_mut::<I>(values).chunks_exact_mut(row_len) {
            row[channel] += bias_value + mapped;
        }
    }
}

struct Activate<'a, V> {
    before: &'a [V],
    residual: Option<&'a [V]>,
    after: &'a mut [V],
    relu: bool,
}

impl<I: Isa> Kernel<I> for Activate<'_, I::F32> {
    #[inline(always)]
    fn eval(self, isa: I) {
        for (after, &before) in self.after.iter_mut().zip(self.before) {
            *after = if self.relu { isa.relu(before) } else { before };
        }
        if let Some(residual) = self.residual {
            for (after, &value) in self.after.iter_mut().zip(residual) {
                *after = isa.add(*after, value);
            }
        }
    }
}

struct Mean<'a, V> {
    rows: &'a [V],
    time: usize,
    mean: &'a mut [V],
}

impl<I: Isa> Kernel<I> for Mean<'_, I::F32> {
    #[inline(always)]
    fn eval(self, isa: I) {
        let share = isa.splat(1.0 / self.time as f32);
        let width = self.mean.len();
        for (vector, mean) in self.mean.iter_mut().enumerate() {
            let mut sum = isa.splat(0.0);
            for row in self.rows.chunks_exact(width) {
                sum = isa.add(sum, row[vector]);
            }
            *mean = isa.multiply(sum, share);
        }
    }
}
