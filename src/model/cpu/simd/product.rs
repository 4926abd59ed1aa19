//! Pointwise convolution, full convolution and dense layer: one matrix product, register-blocked.
#![expect(
    unsafe_code,
    reason = "reads of the inner loop, whose bounds are checked once before it"
)]

use super::isa::{Isa, Kernel};
use super::layout::Layout;

/// Most vectors of outputs that are summed together.
pub(super) const MAX_VECTORS: usize = 4;
/// Most rows that are summed together.
pub(super) const MAX_ROWS: usize = 12;
/// Inputs of a row taken per turn of the inner loop, so that the rows' addresses are worked out
/// once for all of them.
const UNROLL: usize = 4;

/// Weights of a matrix product in the order the kernel reads them: groups of up to [`MAX_VECTORS`]
/// vectors of outputs; in each group the biases, then one row of weights per input.
pub(super) struct PackedProduct<I: Isa> {
    packed: Vec<I::F32>,
    /// Vectors of outputs in each group.
    groups: Vec<usize>,
    /// Inputs per output.
    depth: usize,
}

/// Scalars a product reads: row `r` of beat `b` starts at `first + b * beat_step + r * row_step`.
/// Rows may overlap, as those of a convolution over time do.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) first: usize,
    pub(super) beat_step: usize,
    pub(super) row_step: usize,
}

/// What happens to the sums, and where they go.
pub(super) struct Output<'a, V> {
    pub(super) values: &'a mut [V],
    pub(super) layout: Layout,
    pub(super) relu: bool,
    /// Added to the sums.
    pub(super) addend: Option<Addend<'a, V>>,
}

/// Vectors added to the sums: those of row `r` of beat `b` start at
/// `first + b * beat_step + r * row_step`. An activation of the same shape (the residual), or one
/// row a beat for all its rows (the context).
pub(super) struct Addend<'a, V> {
    pub(super) values: &'a [V],
    pub(super) first: usize,
    pub(super) beat_step: usize,
    pub(super) row_step: usize,
}

impl<I: Isa> PackedProduct<I> {
    /// Packs `weight(output, input)` for as many outputs as there are biases.
    pub(super) fn new(
        isa: I,
        bias: &[f32],
        depth: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let vectors = bias.len().div_ceil(I::LANES);
        let groups = even_parts(vectors, most_vectors(I::REGISTERS));
        Self::grouped(isa, bias, depth, groups, weight)
    }

    /// As [`PackedProduct::new`], with so many vectors of outputs in each group.
    pub(super) fn grouped(
        isa: I,
        bias: &[f32],
        depth: usize,
        groups: Vec<usize>,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let vectors = groups.iter().sum::<usize>();
        let mut packed = vec![isa.splat(0.0); vectors * (depth + 1)];
        let mut values = super::isa::scalars_mut::<I>(&mut packed).iter_mut();
        let mut first = 0;
        for &group in &groups {
            let outputs = first..first + group * I::LANES;
            for row in 0..=depth {
                for (output, value) in outputs.clone().zip(&mut values) {
                    *value = match (bias.get(output), row.checked_sub(1)) {
                        (None, _) => 0.0,
                        (Some(&bias), None) => bias,
                        (Some(_), Some(input)) => weight(output, input),
                    };
                }
            }
            first = outputs.end;
        }
        Self {
            packed,
            groups,
            depth,
        }
    }

    /// Computes all rows of the first `beats` beats.
    pub(super) fn run(&self, isa: I, beats: usize, rows: Rows<'_>, mut output: Output<'_, I::F32>) {
        for (first_vector, vectors, packed) in self.groups() {
            let place = Place {
                beats,
                first_vector,
                rows,
            };
            match vectors {
                1 => isa.run(Group::<I, 1>::new(packed, place, &mut output)),
                2 => isa.run(Group::<I, 2>::new(packed, place, &mut output)),
                3 => isa.run(Group::<I, 3>::new(packed, place, &mut output)),
                _ => isa.run(Group::<I, MAX_VECTORS>::new(packed, place, &mut output)),
            }
        }
    }

    /// Each group: its first vector of outputs, its number of vectors, its part of the weights.
    pub(super) fn groups(&self) -> impl Iterator<Item = (usize, usize, &[I::F32])> {
        self.groups.iter().scan(0, |first, &vectors| {
            let start = *first;
            *first += vectors;
            let rows = self.depth + 1;
            let packed = &self.packed[start * rows..*first * rows];
            Some((start, vectors, packed))
        })
    }
}

/// Vectors of outputs in a group: with 16 registers two, so that six rows have their sums in registers
/// beside the weights and one is left. Three and four rows take all, and the compiler runs out of them.
pub(super) const fn most_vectors(registers: usize) -> usize {
    if registers < 32 { 2 } else { MAX_VECTORS }
}

/// Rows whose sums fit the registers beside one row of weights and one input.
pub(super) const fn most_rows(registers: usize, vectors: usize) -> usize {
    let rows = (registers - vectors - 1) / vectors;
    if rows < MAX_ROWS { rows } else { MAX_ROWS }
}

/// Splits `total` into as few parts of at most `largest` as possible, as equal as possible.
pub(super) fn even_parts(total: usize, largest: usize) -> Vec<usize> {
    let parts = total.div_ceil(largest);
    (0..parts)
        .map(|part| total * (part + 1) / parts - total * part / parts)
        .collect()
}

