//! The dispatches of a gradient: the network part by part with every output kept, and back again.

use crate::model::gpu::layered::{self, Kernel};
use crate::model::gpu::program::Grid;
use crate::model::gpu::shaders;
use crate::model::{CLASS_COUNT, Model, Part, PartKind, PartWeights};

/// A buffer that a dispatch binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::model::gpu) enum Buffer {
    /// Input of the batch.
    Input,
    /// Weights and biases of the whole network.
    Weights,
    /// How much each logit of each beat counts.
    OfLogit,
    /// Logits of the batch.
    Logits,
    /// What comes out: the gradient with respect to the input.
    Gradient,
    /// Output of a part.
    Activation(usize),
    /// One of [`WORK`] gradients on the way back.
    Work(usize),
}

/// Gradients alive at once on the way back: of a part's output, of its input, and that of a layer's
/// output until the layer's input is reached.
pub(super) const WORK: usize = 3;

/// One dispatch before it is compiled.
#[derive(Debug, Clone)]
pub(in crate::model::gpu) struct Step {
    pub(in crate::model::gpu) label: String,
    pub(in crate::model::gpu) source: &'static str,
    pub(super) constants: Vec<(&'static str, f64)>,
    /// By number of the binding.
    pub(super) buffers: Vec<Buffer>,
    pub(super) grid: Grid,
}

/// All dispatches of a gradient, and what they need.
#[derive(Debug, Clone)]
pub(in crate::model::gpu) struct Plan {
    pub(in crate::model::gpu) steps: Vec<Step>,
    pub(super) weights: Vec<f32>,
    /// Values per beat of each part's output.
    pub(super) activations: Vec<usize>,
}

/// A part while the plan is made.
struct Planned {
    part: Part,
    /// Where its weights start.
    start: f64,
    /// The part whose output it reads; `None` for the input.
    reads: Option<usize>,
    /// First and last part of a layer with a residual.
    residual_ends: bool,
    residual_starts: bool,
}

impl Plan {
    /// Plans `model` in buffers with room for `capacity` beats.
    pub(in crate::model::gpu) fn new(model: &Model, capacity: usize) -> Self {
        let mut plan = Self {
            steps: Vec::new(),
            weights: Vec::new(),
            activations: Vec::new(),
        };
        let mut parts: Vec<Planned> = Vec::new();
        for (layer, weights) in model.description().layers.iter().zip(model.layers()) {
            let of_layer: Vec<(&Part, &PartWeights)> = weights.collect();
            let count = of_layer.len();
            let before = parts.len().checked_sub(1);
            for (number, (part, weights)) in of_layer.into_iter().enumerate() {
                let start = layered::store(&mut plan.weights, weights);
                let planned = Planned {
                    part: *part,
                    start,
                    reads: parts.len().checked_sub(1),
                    residual_ends: layer.residual && number == 0,
                    residual_starts: layer.residual && number + 1 == count,
                };
                if part.kind == PartKind::Dense {
                    plan.head(&planned, model.description().feature_maps().time);
                } else {
                    let residual = before.filter(|_| planned.residual_starts);
                    plan.there(&planned, parts.len(), residual, capacity);
                    plan.activations.push(part.output.len());
                    parts.push(planned);
                }
            }
        }
        plan.back(&parts);
        plan
    }

    fn push(
        &mut self,
        label: &str,
        source: &'static str,
        constants: Vec<(&'static str, f64)>,
        buffers: &[Buffer],
        grid: Grid,
    ) {
        self.steps.push(Step {
            label: label.to_owned(),
            source,
            constants,
            buffers: buffers.to_vec(),
            grid,
        });
    }

    fn there(&mut self, of: &Planned, number: usize, residual: Option<usize>, capacity: usize) {
        let Kernel {
            label,
            source,
            constants,
            grid,
        } = layered::kernel(&of.part, of.start, capacity, residual.is_some());
        let from = of.reads.map_or(Buffer::Input, Buffer::Activation);
        let mut buffers = vec![from, Buffer::Weights, Buffer::Activation(number)];
        if of.part.kind == PartKind::Pointwise {
            // Something must be bound where nothing is added.
            buffers.push(residual.map_or(Buffer::Weights, Buffer::Activation));
        }
        self.push(label, source, constants, &buffers, grid);
    }

    /// The logits, and back from them to the last feature maps.
    fn head(&mut self, of: &Planned, time: usize) {
        let constants = vec![
            ("CHANNELS", of.part.input.channels as f64),
            ("TIME", time as f64),
            ("CLASSES", CLASS_COUNT as f64),
            ("WEIGHTS", of.start),
        ];
        let maps = of.reads.map_or(Buffer::Input, Buffer::Activation);
        let grid = Grid::PerBeat { per_beat: 1 };
        let there = [maps, Buffer::Weights, Buffer::Logits];
        self.push(
            "pool_dense",
            shaders::POOL_DENSE,
            constants.clone(),
            &there,
            grid,
        );
        let back = [Buffer::OfLogit, Buffer::Weights, Buffer::Work(0)];
        let grid = per_value(of.part.input.channels * time);
        self.push(
            "gradient head",
            shaders::GRADIENT_HEAD,
            constants,
            &back,
            grid,
        );
    }

    fn back(&mut self, parts: &[Planned]) {
        let (mut at, mut kept) = (0, None);
        for (number, of) in parts.iter().enumerate().rev() {
            if of.residual_starts {
                kept = Some(at);
            }
            let added = kept.filter(|_| of.residual_ends);
            let part = &of.part;
            let (into, to) = if of.reads.is_none() {
                (at, Buffer::Gradient)
            } else {
                let free = (0..WORK).find(|&work| work != at && Some(work) != kept);
                let into = added.or(free).unwrap_or(0);
                (into, Buffer::Work(into))
            };
            let times = [
                ("IN_TIME", part.input.time),
                ("OUT_TIME", part.output.time),
                ("KERNEL", part.kernel),
                ("STRIDE", part.stride),
            ];
            let channels = [
                ("IN_CHANNELS", part.input.channels),
                ("OUT_CHANNELS", part.output.channels),
            ];
            let (label, source, named): (_, _, Vec<(&'static str, usize)>) = match part.kind {
                PartKind::Convolution => (
                    "gradient stem",
                    shaders::GRADIENT_STEM,
                    [&times[..], &channels, &[("CONTEXT", part.context)]].concat(),
                ),
                PartKind::Depthwise => (
                    "gradient depthwise",
                    shaders::GRADIENT_DEPTHWISE,
                    [&times[..], &[("CHANNELS", part.output.channels)]].concat(),
                ),
                PartKind::Pointwise | PartKind::Dense => (
                    "gradient pointwise",
                    shaders::GRADIENT_POINTWISE,
                    [
                        &times[1..2],
                        &channels,
                        &[
                            ("RELU", usize::from(part.relu)),
                            ("ADD", usize::from(added.is_some())),
                        ],
                    ]
                    .concat(),
                ),
            };
            let mut constants: Vec<_> = named
                .into_iter()
                .map(|(name, value)| (name, value as f64))
                .collect();
            constants.push(("WEIGHTS", of.start));
            let buffers = [
                Buffer::Work(at),
                Buffer::Weights,
                to,
                Buffer::Activation(number),
            ];
            let grid = per_value(part.input.len() + part.context);
            self.push(label, source, constants, &buffers, grid);
            if of.residual_ends {
                kept = None;
            }
            at = into;
        }
    }
}

fn per_value(values: usize) -> Grid {
    Grid::PerBeat {
        per_beat: values.div_ceil(64),
    }
}
