//! Depthwise convolution over time, vectors of channels.
#![expect(
    unsafe_code,
    reason = "reads of the inner loop, whose bounds are checked once before it"
)]

use super::isa::{Isa, Kernel};
use super::layout::Layout;
use super::nonzero_mask::{self, MaskWord};

/// Taps of the shipped networks: their weights stay in registers over all of time.
const USUAL_TAPS: usize = 7;
/// In the backward pass through a stride of 2, odd rows met the odd taps and even rows the even ones.
const ODD_TAPS: usize = USUAL_TAPS / 2;
const EVEN_TAPS: usize = USUAL_TAPS - ODD_TAPS;

/// Rows summed together: each sum is a dependency chain, and several run at once. x86-64 processors
/// overlap the chains of consecutive rows by themselves, and lack registers for the addresses of more.
const ROWS: usize = if cfg!(target_arch = "x86_64") { 1 } else { 4 };

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

    /// How many rows that are.
    const fn rows(&self, into: &Layout) -> usize {
        into.shape
            .time
            .saturating_sub(self.first)
            .div_ceil(self.step)
    }
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

    /// Computes only the rows of `phase`, and writes no mask.
    pub(super) fn with_phase(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }

    /// Whether its output is that of a ReLU.
    pub(super) const fn relu(&self) -> bool {
        self.relu
    }

    /// Convolves the first `beats` beats; `from` has a margin that all taps find rows in. Writes the
    /// non-zero mask of the output where there is room for one.
    pub(super) fn run(
        &self,
        isa: I,
        beats: usize,
        (input, from): (&[I::F32], Layout),
        (output, into): (&mut [I::F32], Layout),
        mask: Option<&mut [MaskWord]>,
    ) {
        let time = self.phase.rows(&into);
        if time == 0 {
            return;
        }
        let convolve = Convolve {
            weights: self,
            beats,
            time,
            input,
            from,
            output,
            into,
            mask,
        };
        // Compiled separately, so that the addresses are in registers, too.
        match (self.taps, self.stride, self.relu) {
            (USUAL_TAPS, 1, true) => isa.run(Known::<I, { USUAL_TAPS + 1 }, 1, true>(convolve)),
            (USUAL_TAPS, 2, true) => isa.run(Known::<I, { USUAL_TAPS + 1 }, 2, true>(convolve)),
            (USUAL_TAPS, 1, false) => isa.run(Known::<I, { USUAL_TAPS + 1 }, 1, false>(convolve)),
            (ODD_TAPS, 1, false) => isa.run(Known::<I, { ODD_TAPS + 1 }, 1, false>(convolve)),
            (EVEN_TAPS, 1, false) => isa.run(Known::<I, { EVEN_TAPS + 1 }, 1, false>(convolve)),
            _ => isa.run(convolve),
        }
    }
}

struct Convolve<'a, I: Isa> {
    weights: &'a PackedDepthwise<I>,
    beats: usize,
    /// Rows of each beat to compute, one at least.
    time: usize,
    input: &'a [I::F32],
    from: Layout,
    output: &'a mut [I::F32],
    into: Layout,
    mask: Option<&'a mut [MaskWord]>,
}

/// The same with a constant number of weights (the bias and the taps), so that they stay in registers
/// over all of time, and without branches for each row.
struct Known<'a, I: Isa, const WEIGHTS: usize, const STRIDE: usize, const RELU: bool>(
    Convolve<'a, I>,
);

impl<I: Isa> Kernel<I> for Convolve<'_, I> {
    #[inline(always)]
    fn eval(mut self, isa: I) {
        let PackedDepthwise {
            packed,
            taps,
            stride,
            relu,
            ..
        } = self.weights;
        for beat in 0..self.beats {
            let mut beat = self.beat(beat);
            for (vector, weights) in packed.chunks_exact(taps + 1).enumerate() {
                let taps = Taps {
                    weights,
                    stride: *stride,
                    relu: *relu,
                };
                beat.column(isa, vector, taps);
            }
        }
    }
}

impl<I: Isa, const WEIGHTS: usize, const STRIDE: usize, const RELU: bool> Kernel<I>
    for Known<'_, I, WEIGHTS, STRIDE, RELU>
{
    #[inline(always)]
    fn eval(self, isa: I) {
        let Self(mut convolve) = self;
        let (weights, _) = convolve.weights.packed.as_chunks::<WEIGHTS>();
        for beat in 0..convolve.beats {
            let mut beat = convolve.beat(beat);
            for (vector, weights) in weights.iter().enumerate() {
                let weights = *weights;
                let taps = Taps {
                    weights: &weights,
                    stride: STRIDE,
                    relu: RELU,
                };
                beat.column(isa, vector, taps);
            }
        }
    }
}

