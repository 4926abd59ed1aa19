//! Batches in flight on a device, first in, first out.

use std::time::Duration;

use super::adapter::GpuDeviceType;
use super::device::Gpu;
use super::error::GpuError;
use super::limits::{MAX_BINDING_BYTES, MAX_WORKGROUPS};
use super::options::{GpuKernels, GpuOptions};
use super::program::{Program, plan};
use super::slot::{Extent, Results, Slot};
use crate::{Model, NetworkDescription, Op, Wanted};

/// Batches in flight at once: while one is computed, the next is uploaded and the one before is
/// read back.
pub(super) const SLOTS: usize = 3;

/// How long the first dispatch may take, compilation included.
const FIRST_TIMEOUT: Duration = Duration::from_secs(120);

/// A network on a device with its batches in flight.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) gpu: Gpu,
    pub(super) program: Program,
    pub(super) kernels: GpuKernels,
    slots: [Slot; SLOTS],
    /// Slot of the oldest batch in flight.
    oldest: usize,
    pub(super) in_flight: usize,
    /// Most windows of one command buffer.
    pub(super) capacity: usize,
    timeout: Duration,
}

impl Runner {
    /// Prepares `model`; `observe`: see [`super::fused::plan`].
    pub(super) fn new(
        model: &Model,
        observe: bool,
        options: &GpuOptions,
    ) -> Result<Self, GpuError> {
        let network = model.description();
        let maps = if observe {
            let until_pool = network
                .layers
                .iter()
                .take_while(|layer| layer.op != Op::Pool);
            until_pool.map(|layer| layer.output.len()).sum()
        } else {
            network.feature_maps().len()
        };
        let gpu = Gpu::open(options)?;
        let card = gpu.adapter.device_type == GpuDeviceType::Discrete;
        let capacity = capacity(options, card, network);
        let plan = plan(model, options.kernels, observe, capacity)?;
        let kernels = plan.kernels;
        let channels = network.feature_maps().channels;
        let extent = Extent {
            window: network.input.len(),
            channels,
            // Layer by layer the maps are in a buffer anyway.
            pooled: match kernels {
                GpuKernels::Fused => channels,
                GpuKernels::Layered => maps,
            },
            maps,
        };
        let program = Program::new(&gpu, plan, capacity);
        let slots = std::array::from_fn(|_| Slot::new(&gpu, &program, extent, capacity));
        gpu.check().map_err(|reason| GpuError::Build {
            adapter: gpu.adapter.to_string(),
            reason,
        })?;
        let mut runner = Self {
            gpu,
            program,
            kernels,
            slots,
            oldest: 0,
            in_flight: 0,
            capacity,
            timeout: FIRST_TIMEOUT,
        };
        runner
            .warm_up(extent.window)
            .map_err(|reason| GpuError::Build {
                adapter: runner.gpu.adapter.to_string(),
                reason,
            })?;
        runner.timeout = options.timeout;
        Ok(runner)
    }

    /// One window through the network: some drivers compile at the first dispatch.
    fn warm_up(&mut self, window: usize) -> Result<(), String> {
        self.submit(&vec![0.0; window], Wanted::Maps)?;
        self.collect(|_| ())?;
        Ok(())
    }

    /// Sends a batch of at most [`Runner::capacity`] windows; `false` where all slots are taken.
    pub(super) fn submit(&mut self, input: &[f32], wanted: Wanted) -> Result<bool, String> {
        if self.in_flight == SLOTS {
            return Ok(false);
        }
        let slot = &mut self.slots[(self.oldest + self.in_flight) % SLOTS];
        slot.submit(&self.gpu, &self.program, input, wanted, self.timeout)?;
        self.in_flight += 1;
        Ok(true)
    }

    /// Waits for the oldest batch; `None` where none is in flight.
    pub(super) fn collect<T>(
        &mut self,
        take: impl FnOnce(&Results<'_>) -> T,
    ) -> Result<Option<T>, String> {
        if self.in_flight == 0 {
            return Ok(None);
        }
        let slot = &mut self.slots[self.oldest];
        self.oldest = (self.oldest + 1) % SLOTS;
        self.in_flight -= 1;
        slot.collect(&self.gpu, self.timeout, take)
    }
}

#[cfg(test)]
impl Runner {
    /// Output of the layer that ends with step `steps`, `values` of it.
    pub(super) fn output_after(
        &mut self,
        steps: usize,
        input: &[f32],
        beats: usize,
        values: usize,
    ) -> Result<Vec<f32>, String> {
        let [slot, ..] = &self.slots;
        slot.output_after(&self.gpu, &self.program, steps, input, beats, values)
    }
}

/// Windows of one command buffer: as asked for, as far as buffers and grids go.
fn capacity(options: &GpuOptions, card: bool, network: &NetworkDescription) -> usize {
    let longest = network.parts().map(|part| part.output.time).max();
    let by_memory = MAX_BINDING_BYTES / (4 * network.largest_activation().max(1));
    // A workgroup per beat, or one per 64 samples of an activation.
    let by_grid = MAX_WORKGROUPS * 64 / longest.unwrap_or(1).max(64);
    options
        .max_batch
        .min(options.chunk.unwrap_or(if card {
            GpuOptions::CARD_CHUNK
        } else {
            GpuOptions::CHUNK
        }))
        .clamp(1, by_memory.min(by_grid).max(1))
}
