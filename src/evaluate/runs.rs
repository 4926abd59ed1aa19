//! Runs of ectopic beats, compared run by run (EC57, 4.3.3).

use serde::{Deserialize, Serialize};

use super::figures::ratio;

/// The longest length told apart: six beats and more are one.
const LONGEST: usize = 6;

/// A beat of one of the two sides of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunBeat {
    /// Sample of the record.
    pub(super) sample: u64,
    /// Whether it is of the kind whose runs are compared.
    pub(super) ectopic: bool,
}

/// One side: its beats in order of time, and the stretches of ventricular flutter or fibrillation
/// that count as long runs (empty for supraventricular runs and for what was found).
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) beats: &'a [RunBeat],
    pub(super) fibrillations: &'a [(u64, u64)],
}

/// A run: consecutive beats of the kind, one alone included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u64,
    last: u64,
    length: usize,
}

/// Runs by their length on both sides, 0 to 5 and more than 5 beats. Each run is compared with the
/// longest of the other side between 150 ms before its first and 150 ms after its last beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunTable {
    /// `sensitivity[annotated][found]`: every annotated run, row 0 is empty.
    pub sensitivity: [[u64; LONGEST + 1]; LONGEST + 1],
    /// `predictivity[annotated][found]`: every found run, column 0 is empty.
    pub predictivity: [[u64; LONGEST + 1]; LONGEST + 1],
}

/// Sensitivity and positive predictivity of the runs of some length.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RunFigures {
    /// Annotated runs of this length.
    pub annotated: u64,
    /// Those of them in which a run of at least the least such length was found.
    pub annotated_found: u64,
    /// Found runs of this length.
    pub found: u64,
    /// Those of them in which a run of at least the least such length is annotated.
    pub found_annotated: u64,
    /// `annotated_found / annotated`.
    pub se: Option<f64>,
    /// `found_annotated / found`.
    pub ppv: Option<f64>,
}

/// The lengths EC57 reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunLength {
    /// Two beats.
    Couplet,
    /// Three to five.
    Short,
    /// More than five; ventricular flutter and fibrillation among them.
    Long,
}

impl RunLength {
    /// All, from the shortest to the longest.
    pub const ALL: [Self; 3] = [Self::Couplet, Self::Short, Self::Long];

    const fn range(self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Couplet => 2..=2,
            Self::Short => 3..=5,
            Self::Long => LONGEST..=LONGEST,
        }
    }
}

impl RunTable {
    /// Compare both sides' runs that begin at `first_sample` or later.
    pub(super) fn compare(
        annotated: &Side<'_>,
        found: &Side<'_>,
        window_samples: u64,
        first_sample: u64,
    ) -> Self {
        let mut table = Self::default();
        let around = |run: &Run| {
            (
                run.first.saturating_sub(window_samples),
                run.last.saturating_add(window_samples),
            )
        };
        for run in annotated.runs(first_sample) {
            table.sensitivity[run.length][found.longest_within(around(&run))] += 1;
        }
        for run in found.runs(first_sample) {
            table.predictivity[annotated.longest_within(around(&run))][run.length] += 1;
        }
        table
    }

    /// Add another record's runs.
    pub fn merge(&mut self, other: &Self) {
        let add = |to: &mut [[u64; LONGEST + 1]; LONGEST + 1],
                   from: &[[u64; LONGEST + 1]; LONGEST + 1]| {
            for (to, from) in to.iter_mut().flatten().zip(from.iter().flatten()) {
                *to += from;
            }
        };
        add(&mut self.sensitivity, &other.sensitivity);
        add(&mut self.predictivity, &other.predictivity);
    }

    /// The figures of the runs of `length`.
    #[must_use]
    pub fn figures(&self, length: RunLength) -> RunFigures {
        let least = *length.range().start();
        let mut figures = RunFigures::default();
        for own in length.range() {
            for other in 0..=LONGEST {
                let (annotated, found) =
                    (self.sensitivity[own][other], self.predictivity[other][own]);
                figures.annotated += annotated;
                figures.found += found;
                if other >= least {
                    figures.annotated_found += annotated;
                    figures.found_annotated += found;
                }
            }
        }
        figures.se = ratio(figures.annotated_found, figures.annotated);
        figures.ppv = ratio(figures.found_annotated, figures.found);
        figures
    }
}

