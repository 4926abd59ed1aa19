//! Pointwise convolution of inputs about half of which a ReLU left zero: only the others are
//! multiplied.
#![expect(
    unsafe_code,
    reason = "reads of the inner loop, whose bounds are checked once before it"
)]

use super::isa::{Isa, Kernel, scalars};
use super::layout::Layout;
use super::nonzero_mask::{self, MaskWord};
use super::product::PackedProduct;
use super::tiling::{MAX_VECTORS, Output, even_parts};

/// Independent sums that keep the multipliers busy. A sum is a dependency chain of multiply-adds of
/// about four cycles each, and the processor does two per cycle.
const BUSY_SUMS: usize = 8;

/// Inputs per turn of the inner loop. The number of turns differs from row to row and cannot be
/// predicted; with more inputs per turn more zeros are multiplied at the end, which measures slower.
const UNROLL: usize = 2;

/// Most vectors of outputs that are summed together. One row at a time loads a vector of weights for
/// every multiply-add; two loads per cycle suffice if each input that is loaded serves many vectors.
/// Groups of up to four vectors instead use each weight they load for two rows, groups of three for
/// four rows, whose sums and weights just fill 16 registers.
const MAX_WIDE: usize = 9;

/// Fewest vectors of outputs and fewest inputs for which finding the next input costs less than
/// the products that are saved.
const FEWEST_VECTORS: usize = 3;
const FEWEST_INPUTS: usize = 32;

/// Weights of a pointwise convolution, its inputs rounded up to whole vectors.
pub(super) struct PackedSparse<I: Isa>(PackedProduct<I>);

impl<I: Isa> PackedSparse<I> {
    /// Whether a convolution of `inputs` to `outputs` channels is faster this way than as a [`PackedProduct`].
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
        let depth = inputs.next_multiple_of(I::LANES.max(UNROLL));
        let groups = groups(bias.len().div_ceil(I::LANES));
        Self(PackedProduct::grouped(
            isa,
            bias,
            depth,
            groups,
            |output, input| {
                if input < inputs {
                    weight(output, input)
                } else {
                    0.0
                }
            },
        ))
    }

    /// Computes all rows of the first `beats` beats; an input whose mask bit is clear counts as zero.
    pub(super) fn run(
        &self,
        isa: I,
        beats: usize,
        (input, from): (&[I::F32], Layout),
        mask: &[MaskWord],
        mut output: Output<'_, I::F32>,
    ) {
        if const { !I::SKIPS_ZEROS && !cfg!(test) } {
            return; // never called; keeps the compiler from generating the code
        }
        for (first_vector, vectors, packed) in self.0.groups() {
            let place = Place {
                beats,
                first_vector,
                input,
                from,
                mask,
            };
            match vectors {
                1 => isa.run(Group::<I, 1, 2>::new(packed, place, &mut output)),
                2 => isa.run(Group::<I, 2, 2>::new(packed, place, &mut output)),
                3 => isa.run(Group::<I, 3, 4>::new(packed, place, &mut output)),
                4 => isa.run(Group::<I, 4, 2>::new(packed, place, &mut output)),
                6 => isa.run(Group::<I, 6, 1>::new(packed, place, &mut output)),
                8 => isa.run(Group::<I, 8, 1>::new(packed, place, &mut output)),
                _ => isa.run(Group::<I, MAX_WIDE, 1>::new(packed, place, &mut output)),
            }
        }
    }
}

/// Splits vectors of outputs into groups for which there is a kernel.
fn groups(vectors: usize) -> Vec<usize> {
    let wide = even_parts(vectors, MAX_WIDE);
    if wide
        .iter()
        .all(|&group| group <= MAX_VECTORS || matches!(group, 6 | 8 | 9))
    {
        wide
    } else {
        even_parts(vectors, MAX_VECTORS)
    }
}

/// What one group of vectors of outputs works on.
#[derive(Clone, Copy)]
struct Place<'a, V> {
    beats: usize,
    first_vector: usize,
    input: &'a [V],
    from: Layout,
    mask: &'a [MaskWord],
}

