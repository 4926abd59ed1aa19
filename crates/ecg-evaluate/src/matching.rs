//! Pairing found beats with annotated ones.

use super::Reference;
use super::whole::whole;

/// Largest distance of a pair, ms (EC57, 4.3.2).
pub const MATCH_WINDOW_MS: u64 = 150;

/// One step of a comparison; the indices count into the two lists of beats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// A found beat belongs to an annotated one.
    Matched {
        /// Index of the annotated beat.
        reference: usize,
        /// Index of the found beat.
        found: usize,
    },
    /// An annotated beat was not found.
    Missed {
        /// Index of the annotated beat.
        reference: usize,
    },
    /// A found beat is not annotated.
    Extra {
        /// Index of the found beat.
        found: usize,
    },
}

/// What is compared, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// Largest distance of a pair, samples (see [`MATCH_WINDOW_MS`]).
    pub window_samples: u64,
    /// First sample that is scored: the end of the learning period, or 0.
    pub first_sample: u64,
}

impl Comparison {
    /// The standard's window at a record's rate, scored from `learning_s` seconds on (EC57: 300).
    #[must_use]
    pub fn standard(rate_hz: f64, learning_s: f64) -> Self {
        Self {
            window_samples: whole(rate_hz * MATCH_WINDOW_MS as f64 / 1000.0),
            first_sample: whole(rate_hz * learning_s),
        }
    }
}

