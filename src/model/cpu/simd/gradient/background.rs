//! The beats that a beat is compared with, and their values before each ReLU.

use super::stage::Kept;
use super::{CLASS_COUNT, Isa};

/// Beats whose way back is gone together: each step reads its weights once for all of them.
pub(super) const TOGETHER: usize = 4;

/// The beats, [`TOGETHER`] a group, the last of which may have fewer.
pub(super) struct Background<I: Isa> {
    groups: Vec<Group<I>>,
    pub(super) logits: Vec<[f32; CLASS_COUNT]>,
}

/// Some beats that are compared with together.
pub(super) struct Group<I: Isa> {
    /// Before each ReLU from the last one to the first, `[beat][time][vectors of channels]` of each, all
    /// in one piece: the way back reads it from one end to the other.
    pub(super) before: Vec<I::F32>,
    /// Their inputs one after the other.
    pub(super) inputs: Vec<f32>,
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
        beats: &[f32],
        beat_len: usize,
        relus: &[usize],
        mut forward: impl FnMut(&[f32]) -> ([f32; CLASS_COUNT], Kept<I>),
    ) -> Self {
        let mut logits = Vec::new();
        let groups = beats.chunks(TOGETHER * beat_len).map(|inputs| {
            let kept: Vec<Kept<I>> = inputs
                .chunks_exact(beat_len)
                .map(|beat| {
                    let (of_beat, kept) = forward(beat);
                    logits.push(of_beat);
                    kept
                })
                .collect();
            let before = relus
                .iter()
                .flat_map(|&part| kept.iter().flat_map(move |kept| &kept.before[part]));
            Group {
                before: before.copied().collect(),
                inputs: inputs.to_vec(),
                beats: kept.len(),
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
