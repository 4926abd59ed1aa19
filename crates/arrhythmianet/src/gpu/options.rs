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

/// How a [`super::GpuEngine`] is made: [`GpuOptions::new`], then what is to differ.
#[derive(Debug, Clone)]
#[non_exhaustive]
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
            timestamps: false,
        }
    }

    /// Only on this backend.
    #[must_use]
    pub const fn backend(mut self, backend: GpuBackend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Only on adapters whose name holds this, in any case.
    #[must_use]
    pub fn adapter(mut self, name: &str) -> Self {
        self.adapter = Some(name.to_owned());
        self
    }

    /// Whether an adapter that computes on the CPU will do.
    #[must_use]
    pub const fn allow_software(mut self, allowed: bool) -> Self {
        self.allow_software = allowed;
        self
    }

    /// Most windows of one command buffer.
    #[must_use]
    pub const fn chunk(mut self, windows: usize) -> Self {
        self.chunk = Some(windows);
        self
    }

    /// Only with these kernels.
    #[must_use]
    pub const fn kernels(mut self, kernels: GpuKernels) -> Self {
        self.kernels = Some(kernels);
        self
    }

    /// How long a batch may take before the device counts as hung.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether to measure the time on the GPU itself, where the adapter can.
    #[must_use]
    pub const fn timestamps(mut self, measured: bool) -> Self {
        self.timestamps = measured;
        self
    }
}