/// Pair `found` (samples of the record, in order of time) with the reference.
///
/// Whichever of the two next beats comes first is dealt with: it is paired with the other if that
/// one is within the window and no farther from it than the beat's successor would be; else it was
/// missed, or is extra. Extra beats inside a fibrillation are left out. At the end of the learning
/// period a found beat before it may still pair with the first scored one; and an unpaired found
/// beat within the window after it is not counted if its successor is nearer to the first
/// annotated beat.
#[must_use]
pub fn match_beats(reference: &Reference, found: &[u64], comparison: &Comparison) -> Vec<Pair> {
    let window = comparison.window_samples;
    let start = comparison.first_sample;
    let annotated_at = |index: usize| reference.beats.get(index).map(|beat| beat.sample);
    let found_at = |index: usize| found.get(index).copied();
    let mut r = reference.beats.partition_point(|beat| beat.sample < start);
    let mut f = found.partition_point(|&sample| sample < start);
    let mut pairs = Vec::with_capacity(reference.beats.len() + 16);

    let first_annotated = annotated_at(r);
    let nearer_than_next = |sample: u64, next: Option<u64>, to: u64| {
        next.is_none_or(|next| sample.abs_diff(to) < next.abs_diff(to))
    };
    let before = f.checked_sub(1).and_then(found_at);
    match (before, first_annotated) {
        (Some(sample), Some(to))
            if to - sample <= window && nearer_than_next(sample, found_at(f), to) =>
        {
            pairs.push(Pair::Matched {
                reference: r,
                found: f - 1,
            });
            r += 1;
        }
        (_, Some(to)) if start > 0 => {
            let at_the_edge = found_at(f).filter(|&sample| sample - start <= window);
            let successor = found_at(f + 1);
            if at_the_edge.is_some_and(|sample| {
                successor.is_some_and(|next| next.abs_diff(to) < sample.abs_diff(to))
            }) {
                f += 1;
            }
        }
        _ => {}
    }

    loop {
        let matched = match (annotated_at(r), found_at(f)) {
            (None, None) => return pairs,
            (Some(_), None) => None,
            (None, Some(_)) => Some(false),
            (Some(annotated), Some(sample)) if sample < annotated => Some(
                annotated - sample <= window
                    && nearer_than_next(sample, found_at(f + 1), annotated),
            ),
            (Some(annotated), Some(sample)) => (sample - annotated <= window
                && nearer_than_next(annotated, annotated_at(r + 1), sample))
            .then_some(true),
        };
        match matched {
            Some(true) => {
                pairs.push(Pair::Matched {
                    reference: r,
                    found: f,
                });
                r += 1;
                f += 1;
            }
            Some(false) => {
                if found_at(f).is_some_and(|sample| !reference.in_fibrillation(sample)) {
                    pairs.push(Pair::Extra { found: f });
                }
                f += 1;
            }
            None => {
                pairs.push(Pair::Missed { reference: r });
                r += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wfdb_io::AnnotationCode;

    use super::super::ReferenceBeat;
    use super::*;

    fn reference(samples: &[u64], fibrillations: &[(u64, u64)]) -> Reference {
        Reference {
            beats: samples
                .iter()
                .map(|&sample| ReferenceBeat {
                    sample,
                    code: AnnotationCode::NORMAL,
                })
                .collect(),
            fibrillations: fibrillations.to_vec(),
            ..Reference::default()
        }
    }

    /// `M` matched, `-` missed, `+` extra, with the sample of the beat.
    fn written(
        annotated: &[u64],
        fibrillations: &[(u64, u64)],
        found: &[u64],
        first_sample: u64,
    ) -> String {
        let reference = reference(annotated, fibrillations);
        let comparison = Comparison {
            window_samples: 150,
            first_sample,
        };
        let words: Vec<String> = match_beats(&reference, found, &comparison)
            .into_iter()
            .map(|pair| match pair {
                Pair::Matched {
                    reference: r,
                    found: f,
                } => format!("M{}/{}", reference.beats[r].sample, found[f]),
                Pair::Missed { reference: r } => format!("-{}", reference.beats[r].sample),
                Pair::Extra { found: f } => format!("+{}", found[f]),
            })
            .collect();
        words.join(" ")
    }

    #[test]
    fn pairs_follow_the_rules_of_bxb() {
        type Row<'a> = (&'a [u64], &'a [(u64, u64)], &'a [u64], u64, &'a str);
        let rows: [Row; 14] = [
            (&[], &[], &[], 0, ""),
            (&[1000], &[], &[], 0, "-1000"),
            (&[], &[], &[1000], 0, "+1000"),
            (&[1000], &[], &[1150], 0, "M1000/1150"),
            (&[1000], &[], &[850], 0, "M1000/850"),
            (&[1000], &[], &[1151], 0, "-1000 +1151"),
            (&[1000], &[], &[849], 0, "+849 -1000"),
            // The nearer of two candidates wins.
            (&[1000], &[], &[900, 1010], 0, "+900 M1000/1010"),
            (&[1000, 1100], &[], &[1090], 0, "-1000 M1100/1090"),
            // A found beat in a fibrillation does not count, one that pairs with a beat beside it does.
            (&[1000], &[(1100, 2000)], &[1120, 1500], 0, "M1000/1120"),
            // The learning period's last found beat may pair with the first scored one.
            (&[900, 1050], &[], &[905, 990], 1000, "M1050/990"),
            (&[900, 1050], &[], &[905, 990, 1051], 1000, "M1050/1051"),
            // A found beat at its edge is dropped for a nearer one.
            (&[900, 1300], &[], &[1010, 1290], 1000, "M1300/1290"),
            (&[900, 1300], &[], &[1200, 1290], 1000, "+1200 M1300/1290"),
        ];
        let failed: Vec<_> = rows
            .iter()
            .map(|&(annotated, fibrillations, found, first, expected)| {
                (written(annotated, fibrillations, found, first), expected)
            })
            .filter(|(result, expected)| result != expected)
            .collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn standard_window_is_150_ms_at_every_rate() {
        assert_eq!(Comparison::standard(360.0, 300.0).window_samples, 54);
        assert_eq!(Comparison::standard(360.0, 300.0).first_sample, 108_000);
        assert_eq!(Comparison::standard(250.0, 0.0).window_samples, 38);
    }
}
