//! The beat table of EC57 over the classes N, S, V, F and Q.

use arrhythmianet::AamiClass;
use serde::{Deserialize, Serialize};
use wfdb_io::AnnotationCode;

use super::figures::{Figures, add_all, ratio};

/// Where the escape beats belong: atrial `e`, nodal `j`, supraventricular `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum EscapeRule {
    /// SVEB, as `bxb` counts them.
    #[default]
    #[cfg_attr(feature = "clap", value(name = "sveb"))]
    Supraventricular,
    /// N, as de Chazal 2004 and most studies after it count them.
    Normal,
}

/// The superclass of an annotated beat; `None` for annotations that are not beats.
///
/// | class | annotations |
/// | --- | --- |
/// | N | N L R B, and e j n under [`EscapeRule::Normal`] |
/// | S | A a J S, and e j n under [`EscapeRule::Supraventricular`] |
/// | V | V E r |
/// | F | F |
/// | Q | / f Q ? |
#[must_use]
pub fn aami_class(code: AnnotationCode, rule: EscapeRule) -> Option<AamiClass> {
    match code.mnemonic()? {
        "N" | "L" | "R" | "B" => Some(AamiClass::N),
        "A" | "a" | "J" | "S" => Some(AamiClass::S),
        "e" | "j" | "n" => Some(match rule {
            EscapeRule::Supraventricular => AamiClass::S,
            EscapeRule::Normal => AamiClass::N,
        }),
        "V" | "E" | "r" => Some(AamiClass::V),
        "F" => Some(AamiClass::F),
        "/" | "f" | "Q" | "?" => Some(AamiClass::Q),
        _ => None,
    }
}

/// Number of superclasses.
const CLASSES: usize = 5;
/// Row of found beats that are not annotated, column of annotated beats that were not found.
const NONE: usize = CLASSES;

/// Annotated (rows) against found (columns) beats in the order N S V F Q none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AamiTable {
    /// `counts[annotated][found]`; the last row are extra, the last column missed beats.
    pub counts: [[u64; CLASSES + 1]; CLASSES + 1],
}

impl AamiTable {
    /// Count one beat; `None` for one that is not annotated or was not found.
    pub fn add(&mut self, annotated: Option<AamiClass>, found: Option<AamiClass>) {
        let place = |class: Option<AamiClass>| class.map_or(NONE, |class| class as usize);
        self.counts[place(annotated)][place(found)] += 1;
    }

    /// Add another record's table.
    pub fn merge(&mut self, other: &Self) {
        add_all(self.counts.as_flattened_mut(), other.counts.as_flattened());
    }

    /// Beat detection, whatever the classes.
    #[must_use]
    pub fn qrs(&self) -> Figures {
        let annotated = &self.counts[..CLASSES];
        let found = self.found();
        let missed: u64 = annotated.iter().map(|row| row[NONE]).sum();
        let extra: u64 = self.counts[NONE][..CLASSES].iter().sum();
        Figures::new(found, missed, extra, None)
    }

    /// Ventricular ectopic beats; F and Q called V count neither for nor against.
    #[must_use]
    pub fn veb(&self) -> Figures {
        self.ectopic(AamiClass::V, &[AamiClass::F, AamiClass::Q])
    }

    /// Supraventricular ectopic beats; Q called S counts neither for nor against.
    #[must_use]
    pub fn sveb(&self) -> Figures {
        self.ectopic(AamiClass::S, &[AamiClass::Q])
    }

    /// One class against all others, nothing forgiven.
    #[must_use]
    pub fn one_class(&self, class: AamiClass) -> Figures {
        self.ectopic(class, &[])
    }

