//! Gradients of logits with respect to the input, on the GPU.
//!
//! Part by part, as [`super::GpuKernels::Layered`] runs a network, because the way back reads what each
//! part gave on the way there: in storage buffers, not in workgroup memory. Within the limits of a
//! Raspberry Pi 4.

pub(super) mod plan;

use std::sync::Arc;
use std::time::Duration;

use self::plan::{Buffer, Plan, Step, WORK};
use super::adapter::GpuAdapter;
use super::device::{Gpu, Mapping};
use super::error::GpuError;
use super::limits::{MAX_BINDING_BYTES, MAX_WORKGROUPS};
use super::options::GpuOptions;
use super::program::count;
use crate::model::{CLASS_COUNT, ClassifyError, Model};

const F32: usize = size_of::<f32>();

/// Computes gradients of one network on a GPU, a batch at a time.
#[derive(Debug)]
pub struct GpuGradient {
    model: Arc<Model>,
    gpu: Gpu,
    steps: Vec<(wgpu::ComputePipeline, wgpu::BindGroup, Step)>,
    input: wgpu::Buffer,
    of_logit: wgpu::Buffer,
    logits: wgpu::Buffer,
    gradient: wgpu::Buffer,
    results: wgpu::Buffer,
    capacity: usize,
    timeout: Duration,
}

impl GpuGradient {
    /// Opens an adapter and prepares `model` for it, in batches of [`GpuOptions::chunk`] beats.
    ///
    /// # Errors
    /// See [`GpuError`].
    pub fn new(model: Arc<Model>, options: &GpuOptions) -> Result<Self, GpuError> {
        use wgpu::BufferUsages as Usage;
        let gpu = Gpu::open(options)?;
        let network = model.description();
        let window = network.input.len();
        let largest = network.largest_activation().max(window) * F32;
        let capacity = options
            .chunk
            .unwrap_or(GpuOptions::CHUNK)
            .min(options.max_batch.max(1))
            .min(MAX_BINDING_BYTES / largest)
            .clamp(1, MAX_WORKGROUPS);
        let plan = Plan::new(&model, capacity);
        let inside =
            |label: &str, values: usize| gpu.buffer(label, values * capacity * F32, Usage::STORAGE);
        let passing = |label: &str, values: usize, usage: Usage| {
            gpu.buffer(label, values * capacity * F32, Usage::STORAGE | usage)
        };
        let input = passing("input", window, Usage::COPY_DST);
        let of_logit = passing("of logit", CLASS_COUNT, Usage::COPY_DST);
        let logits = passing("logits", CLASS_COUNT, Usage::COPY_SRC);
        let gradient = passing("gradient", window, Usage::COPY_SRC);
        let weights = bytemuck::cast_slice(&plan.weights);
        let weights = gpu.constant("weights", weights, Usage::STORAGE);
        let activations: Vec<_> = plan
            .activations
            .iter()
            .map(|&values| inside("activation", values))
            .collect();
        let work: [_; WORK] =
            std::array::from_fn(|_| inside("gradients", network.largest_activation()));
        let steps = plan
            .steps
            .into_iter()
            .map(|step| {
                let pipeline = gpu.pipeline(&step.label, step.source, &step.constants);
                let buffers: Vec<(u32, &wgpu::Buffer)> = (0..)
                    .zip(&step.buffers)
                    .map(|(binding, buffer)| {
                        let bound = match *buffer {
                            Buffer::Input => &input,
                            Buffer::Weights => &weights,
                            Buffer::OfLogit => &of_logit,
                            Buffer::Logits => &logits,
                            Buffer::Gradient => &gradient,
                            Buffer::Activation(number) => &activations[number],
                            Buffer::Work(number) => &work[number],
                        };
                        (binding, bound)
                    })
                    .collect();
                let bindings = gpu.bind(&pipeline, &buffers);
                (pipeline, bindings, step)
            })
            .collect();
        let bytes = (window + CLASS_COUNT) * capacity * F32;
        let results = gpu.buffer("results", bytes, Usage::MAP_READ | Usage::COPY_DST);
        gpu.check().map_err(|reason| GpuError::Build {
            adapter: gpu.adapter.to_string(),
            reason,
        })?;
        Ok(Self {
            model,
            gpu,
            steps,
            input,
            of_logit,
            logits,
            gradient,
            results,
            capacity,
            timeout: options.timeout,
        })
    }

