//! The GPU engine against the reference on the CPU.

use std::sync::Arc;

use super::{KERNELS, TOLERANCE, backends, exclusive, largest_difference, options};
use crate::SplitMix64;
use crate::gpu::{GpuEngine, GpuError, GpuKernels, GpuOptions, Submitted};
use crate::test_support::{odd_json, random_model};
use crate::{Classifier, ClassifyError, CpuReference, Model, Outputs, Wanted, builtin_models};

fn reference(model: &Arc<Model>, input: &[f32]) -> Outputs {
    let batch = input.len() / model.description().input.len();
    let mut outputs = Outputs::new(model.description(), batch);
    CpuReference::new(Arc::clone(model), batch)
        .classify(input, &mut outputs)
        .unwrap();
    outputs
}

fn difference(found: &Outputs, expected: &Outputs) -> f32 {
    assert_eq!(found.batch(), expected.batch());
    let logits = largest_difference(
        found.logits().as_flattened(),
        expected.logits().as_flattened(),
    );
    let maps = |beat| Some((found.feature_maps(beat)?, expected.feature_maps(beat)?));
    let pooled = |beat| Some((found.pooled(beat)?, expected.pooled(beat)?));
    (0..found.batch())
        .flat_map(|beat| maps(beat).into_iter().chain(pooled(beat)))
        .map(|(found, expected)| largest_difference(found, expected))
        .fold(logits, f32::max)
}

#[test]
fn batches_of_any_size_are_what_the_reference_computes() {
    let _device = exclusive();
    let mut failures = Vec::new();
    for name in builtin_models() {
        let model = Arc::new(Model::load(name).unwrap());
        let length = model.description().input.len();
        let input = SplitMix64::new(21).values(1000 * length);
        let expected = [1, 2, 63, 64, 257, 1000].map(|batch| {
            let input = &input[..batch * length];
            (input, reference(&model, input))
        });
        for backend in backends() {
            for kernels in KERNELS {
                // Chunks of 100: the largest batches are cut, the last part is a short one.
                let options = GpuOptions {
                    chunk: Some(100),
                    ..options(backend, kernels, 1000)
                };
                let mut engine = GpuEngine::new(Arc::clone(&model), &options).unwrap();
                let mut outputs = Outputs::new(model.description(), 1000);
                let mut logits_only = Outputs::logits_only(model.description(), 1000);
                let mut pooled = Outputs::with_wanted(model.description(), 1000, Wanted::Pooled);
                for (input, expected) in &expected {
                    // The largest batches take long on a software adapter: once is enough.
                    let kinds = if expected.batch() > 100 { 1 } else { 3 };
                    let rooms = [&mut outputs, &mut logits_only, &mut pooled];
                    let mut worst = 0.0_f32;
                    for found in rooms.into_iter().take(kinds) {
                        engine.classify(input, found).unwrap();
                        worst = worst.max(difference(found, expected));
                    }
                    assert!(pooled.feature_maps(0).is_none());
                    if worst > TOLERANCE {
                        let batch = expected.batch();
                        failures.push(format!("{backend:?} {kernels:?} {name} {batch}: {worst:e}"));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_network_of_odd_shapes_runs_layer_by_layer() {
    let _device = exclusive();
    let model = Arc::new(random_model(&odd_json(), 3));
    let input = SplitMix64::new(4).values(70 * model.description().input.len());
    let expected = reference(&model, &input);
    for backend in backends() {
        let fused = GpuEngine::new(Arc::clone(&model), &options(backend, GpuKernels::Fused, 70));
        assert!(matches!(fused, Err(GpuError::Unfit { .. })), "{fused:?}");
        let options = GpuOptions {
            kernels: None,
            ..options(backend, GpuKernels::Layered, 70)
        };
        let mut engine = GpuEngine::new(Arc::clone(&model), &options).unwrap();
        assert_eq!(engine.kernels(), GpuKernels::Layered);
        let mut outputs = Outputs::new(model.description(), 70);
        engine.classify(&input, &mut outputs).unwrap();
        let worst = difference(&outputs, &expected);
        assert!(worst < TOLERANCE, "{backend:?}: {worst:e}");
    }
}

#[test]
fn a_stream_gives_every_batch_in_order() {
    let _device = exclusive();
    let model = Arc::new(Model::load("v2").unwrap());
    let input = SplitMix64::new(5).values(500 * 128);
    let sizes = [3, 40, 1, 40, 17, 40, 40, 2, 9];
    let mut rest = input.as_slice();
    let batches: Vec<&[f32]> = sizes
        .iter()
        .map(|size| rest.split_off(..size * 128).unwrap())
        .collect();
    let expected: Vec<Outputs> = batches
        .iter()
        .map(|batch| reference(&model, batch))
        .collect();
    for backend in backends() {
        let options = options(backend, GpuKernels::Fused, 40);
        let mut engine = GpuEngine::new(Arc::clone(&model), &options).unwrap();
        let mut outputs = Outputs::new(model.description(), 40);
        let mut seen = 0;
        engine
            .classify_stream(batches.iter().copied(), &mut outputs, |outputs| {
                let worst = difference(outputs, &expected[seen]);
                assert!(worst < TOLERANCE, "{backend:?} batch {seen}: {worst:e}");
                seen += 1;
            })
            .unwrap();
        assert_eq!(seen, batches.len());
        assert_eq!(engine.in_flight(), 0);

        let mut taken = 0;
        while engine.submit(batches[0], Wanted::Logits).unwrap() == Submitted::Yes {
            taken += 1;
        }
        assert!(taken >= 2, "{taken} in flight: nothing overlaps");
        assert_eq!(engine.in_flight(), taken);
        engine.classify(batches[1], &mut outputs).unwrap();
        assert!(difference(&outputs, &expected[1]) < TOLERANCE);
        assert!(!engine.collect(&mut outputs).unwrap());
    }
}

#[test]
fn wrong_lengths_are_refused_and_do_no_harm() {
    let _device = exclusive();
    let model = Arc::new(Model::load("v2").unwrap());
    for backend in backends() {
        let options = options(backend, GpuKernels::Fused, 4);
        let mut engine = GpuEngine::new(Arc::clone(&model), &options).unwrap();
        let mut outputs = Outputs::new(model.description(), 9);
        let input = vec![0.5; 5 * 128];
        let too_large = Err(ClassifyError::BatchTooLarge { found: 5, limit: 4 });
        assert_eq!(engine.classify(&input, &mut outputs), too_large);
        assert_eq!(engine.submit(&input, Wanted::Maps).map(|_| ()), too_large);
        let length = ClassifyError::InputLength {
            found: 127,
            window: 128,
        };
        assert_eq!(
            engine.classify(&input[..127], &mut outputs),
            Err(length.clone())
        );
        assert_eq!(engine.submit(&input[..127], Wanted::Maps), Err(length));
        engine.classify(&input[..128], &mut outputs).unwrap();
        assert_eq!(outputs.batch(), 1);
        assert_eq!(engine.fault(), None);
    }
}