    /// Share of the beats found that were given their class; F and Q stay in the count, so a network
    /// without these classes gets them wrong.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        let right = (0..CLASSES).map(|class| self.counts[class][class]).sum();
        ratio(right, self.found())
    }

    /// Share of the beats found that were called unclassifiable (Q), whatever they are.
    #[must_use]
    pub fn called_unclassifiable(&self) -> Option<f64> {
        let unclassifiable = self.counts[..CLASSES]
            .iter()
            .map(|row| row[AamiClass::Q as usize])
            .sum();
        ratio(unclassifiable, self.found())
    }

    fn found(&self) -> u64 {
        let annotated = &self.counts[..CLASSES];
        annotated.iter().flat_map(|row| &row[..CLASSES]).sum()
    }

    fn ectopic(&self, class: AamiClass, forgiven: &[AamiClass]) -> Figures {
        let class = class as usize;
        let (mut missed, mut fp, mut tn) = (0, 0, 0);
        for (annotated, row) in self.counts.iter().enumerate() {
            if annotated == class {
                missed = row.iter().sum::<u64>() - row[class];
                continue;
            }
            tn += row[..CLASSES].iter().sum::<u64>() - row[class];
            if !forgiven.iter().any(|&other| other as usize == annotated) {
                fp += row[class];
            }
        }
        Figures::new(self.counts[class][class], missed, fp, Some(tn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_have_their_superclass_under_either_rule() {
        let rows = [
            ("N", "N", "N"),
            ("L", "N", "N"),
            ("e", "S", "N"),
            ("j", "S", "N"),
            ("n", "S", "N"),
            ("J", "S", "S"),
            ("a", "S", "S"),
            ("E", "V", "V"),
            ("F", "F", "F"),
            ("/", "Q", "Q"),
            ("f", "Q", "Q"),
            ("+", "-", "-"),
            ("!", "-", "-"),
        ];
        let name =
            |class: Option<AamiClass>| class.map_or("-".into(), |class| format!("{class:?}"));
        let failed: Vec<_> = rows
            .into_iter()
            .filter(|(mnemonic, bxb, de_chazal)| {
                let code = AnnotationCode::from_mnemonic(mnemonic).unwrap();
                name(aami_class(code, EscapeRule::Supraventricular)) != *bxb
                    || name(aami_class(code, EscapeRule::Normal)) != *de_chazal
            })
            .collect();
        assert!(failed.is_empty(), "{failed:?}");
    }

    /// Each cell has its own power of two, so that a sum tells what was added.
    fn marked_table() -> AamiTable {
        let mut table = AamiTable::default();
        for (row, counts) in table.counts.iter_mut().enumerate() {
            for (column, count) in counts.iter_mut().enumerate() {
                *count = 1 << (6 * row + column);
            }
        }
        table
    }

    fn sum(cells: &[&str]) -> u64 {
        let place = |letter: char| "NSVFQO".find(letter.to_ascii_uppercase()).unwrap();
        cells
            .iter()
            .map(|cell| {
                let mut letters = cell.chars();
                let row = place(letters.next().unwrap());
                1_u64 << (6 * row + place(letters.next().unwrap()))
            })
            .sum()
    }

    #[test]
    fn ventricular_counts_are_those_of_bxb() {
        let veb = marked_table().veb();
        assert_eq!(veb.tp, sum(&["Vv"]));
        assert_eq!(veb.missed, sum(&["Vn", "Vs", "Vf", "Vq", "Vo"]));
        assert_eq!(veb.fp, sum(&["Nv", "Sv", "Ov"]));
        let tn = sum(&[
            "Nn", "Ns", "Nf", "Nq", "Sn", "Ss", "Sf", "Sq", "Fn", "Fs", "Ff", "Fq", "Qn", "Qs",
            "Qf", "Qq", "On", "Os", "Of", "Oq",
        ]);
        assert_eq!(veb.tn, Some(tn));
    }

    #[test]
    fn supraventricular_counts_are_those_of_bxb() {
        let sveb = marked_table().sveb();
        assert_eq!(sveb.tp, sum(&["Ss"]));
        assert_eq!(sveb.missed, sum(&["Sn", "Sv", "Sf", "Sq", "So"]));
        assert_eq!(sveb.fp, sum(&["Ns", "Vs", "Fs", "Os"]));
    }

    #[test]
    fn accuracy_keeps_fusion_and_unknown_beats_in_the_count() {
        let mut table = AamiTable::default();
        for (annotated, found, times) in [
            (AamiClass::N, AamiClass::N, 6),
            (AamiClass::F, AamiClass::V, 2),
            (AamiClass::Q, AamiClass::Q, 1),
            (AamiClass::V, AamiClass::Q, 1),
        ] {
            for _ in 0..times {
                table.add(Some(annotated), Some(found));
            }
        }
        table.add(None, Some(AamiClass::V));
        table.add(Some(AamiClass::N), None);
        assert_eq!(table.accuracy(), Some(0.7));
        assert_eq!(table.called_unclassifiable(), Some(0.2));
        assert_eq!(table.veb().fp, 1, "F called V is forgiven");
        assert_eq!(table.one_class(AamiClass::V).fp, 3, "here it is not");
        assert_eq!(AamiTable::default().accuracy(), None);
    }

    #[test]
    fn detection_counts_are_those_of_bxb() {
        let qrs = marked_table().qrs();
        assert_eq!(qrs.missed, sum(&["No", "So", "Vo", "Fo", "Qo"]));
        assert_eq!(qrs.fp, sum(&["On", "Os", "Ov", "Of", "Oq"]));
        assert_eq!(qrs.tn, None);
    }

    #[test]
    fn tables_add_up() {
        let mut table = AamiTable::default();
        table.add(Some(AamiClass::V), Some(AamiClass::N));
        table.add(None, Some(AamiClass::S));
        table.add(Some(AamiClass::Q), None);
        let copy = table;
        table.merge(&copy);
        assert_eq!(table.counts[2][0], 2);
        assert_eq!(table.counts[5][1], 2);
        assert_eq!(table.counts[4][5], 2);
    }
}
