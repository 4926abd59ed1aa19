//! Counts and the ratios made of them.

use serde::{Deserialize, Serialize};

/// How well one kind of event was found. Ratios are fractions of 1 and undefined where there is
/// nothing to divide by.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Events that were there and found.
    pub tp: u64,
    /// Events that were there and not found.
    #[serde(rename = "fn")]
    pub missed: u64,
    /// Events that were found and not there.
    pub fp: u64,
    /// Beats that were not such events and not taken for them, where the count makes sense.
    pub tn: Option<u64>,
    /// Sensitivity, TP / (TP + FN).
    pub se: Option<f64>,
    /// Positive predictivity, TP / (TP + FP).
    pub ppv: Option<f64>,
    /// False positive rate, FP / (TN + FP).
    pub fpr: Option<f64>,
}

impl Figures {
    /// The ratios of these counts.
    #[must_use]
    pub fn new(tp: u64, missed: u64, fp: u64, tn: Option<u64>) -> Self {
        Self {
            tp,
            missed,
            fp,
            tn,
            se: ratio(tp, tp + missed),
            ppv: ratio(tp, tp + fp),
            fpr: tn.and_then(|tn| ratio(fp, tn + fp)),
        }
    }
}

/// `part / whole`, undefined where `whole` is 0.
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The mean, `None` of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / f64::from(count))
}

/// Adds each count of `more` to its place in `counts`.
pub(super) fn add_all(counts: &mut [u64], more: &[u64]) {
    for (count, more) in counts.iter_mut().zip(more) {
        *count += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_of_nothing_are_undefined() {
        let nothing = Figures::new(0, 0, 0, Some(0));
        assert_eq!((nothing.se, nothing.ppv, nothing.fpr), (None, None, None));
        let some = Figures::new(3, 1, 0, Some(6));
        assert_eq!(
            (some.se, some.ppv, some.fpr),
            (Some(0.75), Some(1.0), Some(0.0))
        );
        assert_eq!(Figures::new(1, 0, 1, None).fpr, None);
    }

    #[test]
    fn json_names_are_the_documented_ones() {
        let json = serde_json::to_value(Figures::new(3, 1, 2, None)).unwrap();
        assert_eq!(json["fn"], 1);
        assert_eq!(json["ppv"], 0.6);
        assert!(json["fpr"].is_null());
    }
}
