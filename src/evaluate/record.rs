//! The evaluation of one record.

use serde::Serialize;

use super::aami::{AamiTable, EscapeRule, aami_class};
use super::confusion::Confusion;
use super::figures::Figures;
use super::matching::{Comparison, Pair, match_beats};
use super::reference::Reference;
use crate::model::BeatClass;

/// A beat the chain found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundBeat {
    /// Sample of the record.
    pub sample: u64,
    /// The label it was given.
    pub class: BeatClass,
}

/// One record's counts and figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordEvaluation {
    /// The record.
    pub name: String,
    /// Scored annotated beats.
    pub beats: u64,
    /// Beat detection.
    pub qrs: Figures,
    /// Ventricular ectopic beats.
    pub veb: Figures,
    /// Supraventricular ectopic beats.
    pub sveb: Figures,
    /// The table the figures are from.
    pub aami: AamiTable,
    /// The networks' own classes.
    pub confusion: Confusion,
}

impl RecordEvaluation {
    /// Compare `found`, in order of time, with the reference.
    #[must_use]
    pub fn new(
        name: &str,
        reference: &Reference,
        found: &[FoundBeat],
        comparison: &Comparison,
        rule: EscapeRule,
    ) -> Self {
        let samples: Vec<u64> = found.iter().map(|beat| beat.sample).collect();
        let (mut aami, mut confusion) = (AamiTable::default(), Confusion::default());
        for pair in match_beats(reference, &samples, comparison) {
            let (annotated, class) = match pair {
                Pair::Matched {
                    reference: r,
                    found: f,
                } => (Some(reference.beats[r].code), Some(found[f].class)),
                Pair::Missed { reference: r } => (Some(reference.beats[r].code), None),
                Pair::Extra { found: f } => (None, Some(found[f].class)),
            };
            let superclass = annotated.and_then(|code| aami_class(code, rule));
            aami.add(superclass, class.map(BeatClass::aami));
            match (annotated, class) {
                (Some(code), class) => confusion.add(code, class),
                (None, Some(class)) => confusion.add_extra(class),
                (None, None) => {}
            }
        }
        Self::from_tables(name, aami, confusion)
    }

    pub(super) fn from_tables(name: &str, aami: AamiTable, confusion: Confusion) -> Self {
        let qrs = aami.qrs();
        Self {
            name: name.to_owned(),
            beats: qrs.tp + qrs.missed,
            qrs,
            veb: aami.veb(),
            sveb: aami.sveb(),
            aami,
            confusion,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ReferenceBeat;
    use super::*;
    use crate::wfdb::AnnotationCode;

    #[test]
    fn a_record_by_hand() {
        let annotated = [
            (100, "N"),
            (400, "A"),
            (700, "V"),
            (1000, "j"),
            (1300, "F"),
            (1600, "V"),
        ];
        let reference = Reference {
            beats: annotated
                .map(|(sample, mnemonic)| ReferenceBeat {
                    sample,
                    code: AnnotationCode::from_mnemonic(mnemonic).unwrap(),
                })
                .to_vec(),
            fibrillations: Vec::new(),
        };
        let found = [
            (110, BeatClass::N),
            (390, BeatClass::N),
            (705, BeatClass::V),
            (1001, BeatClass::A),
            (1290, BeatClass::V),
            (1450, BeatClass::V),
        ]
        .map(|(sample, class)| FoundBeat { sample, class });
        let comparison = Comparison {
            window_samples: 54,
            first_sample: 0,
        };
        let under = |rule| RecordEvaluation::new("x", &reference, &found, &comparison, rule);
        let bxb = under(EscapeRule::Supraventricular);
        assert_eq!((bxb.qrs.tp, bxb.qrs.missed, bxb.qrs.fp), (5, 1, 1));
        assert_eq!((bxb.veb.tp, bxb.veb.missed, bxb.veb.fp), (1, 1, 1));
        assert_eq!((bxb.sveb.tp, bxb.sveb.missed, bxb.sveb.fp), (1, 1, 0));
        assert_eq!(bxb.beats, 6);
        let de_chazal = under(EscapeRule::Normal);
        assert_eq!(
            (de_chazal.sveb.tp, de_chazal.sveb.missed, de_chazal.sveb.fp),
            (0, 1, 1)
        );
        // j and F are none of the five classes.
        assert_eq!(bxb.confusion.other, [0, 0, 0, 1, 1]);
        assert_eq!(bxb.confusion.missed, [0, 0, 0, 0, 1]);
    }
}
