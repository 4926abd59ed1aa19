//! The annotators' beats of one record.

use wfdb_io::{Annotation, AnnotationCode, Record, read_annotations};

use super::whole::whole;

/// Far beyond every record, and far from where sums would overflow.
const LAST_SAMPLE: u64 = 1 << 60;

/// A beat the annotators marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceBeat {
    /// Sample of the record.
    pub sample: u64,
    /// What they called it.
    pub code: AnnotationCode,
}

/// The beats of one record and the stretches that are not scored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reference {
    /// The beats, in order of time; none inside a fibrillation.
    pub beats: Vec<ReferenceBeat>,
    /// First and last sample of every stretch of ventricular flutter or fibrillation (annotated
    /// from `[` to `]`); one that never ends lasts to `u64::MAX`.
    pub fibrillations: Vec<(u64, u64)>,
    /// First and last sample of every stretch of atrial fibrillation or flutter (rhythm `(AFIB` or
    /// `(AFL`, up to the next other rhythm); one that never ends lasts to `u64::MAX`.
    pub atrial_fibrillations: Vec<(u64, u64)>,
    /// Samples at which all signals are marked unreadable (`~` of subtype -1).
    pub unreadable: Vec<u64>,
}

impl Reference {
    /// Take beats and fibrillations from a record's annotations, in order of time.
    #[must_use]
    pub fn from_annotations(annotations: &[Annotation]) -> Self {
        let mut reference = Self::default();
        let (mut start, mut atrial_start) = (None, None);
        for annotation in annotations {
            let &Annotation { sample, code, .. } = annotation;
            if code == AnnotationCode::RHYTHM {
                match (atrial_start, is_atrial_fibrillation(annotation)) {
                    (None, true) => atrial_start = Some(sample),
                    (Some(first), false) => {
                        reference.atrial_fibrillations.push((first, sample));
                        atrial_start = None;
                    }
                    _ => {}
                }
            } else if code == AnnotationCode::NOISE && annotation.subtype == -1 {
                reference.unreadable.push(sample);
            }
            if let Some(first) = start {
                if code == AnnotationCode::FLUTTER_END {
                    reference.fibrillations.push((first, sample));
                    start = None;
                }
            } else if code == AnnotationCode::FLUTTER_START {
                start = Some(sample);
            } else if code.is_beat() {
                reference.beats.push(ReferenceBeat { sample, code });
            }
        }
        if let Some(first) = start {
            reference.fibrillations.push((first, u64::MAX));
        }
        if let Some(first) = atrial_start {
            reference.atrial_fibrillations.push((first, u64::MAX));
        }
        reference
    }

    /// The beats of `record`'s annotations with this ending, `None` where there are none; and what is
    /// wrong with the annotations. What cannot be read of them never costs the ECG.
    #[must_use]
    pub fn of_record(record: &Record, ending: &str) -> (Option<Self>, Option<String>) {
        let path = record.file_with_ending(ending);
        if !path.exists() {
            return (None, None);
        }
        let mut file = match read_annotations(&path) {
            Ok(file) => file,
            Err(error) => return (None, Some(error.to_string())),
        };
        let note = file.note();
        let resolution_hz = file.resolution_hz.unwrap_or(record.header().rate_hz);
        let factor = record.rate_hz() / resolution_hz;
        if (factor - 1.0).abs() > 1e-12 {
            for annotation in &mut file.annotations {
                let sample = whole(annotation.sample as f64 * factor);
                annotation.sample = sample.min(LAST_SAMPLE);
            }
        }
        let reference = Self::from_annotations(&file.annotations);
        (
            (!reference.beats.is_empty()).then_some(reference),
            note.map(|note| format!("{}: {note}", path.display())),
        )
    }

    /// Whether `sample` lies in a fibrillation.
    #[must_use]
    pub fn in_fibrillation(&self, sample: u64) -> bool {
        self.fibrillations
            .iter()
            .any(|&(first, last)| (first..=last).contains(&sample))
    }
}

fn is_atrial_fibrillation(rhythm: &Annotation) -> bool {
    let name = rhythm.aux.as_deref().unwrap_or_default();
    matches!(name.trim(), "(AFIB" | "(AFL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(sample: u64, mnemonic: &str) -> Annotation {
        Annotation {
            sample,
            code: AnnotationCode::from_mnemonic(mnemonic).unwrap(),
            subtype: 0,
            chan: 0,
            num: 0,
            aux: None,
        }
    }

    #[test]
    fn beats_inside_a_fibrillation_do_not_count() {
        let reference = Reference::from_annotations(&[
            annotation(5, "+"),
            annotation(10, "N"),
            annotation(100, "["),
            annotation(120, "!"),
            annotation(150, "V"),
            annotation(200, "]"),
            annotation(300, "V"),
            annotation(400, "["),
            annotation(450, "N"),
        ]);
        let samples: Vec<u64> = reference.beats.iter().map(|beat| beat.sample).collect();
        assert_eq!(samples, [10, 300]);
        assert_eq!(reference.fibrillations, [(100, 200), (400, u64::MAX)]);
        for (sample, inside) in [
            (99, false),
            (100, true),
            (200, true),
            (201, false),
            (9999, true),
        ] {
            assert_eq!(reference.in_fibrillation(sample), inside, "{sample}");
        }
    }

    #[test]
    fn atrial_fibrillation_lasts_to_the_next_other_rhythm() {
        let rhythm = |sample, name: &str| Annotation {
            aux: Some(name.to_owned()),
            ..annotation(sample, "+")
        };
        let unreadable = Annotation {
            subtype: -1,
            ..annotation(700, "~")
        };
        let reference = Reference::from_annotations(&[
            rhythm(10, "(N"),
            rhythm(100, "(AFIB"),
            rhythm(200, "(AFL"),
            rhythm(300, "(T"),
            rhythm(400, "(N"),
            annotation(600, "~"),
            unreadable,
            rhythm(900, "(AFL"),
        ]);
        assert_eq!(
            reference.atrial_fibrillations,
            [(100, 300), (900, u64::MAX)]
        );
        assert_eq!(reference.unreadable, [700]);
    }
}
