//! What a ReLU passes back.

use super::super::isa::{Isa, Kernel};
use super::super::layout::Layout;
use super::super::marks;

/// By what a ReLU multiplies a derivative on its way back, told from the values before it: of the beat,
/// and of the beat it is compared with.
pub(super) trait Slope<I: Isa>: Copy {
    fn of(self, isa: I, at: I::F32, from: I::F32) -> I::F32;
}

/// The slope at the beat.
#[derive(Clone, Copy)]
pub(super) struct Own;
/// The slope of the line through the ReLU's graph from the other beat's value to this one's: DeepLIFT's
/// rescale rule.
#[derive(Clone, Copy)]
pub(super) struct Line;
/// What [`Line`] differs from [`Own`] by: nothing where both values are on the same side, which are most.
#[derive(Clone, Copy)]
pub(super) struct LineLessOwn;

impl<I: Isa> Slope<I> for Own {
    #[inline(always)]
    fn of(self, isa: I, at: I::F32, _: I::F32) -> I::F32 {
        let zero = isa.splat(0.0);
        isa.where_above(at, zero, isa.splat(1.0), zero)
    }
}

impl<I: Isa> Slope<I> for Line {
    /// 1 where both are above zero, 0 where both are below; between them the upper one's share of the way.
    #[inline(always)]
    fn of(self, isa: I, at: I::F32, from: I::F32) -> I::F32 {
        /// Added to the way, so that it is not zero.
        const LEAST: f32 = 1e-30;
        let (upper, lower) = (isa.larger(at, from), isa.smaller(at, from));
        let way = isa.add(isa.subtract(upper, lower), isa.splat(LEAST));
        let share = isa.multiply(upper, isa.reciprocal(way));
        isa.smaller(isa.relu(share), isa.splat(1.0))
    }
}

impl<I: Isa> Slope<I> for LineLessOwn {
    #[inline(always)]
    fn of(self, isa: I, at: I::F32, from: I::F32) -> I::F32 {
        isa.subtract(Line.of(isa, at, from), Own.of(isa, at, from))
    }
}

/// Derivatives of some beats through a ReLU, spread out to the rows its part's transposed convolution
/// reads.
pub(super) struct ThroughRelu<'a, I: Isa, S> {
    pub(super) slope: S,
    pub(super) beats: usize,
    /// With respect to the ReLU's output, and the vectors from beat to beat: none where they are the same
    /// for all.
    pub(super) after: (&'a [I::F32], usize),
    /// The beat's values before the ReLU.
    pub(super) at: &'a [I::F32],
    /// Those it is compared with, one beat after the other, or once more its own.
    pub(super) from: &'a [I::F32],
    /// With respect to the ReLU's input.
    pub(super) before: &'a mut [I::F32],
    pub(super) spread: Layout,
    /// Rows of `spread` from one row of the ReLU to the next.
    pub(super) step: usize,
    /// Where it is marked what is not zero of `before`.
    pub(super) marks: Option<&'a mut [u64]>,
}

impl<I: Isa, S: Slope<I>> Kernel<I> for ThroughRelu<'_, I, S> {
    #[inline(always)]
    fn eval(mut self, isa: I) {
        let slope = self.slope;
        let Layout { width, .. } = self.spread;
        let len = self.at.len();
        let rows = len / width;
        for beat in 0..self.beats {
            let after = &self.after.0[beat * self.after.1..][..len];
            let from = &self.from[beat * len..][..len];
            for row in 0..rows {
                let place = row * width;
                let before = &mut self.before[self.spread.at(beat, row * self.step)..][..width];
                let values = after[place..][..width]
                    .iter()
                    .zip(&self.at[place..][..width])
                    .zip(&from[place..][..width]);
                match &mut self.marks {
                    None => {
                        for (before, ((&after, &at), &from)) in before.iter_mut().zip(values) {
                            *before = isa.multiply(after, slope.of(isa, at, from));
                        }
                    }
                    Some(marks) => {
                        let words = marks::row_words::<I>(&self.spread);
                        let mut marks = marks[(beat * rows + row) * words..][..words].iter_mut();
                        let (mut word, mut bits) = (0_u64, 0);
                        for (before, ((&after, &at), &from)) in before.iter_mut().zip(values) {
                            *before = isa.multiply(after, slope.of(isa, at, from));
                            word |= u64::from(isa.nonzero(*before)) << bits;
                            bits += I::LANES;
                            if bits == marks::BITS {
                                if let Some(mark) = marks.next() {
                                    *mark = word;
                                }
                                (word, bits) = (0, 0);
                            }
                        }
                        if let Some(mark) = marks.next() {
                            *mark = word;
                        }
                    }
                }
            }
        }
    }
}
