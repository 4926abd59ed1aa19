//! A network cut layer by layer: any network runs this way.

use super::options::GpuKernels;
use super::plan::{Grid, Place, Plan, Step};
use super::shaders;
use crate::{Layer, Model, Op, Part, PartKind, PartWeights};

/// Plans `model`.
pub(super) fn plan(model: &Model, capacity: usize) -> Plan {
    let network = model.description();
    let mut planner = Planner {
        capacity,
        weights: Vec::new(),
        steps: Vec::new(),
        activation: 0,
    };
    let pool = network.layers.iter().position(|layer| layer.op == Op::Pool);
    #[cfg(test)]
    let mut layer_ends = Vec::new();
    let mut input = Place::Windows;
    for (index, (layer, weights)) in network.layers.iter().zip(model.layers()).enumerate() {
        let parts: Vec<(&Part, &PartWeights)> = weights.collect();
        let to_maps = Some(index + 1) == pool;
        match (layer.op, parts.as_slice()) {
            // The pooling runs with the dense layer.
            (Op::Dense { .. }, [dense]) => planner.dense(*dense, layers_input(network, index)),
            (Op::Separable { .. }, [depthwise, pointwise]) => {
                let output = next(&[input], to_maps);
                planner.separable(*depthwise, *pointwise, input, output);
                input = output;
            }
            _ => {
                let layer_input = input;
                for (number, part) in parts.iter().enumerate() {
                    let ends = number + 1 == parts.len();
                    let output = next(&[layer_input, input], to_maps && ends);
                    let residual = (ends && layer.residual).then_some(layer_input);
                    planner.part(*part, input, output, residual);
                    input = output;
                }
            }
        }
        #[cfg(test)]
        layer_ends.push(planner.steps.len());
    }
    Plan {
        kernels: GpuKernels::Layered,
        steps: planner.steps,
        weights: planner.weights,
        activation: planner.activation,
        #[cfg(test)]
        layer_ends,
    }
}

/// Samples per channel that the pooling before the dense layer at `index` reads.
fn layers_input(network: &crate::NetworkDescription, index: usize) -> usize {
    index
        .checked_sub(1)
        .and_then(|pool| network.layers.get(pool))
        .map_or(1, |pool: &Layer| pool.input.time)
}

/// An activation that is none of `taken`, or the feature maps.
fn next(taken: &[Place], to_maps: bool) -> Place {
    if to_maps {
        return Place::Maps;
    }
    let free = (0..super::plan::ACTIVATIONS)
        .map(Place::Activation)
        .find(|place| !taken.contains(place));
    free.unwrap_or(Place::Maps) // never: there is one more activation than places taken
}

struct Planner {
    capacity: usize,
    weights: Vec<f32>,
    steps: Vec<Step>,
    activation: usize,
}

impl Planner {
    fn push(
        &mut self,
        label: &str,
        source: &str,
        constants: Vec<(&'static str, f64)>,
        places: &[Place],
        grid: Grid,
    ) {
        self.steps.push(Step {
            label: label.to_owned(),
            source: source.to_owned(),
            constants,
            buffers: (0..).zip(places.iter().copied()).collect(),
            grid,
        });
    }

    fn part(
        &mut self,
        (part, weights): (&Part, &PartWeights),
        source: Place,
        output: Place,
        residual: Option<Place>,
    ) {
        let start = store(&mut self.weights, weights);
        self.activation = self.activation.max(part.output.len());
        let channels = part.output.channels as f64;
        let (label, shader, further) = match part.kind {
            PartKind::Convolution => (
                "stem",
                shaders::STEM,
                vec![
                    ("IN_CHANNELS", part.input.channels as f64),
                    ("OUT_CHANNELS", channels),
                    ("CONTEXT", part.context as f64),
                ],
            ),
            PartKind::Depthwise => (
                "depthwise",
                shaders::DEPTHWISE,
                vec![("CHANNELS", channels)],
            ),
            PartKind::Pointwise | PartKind::Dense => {
                let constants = product(part, start, self.capacity, residual.is_some());
                let places = product_places(source, output, residual);
                let grid = tiles(part);
                return self.push("pointwise", shaders::POINTWISE, constants, &places, grid);
            }
        };
        let mut constants = vec![
            ("IN_TIME", part.input.time as f64),
            ("OUT_TIME", part.output.time as f64),
            ("KERNEL", part.kernel as f64),
            ("STRIDE", part.stride as f64),
            ("WEIGHTS", start),
        ];
        constants.extend(further);
        let per_beat = part.output.len().div_ceil(64);
        let places = [source, Place::Weights, output];
        self.push(
            label,
            shader,
            constants,
            &places,
            Grid::PerBeat { per_beat },
        );
    }

    fn separable(
        &mut self,
        (depthwise, taps): (&Part, &PartWeights),
        (pointwise, weights): (&Part, &PartWeights),
        source: Place,
        output: Place,
    ) {
        let taps = store(&mut self.weights, taps);
        let start = store(&mut self.weights, weights);
        self.activation = self.activation.max(pointwise.output.len());
        let mut constants = product(pointwise, start, self.capacity, false);
        constants.extend([
            ("IN_TIME", depthwise.input.time as f64),
            ("KERNEL", depthwise.kernel as f64),
            ("STRIDE", depthwise.stride as f64),
            ("TAPS", taps),
        ]);
        self.push(
            "separable",
            shaders::SEPARABLE,
            constants,
            &product_places(source, output, None),
            tiles(pointwise),
        );
    }

    fn dense(&mut self, (part, weights): (&Part, &PartWeights), time: usize) {
        let start = store(&mut self.weights, weights);
        self.push(
            "pool_dense",
            shaders::POOL_DENSE,
            vec![
                ("CHANNELS", part.input.channels as f64),
                ("TIME", time as f64),
                ("CLASSES", part.output.channels as f64),
                ("WEIGHTS", start),
            ],
            &[Place::Maps, Place::Weights, Place::Logits],
            Grid::PerBeat { per_beat: 1 },
        );
    }
}

/// Stores weights, biases and the map of the context; gives where they start.
fn store(into: &mut Vec<f32>, weights: &PartWeights) -> f64 {
    let start = into.len();
    into.extend_from_slice(&weights.weight);
    into.extend_from_slice(&weights.bias);
    into.extend_from_slice(&weights.context);
    start as f64
}

/// Constants of `shaders/tile.wgsl`.
fn product(part: &Part, start: f64, capacity: usize, add: bool) -> Vec<(&'static str, f64)> {
    vec![
        ("IN_CHANNELS", part.input.channels as f64),
        ("OUT_CHANNELS", part.output.channels as f64),
        ("OUT_TIME", part.output.time as f64),
        ("WEIGHTS", start),
        ("CAPACITY", capacity as f64),
        ("RELU", f64::from(u8::from(part.relu))),
        ("ADD", f64::from(u8::from(add))),
    ]
}

fn tiles(part: &Part) -> Grid {
    Grid::Tiles {
        time: part.output.time,
        channels: part.output.channels,
    }
}

/// Without a residual the binding for it gets the weights: something must be bound.
fn product_places(source: Place, output: Place, residual: Option<Place>) -> [Place; 4] {
    let residual = residual.unwrap_or(Place::Weights);
    [source, Place::Weights, output, residual]
}
