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
/// On the way back through a stride of 2 rows have met the odd ones and the even ones in turn.
const ODD_TAPS: usize = USUAL_TAPS / 2;
const EVEN_TAPS: usize = USUAL_TAPS - ODD_TAPS;

/// Rows of output summed together: as many as leave room for those weights in 16 registers.
const ROWS: usize = 8;

/// Weights per vector of channels: the bias, then the taps.
pub(super) struct PackedDepthwise<I: Isa> {
    packed: Vec<I::F32>,
    taps: usize,
    stride: usize,
    relu: bool,
    phase: Phase,
}

/// Which rows of the output are computed, from where.
#[derive(Clone, Copy)]
pub(super) struct Phase {
    /// The first one, and how many rows each is after the one before.
    pub(super) first: usize,
    pub(super) step: usize,
    /// Where the first one's first tap reads: rows from the start of the margin.
    pub(super) read: usize,
}

impl Phase {
    /// All of them, where the margin is half the taps.
    const ALL: Self = Self {
        first: 0,
        step: 1,
        read: 0,
    };
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
            phase: Phase::ALL,
        }
    }

    /// Computes only the rows of `phase`, and marks nothing.
    pub(super) fn with_phase(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// Whether its output is that of a ReLU.
    pub(super) const fn relu(&self) -> bool {
        self.relu
    }

    /// Convolves the first `beats` beats; `from` has a margin that all taps find rows in. Marks what is not
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
                // The same code: where the numbers are known, the compiler unrolls it and reads
                // each input once.
                match (taps, stride) {
                    (USUAL_TAPS, 1) => {
                        self.column::<{ USUAL_TAPS + 1 }>(isa, beat, vector, weights, 1);
                    }
                    (USUAL_TAPS, 2) => {
                        self.column::<{ USUAL_TAPS + 1 }>(isa, beat, vector, weights, 2);
                    }
                    (ODD_TAPS, 1) => self.column::<{ ODD_TAPS + 1 }>(isa, beat, vector, weights, 1),
                    (EVEN_TAPS, 1) => {
                        self.column::<{ EVEN_TAPS + 1 }>(isa, beat, vector, weights, 1);
                    }
                    _ => self.rows(isa, beat, vector, weights, *stride),
                }
            }
        }
    }
}

impl<I: Isa> Convolve<'_, I> {
    /// As [`Self::rows`] with so many weights.
    #[inline(always)]
    fn column<const WEIGHTS: usize>(
        &mut self,
        isa: I,
        beat: usize,
        vector: usize,
        weights: &[I::F32],
        stride: usize,
    ) {
        if let Some(weights) = weights.first_chunk::<WEIGHTS>() {
            let weights = *weights;
            self.rows(isa, beat, vector, &weights, stride);
        }
    }

    /// One vector of channels over all of time; `weights` are the bias and the taps.
    #[inline(always)]
    fn rows(&mut self, isa: I, beat: usize, vector: usize, weights: &[I::F32], stride: usize) {
        let Phase { first, step, .. } = self.weights.phase;
        let time = self.into.shape.time.saturating_sub(first).div_ceil(step);
        let mut row = 0;
        while row + ROWS <= time {
            self.tile::<ROWS>(isa, beat, vector, row, weights, stride);
            row += ROWS;
        }
        while row < time {
            self.tile::<1>(isa, beat, vector, row, weights, stride);
            row += 1;
        }
    }

    /// `T` of the rows from the `row`th on.
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
        let Phase { first, step, read } = self.weights.phase;
        let start = beat * self.from.beat_len() + (read + row * stride) * width + vector;
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
        let output = &mut self.output[self.into.at(beat, first + row * step) + vector..];
        for (t, &sum) in sums.iter().enumerate() {
            output[t * step * self.into.width] = sum;
        }
    }
}
