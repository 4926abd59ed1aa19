//! A ReLU in the backward pass.
#![expect(
    unsafe_code,
    reason = "the mask is written unchecked, its bounds are checked once before the loop"
)]

use super::super::isa::{Isa, Kernel};
use super::super::layout::Layout;
use super::super::nonzero_mask::{self, MaskWord};
use super::background::PACKED;

/// The factor of a ReLU in the backward pass of `B` beats, from the values before the ReLU: of the beat,
/// and of the beats it is compared with.
pub(super) trait Slope<I: Isa, const B: usize>: Copy {
    fn slopes(self, isa: I, at: I::F32, from: I::F32) -> [I::F32; B];
}

/// The slope at the beat.
#[derive(Clone, Copy)]
pub(super) struct Own;
/// The slopes of the lines on the ReLU's graph from the values of two other beats, packed into one
/// vector, to this beat's value: DeepLIFT's rescale rule.
#[derive(Clone, Copy)]
pub(super) struct Line;
/// What [`Line`] differs from [`Own`] by: nothing where both values are on the same side, which are most.
#[derive(Clone, Copy)]
pub(super) struct LineLessOwn;

impl<I: Isa> Slope<I, 1> for Own {
    #[inline(always)]
    fn slopes(self, isa: I, at: I::F32, _: I::F32) -> [I::F32; 1] {
        let zero = isa.splat(0.0);
        [isa.where_above(at, zero, isa.splat(1.0), zero)]
    }
}

impl<I: Isa> Slope<I, PACKED> for Line {
    #[inline(always)]
    fn slopes(self, isa: I, at: I::F32, from: I::F32) -> [I::F32; PACKED] {
        let [first, second] = isa.unpack(from);
        let open = isa.relu(at);
        [line(isa, at, open, first), line(isa, at, open, second)]
    }
}

impl<I: Isa> Slope<I, PACKED> for LineLessOwn {
    #[inline(always)]
    fn slopes(self, isa: I, at: I::F32, from: I::F32) -> [I::F32; PACKED] {
        let [first, second] = Line.slopes(isa, at, from);
        let [own] = Own.slopes(isa, at, from);
        [isa.subtract(first, own), isa.subtract(second, own)]
    }
}

/// 1 where `at` and `from` are both above zero, 0 where both are below; between them the upper one's share
/// of the way. `open` is what the ReLU makes of `at`.
#[inline(always)]
fn line<I: Isa>(isa: I, at: I::F32, open: I::F32, from: I::F32) -> I::F32 {
    let (upper, lower) = (isa.larger(open, from), isa.smaller(at, from));
    // Where both values are the same it is an infinity, or no number if both are zero: then 1 is taken.
    let share = isa.multiply(upper, isa.reciprocal(isa.subtract(upper, lower)));
    isa.smaller(share, isa.splat(1.0))
}

/// Derivatives of some beats, a whole number of `B`, through a ReLU, into the layout that its part's
/// transposed convolution reads.
pub(super) struct ThroughRelu<'a, I: Isa, S, const B: usize> {
    pub(super) slope: S,
    pub(super) beats: usize,
    /// With respect to the ReLU's output, and the vectors from beat to beat: none where they are the same
    /// for all.
    pub(super) after: (&'a [I::F32], usize),
    /// The beat's values before the ReLU.
    pub(super) at: &'a [I::F32],
    /// What `slope` compares them with: as many for each `B` beats.
    pub(super) from: &'a [I::F32],
    /// With respect to the ReLU's input.
    pub(super) before: &'a mut [I::F32],
    pub(super) layout: Layout,
    /// The non-zero mask of `before`.
    pub(super) mask: Option<&'a mut [MaskWord]>,
}

impl<I: Isa, S: Slope<I, B>, const B: usize> Kernel<I> for ThroughRelu<'_, I, S, B> {
    #[inline(always)]
    fn eval(mut self, isa: I) {
        let Layout { shape, width, .. } = self.layout;
        let (len, beat_len) = (self.at.len(), self.layout.beat_len());
        if let Some(mask) = &self.mask {
            assert!(self.beats * nonzero_mask::words::<I>(&self.layout) <= mask.len());
        }
        for group in 0..self.beats / B {
            let first = group * B;
            let mut before = self.before[first * beat_len..].chunks_exact_mut(beat_len);
            let mut values = Values::<I, S, B> {
                slope: self.slope,
                after: std::array::from_fn(|beat| {
                    &self.after.0[(first + beat) * self.after.1..][..len]
                }),
                at: self.at,
                from: &self.from[group * len..][..len],
                before: std::array::from_fn(|_| {
                    let before = before.next().unwrap_or_default();
                    &mut before[self.layout.at(0, 0)..][..len]
                }),
            };
            // The rows lie one behind the other: without a mask it is one pass.
            let Some(mask) = &mut self.mask else {
                for vector in 0..len {
                    values.pass(isa, vector);
                }
                continue;
            };
            for row in 0..shape.time {
                for vector in 0..width {
                    let passed = values.pass(isa, row * width + vector);
                    for (beat, &value) in passed.iter().enumerate() {
                        let words = nonzero_mask::at::<I>(&self.layout, first + beat, row);
                        // SAFETY: the beat, the row and the vector are the layout's, for which there is
                        // room by the assertion.
                        unsafe { nonzero_mask::set_bits(isa, mask, (words, vector), value) };
                    }
                }
            }
        }
    }
}

