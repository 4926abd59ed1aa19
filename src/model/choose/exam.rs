//! Known answers: what an engine must give before it is used.

use std::sync::Arc;

use crate::model::{
    BeatClass, CLASS_COUNT, Classifier, ClassifyError, CpuReference, Model, Outputs, Wanted,
};

/// Eight real beats of the MIT-BIH Arrhythmia Database, normalised (records 203 N, 111 L, 124 R,
/// 223 A, 208 V, 201 N, 207 L, 212 R; Moody and Mark 2001, DOI 10.13026/C2F305, ODC-By 1.0), as
/// little-endian float32 `[8][272]`: 128 samples of the window; 128 samples of its difference from
/// another beat, for networks that read a second channel; 16 values between -1.5 and 1.5, for those
/// that read more.
const BEATS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/models/golden/self-check.f32"
));

/// Values of one beat in [`BEATS`].
const BEAT_VALUES: usize = 272;

/// Largest difference of a logit that passes. Engines differ by rounding, about 1e-5.
pub(super) const TOLERANCE: f32 = 1e-3;

/// The same for int8 variants: at the edge of a step, rounding decides which integer a value becomes.
const INT8_TOLERANCE: f32 = 0.5;

/// Largest logit that a network may give a known beat. Trained networks stay below 100. From here on
/// float32 cannot hold [`TOLERANCE`], and weights that give more overflow on some other beat.
const LARGEST_LOGIT: f32 = 1000.0;

/// Largest of the features behind a logit, for the same reason.
const LARGEST_FEATURE: f32 = 1e6;

/// Why weights cannot be used although each of them is a finite number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExamError {
    /// The reference engine failed.
    #[error(transparent)]
    Engine(#[from] ClassifyError),
    /// The network answers without looking.
    #[error(
        "self-test: every one of {beats} known beats of different classes gets the same logits, \
         expected logits that depend on the beat"
    )]
    Blind {
        /// How many.
        beats: usize,
    },
    /// What comes out for a known beat makes no sense.
    #[error("self-test: known beat {beat}: {what} is {found}, expected a number {expected}")]
    Absurd {
        /// The beat, counted from 0.
        beat: usize,
        /// Which value.
        what: String,
        /// The value.
        found: String,
        /// The values that pass.
        expected: String,
    },
}

/// Beats and the logits that the reference engine computes for them.
#[derive(Debug)]
pub(super) struct Exam {
    windows: Vec<f32>,
    expected: Vec<[f32; CLASS_COUNT]>,
    tolerance: f32,
}

impl Exam {
    /// The answers of `model`, computed by [`CpuReference`], whose own answers are held to
    /// PyTorch's by the tests.
    ///
    /// # Errors
    /// [`ExamError`]: weights that are finite, but whose answers are not or are absurd.
    pub(super) fn new(model: &Arc<Model>) -> Result<Self, ExamError> {
        let network = model.description();
        let windows: Vec<f32> = BEATS
            .as_chunks::<{ BEAT_VALUES * 4 }>()
            .0
            .iter()
            .flat_map(|beat| {
                let values = beat.as_chunks::<4>().0.iter().copied();
                values
                    .map(f32::from_le_bytes)
                    .cycle()
                    .take(network.input.len())
            })
            .collect();
        let beats = windows.len() / network.input.len();
        let mut outputs = Outputs::of(network, beats, Wanted::Maps);
        CpuReference::new(Arc::clone(model), beats).classify(&windows, &mut outputs)?;
        sensible(&outputs)?;
        Ok(Self {
            windows,
            expected: outputs.logits().to_vec(),
            tolerance: if network.int8 {
                INT8_TOLERANCE
            } else {
                TOLERANCE
            },
        })
    }

    /// The beats, as an engine takes them.
    pub(super) fn windows(&self) -> &[f32] {
        &self.windows
    }

