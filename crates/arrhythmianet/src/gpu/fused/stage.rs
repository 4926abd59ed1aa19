//! What the fused kernel does between two barriers.

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
        /// Behind the channels.
        context: usize,
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
        /// Whether the output overlaps the input.
        over: bool,
        finish: Finish,
    },
    /// At `offset` of the `all` quads of a beat.
    StoreMaps {
        src: usize,
        length: usize,
        offset: usize,
        all: usize,
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
