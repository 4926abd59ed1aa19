//! Layers of a network, and the convolutions they are made of.

/// What a layer does, as the description says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Full convolution of the input's channels, plus a linear map of its context at every output
    /// position, then ReLU.
    Stem {
        /// Output channels.
        out: usize,
        /// Taps, odd.
        kernel: usize,
        /// Step in time.
        stride: usize,
    },
    /// Depthwise-separable block: depthwise, ReLU, pointwise, ReLU.
    Separable {
        /// Output channels.
        out: usize,
        /// Taps, odd.
        kernel: usize,
        /// Step in time.
        stride: usize,
    },
    /// Inverted residual block: expand, ReLU, depthwise, ReLU, project (linear); the input is added
    /// where the shapes agree and the stride is 1.
    Inverted {
        /// Output channels.
        out: usize,
        /// Taps, odd.
        kernel: usize,
        /// Step in time.
        stride: usize,
        /// Channels inside the block per input channel.
        expansion: usize,
    },
    /// Convolution of one tap, then ReLU.
    Pointwise {
        /// Output channels.
        out: usize,
    },
    /// Global average over time.
    Pool,
    /// Fully connected layer giving the logits.
    Dense {
        /// Outputs.
        out: usize,
    },
}

/// Extent of an activation, laid out `[channels][time]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Samples per channel.
    pub time: usize,
}

impl Shape {
    /// Values in the activation.
    #[must_use]
    pub const fn len(self) -> usize {
        self.channels * self.time
    }

    /// Whether it holds no values.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// How a part connects input to output channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// Every input channel to every output channel, several taps. Weights `[out][in][kernel]`.
    Convolution,
    /// Every channel to itself. Weights `[channels][1][kernel]`.
    Depthwise,
    /// Every input channel to every output channel, one tap. Weights `[out][in][1]`.
    Pointwise,
    /// As pointwise, on pooled values. Weights `[out][in]`.
    Dense,
}

/// One convolution (or the dense product) with its own weights and bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The part's name in tensor names, e.g. `depthwise`.
    pub name: &'static str,
    /// How it connects channels.
    pub kind: PartKind,
    /// What it reads.
    pub input: Shape,
    /// What it writes.
    pub output: Shape,
    /// Taps; the input is padded with `kernel / 2` zeros on both sides.
    pub kernel: usize,
    /// Step in time.
    pub stride: usize,
    /// Context values whose linear map is added at every output position; 0 but for stems.
    pub context: usize,
    /// Whether negative outputs become zero.
    pub relu: bool,
}

impl Part {
    /// Shape of the weight tensor, in PyTorch's order.
    #[must_use]
    pub fn weight_shape(&self) -> Vec<usize> {
        match self.kind {
            PartKind::Convolution | PartKind::Pointwise => {
                vec![self.output.channels, self.input.channels, self.kernel]
            }
            PartKind::Depthwise => vec![self.output.channels, 1, self.kernel],
            PartKind::Dense => vec![self.output.channels, self.input.channels],
        }
    }

    /// Number of weights and biases.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.weights() + self.context_weights() + self.output.channels
    }

    /// Multiply-accumulate operations for one beat, the zeros of the padding counted; the map of the
    /// context is computed once.
    #[must_use]
    pub fn macs(&self) -> usize {
        self.weights() * self.output.time + self.context_weights()
    }

    /// Number of weights of the context's map, `[output channels][context]`.
    pub(crate) const fn context_weights(&self) -> usize {
        self.output.channels * self.context
    }

    fn weights(&self) -> usize {
        self.weight_shape().iter().product()
    }
}

/// A layer with all its shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// What it does.
    pub op: Op,
    /// What it reads.
    pub input: Shape,
    /// What it writes.
    pub output: Shape,
    /// Its convolutions in the order they run; none for pooling.
    pub parts: Vec<Part>,
    /// Whether the layer's input is added to the output of the last part.
    pub residual: bool,
}

impl Layer {
    /// Derives shapes and parts of `op` on `input` and `context` context values.
    pub(super) fn derive(op: Op, input: Shape, context: usize) -> Self {
        let parts = parts(op, input, context);
        let output = parts.last().map_or(
            Shape {
                channels: input.channels,
                time: 1,
            },
            |part| part.output,
        );
        let residual = matches!(op, Op::Inverted { stride: 1, .. }) && input == output;
        Self {
            op,
            input,
            output,
            parts,
            residual,
        }
    }
}

fn parts(op: Op, input: Shape, context: usize) -> Vec<Part> {
    match op {
        Op::Stem {
            out,
            kernel,
            stride,
        } => vec![Part {
            context,
            ..convolution(input, out, kernel, stride)
        }],
        Op::Separable {
            out,
            kernel,
            stride,
        } => {
            let depthwise = depthwise(input, kernel, stride);
            let pointwise = pointwise("pointwise", depthwise.output, out, true);
            vec![depthwise, pointwise]
        }
        Op::Inverted {
            out,
            kernel,
            stride,
            expansion,
        } => {
            let expand = pointwise("expand", input, input.channels * expansion, true);
            let depthwise = depthwise(expand.output, kernel, stride);
            let project = pointwise("project", depthwise.output, out, false);
            vec![expand, depthwise, project]
        }
        Op::Pointwise { out } => vec![pointwise("conv", input, out, true)],
        Op::Pool => Vec::new(),
        Op::Dense { out } => vec![Part {
            name: "dense",
            kind: PartKind::Dense,
            ..pointwise("dense", input, out, false)
        }],
    }
}

fn convolution(input: Shape, out: usize, kernel: usize, stride: usize) -> Part {
    Part {
        name: "conv",
        kind: PartKind::Convolution,
        input,
        output: Shape {
            channels: out,
            time: input.time.div_ceil(stride), // odd kernel, kernel / 2 zeros on both sides
        },
        kernel,
        stride,
        context: 0,
        relu: true,
    }
}

fn depthwise(input: Shape, kernel: usize, stride: usize) -> Part {
    Part {
        name: "depthwise",
        kind: PartKind::Depthwise,
        ..convolution(input, input.channels, kernel, stride)
    }
}

fn pointwise(name: &'static str, input: Shape, out: usize, relu: bool) -> Part {
    Part {
        name,
        kind: PartKind::Pointwise,
        relu,
        ..convolution(input, out, 1, 1)
    }
}
