//! A network as a list of dispatches, the same for every way of cutting it.

use super::options::GpuKernels;

/// A buffer a shader binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Input of the batch.
    Windows,
    /// Weights and biases of the whole network.
    Weights,
    /// One of [`ACTIVATIONS`] activations between dispatches.
    Activation(usize),
    /// Last feature maps of the batch.
    Maps,
    /// Logits of the batch.
    Logits,
    /// What the caller wants of this batch.
    Request,
}

/// Activations alive at once between dispatches: the input of a layer, of a part, and its output.
pub(super) const ACTIVATIONS: usize = 3;

/// Workgroups of a dispatch for a number of beats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grid {
    /// One workgroup per beat, along x.
    Beats,
    /// Per beat along y, `per_beat` along x.
    PerBeat {
        /// Workgroups of a beat.
        per_beat: usize,
    },
    /// One workgroup per 64 columns (samples of any beat) along x and 32 channels along y.
    Tiles {
        /// Columns of a beat.
        time: usize,
        /// Output channels.
        channels: usize,
    },
}

impl Grid {
    /// Columns of a tile; `COLUMNS` in `shaders/tile.wgsl`.
    const TILE_COLUMNS: usize = 64;
    /// Output channels of a tile; `ROWS` in `shaders/tile.wgsl`.
    const TILE_ROWS: usize = 32;

    pub(super) const fn workgroups(self, beats: usize) -> (usize, usize) {
        match self {
            Self::Beats => (beats, 1),
            Self::PerBeat { per_beat } => (per_beat, beats),
            Self::Tiles { time, channels } => (
                (beats * time).div_ceil(Self::TILE_COLUMNS),
                channels.div_ceil(Self::TILE_ROWS),
            ),
        }
    }
}

/// One dispatch before it is compiled.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) label: String,
    pub(super) source: String,
    pub(super) constants: Vec<(&'static str, f64)>,
    pub(super) buffers: Vec<(u32, Place)>,
    pub(super) grid: Grid,
}

/// A network before it is compiled.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) kernels: GpuKernels,
    pub(super) steps: Vec<Step>,
    pub(super) weights: Vec<f32>,
    /// Values per beat of the largest activation between dispatches, 0 if there is none.
    pub(super) activation: usize,
    /// Steps up to the end of each layer, where there is a step for each.
    #[cfg(test)]
    pub(super) layer_ends: Vec<usize>,
}
