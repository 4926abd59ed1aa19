//! An opened device, and what becomes of its errors.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::adapter::{self, GpuAdapter};
use super::error::GpuError;
use super::limits::required_limits;
use super::options::GpuOptions;

/// A device with its queue. The first error anywhere is kept: nothing is asked of the device after.
#[derive(Debug)]
pub(super) struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) adapter: GpuAdapter,
    pub(super) timestamps: bool,
    /// A later error is a consequence of the first.
    fault: Arc<OnceLock<String>>,
}

/// Whether a buffer has been mapped yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Mapping(Arc<AtomicU8>);

impl Mapping {
    const PENDING: u8 = 0;
    const DONE: u8 = 1;
    const FAILED: u8 = 2;

    /// A buffer that was mapped when it was made.
    pub(super) fn done() -> Self {
        Self(Arc::new(AtomicU8::new(Self::DONE)))
    }

    /// Asks for `range` of `buffer` to be mapped.
    pub(super) fn request(&self, buffer: &wgpu::Buffer, mode: wgpu::MapMode, bytes: u64) {
        self.0.store(Self::PENDING, Ordering::Release);
        let state = Arc::clone(&self.0);
        buffer.map_async(mode, 0..bytes, move |result| {
            let value = if result.is_ok() {
                Self::DONE
            } else {
                Self::FAILED
            };
            state.store(value, Ordering::Release);
        });
    }
}

impl Gpu {
    /// Opens the adapter that fits `options`.
    pub(super) fn open(options: &GpuOptions) -> Result<Self, GpuError> {
        let (adapter, info) = adapter::choose(options)?;
        let refused = |reason: String| GpuError::Device {
            adapter: info.to_string(),
            reason,
        };
        let timestamps =
            options.timestamps && adapter.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        let opened = adapter::ready(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("ecg-gateway"),
            required_features: if timestamps {
                wgpu::Features::TIMESTAMP_QUERY
            } else {
                wgpu::Features::empty()
            },
            required_limits: required_limits(info.backend),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..wgpu::DeviceDescriptor::default()
        }));
        let (device, queue) = match opened {
            Some(Ok(opened)) => opened,
            Some(Err(error)) => return Err(refused(error.to_string())),
            None => return Err(refused("the driver does not answer".to_owned())),
        };
        let fault = Arc::new(OnceLock::new());
        let lost = Arc::clone(&fault);
        device.set_device_lost_callback(move |reason, message| {
            let _ = lost.set(format!("device lost ({reason:?}): {message}"));
        });
        let uncaptured = Arc::clone(&fault);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let _ = uncaptured.set(one_line(&error.to_string()));
        }));
        Ok(Self {
            device,
            queue,
            adapter: info,
            timestamps,
            fault,
        })
    }

    /// The first error so far.
    pub(super) fn check(&self) -> Result<(), String> {
        self.fault.get().cloned().map_or(Ok(()), Err)
    }

    /// Keeps an error that the device itself did not report.
    pub(super) fn fail(&self, reason: String) -> String {
        let _ = self.fault.set(reason.clone());
        reason
    }

    /// Waits until a buffer is mapped.
    ///
    /// Waiting is submitting nothing again and again: wgpu's own way to wait panics when the driver
    /// reports a lost device, submitting hands it to the callbacks.
    pub(super) fn wait(&self, mapping: &Mapping, timeout: Duration) -> Result<(), String> {
        /// As long as sleeping takes at least.
        const AWAKE: Duration = Duration::from_micros(100);
        const LONGEST_PAUSE: Duration = Duration::from_micros(200);
        let start = Instant::now();
        loop {
            match mapping.0.load(Ordering::Acquire) {
                Mapping::DONE => return self.check(),
                Mapping::PENDING => self.check()?,
                _ => {
                    self.check()?;
                    return Err(self.fail("results cannot be read".to_owned()));
                }
            }
            let waited = start.elapsed();
            if waited > timeout {
                return Err(self.fail(format!("no answer within {timeout:?}")));
            }
            self.queue.submit([]);
            if mapping.0.load(Ordering::Acquire) == Mapping::PENDING {
                // A software adapter needs the core this would keep busy.
                if waited < AWAKE && !self.adapter.software {
                    std::thread::yield_now();
                } else {
                    std::thread::sleep((waited / 16).min(LONGEST_PAUSE));
                }
            }
        }
    }

    /// An empty buffer.
    pub(super) fn buffer(
        &self,
        label: &str,
        bytes: usize,
        usage: wgpu::BufferUsages,
    ) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes as u64,
            usage,
            mapped_at_creation: false,
        })
    }

    /// A buffer with contents; `usage` is what shaders do with it.
    pub(super) fn constant(
        &self,
        label: &str,
        contents: &[u8],
        usage: wgpu::BufferUsages,
    ) -> wgpu::Buffer {
        let buffer = self.buffer(label, contents.len(), usage | wgpu::BufferUsages::COPY_DST);
        self.queue.write_buffer(&buffer, 0, contents);
        buffer
    }

    /// A pipeline of the only entry point of `source`.
    pub(super) fn pipeline(
        &self,
        label: &str,
        source: &str,
        constants: &[(&str, f64)],
    ) -> wgpu::ComputePipeline {
        let module = self
            .device
            .create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(label),
                source: wgpu::ShaderSource::Wgsl(source.into()),
            });
        self.device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(label),
                layout: None,
                module: &module,
                entry_point: None,
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants,
                    // Every kernel writes its workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            })
    }

    /// Binds `buffers` to the bindings of the pipeline's only group.
    pub(super) fn bind(
        &self,
        pipeline: &wgpu::ComputePipeline,
        buffers: &[(u32, &wgpu::Buffer)],
    ) -> wgpu::BindGroup {
        let entries: Vec<_> = buffers
            .iter()
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: *binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        })
    }
}

/// wgpu's errors are trees of lines.
fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(": ")
}
