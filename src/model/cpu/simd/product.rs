//! Pointwise convolution, full convolution and dense layer: one matrix product, register-blocked.
#![expect(
    unsafe_code,
    reason = "the kernel reads the inputs listed unchecked, which are checked when they are packed"
)]

use super::isa::{Isa, scalars_mut};
use super::kept::{Kept, group_vectors};
use super::layout::Layout;
use super::tile::{Place, run_group};

/// Most vectors of outputs that are summed together.
pub(super) const MAX_VECTORS: usize = 4;
/// Most rows that are summed together.
pub(super) const MAX_ROWS: usize = 12;

/// Calls a method that is code of its own for each number of rows, from one to [`MAX_ROWS`].
macro_rules! with_rows {
    ($rows:expr, $of:ident.$tile:ident $arguments:tt) => {
        match $rows {
            1 => $of.$tile::<1> $arguments,
            2 => $of.$tile::<2> $arguments,
            3 => $of.$tile::<3> $arguments,
            4 => $of.$tile::<4> $arguments,
            5 => $of.$tile::<5> $arguments,
            6 => $of.$tile::<6> $arguments,
            7 => $of.$tile::<7> $arguments,
            8 => $of.$tile::<8> $arguments,
            9 => $of.$tile::<9> $arguments,
            10 => $of.$tile::<10> $arguments,
            11 => $of.$tile::<11> $arguments,
            _ => $of.$tile::<MAX_ROWS> $arguments,
        }
    };
}
pub(super) use with_rows;

/// Weights of a matrix product in the order the kernel reads them: groups of up to [`MAX_VECTORS`]
/// vectors of outputs; in each group the biases, then one row of weights per input that counts.
pub(super) struct PackedProduct<I: Isa> {
    packed: Vec<I::F32>,
    /// Vectors of outputs in each group.
    groups: Vec<usize>,
    /// Inputs per output.
    depth: usize,
    /// The inputs that count for each group, all below `depth`; `None` where all do.
    kept: Option<Kept>,
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
    /// Packs `weight(output, input)` for as many outputs as there are biases. Groups of weights that
    /// are zero are left out where that pays: their inputs may then be infinite or no numbers.
    pub(super) fn new(
        isa: I,
        bias: &[f32],
        depth: usize,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let vectors = bias.len().div_ceil(I::LANES);
        let group = group_vectors(I::LANES);
        let kept = if leaves_out::<I>() {
            Kept::find(bias.len(), depth, group * I::LANES, &weight)
        } else {
            None
        };
        let groups = match kept {
            Some(_) => (0..vectors)
                .step_by(group)
                .map(|first| group.min(vectors - first))
                .collect(),
            None => even_parts(vectors, most_vectors(I::REGISTERS)),
        };
        Self::pack(isa, bias, depth, groups, kept, &weight)
    }

    /// As [`PackedProduct::new`], with so many vectors of outputs in each group, and no weights left
    /// out.
    pub(super) fn grouped(
        isa: I,
        bias: &[f32],
        depth: usize,
        groups: Vec<usize>,
        weight: impl Fn(usize, usize) -> f32,
    ) -> Self {
        Self::pack(isa, bias, depth, groups, None, &weight)
    }

