//! How large the values inside a network can become: weights that are finite one by one can still
//! overflow, and a ReLU that meets what is no number hides it.

use super::description::{Part, PartKind};
use super::model::{Model, PartWeights};

/// Largest context value: those of the rhythm stay within 3 (`RrFeatures::context`).
const LARGEST_CONTEXT: f64 = 100.0;

/// A part of a network whose outputs can overflow.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Overflow {
    /// Name of its weights, e.g. `layers.3.depthwise.weight`.
    pub(super) tensor: String,
    /// Largest magnitude that an output can reach.
    pub(super) reach: f64,
}

/// The largest magnitude that any sum in the network can reach, whatever beat it reads; the first
/// part where that is too large for a float32 otherwise.
///
/// Weights and inputs count by their magnitude, channel by channel, so the bound holds in every order
/// of adding, on every engine and for every beat. It is far from reached: the built-in networks stay
/// below 1e20.
pub(super) fn reach(model: &Model) -> Result<f64, Overflow> {
    let network = model.description();
    let waveform = network.input.waveform();
    // A normalised window of n samples stays within the root of n, and so does a usual beat.
    let largest_sample = 2.0 * (waveform.time as f64).sqrt();
    let mut channels = vec![largest_sample; waveform.channels];
    let mut largest = largest_sample;
    for (number, (layer, parts)) in network.layers.iter().zip(model.layers()).enumerate() {
        let before = layer.residual.then(|| channels.clone());
        let mut last = "";
        for (part, weights) in parts {
            channels = outputs(part, weights, &channels);
            last = part.name;
            largest = largest.max(within_float32(&channels, number, last)?);
        }
        for (channel, before) in channels.iter_mut().zip(before.into_iter().flatten()) {
            *channel += before;
        }
        largest = largest.max(within_float32(&channels, number, last)?);
    }
    Ok(largest)
}

/// The largest of the channels behind a part, unless a float32 cannot hold it.
fn within_float32(channels: &[f64], layer: usize, part: &str) -> Result<f64, Overflow> {
    let reach = channels.iter().copied().fold(0.0, f64::max);
    if reach > f64::from(f32::MAX) {
        return Err(Overflow {
            tensor: format!("layers.{layer}.{part}.weight"),
            reach,
        });
    }
    Ok(reach)
}

/// The reach of each output channel of a part, from that of each input channel.
fn outputs(part: &Part, weights: &PartWeights, inputs: &[f64]) -> Vec<f64> {
    let magnitude = |values: &[f32]| {
        values
            .iter()
            .map(|&value| f64::from(value.abs()))
            .sum::<f64>()
    };
    let taps = part.kernel.max(1);
    let rows = weights.weight.len() / part.output.channels.max(1);
    let context = part.context;
    weights
        .weight
        .chunks_exact(rows.max(1))
        .zip(&weights.bias)
        .enumerate()
        .map(|(channel, (row, &bias))| {
            let read = match part.kind {
                PartKind::Depthwise => inputs.get(channel..=channel).unwrap_or_default(),
                _ => inputs,
            };
            let products = row.chunks_exact(taps).zip(read);
            let sum: f64 = products.map(|(taps, input)| magnitude(taps) * input).sum();
            let map = weights
                .context
                .get(channel * context..(channel + 1) * context);
            sum + f64::from(bias.abs()) + magnitude(map.unwrap_or_default()) * LARGEST_CONTEXT
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cpu::CpuReference;
    use crate::test_support::{random_model, v1_json, v2_json, with_context};
    use crate::{Classifier, Outputs, builtin_models};

    #[test]
    fn the_built_in_networks_are_far_from_the_end_of_float32() {
        for name in builtin_models() {
            let reached = reach(&Model::load(name).unwrap()).unwrap();
            assert!((1.0..1e20).contains(&reached), "{name}: {reached:e}");
        }
    }

    #[test]
    fn no_feature_goes_beyond_the_reach() {
        for description in [with_context(v1_json()), v2_json()] {
            let model = Arc::new(random_model(&description, 5));
            let network = model.description();
            let waveform = network.input.waveform();
            // The largest a normalised window can be: one sample, all others alike.
            let mut input = vec![0.0; network.input.len()];
            input[..waveform.time].fill(-1.0 / (waveform.time as f32).sqrt());
            input[55] = (waveform.time as f32).sqrt();
            input[waveform.len()..].fill(3.0);
            let mut outputs = Outputs::new(network, 1);
            let mut engine = CpuReference::new(Arc::clone(&model), 1);
            engine.classify(&input, &mut outputs).unwrap();
            let reached = reach(&model).unwrap();
            let maps = outputs.feature_maps(0).unwrap().iter();
            for &value in maps.chain(&outputs.logits()[0]) {
                assert!(f64::from(value.abs()) <= reached, "{value} {reached}");
            }
        }
    }

    #[test]
    fn the_part_that_overflows_is_named() {
        let model = random_model(&v1_json(), 1);
        for (huge, expected) in [(0, "layers.0."), (2, "layers.1."), (3, "layers.2.")] {
            let changed = model.changed(|number, weights| {
                if number == huge {
                    weights.weight.fill(1e38);
                }
            });
            let overflow = reach(&changed).unwrap_err();
            assert!(overflow.tensor.starts_with(expected), "{overflow:?}");
        }
    }
}
