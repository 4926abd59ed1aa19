//! Marks: for each row of an activation a bit for each channel, set unless its value is zero. The
//! kernel that writes the activation sets them, the product that reads it skips what is not marked.
#![expect(
    unsafe_code,
    reason = "one write of an inner loop, whose bounds are checked before it"
)]

use super::isa::Isa;
use super::layout::Layout;

/// The marks of [`BITS`] channels, those of the first eight in the first byte, the first channel's lowest.
pub(super) type Word = [u8; 8];

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

/// Marks what is not zero of vector `vector` of the row whose words start at `row`. The vectors of a row come
/// in order. Bits behind those of its last vector are not touched: they mean nothing.
///
/// # Safety
/// `marks` has all words of that row, and `vector` is one of the row's.
#[inline(always)]
pub(super) unsafe fn mark<I: Isa>(
    isa: I,
    marks: &mut [Word],
    (row, vector): (usize, usize),
    value: I::F32,
) {
    let bits = isa.nonzero(value).to_le_bytes();
    let first = row * size_of::<Word>() + vector * I::LANES / 8;
    let bytes = marks.as_flattened_mut();
    if const { I::LANES >= 8 } {
        // Without reading what is there.
        for (at, &bits) in bits[..I::LANES / 8].iter().enumerate() {
            // SAFETY: the caller's promise: a row has a bit for each lane of its vectors.
            unsafe { *bytes.get_unchecked_mut(first + at) = bits };
        }
    } else {
        let shift = vector * I::LANES % 8;
        let before = if shift == 0 { 0 } else { bytes[first] };
        bytes[first] = before | bits[0] << shift;
    }
}