    fn pack(
        isa: I,
        bias: &[f32],
        depth: usize,
        groups: Vec<usize>,
        kept: Option<Kept>,
        weight: &dyn Fn(usize, usize) -> f32,
    ) -> Self {
        let mut packed = Vec::new();
        let mut first = 0;
        for (group, &vectors) in groups.iter().enumerate() {
            let inputs: Vec<usize> = match &kept {
                Some(kept) => kept.of(group).iter().map(|&input| input as usize).collect(),
                None => (0..depth).collect(),
            };
            assert!(inputs.iter().all(|&input| input < depth)); // which `run` relies on
            let start = packed.len();
            packed.resize(start + vectors * (inputs.len() + 1), isa.splat(0.0));
            let outputs = first..first + vectors * I::LANES;
            let rows = scalars_mut::<I>(&mut packed[start..]).chunks_exact_mut(outputs.len());
            for (row, values) in rows.enumerate() {
                let input = row.checked_sub(1).map(|row| inputs[row]);
                for (output, value) in outputs.clone().zip(values) {
                    *value = match (bias.get(output), input) {
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
            kept,
        }
    }

    /// Computes all rows of the first `beats` beats.
    pub(super) fn run(&self, isa: I, beats: usize, rows: Rows<'_>, mut output: Output<'_, I::F32>) {
        let kept = self.kept.as_ref().filter(|_| leaves_out::<I>());
        for (group, (first_vector, vectors, packed)) in self.groups().enumerate() {
            let place = Place {
                beats,
                first_vector,
                rows,
                depth: self.depth,
            };
            // SAFETY: `pack` has checked that the inputs kept are below the depth.
            unsafe {
                match kept {
                    None => run_group::<I, false>(isa, vectors, (packed, &[]), place, &mut output),
                    Some(kept) => {
                        let packed = (packed, kept.of(group));
                        run_group::<I, true>(isa, vectors, packed, place, &mut output);
                    }
                }
            }
        }
    }

    /// Each group: its first vector of outputs, its number of vectors, its part of the weights.
    pub(super) fn groups(&self) -> impl Iterator<Item = (usize, usize, &[I::F32])> {
        let mut first = 0;
        let mut rest = self.packed.as_slice();
        self.groups
            .iter()
            .enumerate()
            .map(move |(group, &vectors)| {
                let kept = self.kept.as_ref().map(|kept| kept.of(group).len());
                let rows = kept.unwrap_or(self.depth) + 1;
                let (packed, others) = rest.split_at(vectors * rows);
                let start = first;
                (first, rest) = (first + vectors, others);
                (start, vectors, packed)
            })
    }
}

/// Whether groups of zeros are left out; tests look at it on every instruction set.
const fn leaves_out<I: Isa>() -> bool {
    I::LEAVES_OUT || cfg!(test)
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

/// Times of the built-in networks. There is code for the tiles of these, and others are put together from
/// the same: each number of rows is code of its own, and the program has to stay small.
const TIMES: [usize; 4] = [8, 16, 32, 64];

/// For each number of rows the most of them that a tile has code for.
pub(super) type TileSizes = [usize; MAX_ROWS + 1];

/// The tiles that there is code for where one has at most `most` rows.
pub(super) const fn tile_sizes(most: usize) -> TileSizes {
    let mut sizes = [1; MAX_ROWS + 1];
    let mut index = 0;
    while index < TIMES.len() {
        let tiles = TIMES[index].div_ceil(most);
        let mut rows = TIMES[index] / tiles;
        while rows <= TIMES[index].div_ceil(tiles) {
            sizes[rows] = rows;
            rows += 1;
        }
        index += 1;
    }
    let mut rows = 2;
    while rows < sizes.len() {
        if sizes[rows] < rows {
            sizes[rows] = sizes[rows - 1];
        }
        rows += 1;
    }
    sizes
}

/// Tiles for `time` rows, at most `most` in each: as few as possible, as equal as possible. Rows of a tile
/// and how many tiles have so many, in their order; the last are rows for which there is no better tile.
#[inline(always)]
pub(super) fn row_tiles(time: usize, most: usize, sizes: &TileSizes) -> [(usize, usize); 3] {
    let tiles = time.div_ceil(most);
    // A division takes longer than a small tile.
    let mut rows = most;
    while rows * tiles > time {
        rows -= 1;
    }
    let count = time - rows * tiles;
    let larger = sizes[(rows + 1).min(MAX_ROWS)];
    let smaller = sizes[rows];
    let left = time - larger * count - smaller * (tiles - count);
    [(larger, count), (smaller, tiles - count), (1, left)]
}

/// Splits `total` into as few parts of at most `largest` as possible, as equal as possible.
pub(super) fn even_parts(total: usize, largest: usize) -> Vec<usize> {
    let parts = total.div_ceil(largest);
    (0..parts)
        .map(|part| total * (part + 1) / parts - total * part / parts)
        .collect()
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
