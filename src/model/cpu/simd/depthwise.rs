//! Depthwise convolution over time, vectors of channels.
#![expect(
    unsafe_code,
    reason = "reads of the inner loop, whose bounds are checked once before it"
)]

use super::isa::{Isa, Kernel};
use super::layout::Layout;

/// Taps of the shipped networks: their weights stay in registers over all of time.
const USUAL_TAPS: usize = 7;

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
        let weights = self.weights;
        for beat in 0..self.beats {
            for (vector, weights) in weights.packed.chunks_exact(weights.taps + 1).enumerate() {
                let (bias, taps) = (weights[0], &weights[1..]);
                if let Ok(&taps) = <&[I::F32; USUAL_TAPS]>::try_from(taps) {
                    self.column(isa, beat, vector, bias, &taps);
                } else {
                    self.column(isa, beat, vector, bias, taps);
                }
            }
        }
    }
}

impl<I: Isa> Convolve<'_, I> {
    /// One vector of channels over all of time. Each sum waits for itself only: the processor
    /// works on many rows at once without being told.
    #[inline(always)]
    fn column(&mut self, isa: I, beat: usize, vector: usize, bias: I::F32, taps: &[I::F32]) {
        let width = self.from.width;
        let step = self.weights.stride * width;
        let time = self.into.shape.time;
        let last = (time - 1) * step + (taps.len() - 1) * width;
        let input = &self.input[beat * self.from.beat_len() + vector..][..=last];
        let output = &mut self.output[self.into.at(beat, 0) + vector..];
        let output = output.iter_mut().step_by(self.into.width).take(time);
        for (row, output) in output.enumerate() {
            let mut sum = bias;
            for (tap, &weight) in taps.iter().enumerate() {
                // SAFETY: row <= time - 1 and tap <= taps.len() - 1, so the index is at most
                // `last`, the last one of `input`.
                let value = unsafe { *input.get_unchecked(row * step + tap * width) };
                sum = isa.multiply_add(weight, value, sum);
            }
            *output = if self.weights.relu {
                isa.relu(sum)
            } else {
                sum
            };
        }
    }
}
