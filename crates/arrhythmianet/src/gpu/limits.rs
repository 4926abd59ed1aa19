//! What the engine asks of an adapter: what a Raspberry Pi 4 has.

/// Workgroup memory of the Raspberry Pi 4 (Mesa V3DV, `maxComputeSharedMemorySize`), bytes.
pub(super) const WORKGROUP_MEMORY_BYTES: usize = 16 << 10;

/// Largest buffer a shader sees at once, bytes: what every WebGPU device has.
pub(super) const MAX_BINDING_BYTES: usize = 128 << 20;

/// Most workgroups along one axis of a dispatch.
pub(super) const MAX_WORKGROUPS: usize = 65_535;

/// The limits every device is opened with, whatever the adapter could do: those of Mesa's V3DV on
/// the Raspberry Pi 4, so that a shader that would fail there fails everywhere.
///
/// 256 invocations and 16 KiB of memory a workgroup, 8 storage buffers a stage, 65,535 workgroups
/// along an axis, buffers of 128 MiB; no half precision, no subgroup operations, no immediates. On
/// OpenGL ES, which promises only 4 storage buffers a stage, 4 are asked for: no shader uses more.
/// Texture limits are the lowest there are, since no shader uses textures.
#[must_use]
pub fn required_limits(backend: super::GpuBackend) -> wgpu::Limits {
    wgpu::Limits {
        max_storage_buffers_per_shader_stage: match backend {
            super::GpuBackend::Vulkan => 8,
            super::GpuBackend::Gl => 4,
        },
        max_storage_buffer_binding_size: MAX_BINDING_BYTES as u64,
        max_buffer_size: MAX_BINDING_BYTES as u64,
        max_uniform_buffer_binding_size: 16 << 10,
        max_compute_workgroup_storage_size: 16 << 10,
        max_compute_invocations_per_workgroup: 256,
        max_compute_workgroup_size_x: 256,
        max_compute_workgroup_size_y: 256,
        max_compute_workgroup_size_z: 64,
        max_compute_workgroups_per_dimension: 65_535,
        max_bind_groups: 1,
        max_bindings_per_bind_group: 8,
        max_immediate_size: 0,
        ..wgpu::Limits::downlevel_defaults()
    }
}