/// `V` vectors of outputs for every row, `T` rows together.
struct Group<'a, 'b, 'c, I: Isa, const V: usize, const T: usize> {
    bias: &'a [I::F32; V],
    weights: &'a [[I::F32; V]],
    place: Place<'a, I::F32>,
    output: &'b mut Output<'c, I::F32>,
}

impl<'a, 'b, 'c, I: Isa, const V: usize, const T: usize> Group<'a, 'b, 'c, I, V, T> {
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

impl<I: Isa, const V: usize, const T: usize> Kernel<I> for Group<'_, '_, '_, I, V, T> {
    #[inline(always)]
    fn eval(self, isa: I) {
        let Place {
            beats,
            first_vector,
            input,
            from,
            mask,
        } = self.place;
        let Output {
            values,
            layout,
            relu,
            addend,
        } = self.output;
        let time = from.shape.time;
        let words = nonzero_mask::row_words::<I>(&from);
        let row_step = from.width * I::LANES;
        // Word by word, so that the weights of a pass stay in the first-level cache for all rows.
        for word in 0..words {
            let first = word * nonzero_mask::BITS;
            let last = word + 1 == words;
            for beat in 0..beats {
                let mut pass = Pass {
                    isa,
                    bias: (word == 0).then_some(self.bias),
                    weights: &self.weights[first..],
                    input: &scalars::<I>(input)[from.at(beat, 0) * I::LANES..][..time * row_step]
                        [first..],
                    row_step,
                    output: &mut values[layout.at(beat, 0)..][..time * layout.width]
                        [first_vector..],
                    width: layout.width,
                    relu: last && *relu,
                    addend: match addend {
                        Some(addend) if last => Some((
                            &addend.values[addend.strides.at(beat, 0) + first_vector..],
                            addend.strides.row,
                        )),
                        _ => None,
                    },
                };
                let inputs = (self.weights.len() - first).min(nonzero_mask::BITS);
                let mask = MaskColumn {
                    words: &mask[beat * time * words..][word..(time - 1) * words + word + 1],
                    row_words: words,
                    valid: u64::MAX >> (nonzero_mask::BITS - inputs),
                };
                let mut row = 0;
                let mut next = if T <= time { mask.bits::<T>(0) } else { 0 };
                while row + T <= time {
                    let now = next;
                    // Loaded before the inner loop, whose end is mispredicted: the next row's inputs are then
                    // known when the processor recovers. Without a branch, which could be mispredicted too.
                    next = mask.bits::<T>((row + T).min(time - T));
                    pass.sum::<T>(row, now);
                    row += T;
                }
                while T > 1 && row < time {
                    pass.sum::<1>(row, mask.bits::<1>(row));
                    row += 1;
                }
            }
        }
    }
}

/// One word of the non-zero mask in each row of a beat.
struct MaskColumn<'a> {
    /// The mask, from that word of the first row on.
    words: &'a [MaskWord],
    /// Words from row to row.
    row_words: usize,
    /// Bits that belong to an input.
    valid: u64,
}

impl MaskColumn<'_> {
    /// The inputs that are not zero in one of `R` rows from `row` on, filled up to whole turns.
    #[inline(always)]
    fn bits<const R: usize>(&self, row: usize) -> u64 {
        let mut bits = 0;
        for t in 0..R {
            bits |= u64::from_le_bytes(self.words[(row + t) * self.row_words]);
        }
        filled(bits & self.valid)
    }
}

/// The inputs of one word of the mask in one beat: `V` vectors of outputs.
struct Pass<'a, I: Isa, const V: usize> {
    isa: I,
    /// Where the sums start; `None` in a later pass, which goes on with what the one before left in the
    /// output.
    bias: Option<&'a [I::F32; V]>,
    weights: &'a [[I::F32; V]],
    input: &'a [f32],
    /// Scalars from row to row of the input.
    row_step: usize,
    output: &'a mut [I::F32],
    /// Vectors from row to row of the output.
    width: usize,
    relu: bool,
    /// What is added to the sums of the last pass, and the vectors from row to row of it.
    addend: Option<(&'a [I::F32], usize)>,
}

