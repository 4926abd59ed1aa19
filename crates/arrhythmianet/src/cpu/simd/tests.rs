use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tiling::{MAX_ROWS, row_tiles, tile_sizes};
use super::{CpuIsa, CpuSimd};
use crate::SplitMix64;
use crate::cpu::golden_tests::{BEATS, golden_failures, label};
use crate::test_support::{
    DEAD_CHANNELS, model_with_dead_channels, network_json, odd_json, oracle, random_model, v1_json,
    v2_json, with_context,
};
use crate::{
    Classifier, ClassifyError, CpuReference, Model, Outputs, best_cpu_engine, builtin_models,
};

/// What every engine is held to: absolute difference per value of any layer.
const TOLERANCE: f64 = 1e-4;

/// Beats the network runs through in odd numbers of tiles, the last one partly filled.
const BATCH: usize = 11;

#[test]
fn tiles_cover_every_time_and_split_the_usual_ones_evenly() {
    for most in 1..=MAX_ROWS {
        let sizes = tile_sizes(most);
        for time in 0..=130 {
            let tiles = row_tiles(time, most, &sizes);
            let covered: usize = tiles.iter().map(|(rows, count)| rows * count).sum();
            assert_eq!(covered, time, "{tiles:?} of at most {most} rows");
            for (rows, _) in tiles.into_iter().filter(|&(_, count)| count > 0) {
                assert!(rows <= most && sizes[rows] == rows, "{time}: {tiles:?}");
            }
            if [8, 16, 32, 64].contains(&time) {
                let count: usize = tiles.iter().map(|&(_, count)| count).sum();
                assert_eq!(count, time.div_ceil(most), "{time}: {tiles:?}");
            }
        }
    }
}

/// An engine for each instruction set of this processor.
fn engines(model: &Arc<Model>, max_batch: usize) -> Vec<CpuSimd> {
    let engines: Vec<_> = CpuIsa::ALL
        .into_iter()
        .filter_map(|isa| CpuSimd::with_isa(Arc::clone(model), max_batch, isa))
        .collect();
    assert_eq!(engines.last().unwrap().isa(), CpuIsa::Portable);
    engines
}

/// Where any layer of any instruction set differs from the float64 oracle.
fn oracle_failures(model: Model, seed: u64, windows: usize) -> Vec<String> {
    let model = Arc::new(model);
    let network = model.description();
    let input = SplitMix64::new(seed + 10).values(windows * network.input.len());
    let expected: Vec<Vec<Vec<f64>>> = input
        .chunks(network.input.len())
        .map(|window| oracle(&model, window))
        .collect();
    let mut failures = Vec::new();
    let mut compare = |what: String, found: &[f32], expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        for (&found, expected) in found.iter().zip(expected) {
            let difference = (f64::from(found) - expected).abs();
            if difference > TOLERANCE * expected.abs().max(1.0) || difference.is_nan() {
                failures.push(format!("{what}: {found} instead of {expected}"));
                return;
            }
        }
    };
    let pool = network.layers.len() - 2;
    for mut engine in engines(&model, windows) {
        let name = engine.isa().engine();
        let mut outputs = Outputs::new(network, windows);
        let mut seen = 0;
        engine
            .classify_observed(&input, &mut outputs, |window, layer, output| {
                seen += 1;
                let what = format!("{name} {} layer {layer} window {window}", network.name);
                compare(what, output, &expected[window][layer]);
            })
            .unwrap();
        assert_eq!(seen, windows * network.layers.len());
        for (window, layers) in expected.iter().enumerate() {
            let maps = outputs.feature_maps(window).unwrap();
            compare(format!("{name} maps {window}"), maps, &layers[pool - 1]);
            let pooled = outputs.pooled(window).unwrap();
            compare(format!("{name} pooled {window}"), pooled, &layers[pool]);
            let logits = &outputs.logits()[window];
            compare(format!("{name} logits {window}"), logits, &layers[pool + 1]);
        }
    }
    failures
}

