//! Every layer of the shipped networks against what PyTorch computed (`models/golden/`).

use std::path::Path;
use std::sync::Arc;

use safetensors::SafeTensors;

use super::{KERNELS, TOLERANCE, backends, exclusive, largest_difference, options};
use crate::model::gpu::GpuEngine;
use crate::model::gpu::runner::Runner;
use crate::model::weights::float32;
use crate::model::{Classifier, Model, Op, Outputs, builtin_models};

const BEATS: usize = 16;

struct Golden {
    model: Arc<Model>,
    input: Vec<f32>,
    layers: Vec<Vec<f32>>,
    logits: Vec<f32>,
}

fn golden(name: &str) -> Golden {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("models/golden/{name}.safetensors"));
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let values = |name: &str| float32("golden", name, &file.tensor(name).unwrap()).unwrap();
    let model = Arc::new(Model::load(name).unwrap());
    Golden {
        input: values("input"),
        layers: (0..model.description().layers.len())
            .map(|layer| values(&format!("layers.{layer}")))
            .collect(),
        logits: values("logits"),
        model,
    }
}

#[test]
fn every_layer_is_what_pytorch_computed() {
    let _device = exclusive();
    let mut failures = Vec::new();
    for backend in backends() {
        for name in builtin_models() {
            let golden = golden(name);
            let layers = &golden.model.description().layers;
            let pool = layers
                .iter()
                .position(|layer| layer.op == Op::Pool)
                .unwrap();
            for kernels in KERNELS {
                for (layer, expected) in golden.layers.iter().enumerate().take(pool) {
                    let mut found = vec![0.0; expected.len()];
                    let options = options(backend, kernels, BEATS);
                    let mut runner = Runner::new(&golden.model, layer + 1, &options).unwrap();
                    assert!(runner.submit(&golden.input, true).unwrap());
                    let collected = runner.collect(|results| results.maps(&mut found)).unwrap();
                    assert!(collected.is_some());
                    let difference = largest_difference(&found, expected);
                    let row =
                        format!("{backend:?} {kernels:?} {name} layer {layer}: {difference:e}");
                    println!("{row}");
                    if difference > TOLERANCE {
                        failures.push(row);
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn logits_and_feature_maps_are_what_pytorch_computed() {
    let _device = exclusive();
    let mut failures = Vec::new();
    for backend in backends() {
        for name in builtin_models() {
            let golden = golden(name);
            let network = golden.model.description();
            let maps = &golden.layers[network.layers.len() - 3];
            for kernels in KERNELS {
                let mut engine =
                    GpuEngine::new(Arc::clone(&golden.model), &options(backend, kernels, BEATS))
                        .unwrap();
                assert_eq!(engine.kernels(), kernels);
                let mut outputs = Outputs::new(network, BEATS);
                engine.classify(&golden.input, &mut outputs).unwrap();
                let found: Vec<f32> = (0..BEATS)
                    .flat_map(|beat| outputs.feature_maps(beat).unwrap().to_vec())
                    .collect();
                let differences = [
                    largest_difference(outputs.logits().as_flattened(), &golden.logits),
                    largest_difference(&found, maps),
                ];
                let row = format!(
                    "{backend:?} {kernels:?} {name} logits and maps: {differences:?}, {} on {}, \
                     {} dispatches",
                    engine.engine(),
                    engine.adapter(),
                    engine.dispatches(),
                );
                println!("{row}");
                if differences.iter().any(|&difference| difference > TOLERANCE) {
                    failures.push(row);
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
