//! Where the values of an activation lie: channel-last, so that every kernel runs over whole
//! vectors of channels and needs no care at the ends of time.

use super::isa::Isa;
use crate::description::Shape;

/// Activation `[beat][margin + time + margin][channels rounded up to whole vectors]`. The margin is
/// rows of zeros: the padding of the depthwise convolution that reads it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) shape: Shape,
    /// Rows of zeros before and after each beat.
    pub(super) margin: usize,
    /// Vectors in a row.
    pub(super) width: usize,
}

/// Where rows lie: row `r` of beat `b` starts at `first + b * beat + r * row`.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub(super) first: usize,
    pub(super) beat: usize,
    pub(super) row: usize,
}

impl Strides {
    #[inline(always)]
    pub(super) const fn at(&self, beat: usize, row: usize) -> usize {
        self.first + beat * self.beat + row * self.row
    }
}

impl Layout {
    pub(super) const fn new<I: Isa>(shape: Shape, margin: usize) -> Self {
        Self {
            shape,
            margin,
            width: shape.channels.div_ceil(I::LANES),
        }
    }

    /// Vectors of one beat.
    pub(super) const fn beat_len(&self) -> usize {
        (self.shape.time + 2 * self.margin) * self.width
    }

    /// Index of the first vector of `row` of `beat`.
    #[inline(always)]
    pub(super) const fn at(&self, beat: usize, row: usize) -> usize {
        beat * self.beat_len() + (self.margin + row) * self.width
    }

    /// Where the rows lie, in vectors.
    pub(super) const fn strides(&self) -> Strides {
        Strides {
            first: self.at(0, 0),
            beat: self.beat_len(),
            row: self.width,
        }
    }

    /// The same in scalars.
    pub(super) const fn scalar_strides<I: Isa>(&self) -> Strides {
        let Strides { first, beat, row } = self.strides();
        Strides {
            first: first * I::LANES,
            beat: beat * I::LANES,
            row: row * I::LANES,
        }
    }

    /// Fills the margins of the first `beats` beats with zeros.
    pub(super) fn clear_margins<V: Copy>(&self, values: &mut [V], beats: usize, zero: V) {
        let margin = self.margin * self.width;
        if margin == 0 {
            return;
        }
        for beat in values.chunks_exact_mut(self.beat_len()).take(beats) {
            let end = beat.len() - margin;
            beat[..margin].fill(zero);
            beat[end..].fill(zero);
        }
    }
}
