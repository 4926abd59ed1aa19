//! Maps of real beats.

use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::model::parity_support::Parity;
use crate::model::{
    BeatClass, CLASS_COUNT, Classifier, CpuSimd, Model, Outputs, builtin_models, test_support,
};

fn called(logits: &[f32; CLASS_COUNT]) -> BeatClass {
    let largest = (0..CLASS_COUNT).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
    BeatClass::from_index(largest.unwrap()).unwrap()
}

/// Real beats of each network: attributions sum to the logit less its base within a thousandth of their
/// range, and the maps drawn from the engine's feature maps are those of the backward pass.
#[test]
fn maps_are_complete() {
    for name in builtin_models() {
        let parity = Parity::of(name);
        let len = parity.model.description().input.len();
        let mut explainer = Explainer::new(Arc::clone(&parity.model));
        let mut engine = CpuSimd::new(Arc::clone(&parity.model), 1);
        let mut outputs = Outputs::new(parity.model.description(), 1);
        let mut worst = 0.0_f32;
        for input in parity.input.chunks_exact(len).step_by(17) {
            engine.classify(input, &mut outputs).unwrap();
            for class in [called(&outputs.logits()[0]), BeatClass::V] {
                let cam = explainer
                    .grad_cam(outputs.feature_maps(0).unwrap(), class)
                    .unwrap();
                let again = explainer.explain(Method::GradCam, input, class).unwrap();
                for (a, b) in cam.channels[0].iter().zip(&again.channels[0]) {
                    assert!((a - b).abs() < 1e-3, "{name}: {a} {b}");
                }
                let shap = explainer.explain(Method::Shap, input, class).unwrap();
                for map in [cam, again, shap] {
                    let found = map.logit - outputs.logits()[0][class.index()];
                    assert!(found.abs() < 1e-3, "{name}: another logit");
                    let missing = map.incompleteness().unwrap();
                    worst = worst.max(missing);
                    assert!(missing <= 0.001, "{name} {:?}: {missing}", map.method);
                    let packed = unpack(&pack(&map)).unwrap();
                    let missing = packed.incompleteness().unwrap();
                    assert!(missing <= 0.05, "{name} {:?} packed: {missing}", map.method);
                }
            }
        }
        println!("{name}: at most {worst:.5} of the range is missing");
    }
}

/// The fine map has more time steps and agrees with the coarse one where both see the same.
#[test]
fn the_fine_map_is_finer() {
    for name in builtin_models() {
        let parity = Parity::of(name);
        let len = parity.model.description().input.len();
        let mut explainer = Explainer::new(Arc::clone(&parity.model));
        let input = &parity.input[..len];
        let fine = explainer
            .explain(Method::GradCamFine, input, BeatClass::N)
            .unwrap();
        assert!(fine.channels[0].len() >= FINE_TIME, "{name}");
        assert_eq!(fine.waveform().len(), 128);
        assert_eq!(fine.incompleteness(), None);
    }
}

#[test]
fn a_network_without_what_a_method_reads_is_refused() {
    let mut description = test_support::v1_json();
    description["input"]["samples"] = 256.into();
    let model = Arc::new(test_support::random_model(&description, 1));
    let mut explainer = Explainer::new(model);
    let error = explainer
        .explain(Method::Shap, &[0.0; 256], BeatClass::N)
        .unwrap_err();
    assert!(error.to_string().contains("256 input values"), "{error}");
    let error = explainer.grad_cam(&[0.0; 7], BeatClass::N).unwrap_err();
    assert!(matches!(error, ExplainError::Input(_)));
    let error = explainer
        .explain(Method::GradCam, &[0.0; 7], BeatClass::N)
        .unwrap_err();
    assert!(matches!(error, ExplainError::Input(_)));
}

#[test]
fn shares_are_what_falls_on_each_wave() {
    let mut channel = vec![0.0; 128];
    channel[20] = 1.0;
    channel[55] = 4.0;
    channel[60] = -9.0;
    channel[90] = 3.0;
    channel[120] = 2.0;
    let map = SaliencyMap {
        method: Method::Shap,
        class: BeatClass::V,
        channels: vec![channel],
        context: Vec::new(),
        logit: 1.0,
        base: 0.0,
        samples: 128,
    };
    let shares = WaveShares::new(&map, [None, Some(50.0..61.0), Some(61.0..90.0)]).unwrap();
    assert!((shares.qrs - 0.4).abs() < 1e-6);
    assert!((shares.t - 0.15).abs() < 1e-6, "half of sample 90");
    assert!(shares.p == 0.0 && (shares.qrs_t() - 0.55).abs() < 1e-6);
}

