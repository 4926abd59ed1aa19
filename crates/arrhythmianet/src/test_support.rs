//! Networks with random weights and a slow, obvious float64 forward pass, for tests.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::should_implement_trait,
    reason = "for tests alone"
)]

use std::collections::HashMap;

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};

use super::{Model, NetworkDescription, Novelty, Op, PartWeights, SplitMix64};

impl SplitMix64 {
    /// Uniform in -1 to 1.
    #[expect(clippy::cast_possible_truncation, reason = "any value will do")]
    pub fn uniform(&mut self) -> f32 {
        ((self.next_u64() >> 40) as f64 / f64::from(1 << 23) - 1.0) as f32
    }

    pub fn values(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.uniform()).collect()
    }
}

/// Description of the V1 architecture as a weights file holds it.
pub fn v1_json() -> Value {
    let mut layers = vec![json!({"op": "stem", "out": 16, "kernel": 7, "stride": 2})];
    for (out, stride) in [
        (32, 1),
        (64, 2),
        (64, 1),
        (128, 2),
        (128, 1),
        (144, 2),
        (128, 1),
    ] {
        layers.push(json!({"op": "separable", "out": out, "kernel": 7, "stride": stride}));
    }
    description_json("v1", layers, 74_165)
}

/// Description of the V2 architecture as a weights file holds it.
pub fn v2_json() -> Value {
    let mut layers = vec![json!({"op": "stem", "out": 16, "kernel": 7, "stride": 2})];
    for (out, stride, expansion) in [
        (16, 1, 2),
        (24, 2, 3),
        (24, 1, 3),
        (32, 2, 3),
        (32, 1, 3),
        (48, 2, 3),
    ] {
        layers.push(json!({
            "op": "inverted", "out": out, "kernel": 7, "stride": stride, "expansion": expansion
        }));
    }
    layers.push(json!({"op": "pointwise", "out": 112}));
    description_json("v2", layers, 34_357)
}

/// `description` with two input channels and 16 context values, as `NAME-context`.
pub fn with_context(mut description: Value) -> Value {
    let name = description["name"].as_str().unwrap().to_owned();
    description["name"] = json!(format!("{name}-context"));
    description["input"]["channels"] = json!(2);
    description["input"]["context"] = json!(16);
    description["parameters"] = json!(parameters(&description));
    description
}

/// `description` with a limit of novelty.
pub fn with_novelty(mut description: Value, limit: f64) -> Value {
    description["limits"] = json!({"novelty": limit});
    description["parameters"] = json!(parameters(&description));
    description
}

/// A small network with everything odd: two input channels, lengths and channels that are no
/// multiples of anything, strides up to 3, a kernel of 1, residuals with and without stride.
pub fn odd_json() -> Value {
    let layers = vec![
        json!({"op": "stem", "out": 5, "kernel": 9, "stride": 3}),
        json!({"op": "separable", "out": 7, "kernel": 1, "stride": 1}),
        json!({"op": "inverted", "out": 7, "kernel": 5, "stride": 1, "expansion": 2}),
        json!({"op": "inverted", "out": 7, "kernel": 3, "stride": 2, "expansion": 3}),
        json!({"op": "pointwise", "out": 3}),
    ];
    network_json("odd", 2, 83, layers)
}

/// Description of a network of these layers (without pooling and dense layer, which follow) on
/// windows of `channels` x `samples`.
pub fn network_json(name: &str, channels: usize, samples: usize, layers: Vec<Value>) -> Value {
    let mut description = description_json(name, layers, 0);
    description["input"] =
        json!({"channels": channels, "samples": samples, "rate_hz": 125, "r_index": samples / 2});
    description["parameters"] = json!(parameters(&description));
    description
}

fn description_json(name: &str, mut layers: Vec<Value>, parameters: usize) -> Value {
    layers.push(json!({"op": "pool"}));
    layers.push(json!({"op": "dense", "out": 5}));
    json!({
        "format": 1,
        "name": name,
        "architecture": format!("ArrhythmiNet {name} (our reconstruction)"),
        "layers": layers,
        "input": {"channels": 1, "samples": 128, "rate_hz": 125, "r_index": 55},
        "normalisation": {"kind": "zscore", "floor_uv": 20.0},
        "labels": ["N", "L", "R", "A", "V"],
        "temperature": 1.0,
        "parameters": parameters,
        "training": {"protocol": "none: random weights for tests", "seed": 1},
    })
}

