//! Where in workgroup memory each activation lies, and what runs in which order.

use super::stage::{Filter, Finish, Stage};
use super::weights::{Packer, TAPS};
use crate::gpu::limits::WORKGROUP_MEMORY_BYTES;
use crate::{CLASS_COUNT, Layer, Model, Op, Part, PartWeights, Shape};

/// Sizes of workgroup memory that are tried, in quads: half of what a Raspberry Pi 4 has, so that two
/// workgroups share a core, and all of it.
const SIZES: [usize; 2] = [WORKGROUP_MEMORY_BYTES / 32, WORKGROUP_MEMORY_BYTES / 16];

/// Threads of a workgroup: V1 and V2 have up to 128 tiles of 4 channels by 4 samples in most layers.
pub(super) const THREADS: usize = 128;

/// The stages of a network and its weights in their order.
#[derive(Debug)]
pub(super) struct Stages {
    pub(super) stages: Vec<Stage>,
    pub(super) weights: Vec<f32>,
    /// Workgroup memory, quads.
    pub(super) memory: usize,
}

/// An activation in workgroup memory.
#[derive(Debug, Clone, Copy)]
struct Region {
    start: usize,
    length: usize,
}

impl Region {
    /// Room for `length` of `all` quads that does not touch this region, at the end of the memory
    /// farther from it.
    fn beside(self, length: usize, all: usize) -> Option<Self> {
        let start = if length <= self.start {
            0
        } else {
            all.checked_sub(length)?
        };
        (start + length <= self.start || self.start + self.length <= start)
            .then_some(Self { start, length })
    }
}

/// Plans `model` in as little memory as it fits, or says what does not fit the largest. With
/// `observe` the output of every layer up to the pooling is stored, one after the other.
pub(super) fn stages(model: &Model, observe: bool) -> Result<Stages, String> {
    let [small, large] = SIZES;
    stages_within(model, observe, small).or_else(|_| stages_within(model, observe, large))
}

fn stages_within(model: &Model, observe: bool, memory: usize) -> Result<Stages, String> {
    let network = model.description();
    let input = quads(network.input.waveform())? + context_quads(network.input.context)?;
    let mut planner = Planner {
        memory,
        stages: Vec::new(),
        weights: Packer::default(),
        current: Region {
            start: 0,
            length: input,
        },
    };
    planner.stages.push(Stage::Load {
        length: planner.current.length,
        dst: 0,
    });
    let mut outputs = Vec::new();
    for (layer, weights) in network.layers.iter().zip(model.layers()) {
        let parts: Vec<(&Part, &PartWeights)> = weights.collect();
        if layer.op == Op::Pool && !observe {
            outputs.push((planner.stages.len(), planner.current));
        }
        planner.layer(layer, &parts)?;
        if observe && !matches!(layer.op, Op::Pool | Op::Dense { .. }) {
            outputs.push((planner.stages.len(), planner.current));
        }
    }
    Ok(Stages {
        stages: with_outputs(planner.stages, &outputs),
        weights: planner.weights.0,
        memory,
    })
}

/// Stores what lies in each region after a number of stages.
fn with_outputs(stages: Vec<Stage>, outputs: &[(usize, Region)]) -> Vec<Stage> {
    let all = outputs.iter().map(|(_, region)| region.length).sum();
    let mut with = Vec::with_capacity(stages.len() + outputs.len());
    let mut stages = stages.into_iter();
    let (mut before, mut offset) = (0, 0);
    for (after, region) in outputs {
        with.extend(stages.by_ref().take(after - before));
        with.push(Stage::StoreMaps {
            src: region.start,
            length: region.length,
            offset,
            all,
        });
        before = *after;
        offset += region.length;
    }
    with.extend(stages);
    with
}

struct Planner {
    /// Workgroup memory, quads.
    memory: usize,
    stages: Vec<Stage>,
    weights: Packer,
    current: Region,
}

impl Planner {
    fn layer(&mut self, layer: &Layer, parts: &[(&Part, &PartWeights)]) -> Result<(), String> {
        match (layer.op, parts) {
            (Op::Stem { .. }, [stem]) => self.stem(*stem),
            (Op::Pointwise { .. }, [pointwise]) => self.pointwise(*pointwise, None),
            (Op::Separable { .. }, [depthwise, pointwise]) => {
                self.depthwise(*depthwise)?;
                self.pointwise(*pointwise, None)
            }
            (Op::Inverted { .. }, [expand, depthwise, project]) => {
                let input = self.current;
                self.pointwise(*expand, None)?;
                self.depthwise_in_place(*depthwise)?;
                self.pointwise(*project, layer.residual.then_some(input))
            }
            // Runs with the dense layer, which needs its shape.
            (Op::Pool, []) => Ok(()),
            (Op::Dense { .. }, [dense]) => self.pool_dense(*dense),
            _ => Err(format!("{:?} has unknown parts", layer.op)),
        }
    }

    fn beside(&self, length: usize) -> Result<Region, String> {
        let all = self.memory;
        self.current.beside(length, all).ok_or_else(|| {
            format!(
                "{} and {length} quads at once, there are {all}",
                self.current.length
            )
        })
    }

