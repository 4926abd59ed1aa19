//! The backward pass through the stem, to the samples and to the context.

use super::super::isa::{Isa, scalars};
use super::super::layout::{Layout, Strides};
use super::super::product::PackedProduct;
use super::super::tiling::{Output, Rows};
use crate::description::{Part, Shape};

/// Of any instruction set.
const MOST_LANES: usize = 16;

/// Transposed convolution of the stem. Samples side by side, as many as fill a vector, are a row of a
/// product: of all outputs that have read one of them, which lie one behind the other.
pub(super) struct TransposedStem<I: Isa> {
    product: PackedProduct<I>,
    block: Block,
    part: Part,
    /// `[output][context]`.
    context: Vec<f32>,
}

/// Samples that are computed together.
#[derive(Clone, Copy)]
struct Block {
    /// Outputs whose place they are.
    outputs: usize,
    /// Outputs before those, and behind them, that have read some of them too.
    before: usize,
    behind: usize,
}

impl Block {
    const fn new<I: Isa>(part: &Part) -> Self {
        let (of_output, padding) = (part.stride * part.input.channels, part.kernel / 2);
        Self {
            outputs: I::LANES.div_ceil(of_output),
            before: (part.kernel - 1 - padding) / part.stride,
            behind: padding.div_ceil(part.stride),
        }
    }

    /// In a beat.
    const fn count(&self, part: &Part) -> usize {
        part.output.time.div_ceil(self.outputs)
    }

    const fn outputs_read(&self) -> usize {
        self.before + self.outputs + self.behind
    }
}

/// Rows of zeros around the derivatives that are read.
pub(super) fn margin<I: Isa>(part: &Part) -> usize {
    let block = Block::new::<I>(part);
    let beyond = block.count(part) * block.outputs - part.output.time;
    block.before.max(block.behind + beyond)
}

/// Layout of the output of [`TransposedStem::run`]: the samples of a block, interleaved, in each row.
pub(super) fn samples<I: Isa>(part: &Part) -> Layout {
    let block = Block::new::<I>(part);
    let shape = Shape {
        channels: block.outputs * part.stride * part.input.channels,
        time: block.count(part),
    };
    Layout::new::<I>(shape, 0)
}

impl<I: Isa> TransposedStem<I> {
    /// `weight` is `[outputs][inputs][taps]`, `context` `[outputs][context]`.
    pub(super) fn new(isa: I, part: &Part, weight: &[f32], context: &[f32]) -> Self {
        let block = Block::new::<I>(part);
        let (inputs, outputs, taps) = (part.input.channels, part.output.channels, part.kernel);
        let row_len = outputs.next_multiple_of(I::LANES);
        let no_bias = vec![0.0; samples::<I>(part).shape.channels];
        let weight = |place: usize, read: usize| {
            let (sample, input) = (place / inputs, place % inputs);
            let (row, output) = (read / row_len, read % row_len);
            let centre = sample + taps / 2 + block.before * part.stride;
            match centre.checked_sub(row * part.stride) {
                Some(tap) if tap < taps && output < outputs => {
                    weight[(output * inputs + input) * taps + tap]
                }
                _ => 0.0,
            }
        };
        Self {
            product: PackedProduct::new(isa, &no_bias, block.outputs_read() * row_len, weight),
            block,
            part: *part,
            context: context.to_vec(),
        }
    }

    /// From the first `beats` beats' derivatives with respect to the output, with a margin of [`margin`]
    /// rows, to those with respect to the samples, laid out by [`samples`].
    pub(super) fn run(
        &self,
        isa: I,
        beats: usize,
        (values, from): (&[I::F32], Layout),
        output: Output<'_, I::F32>,
    ) {
        let row_len = from.width * I::LANES;
        let rows = Rows {
            values: scalars::<I>(values),
            strides: Strides {
                first: (from.margin - self.block.before) * row_len,
                beat: from.beat_len() * I::LANES,
                row: self.block.outputs * row_len,
            },
        };
        self.product.run(isa, beats, rows, output);
    }

    /// Derivatives of one beat with respect to its input `[input][sample]` and context, from what
    /// [`TransposedStem::run`] has written and from what it has read.
    pub(super) fn finish(
        &self,
        (passed, into): (&[I::F32], Layout),
        (before, from): (&[I::F32], Layout),
        input: &mut [f32],
    ) {
        let (waveform, context) = input.split_at_mut(self.part.input.len());
        let (inputs, time) = (self.part.input.channels, self.part.input.time);
        let rows = scalars::<I>(passed).chunks_exact(into.width * I::LANES);
        for (input, waveform) in waveform.chunks_exact_mut(time).enumerate() {
            let blocks = waveform.chunks_mut(self.block.outputs * self.part.stride);
            for (block, row) in blocks.zip(rows.clone()) {
                if inputs == 1 {
                    block.copy_from_slice(&row[..block.len()]);
                    continue;
                }
                let of_input = row[input..].iter().step_by(inputs);
                for (value, &sample) in block.iter_mut().zip(of_input) {
                    *value = sample;
                }
            }
        }
        context_back::<I>(before, from, &self.context, context);
    }
}

