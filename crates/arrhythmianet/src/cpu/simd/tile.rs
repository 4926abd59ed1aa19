//! One group of a product: tiles of rows times vectors of outputs, whose sums stay in registers.
#![expect(
    unsafe_code,
    reason = "reads of the inner loop, whose bounds are checked once before it"
)]

use std::ops::Range;

use super::block_sparsity::group_vectors;
use super::isa::{Isa, Kernel};
use super::tiling::{
    MAX_ROWS, MAX_VECTORS, Output, Rows, TileSizes, most_rows, row_tiles, store, tile_sizes,
    with_rows,
};

/// Inputs of a row per turn of the inner loop, so that the rows' addresses are computed once for all
/// of them.
const UNROLL: usize = 4;

/// Most rows with block sparsity and 16 registers: for more the compiler computes the addresses ahead
/// of the sums, and the values it loads then make the sums spill.
const MAX_ROWS_SPARSE: usize = 8;

/// What one group of a product works on.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) beats: usize,
    pub(super) first_vector: usize,
    pub(super) rows: Rows<'a>,
    /// Inputs in a row.
    pub(super) depth: usize,
}

/// One group of a product, from its weights and, with block sparsity, the list of its inputs.
///
/// # Safety
/// The inputs in the list are below `place.depth`.
pub(super) unsafe fn run_group<I: Isa, const SPARSE: bool>(
    isa: I,
    vectors: usize,
    packed: (&[I::F32], &[u32]),
    place: Place<'_>,
    output: &mut Output<'_, I::F32>,
) {
    match vectors {
        1 => isa.run(Group::<I, 1, SPARSE>::new(packed, place, output)),
        2 => isa.run(Group::<I, 2, SPARSE>::new(packed, place, output)),
        3 => isa.run(Group::<I, 3, SPARSE>::new(packed, place, output)),
        _ => isa.run(Group::<I, MAX_VECTORS, SPARSE>::new(packed, place, output)),
    }
}

/// `V` vectors of outputs for every row.
struct Group<'a, 'b, 'c, I: Isa, const V: usize, const SPARSE: bool> {
    bias: &'a [I::F32; V],
    weights: &'a [[I::F32; V]],
    /// The input of each row of weights, if `SPARSE`; otherwise they are all inputs in order.
    inputs: &'a [u32],
    place: Place<'a>,
    output: &'b mut Output<'c, I::F32>,
}

impl<'a, 'b, 'c, I: Isa, const V: usize, const SPARSE: bool> Group<'a, 'b, 'c, I, V, SPARSE> {
    /// Most rows that are summed together.
    const ROWS: usize = {
        let rows = most_rows(I::REGISTERS, V);
        if SPARSE && I::REGISTERS < 32 && rows > MAX_ROWS_SPARSE {
            MAX_ROWS_SPARSE
        } else {
            rows
        }
    };

    /// Tiles that code is generated for.
    const SIZES: TileSizes = tile_sizes(Self::ROWS);

    /// Its weights, and the list of its inputs, which are below `place.depth`.
    fn new(
        (packed, inputs): (&'a [I::F32], &'a [u32]),
        place: Place<'a>,
        output: &'b mut Output<'c, I::F32>,
    ) -> Self {
        let (packed, _) = packed.as_chunks();
        let weights = &packed[1..];
        let rows = if SPARSE { inputs.len() } else { place.depth };
        assert_eq!(weights.len(), rows); // the kernel reads the list unchecked
        Self {
            bias: &packed[0],
            weights,
            inputs,
            place,
            output,
        }
    }
}

impl<I: Isa, const V: usize, const SPARSE: bool> Kernel<I> for Group<'_, '_, '_, I, V, SPARSE> {
    #[inline(always)]
    fn eval(mut self, isa: I) {
        let time = self.output.layout.shape.time;
        for beat in 0..self.place.beats {
            let mut row = 0;
            for (rows, count) in row_tiles(time, Self::ROWS, &Self::SIZES) {
                let end = row + rows * count;
                with_rows!(rows, self.tiles(isa, beat, row..end));
                row = end;
            }
        }
    }
}

