//! Dead channels: those that no weight reads are not computed.

use std::borrow::Cow;

use crate::description::{Part, PartKind};
use crate::model::PartWeights;

/// The parts of a layer without dead channels at the end: an expansion stops at the last hidden channel
/// that the projection behind it has a weight for. Training that zeroes weights in groups leaves such ends.
/// Dead channels further in stay, so that the groups of weights stay where they are.
pub(super) fn live_parts<'a>(
    parts: impl Iterator<Item = (&'a Part, &'a PartWeights)>,
) -> Vec<(Part, Cow<'a, PartWeights>)> {
    let mut parts: Vec<_> = parts
        .map(|(part, weights)| (*part, Cow::Borrowed(weights)))
        .collect();
    let kinds = [
        PartKind::Pointwise,
        PartKind::Depthwise,
        PartKind::Pointwise,
    ];
    if let [expand, depthwise, project] = parts.as_mut_slice()
        && [&expand.0, &depthwise.0, &project.0].map(|part| part.kind) == kinds
    {
        let hidden = project.0.input.channels;
        let rows = project.1.weight.chunks_exact(hidden);
        let last = rows.filter_map(|row| row.iter().rposition(|&weight| weight != 0.0));
        let read = last.max().map_or(1, |last| last + 1);
        if read < hidden {
            *expand = first_outputs(read, expand);
            *depthwise = first_outputs(read, depthwise);
            depthwise.0.input.channels = read;
            *project = first_inputs(read, project);
        }
    }
    parts
}

/// A part with its first `count` outputs.
fn first_outputs(
    count: usize,
    (part, weights): &(Part, Cow<'_, PartWeights>),
) -> (Part, Cow<'static, PartWeights>) {
    let of_output = weights.weight.len() / part.output.channels;
    let mut part = *part;
    part.output.channels = count;
    let weights = PartWeights {
        weight: weights.weight[..count * of_output].to_vec(),
        bias: weights.bias[..count].to_vec(),
        context: Vec::new(),
    };
    (part, Cow::Owned(weights))
}

/// A pointwise part with its first `count` inputs.
fn first_inputs(
    count: usize,
    (part, weights): &(Part, Cow<'_, PartWeights>),
) -> (Part, Cow<'static, PartWeights>) {
    let rows = weights.weight.chunks_exact(part.input.channels);
    let weights = PartWeights {
        weight: rows.flat_map(|row| &row[..count]).copied().collect(),
        bias: weights.bias.clone(),
        context: Vec::new(),
    };
    let mut part = *part;
    part.input.channels = count;
    (part, Cow::Owned(weights))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{
        DEAD_CHANNELS, model_with_dead_channels, random_model, v1_json, v2_json,
    };

    #[test]
    fn expansions_end_with_the_last_channel_read() {
        let model = model_with_dead_channels(&v2_json(), 1, &DEAD_CHANNELS);
        let mut cut = 0;
        for (layer, parts) in model.layers().enumerate() {
            let whole: Vec<_> = parts.collect();
            let dead = DEAD_CHANNELS.iter().find(|(dead, _)| *dead == layer);
            let parts = live_parts(whole.iter().copied());
            let Some(&(_, dead)) = dead else {
                for ((part, weights), (whole, all)) in parts.iter().zip(&whole) {
                    assert_eq!((part, weights.as_ref()), (*whole, *all), "layer {layer}");
                }
                continue;
            };
            let hidden = whole[0].0.output.channels;
            let read = (hidden - dead).max(1);
            for ((part, weights), (whole, all)) in parts.iter().zip(&whole) {
                let channels = |channels| if channels == hidden { read } else { channels };
                let sizes = [part.input.channels, part.output.channels];
                let expected = [whole.input.channels, whole.output.channels].map(channels);
                assert_eq!(sizes, expected, "layer {layer} {}", part.name);
                let count: usize = part.weight_shape().iter().product();
                assert_eq!(weights.weight.len(), count, "layer {layer} {}", part.name);
                assert_eq!(
                    weights.bias,
                    all.bias[..sizes[1]],
                    "layer {layer} {}",
                    part.name
                );
                let of_whole = all
                    .weight
                    .chunks_exact(all.weight.len() / whole.output.channels);
                let rows = weights.weight.chunks_exact(count / sizes[1]);
                for (row, of_whole) in rows.zip(of_whole) {
                    assert_eq!(row, &of_whole[..row.len()], "layer {layer} {}", part.name);
                }
            }
            cut += 1;
        }
        assert_eq!(cut, DEAD_CHANNELS.len());
    }

    #[test]
    fn layers_without_an_expansion_stay_as_they_are() {
        let model = random_model(&v1_json(), 2);
        for parts in model.layers() {
            let whole: Vec<_> = parts.collect();
            let parts = live_parts(whole.iter().copied());
            assert_eq!(parts.len(), whole.len());
            for ((part, weights), (whole, all)) in parts.iter().zip(&whole) {
                assert_eq!((part, weights.as_ref()), (*whole, *all));
            }
        }
    }
}
