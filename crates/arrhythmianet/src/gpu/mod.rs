//! The engine on the GPU: WGSL compute shaders through wgpu, on Vulkan and OpenGL ES.
//!
//! A network whose activations fit the workgroup memory of a Raspberry Pi 4 runs as one dispatch per
//! batch ([`GpuKernels::Fused`]); any other runs layer by layer ([`GpuKernels::Layered`]).

mod adapter;
mod clock;
mod device;
mod engine;
mod error;
mod fused;
mod layered;
mod limits;
mod options;
mod plan;
mod program;
mod runner;
mod shaders;
mod slot;
#[cfg(test)]
mod tests;

pub use adapter::{GpuAdapter, GpuDeviceType};
pub use engine::{GpuEngine, GpuTimings, Submitted};
pub use error::GpuError;
pub use limits::required_limits;
pub use options::{GpuBackend, GpuKernels, GpuOptions};
