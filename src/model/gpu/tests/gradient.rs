//! Gradients on the GPU beside PyTorch's.

use std::path::Path;
use std::sync::Arc;

use safetensors::SafeTensors;

use super::{backends, exclusive, options};
use crate::model::gpu::{GpuGradient, GpuKernels, GpuOptions};
use crate::model::parity_support::Parity;
use crate::model::test_support::{Random, odd_json, random_model, with_context};
use crate::model::weights::float32;
use crate::model::{CLASS_COUNT, CpuGradient, builtin_models};

/// Of the largest value of a beat's gradient.
const TOLERANCE: f32 = 1e-4;

fn worst(found: &[f32], expected: &[f32]) -> (f32, f32) {
    let pairs = found.iter().zip(expected);
    let worst = pairs.fold(0.0_f32, |most, (a, b)| {
        let apart = (a - b).abs();
        if apart.is_nan() {
            f32::INFINITY
        } else {
            most.max(apart)
        }
    });
    let scale = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    (worst, scale)
}

/// 500 real beats of each shipped network, as the CPU's test: one in 500 may stand at a ReLU's corner.
#[test]
fn gradients_are_pytorchs() {
    let _device = exclusive();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/golden");
    let mut failures = Vec::new();
    let mut compared = 0;
    for backend in backends() {
        for name in builtin_models() {
            let parity = Parity::of(name);
            let len = parity.model.description().input.len();
            let bytes = std::fs::read(golden.join(format!("gradients-{name}.safetensors")));
            let bytes = bytes.unwrap();
            let file = SafeTensors::deserialize(&bytes).unwrap();
            let expected = file.tensor("gradient").unwrap();
            let expected = float32("golden", "gradient", &expected).unwrap();
            let beat = file.tensor("beat").unwrap();
            let (beats, _) = beat.data().as_chunks::<4>();
            let input: Vec<f32> = beats
                .iter()
                .flat_map(|&beat| {
                    let beat = usize::try_from(i32::from_le_bytes(beat)).unwrap();
                    parity.input[beat * len..][..len].iter().copied()
                })
                .collect();
            let options = GpuOptions {
                chunk: Some(64),
                ..options(backend, GpuKernels::Layered, 500)
            };
            let mut engine = GpuGradient::new(Arc::clone(&parity.model), &options).unwrap();
            let mut found = vec![0.0; input.len()];
            let none = vec![[0.0; CLASS_COUNT]; beats.len()];
            let logits = engine.gradients(&input, &none, &mut found).unwrap();
            assert!(found.iter().all(|value| *value == 0.0));
            let of: Vec<[f32; CLASS_COUNT]> = logits
                .iter()
                .map(|logits| {
                    let largest = (0..CLASS_COUNT).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
                    std::array::from_fn(|class| f32::from(Some(class) == largest))
                })
                .collect();
            engine.gradients(&input, &of, &mut found).unwrap();
            let rows = found.chunks_exact(len).zip(expected.chunks_exact(len));
            for (beat, (found, expected)) in rows.enumerate() {
                let (worst, scale) = worst(found, expected);
                compared += 1;
                if worst > TOLERANCE * scale {
                    failures.push(format!("{backend:?} {name} {beat}: {worst} of {scale}"));
                }
            }
        }
    }
    println!("{} of {compared} beats differ", failures.len());
    assert!(failures.len() * 500 <= compared, "{}", failures.join("\n"));
}

/// A network of odd sizes, its residuals among them, with context and without, as on the CPU.
#[test]
fn odd_networks_agree_with_the_cpu() {
    let _device = exclusive();
    for backend in backends() {
        for (seed, json) in [(1, odd_json()), (2, with_context(odd_json()))] {
            let model = Arc::new(random_model(&json, seed));
            let len = model.description().input.len();
            let input = Random(seed).values(5 * len);
            let of = [[0.5, -1.0, 2.0, 0.0, 1.0]; 5];
            let options = GpuOptions {
                chunk: Some(2),
                ..options(backend, GpuKernels::Layered, 5)
            };
            let mut gpu = GpuGradient::new(Arc::clone(&model), &options).unwrap();
            let mut cpu = CpuGradient::new(Arc::clone(&model));
            let mut found = vec![0.0; 5 * len];
            gpu.gradients(&input, &of, &mut found).unwrap();
            let mut expected = vec![0.0; len];
            for (beat, found) in found.chunks_exact(len).enumerate() {
                let row = &input[beat * len..][..len];
                cpu.gradient(row, &of[beat], &mut expected).unwrap();
                let (worst, scale) = worst(found, &expected);
                assert!(
                    worst <= TOLERANCE * scale,
                    "{seed} {beat}: {worst} of {scale}"
                );
            }
            assert!(gpu.gradients(&input[1..], &of, &mut found).is_err());
        }
    }
}
