//! Runs of ectopic beats, compared run by run (EC57), so that PhysioNet's `rxr` on written
//! annotation files gives the same counts.
//!
//! A fusion beat is part of an annotated ventricular run. In atrial fibrillation or flutter (rhythm
//! `(AFIB` or `(AFL`) an annotated N beat counts as supraventricular ectopic here, and here alone: a
//! detector of single beats is bound to miss those runs.

use serde::{Serialize, Serializer};

use super::figures::{add_all, ratio};

/// The longest length told apart: six beats and more are one.
const LONGEST: usize = 6;

/// One step of one side of a comparison, in order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A beat of the kind whose runs are compared.
    Ectopic(u64),
    /// Another beat, or signal nobody could read: it ends a run.
    Other(u64),
    /// Ventricular flutter or fibrillation, first and last sample: as long as six beats.
    Fibrillation(u64, u64),
    /// Atrial fibrillation or flutter begins: six beats, unless a run goes on.
    Onset(u64),
    /// It ends, and with it the run.
    Offset(u64),
}

/// One side: its steps, and the stretches in which everything belongs to a long run.
#[derive(Debug, Clone, Default)]
pub(super) struct Side {
    pub(super) steps: Vec<Step>,
    pub(super) stretches: Vec<(u64, u64)>,
}

/// A run: consecutive beats of the kind, one alone included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u64,
    last: u64,
    length: usize,
}

/// Runs by their length on both sides, 0 to 5 and more than 5 beats. Each run is compared with the
/// longest of the other side between 150 ms before its first and 150 ms after its last beat. Serialises
/// as the figures of each length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunTable {
    /// `sensitivity[annotated][found]`: every annotated run, row 0 is empty.
    pub sensitivity: [[u64; LONGEST + 1]; LONGEST + 1],
    /// `predictivity[annotated][found]`: every found run, column 0 is empty.
    pub predictivity: [[u64; LONGEST + 1]; LONGEST + 1],
}

/// Sensitivity and positive predictivity of the runs of some length.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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
    /// Compare both sides' runs, of what lies at `first_sample` or later.
    pub(super) fn compare(
        annotated: &Side,
        found: &Side,
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
            let longest = found.longest_within(around(&run), first_sample);
            table.sensitivity[run.length][longest] += 1;
        }
        for run in found.runs(first_sample) {
            let longest = annotated.longest_within(around(&run), first_sample);
            table.predictivity[longest][run.length] += 1;
        }
        table
    }

    /// Add another record's runs.
    pub fn merge(&mut self, other: &Self) {
        for (counts, more) in [
            (&mut self.sensitivity, &other.sensitivity),
            (&mut self.predictivity, &other.predictivity),
        ] {
            add_all(counts.as_flattened_mut(), more.as_flattened());
        }
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

impl Serialize for RunTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(RunLength::ALL.map(|length| (length, self.figures(length))))
    }
}

impl Step {
    pub(super) const fn last(&self) -> u64 {
        match self {
            Self::Ectopic(sample)
            | Self::Other(sample)
            | Self::Fibrillation(_, sample)
            | Self::Onset(sample)
            | Self::Offset(sample) => *sample,
        }
    }
}

impl Side {
    /// The runs of what lies at `first_sample` or later.
    fn runs(&self, first_sample: u64) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut run: Option<Run> = None;
        let goes_on = |&&(from, to): &&(u64, u64)| from < first_sample && first_sample <= to;
        let atrial = self.steps.iter().any(|step| matches!(step, Step::Onset(_)));
        if atrial && self.stretches.iter().any(|stretch| goes_on(&stretch)) {
            run = Some(Run::new(first_sample, first_sample, LONGEST));
        }
        for step in &self.steps {
            if step.last() < first_sample {
                continue;
            }
            match (*step, &mut run) {
                (Step::Ectopic(sample), Some(run)) => run.go_on(sample, 1),
                (Step::Ectopic(sample), None) => run = Some(Run::new(sample, sample, 1)),
                (Step::Fibrillation(_, last), Some(run)) => run.go_on(last, LONGEST),
                (Step::Fibrillation(first, last), None) => {
                    run = Some(Run::new(first, last, LONGEST));
                }
                (Step::Onset(sample), None) => run = Some(Run::new(sample, sample, LONGEST)),
                (Step::Onset(sample) | Step::Offset(sample), Some(run)) => run.go_on(sample, 0),
                (Step::Offset(_), None) => {}
                (Step::Other(_), _) => runs.extend(run.take()),
            }
        }
        runs.extend(run);
        runs
    }

    /// Length of the longest run inside a stretch, of what lies inside it.
    fn longest_within(&self, (first, last): (u64, u64), first_sample: u64) -> usize {
        let first = first.max(first_sample);
        let overlaps = |&(from, to): &(u64, u64)| from <= last && to >= first;
        if self.stretches.iter().any(overlaps) {
            return LONGEST;
        }
        let start = self.steps.partition_point(|step| step.last() < first);
        let mut longest = 0;
        let mut length = 0;
        for step in &self.steps[start..] {
            if step.last() > last {
                break;
            }
            match step {
                Step::Ectopic(_) => length += 1,
                Step::Other(_) => length = 0,
                Step::Fibrillation(..) | Step::Onset(_) | Step::Offset(_) => {}
            }
            longest = longest.max(length);
        }
        longest.min(LONGEST)
    }
}

