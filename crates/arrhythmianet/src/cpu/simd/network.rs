//! A network lowered to kernels for one instruction set.

use super::dead_channels::live_parts;
use super::depthwise::PackedDepthwise;
use super::int8::PackedInt8;
use super::isa::{Isa, Kernel, scalars, scalars_mut};
use super::layout::{Layout, Strides};
use super::nonzero_mask::{self, MaskWord};
use super::product::PackedProduct;
use super::sparse::PackedSparse;
use super::tiling::{Addend, Output, Rows};
use crate::CLASS_COUNT;
use crate::classifier::OutputsMut;
use crate::description::{ActivationRange, InputDescription, Layer, Part, PartKind, Shape};
use crate::model::{Model, PartWeights};

/// Beats that go through the network together, layer by layer. All but the first find the weights of a
/// step in the first-level cache, as long as their activations fit there too. One to sixteen measure
/// within 7 % of each other where the second level holds all weights; two is best for V1.
const TILE_BEATS: usize = 2;

/// Activations alive at once: a layer's input (for the residual), what a part reads, what it
/// writes.
const BUFFERS: usize = 3;

/// Sees the number of the beat, the index of the layer, and the layer's output `[channels][time]`.
pub(super) type Observer<'a> = &'a mut dyn FnMut(usize, usize, &[f32]);

/// A network with its weights in the order the kernels read them.
pub(super) struct Network<I: Isa> {
    isa: I,
    window: Window,
    steps: Vec<Step<I>>,
    /// Index in `steps` of the pooling, whose input is the last feature maps.
    pool: usize,
    /// Vectors a buffer holds for a tile of beats.
    buffer_len: usize,
    largest_activation: usize,
    /// Groups of four bytes that a tile's products in 8-bit integers need room for.
    bytes_len: usize,
    /// Words that the non-zero masks of a tile's activations need room for.
    mask_len: usize,
}

/// How the inputs of a batch are laid out for the stem: `[beat][padding + time + padding]` of all
/// waveform channels, without gaps, so that the inputs of a tap sum are consecutive; then the
/// context.
struct Window {
    input: InputDescription,
    padding: usize,
    /// Scalars from beat to beat.
    beat_step: usize,
}

/// One kernel call.
struct Step<I: Isa> {
    operation: Operation<I>,
    source: usize,
    target: usize,
    from: Layout,
    into: Layout,
    /// Buffer of what is added, and where it lies.
    addend: Option<(usize, Strides)>,
    /// The layer whose last kernel this is.
    completes: Option<usize>,
    /// Whether it writes the non-zero mask of its output.
    writes_mask: bool,
}

enum Operation<I: Isa> {
    Product {
        weights: Weights<I>,
        /// Where its inputs lie, in scalars.
        from: Strides,
        relu: bool,
    },
    /// A product that skips the zeros by the mask that the step before wrote.
    Sparse {
        weights: PackedSparse<I>,
        relu: bool,
    },
    Depthwise(PackedDepthwise<I>),
    Pool,
}

/// Weights of a product, in float32 or in 8-bit integers.
enum Weights<I: Isa> {
    Float(PackedProduct<I>),
    Int8(PackedInt8<I>),
}

/// Room for the activations of one tile of beats.
pub(super) struct Workspace<I: Isa> {
    buffers: [Vec<I::F32>; BUFFERS],
    /// Inputs of a product in 8-bit integers.
    bytes: Vec<[u8; 4]>,
    /// Non-zero mask of the last depthwise convolution's output.
    mask: Vec<MaskWord>,
    /// One activation, channel-first.
    observed: Vec<f32>,
}

/// An activation while the network is lowered.
#[derive(Clone, Copy)]
struct Activation {
    buffer: usize,
    layout: Layout,
}

