//! The confusion matrix over the networks' own classes.

use arrhythmianet::{BeatClass, CLASS_COUNT};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use wfdb_io::AnnotationCode;

use super::figures::{Figures, add_all, mean, ratio};

/// Annotated against found classes, N L R A V. Serialises with its `labels`, `accuracy` and
/// `macro_f1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Confusion {
    /// `counts[annotated][found]`.
    pub counts: [[u64; CLASS_COUNT]; CLASS_COUNT],
    /// Annotated beats that were not found, by class.
    pub missed: [u64; CLASS_COUNT],
    /// Found beats that are not annotated, by the class they were given.
    pub extra: [u64; CLASS_COUNT],
    /// Found beats whose annotation is none of the five classes, by the class they were given.
    pub other: [u64; CLASS_COUNT],
    /// Annotated beats of none of the five classes that were not found.
    pub other_missed: u64,
}

/// The class an annotation names, `None` if it is not one of the five.
pub(super) fn annotated_class(code: AnnotationCode) -> Option<BeatClass> {
    let mut letters = code.mnemonic()?.chars();
    let class = BeatClass::from_symbol(letters.next()?);
    if letters.next().is_some() {
        None
    } else {
        class
    }
}

impl Confusion {
    /// Count an annotated beat and what it was called, `None` if it was not found.
    pub fn add(&mut self, annotated: AnnotationCode, found: Option<BeatClass>) {
        match (
            annotated_class(annotated).map(BeatClass::index),
            found.map(BeatClass::index),
        ) {
            (Some(row), Some(column)) => self.counts[row][column] += 1,
            (Some(row), None) => self.missed[row] += 1,
            (None, Some(column)) => self.other[column] += 1,
            (None, None) => self.other_missed += 1,
        }
    }

    /// Count a found beat that is not annotated.
    pub fn add_extra(&mut self, found: BeatClass) {
        self.extra[found.index()] += 1;
    }

    /// Add another record's counts.
    pub fn merge(&mut self, other: &Self) {
        add_all(self.counts.as_flattened_mut(), other.counts.as_flattened());
        add_all(&mut self.missed, &other.missed);
        add_all(&mut self.extra, &other.extra);
        add_all(&mut self.other, &other.other);
        self.other_missed += other.other_missed;
    }

    /// Share of the found beats of the five classes that were called what they are.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        let right = (0..CLASS_COUNT)
            .map(|class| self.counts[class][class])
            .sum();
        ratio(right, self.counts.iter().flatten().sum())
    }

    /// F1 of one class among the found beats of the five: 2 TP / (2 TP + FN + FP), `None` if the
    /// class neither occurs nor was given.
    #[must_use]
    pub fn f1(&self, class: BeatClass) -> Option<f64> {
        let Figures { tp, missed, fp, .. } = self.one_class(class);
        ratio(2 * tp, 2 * tp + missed + fp)
    }

    /// One class against the other four, among the found beats of the five.
    #[must_use]
    pub fn one_class(&self, class: BeatClass) -> Figures {
        let class = class.index();
        let annotated: u64 = self.counts[class].iter().sum();
        let found: u64 = self.counts.iter().map(|row| row[class]).sum();
        let tp = self.counts[class][class];
        Figures::new(tp, annotated - tp, found - tp, None)
    }

    /// Mean F1 of the classes that occur or were given.
    #[must_use]
    pub fn macro_f1(&self) -> Option<f64> {
        mean(
            BeatClass::ALL
                .into_iter()
                .filter_map(|class| self.f1(class)),
        )
    }
}

impl Serialize for Confusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let labels = BeatClass::ALL.map(BeatClass::symbol);
        let mut fields = serializer.serialize_struct("Confusion", 8)?;
        fields.serialize_field("labels", &labels)?;
        fields.serialize_field("counts", &self.counts)?;
        fields.serialize_field("missed", &self.missed)?;
        fields.serialize_field("extra", &self.extra)?;
        fields.serialize_field("other", &self.other)?;
        fields.serialize_field("other_missed", &self.other_missed)?;
        fields.serialize_field("accuracy", &self.accuracy())?;
        fields.serialize_field("macro_f1", &self.macro_f1())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(mnemonic: &str) -> AnnotationCode {
        AnnotationCode::from_mnemonic(mnemonic).unwrap()
    }

    fn example() -> Confusion {
        let mut confusion = Confusion::default();
        for (annotated, found, times) in [
            ("N", Some(BeatClass::N), 6),
            ("N", Some(BeatClass::A), 2),
            ("N", None, 1),
            ("V", Some(BeatClass::V), 2),
            ("/", Some(BeatClass::V), 3),
            ("a", None, 4),
        ] {
            for _ in 0..times {
                confusion.add(code(annotated), found);
            }
        }
        confusion.add_extra(BeatClass::V);
        confusion
    }

    #[test]
    fn beats_land_in_their_cells() {
        let confusion = example();
        assert_eq!(confusion.counts[0], [6, 0, 0, 2, 0]);
        assert_eq!(confusion.counts[4], [0, 0, 0, 0, 2]);
        assert_eq!(confusion.missed, [1, 0, 0, 0, 0]);
        assert_eq!(confusion.extra, [0, 0, 0, 0, 1]);
        assert_eq!(confusion.other, [0, 0, 0, 0, 3]);
        assert_eq!(confusion.other_missed, 4);
    }

    #[test]
    fn figures_are_of_the_found_beats_of_the_five_classes() {
        let confusion = example();
        assert_eq!(confusion.accuracy(), Some(0.8));
        assert_eq!(confusion.f1(BeatClass::N), Some(12.0 / 14.0));
        let normal = confusion.one_class(BeatClass::N);
        assert_eq!((normal.se, normal.ppv), (Some(0.75), Some(1.0)));
        assert_eq!(confusion.one_class(BeatClass::L).se, None);
        assert_eq!(confusion.f1(BeatClass::A), Some(0.0));
        assert_eq!(confusion.f1(BeatClass::V), Some(1.0));
        assert_eq!(confusion.f1(BeatClass::L), None);
        let mean = (12.0 / 14.0 + 0.0 + 1.0) / 3.0;
        assert!((confusion.macro_f1().unwrap() - mean).abs() < 1e-12);
        assert_eq!(Confusion::default().accuracy(), None);
        assert_eq!(Confusion::default().macro_f1(), None);
    }

    #[test]
    fn json_has_the_documented_names() {
        let json = serde_json::to_value(example()).unwrap();
        assert_eq!(json["labels"], serde_json::json!(["N", "L", "R", "A", "V"]));
        assert_eq!(json["counts"][0][3], 2);
        assert_eq!(json["accuracy"], 0.8);
    }
}
