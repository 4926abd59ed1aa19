//! The evaluation of one record.

use arrhythmianet::{AamiClass, BeatClass};
use ecg_chain::LabelledBeat;

use super::aami::{EscapeRule, aami_class};
use super::confusion::annotated_class;
use super::counts::Counts;
use super::matching::{Comparison, Pair, match_beats};
use super::reference::{Reference, ReferenceBeat};
use super::runs::{RunTable, Side, Step};

/// A beat that was found and labelled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundBeat {
    /// Sample of the record.
    pub sample: u64,
    /// The class of the largest probability.
    pub class: BeatClass,
    /// The largest probability, 0 to 1.
    pub probability: f32,
    /// Whether the class was withheld: the AAMI table counts the beat as called Q, the five-class
    /// matrix and the calibration go by `class` all the same.
    pub unclassifiable: bool,
}

impl From<&LabelledBeat> for FoundBeat {
    fn from(beat: &LabelledBeat) -> Self {
        Self {
            sample: beat.r_sample,
            class: beat.class,
            probability: beat.probabilities[beat.class.index()],
            unclassifiable: beat.unclassifiable.is_some(),
        }
    }
}

impl FoundBeat {
    /// The superclass it was given.
    #[must_use]
    pub fn aami(&self) -> AamiClass {
        if self.unclassifiable {
            AamiClass::Q
        } else {
            self.class.aami()
        }
    }
}

/// Compare `found`, in order of time, with the reference.
#[must_use]
pub fn compare(
    reference: &Reference,
    found: &[FoundBeat],
    comparison: &Comparison,
    rule: EscapeRule,
) -> Counts {
    let samples: Vec<u64> = found.iter().map(|beat| beat.sample).collect();
    let mut counts = Counts::default();
    for pair in match_beats(reference, &samples, comparison) {
        match pair {
            Pair::Matched {
                reference: r,
                found: f,
            } => counts.add(&reference.beats[r], Some(&found[f]), rule),
            Pair::Missed { reference: r } => counts.add(&reference.beats[r], None, rule),
            Pair::Extra { found: f } => {
                counts.aami.add(None, Some(found[f].aami()));
                counts.confusion.add_extra(found[f].class);
            }
        }
    }
    counts.add_runs(reference, found, comparison, rule);
    counts
}

/// Compare `found` beats that were cut at the annotated R peaks, in order of time, with those of them
/// that are `scored`, all where it is `None`. A beat without signal (in a gap) was not found. Nothing
/// is matched, runs are not counted.
#[must_use]
pub fn compare_labels(
    reference: &Reference,
    found: &[FoundBeat],
    scored: Option<&[bool]>,
    rule: EscapeRule,
) -> Counts {
    let mut found = found.iter().peekable();
    let mut counts = Counts::default();
    for (place, annotated) in reference.beats.iter().enumerate() {
        let label = found.next_if(|found| found.sample == annotated.sample);
        if scored.is_none_or(|scored| scored[place]) {
            counts.add(annotated, label, rule);
        }
    }
    counts
}

impl Counts {
    /// Count an annotated beat and what it was called, `None` if it was not found.
    fn add(&mut self, annotated: &ReferenceBeat, found: Option<&FoundBeat>, rule: EscapeRule) {
        let class = aami_class(annotated.code, rule);
        self.aami.add(class, found.map(FoundBeat::aami));
        self.confusion
            .add(annotated.code, found.map(|found| found.class));
        if let (Some(class), Some(found)) = (annotated_class(annotated.code), found) {
            self.calibration
                .add(found.probability, class == found.class);
        }
    }

    fn add_runs(
        &mut self,
        reference: &Reference,
        found: &[FoundBeat],
        comparison: &Comparison,
        rule: EscapeRule,
    ) {
        for (class, table) in [
            (AamiClass::V, &mut self.ve_runs),
            (AamiClass::S, &mut self.sve_runs),
        ] {
            let found = found.iter().map(|beat| {
                if beat.aami() == class {
                    Step::Ectopic(beat.sample)
                } else {
                    Step::Other(beat.sample)
                }
            });
            let found = Side {
                steps: found.collect(),
                stretches: Vec::new(),
            };
            *table = RunTable::compare(
                &annotated_side(reference, class, rule),
                &found,
                comparison.window_samples,
                comparison.first_sample,
            );
        }
    }
}

