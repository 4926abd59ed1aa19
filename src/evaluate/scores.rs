//! Sensitivities and predictivities from counts.

use serde::Serialize;

use super::Tally;
use crate::model::{BeatClass, CLASS_COUNT};

/// Rows and columns of [`Tally::aami`].
const N: usize = 0;
const S: usize = 1;
const V: usize = 2;
const F: usize = 3;
const Q: usize = 4;
/// Row of extra beats, column of missed ones.
const O: usize = 5;
const BEATS: [usize; 5] = [N, S, V, F, Q];

/// Detection of beats of any class.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct QrsScore {
    /// Annotated beats that were found.
    pub tp: u64,
    /// Annotated beats that were not.
    #[serde(rename = "fn")]
    pub missed: u64,
    /// Beats found where none is annotated.
    pub fp: u64,
    /// Sensitivity, tp / (tp + fn); `None` without annotated beats.
    pub se: Option<f64>,
    /// Positive predictivity, tp / (tp + fp); `None` without found beats.
    pub ppv: Option<f64>,
}

/// Detection of ventricular or supraventricular ectopic beats.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct EctopicScore {
    /// Ectopic beats labelled so.
    pub tp: u64,
    /// Ectopic beats not found or labelled otherwise.
    #[serde(rename = "fn")]
    pub missed: u64,
    /// Other beats labelled ectopic, and extra beats labelled so.
    pub fp: u64,
    /// All other pairs.
    pub tn: u64,
    /// Sensitivity, tp / (tp + fn); `None` without ectopic beats.
    pub se: Option<f64>,
    /// Positive predictivity, tp / (tp + fp); `None` without beats labelled so.
    pub ppv: Option<f64>,
    /// False positive rate, fp / (fp + tn); `None` without other beats.
    pub fpr: Option<f64>,
}

/// EC57's figures of a record, or of all records' counts together.
///
/// By the standard's table, as `bxb` applies it: a fusion beat (F) or an unclassifiable one (Q)
/// called V counts neither for nor against VEB detection; an unclassifiable one called S neither
/// for nor against SVEB detection, while N, V or F called S are false positives.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Scores {
    /// Any beat.
    pub qrs: QrsScore,
    /// Ventricular ectopic beats.
    pub veb: EctopicScore,
    /// Supraventricular ectopic beats.
    pub sveb: EctopicScore,
}

/// Means over records of the figures that exist.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct MeanScore {
    /// Mean sensitivity.
    pub se: Option<f64>,
    /// Mean positive predictivity.
    pub ppv: Option<f64>,
    /// Records with a sensitivity.
    pub records: usize,
}

/// EC57's "average" figures: every record has the same weight.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct AverageScores {
    /// Any beat.
    pub qrs: MeanScore,
    /// Ventricular ectopic beats.
    pub veb: MeanScore,
    /// Supraventricular ectopic beats.
    pub sveb: MeanScore,
}

/// The five-class confusion matrix with its summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confusion {
    /// N L R A V.
    pub labels: [char; CLASS_COUNT],
    /// Rows: annotated, columns: labelled.
    pub counts: [[u64; CLASS_COUNT]; CLASS_COUNT],
}

impl Scores {
    /// The figures of these counts.
    #[must_use]
    pub fn of(tally: &Tally) -> Self {
        let (tp, missed, fp) =
            (tally.sum(&BEATS, &BEATS), tally.sum(&BEATS, &[O]), tally.sum(&[O], &BEATS));
        let qrs =
            QrsScore { tp, missed, fp, se: fraction(tp, missed), ppv: fraction(tp, fp) };
        let veb = EctopicScore::new(
            tally.sum(&[V], &[V]),
            tally.sum(&[V], &[N, S, F, Q, O]),
            tally.sum(&[N, S, O], &[V]),
            tally.sum(&[N, S, F, Q, O], &[N, S, F, Q]),
        );
        let sveb = EctopicScore::new(
            tally.sum(&[S], &[S]),
            tally.sum(&[S], &[N, V, F, Q, O]),
            tally.sum(&[N, V, F, O], &[S]),
            tally.sum(&[N, V, F, Q, O], &[N, V, F, Q]),
        );
        Self { qrs, veb, sveb }
    }
}

impl EctopicScore {
    fn new(tp: u64, missed: u64, fp: u64, tn: u64) -> Self {
        Self {
            tp,
            missed,
            fp,
            tn,
            se: fraction(tp, missed),
            ppv: fraction(tp, fp),
            fpr: fraction(fp, tn),
        }
    }
}

