use std::path::Path;

use safetensors::SafeTensors;

use super::*;
use crate::SplitMix64;
use crate::parity_support::Parity;
use crate::test_support::{
    DEAD_CHANNELS, model_with_dead_channels, oracle, random_model, v1_json, v2_json, with_context,
};
use crate::weights::float32;

fn available() -> impl Iterator<Item = CpuIsa> {
    CpuIsa::ALL.into_iter().filter(|isa| isa.is_available())
}

fn value(model: &Model, input: &[f32], of: &[f32; CLASS_COUNT]) -> f64 {
    let logits = oracle(model, input).pop().unwrap();
    logits
        .iter()
        .zip(of)
        .map(|(logit, &share)| logit * f64::from(share))
        .sum()
}

/// 500 real beats of each shipped network: within 1e-4 of the largest value of the beat's gradient, but
/// for one in 500 where an activation is so close to the corner of its ReLU that rounding decides.
#[test]
fn gradients_are_pytorchs() {
    const TOLERANCE: f32 = 1e-4;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/golden");
    let mut failures = Vec::new();
    let mut compared = 0;
    for name in crate::builtin_models() {
        let parity = Parity::load(name);
        let gradients = std::fs::read(golden.join(format!("gradients-{name}.safetensors")));
        let gradients = gradients.unwrap();
        let gradients = SafeTensors::deserialize(&gradients).unwrap();
        let model = Arc::new(Model::load(name).unwrap());
        let len = model.description().input.len();
        let inputs = &parity.input;
        let expected = float32("golden", "gradient", &gradients.tensor("gradient").unwrap());
        let expected = expected.unwrap();
        let (beats, _) = gradients.tensor("beat").unwrap().data().as_chunks::<4>();
        let mut engines: Vec<_> = available()
            .filter_map(|isa| CpuGradient::with_isa(Arc::clone(&model), isa))
            .collect();
        for (beat, expected) in beats.iter().zip(expected.chunks_exact(len)) {
            let beat = usize::try_from(i32::from_le_bytes(*beat)).unwrap();
            let input = &inputs[beat * len..][..len];
            let scale = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            for engine in &mut engines {
                let mut found = vec![0.0; len];
                let logits = engine.gradient(input, &[0.0; 5], &mut found).unwrap();
                let mut of = [0.0; CLASS_COUNT];
                let largest = (0..CLASS_COUNT).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
                of[largest.unwrap()] = 1.0;
                engine.gradient(input, &of, &mut found).unwrap();
                let worst = found
                    .iter()
                    .zip(expected)
                    .map(|(found, expected)| (found - expected).abs())
                    .fold(0.0_f32, f32::max);
                compared += 1;
                if worst > TOLERANCE * scale {
                    failures.push(format!("{name} beat {beat}: {worst} of {scale}"));
                }
            }
        }
    }
    assert!(compared >= 4 * 500, "{compared}");
    assert!(
        failures.len() * 500 <= compared,
        "{} of {compared}: {}",
        failures.len(),
        failures.join("\n")
    );
}

/// Networks of random weights, with context and without, against differences of the float64 oracle.
#[test]
fn gradients_are_slopes() {
    let models = [
        random_model(&v1_json(), 1),
        random_model(&v2_json(), 2),
        random_model(&with_context(v1_json()), 3),
        random_model(&with_context(v2_json()), 4),
        model_with_dead_channels(&v2_json(), 5, &DEAD_CHANNELS),
    ];
    let of = [0.3, -1.0, 0.5, 2.0, -0.7];
    for (number, model) in models.into_iter().enumerate() {
        let model = Arc::new(model);
        let len = model.description().input.len();
        let input = SplitMix64::new(40 + number as u64).values(len);
        for isa in available() {
            let mut engine = CpuGradient::with_isa(Arc::clone(&model), isa).unwrap();
            let mut found = vec![0.0; len];
            engine.gradient(&input, &of, &mut found).unwrap();
            // A step that crosses the corner of a ReLU has no slope, so a few may differ.
            let step = 1.0 / 16384.0;
            let scale = found.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            let places: Vec<usize> = (0..len)
                .step_by(7)
                .chain(len.saturating_sub(3)..len)
                .collect();
            let wrong = places
                .iter()
                .filter(|&&place| {
                    let at = |shift: f32| {
                        let mut moved = input.clone();
                        moved[place] += shift;
                        value(&model, &moved, &of)
                    };
                    let slope = (at(step) - at(-step)) / f64::from(2.0 * step);
                    (slope - f64::from(found[place])).abs() > 0.01 * f64::from(scale)
                })
                .count();
            assert!(
                wrong * 20 <= places.len(),
                "{isa:?} network {number}: {wrong} of {} differ",
                places.len()
            );
        }
    }
}

