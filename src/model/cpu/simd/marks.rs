//! Marks: for each row of an activation a bit for each channel, set unless its value is zero. The
//! kernel that writes the activation sets them, the product that reads it skips what is not marked.

use super::isa::Isa;
use super::layout::Layout;

/// Channels in a word.
pub(super) const BITS: usize = u64::BITS as usize;

/// Words of one row.
#[inline(always)]
pub(super) const fn row_words<I: Isa>(layout: &Layout) -> usize {
    (layout.width * I::LANES).div_ceil(BITS)
}

/// Words of one beat.
pub(super) const fn words<I: Isa>(layout: &Layout) -> usize {
    layout.shape.time * row_words::<I>(layout)
}

/// Index of the first word of `row` of `beat`.
#[inline(always)]
pub(super) const fn at<I: Isa>(layout: &Layout, beat: usize, row: usize) -> usize {
    (beat * layout.shape.time + row) * row_words::<I>(layout)
}

/// Marks vector `vector` of the rows from `row` of `beat` on, whose values are `rows`. The vectors
/// of a row come in order: the first one of a word clears the rest of it.
#[inline(always)]
pub(super) fn mark<I: Isa>(
    isa: I,
    marks: &mut [u64],
    layout: &Layout,
    (beat, row, vector): (usize, usize, usize),
    rows: &[I::F32],
) {
    let step = row_words::<I>(layout);
    let word = vector * I::LANES / BITS;
    let shift = vector * I::LANES % BITS;
    let marks = &mut marks[at::<I>(layout, beat, row) + word..];
    for (t, &value) in rows.iter().enumerate() {
        let bits = u64::from(isa.nonzero(value)) << shift;
        let mark = &mut marks[t * step];
        *mark = if shift == 0 { bits } else { *mark | bits };
    }
}
