//! The beats that a beat is compared with, and their values before each ReLU.

use super::super::isa::{Isa, scalars, scalars_mut};
use super::stage::ForwardValues;
use crate::CLASS_COUNT;

/// Beats that go through the backward pass together: each step reads its weights once for all of them. A
/// whole number of [`PACKED`].
pub(super) const TOGETHER: usize = 8;

/// Beats whose values lie in one vector, as [`Isa::unpack`] takes them.
pub(super) const PACKED: usize = 2;

/// The beats, [`TOGETHER`] a group, the last of which may have fewer.
pub(super) struct Background<I: Isa> {
    groups: Vec<Group<I>>,
    pub(super) logits: Vec<[f32; CLASS_COUNT]>,
}

/// Some beats that are compared with together.
pub(super) struct Group<I: Isa> {
    /// Values before each ReLU from the last one to the first, of each ReLU
    /// `[`[`PACKED`]` beats][time][vectors of channels]`, all in one piece: the backward pass reads it from
    /// one end to the other. Rounded to 8 bits as [`Isa::unpack`] takes them: half the memory to read.
    pub(super) before: Vec<I::F32>,
    /// Their inputs one after the other.
    pub(super) inputs: Vec<f32>,
    /// A whole number of [`PACKED`]: one more than `inputs` has counts for nothing.
    pub(super) beats: usize,
}

impl<I: Isa> Background<I> {
    pub(super) const fn empty() -> Self {
        Self {
            groups: Vec::new(),
            logits: Vec::new(),
        }
    }

    /// Of `beats`, `beat_len` values each; `forward` runs one through the network, and `relus` are its
    /// parts with a ReLU, last first.
    pub(super) fn new(
        isa: I,
        beats: &[f32],
        beat_len: usize,
        relus: &[usize],
        mut forward: impl FnMut(&[f32]) -> ([f32; CLASS_COUNT], ForwardValues<I>),
    ) -> Self {
        let mut logits = Vec::new();
        let groups = beats.chunks(TOGETHER * beat_len).map(|inputs| {
            let kept: Vec<ForwardValues<I>> = inputs
                .chunks_exact(beat_len)
                .map(|beat| {
                    let (of_beat, kept) = forward(beat);
                    logits.push(of_beat);
                    kept
                })
                .collect();
            let mut before = Vec::new();
            for &part in relus {
                for two in kept.chunks(PACKED) {
                    let [first, second] =
                        [&two[0], &two[two.len() - 1]].map(|kept| &kept.before[part]);
                    before.extend(packed(isa, first, second));
                }
            }
            Group {
                before,
                inputs: inputs.to_vec(),
                beats: kept.len().next_multiple_of(PACKED),
            }
        });
        Self {
            groups: groups.collect(),
            logits,
        }
    }

    pub(super) fn groups(&self) -> &[Group<I>] {
        &self.groups
    }
}

/// As [`Isa::unpack`] takes them.
fn packed<I: Isa>(isa: I, first: &[I::F32], second: &[I::F32]) -> Vec<I::F32> {
    let mut packed = vec![isa.splat(0.0); first.len()];
    let values = scalars::<I>(first).iter().zip(scalars::<I>(second));
    for (packed, (first, second)) in scalars_mut::<I>(&mut packed).iter_mut().zip(values) {
        *packed = f32::from_bits(rounded(*first) >> 16 | rounded(*second));
    }
    packed
}

/// The bits of the nearest value whose lower half is zero.
fn rounded(value: f32) -> u32 {
    const LOWER: u32 = 0xffff;
    // Saturates where the value is no number.
    value.to_bits().saturating_add(LOWER / 2 + 1) & !LOWER
}

#[cfg(test)]
mod tests {
    use super::super::super::isa::on_every_isa;
    use super::*;

    fn check<I: Isa>(isa: I) {
        let values: Vec<f32> = (0_i16..64)
            .map(|k| f32::from(k - 20) * 1.37_f32.powi(i32::from(k) - 30))
            .collect();
        let [mut first, mut second] = [(); 2].map(|()| vec![isa.splat(0.0); 32 / I::LANES]);
        scalars_mut::<I>(&mut first).copy_from_slice(&values[..32]);
        scalars_mut::<I>(&mut second).copy_from_slice(&values[32..]);
        let two = packed(isa, &first, &second);
        let two = two.into_iter().map(|two| isa.unpack(two));
        let (first, second): (Vec<_>, Vec<_>) = two.map(|[first, second]| (first, second)).unzip();
        let found = scalars::<I>(&first).iter().chain(scalars::<I>(&second));
        for (found, value) in found.zip(&values) {
            let error = (found - value).abs();
            assert!(error <= value.abs() / 256.0, "{value}: {found}");
        }
    }

    #[test]
    fn two_beats_lie_in_one_vector_to_8_bits() {
        on_every_isa!(check);
    }
}
