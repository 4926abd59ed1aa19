//! A compiled network.

use super::device::Gpu;
use super::error::GpuError;
use super::options::GpuKernels;
use super::plan::{ACTIVATIONS, Place, Plan, Step};
use super::{fused, layered};
use crate::{Model, Wanted};

/// Cuts `model` into dispatches; the output of the last layer before the pooling goes to the
/// feature maps. Buffers have room for `capacity` beats. `observe`: see [`fused::plan`].
pub(super) fn plan(
    model: &Model,
    kernels: Option<GpuKernels>,
    observe: bool,
    capacity: usize,
) -> Result<Plan, GpuError> {
    if kernels == Some(GpuKernels::Layered) {
        return Ok(layered::plan(model, capacity));
    }
    match (fused::plan(model, observe), kernels) {
        (Ok(plan), _) => Ok(plan),
        (Err(_), None) => Ok(layered::plan(model, capacity)),
        (Err(reason), Some(_)) => Err(GpuError::Unfit {
            network: model.description().name.clone(),
            reason,
        }),
    }
}

/// A compiled network.
#[derive(Debug)]
pub(super) struct Program {
    steps: Vec<(wgpu::ComputePipeline, Step)>,
    weights: wgpu::Buffer,
    activations: Vec<wgpu::Buffer>,
    /// Contents of `Request` for each of [`Wanted`].
    requests: [wgpu::Buffer; 3],
}

/// The buffers of one batch in flight.
#[derive(Debug)]
pub(super) struct BatchBuffers {
    pub(super) windows: wgpu::Buffer,
    pub(super) logits: wgpu::Buffer,
    pub(super) maps: wgpu::Buffer,
}

/// The bindings of each step.
#[derive(Debug)]
pub(super) struct Bindings(Vec<wgpu::BindGroup>);

impl Program {
    pub(super) fn new(gpu: &Gpu, plan: Plan, capacity: usize) -> Self {
        let storage = wgpu::BufferUsages::STORAGE;
        let activations = if plan.activation == 0 { 0 } else { ACTIVATIONS };
        Self {
            weights: gpu.constant("weights", bytemuck::cast_slice(&plan.weights), storage),
            activations: (0..activations)
                .map(|_| {
                    let bytes = plan.activation * capacity * 4;
                    gpu.buffer("activations", bytes, storage | wgpu::BufferUsages::COPY_SRC)
                })
                .collect(),
            requests: [0_u32, 1, 2].map(|wanted| {
                gpu.constant(
                    "request",
                    bytemuck::cast_slice(&[wanted, 0, 0, 0]),
                    wgpu::BufferUsages::UNIFORM,
                )
            }),
            steps: plan
                .steps
                .into_iter()
                .map(|step| {
                    let pipeline = gpu.pipeline(&step.label, &step.source, &step.constants);
                    (pipeline, step)
                })
                .collect(),
        }
    }

    /// Dispatches of a batch.
    pub(super) const fn dispatches(&self) -> usize {
        self.steps.len()
    }

    /// Binds the buffers of a batch of which something is wanted.
    pub(super) fn bind(&self, gpu: &Gpu, batch: &BatchBuffers, wanted: Wanted) -> Bindings {
        let groups = self.steps.iter().map(|(pipeline, step)| {
            let buffers: Vec<_> = step
                .buffers
                .iter()
                .filter_map(|&(binding, place)| Some((binding, self.buffer(place, batch, wanted)?)))
                .collect();
            gpu.bind(pipeline, &buffers)
        });
        Bindings(groups.collect())
    }

    fn buffer<'a>(
        &'a self,
        place: Place,
        batch: &'a BatchBuffers,
        wanted: Wanted,
    ) -> Option<&'a wgpu::Buffer> {
        match place {
            Place::Windows => Some(&batch.windows),
            Place::Weights => Some(&self.weights),
            Place::Activation(number) => self.activations.get(number),
            Place::Maps => Some(&batch.maps),
            Place::Logits => Some(&batch.logits),
            Place::Request => self.requests.get(wanted as usize),
        }
    }

    /// The buffer that step `number` writes.
    #[cfg(test)]
    pub(super) fn output<'a>(
        &'a self,
        number: usize,
        batch: &'a BatchBuffers,
    ) -> Option<&'a wgpu::Buffer> {
        let (_, step) = self.steps.get(number)?;
        let (_, place) = step.buffers.iter().find(|(binding, _)| *binding == 2)?;
        self.buffer(*place, batch, Wanted::Maps)
    }

    /// Writes the first `steps` dispatches for `beats` beats.
    pub(super) fn encode(
        &self,
        steps: usize,
        pass: &mut wgpu::ComputePass<'_>,
        bindings: &Bindings,
        beats: usize,
    ) {
        for ((pipeline, step), group) in self.steps.iter().zip(&bindings.0).take(steps) {
            let (x, y) = step.grid.workgroups(beats);
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(count(x), count(y), 1);
        }
    }
}

/// Counts of workgroups stay below 65,536 (see [`super::limits`]).
fn count(workgroups: usize) -> u32 {
    u32::try_from(workgroups).unwrap_or(u32::MAX)
}