/// What one group of a product works on.
#[derive(Clone, Copy)]
struct Place<'a> {
    beats: usize,
    first_vector: usize,
    rows: Rows<'a>,
}

/// `V` vectors of outputs for every row.
struct Group<'a, 'b, 'c, I: Isa, const V: usize> {
    bias: &'a [I::F32; V],
    weights: &'a [[I::F32; V]],
    place: Place<'a>,
    output: &'b mut Output<'c, I::F32>,
}

impl<'a, 'b, 'c, I: Isa, const V: usize> Group<'a, 'b, 'c, I, V> {
    fn new(packed: &'a [I::F32], place: Place<'a>, output: &'b mut Output<'c, I::F32>) -> Self {
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
        let tiles = time.div_ceil(most_rows(I::REGISTERS, V));
        for beat in 0..self.place.beats {
            let mut row = 0;
            for tile in 1..=tiles {
                let end = time * tile / tiles;
                match end - row {
                    1 => self.tile::<1>(isa, beat, row),
                    2 => self.tile::<2>(isa, beat, row),
                    3 => self.tile::<3>(isa, beat, row),
                    4 => self.tile::<4>(isa, beat, row),
                    5 => self.tile::<5>(isa, beat, row),
                    6 => self.tile::<6>(isa, beat, row),
                    7 => self.tile::<7>(isa, beat, row),
                    8 => self.tile::<8>(isa, beat, row),
                    9 => self.tile::<9>(isa, beat, row),
                    10 => self.tile::<10>(isa, beat, row),
                    11 => self.tile::<11>(isa, beat, row),
                    _ => self.tile::<MAX_ROWS>(isa, beat, row),
                }
                row = end;
            }
        }
    }
}

impl<I: Isa, const V: usize> Group<'_, '_, '_, I, V> {
    /// `T` rows from `row` on. The order of the additions depends on the row's place in its beat
    /// alone: a beat has the same bits in every batch.
    #[inline(always)]
    fn tile<const T: usize>(&mut self, isa: I, beat: usize, row: usize) {
        if const { T > most_rows(I::REGISTERS, V) } {
            return; // never asked for; spares the compiler the code
        }
        let Rows {
            values,
            first,
            beat_step,
            row_step,
        } = self.place.rows;
        let start = first + beat * beat_step + row * row_step;
        let input = &values[start..][..(T - 1) * row_step + self.weights.len()];
        // A lone sum would wait for itself: its inputs are shared out over several.
        let chain = |offset: usize| if const { T * V == 1 } { offset } else { 0 };
        let mut chains = [[[isa.splat(0.0); V]; T]; UNROLL];
        chains[0] = [*self.bias; T];
        let (unrolled, rest) = self.weights.as_chunks::<UNROLL>();
        let mut depth = 0;
        for weights in unrolled {
            for (offset, weights) in weights.iter().enumerate() {
                let sums = &mut chains[chain(offset)];
                // SAFETY: depth + offset is the index of this row in `self.weights`, and `input`
                // was just cut to T rows, the last one as long as there are rows of weights.
                unsafe { accumulate(isa, sums, weights, input, row_step, depth + offset) };
            }
            depth += UNROLL;
        }
        for weights in rest {
            // SAFETY: as above, with `depth` the index.
            unsafe { accumulate(isa, &mut chains[0], weights, input, row_step, depth) };
            depth += 1;
        }
        let [mut sums, others @ ..] = chains;
        if const { T * V == 1 } {
            for other in &others {
                sums[0][0] = isa.add(sums[0][0], other[0][0]);
            }
        }
        store(isa, self.output, (beat, row), self.place.first_vector, sums);
    }
}

/// Finishes the sums of `T` rows from `row` of `beat` on, and writes them from vector `first` on.
#[inline(always)]
pub(super) fn store<I: Isa, const V: usize, const T: usize>(
    isa: I,
    output: &mut Output<'_, I::F32>,
    (beat, row): (usize, usize),
    first: usize,
    mut sums: [[I::F32; V]; T],
) {
    // Loops of known length only: the sums stay in registers.
    let Output {
        values,
        layout,
        relu,
        addend,
    } = output;
    if let Some(addend) = addend {
        let start = addend.first + beat * addend.beat_step + row * addend.row_step;
        let values = &addend.values[start + first..];
        for (t, sums) in sums.iter_mut().enumerate() {
            let row = &values[t * addend.row_step..][..V];
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum = isa.add(*sum, value);
            }
        }
    }
    if *relu {
        for sum in sums.as_flattened_mut() {
            *sum = isa.relu(*sum);
        }
    }
    let values = &mut values[layout.at(beat, row) + first..];
    for (t, sums) in sums.iter().enumerate() {
        values[t * layout.width..][..V].copy_from_slice(sums);
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
    for (t, sums) in sums.iter_mut().enumerate() {
        // SAFETY: t is at most T - 1; the rest is the caller's promise.
        let value = isa.splat(unsafe { *input.get_unchecked(t * row_step + depth) });
        for (sum, &weight) in sums.iter_mut().zip(weights) {
            *sum = isa.multiply_add(weight, value, *sum);
        }
    }
}
