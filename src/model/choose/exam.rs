//! Known answers: what an engine must give before it is used.

use std::sync::Arc;

use crate::model::{CLASS_COUNT, Classifier, ClassifyError, CpuReference, Model, Outputs};

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
    pub(super) fn new(model: &Arc<Model>) -> Result<Self, ClassifyError> {
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
        let mut outputs = Outputs::logits_only(network, beats);
        CpuReference::new(Arc::clone(model), beats).classify(&windows, &mut outputs)?;
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
    use crate::model::{BeatClass, CpuIsa, CpuSimd, builtin_models};

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