    /// Whether `engine` gives the known answers, one by one and together; what is wrong otherwise.
    pub(super) fn check(&self, engine: &mut dyn Classifier) -> Result<(), String> {
        let beats = self.expected.len();
        let window = self.windows.len() / beats;
        let mut outputs = Outputs::logits_only(engine.model().description(), beats);
        for (batch, first) in [(1, 0), (beats.min(engine.max_batch()), 0), (1, beats - 1)] {
            let input = &self.windows[first * window..(first + batch) * window];
            engine
                .classify(input, &mut outputs)
                .map_err(|error| error.to_string())?;
            for (beat, logits) in outputs.logits().iter().enumerate() {
                let expected = &self.expected[first + beat];
                if let Some(wrong) = differing(logits, expected, self.tolerance) {
                    return Err(format!(
                        "known beat {} in a batch of {batch}: {wrong}",
                        first + beat
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Refuses answers that are no numbers or absurdly large.
fn sensible(outputs: &Outputs) -> Result<(), ExamError> {
    for (beat, logits) in outputs.logits().iter().enumerate() {
        let features = [outputs.pooled(beat), outputs.feature_maps(beat)];
        let features = features.into_iter().flatten().flatten();
        let features = features.map(|&value| ("a feature".to_owned(), value, LARGEST_FEATURE));
        let logits = BeatClass::ALL.map(|class| {
            let what = format!("the logit of class {}", class.symbol());
            (what, logits[class.index()], LARGEST_LOGIT)
        });
        // NaN is within no limit.
        let outside =
            |(_, found, limit): &(String, f32, f32)| found.is_nan() || found.abs() > *limit;
        if let Some((what, found, limit)) = logits.into_iter().chain(features).find(outside) {
            return Err(ExamError::Absurd {
                beat,
                what,
                found: format!("{found:e}"),
                expected: format!("{} to {limit}", -limit),
            });
        }
    }
    let bits = |logits: &[f32; CLASS_COUNT]| logits.map(f32::to_bits);
    match outputs.logits() {
        [first, others @ ..] if others.iter().all(|other| bits(other) == bits(first)) => {
            Err(ExamError::Blind {
                beats: outputs.batch(),
            })
        }
        _ => Ok(()),
    }
}

/// The first logit that differs by more than `tolerance` or is no number.
pub(super) fn differing(
    found: &[f32; CLASS_COUNT],
    expected: &[f32; CLASS_COUNT],
    tolerance: f32,
) -> Option<String> {
    found
        .iter()
        .zip(expected)
        .enumerate()
        .find(|(_, (found, expected))| {
            let difference = (*found - *expected).abs();
            difference > tolerance || difference.is_nan()
        })
        .map(|(class, (found, expected))| {
            format!("logit {class}: found {found}, expected {expected}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_support::{random_model, v1_json, v2_json};
    use crate::model::{CpuIsa, CpuSimd, builtin_models};

    /// Weights of one part, or all, times a factor: finite every one, but not what comes of them.
    #[test]
    fn finite_weights_with_absurd_answers_are_refused() {
        let mut failures = Vec::new();
        for (name, model) in [
            ("v1", random_model(&v1_json(), 1)),
            ("v2", random_model(&v2_json(), 1)),
            ("built-in", Model::load("v1-context").unwrap()),
        ] {
            assert!(Exam::new(&Arc::new(model.clone())).is_ok(), "{name}");
            for (factor, only) in [
                (1e30, None),
                (1e4, None),
                (0.0, None),
                (1e37, Some(0)),
                (1e37, Some(3)),
            ] {
                let changed = model.changed(|number, weights| {
                    if only.is_none_or(|only| only == number) {
                        for value in &mut weights.weight {
                            *value = (*value * factor).clamp(f32::MIN, f32::MAX);
                        }
                    }
                });
                match Exam::new(&Arc::new(changed)) {
                    Err(ExamError::Absurd { .. } | ExamError::Blind { .. }) => {}
                    other => {
                        let verdict = other.map(|_| "passed");
                        failures.push(format!("{name}, part {only:?} times {factor}: {verdict:?}"));
                    }
                }
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }

    #[test]
    fn the_known_beats_are_of_all_classes_and_every_engine_passes() {
        for name in builtin_models() {
            let model = Arc::new(Model::load(name).unwrap());
            let exam = Exam::new(&model).unwrap();
            let mut classes: Vec<usize> = exam
                .expected
                .iter()
                .map(|logits| {
                    (0..CLASS_COUNT)
                        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
                        .unwrap()
                })
                .collect();
            classes.sort_unstable();
            classes.dedup();
            // The beats have no rhythm and no template: a context network sees nonsense beside them.
            let alone = model.description().input.context == 0;
            let least = if alone { BeatClass::ALL.len() - 1 } else { 2 };
            assert!(classes.len() >= least, "{name}: {classes:?}");
            for isa in CpuIsa::ALL {
                if let Some(mut engine) = CpuSimd::with_isa(Arc::clone(&model), 8, isa) {
                    assert_eq!(exam.check(&mut engine), Ok(()), "{name} {}", isa.engine());
                }
            }
        }
    }

    #[test]
    fn int8_variants_pass_on_every_instruction_set() {
        for name in builtin_models() {
            let model = Arc::new(Model::load(&format!("{name}-int8")).unwrap());
            let exam = Exam::new(&model).unwrap();
            for isa in CpuIsa::ALL {
                if let Some(mut engine) = CpuSimd::with_isa(Arc::clone(&model), 8, isa) {
                    assert_eq!(exam.check(&mut engine), Ok(()), "{name} {}", isa.engine());
                }
            }
        }
    }

    #[test]
    fn anything_but_the_known_numbers_differs() {
        let expected = [1.0, -2.0, 0.5, 3.0, 0.0];
        assert_eq!(differing(&expected, &expected, TOLERANCE), None);
        for (class, value) in [(0, 1.01), (1, f32::NAN), (2, f32::INFINITY), (4, -0.002)] {
            let mut found = expected;
            found[class] = value;
            let wrong = differing(&found, &expected, TOLERANCE).unwrap();
            assert!(
                wrong.starts_with(&format!("logit {class}: found ")),
                "{wrong}"
            );
        }
    }
}
