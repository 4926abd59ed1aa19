//! Every layer of the shipped networks against what PyTorch computed (`models/golden/`).

use std::path::Path;
use std::sync::Arc;

use safetensors::SafeTensors;

use super::{KERNELS, TOLERANCE, backends, exclusive, largest_difference, options};
use crate::gpu::program::plan;
use crate::gpu::runner::Runner;
use crate::gpu::{GpuBackend, GpuEngine, GpuKernels};
use crate::weights::float32;
use crate::{Classifier, Model, Op, Outputs, Wanted, builtin_models};

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

/// Output `[beat][channel][time]` of every layer up to the pooling.
fn layers(golden: &Golden, backend: GpuBackend, kernels: GpuKernels) -> Vec<Vec<f32>> {
    let options = options(backend, kernels, BEATS);
    let network = golden.model.description();
    let lengths: Vec<usize> = network
        .layers
        .iter()
        .take_while(|layer| layer.op != Op::Pool)
        .map(|layer| layer.output.len())
        .collect();
    if kernels == GpuKernels::Layered {
        let ends = plan(&golden.model, Some(kernels), false, BEATS)
            .unwrap()
            .layer_ends;
        let mut runner = Runner::new(&golden.model, false, &options).unwrap();
        let layers = ends.iter().zip(&lengths).map(|(&end, length)| {
            runner
                .output_after(end, &golden.input, BEATS, BEATS * length)
                .unwrap()
        });
        return layers.collect();
    }
    let all: usize = lengths.iter().sum();
    let mut found = vec![0.0; BEATS * all];
    let mut runner = Runner::new(&golden.model, true, &options).unwrap();
    assert!(runner.submit(&golden.input, Wanted::Maps).unwrap());
    runner
        .collect(|results| results.maps(&mut found))
        .unwrap()
        .unwrap();
    let mut start = 0;
    let layers = lengths.iter().map(|&length| {
        let range = start..start + length;
        start += length;
        found
            .chunks(all)
            .flat_map(|beat| beat[range.clone()].to_vec())
            .collect()
    });
    layers.collect()
}

#[test]
fn every_layer_is_what_pytorch_computed() {
    let _device = exclusive();
    let mut failures = Vec::new();
    for backend in backends() {
        for name in builtin_models() {
            let golden = golden(name);
            for kernels in KERNELS {
                let found = layers(&golden, backend, kernels);
                assert_eq!(
                    found.len() + 2,
                    golden.layers.len(),
                    "all but pooling and dense"
                );
                for (layer, (found, expected)) in found.iter().zip(&golden.layers).enumerate() {
                    let difference = largest_difference(found, expected);
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
