//! Labels against a record's own annotations.

use crate::evaluate::{Comparison, Pair, Reference, match_beats};
use crate::model::{BeatClass, CLASS_COUNT};
use crate::pipeline::LabelledBeat;
use crate::wfdb::AnnotationFile;

/// The demo traces' rate.
const RATE_HZ: f64 = 500.0;

/// Annotated beats of the five classes against the labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Agreement {
    /// Rows: annotated, columns: labelled.
    pub(super) counts: [[u64; CLASS_COUNT]; CLASS_COUNT],
    /// Annotated beats of each class that were not found.
    pub(super) missed: [u64; CLASS_COUNT],
    /// Beats annotated as something else than the five classes.
    pub(super) other: u64,
    /// Beats found where none is annotated.
    pub(super) extra: u64,
}

impl Agreement {
    /// Pairs beats within 150 ms, the whole trace scored.
    pub(super) fn of(annotations: &AnnotationFile, beats: &[LabelledBeat]) -> Self {
        let reference = Reference::from_annotations(&annotations.annotations);
        let found: Vec<u64> = beats.iter().map(|beat| beat.r_sample).collect();
        let mut agreement = Self::default();
        for pair in match_beats(&reference, &found, &Comparison::standard(RATE_HZ, 0.0)) {
            let annotated = |index: usize| {
                let mnemonic = reference.beats[index].code.mnemonic().unwrap_or_default();
                mnemonic.chars().next().and_then(BeatClass::from_symbol)
            };
            match pair {
                Pair::Matched { reference, found } => match annotated(reference) {
                    Some(class) => {
                        agreement.counts[class.index()][beats[found].class.index()] += 1;
                    }
                    None => agreement.other += 1,
                },
                Pair::Missed { reference } => match annotated(reference) {
                    Some(class) => agreement.missed[class.index()] += 1,
                    None => agreement.other += 1,
                },
                Pair::Extra { .. } => agreement.extra += 1,
            }
        }
        agreement
    }

    pub(super) fn add(&mut self, more: &Self) {
        for class in 0..CLASS_COUNT {
            for (count, further) in self.counts[class].iter_mut().zip(more.counts[class]) {
                *count += further;
            }
            self.missed[class] += more.missed[class];
        }
        self.other += more.other;
        self.extra += more.extra;
    }

    /// Annotated beats of the five classes.
    pub(super) fn annotated(&self) -> u64 {
        self.counts.iter().flatten().chain(&self.missed).sum()
    }

    /// Share of them that were found and labelled alike; `None` without any.
    pub(super) fn fraction(&self) -> Option<f64> {
        let alike: u64 = (0..CLASS_COUNT)
            .map(|class| self.counts[class][class])
            .sum();
        let annotated = self.annotated();
        (annotated > 0).then(|| alike as f64 / annotated as f64)
    }
}
