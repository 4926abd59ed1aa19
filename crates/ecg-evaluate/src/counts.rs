//! Everything counted about one record, or many, and the figures made of it.

use arrhythmianet::{AamiClass, BeatClass};
use serde::{Serialize, Serializer};

use super::aami::AamiTable;
use super::calibration::Calibration;
use super::confusion::Confusion;
use super::runs::{RunLength, RunTable};

/// The counts of one record, or of several added up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Counts {
    /// Beats by AAMI class.
    pub aami: AamiTable,
    /// Beats by the networks' own classes.
    pub confusion: Confusion,
    /// Runs of ventricular ectopic beats.
    pub ve_runs: RunTable,
    /// Runs of supraventricular ectopic beats.
    pub sve_runs: RunTable,
    /// The probabilities' worth.
    pub calibration: Calibration,
}

/// Number of figures.
pub const FIGURE_COUNT: usize = 46;

/// Something of each figure, in the order of [`FIGURE_NAMES`]. Serialises under those names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ByFigure<T>(pub [Option<T>; FIGURE_COUNT]);

/// Fractions of 1; `None` where there is nothing to divide by.
pub type FigureValues = ByFigure<f64>;

impl<T: Copy> Default for ByFigure<T> {
    fn default() -> Self {
        Self([None; FIGURE_COUNT])
    }
}

impl<T: Copy> ByFigure<T> {
    /// What is of the figure `name`, if anything is.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<T> {
        let place = FIGURE_NAMES.iter().position(|known| *known == name)?;
        self.0[place]
    }
}

impl<T: Copy + Serialize> Serialize for ByFigure<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(FIGURE_NAMES.iter().zip(self.0))
    }
}

/// The figures by name. `qrs`, `veb`, `sveb` and `aami_*` are of the EC57 beat table (`aami_n` the
/// class N, `aami_accuracy` the share of the found beats of N, S, V, F and Q that were given their
/// class), `accuracy` to `V_f1` and the calibration error of the five classes N L R A V, the rest of
/// the runs.
#[rustfmt::skip]
pub const FIGURE_NAMES: [&str; FIGURE_COUNT] = [
    "qrs_se", "qrs_ppv",
    "veb_se", "veb_ppv", "veb_fpr",
    "sveb_se", "sveb_ppv", "sveb_fpr",
    "aami_n_se", "aami_n_ppv", "aami_accuracy",
    "ve_couplet_se", "ve_couplet_ppv", "ve_short_run_se", "ve_short_run_ppv",
    "ve_long_run_se", "ve_long_run_ppv",
    "sve_couplet_se", "sve_couplet_ppv", "sve_short_run_se", "sve_short_run_ppv",
    "sve_long_run_se", "sve_long_run_ppv",
    "accuracy", "macro_f1",
    "N_se", "N_ppv", "N_f1", "L_se", "L_ppv", "L_f1", "R_se", "R_ppv", "R_f1",
    "A_se", "A_ppv", "A_f1", "V_se", "V_ppv", "V_f1",
    "calibration_error",
    "coverage_at_0.5", "coverage_at_0.9", "accuracy_at_0.5", "accuracy_at_0.9",
    "unclassifiable",
];

impl Counts {
    /// Add another record's counts.
    pub fn merge(&mut self, other: &Self) {
        self.aami.merge(&other.aami);
        self.confusion.merge(&other.confusion);
        self.ve_runs.merge(&other.ve_runs);
        self.sve_runs.merge(&other.sve_runs);
        self.calibration.merge(&other.calibration);
    }

    /// Several records' counts.
    #[must_use]
    pub fn sum<'a>(records: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for counts in records {
            sum.merge(counts);
        }
        sum
    }

    /// The figures, in the order of [`FIGURE_NAMES`].
    #[must_use]
    pub fn figures(&self) -> FigureValues {
        let (qrs, veb, sveb) = (self.aami.qrs(), self.aami.veb(), self.aami.sveb());
        let normal = self.aami.one_class(AamiClass::N);
        let mut figures = vec![
            qrs.se,
            qrs.ppv,
            veb.se,
            veb.ppv,
            veb.fpr,
            sveb.se,
            sveb.ppv,
            sveb.fpr,
            normal.se,
            normal.ppv,
            self.aami.accuracy(),
        ];
        for runs in [&self.ve_runs, &self.sve_runs] {
            for length in RunLength::ALL {
                let runs = runs.figures(length);
                figures.extend([runs.se, runs.ppv]);
            }
        }
        figures.extend([self.confusion.accuracy(), self.confusion.macro_f1()]);
        for class in BeatClass::ALL {
            let one = self.confusion.one_class(class);
            figures.extend([one.se, one.ppv, self.confusion.f1(class)]);
        }
        figures.push(self.calibration.error());
        let coverage = self.calibration.coverage();
        figures.extend([1, 4].map(|place| coverage[place].coverage));
        figures.extend([1, 4].map(|place| coverage[place].accuracy));
        figures.push(self.aami.called_unclassifiable());
        ByFigure(std::array::from_fn(|place| {
            figures.get(place).copied().flatten()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_name() {
        let mut counts = Counts::default();
        assert!(counts.figures().0.iter().all(Option::is_none));
        for (annotated, found) in [
            (AamiClass::N, AamiClass::N),
            (AamiClass::N, AamiClass::N),
            (AamiClass::V, AamiClass::V),
            (AamiClass::F, AamiClass::V),
            (AamiClass::S, AamiClass::Q),
        ] {
            counts.aami.add(Some(annotated), Some(found));
        }
        counts.calibration.add(0.95, true);
        counts.calibration.add(0.4, false);
        let figures = counts.figures();
        for (name, expected) in [
            ("qrs_se", Some(1.0)),
            ("veb_ppv", Some(1.0)),
            ("sveb_se", Some(0.0)),
            ("sveb_ppv", None),
            ("aami_n_se", Some(1.0)),
            ("aami_accuracy", Some(0.6)),
            ("ve_couplet_se", None),
            ("coverage_at_0.5", Some(0.5)),
            ("accuracy_at_0.9", Some(1.0)),
            ("unclassifiable", Some(0.2)),
        ] {
            assert_eq!(figures.get(name), expected, "{name}");
        }
    }
}
