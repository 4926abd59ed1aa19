//! The shipped networks against what PyTorch computed: `models/golden/` holds real beats, the
//! output of every layer and the logits, written by `models/training/export.py`.

use std::path::Path;
use std::sync::Arc;

use safetensors::SafeTensors;

use super::CpuReference;
use crate::model::weights::float32;
use crate::model::{CLASS_COUNT, Model, Outputs, builtin_models};

/// Largest absolute difference of any value of any layer.
const TOLERANCE: f32 = 1e-4;
const BEATS: usize = 16;

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

#[test]
fn every_layer_of_the_shipped_networks_is_what_pytorch_computed() {
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
        let mut worst = vec![0.0_f32; layers.len()];
        let mut outputs = Outputs::new(network, BEATS);
        CpuReference::new(Arc::clone(&model), BEATS)
            .classify_observed(
                &values(&golden, "input"),
                &mut outputs,
                |beat, layer, output| {
                    let expected = &layers[layer][beat * output.len()..][..output.len()];
                    worst[layer] = worst[layer].max(largest_difference(output, expected));
                },
            )
            .unwrap();
        assert_eq!(outputs.batch(), BEATS);
        for (layer, (&worst, expected)) in worst.iter().zip(&layers).enumerate() {
            assert_eq!(expected.len(), BEATS * network.layers[layer].output.len());
            println!("{name} layer {layer}: {worst:e}");
            if worst > TOLERANCE {
                failures.push(format!("{name} layer {layer}: {worst:e}"));
            }
        }
        let logits = values(&golden, "logits");
        for (beat, expected) in logits.chunks(CLASS_COUNT).enumerate() {
            let difference = largest_difference(&outputs.logits()[beat], expected);
            if difference > TOLERANCE {
                failures.push(format!("{name} logits of beat {beat}: {difference:e}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
