//! The shipped networks against what PyTorch computed: `models/golden/` holds real beats, the
//! output of every layer and the logits, written by `arrhythmianet_training.export`.

use std::path::Path;
use std::sync::Arc;

use safetensors::SafeTensors;

use super::CpuReference;
use crate::weights::float32;
use crate::{CLASS_COUNT, Model, Outputs, builtin_models};

/// Largest absolute difference of any value of any layer.
const TOLERANCE: f32 = 1e-4;
pub(super) const BEATS: usize = 16;

/// Sees beat, layer and output of the layer.
pub(super) type Observe<'a> = dyn FnMut(usize, usize, &[f32]) + 'a;

fn values(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    float32("golden", name, &file.tensor(name).unwrap()).unwrap()
}

fn largest_difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found
        .iter()
        .zip(expected)
        .map(|(found, expected)| (found - expected).abs())
        .fold(0.0, f32::max)
}

/// Runs the shipped networks on the golden beats by `classify_observed` and says what differs.
pub(super) fn golden_failures(
    engine: &str,
    mut classify_observed: impl FnMut(&Arc<Model>, &[f32], &mut Outputs, &mut Observe<'_>),
) -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/golden");
    let mut failures = Vec::new();
    for name in builtin_models() {
        let bytes = std::fs::read(directory.join(format!("{name}.safetensors"))).unwrap();
        let golden = SafeTensors::deserialize(&bytes).unwrap();
        let model = Arc::new(Model::load(name).unwrap());
        let network = model.description();
        let layers: Vec<Vec<f32>> = (0..network.layers.len())
            .map(|layer| values(&golden, &format!("layers.{layer}")))
            .collect();
        let mut worst = vec![None::<f32>; layers.len()];
        let mut outputs = Outputs::new(network, BEATS);
        classify_observed(
            &model,
            &values(&golden, "input"),
            &mut outputs,
            &mut |beat, layer, output| {
                let expected = &layers[layer][beat * output.len()..][..output.len()];
                let difference = largest_difference(output, expected);
                worst[layer] = Some(worst[layer].unwrap_or(0.0).max(difference));
            },
        );
        assert_eq!(outputs.batch(), BEATS);
        for (layer, (&worst, expected)) in worst.iter().zip(&layers).enumerate() {
            assert_eq!(expected.len(), BEATS * network.layers[layer].output.len());
            println!("{engine} {name} layer {layer}: {worst:?}");
            if worst.is_none_or(|worst| worst > TOLERANCE) {
                failures.push(format!("{engine} {name} layer {layer}: {worst:?}"));
            }
        }
        let logits = values(&golden, "logits");
        for (beat, (found, expected)) in outputs
            .logits()
            .iter()
            .zip(logits.chunks(CLASS_COUNT))
            .enumerate()
        {
            let difference = largest_difference(found, expected);
            if difference > TOLERANCE || label(found) != label(expected) {
                failures.push(format!(
                    "{engine} {name} logits of beat {beat}: {difference:e}"
                ));
            }
        }
    }
    failures
}

/// Index of the largest logit.
pub(super) fn label(logits: &[f32]) -> usize {
    let by_value = |a: &(usize, &f32), b: &(usize, &f32)| a.1.total_cmp(b.1);
    logits.iter().enumerate().max_by(by_value).unwrap().0
}

#[test]
fn every_layer_of_the_shipped_networks_is_what_pytorch_computed() {
    let failures = golden_failures(CpuReference::ENGINE, |model, input, outputs, observe| {
        CpuReference::new(Arc::clone(model), BEATS)
            .classify_observed(input, outputs, observe)
            .unwrap();
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
