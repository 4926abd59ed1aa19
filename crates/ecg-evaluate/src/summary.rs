//! All records together.

use super::bootstrap::{Intervals, intervals};
use super::counts::{ByFigure, Counts, FigureValues};
use super::figures::mean;

/// Gross figures (every beat counts the same) with their intervals, and average ones (every record
/// does).
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The records' counts added up.
    pub gross: Counts,
    /// Figures of the added counts.
    pub figures: FigureValues,
    /// Means over the records in which a figure is defined.
    pub average: FigureValues,
    /// 95 % intervals of `figures`, by drawing the records again.
    pub intervals: Intervals,
}

impl Summary {
    /// Sum up records.
    #[must_use]
    pub fn new(records: &[&Counts]) -> Self {
        let gross = Counts::sum(records.iter().copied());
        let of_records: Vec<FigureValues> = records.iter().map(|counts| counts.figures()).collect();
        Self {
            figures: gross.figures(),
            gross,
            average: ByFigure(std::array::from_fn(|place| {
                mean(of_records.iter().filter_map(|figures| figures.0[place]))
            })),
            intervals: intervals(&[records.to_vec()]),
        }
    }
}

/// One figure over several models.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Spread {
    /// Mean over the models.
    pub mean: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Sample standard deviation, `None` of a single model.
    pub deviation: Option<f64>,
}

impl Spread {
    /// The spread of `values`, `None` if one of them is undefined or there is none.
    #[must_use]
    pub fn over_models(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let values: Vec<f64> = values.collect::<Option<_>>()?;
        let mean = mean(values.iter().copied())?;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self {
            mean,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            deviation: (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt()),
        })
    }
}

#[cfg(test)]
mod tests {
    use arrhythmianet::AamiClass;

    use super::*;

    #[test]
    fn gross_weighs_beats_and_average_weighs_records() {
        let record = |tp: usize, missed: usize| {
            let mut counts = Counts::default();
            for _ in 0..tp {
                counts.aami.add(Some(AamiClass::V), Some(AamiClass::V));
            }
            for _ in 0..missed {
                counts.aami.add(Some(AamiClass::V), Some(AamiClass::N));
            }
            counts
        };
        let mut without = Counts::default();
        without.aami.add(Some(AamiClass::N), Some(AamiClass::N));
        let records = [record(9, 1), record(1, 1), without];
        let summary = Summary::new(&records.iter().collect::<Vec<_>>());
        assert_eq!(summary.figures.get("veb_se"), Some(10.0 / 12.0));
        assert_eq!(summary.average.get("veb_se"), Some((0.9 + 0.5) / 2.0));
        assert_eq!(summary.average.get("sveb_se"), None);
        assert!(summary.intervals.get("veb_se").is_some());
        assert_eq!(summary.gross.aami.qrs().tp, 13);
    }

    #[test]
    fn spread_needs_every_model() {
        let spread = Spread::over_models([0.8, 0.9, 1.0].map(Some).into_iter()).unwrap();
        assert!((spread.mean - 0.9).abs() < 1e-12);
        assert!((spread.deviation.unwrap() - 0.1).abs() < 1e-12);
        assert_eq!(Spread::over_models([Some(0.8), None].into_iter()), None);
        assert_eq!(Spread::over_models([].into_iter()), None);
        assert_eq!(
            Spread::over_models([Some(0.8)].into_iter())
                .unwrap()
                .deviation,
            None
        );
    }
}