impl<I: Isa> Network<I> {
    pub(super) fn new(isa: I, model: &Model) -> Self {
        let description = model.description();
        let input = description.input;
        let padding = description.parts().next().map_or(0, |part| part.kernel / 2);
        let beat_vectors = (input.len() + 2 * padding * input.channels).div_ceil(I::LANES);
        let mut network = Self {
            isa,
            window: Window {
                input,
                padding,
                beat_step: beat_vectors * I::LANES,
            },
            steps: Vec::new(),
            pool: 0,
            buffer_len: beat_vectors * TILE_BEATS,
            largest_activation: description.largest_activation(),
            bytes_len: 0,
            mask_len: 0,
        };
        let mut ranges = description.int8_ranges();
        let mut current = Activation {
            buffer: 0,
            layout: Layout::new::<I>(input.waveform(), 0),
        };
        // What reads each part's output decides its margin.
        let mut margins = description.parts().skip(1).map(margin_before).chain([0]);
        for (index, (layer, parts)) in description.layers.iter().zip(model.layers()).enumerate() {
            let layer_input = current;
            for (part, weights) in &live_parts(parts) {
                let margin = margins.next().unwrap_or(0);
                let layout = Layout::new::<I>(part.output, margin);
                let context = network.context(part, weights, current);
                let range = match part.kind {
                    PartKind::Pointwise => ranges.next(),
                    _ => None,
                };
                let operation = network.lower(part, weights, current.layout, range);
                let in_use = context.map_or(layer_input.buffer, |(buffer, _)| buffer);
                current = network.push(operation, current, in_use, layout);
                if let Some(step) = network.steps.last_mut() {
                    step.addend = context;
                }
            }
            if layer.parts.is_empty() {
                network.pool = network.steps.len();
                let layout = Layout::new::<I>(layer.output, 0);
                current = network.push(Operation::Pool, current, layer_input.buffer, layout);
            }
            network.complete(index, layer, layer_input);
        }
        network
    }

    /// Adds a step that reads `current` and writes neither to it nor to buffer `in_use`.
    fn push(
        &mut self,
        operation: Operation<I>,
        current: Activation,
        in_use: usize,
        into: Layout,
    ) -> Activation {
        if let (Operation::Sparse { .. }, Some(before)) = (&operation, self.steps.last_mut()) {
            before.writes_mask = true;
            let words = TILE_BEATS * nonzero_mask::words::<I>(&before.into);
            self.mask_len = self.mask_len.max(words);
        }
        let target = (0..BUFFERS)
            .find(|&buffer| buffer != current.buffer && buffer != in_use)
            .unwrap_or(0);
        self.buffer_len = self.buffer_len.max(into.beat_len() * TILE_BEATS);
        self.steps.push(Step {
            operation,
            source: current.buffer,
            target,
            from: current.layout,
            into,
            addend: None,
            completes: None,
            writes_mask: false,
        });
        Activation {
            buffer: target,
            layout: into,
        }
    }

    /// Notes that the last step ends `layer`.
    fn complete(&mut self, index: usize, layer: &Layer, input: Activation) {
        if let Some(step) = self.steps.last_mut() {
            step.completes = Some(index);
            if layer.residual {
                step.addend = Some((input.buffer, input.layout.strides()));
            }
        }
    }

    /// Adds a step that maps the context of each beat, for a part that reads one: what the part adds
    /// to each of its rows.
    fn context(
        &mut self,
        part: &Part,
        weights: &PartWeights,
        input: Activation,
    ) -> Option<(usize, Strides)> {
        if part.context == 0 {
            return None;
        }
        let values = part.context;
        let no_bias = vec![0.0; part.output.channels];
        let operation = Operation::Product {
            weights: Weights::Float(PackedProduct::new(
                self.isa,
                &no_bias,
                values,
                |output, value| weights.context[output * values + value],
            )),
            from: Strides {
                first: self.window.context_start(),
                beat: self.window.beat_step,
                row: 0,
            },
            relu: false,
        };
        let once = Shape {
            time: 1,
            ..part.output
        };
        let mapped = self.push(operation, input, input.buffer, Layout::new::<I>(once, 0));
        let strides = Strides {
            row: 0,
            ..mapped.layout.strides()
        };
        Some((mapped.buffer, strides))
    }

    fn lower(
        &mut self,
        part: &Part,
        weights: &PartWeights,
        from: Layout,
        range: Option<ActivationRange>,
    ) -> Operation<I> {
        let PartWeights { weight, bias, .. } = weights;
        let inputs = part.input.channels;
        match part.kind {
            PartKind::Depthwise => Operation::Depthwise(PackedDepthwise::new(
                self.isa,
                weight,
                bias,
                part.stride,
                part.relu,
            )),
            PartKind::Convolution => {
                let taps = part.kernel;
                let depth = taps * inputs;
                Operation::Product {
                    weights: Weights::Float(PackedProduct::new(
                        self.isa,
                        bias,
                        depth,
                        |output, row| weight[output * depth + row % inputs * taps + row / inputs],
                    )),
                    from: Strides {
                        first: 0,
                        beat: self.window.beat_step,
                        row: part.stride * inputs,
                    },
                    relu: part.relu,
                }
            }
            PartKind::Pointwise if range.is_none() && self.finds_zeros(part) => Operation::Sparse {
                weights: PackedSparse::new(self.isa, bias, inputs, |output, input| {
                    weight[output * inputs + input]
                }),
                relu: part.relu,
            },
            PartKind::Pointwise | PartKind::Dense => Operation::Product {
                weights: self.product(part, weights, range),
                from: from.scalar_strides::<I>(),
                relu: part.relu,
            },
        }
    }

