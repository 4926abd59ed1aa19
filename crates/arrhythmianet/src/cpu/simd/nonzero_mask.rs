//! The non-zero mask of an activation: for each row a bit per channel, set unless the value is zero. The
//! kernel that writes the activation sets the bits, the product that reads it skips the zeros.
#![expect(
    unsafe_code,
    reason = "one write of an inner loop, whose bounds are checked before it"
)]

use super::isa::Isa;
use super::layout::Layout;

/// The bits of [`BITS`] channels, those of the first eight in the first byte, the first channel's lowest.
pub(super) type MaskWord = [u8; 8];

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

/// Sets the bits of vector `vector` of the row whose words start at `row`. The vectors of a row come in
/// order. Bits behind those of its last vector are not touched and mean nothing.
///
/// # Safety
/// `mask` has all words of that row, and `vector` is one of the row's.
#[inline(always)]
pub(super) unsafe fn set_bits<I: Isa>(
    isa: I,
    mask: &mut [MaskWord],
    (row, vector): (usize, usize),
    value: I::F32,
) {
    let bits = isa.nonzero(value).to_le_bytes();
    let first = row * size_of::<MaskWord>() + vector * I::LANES / 8;
    let bytes = mask.as_flattened_mut();
    if const { I::LANES >= 8 } {
        debug_assert!(first + I::LANES / 8 <= bytes.len());
        // Whole bytes: what was there need not be read.
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
