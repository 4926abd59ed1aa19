//! What happens to a window before a network reads it, and to the logits afterwards.

use thiserror::Error;

use super::class::{BeatClass, CLASS_COUNT};

/// What is known of a beat before a network reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BeatInput<'a> {
    /// The beat, µV.
    pub window_uv: &'a [f32],
    /// The usual beat of the patient, µV, as long as the window; `None` where none is known yet.
    pub template_uv: Option<&'a [f32]>,
    /// The rhythm, named in [`crate::NetworkDescription`].
    pub context: &'a [f32],
}

/// How a window is brought to the scale a network was trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Normalisation {
    /// Subtract the mean, divide by the population standard deviation, which counts as at least
    /// `floor_uv` so that a flat line stays flat instead of becoming amplified noise.
    ZScore {
        /// Smallest divisor, microvolts.
        floor_uv: f64,
    },
}

/// Why a window or its logits cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InputError {
    /// A part of the input has not the length the network reads.
    #[error("input: found {found} values, expected {expected}")]
    Length {
        /// Values given.
        found: usize,
        /// Values there is room for.
        expected: usize,
    },
    /// A sample is infinite or not a number.
    #[error("window: sample {index} is not a finite number")]
    NotFinite {
        /// Index of the first such sample.
        index: usize,
    },
    /// A logit is infinite or not a number: the engine cannot be trusted.
    #[error("logits: the value of class {} is not a finite number", .class.symbol())]
    LogitNotFinite {
        /// The first such class.
        class: BeatClass,
    },
}

impl Normalisation {
    /// Normalises one channel of a window: microvolts in, dimensionless values out.
    ///
    /// Sums are taken in float64 in the order of the samples, so the result is the same on every
    /// machine.
    ///
    /// # Errors
    /// [`InputError::Length`] if the slices differ in length, [`InputError::NotFinite`] for a
    /// sample that is no number; `out` is untouched then.
    pub fn apply(&self, window_uv: &[f32], out: &mut [f32]) -> Result<(), InputError> {
        let Self::ZScore { floor_uv } = *self;
        if window_uv.len() != out.len() {
            return Err(InputError::Length {
                found: window_uv.len(),
                expected: out.len(),
            });
        }
        if let Some(index) = window_uv.iter().position(|sample| !sample.is_finite()) {
            return Err(InputError::NotFinite { index });
        }
        let count = window_uv.len() as f64;
        let mean = window_uv.iter().copied().map(f64::from).sum::<f64>() / count;
        let variance = window_uv
            .iter()
            .map(|&sample| (f64::from(sample) - mean).powi(2))
            .sum::<f64>()
            / count;
        let divisor = variance.sqrt().max(floor_uv);
        for (value, &sample) in out.iter_mut().zip(window_uv) {
            *value = narrow((f64::from(sample) - mean) / divisor);
        }
        Ok(())
    }
}

/// What a network says about one beat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The class of the largest probability; of equal ones the first in the order N L R A V.
    pub class: BeatClass,
    /// Probabilities in the order N L R A V, sum 1.
    pub probabilities: [f32; CLASS_COUNT],
}

impl Decision {
    /// Softmax of the logits divided by `temperature` (greater than 0).
    ///
    /// # Errors
    /// [`InputError::LogitNotFinite`].
    pub fn from_logits(logits: &[f32; CLASS_COUNT], temperature: f64) -> Result<Self, InputError> {
        if let Some(class) = BeatClass::ALL
            .into_iter()
            .find(|class| !logits[class.index()].is_finite())
        {
            return Err(InputError::LogitNotFinite { class });
        }
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exponentials =
            logits.map(|logit| ((f64::from(logit) - f64::from(largest)) / temperature).exp());
        let sum: f64 = exponentials.iter().sum();
        let probabilities = exponentials.map(|value| narrow(value / sum));
        Ok(Self {
            class: class_of_largest(&probabilities),
            probabilities,
        })
    }
}

