//! Depthwise convolution over time, vectors of channels.
#![expect(
    unsafe_code,
    reason = "reads of the inner loop, whose bounds are checked once before it"
)]

use super::isa::{Isa, Kernel};
use super::layout::Layout;
use super::marks;

/// Taps of the shipped networks: their weights stay in registers over all of time.
const USUAL_TAPS: usize = 7;

/// Rows of output summed together: as many as leave room for those weights in 16 registers. Twice as
/// many with 32.
const ROWS: usize = 4;

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

    /// Whether its output is that of a ReLU.
    pub(super) const fn relu(&self) -> bool {
        self.relu
    }

    /// Convolves the first `beats` beats; `from` has a margin of half the taps. Marks what is not
    /// zero of the output where there is room for `marks`.
    pub(super) fn run(
        &self,
        isa: I,
        beats: usize,
        (input, from): (&[I::F32], Layout),
        (output, into): (&mut [I::F32], Layout),
        marks: Option<&mut [u64]>,
    ) {
        isa.run(Convolve {
            weights: self,
            beats,
            input,
            from,
            output,
            into,
            marks,
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
    marks: Option<&'a mut [u64]>,
}

impl<I: Isa> Kernel<I> for Convolve<'_, I> {
    #[inline(always)]
    fn eval(mut self, isa: I) {
        let PackedDepthwise { packed, stride, .. } = self.weights;
        let taps = self.weights.taps;
        for beat in 0..self.beats {
            for (vector, weights) in packed.chunks_exact(taps + 1).enumerate() {
                let usual = <[I::F32; USUAL_TAPS + 1]>::try_from(weights);
                // The same code: where the numbers are known, the compiler unrolls it and reads
                // each input once.
                match (usual, stride) {
                    (Ok(weights), 1) => self.column(isa, beat, vector, &weights, 1),
                    (Ok(weights), 2) => self.column(isa, beat, vector, &weights, 2),
                    _ => self.column(isa, beat, vector, weights, *stride),
                }
            }
        }
    }
}

impl<I: Isa> Convolve<'_, I> {
    /// One vector of channels over all of time; `weights` are the bias and the taps.
    #[inline(always)]
    fn column(&mut self, isa: I, beat: usize, vector: usize, weights: &[I::F32], stride: usize) {
        let time = self.into.shape.time;
        let mut row = 0;
        if const { I::REGISTERS >= 32 } {
            while row + 2 * ROWS <= time {
                self.tile::<{ 2 * ROWS }>(isa, beat, vector, row, weights, stride);
                row += 2 * ROWS;
            }
        }
        while row + ROWS <= time {
            self.tile::<ROWS>(isa, beat, vector, row, weights, stride);
            row += ROWS;
        }
        while row < time {
            self.tile::<1>(isa, beat, vector, row, weights, stride);
            row += 1;
        }
    }

    /// `T` rows from `row` on.
    #[inline(always)]
    fn tile<const T: usize>(
        &mut self,
        isa: I,
        beat: usize,
        vector: usize,
        row: usize,
        weights: &[I::F32],
        stride: usize,
    ) {
        let width = self.from.width;
        let (bias, taps) = (weights[0], &weights[1..]);
        let start = beat * self.from.beat_len() + row * stride * width + vector;
        let last = ((T - 1) * stride + taps.len() - 1) * width;
        let input = &self.input[start..][..=last];
        let mut sums = [bias; T];
        for (t, sum) in sums.iter_mut().enumerate() {
            for (tap, &weight) in taps.iter().enumerate() {
                // SAFETY: t <= T - 1 and tap <= taps.len() - 1, so the index is at most `last`,
                // the last one of `input`.
                let value = unsafe { *input.get_unchecked((t * stride + tap) * width) };
                *sum = isa.multiply_add(weight, value, *sum);
            }
        }
        if self.weights.relu {
            for sum in &mut sums {
                *sum = isa.relu(*sum);
            }
        }
        if let Some(marks) = &mut self.marks {
            marks::mark(isa, marks, &self.into, (beat, row, vector), &sums);
        }
        let output = &mut self.output[self.into.at(beat, row) + vector..];
        for (t, &sum) in sums.iter().enumerate() {
            output[t * self.into.width] = sum;
        }
    }
}