/// Attributions sum to the value less its mean over the background, but for the rounding of the
/// background's values to 8 bits and of reciprocals to 11.
#[test]
fn attributions_are_complete() {
    let models = [
        Model::load("v1").unwrap(),
        Model::load("v2").unwrap(),
        random_model(&with_context(v1_json()), 5),
        random_model(&with_context(v2_json()), 6),
    ];
    for (number, model) in models.into_iter().enumerate() {
        let model = Arc::new(model);
        let len = model.description().input.len();
        for isa in available() {
            let mut engine = CpuGradient::with_isa(Arc::clone(&model), isa).unwrap();
            let mut random = SplitMix64::new(7);
            // An odd number: one more than whole pairs.
            engine.set_background(&random.values(7 * len)).unwrap();
            let mut attributions = vec![0.0; len];
            for class in 0..CLASS_COUNT {
                let mut of = [0.0; CLASS_COUNT];
                of[class] = 1.0;
                let input = random.values(len);
                let logits = engine.attributions(&input, &of, &mut attributions).unwrap();
                let background: Vec<f32> = engine
                    .background_logits()
                    .iter()
                    .map(|logits| logits[class])
                    .collect();
                let mean = background.iter().sum::<f32>() / background.len() as f32;
                let sum: f32 = attributions.iter().sum();
                let range = attributions.iter().map(|x| x.abs()).sum::<f32>();
                let missing = (sum - (logits[class] - mean)).abs();
                assert!(
                    missing <= 1e-3 * range.max(1.0),
                    "{isa:?} network {number} class {class}: {sum} for {}",
                    logits[class] - mean
                );
            }
        }
    }
}

/// Over the last feature maps activation times gradient is the dense layer's share of the logit; over
/// any layer a rise of one time step's activations changes the logit by what the map says.
#[test]
fn layer_maps_are_slopes_times_activations() {
    for name in ["v1", "v2", "v2-context"] {
        let parity = Parity::load(name);
        let description = parity.model.description();
        let len = description.input.len();
        let maps = description.feature_maps();
        let last = description
            .layers
            .iter()
            .position(|layer| matches!(layer.op, Op::Pool))
            .unwrap()
            - 1;
        let (dense, bias) = parity.model.dense();
        let mut classifier = crate::CpuSimd::new(Arc::clone(&parity.model), 1);
        let mut outputs = crate::Outputs::new(description, 1);
        use crate::Classifier;
        for isa in available() {
            let mut engine = CpuGradient::with_isa(Arc::clone(&parity.model), isa).unwrap();
            for input in parity.input.chunks_exact(len).step_by(101) {
                classifier.classify(input, &mut outputs).unwrap();
                let activations = outputs.feature_maps(0).unwrap();
                for class in 0..CLASS_COUNT {
                    let mut of = [0.0; CLASS_COUNT];
                    of[class] = 1.0;
                    let mut map = vec![0.0; maps.time];
                    let logits = engine.layer_map(input, &of, last, &mut map).unwrap();
                    for (time, found) in map.iter().enumerate() {
                        let expected: f32 = dense[class * maps.channels..][..maps.channels]
                            .iter()
                            .zip(activations[time..].iter().step_by(maps.time))
                            .map(|(weight, value)| weight * value / maps.time as f32)
                            .sum();
                        assert!(
                            (found - expected).abs() < 1e-3,
                            "{name}: {found} {expected}"
                        );
                    }
                    let sum: f32 = map.iter().sum();
                    assert!((sum + bias[class] - logits[class]).abs() < 2e-3, "{name}");
                }
            }
            let mut map = [0.0; 64];
            let of = [1.0, 0.0, 0.0, 0.0, 0.0];
            engine
                .layer_map(&parity.input[..len], &of, 0, &mut map)
                .unwrap();
            assert!(map.iter().any(|&value| value != 0.0));
            let refused = engine.layer_map(&parity.input[..len], &of, last + 1, &mut map);
            assert!(refused.is_err(), "the pooling has no time");
        }
    }
}

#[test]
fn wrong_lengths_are_refused() {
    let mut engine = CpuGradient::new(Arc::new(Model::load("v2").unwrap()));
    let (mut long, of) = ([0.0; 129], [0.0; CLASS_COUNT]);
    let refused = |found| Err(ClassifyError::InputLength { found, window: 128 });
    assert_eq!(
        engine.gradient(&[0.0; 127], &of, &mut long),
        refused(127).map(|()| [0.0; 5])
    );
    assert_eq!(
        engine.gradient(&[0.0; 128], &of, &mut long),
        refused(129).map(|()| [0.0; 5])
    );
    assert_eq!(engine.set_background(&[]), refused(0));
    assert_eq!(engine.set_background(&[0.0; 200]), refused(200));
    assert_eq!(
        engine.attributions(&[0.0; 128], &of, &mut long[..128]),
        refused(0).map(|()| [0.0; 5]),
        "no background"
    );
}
