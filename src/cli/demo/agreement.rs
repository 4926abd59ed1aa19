//! Labels against a record's own annotations.

use arrhythmianet::CLASS_COUNT;
use ecg_chain::LabelledBeat;
use ecg_evaluate::{self, Comparison, Confusion, EscapeRule, Reference};
use wfdb_io::AnnotationFile;

/// The demo traces' rate.
pub(super) const RATE_HZ: f64 = 500.0;

/// Pairs beats within 150 ms, the whole trace scored.
pub(super) fn compare(annotations: &AnnotationFile, beats: &[LabelledBeat]) -> Confusion {
    let reference = Reference::from_annotations(&annotations.annotations);
    let found: Vec<_> = beats.iter().map(ecg_evaluate::FoundBeat::from).collect();
    let whole = Comparison::standard(RATE_HZ, 0.0);
    ecg_evaluate::compare(&reference, &found, &whole, EscapeRule::default()).confusion
}

/// Annotated beats of the five classes.
pub(super) fn annotated(confusion: &Confusion) -> u64 {
    confusion
        .counts
        .iter()
        .flatten()
        .chain(&confusion.missed)
        .sum()
}

/// Share of them that were found and labelled alike; `None` without any.
pub(super) fn agreement(confusion: &Confusion) -> Option<f64> {
    let alike: u64 = (0..CLASS_COUNT)
        .map(|class| confusion.counts[class][class])
        .sum();
    let annotated = annotated(confusion);
    (annotated > 0).then(|| alike as f64 / annotated as f64)
}