impl AverageScores {
    /// Means over the records' figures.
    #[must_use]
    pub fn of(records: &[Scores]) -> Self {
        let mean_of = |se: fn(&Scores) -> Option<f64>, ppv: fn(&Scores) -> Option<f64>| MeanScore {
            se: mean(records.iter().filter_map(se)),
            ppv: mean(records.iter().filter_map(ppv)),
            records: records.iter().filter_map(se).count(),
        };
        Self {
            qrs: mean_of(|scores| scores.qrs.se, |scores| scores.qrs.ppv),
            veb: mean_of(|scores| scores.veb.se, |scores| scores.veb.ppv),
            sveb: mean_of(|scores| scores.sveb.se, |scores| scores.sveb.ppv),
        }
    }
}

impl Confusion {
    /// The matrix of these counts.
    #[must_use]
    pub fn of(tally: &Tally) -> Self {
        Self { labels: BeatClass::ALL.map(BeatClass::symbol), counts: tally.confusion }
    }

    /// Share of the beats on the diagonal; `None` without beats.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        let alike: u64 = (0..CLASS_COUNT).map(|class| self.counts[class][class]).sum();
        let all: u64 = self.counts.as_flattened().iter().sum();
        (all > 0).then(|| alike as f64 / all as f64)
    }

    /// Mean F1 of the classes that occur, as annotation or as label; `None` without beats.
    #[must_use]
    pub fn macro_f1(&self) -> Option<f64> {
        mean((0..CLASS_COUNT).filter_map(|class| {
            let annotated: u64 = self.counts[class].iter().sum();
            let labelled: u64 = self.counts.iter().map(|row| row[class]).sum();
            let both = annotated + labelled;
            (both > 0).then(|| 2.0 * self.counts[class][class] as f64 / both as f64)
        }))
    }
}

/// `part / (part + rest)`, `None` for 0 / 0.
fn fraction(part: u64, rest: u64) -> Option<f64> {
    let whole = part + rest;
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix in which every cell is another power of two, so that a sum tells its cells.
    fn telling() -> Tally {
        let mut tally = Tally::default();
        for row in 0..6 {
            for column in 0..6 {
                tally.aami[row][column] = 1 << (row * 6 + column);
            }
        }
        tally
    }

    fn cells(names: &[&str]) -> u64 {
        let index = |letter: char| "NSVFQO".find(letter).unwrap();
        names
            .iter()
            .map(|name| {
                let mut letters = name.chars();
                let row = index(letters.next().unwrap());
                1_u64 << (row * 6 + index(letters.next().unwrap()))
            })
            .sum()
    }

    #[test]
    fn every_figure_adds_the_cells_bxb_adds() {
        let scores = Scores::of(&telling());
        assert_eq!(scores.qrs.missed, cells(&["NO", "SO", "VO", "FO", "QO"]));
        assert_eq!(scores.qrs.fp, cells(&["ON", "OS", "OV", "OF", "OQ"]));
        assert_eq!(scores.veb.tp, cells(&["VV"]));
        assert_eq!(scores.veb.missed, cells(&["VN", "VS", "VF", "VQ", "VO"]));
        assert_eq!(scores.veb.fp, cells(&["NV", "SV", "OV"]));
        assert_eq!(scores.sveb.tp, cells(&["SS"]));
        assert_eq!(scores.sveb.missed, cells(&["SN", "SV", "SF", "SQ", "SO"]));
        assert_eq!(scores.sveb.fp, cells(&["NS", "VS", "FS", "OS"]));
    }

    #[test]
    fn figures_without_beats_do_not_exist() {
        let scores = Scores::of(&Tally::default());
        assert_eq!((scores.qrs.se, scores.veb.ppv, scores.sveb.fpr), (None, None, None));
        let confusion = Confusion::of(&Tally::default());
        assert_eq!((confusion.accuracy(), confusion.macro_f1()), (None, None));
    }

    #[test]
    fn macro_f1_weighs_the_classes_that_occur_alike() {
        let mut tally = Tally::default();
        tally.confusion[0] = [90, 0, 0, 0, 10];
        tally.confusion[4] = [0, 0, 0, 0, 10];
        let confusion = Confusion::of(&tally);
        assert!((confusion.accuracy().unwrap() - 100.0 / 110.0).abs() < 1e-12);
        let (f1_n, f1_v) = (180.0 / 190.0, 20.0 / 30.0);
        assert!((confusion.macro_f1().unwrap() - (f1_n + f1_v) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn averages_leave_out_records_without_the_figure() {
        let mut with = Tally::default();
        with.aami[V][V] = 3;
        with.aami[V][N] = 1;
        let average = AverageScores::of(&[Scores::of(&with), Scores::of(&Tally::default())]);
        assert_eq!(average.veb.se, Some(0.75));
        assert_eq!(average.veb.records, 1);
    }
}