impl Run {
    fn new(first: u64, last: u64, length: usize) -> Self {
        Self {
            first,
            last,
            length,
        }
    }

    fn go_on(&mut self, last: u64, length: usize) {
        self.last = last;
        self.length = (self.length + length).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step every 300 samples: `V` ectopic, `N` other, `[` to `]` fibrillation, `(` to `)` atrial
    /// fibrillation, a blank nothing.
    fn side(letters: &str) -> Side {
        let mut side = Side::default();
        let mut start = 0;
        for (place, letter) in (0_u64..).zip(letters.chars()) {
            let sample = 300 * place;
            match letter {
                'V' => side.steps.push(Step::Ectopic(sample)),
                'N' => side.steps.push(Step::Other(sample)),
                '[' => start = sample,
                ']' => {
                    side.steps.push(Step::Fibrillation(start, sample));
                    side.stretches.push((start, sample));
                }
                '(' => {
                    side.steps.push(Step::Onset(sample));
                    start = sample;
                }
                ')' => {
                    side.steps.push(Step::Offset(sample));
                    side.stretches.push((start, sample));
                }
                _ => {}
            }
        }
        side
    }

    fn table(annotated: &str, found: &str, first_sample: u64) -> RunTable {
        RunTable::compare(&side(annotated), &side(found), 54, first_sample)
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
        let rows: [(&str, &str, u64, &str, &str); 14] = [
            ("NVN", "NVN", 0, "1x1/1", "1x1/1"),
            ("NVVN", "NVNN", 0, "1x2/1", "1x1/1"),
            ("NVVVN", "NVNVN", 0, "1x3/1", "2x1/1"),
            ("NVNVN", "NVVVN", 0, "2x1/1", "1x1/3"),
            ("NNN", "NVN", 0, "", "1x0/1"),
            ("NVVVVVVVVN", "NVVVVVVVVN", 0, "1x6/6", "1x6/6"),
            // A beat that was missed does not part what was found around it.
            ("NVVVN", "NV VN", 0, "1x3/2", "1x3/2"),
            // Flutter is a long run, whatever is found in it, and joins the beats beside it.
            ("N[ ]N", "NV VN", 0, "1x6/2", "1x6/2"),
            ("N[ ]N", "N   N", 0, "1x6/0", ""),
            ("NV[]VN", "NVVVVN", 0, "1x6/4", "1x6/4"),
            // So is the onset of atrial fibrillation, but a run that goes on keeps its count.
            ("N(V)N", "N V N", 0, "1x6/1", "1x6/1"),
            ("NV(V)N", "NV V N", 0, "1x2/2", "1x6/2"),
            // Of a run begun in the learning period the rest counts.
            ("NVVVN", "NVVVN", 600, "1x2/2", "1x2/2"),
            ("(VVVV)N", "NNNNNNN", 600, "1x6/0", ""),
        ];
        let failed: Vec<_> = rows
            .iter()
            .map(|&(annotated, found, first, se, ppv)| {
                let table = table(annotated, found, first);
                let result = (cells(&table.sensitivity), cells(&table.predictivity));
                (annotated, result, (se.to_owned(), ppv.to_owned()))
            })
            .filter(|(_, result, expected)| result != expected)
            .collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn figures_count_what_is_at_least_as_long_as_its_kind() {
        let mut table = table("NVVNVVNVVVVNVVVVVVN", "NVVNVNNVVVNNVVVVVVN", 0);
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