#[test]
fn every_layer_of_the_shipped_networks_is_what_pytorch_computed() {
    let mut failures = Vec::new();
    for isa in CpuIsa::ALL.into_iter().filter(|isa| isa.is_available()) {
        failures.extend(golden_failures(
            isa.engine(),
            |model, input, outputs, observe| {
                CpuSimd::with_isa(Arc::clone(model), BEATS, isa)
                    .unwrap()
                    .classify_observed(input, outputs, observe)
                    .unwrap();
            },
        ));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
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
        (with_context(odd_json()), 6),
    ] {
        failures.extend(oracle_failures(random_model(&description, seed), seed, 5));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn hidden_channels_that_nothing_reads_change_nothing() {
    let model = model_with_dead_channels(&v2_json(), 7, &DEAD_CHANNELS);
    let failures = oracle_failures(model, 7, 5);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn block() -> impl Strategy<Value = Value> {
    let kernel = prop::sample::select(vec![1, 3, 5, 7, 9]);
    (0..3, 1..70_usize, kernel, 1..5_usize, 2..4_usize).prop_map(
        |(op, out, kernel, stride, expansion)| match op {
            0 => json!({"op": "separable", "out": out, "kernel": kernel, "stride": stride}),
            1 => json!({
                "op": "inverted", "out": out, "kernel": kernel, "stride": stride,
                "expansion": expansion
            }),
            _ => json!({"op": "pointwise", "out": 3 * out}),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn networks_of_any_shape_agree_with_the_oracle(
        blocks in prop::collection::vec(block(), 1..5),
        (channels, samples, stride) in (1..4_usize, 8..90_usize, 1..5_usize),
        seed in 0..1000_u64,
    ) {
        let mut layers = vec![json!({"op": "stem", "out": 9, "kernel": 5, "stride": stride})];
        layers.extend(blocks);
        let description = network_json("random", channels, samples, layers);
        let failures = oracle_failures(random_model(&description, seed), seed, 2);
        prop_assert!(failures.is_empty(), "{}\n{description}", failures.join("\n"));
    }
}

/// Every number of vectors up to two groups, and every number of rows from one on.
#[test]
fn every_tile_of_the_product_is_right() {
    let mut failures = Vec::new();
    for out in (1..9).map(|vectors| vectors * 16) {
        let layers = vec![
            json!({"op": "stem", "out": out, "kernel": 3, "stride": 1}),
            json!({"op": "inverted", "out": out, "kernel": 3, "stride": 1, "expansion": 2}),
        ];
        let samples = 8 + out / 16;
        let description = network_json("tiles", 1, samples, layers);
        failures.extend(oracle_failures(random_model(&description, 7), 7, 1));
    }
    for samples in [8, 9, 10, 11, 12, 13, 23, 25] {
        for stride in [1, 2, 3] {
            let layers = vec![
                json!({"op": "stem", "out": 24, "kernel": 7, "stride": stride}),
                json!({"op": "separable", "out": 13, "kernel": 7, "stride": stride}),
            ];
            let description = network_json("rows", 1, samples, layers);
            failures.extend(oracle_failures(random_model(&description, 7), 7, 1));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn labels_are_those_of_the_reference() {
    let windows = 150;
    for name in builtin_models() {
        let model = Arc::new(Model::load(name).unwrap());
        let length = model.description().input.len();
        let mut input = SplitMix64::new(3).values(windows * length);
        for window in input.chunks_mut(length) {
            // Uneven noise with a peak, roughly of the scale that normalisation leaves.
            let scale = window[0].abs() * 2.0;
            for value in window.iter_mut() {
                *value *= scale;
            }
            window[55] += 6.0 * window[1].signum();
        }
        let mut expected = Outputs::new(model.description(), windows);
        CpuReference::new(Arc::clone(&model), windows)
            .classify(&input, &mut expected)
            .unwrap();
        for mut engine in engines(&model, windows) {
            let mut outputs = Outputs::new(model.description(), windows);
            engine.classify(&input, &mut outputs).unwrap();
            let labels = |outputs: &Outputs| -> Vec<usize> {
                outputs.logits().iter().map(|row| label(row)).collect()
            };
            assert_eq!(labels(&outputs), labels(&expected), "{}", engine.engine());
            assert!(labels(&outputs).iter().any(|&label| label != 0), "{name}");
        }
    }
}

#[test]
fn a_window_has_one_answer_whatever_its_batch_and_threads() {
    for description in [v1_json(), v2_json(), odd_json(), with_context(v1_json())] {
        let model = Arc::new(random_model(&description, 4));
        let window = model.description().input.len();
        let input = SplitMix64::new(5).values(BATCH * window);
        for mut engine in engines(&model, BATCH) {
            let mut batch = Outputs::new(model.description(), BATCH);
            engine.classify(&input, &mut batch).unwrap();
            let bits = |outputs: &Outputs, index: usize| -> Vec<u32> {
                outputs.logits()[index]
                    .iter()
                    .chain(outputs.feature_maps(index).unwrap())
                    .chain(outputs.pooled(index).unwrap())
                    .map(|value| value.to_bits())
                    .collect()
            };
            let mut outputs = batch.clone();
            for (index, window) in input.chunks(window).enumerate() {
                engine.classify(window, &mut outputs).unwrap();
                assert_eq!(
                    bits(&outputs, 0),
                    bits(&batch, index),
                    "{}",
                    engine.engine()
                );
            }
            for threads in [0, 1, 2, 3, BATCH, BATCH + 1] {
                engine
                    .classify_threaded(&input, &mut outputs, threads)
                    .unwrap();
                assert_eq!(outputs.batch(), BATCH);
                for index in 0..BATCH {
                    assert_eq!(bits(&outputs, index), bits(&batch, index), "{threads}");
                }
            }
            let mut without = Outputs::logits_only(model.description(), BATCH);
            engine.classify(&input, &mut without).unwrap();
            assert_eq!(without.logits(), batch.logits());
            engine.classify_threaded(&input, &mut without, 2).unwrap();
            assert_eq!(without.logits(), batch.logits());
        }
    }
}

#[test]
fn wrong_batches_are_refused() {
    let model = Arc::new(random_model(&v2_json(), 1));
    let mut engine = CpuSimd::new(Arc::clone(&model), 0);
    let mut outputs = Outputs::new(model.description(), 4);
    assert_eq!(engine.max_batch(), 1);
    let too_large = Err(ClassifyError::BatchTooLarge { found: 2, limit: 1 });
    let input = vec![0.0; 2 * 128];
    assert_eq!(engine.classify(&input, &mut outputs), too_large);
    assert_eq!(engine.classify_threaded(&input, &mut outputs, 2), too_large);
    assert!(engine.classify(&[], &mut outputs).is_err());
}

#[test]
fn the_best_engine_is_the_first_available() {
    let model = Arc::new(random_model(&v2_json(), 1));
    let best = CpuIsa::ALL.into_iter().find(|isa| isa.is_available());
    let engine = best_cpu_engine(Arc::clone(&model), 3);
    assert_eq!(Some(engine.engine()), best.map(CpuIsa::engine));
    if cfg!(target_arch = "aarch64") {
        assert_eq!(best, Some(CpuIsa::Neon)); // every 64-bit Arm that runs Linux has it
    }
    assert_eq!(engine.max_batch(), 3);
    for isa in CpuIsa::ALL {
        let engine = CpuSimd::with_isa(Arc::clone(&model), 1, isa);
        assert_eq!(engine.is_some(), isa.is_available(), "{isa:?}");
    }
}