    /// The adapter it runs on.
    #[must_use]
    pub const fn adapter(&self) -> &GpuAdapter {
        &self.gpu.adapter
    }

    /// For each beat of `input`, laid out as [`crate::model::Classifier::classify`] takes it, the
    /// gradient of `sum(of[beat][k] * logit[k])` with respect to every value; `gradients` is as long as
    /// `input`. Returns the logits.
    ///
    /// # Errors
    /// [`ClassifyError::InputLength`] where a slice is not so many beats long,
    /// [`ClassifyError::Engine`] where the device failed: the CPU can do the work.
    pub fn gradients(
        &mut self,
        input: &[f32],
        of: &[[f32; CLASS_COUNT]],
        gradients: &mut [f32],
    ) -> Result<Vec<[f32; CLASS_COUNT]>, ClassifyError> {
        let window = self.model.description().input.len();
        for found in [input.len(), gradients.len()] {
            if found == 0 || found != of.len() * window {
                return Err(ClassifyError::InputLength { found, window });
            }
        }
        let mut logits = vec![[0.0; CLASS_COUNT]; of.len()];
        let rows = self.capacity * window;
        let outputs = gradients
            .chunks_mut(rows)
            .zip(logits.chunks_mut(self.capacity));
        let inputs = input.chunks(rows).zip(of.chunks(self.capacity));
        for ((input, of), (gradients, logits)) in inputs.zip(outputs) {
            self.batch(input, of, gradients, logits)
                .map_err(|reason| ClassifyError::Engine {
                    engine: "gpu gradient".to_owned(),
                    reason,
                })?;
        }
        Ok(logits)
    }

    fn batch(
        &self,
        input: &[f32],
        of: &[[f32; CLASS_COUNT]],
        gradients: &mut [f32],
        logits: &mut [[f32; CLASS_COUNT]],
    ) -> Result<(), String> {
        let gpu = &self.gpu;
        gpu.check()?;
        gpu.queue
            .write_buffer(&self.input, 0, bytemuck::cast_slice(input));
        let of_logit = bytemuck::cast_slice(of.as_flattened());
        gpu.queue.write_buffer(&self.of_logit, 0, of_logit);
        let mut encoder = gpu
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for (pipeline, bindings, step) in &self.steps {
            let (x, y) = step.grid.workgroups(of.len());
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, bindings, &[]);
            pass.dispatch_workgroups(count(x), count(y), 1);
        }
        drop(pass);
        let split = size_of_val(input);
        let end = split + of.len() * CLASS_COUNT * F32;
        encoder.copy_buffer_to_buffer(&self.gradient, 0, &self.results, 0, split as u64);
        let (from, bytes) = (split as u64, (end - split) as u64);
        encoder.copy_buffer_to_buffer(&self.logits, 0, &self.results, from, bytes);
        gpu.queue.submit([encoder.finish()]);
        gpu.check()?;
        let mapping = Mapping::default();
        mapping.request(&self.results, wgpu::MapMode::Read, end as u64);
        gpu.wait(&mapping, self.timeout)?;
        let mapped = self
            .results
            .get_mapped_range(0..end as u64)
            .map_err(|error| gpu.fail(format!("gradients: {error}")))?;
        bytemuck::cast_slice_mut(gradients).copy_from_slice(&mapped[..split]);
        bytemuck::cast_slice_mut(logits.as_flattened_mut()).copy_from_slice(&mapped[split..end]);
        drop(mapped);
        self.results.unmap();
        gpu.check()
    }
}