/// What the reader says the layers add up to, whatever the description states.
fn parameters(description: &Value) -> usize {
    let mut description = description.clone();
    let mut expected = 1;
    loop {
        description["parameters"] = json!(expected);
        match NetworkDescription::from_json("test", &description.to_string()) {
            Ok(parsed) => return parsed.parameters(),
            Err(error) => {
                let text = error.to_string();
                let (_, rest) = text.split_once("expected ").unwrap();
                expected = rest.split_once(',').unwrap().0.parse().unwrap();
            }
        }
    }
}

/// A tensor of a weights file under construction.
#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// Random tensors for `description`, scaled so that activations keep their size.
pub fn random_tensors(description: &Value, seed: u64) -> Vec<Tensor> {
    let network = NetworkDescription::from_json("test", &description.to_string()).unwrap();
    let mut random = SplitMix64::new(seed);
    let mut tensors = Vec::new();
    for (index, layer) in network.layers.iter().enumerate() {
        for part in &layer.parts {
            let shape = part.weight_shape();
            let fan_in: usize = shape[1..].iter().product();
            let scale = (6.0 / fan_in as f32).sqrt();
            let weight: Vec<f32> = random
                .values(shape.iter().product())
                .iter()
                .map(|value| value * scale)
                .collect();
            let bias: Vec<f32> = random
                .values(shape[0])
                .iter()
                .map(|value| value * 0.1)
                .collect();
            let name = format!("layers.{index}.{}", part.name);
            tensors.push(tensor(&format!("{name}.weight"), shape.clone(), &weight));
            tensors.push(tensor(&format!("{name}.bias"), vec![shape[0]], &bias));
            if part.context > 0 {
                let weight: Vec<f32> = random
                    .values(shape[0] * part.context)
                    .iter()
                    .map(|value| value * 0.5)
                    .collect();
                let name = format!("layers.{index}.context.weight");
                tensors.push(tensor(&name, vec![shape[0], part.context], &weight));
            }
        }
    }
    if network.limits.novelty.is_some() {
        let [mean, scale] = Novelty::shapes(network.feature_maps().channels);
        let centres = random.values(mean.iter().product());
        let extents: Vec<f32> = random
            .values(scale[0])
            .iter()
            .map(|v| v.abs() + 0.1)
            .collect();
        tensors.push(tensor("novelty.mean", mean, &centres));
        tensors.push(tensor("novelty.scale", scale, &extents));
    }
    tensors
}

pub fn tensor(name: &str, shape: Vec<usize>, values: &[f32]) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dtype: Dtype::F32,
        shape,
        bytes: values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
    }
}

/// A weights file.
pub fn file(description: Option<&str>, tensors: &[Tensor]) -> Vec<u8> {
    let metadata =
        description.map(|text| HashMap::from([("ecg_gateway".to_owned(), text.to_owned())]));
    let views = tensors.iter().map(|tensor| {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes).unwrap();
        (tensor.name.as_str(), view)
    });
    serialize(views, metadata).unwrap()
}

/// A model with random weights.
pub fn random_model(description: &Value, seed: u64) -> Model {
    let bytes = file(
        Some(&description.to_string()),
        &random_tensors(description, seed),
    );
    Model::from_safetensors("random", &bytes).unwrap()
}

/// Layers of [`v2_json`] and how many dead hidden channels they have at the end in a test: less than a
/// vector, whole vectors, and all.
pub const DEAD_CHANNELS: [(usize, usize); 4] = [(1, 3), (3, 8), (4, 17), (5, 96)];