impl<I: Isa> Convolve<'_, I> {
    #[inline(always)]
    fn beat(&mut self, beat: usize) -> Beat<'_, I> {
        let Phase { first, step, read } = self.weights.phase;
        let PackedDepthwise { taps, stride, .. } = self.weights;
        let (time, width, step) = (self.time, self.from.width, step * self.into.width);
        let rows_read = (time - 1) * stride + taps;
        let written = (time - 1) * step + width;
        let words = nonzero_mask::row_words::<I>(&self.into);
        assert_eq!(
            width, self.into.width,
            "a depthwise convolution keeps the channels"
        );
        Beat {
            time,
            width,
            input: &self.input[beat * self.from.beat_len() + read * width..][..rows_read * width],
            output: &mut self.output[self.into.at(beat, first)..][..written],
            step,
            mask: self.mask.as_mut().map(|mask| {
                &mut mask[nonzero_mask::at::<I>(&self.into, beat, 0)..][..time * words]
            }),
            words,
        }
    }
}

/// What the rows of one vector of channels are multiplied with.
#[derive(Clone, Copy)]
struct Taps<'a, V> {
    /// The bias, then the taps.
    weights: &'a [V],
    stride: usize,
    relu: bool,
}

/// One beat's rows.
struct Beat<'a, I: Isa> {
    /// Rows of the output, one at least.
    time: usize,
    /// Vectors in a row.
    width: usize,
    /// As many rows as are read, each `width` long.
    input: &'a [I::F32],
    output: &'a mut [I::F32],
    /// Vectors from row to row of the output.
    step: usize,
    mask: Option<&'a mut [MaskWord]>,
    /// Words of the mask in a row.
    words: usize,
}

impl<I: Isa> Beat<'_, I> {
    /// One vector of channels over all of time.
    #[inline(always)]
    fn column(&mut self, isa: I, vector: usize, taps: Taps<'_, I::F32>) {
        let last = self.time - 1;
        let rows_read = last * taps.stride + taps.weights.len() - 1;
        assert!(vector < self.width && rows_read * self.width <= self.input.len());
        assert!(last * self.step + vector < self.output.len());
        let mut row = 0;
        while row + ROWS <= self.time {
            // SAFETY: the assertions.
            unsafe { self.rows::<ROWS>(isa, (row, vector), taps) };
            row += ROWS;
        }
        while ROWS > 1 && row < self.time {
            // SAFETY: as above.
            unsafe { self.rows::<1>(isa, (row, vector), taps) };
            row += 1;
        }
    }

    /// `T` rows of it.
    ///
    /// # Safety
    /// All rows that these read are there, and the output's rows as well, of which `vector` is one vector.
    #[inline(always)]
    unsafe fn rows<const T: usize>(
        &mut self,
        isa: I,
        (row, vector): (usize, usize),
        Taps {
            weights,
            stride,
            relu,
        }: Taps<'_, I::F32>,
    ) {
        debug_assert!(
            ((row + T - 1) * stride + weights.len() - 2) * self.width + vector < self.input.len()
                && (row + T - 1) * self.step + vector < self.output.len()
        );
        let mut sums = [weights[0]; T];
        for (tap, &weight) in weights[1..].iter().enumerate() {
            for (t, sum) in sums.iter_mut().enumerate() {
                let at = ((row + t) * stride + tap) * self.width + vector;
                // SAFETY: the caller's promise.
                *sum = isa.multiply_add(weight, unsafe { *self.input.get_unchecked(at) }, *sum);
            }
        }
        for (t, &sum) in sums.iter().enumerate() {
            let sum = if relu { isa.relu(sum) } else { sum };
            if let Some(mask) = &mut self.mask {
                // SAFETY: there are words for all rows of the output, which are as wide as the input's.
                unsafe { nonzero_mask::set_bits(isa, mask, ((row + t) * self.words, vector), sum) };
            }
            // SAFETY: the caller's promise.
            unsafe {
                *self
                    .output
                    .get_unchecked_mut((row + t) * self.step + vector) = sum;
            };
        }
    }
}
