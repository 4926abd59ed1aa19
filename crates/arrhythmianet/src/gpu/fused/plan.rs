//! Where in workgroup memory each activation lies, and what runs in which order: calls of the functions in
//! `shaders/fused/`.
//!
//! Numbers written into the calls are constants to the driver's compiler, which inlines the functions, so
//! divisions become shifts and loops have known bounds. Offsets and lengths are in quads: four samples of a
//! channel, or four weights.

use std::fmt::Write;

use super::weights::{Packer, TAPS};
use crate::gpu::limits::WORKGROUP_MEMORY_BYTES;
use crate::gpu::shaders;
use crate::{CLASS_COUNT, Layer, Model, Op, Part, PartWeights, Shape};

/// Sizes of workgroup memory that are tried: half of what a Raspberry Pi 4 has, so that two workgroups share
/// a core, and all of it.
const SIZES: [usize; 2] = [WORKGROUP_MEMORY_BYTES / 32, WORKGROUP_MEMORY_BYTES / 16];

/// Threads of a workgroup: V1 and V2 have up to 128 tiles of 4 channels by 4 samples in most layers.
const THREADS: usize = 128;

const BARRIER: &str = "workgroupBarrier();";

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

/// The kernel of `model` and its weights in their order, in as little memory as it fits; or what does not fit
/// the largest. With `observe` the output of every layer up to the pooling is stored, one after the other.
pub(super) fn kernel(model: &Model, observe: bool) -> Result<(String, Vec<f32>), String> {
    let [small, large] = SIZES;
    kernel_within(model, observe, small).or_else(|_| kernel_within(model, observe, large))
}

fn kernel_within(
    model: &Model,
    observe: bool,
    memory: usize,
) -> Result<(String, Vec<f32>), String> {
    let network = model.description();
    let input = quads(network.input.waveform())? + context_quads(network.input.context)?;
    let until_pool = network
        .layers
        .iter()
        .take_while(|layer| layer.op != Op::Pool);
    let mut planner = Planner {
        memory,
        lines: Vec::new(),
        weights: Packer::default(),
        current: Region {
            start: 0,
            length: input,
        },
        stored: 0,
        all_stored: if observe {
            until_pool.map(|layer| layer.output.len() / 4).sum()
        } else {
            network.feature_maps().len() / 4
        },
    };
    planner.call(format!("load_input(thread, beat, {input}u, 0u);"));
    for (layer, weights) in network.layers.iter().zip(model.layers()) {
        let parts: Vec<(&Part, &PartWeights)> = weights.collect();
        planner.layer(layer, &parts)?;
        let stored = match layer.op {
            Op::Dense { .. } => false,
            Op::Pool => !observe, // which has left its input as it is
            _ => observe,
        };
        if stored {
            planner.store_maps();
        }
    }
    let mut text = shaders::FUSED.to_owned();
    let _ = write!(
        text,
        "\nconst THREADS = {THREADS}u;\nconst QUADS = {memory}u;\n\n\
         @compute @workgroup_size({THREADS})\n\
         fn classify(\n    @builtin(workgroup_id) group: vec3<u32>,\n    \
         @builtin(local_invocation_index) thread: u32,\n) {{\n    let beat = group.x;\n"
    );
    for line in planner.lines {
        let _ = writeln!(text, "    {line}"); // writing to a string cannot fail
    }
    text.push_str("}\n");
    Ok((text, planner.weights.0))
}

struct Planner {
    /// Workgroup memory.
    memory: usize,
    /// Body of the entry point.
    lines: Vec<String>,
    weights: Packer,
    current: Region,
    /// Length of the maps stored so far, and of all that will be.
    stored: usize,
    all_stored: usize,
}

impl Planner {
    /// Adds a call, whose results the next one may read.
    fn call(&mut self, call: String) {
        self.lines.extend([call, BARRIER.to_owned()]);
    }

    /// Stores the current activation behind the maps stored before. Nothing is written over before the end
    /// of the next call, which is past a barrier, or in place, which has one in front.
    fn store_maps(&mut self) {
        let Region { start, length } = self.current;
        let (all, offset) = (self.all_stored, self.stored);
        self.lines.push(format!(
            "store_maps(thread, beat * {all}u + {offset}u, {length}u, {start}u);"
        ));
        self.stored += length;
    }

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

