//! How a product is cut into tiles of rows times vectors of outputs, what it reads, and where its sums go.

use super::isa::Isa;
use super::layout::{Layout, Strides};

/// Most vectors of outputs that are summed together.
pub(super) const MAX_VECTORS: usize = 4;
/// Most rows that are summed together.
pub(super) const MAX_ROWS: usize = 12;

/// Calls a method that is compiled separately for each number of rows, from one to [`MAX_ROWS`].
macro_rules! with_rows {
    ($rows:expr, $owner:ident.$tile:ident $arguments:tt) => {
        match $rows {
            1 => $owner.$tile::<1> $arguments,
            2 => $owner.$tile::<2> $arguments,
            3 => $owner.$tile::<3> $arguments,
            4 => $owner.$tile::<4> $arguments,
            5 => $owner.$tile::<5> $arguments,
            6 => $owner.$tile::<6> $arguments,
            7 => $owner.$tile::<7> $arguments,
            8 => $owner.$tile::<8> $arguments,
            9 => $owner.$tile::<9> $arguments,
            10 => $owner.$tile::<10> $arguments,
            11 => $owner.$tile::<11> $arguments,
            _ => $owner.$tile::<MAX_ROWS> $arguments,
        }
    };
}
pub(super) use with_rows;

/// Scalars a product reads. Rows may overlap, as those of a convolution over time do.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) strides: Strides,
}

/// What happens to the sums, and where they go.
pub(super) struct Output<'a, V> {
    pub(super) values: &'a mut [V],
    pub(super) layout: Layout,
    pub(super) relu: bool,
    /// Added to the sums.
    pub(super) addend: Option<Addend<'a, V>>,
}

/// Vectors added to the sums: an activation of the same shape (the residual), or one row per beat for all
/// its rows (the context).
pub(super) struct Addend<'a, V> {
    pub(super) values: &'a [V],
    pub(super) strides: Strides,
}

/// Vectors of outputs in a group: two with 16 registers, so that the sums of six rows and the weights are
/// in registers and one is left. Three and four vectors would take all registers, and sums would spill.
pub(super) const fn most_vectors(registers: usize) -> usize {
    if registers < 32 { 2 } else { MAX_VECTORS }
}

/// Rows whose sums fit the registers beside one row of weights and one input.
pub(super) const fn most_rows(registers: usize, vectors: usize) -> usize {
    let rows = (registers - vectors - 1) / vectors;
    if rows < MAX_ROWS { rows } else { MAX_ROWS }
}

/// Times of the built-in networks. Code is generated for the tiles of these, and other times are put
/// together from the same tiles: each number of rows is compiled separately, and the program has to stay
/// small.
const TIMES: [usize; 4] = [8, 16, 32, 64];

/// For each number of rows the largest tile of at most that many rows that code is generated for.
pub(super) type TileSizes = [usize; MAX_ROWS + 1];

/// The tiles that code is generated for where one has at most `most` rows.
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

/// Tiles for `time` rows, at most `most` in each: as few as possible, as equal as possible. Each pair is the
/// rows of a tile and the number of such tiles, in order; the last pair is the rows left over.
#[inline(always)]
pub(super) fn row_tiles(time: usize, most: usize, sizes: &TileSizes) -> [(usize, usize); 3] {
    let tiles = time.div_ceil(most);
    // Counted down, because a division takes longer than a small tile.
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
    // Only loops of constant length, so that the sums stay in registers.
    let Output {
        values,
        layout,
        relu,
        addend,
    } = output;
    if let Some(addend) = addend {
        let values = &addend.values[addend.strides.at(beat, row) + first..];
        for (t, sums) in sums.iter_mut().enumerate() {
            let row = &values[t * addend.strides.row..][..V];
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