fn class_of_largest(values: &[f32; CLASS_COUNT]) -> BeatClass {
    let mut largest = BeatClass::N;
    for class in BeatClass::ALL {
        if values[class.index()] > values[largest.index()] {
            largest = class;
        }
    }
    largest
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounds to float32, which is what the networks read and the store keeps"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NetworkDescription;
    use crate::test_support::{v1_json, with_context};

    const ZSCORE: Normalisation = Normalisation::ZScore { floor_uv: 20.0 };

    #[test]
    fn normalised_windows_have_mean_0_and_deviation_1() {
        let window: Vec<f32> = (0_u16..128)
            .map(|k| 300.0 + 500.0 * (f32::from(k) * 0.2).sin())
            .collect();
        let mut out = vec![0.0; 128];
        ZSCORE.apply(&window, &mut out).unwrap();
        let mean = out.iter().sum::<f32>() / 128.0;
        let variance = out.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 128.0;
        assert!(mean.abs() < 1e-6, "{mean}");
        assert!((variance - 1.0).abs() < 1e-5, "{variance}");
    }

    #[test]
    fn the_floor_keeps_small_signals_small() {
        let window = [10.0, 14.0, 10.0, 14.0];
        let mut out = [0.0; 4];
        ZSCORE.apply(&window, &mut out).unwrap();
        for (found, expected) in out.iter().zip([-0.1_f32, 0.1, -0.1, 0.1]) {
            assert!((found - expected).abs() < 1e-7, "{out:?}");
        }
    }

    #[test]
    fn impossible_windows_are_refused() {
        let mut out = [7.0; 3];
        let rows: [(&[f32], InputError); 4] = [
            (
                &[1.0; 2],
                InputError::Length {
                    found: 2,
                    expected: 3,
                },
            ),
            (
                &[],
                InputError::Length {
                    found: 0,
                    expected: 3,
                },
            ),
            (&[0.0, f32::NAN, 0.0], InputError::NotFinite { index: 1 }),
            (
                &[0.0, 0.0, f32::INFINITY],
                InputError::NotFinite { index: 2 },
            ),
        ];
        for (window, expected) in rows {
            assert_eq!(ZSCORE.apply(window, &mut out), Err(expected), "{window:?}");
        }
        assert_eq!(out.map(f32::to_bits), [7.0_f32; 3].map(f32::to_bits));
    }

    fn described(json: &serde_json::Value) -> NetworkDescription {
        NetworkDescription::from_json("m", &json.to_string()).unwrap()
    }

    #[test]
    fn the_input_is_window_residual_and_context() {
        let window_uv: Vec<f32> = (0_u16..128).map(|k| 9.0 * f32::from(k)).collect();
        let template_uv: Vec<f32> = (0_u16..128)
            .map(|k| 700.0 * (f32::from(k) * 0.3).sin())
            .collect();
        let context: Vec<f32> = (0_u16..16).map(|k| 0.1 * f32::from(k)).collect();
        let normalised = |uv: &[f32]| {
            let mut out = vec![0.0; uv.len()];
            ZSCORE.apply(uv, &mut out).unwrap();
            out
        };
        let (window, template) = (normalised(&window_uv), normalised(&template_uv));
        let residual: Vec<f32> = window.iter().zip(&template).map(|(w, t)| w - t).collect();
        let mut beat = BeatInput {
            window_uv: &window_uv,
            template_uv: Some(&template_uv),
            context: &context,
        };

        let mut out = vec![7.0; 272];
        let network = described(&with_context(v1_json()));
        network.fill_input(&beat, &mut out).unwrap();
        assert_eq!(out, [&window[..], &residual, &context].concat());
        beat.template_uv = None;
        network.fill_input(&beat, &mut out).unwrap();
        assert_eq!(out, [&window[..], &[0.0; 128], &context].concat());

        let mut alone = vec![7.0; 128];
        described(&v1_json()).fill_input(&beat, &mut alone).unwrap();
        assert_eq!(alone, window);
        let length = |found, expected| Err(InputError::Length { found, expected });
        assert_eq!(network.fill_input(&beat, &mut alone), length(272, 128));
        beat.context = &context[..15];
        assert_eq!(network.fill_input(&beat, &mut out), length(15, 16));
        beat.template_uv = Some(&template_uv[..127]);
        assert_eq!(network.fill_input(&beat, &mut out), length(127, 128));
    }

    #[test]
    fn softmax_follows_its_definition() {
        let logits = [1.0_f32, 0.0, -1.0, 3.0, 2.0];
        for temperature in [0.5, 1.0, 2.0] {
            let decision = Decision::from_logits(&logits, temperature).unwrap();
            let exponentials = logits.map(|z| (f64::from(z) / temperature).exp());
            let sum: f64 = exponentials.iter().sum();
            for (found, exponential) in decision.probabilities.iter().zip(exponentials) {
                assert!((f64::from(*found) - exponential / sum).abs() < 1e-7);
            }
            assert_eq!(decision.class, BeatClass::A);
        }
    }

    #[test]
    fn softmax_survives_extreme_logits() {
        let decision = Decision::from_logits(&[-3e38, 3e38, 0.0, 0.0, 3e38], 1.0).unwrap();
        assert_eq!(decision.class, BeatClass::L, "the first of equals");
        assert!((decision.probabilities[4] - 0.5).abs() < 1e-7);
        assert_eq!(
            Decision::from_logits(&[0.0, 0.0, f32::NAN, 0.0, 0.0], 1.0),
            Err(InputError::LogitNotFinite {
                class: BeatClass::R
            })
        );
    }
}