/// The annotators' runs of `class`, V or S.
fn annotated_side(reference: &Reference, class: AamiClass, rule: EscapeRule) -> Side {
    let ventricular = class == AamiClass::V;
    let in_atrial_fibrillation = |sample: u64| {
        let mut stretches = reference.atrial_fibrillations.iter();
        stretches.any(|&(first, last)| (first..last).contains(&sample))
    };
    let mut steps: Vec<Step> = reference
        .beats
        .iter()
        .map(|beat| {
            let of_class = aami_class(beat.code, rule).is_some_and(|of| match of {
                AamiClass::F => ventricular,
                AamiClass::N => !ventricular && in_atrial_fibrillation(beat.sample),
                of => of == class,
            });
            if of_class {
                Step::Ectopic(beat.sample)
            } else {
                Step::Other(beat.sample)
            }
        })
        .chain(
            reference
                .unreadable
                .iter()
                .map(|&sample| Step::Other(sample)),
        )
        .collect();
    let stretches = if ventricular {
        &reference.fibrillations
    } else {
        &reference.atrial_fibrillations
    };
    for &(first, last) in stretches {
        if ventricular {
            steps.push(Step::Fibrillation(first, last));
        } else {
            steps.extend([Step::Onset(first), Step::Offset(last)]);
        }
    }
    steps.sort_by_key(Step::last);
    Side {
        steps,
        stretches: stretches.clone(),
    }
}

#[cfg(test)]
mod tests {
    use wfdb_io::AnnotationCode;

    use super::*;

    fn annotated(beats: &[(u64, &str)]) -> Vec<ReferenceBeat> {
        beats
            .iter()
            .map(|&(sample, mnemonic)| ReferenceBeat {
                sample,
                code: AnnotationCode::from_mnemonic(mnemonic).unwrap(),
            })
            .collect()
    }

    fn labelled(sample: u64, class: BeatClass) -> FoundBeat {
        FoundBeat {
            sample,
            class,
            probability: 0.9,
            unclassifiable: false,
        }
    }

    #[test]
    fn a_record_by_hand() {
        let reference = Reference {
            beats: annotated(&[
                (100, "N"),
                (400, "A"),
                (700, "V"),
                (1000, "j"),
                (1300, "F"),
                (1600, "V"),
            ]),
            ..Reference::default()
        };
        let found = [
            (110, BeatClass::N),
            (390, BeatClass::N),
            (705, BeatClass::V),
            (1001, BeatClass::A),
            (1290, BeatClass::V),
            (1450, BeatClass::V),
        ]
        .map(|(sample, class)| labelled(sample, class));
        let comparison = Comparison {
            window_samples: 54,
            first_sample: 0,
        };
        let under = |rule| compare(&reference, &found, &comparison, rule);
        let bxb = under(EscapeRule::Supraventricular);
        let (qrs, veb, sveb) = (bxb.aami.qrs(), bxb.aami.veb(), bxb.aami.sveb());
        assert_eq!((qrs.tp, qrs.missed, qrs.fp), (5, 1, 1));
        assert_eq!((veb.tp, veb.missed, veb.fp), (1, 1, 1));
        assert_eq!((sveb.tp, sveb.missed, sveb.fp), (1, 1, 0));
        let sveb = under(EscapeRule::Normal).aami.sveb();
        assert_eq!((sveb.tp, sveb.missed, sveb.fp), (0, 1, 1));
        // j and F are none of the five classes.
        assert_eq!(bxb.confusion.other, [0, 0, 0, 1, 1]);
        assert_eq!(bxb.confusion.missed, [0, 0, 0, 0, 1]);
        // N right, A wrong, V right.
        assert!((bxb.calibration.error().unwrap() - (0.9 - 2.0 / 3.0)).abs() < 1e-6);
        // F and V beside each other are a couplet, and were called one.
        assert_eq!(bxb.ve_runs.predictivity[1][2], 1);
        assert_eq!(bxb.ve_runs.sensitivity[2][2], 1);
    }

    #[test]
    fn an_unclassifiable_beat_is_called_q() {
        let reference = Reference {
            beats: annotated(&[(100, "V"), (400, "/"), (550, "N"), (600, "V"), (700, "N")]),
            ..Reference::default()
        };
        let found = [100, 400, 700].map(|sample| FoundBeat {
            unclassifiable: sample < 700,
            ..labelled(sample, BeatClass::V)
        });
        let scored = [true, true, false, false, true];
        let counts = compare_labels(&reference, &found, Some(&scored), EscapeRule::Normal);
        assert_eq!(counts.aami.accuracy(), Some(1.0 / 3.0), "the paced beat");
        assert_eq!(counts.aami.veb().missed, 1);
        assert_eq!(counts.confusion.counts[4][4], 1, "its class stays");
        assert_eq!(counts.aami.called_unclassifiable(), Some(2.0 / 3.0));
        let all = compare_labels(&reference, &found, None, EscapeRule::Normal);
        assert_eq!(all.aami.qrs().missed, 2, "there was no signal to cut");
    }
}
