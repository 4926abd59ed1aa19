//! Depthwise convolution over time, vectors of channels.
#![expect(
    unsafe_code,
    reason = "reads of the inner loop, whose bounds are checked once before it"
)]

use super::isa::{Isa, Kernel};
use super::layout::Layout;

/// Rows of output summed together.
const MAX_ROWS: usize = 8;

/// Weights per vector of channels: the bias, then the taps.
pub(super) struct PackedDepthwise<I: Isa> {
    packed: Vec<I::F32>,
    taps: usize,
    stride: usize,
    relu: bool,
}

impl<I: Isa> PackedDepthwise<I> {
    /// `weight` is `[channels][taps]`.
    pub(super) fn new(isa: I, weight: &[f32], bias: &[f32], stride: usize, relu: bool) -> Self {
        let taps = weight.len() / bias.len();
        let vectors = bias.len().div_ceil(I::LANES);
        let mut packed = vec![isa.splat(0.0); vectors * (taps + 1)];
        let values = super::isa::scalars_mut::<I>(&mut packed);
        for (channel, (weights, bias)) in weight.chunks_exact(taps).zip(bias).enumerate() {
            let vector = channel / I::LANES * (taps + 1);
            for (row, &value) in [bias].into_iter().chain(weights).enumerate() {
                values[(vector + row) * I::LANES + channel % I::LANES] = value;
            }
        }
        Self {
            packed,
            taps,
            stride,
            relu,
        }
    }

    /// Convolves the first `beats` beats; `from` has a margin of half the taps.
    pub(super) fn run(
        &self,
        isa: I,
        beats: usize,
        (input, from): (&[I::F32], Layout),
        (output, into): (&mut [I::F32], Layout),
    ) {
        isa.run(Convolve {
            weights: self,
            beats,
            input,
            from,
            output,
            into,
        });
    }
}

struct Convolve<'a, I: Isa> {
    weights: &'a PackedDepthwise<I>,
    beats: usize,
    input: &'a [I::F32],
    from: Layout,
    output: &'a mut [I::F32],
    into: Layout,
}

impl<I: Isa> Kernel<I> for Convolve<'_, I> {
    #[inline(always)]
    fn eval(mut self, isa: I) {
        let time = self.into.shape.time;
        let tiles = time.div_ceil(MAX_ROWS);
        for beat in 0..self.beats {
            for vector in 0..self.into.width {
                let mut row = 0;
                for tile in 1..=tiles {
                    let end = time * tile / tiles;
                    match end - row {
                        1 => self.tile::<1>(isa, beat, vector, row),
                        2 => self.tile::<2>(isa, beat, vector, row),
                        3 => self.tile::<3>(isa, beat, vector, row),
                        4 => self.tile::<4>(isa, beat, vector, row),
                        5 => self.tile::<5>(isa, beat, vector, row),
                        6 => self.tile::<6>(isa, beat, vector, row),
                        7 => self.tile::<7>(isa, beat, vector, row),
                        _ => self.tile::<MAX_ROWS>(isa, beat, vector, row),
                    }
                    row = end;
                }
            }
        }
    }
}

impl<I: Isa> Convolve<'_, I> {
    /// `T` rows from `row` on, of one vector of channels.
    #[inline(always)]
    fn tile<const T: usize>(&mut self, isa: I, beat: usize, vector: usize, row: usize) {
        let PackedDepthwise {
            packed,
            taps,
            stride,
            relu,
        } = self.weights;
        let weights = &packed[vector * (taps + 1)..][..=*taps];
        let width = self.from.width;
        let start = beat * self.from.beat_len() + row * stride * width + vector;
        let last = ((T - 1) * stride + taps - 1) * width;
        let input = &self.input[start..][..=last];
        let mut sums = [weights[0]; T];
        for (tap, &weight) in weights[1..].iter().enumerate() {
            for (t, sum) in sums.iter_mut().enumerate() {
                // SAFETY: t <= T - 1 and tap <= taps - 1, so the index is at most `last`, the last
                // one of `input`.
                let value = unsafe { *input.get_unchecked((t * stride + tap) * width) };
                *sum = isa.multiply_add(weight, value, *sum);
            }
        }
        let start = self.into.at(beat, row) + vector;
        for (value, &sum) in self.output[start..]
            .iter_mut()
            .step_by(self.into.width)
            .zip(&sums)
        {
            *value = if *relu { isa.relu(sum) } else { sum };
        }
    }
}