impl<I: Isa, const V: usize, const SPARSE: bool> Group<'_, '_, '_, I, V, SPARSE> {
    /// Rows of a beat, `T` together: one loop for all tiles of a size, so that the size of a tile is not
    /// a branch to be predicted.
    #[inline(always)]
    fn tiles<const T: usize>(&mut self, isa: I, beat: usize, rows: Range<usize>) {
        for row in rows.step_by(T) {
            self.tile::<T>(isa, beat, row);
        }
    }

    /// `T` rows from `row` on. The order of the additions depends on the row's place in its beat
    /// alone: a beat has the same bits in every batch.
    #[inline(always)]
    fn tile<const T: usize>(&mut self, isa: I, beat: usize, row: usize) {
        if const { T > Self::ROWS || Self::SIZES[T] < T || SPARSE && V > group_vectors(I::LANES) } {
            return; // never called; keeps the compiler from generating the code
        }
        let Rows { values, strides } = self.place.rows;
        let row_step = strides.row;
        let input = &values[strides.at(beat, row)..][..(T - 1) * row_step + self.place.depth];
        // A single sum is one long dependency chain: its inputs are spread over several.
        let chain = |offset: usize| if const { T * V == 1 } { offset } else { 0 };
        let mut chains = [[[isa.splat(0.0); V]; T]; UNROLL];
        chains[0] = [*self.bias; T];
        let (unrolled, rest) = self.weights.as_chunks::<UNROLL>();
        let mut at = 0;
        for weights in unrolled {
            for (offset, weights) in weights.iter().enumerate() {
                let sums = &mut chains[chain(offset)];
                // SAFETY: at + offset is the index of this row in `self.weights`, so that its input
                // is below the depth, and `input` was cut to T rows, the last one as long as that.
                unsafe {
                    let depth = self.input_of(at + offset);
                    accumulate(isa, sums, weights, input, row_step, depth);
                }
            }
            at += UNROLL;
        }
        for weights in rest {
            // SAFETY: as above, with `at` the index.
            unsafe {
                let depth = self.input_of(at);
                accumulate(isa, &mut chains[0], weights, input, row_step, depth);
            }
            at += 1;
        }
        let [mut sums, others @ ..] = chains;
        if const { T * V == 1 } {
            for other in &others {
                sums[0][0] = isa.add(sums[0][0], other[0][0]);
            }
        }
        store(isa, self.output, (beat, row), self.place.first_vector, sums);
    }

    /// The input that a row of the weights is for, which is below the depth.
    ///
    /// # Safety
    /// There is such a row in `self.weights`.
    #[inline(always)]
    unsafe fn input_of(&self, row: usize) -> usize {
        if SPARSE {
            debug_assert!(row < self.inputs.len());
            // SAFETY: the list is as long as the weights, as `new` has checked. What it holds is below the
            // depth by the promise of `run_group`.
            unsafe { *self.inputs.get_unchecked(row) as usize }
        } else {
            row
        }
    }
}

/// Adds the products of one input of each row with its weights.
///
/// # Safety
/// `(T - 1) * row_step + depth` is below the length of `input`.
#[inline(always)]
unsafe fn accumulate<I: Isa, const V: usize, const T: usize>(
    isa: I,
    sums: &mut [[I::F32; V]; T],
    weights: &[I::F32; V],
    input: &[f32],
    row_step: usize,
    depth: usize,
) {
    debug_assert!((T - 1) * row_step + depth < input.len());
    for (t, sums) in sums.iter_mut().enumerate() {
        // SAFETY: t is at most T - 1; the rest is the caller's promise.
        let value = isa.splat(unsafe { *input.get_unchecked(t * row_step + depth) });
        for (sum, &weight) in sums.iter_mut().zip(weights) {
            *sum = isa.multiply_add(weight, value, *sum);
        }
    }
}