/// As [`random_model`], but that the projections of some layers do not read so many hidden channels at
/// the end.
pub fn model_with_dead_channels(description: &Value, seed: u64, dead: &[(usize, usize)]) -> Model {
    let mut tensors = random_tensors(description, seed);
    for (layer, channels) in dead {
        let name = format!("layers.{layer}.project.weight");
        let project = tensors.iter_mut().find(|tensor| tensor.name == name);
        let project = project.unwrap();
        let hidden = project.shape[1];
        for row in project.bytes.chunks_exact_mut(4 * hidden) {
            row[4 * (hidden - channels)..].fill(0);
        }
    }
    let bytes = file(Some(&description.to_string()), &tensors);
    Model::from_safetensors("random", &bytes).unwrap()
}

/// Output of every layer `[channels][time]` in float64, straight from the operations' definitions
/// and from nothing the engines use.
pub fn oracle(model: &Model, window: &[f32]) -> Vec<Vec<f64>> {
    let input = model.description().input;
    let (waveform, context) = window.split_at(input.channels * input.samples);
    let mut rows: Vec<Vec<f64>> = waveform
        .chunks(input.samples)
        .map(|row| row.iter().copied().map(f64::from).collect())
        .collect();
    let mut outputs = Vec::new();
    for (layer, weights) in model.description().layers.iter().zip(model.layers()) {
        let weights: Vec<&PartWeights> = weights.map(|(_, weights)| weights).collect();
        rows = match layer.op {
            Op::Stem { stride, .. } => {
                let mut sums = convolve(&rows, weights[0], stride, false);
                for (output, row) in sums.iter_mut().enumerate() {
                    for (index, &value) in context.iter().enumerate() {
                        let weight = weights[0].context[output * context.len() + index];
                        let added = f64::from(weight) * f64::from(value);
                        row.iter_mut().for_each(|sum| *sum += added);
                    }
                }
                relu(&sums)
            }
            Op::Pointwise { .. } => relu(&convolve(&rows, weights[0], 1, false)),
            Op::Separable { stride, .. } => {
                let filtered = relu(&convolve(&rows, weights[0], stride, true));
                relu(&convolve(&filtered, weights[1], 1, false))
            }
            Op::Inverted { stride, .. } => {
                let expanded = relu(&convolve(&rows, weights[0], 1, false));
                let filtered = relu(&convolve(&expanded, weights[1], stride, true));
                let mut projected = convolve(&filtered, weights[2], 1, false);
                if stride == 1 && projected.len() == rows.len() {
                    for (sum, value) in projected.iter_mut().flatten().zip(rows.iter().flatten()) {
                        *sum += value;
                    }
                }
                projected
            }
            Op::Pool => rows
                .iter()
                .map(|row| vec![row.iter().sum::<f64>() / row.len() as f64])
                .collect(),
            Op::Dense { .. } => convolve(&rows, weights[0], 1, false),
        };
        outputs.push(rows.concat());
    }
    outputs
}

fn relu(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    rows.iter()
        .map(|row| row.iter().map(|value| value.max(0.0)).collect())
        .collect()
}

/// PyTorch's `conv1d` with `padding = kernel // 2`, and `groups = channels` where `depthwise`.
fn convolve(
    rows: &[Vec<f64>],
    weights: &PartWeights,
    stride: usize,
    depthwise: bool,
) -> Vec<Vec<f64>> {
    let outputs = weights.bias.len();
    let inputs_per_output = if depthwise { 1 } else { rows.len() };
    let kernel = weights.weight.len() / outputs / inputs_per_output;
    let time = rows[0].len();
    let out_time = (time + 2 * (kernel / 2) - kernel) / stride + 1;
    (0..outputs)
        .map(|output| {
            (0..out_time)
                .map(|t| {
                    let mut sum = f64::from(weights.bias[output]);
                    for i in 0..inputs_per_output {
                        let row = &rows[if depthwise { output } else { i }];
                        for k in 0..kernel {
                            let weight =
                                weights.weight[(output * inputs_per_output + i) * kernel + k];
                            let value = (t * stride + k)
                                .checked_sub(kernel / 2)
                                .and_then(|at| row.get(at))
                                .copied()
                                .unwrap_or(0.0);
                            sum += f64::from(weight) * value;
                        }
                    }
                    sum
                })
                .collect()
        })
        .collect()
}
