//! The backward pass: transposed convolutions, from the logits to the input.

use super::super::dead_channels::live_parts;
use super::super::isa::{Isa, Kernel, scalars, scalars_mut};
use super::super::layout::{Layout, Strides};
use super::super::nonzero_mask::{self, MaskWord};
use super::super::product::PackedProduct;
use super::super::sparse::PackedSparse;
use super::super::tiling::{Addend, Output, Rows};
use super::background::{Group, PACKED, TOGETHER};
use super::relu::{Line, LineLessOwn, Own, Slope, ThroughRelu};
use super::stage::ForwardValues;
use super::stem::{self, TransposedStem};
use super::transposed::{self, TransposedDepthwise};
use crate::CLASS_COUNT;
use crate::description::{Part, PartKind, Shape};
use crate::model::{Model, PartWeights};

/// The parts between the pooling and the input, last first, and the head.
pub(super) struct Back<I: Isa> {
    steps: Vec<Step<I>>,
    /// The dense layer's weights `[class][channel]`.
    dense: Vec<f32>,
    maps: Layout,
    /// Derivatives with respect to the last feature maps of any beat.
    head: Vec<I::F32>,
    /// What the first step passes back at the beat itself, where it skips zeros: for another beat only the
    /// few slopes that differ are added to it.
    own: Vec<I::F32>,
    room: Room<I>,
}

/// Room for the derivatives of [`TOGETHER`] beats.
struct Room<I: Isa> {
    /// With respect to a part's output; the next part's in turn.
    front: Vec<I::F32>,
    back: Vec<I::F32>,
    /// With respect to a part's output before its ReLU.
    before: Vec<I::F32>,
    /// Which of them are not zero, where the operation that reads them skips zeros.
    mask: Vec<MaskWord>,
    /// With respect to the output of a layer with a residual, until its input is reached.
    residual: Vec<I::F32>,
}

/// One part.
struct Step<I: Isa> {
    /// Index of the part in the network.
    part: usize,
    operation: Operation<I>,
    relu: bool,
    /// Layout of the derivatives with respect to the part's output.
    from: Layout,
    /// Layout of those before its ReLU, with the margin that the operation reads.
    padded: Layout,
    /// Layout of those with respect to its input.
    into: Layout,
    /// Whether this is the last part of a layer with a residual, and whether the first.
    residual_starts: bool,
    residual_ends: bool,
}

enum Operation<I: Isa> {
    Pointwise(PackedProduct<I>),
    /// Of a part with a ReLU, which passes nothing back where it was closed.
    Sparse(PackedSparse<I>),
    Depthwise(TransposedDepthwise<I>),
    Stem(TransposedStem<I>),
}

/// Derivatives of some beats, and the vectors from one beat's to the next's.
type Derivatives<'a, V> = (&'a [V], usize);

impl<I: Isa> Back<I> {
    pub(super) fn new(isa: I, model: &Model) -> Self {
        let description = model.description();
        let mut steps = Vec::new();
        let mut dense = Vec::new();
        let mut index = 0;
        for (layer, parts) in description.layers.iter().zip(model.layers()) {
            let parts = live_parts(parts);
            let last = parts.len().saturating_sub(1);
            for (number, (part, weights)) in parts.iter().enumerate() {
                if part.kind == PartKind::Dense {
                    dense.clone_from(&weights.weight);
                } else {
                    steps.push(Step {
                        part: index,
                        residual_starts: layer.residual && number == last,
                        residual_ends: layer.residual && number == 0,
                        ..Step::new(isa, part, weights)
                    });
                }
                index += 1;
            }
        }
        steps.reverse();
        let maps = Layout::new::<I>(description.feature_maps(), 0);
        let own = steps.first().filter(|step| step.skips_zeros());
        let own = own.map_or(0, |step| step.into.beat_len());
        Self {
            head: vec![isa.splat(0.0); maps.beat_len()],
            own: vec![isa.splat(0.0); own],
            room: Room::new(isa, &steps),
            maps,
            dense,
            steps,
        }
    }

    /// The parts with a ReLU, last first.
    pub(super) fn relus(&self) -> Vec<usize> {
        let steps = self.steps.iter().filter(|step| step.relu);
        steps.map(|step| step.part).collect()
    }

    /// Derivatives of `sum(logit_weights[k] * logit[k])` at `beat` with respect to the output of part
    /// `until`, `[time][vectors of channels]`.
    pub(super) fn gradient_at(
        &mut self,
        isa: I,
        beat: &ForwardValues<I>,
        logit_weights: &[f32; CLASS_COUNT],
        until: usize,
    ) -> &[I::F32] {
        self.start(logit_weights);
        self.run(isa, beat, None, Some(until), &mut []);
        match self.steps.iter().position(|step| step.part == until) {
            None | Some(0) => &self.head,
            Some(reached) => &self.room.front[..self.steps[reached].from.beat_len()],
        }
    }

