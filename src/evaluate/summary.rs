//! All records together.

use serde::Serialize;

use super::aami::AamiTable;
use super::confusion::Confusion;
use super::figures::Figures;
use super::record::RecordEvaluation;

/// Gross figures (every beat counts the same) and average ones (every record does).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The records' counts together, named `gross`.
    pub gross: RecordEvaluation,
    /// Means over the records.
    pub average: Average,
}

/// Means over the records in which a figure is defined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names of the figures averaged")]
pub struct Average {
    pub qrs_se: Option<f64>,
    pub qrs_ppv: Option<f64>,
    pub veb_se: Option<f64>,
    pub veb_ppv: Option<f64>,
    pub veb_fpr: Option<f64>,
    pub sveb_se: Option<f64>,
    pub sveb_ppv: Option<f64>,
    pub sveb_fpr: Option<f64>,
}

impl Summary {
    /// Sum up records.
    #[must_use]
    pub fn new(records: &[RecordEvaluation]) -> Self {
        let (mut aami, mut confusion) = (AamiTable::default(), Confusion::default());
        for record in records {
            aami.merge(&record.aami);
            confusion.merge(&record.confusion);
        }
        let mean = |figure: fn(&RecordEvaluation) -> Option<f64>| {
            let values: Vec<f64> = records.iter().filter_map(figure).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        Self {
            gross: RecordEvaluation::from_tables("gross", aami, confusion),
            average: Average {
                qrs_se: mean(|record| record.qrs.se),
                qrs_ppv: mean(|record| record.qrs.ppv),
                veb_se: mean(|record| record.veb.se),
                veb_ppv: mean(|record| record.veb.ppv),
                veb_fpr: mean(|record| record.veb.fpr),
                sveb_se: mean(|record| record.sveb.se),
                sveb_ppv: mean(|record| record.sveb.ppv),
                sveb_fpr: mean(|record| record.sveb.fpr),
            },
        }
    }

    /// Gross figures of detection, VEB and SVEB.
    #[must_use]
    pub fn figures(&self) -> [Figures; 3] {
        [self.gross.qrs, self.gross.veb, self.gross.sveb]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AamiClass;

    #[test]
    fn gross_weighs_beats_and_average_weighs_records() {
        let record = |tp: usize, missed: usize| {
            let mut aami = AamiTable::default();
            for _ in 0..tp {
                aami.add(Some(AamiClass::V), Some(AamiClass::V));
            }
            for _ in 0..missed {
                aami.add(Some(AamiClass::V), Some(AamiClass::N));
            }
            RecordEvaluation::from_tables("x", aami, Confusion::default())
        };
        let mut without = AamiTable::default();
        without.add(Some(AamiClass::N), Some(AamiClass::N));
        let without = RecordEvaluation::from_tables("y", without, Confusion::default());
        let summary = Summary::new(&[record(9, 1), record(1, 1), without]);
        assert_eq!(summary.gross.veb.se, Some(10.0 / 12.0));
        assert_eq!(summary.average.veb_se, Some((0.9 + 0.5) / 2.0));
        assert_eq!(summary.average.sveb_se, None);
        assert_eq!(summary.gross.beats, 13);
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["gross"]["qrs"]["tp"], 13);
    }
}