    /// Whether skipping zeros pays for a pointwise convolution: the depthwise convolution before it
    /// has a ReLU, and writes the mask.
    fn finds_zeros(&self, part: &Part) -> bool {
        let before = self.steps.last().map(|step| &step.operation);
        matches!(before, Some(Operation::Depthwise(depthwise)) if depthwise.relu())
            && PackedSparse::<I>::pays(part.input.channels, part.output.channels)
    }

    fn product(
        &mut self,
        part: &Part,
        PartWeights { weight, bias, .. }: &PartWeights,
        range: Option<ActivationRange>,
    ) -> Weights<I> {
        let inputs = part.input.channels;
        let weight = |output: usize, input: usize| weight[output * inputs + input];
        match range {
            None => Weights::Float(PackedProduct::new(self.isa, bias, inputs, weight)),
            Some(range) => {
                let packed = PackedInt8::new(self.isa, bias, inputs, range, weight);
                let rows = TILE_BEATS * part.output.time;
                self.bytes_len = self.bytes_len.max(packed.scratch(rows));
                Weights::Int8(packed)
            }
        }
    }

    pub(super) fn workspace(&self) -> Workspace<I> {
        Workspace {
            buffers: std::array::from_fn(|_| vec![self.isa.splat(0.0); self.buffer_len]),
            bytes: vec![[0; 4]; self.bytes_len],
            mask: vec![MaskWord::default(); self.mask_len],
            observed: vec![0.0; self.largest_activation],
        }
    }

    /// Runs the inputs of all beats.
    pub(super) fn run(
        &self,
        workspace: &mut Workspace<I>,
        windows: &[f32],
        outputs: OutputsMut<'_>,
        mut observe: Option<Observer<'_>>,
    ) {
        let OutputsMut {
            logits,
            pooled,
            feature_maps: maps,
        } = outputs;
        let tile_windows = TILE_BEATS * self.window.input.len();
        let tile_maps = maps.len() / logits.len() * TILE_BEATS;
        let mut maps = maps.chunks_mut(tile_maps.max(1));
        let tile_pooled = pooled.len() / logits.len() * TILE_BEATS;
        let mut pooled = pooled.chunks_mut(tile_pooled.max(1));
        for (tile, (windows, logits)) in windows
            .chunks(tile_windows)
            .zip(logits.chunks_mut(TILE_BEATS))
            .enumerate()
        {
            self.window
                .load(windows, scalars_mut::<I>(&mut workspace.buffers[0]));
            let outputs = OutputsMut {
                logits,
                pooled: pooled.next().unwrap_or_default(),
                feature_maps: maps.next().unwrap_or_default(),
            };
            let first = tile * TILE_BEATS;
            let observe = observe.as_mut().map(|observe| {
                |beat: usize, layer: usize, output: &[f32]| observe(first + beat, layer, output)
            });
            self.run_tile(workspace, outputs, observe);
        }
    }

    fn run_tile(
        &self,
        workspace: &mut Workspace<I>,
        outputs: OutputsMut<'_>,
        mut observe: Option<impl FnMut(usize, usize, &[f32])>,
    ) {
        let OutputsMut {
            logits,
            pooled,
            feature_maps: maps,
        } = outputs;
        let beats = logits.len();
        let Workspace {
            buffers,
            bytes,
            mask,
            observed,
        } = workspace;
        for (index, step) in self.steps.iter().enumerate() {
            if index == self.pool && !maps.is_empty() {
                let values = scalars::<I>(&buffers[step.source]);
                let map_len = step.from.shape.len();
                for (beat, map) in maps.chunks_exact_mut(map_len).enumerate() {
                    channel_first::<I>(values, &step.from, beat, map);
                }
            }
            let mut output = std::mem::take(&mut buffers[step.target]);
            step.run(self.isa, beats, buffers, bytes, mask, &mut output);
            buffers[step.target] = output;
            if index == self.pool && !pooled.is_empty() {
                let values = scalars::<I>(&buffers[step.target]);
                let channels = step.into.shape.channels;
                for (beat, pooled) in pooled.chunks_exact_mut(channels).enumerate() {
                    pooled.copy_from_slice(&values[step.into.at(beat, 0) * I::LANES..][..channels]);
                }
            }
            if let (Some(layer), Some(observe)) = (step.completes, &mut observe) {
                let values = scalars::<I>(&buffers[step.target]);
                let observed = &mut observed[..step.into.shape.len()];
                for beat in 0..beats {
                    channel_first::<I>(values, &step.into, beat, observed);
                    observe(beat, layer, observed);
                }
            }
        }
        if let Some(last) = self.steps.last() {
            let values = scalars::<I>(&buffers[last.target]);
            for (beat, logits) in logits.iter_mut().enumerate() {
                logits.copy_from_slice(&values[last.into.at(beat, 0) * I::LANES..][..CLASS_COUNT]);
            }
        }
    }
}

