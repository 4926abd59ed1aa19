//! Where in workgroup memory each activation lies, and what runs in which order.

use super::weights::{Packer, TAPS};
use crate::model::gpu::limits::WORKGROUP_MEMORY_BYTES;
use crate::model::{CLASS_COUNT, Layer, Model, Op, Part, PartWeights, Shape};

/// Workgroup memory in quads; `QUADS` in `shaders/fused/memory.wgsl`.
pub(super) const QUADS: usize = WORKGROUP_MEMORY_BYTES / 16;

/// Threads of a workgroup; `THREADS` in `shaders/fused/memory.wgsl`.
pub(super) const THREADS: usize = 128;

/// Offsets and lengths are in quads (four samples of a channel, or four weights).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Load {
        length: usize,
        dst: usize,
    },
    Stem {
        filter: Filter,
        in_channels: usize,
        dst: usize,
    },
    Depthwise {
        filter: Filter,
        dst: usize,
    },
    /// The output lies at the start of the input.
    DepthwiseInPlace {
        filter: Filter,
    },
    Pointwise {
        src: usize,
        dst: usize,
        matrix: usize,
        in_channels: usize,
        out_channels: usize,
        length: usize,
        finish: Finish,
    },
    StoreMaps {
        src: usize,
        length: usize,
    },
    PoolDense {
        src: usize,
        scratch: usize,
        matrix: usize,
        channels: usize,
        length: usize,
    },
}

/// What stems and depthwise convolutions have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) src: usize,
    pub(super) taps: usize,
    pub(super) out_channels: usize,
    pub(super) in_length: usize,
    pub(super) out_length: usize,
    pub(super) stride: usize,
}

/// What becomes of the sums of a pointwise convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    Linear,
    Relu,
    Add,
}

/// The stages of a network and its weights in their order.
#[derive(Debug)]
pub(super) struct Stages {
    pub(super) stages: Vec<Stage>,
    pub(super) weights: Vec<f32>,
}

impl Stages {
    /// Whether the whole network is there.
    pub(super) fn ends_in_logits(&self) -> bool {
        matches!(self.stages.last(), Some(Stage::PoolDense { .. }))
    }
}

/// An activation in workgroup memory.
#[derive(Debug, Clone, Copy)]
struct Region {
    start: usize,
    length: usize,
}

impl Region {
    /// Room for `length` quads that does not touch this region, at the end of the memory farther
    /// from it.
    fn beside(self, length: usize) -> Option<Self> {
        let start = if length <= self.start {
            0
        } else {
            QUADS.checked_sub(length)?
        };
        (start + length <= self.start || self.start + self.length <= start)
            .then_some(Self { start, length })
    }
}

/// Plans the first `layers` layers of `model`, or says what does not fit.
pub(super) fn stages(model: &Model, layers: usize) -> Result<Stages, String> {
    let network = model.description();
    let input = Shape {
        channels: network.input.channels,
        time: network.input.samples,
    };
    let mut planner = Planner {
        stages: Vec::new(),
        weights: Packer::default(),
        current: Region {
            start: 0,
            length: quads(input)?,
        },
    };
    planner.stages.push(Stage::Load {
        length: planner.current.length,
        dst: 0,
    });
    let mut stored = false;
    for (layer, weights) in network.layers.iter().zip(model.layers()).take(layers) {
        let parts: Vec<(&Part, &PartWeights)> = weights.collect();
        if layer.op == Op::Pool {
            planner.store_maps();
            stored = true;
        }
        planner.layer(layer, &parts)?;
    }
    if !stored {
        planner.store_maps();
    }
    Ok(Stages {
        stages: planner.stages,
        weights: planner.weights.0,
    })
}

struct Planner {
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

    fn store_maps(&mut self) {
        self.stages.push(Stage::StoreMaps {
            src: self.current.start,
            length: self.current.length,
        });
    }

    fn beside(&self, length: usize) -> Result<Region, String> {
        self.current.beside(length).ok_or_else(|| {
            format!(
                "{} and {length} quads at once, workgroup memory holds {QUADS}",
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
        let to = self.beside(quads(part.output)?)?;
        self.stages.push(Stage::Stem {
            filter,
            in_channels: part.input.channels,
            dst: to.start,
        });
        self.current = to;
        Ok(())
    }

    fn depthwise(&mut self, (part, weights): (&Part, &PartWeights)) -> Result<(), String> {
        let Some(to) = self.current.beside(quads(part.output)?) else {
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
                "{} samples, expected whole rows in {THREADS} quads",
                part.output.time
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
        if !inputs.is_multiple_of(4) || !outputs.is_multiple_of(4) {
            return Err(format!(
                "{inputs} to {outputs} channels, expected multiples of 4"
            ));
        }
        let to = match residual {
            Some(region) => region,
            None => self.beside(quads(part.output)?)?,
        };
        let matrix = self.weights.position();
        self.weights.pointwise(part, weights);
        self.stages.push(Stage::Pointwise {
            src: self.current.start,
            dst: to.start,
            matrix,
            in_channels: inputs,
            out_channels: outputs,
            length: row_quads(part.output)?,
            finish: match (residual, part.relu) {
                (Some(_), _) => Finish::Add,
                (None, true) => Finish::Relu,
                (None, false) => Finish::Linear,
            },
        });
        self.current = to;
        Ok(())
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