/// Values of `B` beats, without margins.
struct Values<'a, I: Isa, S, const B: usize> {
    slope: S,
    after: [&'a [I::F32]; B],
    at: &'a [I::F32],
    from: &'a [I::F32],
    before: [&'a mut [I::F32]; B],
}

impl<I: Isa, S: Slope<I, B>, const B: usize> Values<'_, I, S, B> {
    /// One vector of each beat.
    #[inline(always)]
    fn pass(&mut self, isa: I, vector: usize) -> [I::F32; B] {
        let mut passed = self.slope.slopes(isa, self.at[vector], self.from[vector]);
        for (beat, passed) in passed.iter_mut().enumerate() {
            *passed = isa.multiply(self.after[beat][vector], *passed);
            self.before[beat][vector] = *passed;
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::isa::{on_every_isa, scalars};
    use super::*;

    struct Reciprocals<'a, I: Isa>(&'a mut Vec<I::F32>);

    impl<I: Isa> Kernel<I> for Reciprocals<'_, I> {
        #[inline(always)]
        fn eval(self, isa: I) {
            for value in self.0.iter_mut() {
                *value = isa.reciprocal(*value);
            }
        }
    }

    fn check<I: Isa>(isa: I) {
        for exponent in -30..30 {
            for k in 0..1000_u16 {
                let x = (1.0 + f32::from(k) * 1e-3) * 2.0_f32.powi(exponent);
                for x in [x, -x] {
                    let mut values = vec![isa.splat(x)];
                    isa.run(Reciprocals::<I>(&mut values));
                    let error = (scalars::<I>(&values)[0] * x - 1.0).abs();
                    assert!(error < 4e-4, "{x}: {error}");
                }
            }
        }
    }

    /// The slopes of one vector, which holds two beats' values to compare with.
    struct Slopes<'a, I: Isa>(I::F32, I::F32, &'a mut Vec<I::F32>);

    impl<I: Isa> Kernel<I> for Slopes<'_, I> {
        #[inline(always)]
        fn eval(self, isa: I) {
            let Self(at, from, slopes) = self;
            slopes.extend(Line.slopes(isa, at, from));
        }
    }

    fn check_slopes<I: Isa>(isa: I) {
        // Of 8 bits, as the values compared with are kept.
        let values = [-3.0_f32, -0.25, -0.0, 0.0, 0.007_812_5, 1.0, 1.5, 96.0];
        for at in values {
            for (first, second) in values.into_iter().zip(values.into_iter().rev()) {
                let packed = f32::from_bits(first.to_bits() >> 16 | second.to_bits());
                let mut slopes = Vec::new();
                isa.run(Slopes::<I>(isa.splat(at), isa.splat(packed), &mut slopes));
                for (from, slopes) in [first, second].into_iter().zip(&slopes) {
                    let slope = scalars::<I>(std::slice::from_ref(slopes))[0];
                    let what = format!("from {from} to {at}: {slope}");
                    if at > 0.0 && from > 0.0 || at == 0.0 && from == 0.0 {
                        // Where one is next to nothing beside the other, the reciprocal's error shows.
                        let apart = at.max(from) > 1000.0 * at.min(from);
                        let least = if apart { 1.0 - 4e-4 } else { 1.0 };
                        assert!((least..=1.0).contains(&slope), "{what}");
                    } else if at <= 0.0 && from <= 0.0 {
                        assert_eq!(slope.abs().to_bits(), 0, "{what}");
                    } else {
                        let share = at.max(from) / (at - from).abs();
                        assert!((slope / share - 1.0).abs() < 4e-4 && slope <= 1.0, "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn slopes_are_those_of_the_lines_between_two_values() {
        on_every_isa!(check_slopes);
    }

    #[test]
    fn reciprocals_are_right_to_4e_4() {
        on_every_isa!(check);
    }
}