/// Rows of zeros that `part` needs around its input.
const fn margin_before(part: &Part) -> usize {
    match part.kind {
        PartKind::Depthwise => part.kernel / 2,
        PartKind::Convolution | PartKind::Pointwise | PartKind::Dense => 0,
    }
}

/// One beat of a channel-last activation, channel-first.
fn channel_first<I: Isa>(values: &[f32], layout: &Layout, beat: usize, output: &mut [f32]) {
    let rows = &values[layout.at(beat, 0) * I::LANES..];
    for (channel, output) in output.chunks_exact_mut(layout.shape.time).enumerate() {
        let column = rows[channel..].iter().step_by(layout.width * I::LANES);
        for (output, &value) in output.iter_mut().zip(column) {
            *output = value;
        }
    }
}

impl Window {
    /// Where the context of a beat starts.
    const fn context_start(&self) -> usize {
        self.input.waveform().len() + 2 * self.padding * self.input.channels
    }

    /// Pads and interleaves the channels of each window.
    fn load(&self, inputs: &[f32], output: &mut [f32]) {
        let Shape { channels, time } = self.input.waveform();
        let padding = self.padding * channels;
        let context_start = self.context_start();
        for (input, output) in inputs
            .chunks_exact(self.input.len())
            .zip(output.chunks_exact_mut(self.beat_step))
        {
            let (window, context) = input.split_at(channels * time);
            output[..padding].fill(0.0);
            output[padding + window.len()..context_start].fill(0.0);
            output[context_start..context_start + context.len()].copy_from_slice(context);
            let output = &mut output[padding..padding + window.len()];
            if channels == 1 {
                output.copy_from_slice(window);
                continue;
            }
            for (channel, values) in window.chunks_exact(time).enumerate() {
                for (output, &value) in output[channel..].iter_mut().step_by(channels).zip(values) {
                    *output = value;
                }
            }
        }
    }
}

impl<I: Isa> Step<I> {
    fn run(
        &self,
        isa: I,
        beats: usize,
        buffers: &[Vec<I::F32>],
        bytes: &mut [[u8; 4]],
        mask: &mut [MaskWord],
        output: &mut [I::F32],
    ) {
        let input = buffers[self.source].as_slice();
        self.into.clear_margins(output, beats, isa.splat(0.0));
        match &self.operation {
            Operation::Product {
                weights,
                from,
                relu,
            } => {
                let rows = Rows {
                    values: scalars::<I>(input),
                    strides: *from,
                };
                let output = self.output(buffers, output, *relu);
                match weights {
                    Weights::Float(weights) => weights.run(isa, beats, rows, output),
                    Weights::Int8(weights) => weights.run(isa, beats, rows, bytes, output),
                }
            }
            Operation::Sparse { weights, relu } => {
                let output = self.output(buffers, output, *relu);
                weights.run(isa, beats, (input, self.from), mask, output);
            }
            Operation::Depthwise(weights) => {
                let mask = self.writes_mask.then_some(mask);
                weights.run(isa, beats, (input, self.from), (output, self.into), mask);
            }
            Operation::Pool => isa.run(Pool {
                beats,
                input,
                from: self.from,
                output,
                into: self.into,
            }),
        }
    }

    /// Where the sums of a product go.
    fn output<'a>(
        &self,
        buffers: &'a [Vec<I::F32>],
        values: &'a mut [I::F32],
        relu: bool,
    ) -> Output<'a, I::F32> {
        Output {
            values,
            layout: self.into,
            relu,
            addend: self.addend.map(|(buffer, strides)| Addend {
                values: &buffers[buffer],
                strides,
            }),
        }
    }
}

/// Mean over time.
struct Pool<'a, V> {
    beats: usize,
    input: &'a [V],
    from: Layout,
    output: &'a mut [V],
    into: Layout,
}

impl<I: Isa> Kernel<I> for Pool<'_, I::F32> {
    #[inline(always)]
    fn eval(self, isa: I) {
        let Layout { shape, width, .. } = self.from;
        let share = isa.splat(1.0 / shape.time as f32);
        for beat in 0..self.beats {
            let rows = &self.input[self.from.at(beat, 0)..][..shape.time * width];
            let means = &mut self.output[self.into.at(beat, 0)..][..width];
            for (vector, mean) in means.iter_mut().enumerate() {
                let mut sum = isa.splat(0.0);
                for row in rows.chunks_exact(width) {
                    sum = isa.add(sum, row[vector]);
                }
                *mean = isa.multiply(sum, share);
            }
        }
    }
}