    fn filter(&mut self, part: &Part, weights: &PartWeights) -> Result<Filter, String> {
        if part.kernel > TAPS || part.kernel.is_multiple_of(2) {
            return Err(format!(
                "kernel {}, expected odd and at most {TAPS}",
                part.kernel
            ));
        }
        let lengths = (row_quads(part.input)?, row_quads(part.output)?);
        if !matches!(part.stride, 1 | 2) || lengths.0 != lengths.1 * part.stride {
            return Err(format!(
                "stride {} from {} to {} samples, expected 1 or 2 that divides",
                part.stride, part.input.time, part.output.time
            ));
        }
        let taps = self.weights.position();
        self.weights.filters(part, weights);
        Ok(Filter {
            src: self.current.start,
            taps,
            out_channels: part.output.channels,
            in_length: lengths.0,
            out_length: lengths.1,
            stride: part.stride,
        })
    }

    fn stem(&mut self, (part, weights): (&Part, &PartWeights)) -> Result<(), String> {
        let filter = self.filter(part, weights)?;
        self.weights.context(weights);
        let to = self.beside(quads(part.output)?)?;
        self.stages.push(Stage::Stem {
            filter,
            in_channels: part.input.channels,
            context: context_quads(part.context)?,
            dst: to.start,
        });
        self.current = to;
        Ok(())
    }

    fn depthwise(&mut self, (part, weights): (&Part, &PartWeights)) -> Result<(), String> {
        let Ok(to) = self.beside(quads(part.output)?) else {
            return self.depthwise_in_place((part, weights));
        };
        let filter = self.filter(part, weights)?;
        self.stages.push(Stage::Depthwise {
            filter,
            dst: to.start,
        });
        self.current = to;
        Ok(())
    }

    fn depthwise_in_place(&mut self, (part, weights): (&Part, &PartWeights)) -> Result<(), String> {
        let filter = self.filter(part, weights)?;
        if !THREADS.is_multiple_of(filter.out_length) {
            return Err(format!(
                "{} samples, expected whole rows in {} quads",
                part.output.time, THREADS
            ));
        }
        self.stages.push(Stage::DepthwiseInPlace { filter });
        self.current.length = quads(part.output)?;
        Ok(())
    }

    /// With a residual, the output takes its place.
    fn pointwise(
        &mut self,
        (part, weights): (&Part, &PartWeights),
        residual: Option<Region>,
    ) -> Result<(), String> {
        let (inputs, outputs) = (part.input.channels, part.output.channels);
        if !inputs.is_multiple_of(8) || !outputs.is_multiple_of(4) {
            return Err(format!(
                "{inputs} to {outputs} channels, expected multiples of 8 and 4"
            ));
        }
        let length = row_quads(part.output)?;
        let beside = self.beside(quads(part.output)?);
        let over = residual.is_none() && beside.is_err();
        let to = match residual {
            Some(region) => region,
            None => beside.or_else(|_| self.over(part))?,
        };
        let matrix = self.weights.position();
        self.weights.pointwise(part, weights);
        self.stages.push(Stage::Pointwise {
            src: self.current.start,
            dst: to.start,
            matrix,
            in_channels: inputs,
            out_channels: outputs,
            length,
            over,
            finish: match (residual, part.relu) {
                (Some(_), _) => Finish::Add,
                (None, true) => Finish::Relu,
                (None, false) => Finish::Linear,
            },
        });
        self.current = to;
        Ok(())
    }

    /// Where the output of a pointwise convolution goes that has no room beside its input: over it.
    fn over(&self, part: &Part) -> Result<Region, String> {
        let length = quads(part.output)?;
        let tiles = length / 4;
        if tiles > THREADS {
            return Err(format!(
                "{tiles} tiles over their input, there are {THREADS} threads"
            ));
        }
        if length > self.memory {
            return Err(format!("{length} quads, there are {}", self.memory));
        }
        Ok(Region { start: 0, length })
    }

    fn pool_dense(&mut self, (part, weights): (&Part, &PartWeights)) -> Result<(), String> {
        let channels = part.input.channels;
        if !channels.is_multiple_of(4) || channels > 4 * THREADS {
            return Err(format!(
                "{channels} channels pooled, expected a multiple of 4"
            ));
        }
        if part.output.channels != CLASS_COUNT {
            return Err(format!(
                "{} classes, expected {CLASS_COUNT}",
                part.output.channels
            ));
        }
        let scratch = self.beside(channels / 2)?.start;
        let matrix = self.weights.position();
        self.weights.dense(part, weights);
        self.stages.push(Stage::PoolDense {
            src: self.current.start,
            scratch,
            matrix,
            channels,
            length: self.current.length / channels,
        });
        Ok(())
    }
}

fn context_quads(values: usize) -> Result<usize, String> {
    if values.is_multiple_of(4) {
        Ok(values / 4)
    } else {
        Err(format!("{values} context values, expected a multiple of 4"))
    }
}

fn row_quads(shape: Shape) -> Result<usize, String> {
    if shape.time.is_multiple_of(4) {
        Ok(shape.time / 4)
    } else {
        Err(format!("{} samples, expected a multiple of 4", shape.time))
    }
}

fn quads(shape: Shape) -> Result<usize, String> {
    Ok(shape.channels * row_quads(shape)?)
}