    /// Packs the filters of a stem or a depthwise convolution: where they start, and the lengths of the
    /// part's input and output rows.
    fn filter(
        &mut self,
        part: &Part,
        weights: &PartWeights,
    ) -> Result<(usize, usize, usize), String> {
        if part.kernel > TAPS || part.kernel.is_multiple_of(2) {
            return Err(format!(
                "kernel {}, expected odd and at most {TAPS}",
                part.kernel
            ));
        }
        let (inputs, outputs) = (row_quads(part.input)?, row_quads(part.output)?);
        if !matches!(part.stride, 1 | 2) || inputs != outputs * part.stride {
            return Err(format!(
                "stride {} from {} to {} samples, expected 1 or 2 that divides",
                part.stride, part.input.time, part.output.time
            ));
        }
        let taps = self.weights.position();
        self.weights.filters(part, weights);
        Ok((taps, inputs, outputs))
    }

    fn stem(&mut self, (part, weights): (&Part, &PartWeights)) -> Result<(), String> {
        let (taps, inputs, outputs) = self.filter(part, weights)?;
        self.weights.context(weights);
        let to = self.beside(quads(part.output)?)?;
        let context = context_quads(part.context)?;
        let (src, dst, stride) = (self.current.start, to.start, part.stride);
        let (in_channels, channels) = (part.input.channels, part.output.channels);
        self.call(format!(
            "stem(thread, {src}u, {dst}u, {taps}u, {in_channels}u, \
             {inputs}u, {channels}u, {outputs}u, {stride}u, {context}u);"
        ));
        self.current = to;
        Ok(())
    }

    fn depthwise(&mut self, (part, weights): (&Part, &PartWeights)) -> Result<(), String> {
        let Ok(to) = self.beside(quads(part.output)?) else {
            return self.depthwise_in_place((part, weights));
        };
        let (taps, inputs, outputs) = self.filter(part, weights)?;
        let (src, dst, stride) = (self.current.start, to.start, part.stride);
        let channels = part.output.channels;
        self.call(format!(
            "depthwise(thread, {src}u, {dst}u, {taps}u, {channels}u, \
             {inputs}u, {outputs}u, {stride}u);"
        ));
        self.current = to;
        Ok(())
    }

    /// The output lies at the start of the input. Rounds of whole rows: all of a round is read before any of
    /// it is written, and what a round writes lies where earlier rounds or the same have read.
    fn depthwise_in_place(&mut self, (part, weights): (&Part, &PartWeights)) -> Result<(), String> {
        let (taps, inputs, outputs) = self.filter(part, weights)?;
        if !THREADS.is_multiple_of(outputs) {
            return Err(format!(
                "{} samples, expected whole rows in {} quads",
                part.output.time, THREADS
            ));
        }
        let (src, stride) = (self.current.start, part.stride);
        let length = quads(part.output)?;
        self.lines.extend([
            format!("for (var first = 0u; first < {length}u; first += THREADS) {{"),
            "    let i = first + thread;".to_owned(),
            "    var quad = vec4<f32>(0.0);".to_owned(),
            format!("    if (i < {length}u) {{"),
            format!(
                "        quad = depthwise_quad(i, {src}u, {taps}u, {inputs}u, {outputs}u, {stride}u);"
            ),
            "    }".to_owned(),
            format!("    {BARRIER}"),
            format!("    if (i < {length}u) {{"),
            format!("        act[{src}u + i] = quad;"),
            "    }".to_owned(),
        ]);
        self.call("}".to_owned());
        self.current.length = length;
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
        let function = if over { "pointwise_over" } else { "pointwise" };
        let finish = match (residual, part.relu) {
            (Some(_), _) => "ADD",
            (None, true) => "RELU",
            (None, false) => "LINEAR",
        };
        let (src, dst, groups) = (self.current.start, to.start, outputs / 4);
        self.call(format!(
            "{function}(thread, {src}u, {dst}u, {matrix}u, \
             {inputs}u, {groups}u, {length}u, {finish});"
        ));
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
        let (src, groups) = (self.current.start, channels / 4);
        let length = self.current.length / channels;
        self.call(format!(
            "pool_group(thread, beat, {src}u, {scratch}u, {matrix}u, {groups}u, {length}u);"
        ));
        let mut left = groups;
        while left > 1 {
            let half = left.div_ceil(2);
            self.call(format!(
                "fold_groups(thread, {scratch}u, {half}u, {left}u);"
            ));
            left = half;
        }
        let bias = matrix + 5 * groups;
        self.lines
            .push(format!("store_logits(thread, beat, {scratch}u, {bias}u);"));
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
