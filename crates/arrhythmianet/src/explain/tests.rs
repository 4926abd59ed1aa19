//! Maps of real beats.

use std::sync::Arc;

use super::*;
use crate::parity_support::Parity;
use crate::{BeatClass, CLASS_COUNT, Classifier, CpuSimd, Outputs, builtin_models, test_support};

fn called(logits: &[f32; CLASS_COUNT]) -> BeatClass {
    let largest = (0..CLASS_COUNT).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
    BeatClass::from_index(largest.unwrap()).unwrap()
}

/// Real beats of each network: attributions sum to the logit less its base within a thousandth of their
/// range, and the maps drawn from the engine's feature maps are those of the backward pass.
#[test]
fn maps_are_complete() {
    for name in builtin_models() {
        let parity = Parity::load(name);
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
        let parity = Parity::load(name);
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
    let parity = Parity::load("v1");
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