impl<I: Isa, const V: usize> Pass<'_, I, V> {
    /// Sums `R` rows from `row` on. The order of the additions depends on the values of these rows
    /// alone: a beat has the same bits in every batch.
    #[inline(always)]
    fn sum<const R: usize>(&mut self, row: usize, mut inputs: u64) {
        let isa = self.isa;
        let output = &mut self.output[row * self.width..][..(R - 1) * self.width + V];
        let mut sums = match self.bias {
            Some(bias) => [*bias; R],
            None => {
                let mut sums = [[output[0]; V]; R];
                for (t, sums) in sums.iter_mut().enumerate() {
                    sums.copy_from_slice(&output[t * self.width..][..V]);
                }
                sums
            }
        };
        // Few sums are long dependency chains: the odd inputs go to a second set of sums.
        let turns = const { R * V < BUSY_SUMS };
        let mut others = [[isa.splat(0.0); V]; R];
        let input = &self.input[row * self.row_step..];
        while inputs != 0 {
            for turn in 0..UNROLL {
                let index = pop_lowest(&mut inputs);
                let sums = if turns && turn % 2 == 1 {
                    &mut others
                } else {
                    &mut sums
                };
                // SAFETY: `inputs` has inputs of the row only, and `filled` adds no others, so `index` is
                // below the length of `weights`, and below that of each of the R rows.
                unsafe { accumulate(isa, sums, self.weights, (input, self.row_step), index) };
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
        if let Some((addend, step)) = self.addend {
            for (t, sums) in sums.iter_mut().enumerate() {
                let addend = &addend[(row + t) * step..][..V];
                for (sum, &value) in sums.iter_mut().zip(addend) {
                    *sum = isa.add(*sum, value);
                }
            }
        }
        if self.relu {
            for sum in sums.as_flattened_mut() {
                *sum = isa.relu(*sum);
            }
        }
        for (t, sums) in sums.iter().enumerate() {
            output[t * self.width..][..V].copy_from_slice(sums);
        }
    }
}

/// `bits` and as many of the lowest clear bits as make a whole number of turns: inputs that are zero,
/// which change no sum. Below any multiple of `UNROLL` above the highest set bit there are enough.
#[inline(always)]
const fn filled(mut bits: u64) -> u64 {
    let missing = bits.count_ones().wrapping_neg() as usize % UNROLL;
    let mut turn = 1;
    while turn < UNROLL {
        // Without a branch: it would be taken every other time, which no processor predicts.
        let wanted = ((missing >= turn) as u64).wrapping_neg();
        bits |= bits.wrapping_add(1) & wanted;
        turn += 1;
    }
    bits
}

/// Index of the lowest bit that is set; clears it.
#[inline(always)]
const fn pop_lowest(bits: &mut u64) -> usize {
    let index = bits.trailing_zeros();
    *bits &= bits.wrapping_sub(1);
    index as usize
}

/// Adds the products of input `index` of each row with its weights.
///
/// # Safety
/// `index` is below the length of `weights` and of each of the `R` rows of `input`, `row_step` apart.
#[inline(always)]
unsafe fn accumulate<I: Isa, const V: usize, const R: usize>(
    isa: I,
    sums: &mut [[I::F32; V]; R],
    weights: &[[I::F32; V]],
    (input, row_step): (&[f32], usize),
    index: usize,
) {
    debug_assert!(index < weights.len() && (R - 1) * row_step + index < input.len());
    // SAFETY: the caller's promise.
    let weights = unsafe { weights.get_unchecked(index) };
    for (t, sums) in sums.iter_mut().enumerate() {
        // SAFETY: t is at most R - 1; the rest is the caller's promise.
        let value = isa.splat(unsafe { *input.get_unchecked(t * row_step + index) });
        for (sum, &weight) in sums.iter_mut().zip(weights) {
            *sum = isa.multiply_add(weight, value, *sum);
        }
    }
}
