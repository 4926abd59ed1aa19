//! The way back through the stem, to the samples and to the context.

use super::super::isa::{Isa, scalars};
use super::super::layout::Layout;
use crate::model::description::Part;

/// Of any instruction set.
const MOST_LANES: usize = 16;

/// Values of the samples of one beat, interleaved as the stem reads them, with its padding.
pub(super) const fn interleaved(part: &Part) -> usize {
    (part.input.time + 2 * (part.kernel / 2)) * part.input.channels
}

/// Adds what each tap of each output passes back to the sample it read: `passed` is one beat's
/// `[output][tap * inputs + input]`, `sums` has room for [`interleaved`] values, `waveform` is
/// `[input][sample]`.
pub(super) fn scatter<I: Isa>(
    passed: &[I::F32],
    layout: Layout,
    part: &Part,
    sums: &mut [f32],
    waveform: &mut [f32],
) {
    let (inputs, padding) = (part.input.channels, part.kernel / 2);
    sums.fill(0.0);
    // Outputs far enough apart to have read no sample in common, one after the other: an addition to a
    // value just written would wait for it.
    let apart = part.kernel.div_ceil(part.stride);
    for first in 0..apart {
        let rows = scalars::<I>(passed).chunks_exact(layout.width * I::LANES);
        for (output, row) in rows
            .take(part.output.time)
            .enumerate()
            .skip(first)
            .step_by(apart)
        {
            let read = &mut sums[output * part.stride * inputs..];
            for (sum, value) in read.iter_mut().zip(&row[..part.kernel * inputs]) {
                *sum += value;
            }
        }
    }
    for (input, waveform) in waveform.chunks_exact_mut(part.input.time).enumerate() {
        let of_input = sums[padding * inputs + input..].iter().step_by(inputs);
        for (value, &sum) in waveform.iter_mut().zip(of_input) {
            *value = sum;
        }
    }
}

/// Derivatives with respect to the context, whose `map` `[output][context]` is added at every output
/// position: `before` is one beat's `[time][outputs]`.
pub(super) fn context_back<I: Isa>(
    before: &[I::F32],
    layout: Layout,
    map: &[f32],
    context: &mut [f32],
) {
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
