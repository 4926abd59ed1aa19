//! Counting pairs: the EC57 matrix, and the five-class confusion matrix.

use super::{Pair, Reference};
use crate::model::{AamiClass, BeatClass, CLASS_COUNT};
use crate::wfdb::AnnotationCode;

/// EC57 classes, in the order of the matrix: N S V F Q.
const AAMI_COUNT: usize = 5;
/// The row of extra beats and the column of missed ones.
const NONE: usize = AAMI_COUNT;

/// Pairs counted by annotated and labelled class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Rows: annotated N S V F Q, and beats found where none is annotated. Columns: labelled
    /// N S V F Q, and annotated beats that were not found.
    pub aami: [[u64; AAMI_COUNT + 1]; AAMI_COUNT + 1],
    /// Rows: annotated, columns: labelled, both in the order N L R A V. Only beats that were found
    /// and are annotated as exactly one of these.
    pub confusion: [[u64; CLASS_COUNT]; CLASS_COUNT],
}

/// The EC57 class of an annotated beat by the table `bxb` uses: N L R B are N; a A J S and the
/// escape beats e j n are S; V E r are V; F is F; every other beat (/ f Q ?) is Q.
///
/// De Chazal (2004) counts the escape beats as N; that rule is not used here.
#[must_use]
pub fn aami_class(code: AnnotationCode) -> AamiClass {
    match code.mnemonic() {
        Some("N" | "L" | "R" | "B") => AamiClass::N,
        Some("A" | "a" | "J" | "S" | "e" | "j" | "n") => AamiClass::S,
        Some("V" | "E" | "r") => AamiClass::V,
        Some("F") => AamiClass::F,
        _ => AamiClass::Q,
    }
}

/// The network's class of an annotated beat; `None` for all others.
#[must_use]
pub fn beat_class(code: AnnotationCode) -> Option<BeatClass> {
    let mut letters = code.mnemonic()?.chars();
    let class = BeatClass::from_symbol(letters.next()?);
    if letters.next().is_none() { class } else { None }
}

impl Tally {
    /// Counts the pairs of one record; `labels` are those of the found beats.
    #[must_use]
    pub fn of(pairs: &[Pair], reference: &Reference, labels: &[BeatClass]) -> Self {
        let mut tally = Self::default();
        for pair in pairs {
            match *pair {
                Pair::Matched { reference: annotated, found } => {
                    let (code, label) = (reference.beats[annotated].code, labels[found]);
                    tally.aami[aami_class(code) as usize][label.aami() as usize] += 1;
                    if let Some(class) = beat_class(code) {
                        tally.confusion[class.index()][label.index()] += 1;
                    }
                }
                Pair::Missed { reference: annotated } => {
                    let code = reference.beats[annotated].code;
                    tally.aami[aami_class(code) as usize][NONE] += 1;
                }
                Pair::Extra { found } => tally.aami[NONE][labels[found].aami() as usize] += 1,
            }
        }
        tally
    }

    /// Adds another record's counts.
    pub fn add(&mut self, more: &Self) {
        add_cells(self.aami.as_flattened_mut(), more.aami.as_flattened());
        add_cells(self.confusion.as_flattened_mut(), more.confusion.as_flattened());
    }

    /// Sum of the cells at `rows` x `columns`.
    pub(super) fn sum(&self, rows: &[usize], columns: &[usize]) -> u64 {
        rows.iter().flat_map(|&row| columns.iter().map(move |&column| self.aami[row][column])).sum()
    }
}

fn add_cells(cells: &mut [u64], more: &[u64]) {
    for (cell, more) in cells.iter_mut().zip(more) {
        *cell += more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(mnemonic: &str) -> AnnotationCode {
        AnnotationCode::from_mnemonic(mnemonic).unwrap()
    }

    #[test]
    fn every_beat_annotation_has_its_ec57_class() {
        let table = [
            (AamiClass::N, "N L R B"),
            (AamiClass::S, "A a J S e j n"),
            (AamiClass::V, "V E r"),
            (AamiClass::F, "F"),
            (AamiClass::Q, "/ f Q ?"),
        ];
        for (class, mnemonics) in table {
            for mnemonic in mnemonics.split(' ') {
                assert_eq!(aami_class(code(mnemonic)), class, "{mnemonic}");
                let expected = BeatClass::ALL
                    .into_iter()
                    .find(|class| class.symbol().to_string() == mnemonic);
                assert_eq!(beat_class(code(mnemonic)), expected, "{mnemonic}");
            }
        }
    }
}