impl Side<'_> {
    /// The runs that begin at `first_sample` or later, in no particular order.
    fn runs(&self, first_sample: u64) -> impl Iterator<Item = Run> + '_ {
        let in_beats = self
            .beats
            .chunk_by(|a, b| a.ectopic == b.ectopic && !self.fibrillation_between(a, b))
            .filter_map(|beats| {
                let (first, last) = (beats.first()?, beats.last()?);
                first.ectopic.then_some(Run {
                    first: first.sample,
                    last: last.sample,
                    length: beats.len().min(LONGEST),
                })
            });
        let fibrillations = self.fibrillations.iter().map(|&(first, last)| Run {
            first,
            last,
            length: LONGEST,
        });
        in_beats
            .chain(fibrillations)
            .filter(move |run| run.first >= first_sample)
    }

    fn fibrillation_between(&self, a: &RunBeat, b: &RunBeat) -> bool {
        self.fibrillations
            .iter()
            .any(|&(first, _)| (a.sample..=b.sample).contains(&first))
    }

    /// Length of the longest run inside a stretch, of what lies inside it.
    fn longest_within(&self, (first, last): (u64, u64)) -> usize {
        if self
            .fibrillations
            .iter()
            .any(|&(from, to)| from <= last && to >= first)
        {
            return LONGEST;
        }
        let start = self.beats.partition_point(|beat| beat.sample < first);
        let end = self.beats.partition_point(|beat| beat.sample <= last);
        self.beats[start..end]
            .chunk_by(|a, b| a.ectopic == b.ectopic)
            .filter(|beats| beats[0].ectopic)
            .map(|beats| beats.len().min(LONGEST))
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A beat every 300 samples; ectopic where the letter is `V`, none where it is a blank.
    fn beats(letters: &str) -> Vec<RunBeat> {
        (0_u64..)
            .zip(letters.chars())
            .filter(|(_, letter)| *letter != ' ')
            .map(|(place, letter)| RunBeat {
                sample: 300 * place,
                ectopic: letter == 'V',
            })
            .collect()
    }

    fn table(annotated: &str, fibrillations: &[(u64, u64)], found: &str) -> RunTable {
        let (annotated, found) = (beats(annotated), beats(found));
        RunTable::compare(
            &Side {
                beats: &annotated,
                fibrillations,
            },
            &Side {
                beats: &found,
                fibrillations: &[],
            },
            54,
            0,
        )
    }

    fn cells(matrix: &[[u64; LONGEST + 1]; LONGEST + 1]) -> String {
        let mut words = Vec::new();
        for (annotated, row) in matrix.iter().enumerate() {
            for (found, &count) in row.iter().enumerate() {
                if count > 0 {
                    words.push(format!("{count}x{annotated}/{found}"));
                }
            }
        }
        words.join(" ")
    }

    #[test]
    fn runs_are_compared_with_the_longest_of_the_other_side() {
        type Row<'a> = (&'a str, &'a [(u64, u64)], &'a str, &'a str, &'a str);
        let rows: [Row<'_>; 9] = [
            ("NVN", &[], "NVN", "1x1/1", "1x1/1"),
            ("NVVN", &[], "NVNN", "1x2/1", "1x1/1"),
            ("NVVVN", &[], "NVNVN", "1x3/1", "2x1/1"),
            ("NVNVN", &[], "NVVVN", "2x1/1", "1x1/3"),
            ("NNN", &[], "NVN", "", "1x0/1"),
            ("NVVVVVVVVN", &[], "NVVVVVVVVN", "1x6/6", "1x6/6"),
            // A beat that was missed does not part what was found around it.
            ("NVVVN", &[], "NV VN", "1x3/2", "1x3/2"),
            // Flutter is a long run, whatever is found in it.
            ("N   N", &[(300, 900)], "NV VN", "1x6/2", "1x6/2"),
            ("N   N", &[(300, 900)], "N   N", "1x6/0", ""),
        ];
        let failed: Vec<_> = rows
            .iter()
            .map(|&(annotated, fibrillations, found, se, ppv)| {
                let table = table(annotated, fibrillations, found);
                let result = (cells(&table.sensitivity), cells(&table.predictivity));
                (result, (se.to_owned(), ppv.to_owned()))
            })
            .filter(|(result, expected)| result != expected)
            .collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn figures_count_what_is_at_least_as_long_as_its_kind() {
        let mut table = table("NVVNVVNVVVVNVVVVVVN", &[], "NVVNVNNVVVNNVVVVVVN");
        let couplet = table.figures(RunLength::Couplet);
        assert_eq!((couplet.annotated, couplet.annotated_found), (2, 1));
        assert_eq!((couplet.se, couplet.ppv), (Some(0.5), Some(1.0)));
        let short = table.figures(RunLength::Short);
        assert_eq!((short.se, short.ppv), (Some(1.0), Some(1.0)));
        let long = table.figures(RunLength::Long);
        assert_eq!((long.annotated, long.found, long.se), (1, 1, Some(1.0)));
        let copy = table;
        table.merge(&copy);
        assert_eq!(table.figures(RunLength::Couplet).annotated, 4);
        assert_eq!(RunTable::default().figures(RunLength::Long).se, None);
    }
}