/// Derivatives with respect to the context, whose `map` `[output][context]` is added at every output
/// position: `before` is one beat's `[time][outputs]`.
fn context_back<I: Isa>(before: &[I::F32], layout: Layout, map: &[f32], context: &mut [f32]) {
    context.fill(0.0);
    if context.is_empty() {
        return;
    }
    let row = layout.width * I::LANES;
    let rows = scalars::<I>(before).chunks_exact(row);
    for (vector, weights) in map.chunks(I::LANES * context.len()).enumerate() {
        let mut sums = [0.0; MOST_LANES];
        for row in rows.clone() {
            for (sum, value) in sums.iter_mut().zip(&row[vector * I::LANES..][..I::LANES]) {
                *sum += value;
            }
        }
        for (sum, weights) in sums.iter().zip(weights.chunks_exact(context.len())) {
            for (value, weight) in context.iter_mut().zip(weights) {
                *value += weight * sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::isa::{on_every_isa, scalars_mut};
    use super::*;
    use crate::SplitMix64;
    use crate::description::PartKind;

    const BEATS: usize = 2;

    fn check_all<I: Isa>(isa: I) {
        for kernel in [1, 3, 7] {
            for stride in [1, 2, 3] {
                for inputs in [1, 2, 3] {
                    for time in [1, 16, 33] {
                        check(isa, (kernel, stride), (inputs, time));
                    }
                }
            }
        }
    }

    /// Against the sum over all outputs that have read a sample, and over all their places, in float64.
    fn check<I: Isa>(isa: I, (kernel, stride): (usize, usize), (inputs, time): (usize, usize)) {
        const OUTPUTS: usize = 5;
        const CONTEXT: usize = 2;
        let shape = |channels, time| Shape { channels, time };
        let part = Part {
            name: "stem",
            kind: PartKind::Convolution,
            input: shape(inputs, time),
            output: shape(OUTPUTS, time.div_ceil(stride)),
            kernel,
            stride,
            relu: true,
            context: CONTEXT,
        };
        let mut random = SplitMix64::new(5);
        let weight = random.values(OUTPUTS * inputs * kernel);
        let context = random.values(OUTPUTS * CONTEXT);
        let from = Layout::new::<I>(part.output, margin::<I>(&part));
        let into = samples::<I>(&part);
        let mut values = vec![isa.splat(0.0); BEATS * from.beat_len()];
        for beat in 0..BEATS {
            for row in 0..part.output.time {
                let place = from.at(beat, row) * I::LANES;
                let of_row = random.values(OUTPUTS);
                scalars_mut::<I>(&mut values)[place..][..OUTPUTS].copy_from_slice(&of_row);
            }
        }
        let stem = TransposedStem::new(isa, &part, &weight, &context);
        let mut passed = vec![isa.splat(f32::NAN); BEATS * into.beat_len()];
        let output = Output {
            values: &mut passed,
            layout: into,
            relu: false,
            addend: None,
        };
        stem.run(isa, BEATS, (&values, from), output);
        for beat in 0..BEATS {
            let of_beat = |values: &[I::F32], layout: Layout| {
                values[beat * layout.beat_len()..][..layout.beat_len()].to_vec()
            };
            let (passed, read) = (of_beat(&passed, into), of_beat(&values, from));
            let mut found = vec![f32::NAN; inputs * time + CONTEXT];
            stem.finish((&passed, into), (&read, from), &mut found);
            let value = |row: usize, output: usize| {
                f64::from(scalars::<I>(&values)[from.at(beat, row) * I::LANES + output])
            };
            let mut expected = vec![0.0; found.len()];
            for row in 0..part.output.time {
                for output in 0..OUTPUTS {
                    for (number, weight) in weight[output * inputs * kernel..][..inputs * kernel]
                        .iter()
                        .enumerate()
                    {
                        let (input, tap) = (number / kernel, number % kernel);
                        let sample = (row * stride + tap).checked_sub(kernel / 2);
                        if let Some(sample) = sample.filter(|&sample| sample < time) {
                            expected[input * time + sample] +=
                                f64::from(*weight) * value(row, output);
                        }
                    }
                    for number in 0..CONTEXT {
                        expected[inputs * time + number] +=
                            f64::from(context[output * CONTEXT + number]) * value(row, output);
                    }
                }
            }
            for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert!(
                    (f64::from(*found) - expected).abs() < 1e-5,
                    "kernel {kernel}, stride {stride}, {inputs} inputs, {time} samples, beat {beat}, \
                     place {place}: {found} for {expected}"
                );
            }
        }
    }

    #[test]
    fn every_sample_gets_what_the_outputs_that_read_it_pass_back() {
        on_every_isa!(check_all);
    }
}
