//! Pointwise convolution of inputs about half of which a ReLU left zero: only the others are
//! multiplied.
#![expect(
    unsafe_code,
    reason = "reads of the inner loop, whose bounds are checked once before it"
)]

use super::isa::{Isa, Kernel, scalars};
use super::layout::Layout;
use super::marks;
use super::product::{MAX_VECTORS, Output, PackedProduct, store};

/// Sums that keep the multipliers busy: each waits about four cycles for the one before, and two
/// are done a cycle.
const BUSY_SUMS: usize = 8;

/// Fewest vectors of outputs and fewest inputs for which finding the next input costs less than
/// the products that are spared.
const FEWEST_VECTORS: usize = 3;
const FEWEST_INPUTS: usize = 32;

/// Weights of a pointwise convolution, its inputs rounded up to whole vectors.
pub(super) struct PackedSparse<I: Isa>(PackedProduct<I>);

impl<I: Isa> PackedSparse<I> {
    /// Whether a convolution with so many channels is faster this way than as a [`PackedProduct`].
    pub(super) const fn pays(inputs: usize, outputs: usize) -> bool {
        I::SKIPS_ZEROS && inputs >= FEWEST_INPUTS && outputs.div_ceil(I::LANES) >= FEWEST_VECTORS
    }

    /// Packs `weight(output, input)` for as many outputs as there are biases.
    pub(super) fn new(
        isa: I,
        bias: &[f32],
        inputs: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let depth = inputs.next_multiple_of(I::LANES);
        Self(PackedProduct::new(isa, bias, depth, |output, input| {
            if input < inputs {
                weight(output, input)
            } else {
                0.0
            }
        }))
    }

    /// Computes all rows of the first `beats` beats; an input that is not marked counts as zero.
    pub(super) fn run(
        &self,
        isa: I,
        beats: usize,
        (input, from): (&[I::F32], Layout),
        marks: &[u64],
        mut output: Output<'_, I::F32>,
    ) {
        for (first_vector, vectors, packed) in self.0.groups() {
            let place = Place {
                beats,
                first_vector,
                input,
                from,
                marks,
            };
            match vectors {
                1 => isa.run(Group::<I, 1>::new(packed, place, &mut output)),
                2 => isa.run(Group::<I, 2>::new(packed, place, &mut output)),
                3 => isa.run(Group::<I, 3>::new(packed, place, &mut output)),
                _ => isa.run(Group::<I, MAX_VECTORS>::new(packed, place, &mut output)),
            }
        }
    }
}

/// What one group of vectors of outputs works on.
#[derive(Clone, Copy)]
struct Place<'a, V> {
    beats: usize,
    first_vector: usize,
    input: &'a [V],
    from: Layout,
    marks: &'a [u64],
}

/// `V` vectors of outputs for every row.
struct Group<'a, 'b, 'c, I: Isa, const V: usize> {
    bias: &'a [I::F32; V],
    weights: &'a [[I::F32; V]],
    place: Place<'a, I::F32>,
    output: &'b mut Output<'c, I::F32>,
}

impl<'a, 'b, 'c, I: Isa, const V: usize> Group<'a, 'b, 'c, I, V> {
    fn new(
        packed: &'a [I::F32],
        place: Place<'a, I::F32>,
        output: &'b mut Output<'c, I::F32>,
    ) -> Self {
        let (packed, _) = packed.as_chunks();
        Self {
            bias: &packed[0],
            weights: &packed[1..],
            place,
            output,
        }
    }
}

impl<I: Isa, const V: usize> Kernel<I> for Group<'_, '_, '_, I, V> {
    #[inline(always)]
    fn eval(mut self, isa: I) {
        let time = self.output.layout.shape.time;
        let Place {
            beats, from, marks, ..
        } = self.place;
        let words = marks::row_words::<I>(&from);
        for beat in 0..beats {
            let marks = &marks[beat * time * words..][..time * words];
            // Two neighbours in time share each weight that is read, and often their zeros.
            let pairs = marks.chunks_exact(2 * words);
            let last = pairs.remainder();
            for (pair, marks) in pairs.enumerate() {
                let (one, other) = marks.split_at(words);
                self.tile::<2>(isa, (beat, 2 * pair), one, other);
            }
            if !last.is_empty() {
                self.tile::<1>(isa, (beat, time - 1), last, last);
            }
        }
    }
}

impl<I: Isa, const V: usize> Group<'_, '_, '_, I, V> {
    /// `T` rows from `at` on: the inputs marked in `one` or `other`. The order of the additions
    /// depends on the values of these rows alone: a beat has the same bits in every batch.
    #[inline(always)]
    fn tile<const T: usize>(&mut self, isa: I, at: (usize, usize), one: &[u64], other: &[u64]) {
        let Place {
            first_vector,
            input,
            from,
            ..
        } = self.place;
        let row_step = from.width * I::LANES;
        let input = &scalars::<I>(input)[from.at(at.0, at.1) * I::LANES..][..T * row_step];
        let weights = &self.weights[..row_step];
        let mut sums = [*self.bias; T];
        // Few sums would wait for themselves: they take turns with others.
        let turns = const { T * V < BUSY_SUMS };
        let mut others = [[isa.splat(0.0); V]; T];
        for (word, (&one, &other)) in one.iter().zip(other).enumerate() {
            let first = word * marks::BITS;
            let inputs = weights.len() - first;
            let mut marked = one | other;
            if inputs < marks::BITS {
                marked &= (1 << inputs) - 1;
            }
            while marked != 0 {
                let index = first + take_lowest(&mut marked);
                // SAFETY: `index` is below `row_step`, the length of `weights`, and `input` holds
                // T rows of that length.
                unsafe { accumulate(isa, &mut sums, weights, input, index) };
                if turns && marked != 0 {
                    let index = first + take_lowest(&mut marked);
                    // SAFETY: as above.
                    unsafe { accumulate(isa, &mut others, weights, input, index) };
                }
            }
        }
        if turns {
            for (sum, &other) in sums
                .as_flattened_mut()
                .iter_mut()
                .zip(others.as_flattened())
            {
                *sum = isa.add(*sum, other);
            }
        }
        store(isa, self.output, at, first_vector, sums);
    }
}

/// Index of the lowest bit that is set; clears it.
#[inline(always)]
const fn take_lowest(bits: &mut u64) -> usize {
    let index = bits.trailing_zeros();
    *bits &= *bits - 1;
    index as usize
}

/// Adds the products of input `index` of each row with its weights.
///
/// # Safety
/// `index` is below the length of `weights`, and `input` holds `T` rows of that length.
#[inline(always)]
unsafe fn accumulate<I: Isa, const V: usize, const T: usize>(
    isa: I,
    sums: &mut [[I::F32; V]; T],
    weights: &[[I::F32; V]],
    input: &[f32],
    index: usize,
) {
    let row_step = weights.len();
    // SAFETY: the caller's promise.
    let weights = unsafe { weights.get_unchecked(index) };
    for (t, sums) in sums.iter_mut().enumerate() {
        // SAFETY: t is at most T - 1; the rest is the caller's promise.
        let value = isa.splat(unsafe { *input.get_unchecked(t * row_step + index) });
        for (sum, &weight) in sums.iter_mut().zip(weights) {
            *sum = isa.multiply_add(weight, value, *sum);
        }
    }
}