    /// Prepares [`Back::run`] of `beat` with beats that it is compared with.
    pub(super) fn start_comparing(
        &mut self,
        isa: I,
        beat: &ForwardValues<I>,
        logit_weights: &[f32; CLASS_COUNT],
    ) {
        self.start(logit_weights);
        if let Some(step) = self.steps.first().filter(|step| step.skips_zeros()) {
            let at = beat.before[step.part].as_slice();
            step.through_relu(isa, Own, 1, (&self.head, 0), (at, at), &mut self.room);
            let derivatives = (self.room.before.as_slice(), 0);
            let output = step.output(&mut self.own, None);
            step.operate(isa, 1, derivatives, &self.room.mask, output);
        }
    }

    /// Derivatives with respect to the input of `beat`, after [`Back::start`]; with a `group` the multipliers
    /// of the rescale rule, one beat of it after the other, after [`Back::start_comparing`]. Only as far as
    /// the output of part `until`, where that is given.
    pub(super) fn run(
        &mut self,
        isa: I,
        beat: &ForwardValues<I>,
        group: Option<&Group<I>>,
        until: Option<usize>,
        inputs: &mut [f32],
    ) {
        let beats = group.map_or(1, |group| group.beats);
        let mut to_come = group.map_or(&[][..], |group| &group.before);
        let room = &mut self.room;
        for (number, step) in self.steps.iter().enumerate() {
            if Some(step.part) == until {
                return;
            }
            let mut front = std::mem::take(&mut room.front);
            let after = if number == 0 {
                (self.head.as_slice(), 0)
            } else {
                (front.as_slice(), step.from.beat_len())
            };
            if step.residual_starts {
                keep(after, beats, step.from.beat_len(), &mut room.residual);
            }
            let at = beat.before[step.part].as_slice();
            let mut addend = None;
            let direct = step.reads_after();
            match group {
                _ if direct => {}
                _ if !step.relu => step.pad(isa, beats, after, room),
                None => step.through_relu(isa, Own, beats, after, (at, at), room),
                Some(_) => {
                    let from;
                    (from, to_come) = to_come.split_at(beats / PACKED * step.from.beat_len());
                    if number == 0 && step.skips_zeros() {
                        step.through_relu(isa, LineLessOwn, beats, after, (at, from), room);
                        addend = Some(self.own.as_slice());
                    } else {
                        step.through_relu(isa, Line, beats, after, (at, from), room);
                    }
                }
            }
            let derivatives = if direct {
                after
            } else {
                (room.before.as_slice(), step.padded.beat_len())
            };
            step.operate(
                isa,
                beats,
                derivatives,
                &room.mask,
                step.output(&mut room.back, addend),
            );
            if let Operation::Stem(transposed) = &step.operation {
                let len = inputs.len() / beats;
                for (beat, input) in inputs.chunks_exact_mut(len).enumerate() {
                    let passed = &room.back[step.into.at(beat, 0)..][..step.into.beat_len()];
                    let before =
                        &room.before[beat * step.padded.beat_len()..][..step.padded.beat_len()];
                    transposed.finish((passed, step.into), (before, step.padded), input);
                }
                room.front = front;
                return;
            }
            if step.residual_ends {
                let count = beats * step.into.beat_len();
                isa.run(Add {
                    values: &room.residual[..count],
                    to: &mut room.back[..count],
                });
            }
            std::mem::swap(&mut front, &mut room.back);
            room.front = front;
        }
    }

    /// Begins with the derivatives of `sum(logit_weights[k] * logit[k])`: through the dense layer and the
    /// mean, the same at every time of every beat.
    pub(super) fn start(&mut self, logit_weights: &[f32; CLASS_COUNT]) {
        let Shape { channels, time } = self.maps.shape;
        let row_len = self.maps.width * I::LANES;
        let values = scalars_mut::<I>(&mut self.head);
        let (first, others) = values.split_at_mut(row_len);
        first.fill(0.0);
        for (weights, share) in self.dense.chunks_exact(channels).zip(logit_weights) {
            for (value, weight) in first.iter_mut().zip(weights) {
                *value += share * weight / time as f32;
            }
        }
        for row in others.chunks_exact_mut(row_len) {
            row.copy_from_slice(first);
        }
    }
}

/// Copies the derivatives of `beats` beats, `len` vectors each.
fn keep<V: Copy>((values, step): Derivatives<'_, V>, beats: usize, len: usize, into: &mut [V]) {
    for (beat, kept) in into.chunks_exact_mut(len).take(beats).enumerate() {
        kept.copy_from_slice(&values[beat * step..][..len]);
    }
}

impl<I: Isa> Room<I> {
    fn new(isa: I, steps: &[Step<I>]) -> Self {
        let largest = |length: fn(&Step<I>) -> usize| steps.iter().map(length).max().unwrap_or(0);
        let from = largest(|step| step.from.beat_len());
        let either = from.max(largest(|step| step.into.beat_len()));
        let room = |vectors: usize| vec![isa.splat(0.0); TOGETHER * vectors];
        Self {
            front: room(either),
            back: room(either),
            before: room(largest(|step| step.padded.beat_len())),
            mask: vec![
                MaskWord::default();
                TOGETHER * largest(|step| nonzero_mask::words::<I>(&step.padded))
            ],
            residual: room(from),
        }
    }
}

