//! What an engine goes through before it is used: a self-test by known answers, then measurement.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::report::{EngineNotice, Figures};
use crate::{
    BeatClass, CLASS_COUNT, Classifier, ClassifyError, CpuReference, Model, Outputs,
    best_cpu_engine,
};

/// Eight real beats of the MIT-BIH Arrhythmia Database, normalised (records 203 N, 111 L, 124 R,
/// 223 A, 208 V, 201 N, 207 L, 212 R; Moody and Mark 2001, DOI 10.13026/C2F305, ODC-By 1.0), as
/// little-endian float32 `[8][272]`: 128 samples of the window; 128 samples of its difference from
/// another beat, for networks that read a second channel; 16 values between -1.5 and 1.5, for those
/// that read more.
const BEATS: &[u8] = include_bytes!("../../models/golden/self-check.f32");

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
#[non_exhaustive]
pub enum SelfTestError {
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
pub(super) struct SelfTest {
    windows: Vec<f32>,
    expected: Vec<[f32; CLASS_COUNT]>,
    tolerance: f32,
}

impl SelfTest {
    /// The answers of `model`, computed by [`CpuReference`], whose own answers are held to
    /// PyTorch's by the tests.
    ///
    /// # Errors
    /// [`SelfTestError`]: weights that are finite, but whose answers are not or are absurd.
    pub(super) fn new(model: &Arc<Model>) -> Result<Self, SelfTestError> {
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
        let mut outputs = Outputs::new(network, beats);
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

/// Measures `engine` on a single one of `windows` and on `batch` of them, which are repeated as
/// often as need be. Takes some ten milliseconds with an engine that answers within one.
///
/// # Errors
/// The engine's.
pub(super) fn measure(
    engine: &mut dyn Classifier,
    windows: &[f32],
    batch: usize,
) -> Result<Figures, ClassifyError> {
    let window = engine.model().description().input.len();
    let input: Vec<f32> = windows
        .iter()
        .copied()
        .cycle()
        .take(batch * window)
        .collect();
    let mut outputs = Outputs::logits_only(engine.model().description(), batch);
    let single = median(5, Duration::from_millis(5), || {
        engine.classify(&input[..window], &mut outputs)
    })?;
    let whole = median(3, Duration::from_millis(10), || {
        engine.classify(&input, &mut outputs)
    })?;
    Ok(Figures {
        single_ns: nanoseconds(single),
        batch,
        batch_ns_per_beat: nanoseconds(whole) / batch.max(1) as u64,
    })
}

/// Longest one measurement goes on for the sake of a second and third value.
const LONGEST: Duration = Duration::from_millis(50);

/// Median time of `least` calls after a first one that is not counted, of more while `budget` lasts,
/// of fewer where they would take longer than [`LONGEST`].
fn median(
    least: usize,
    budget: Duration,
    mut call: impl FnMut() -> Result<(), ClassifyError>,
) -> Result<Duration, ClassifyError> {
    call()?;
    let mut times = Vec::new();
    let began = Instant::now();
    while times.is_empty()
        || began.elapsed() < budget
        || times.len() < least && began.elapsed() < LONGEST
    {
        let before = Instant::now();
        call()?;
        times.push(before.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Beats a backlog is classified in at a time on the CPU.
pub(super) const CPU_BATCH: usize = 64;

/// The CPU engine that passed.
pub(super) struct TestedCpu {
    pub(super) name: String,
    pub(super) figures: Figures,
    /// What was said of the vector engine, where it gave wrong numbers and is not used.
    pub(super) refusal: Option<EngineNotice>,
}

impl TestedCpu {
    /// The vector engine where it passes the self-test, the reference engine otherwise.
    pub(super) fn find(model: &Arc<Model>, test: &SelfTest) -> Result<Self, ClassifyError> {
        let mut engine = best_cpu_engine(Arc::clone(model), CPU_BATCH);
        let mut refusal = None;
        if let Err(reason) = test.check(&mut *engine) {
            tracing::error!(engine = engine.engine(), reason, "self-check failed");
            refusal = Some(EngineNotice::Refused {
                engine: engine.engine().to_owned(),
                reason,
            });
            engine = Box::new(CpuReference::new(Arc::clone(model), CPU_BATCH));
        }
        Ok(Self {
            figures: measure(&mut *engine, test.windows(), CPU_BATCH)?,
            name: engine.engine().to_owned(),
            refusal,
        })
    }

    /// Another one of it.
    pub(super) fn engine(&self, model: &Arc<Model>, max_batch: usize) -> Box<dyn Classifier> {
        if self.refusal.is_some() {
            Box::new(CpuReference::new(Arc::clone(model), max_batch))
        } else {
            best_cpu_engine(Arc::clone(model), max_batch)
        }
    }
}

/// Refuses answers that are no numbers or absurdly large.
fn sensible(outputs: &Outputs) -> Result<(), SelfTestError> {
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
            return Err(SelfTestError::Absurd {
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
            Err(SelfTestError::Blind {
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
    use crate::test_support::{random_model, v1_json, v2_json};
    use crate::{CpuIsa, CpuSimd, builtin_models};

    /// Weights of one part, or all, times a factor: finite every one, but not what comes of them.
    #[test]
    fn finite_weights_with_absurd_answers_are_refused() {
        let mut failures = Vec::new();
        for (name, model) in [
            ("v1", random_model(&v1_json(), 1)),
            ("v2", random_model(&v2_json(), 1)),
            ("built-in", Model::load("v1-context").unwrap()),
        ] {
            assert!(SelfTest::new(&Arc::new(model.clone())).is_ok(), "{name}");
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
                match SelfTest::new(&Arc::new(changed)) {
                    Err(SelfTestError::Absurd { .. } | SelfTestError::Blind { .. }) => {}
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
            let test = SelfTest::new(&model).unwrap();
            let mut classes: Vec<usize> = test
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
                    assert_eq!(test.check(&mut engine), Ok(()), "{name} {}", isa.engine());
                }
            }
        }
    }

    #[test]
    fn int8_variants_pass_on_every_instruction_set() {
        for name in builtin_models() {
            let model = Arc::new(Model::load(&format!("{name}-int8")).unwrap());
            let test = SelfTest::new(&model).unwrap();
            for isa in CpuIsa::ALL {
                if let Some(mut engine) = CpuSimd::with_isa(Arc::clone(&model), 8, isa) {
                    assert_eq!(test.check(&mut engine), Ok(()), "{name} {}", isa.engine());
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
