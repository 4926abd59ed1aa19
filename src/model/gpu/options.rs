//! What a caller may choose.

use std::time::Duration;

/// Interface to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GpuBackend {
    /// Vulkan.
    Vulkan,
    /// OpenGL ES 3.1 or OpenGL.
    Gl,
}

impl GpuBackend {
    /// Both, the better one first.
    pub const ALL: [Self; 2] = [Self::Vulkan, Self::Gl];

    /// Short name as in [`super::GpuEngine`]'s name: `vulkan` or `gl`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vulkan => "vulkan",
            Self::Gl => "gl",
        }
    }
}

/// How the network is cut into dispatches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GpuKernels {
    /// The whole network in one dispatch, a beat per workgroup, activations in workgroup memory.
    Fused,
    /// One dispatch per layer or part, activations in storage buffers. Any network fits.
    Layered,
}

/// How a [`super::GpuEngine`] is made.
#[derive(Debug, Clone)]
pub struct GpuOptions {
    /// Only this backend; otherwise Vulkan before OpenGL.
    pub backend: Option<GpuBackend>,
    /// Only adapters whose name holds this, in any case.
    pub adapter: Option<String>,
    /// Whether an adapter that computes on the CPU will do.
    pub allow_software: bool,
    /// Most windows of one call (0 counts as 1).
    pub max_batch: usize,
    /// Most windows of one command buffer; larger batches are cut. Buffers are made for this many.
    /// Otherwise [`GpuOptions::CARD_CHUNK`] on a card, [`GpuOptions::CHUNK`] elsewhere.
    pub chunk: Option<usize>,
    /// Only these kernels; otherwise fused where the network fits.
    pub kernels: Option<GpuKernels>,
    /// How long a batch may take before the device counts as hung.
    pub timeout: Duration,
    /// Whether the GPU also computes calibrated probabilities (one more dispatch).
    pub probabilities: bool,
    /// Whether to measure the time on the GPU itself, where the adapter can.
    pub timestamps: bool,
}

impl GpuOptions {
    /// Default for [`GpuOptions::chunk`] on a card: enough beats for all its cores several times
    /// over; with V1 76 MB of buffers per batch in flight.
    pub const CARD_CHUNK: usize = 8192;

    /// Default for [`GpuOptions::chunk`] elsewhere: a slow adapter still answers within a second;
    /// with V1 5 MB of buffers per batch in flight.
    pub const CHUNK: usize = 512;

    /// Any hardware adapter, batches up to `max_batch` windows.
    #[must_use]
    pub const fn new(max_batch: usize) -> Self {
        Self {
            backend: None,
            adapter: None,
            allow_software: false,
            max_batch,
            chunk: None,
            kernels: None,
            timeout: Duration::from_secs(5),
            probabilities: false,
            timestamps: false,
        }
    }
}
