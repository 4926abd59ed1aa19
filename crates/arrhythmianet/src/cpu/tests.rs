use std::sync::Arc;

use super::CpuReference;
use crate::SplitMix64;
use crate::test_support::{odd_json, oracle, random_model, v1_json, v2_json, with_context};
use crate::{Classifier, ClassifyError, Outputs, Shape, Wanted};

/// What every engine is held to (docs of the models): absolute difference per value of any layer.
const TOLERANCE: f64 = 1e-4;

fn largest_difference(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(&found, expected)| (f64::from(found) - expected).abs())
        .fold(0.0, f64::max)
}

#[test]
fn every_layer_agrees_with_the_float64_oracle() {
    let mut failures = Vec::new();
    for (description, seed) in [
        (v1_json(), 1),
        (v2_json(), 2),
        (odd_json(), 3),
        (with_context(v1_json()), 4),
        (with_context(v2_json()), 5),
    ] {
        let model = Arc::new(random_model(&description, seed));
        let network = model.description();
        let windows = 4;
        let input = SplitMix64::new(seed + 10).values(windows * network.input.len());
        let expected: Vec<Vec<Vec<f64>>> = input
            .chunks(network.input.len())
            .map(|window| oracle(&model, window))
            .collect();
        let mut outputs = Outputs::new(network, windows);
        let mut seen = 0;
        CpuReference::new(Arc::clone(&model), windows)
            .classify_observed(&input, &mut outputs, |window, layer, output| {
                seen += 1;
                let difference = largest_difference(output, &expected[window][layer]);
                if difference > TOLERANCE {
                    failures.push(format!("{} layer {layer}: {difference:e}", network.name));
                }
            })
            .unwrap();
        assert_eq!(seen, windows * network.layers.len());
        assert_eq!(outputs.batch(), windows);
        let pool = network.layers.len() - 2;
        for (window, layers) in expected.iter().enumerate() {
            let maps = outputs.feature_maps(window).unwrap();
            assert!(largest_difference(maps, &layers[pool - 1]) < TOLERANCE);
            let pooled = outputs.pooled(window).unwrap();
            assert!(largest_difference(pooled, &layers[pool]) < TOLERANCE);
            assert!(largest_difference(&outputs.logits()[window], &layers[pool + 1]) < TOLERANCE);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn random_networks_say_something() {
    let model = Arc::new(random_model(&v1_json(), 1));
    let input = SplitMix64::new(11).values(128);
    let logits = oracle(&model, &input).pop().unwrap();
    let spread = logits.iter().copied().fold(f64::MIN, f64::max)
        - logits.iter().copied().fold(f64::MAX, f64::min);
    assert!(
        spread > 100.0 * TOLERANCE,
        "{logits:?}: too small to compare anything"
    );
}

/// The map of the context is that of constant channels without the zeros of their padding: on an
/// input without edges both give the same.
#[test]
fn the_context_moves_every_output_of_the_stem_alike() {
    let model = Arc::new(random_model(&with_context(v1_json()), 6));
    let (_, weights) = model.layers().next().unwrap().next().unwrap();
    let mut input = vec![0.0; 272];
    input[256 + 3] = 1.0;
    CpuReference::new(Arc::clone(&model), 1)
        .classify_observed(
            &input,
            &mut Outputs::new(model.description(), 1),
            |_, layer, output| {
                for (channel, row) in output.chunks(64).enumerate().filter(|_| layer == 0) {
                    let expected = weights.bias[channel] + weights.context[16 * channel + 3];
                    let same = |value: &f32| (value - expected.max(0.0)).abs() < 1e-6;
                    assert!(row.iter().all(same), "channel {channel}: {row:?}");
                }
            },
        )
        .unwrap();
}

#[test]
fn a_window_has_one_answer_whatever_its_batch() {
    let model = Arc::new(random_model(&v2_json(), 4));
    let input = SplitMix64::new(5).values(3 * 128);
    let mut engine = CpuReference::new(Arc::clone(&model), 8);
    let mut outputs = Outputs::new(model.description(), 8);
    engine.classify(&input, &mut outputs).unwrap();
    let batch = outputs.clone();
    for (index, window) in input.chunks(128).enumerate() {
        engine.classify(window, &mut outputs).unwrap();
        assert_eq!(outputs.logits().len(), 1);
        assert_eq!(
            outputs.logits()[0].map(f32::to_bits),
            batch.logits()[index].map(f32::to_bits)
        );
        assert_eq!(outputs.feature_maps(0), batch.feature_maps(index));
        assert_eq!(outputs.feature_maps(1), None);
    }
}

#[test]
fn outputs_without_feature_maps_have_the_same_logits() {
    let model = Arc::new(random_model(&v1_json(), 4));
    let input = SplitMix64::new(5).values(2 * 128);
    let mut engine = CpuReference::new(Arc::clone(&model), 2);
    let mut with = Outputs::new(model.description(), 2);
    let mut without = Outputs::logits_only(model.description(), 2);
    engine.classify(&input, &mut with).unwrap();
    engine.classify(&input, &mut without).unwrap();
    assert_eq!(with.logits(), without.logits());
    assert_eq!((without.feature_maps(0), without.pooled(0)), (None, None));
    let mut pooled = Outputs::with_wanted(model.description(), 2, Wanted::Pooled);
    engine.classify(&input, &mut pooled).unwrap();
    assert_eq!(pooled.feature_maps(0), None);
    assert_eq!(pooled.pooled(1).unwrap(), with.pooled(1).unwrap());
    assert_eq!(pooled.pooled(2), None);
}

#[test]
fn wrong_lengths_are_refused() {
    let model = Arc::new(random_model(&v1_json(), 1));
    let other = random_model(&v2_json(), 1);
    let mut engine = CpuReference::new(Arc::clone(&model), 4);
    let mut outputs = Outputs::new(model.description(), 3);
    let mut foreign = Outputs::new(other.description(), 3);
    let too_many = |found, limit| ClassifyError::BatchTooLarge { found, limit };
    let length = |found| ClassifyError::InputLength { found, window: 128 };
    for (values, expected) in [
        (0, length(0)),
        (127, length(127)),
        (129, length(129)),
        (4 * 128, too_many(4, 3)),
        (5 * 128, too_many(5, 3)),
    ] {
        let found = engine.classify(&vec![0.0; values], &mut outputs);
        assert_eq!(found, Err(expected), "{values}");
        assert!(outputs.logits().is_empty());
    }
    outputs = Outputs::new(model.description(), 9);
    assert_eq!(
        engine.classify(&vec![0.0; 5 * 128], &mut outputs),
        Err(too_many(5, 4))
    );
    assert_eq!(
        engine.classify(&[0.0; 128], &mut foreign),
        Err(ClassifyError::OutputShape {
            found: Shape {
                channels: 112,
                time: 8
            },
            expected: Shape {
                channels: 128,
                time: 8
            },
        })
    );
}