impl<I: Isa> Step<I> {
    /// Whether the operation can read the derivatives as they are: there is no ReLU, and nothing to pad.
    const fn reads_after(&self) -> bool {
        !self.relu && matches!(self.operation, Operation::Pointwise(_))
    }

    const fn skips_zeros(&self) -> bool {
        matches!(self.operation, Operation::Sparse(_))
    }

    /// From `after` to the room's `before` where there is no ReLU.
    fn pad(
        &self,
        isa: I,
        beats: usize,
        (after, beat_step): Derivatives<'_, I::F32>,
        room: &mut Room<I>,
    ) {
        self.padded
            .clear_margins(&mut room.before, beats, isa.splat(0.0));
        let width = self.from.width;
        for beat in 0..beats {
            let rows = after[beat * beat_step..][..self.from.beat_len()].chunks_exact(width);
            for (row, values) in rows.enumerate() {
                let place = self.padded.at(beat, row);
                room.before[place..][..width].copy_from_slice(values);
            }
        }
    }

    /// From `after` to the room's `before`, with its mask where the operation reads it; `values` are
    /// those before the ReLU of the beat and of what it is compared with.
    fn through_relu<S: Slope<I, B>, const B: usize>(
        &self,
        isa: I,
        slope: S,
        beats: usize,
        after: Derivatives<'_, I::F32>,
        values: (&[I::F32], &[I::F32]),
        room: &mut Room<I>,
    ) {
        self.padded
            .clear_margins(&mut room.before, beats, isa.splat(0.0));
        isa.run(ThroughRelu {
            slope,
            beats,
            after,
            at: values.0,
            from: values.1,
            before: &mut room.before,
            layout: self.padded,
            mask: self.skips_zeros().then_some(&mut room.mask),
        });
    }

    const fn output<'a>(
        &self,
        values: &'a mut [I::F32],
        addend: Option<&'a [I::F32]>,
    ) -> Output<'a, I::F32> {
        Output {
            values,
            layout: self.into,
            relu: false,
            addend: match addend {
                // The same for every beat.
                Some(values) => Some(Addend {
                    values,
                    strides: Strides {
                        first: 0,
                        beat: 0,
                        row: self.into.width,
                    },
                }),
                None => None,
            },
        }
    }

    /// The transposed convolution.
    fn operate(
        &self,
        isa: I,
        beats: usize,
        (values, beat_step): Derivatives<'_, I::F32>,
        mask: &[MaskWord],
        output: Output<'_, I::F32>,
    ) {
        match &self.operation {
            Operation::Pointwise(weights) => {
                let rows = Rows {
                    values: scalars::<I>(values),
                    strides: Strides {
                        first: 0,
                        beat: beat_step * I::LANES,
                        row: self.padded.width * I::LANES,
                    },
                };
                weights.run(isa, beats, rows, output);
            }
            Operation::Sparse(weights) => {
                weights.run(isa, beats, (values, self.padded), mask, output);
            }
            Operation::Stem(weights) => {
                weights.run(isa, beats, (values, self.padded), output);
            }
            Operation::Depthwise(weights) => {
                let output = (output.values, self.into);
                weights.run(isa, beats, (values, self.padded), output);
            }
        }
    }

    fn new(isa: I, part: &Part, weights: &PartWeights) -> Self {
        let weight = &weights.weight;
        let (inputs, outputs) = (part.input.channels, part.output.channels);
        let from = Layout::new::<I>(part.output, 0);
        let (operation, padded, into) = match part.kind {
            PartKind::Convolution => (
                Operation::Stem(TransposedStem::new(isa, part, weight, &weights.context)),
                Layout::new::<I>(part.output, stem::margin::<I>(part)),
                stem::samples::<I>(part),
            ),
            PartKind::Depthwise => (
                Operation::Depthwise(TransposedDepthwise::new(isa, part, weight)),
                Layout::new::<I>(part.output, transposed::margin(part)),
                Layout::new::<I>(part.input, 0),
            ),
            PartKind::Pointwise | PartKind::Dense => {
                let no_bias = vec![0.0; inputs];
                let transposed = |input: usize, output: usize| weight[output * inputs + input];
                let skips = part.relu && PackedSparse::<I>::pays(outputs, inputs);
                let operation = if skips {
                    Operation::Sparse(PackedSparse::new(isa, &no_bias, outputs, transposed))
                } else {
                    Operation::Pointwise(PackedProduct::new(isa, &no_bias, outputs, transposed))
                };
                (operation, from, Layout::new::<I>(part.input, 0))
            }
        };
        Self {
            part: 0,
            operation,
            relu: part.relu,
            from,
            padded,
            into,
            residual_starts: false,
            residual_ends: false,
        }
    }
}

struct Add<'a, V> {
    values: &'a [V],
    to: &'a mut [V],
}

impl<I: Isa> Kernel<I> for Add<'_, I::F32> {
    #[inline(always)]
    fn eval(self, isa: I) {
        for (to, &value) in self.to.iter_mut().zip(self.values) {
            *to = isa.add(*to, value);
        }
    }
}