/// Shuffled weights give other maps; what deletes the most important pieces first beats chance.
#[test]
fn maps_depend_on_the_weights_and_beat_chance() {
    let parity = Parity::of("v1");
    let mut explainer = Explainer::new(Arc::clone(&parity.model));
    let mut other = Explainer::new(Arc::new(with_random_weights(&parity.model, 99, 5)));
    let mut faithfulness = Faithfulness::new(Arc::clone(&parity.model)).unwrap();
    let (mut beats, mut better, mut likeness) = (0, 0, 0.0);
    for input in parity.input.chunks_exact(128).step_by(41) {
        let map = explainer
            .explain(Method::Shap, input, BeatClass::V)
            .unwrap();
        if map.logit < 4.0 {
            continue;
        }
        beats += 1;
        let random = other.explain(Method::Shap, input, BeatClass::V).unwrap();
        likeness += correlation(&map.waveform(), &random.waveform())
            .unwrap()
            .abs();
        let order = deletion_order(&map.waveform());
        let found = faithfulness.curves(input, &order, BeatClass::V).unwrap();
        let chance = faithfulness.random_curves(input, BeatClass::V, 3).unwrap();
        better +=
            usize::from(found.deletion < chance.deletion && found.insertion > chance.insertion);
    }
    assert!(beats >= 3, "{beats}");
    assert!(better * 10 >= beats * 9, "{better} of {beats}");
    assert!(
        likeness / f64::from(u32::try_from(beats).unwrap()) < 0.5,
        "{likeness}"
    );
}

#[test]
fn rank_correlation_follows_its_definition() {
    let a = [1.0, 2.0, 3.0, 4.0];
    assert_eq!(correlation(&a, &[10.0, 20.0, 30.0, 400.0]), Some(1.0));
    assert_eq!(correlation(&a, &[4.0, 3.0, 2.0, 1.0]), Some(-1.0));
    let tied = correlation(&a, &[1.0, 1.0, 2.0, 2.0]).unwrap();
    assert!((tied - 2.0 / 5.0_f64.sqrt()).abs() < 1e-9, "{tied}");
    assert_eq!(correlation(&a, &[1.0; 4]), None);
    assert_eq!(correlation(&a, &[1.0; 3]), None);
}

/// Prints what a map costs beside a classification in one process, and holds Grad-CAM to 1.3 times it:
/// real beats in turn, since kernels skip zeros and processors learn a beat that comes again; the sum of
/// each beat's least time, and the median of all.
/// `cargo test --release --lib maps_cost -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement of the release build: .ci/run runs it there"]
fn maps_cost() {
    const BEATS: usize = 16;
    const TURNS: usize = 100;
    for name in builtin_models() {
        let parity = Parity::of(name);
        let model: &Arc<Model> = &parity.model;
        let len = model.description().input.len();
        let beats = parity.input.len() / len;
        let inputs: Vec<&[f32]> = parity
            .input
            .chunks_exact(len)
            .step_by(beats / BEATS)
            .collect();
        let mut engine = CpuSimd::new(Arc::clone(model), 1);
        let mut plain = Outputs::logits_only(model.description(), 1);
        let mut maps = Outputs::new(model.description(), 1);
        let mut explainer = Explainer::new(Arc::clone(model));
        let mut best = vec![[f64::INFINITY; 4]; inputs.len()];
        let mut all: [Vec<f64>; 4] = Default::default();
        for _ in 0..TURNS {
            for (input, best) in inputs.iter().zip(&mut best) {
                for (number, (best, all)) in best.iter_mut().zip(&mut all).enumerate() {
                    let start = Instant::now();
                    match number {
                        0 => engine.classify(input, &mut plain).unwrap(),
                        1 => {
                            engine.classify(input, &mut maps).unwrap();
                            let maps = maps.feature_maps(0).unwrap();
                            let found = explainer.grad_cam(maps, BeatClass::V);
                            std::hint::black_box(found.unwrap());
                        }
                        _ => {
                            let method = [Method::GradCamFine, Method::Shap][number - 2];
                            let found = explainer.explain(method, input, BeatClass::V);
                            std::hint::black_box(found.unwrap());
                        }
                    }
                    let took = start.elapsed().as_secs_f64() * 1e6;
                    *best = best.min(took);
                    all.push(took);
                }
            }
        }
        let least: [f64; 4] = std::array::from_fn(|number| {
            best.iter().map(|best| best[number]).sum::<f64>() / best.len() as f64
        });
        let medians = all.map(|mut times| {
            times.sort_unstable_by(f64::total_cmp);
            times[times.len() / 2]
        });
        for (what, times) in [("least times", least), ("medians", medians)] {
            let [alone, cam, fine, shap] = times;
            println!(
                "{name}, {what}: classify {alone:.2} us; with Grad-CAM {:.3} times that, fine {:.2}, \
                 SHAP over {BACKGROUND_BEATS} beats {:.1}",
                cam / alone,
                fine / alone,
                shap / alone
            );
        }
        let [alone, cam, ..] = least;
        assert!(
            cam <= 1.3 * alone,
            "{name}: Grad-CAM takes {:.3} times a classification",
            cam / alone
        );
    }
}
