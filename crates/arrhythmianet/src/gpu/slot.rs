//! The buffers of one batch in flight.

use std::time::{Duration, Instant};

use super::clock::{Clock, TIMESTAMP_BYTES};
use super::device::{Gpu, Mapping};
use super::program::{BatchBuffers, Bindings, Program};
use crate::{CLASS_COUNT, Wanted};

/// Values per beat of what goes in and comes out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) window: usize,
    /// Feature maps.
    pub(super) channels: usize,
    /// Values that come out where their means are wanted: as many, or the maps.
    pub(super) pooled: usize,
    /// Values of the feature maps.
    pub(super) maps: usize,
}

impl Extent {
    const fn fetched(&self, wanted: Wanted) -> usize {
        match wanted {
            Wanted::Logits => 0,
            Wanted::Pooled => self.pooled,
            Wanted::Maps => self.maps,
        }
    }
}

const F32: usize = size_of::<f32>();
const LOGITS_BYTES: usize = CLASS_COUNT * F32;

/// Upload and read-back buffers, the buffers on the device between them, and their bindings.
#[derive(Debug)]
pub(super) struct Slot {
    extent: Extent,
    capacity: usize,
    upload: wgpu::Buffer,
    upload_mapping: Mapping,
    results: wgpu::Buffer,
    results_mapping: Mapping,
    buffers: BatchBuffers,
    /// For each of [`Wanted`].
    bindings: [Bindings; 3],
    clock: Option<Clock>,
    flight: Option<Flight>,
}

/// A batch in flight.
#[derive(Debug, Clone, Copy)]
struct Flight {
    beats: usize,
    wanted: Wanted,
    submitted: Instant,
}

/// Results of a batch while they are mapped.
pub(super) struct Results<'a> {
    pub(super) beats: usize,
    logits: &'a [u8],
    /// Feature maps or their means.
    maps: &'a [u8],
    channels: usize,
    pub(super) waited: Duration,
    pub(super) in_flight: Duration,
    pub(super) device: Option<Duration>,
}

impl Results<'_> {
    /// Copies the logits; `out` is as long as the batch.
    pub(super) fn logits(&self, out: &mut [[f32; CLASS_COUNT]]) {
        copy(self.logits, out.as_flattened_mut());
    }

    /// Copies the feature maps, where they were asked for.
    pub(super) fn maps(&self, out: &mut [f32]) {
        copy(self.maps, out);
    }

    /// Writes the means of the feature maps over time, where either was asked for.
    pub(super) fn pooled(&self, out: &mut [f32]) {
        let time = self.maps.len() / F32 / self.beats.max(1) / self.channels.max(1);
        let rows = self.maps.chunks_exact((time * F32).max(F32));
        for (mean, row) in out.iter_mut().zip(rows) {
            let (values, _) = row.as_chunks::<F32>();
            *mean = values.iter().copied().map(f32::from_le_bytes).sum::<f32>() / time as f32;
        }
    }
}

fn copy(from: &[u8], to: &mut [f32]) {
    let to: &mut [u8] = bytemuck::cast_slice_mut(to);
    let length = from.len().min(to.len());
    to[..length].copy_from_slice(&from[..length]);
}

/// Bytes in the results buffer: time stamps, logits, feature maps.
#[derive(Debug, Clone, Copy)]
struct Offsets {
    maps: usize,
    end: usize,
}

impl Slot {
    pub(super) fn new(gpu: &Gpu, program: &Program, extent: Extent, capacity: usize) -> Self {
        use wgpu::BufferUsages as Usage;
        let upload_bytes = capacity * extent.window * F32;
        let upload = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("upload"),
            size: upload_bytes as u64,
            usage: Usage::MAP_WRITE | Usage::COPY_SRC,
            mapped_at_creation: true,
        });
        let output = Usage::STORAGE | Usage::COPY_SRC;
        let buffers = BatchBuffers {
            windows: gpu.buffer("windows", upload_bytes, Usage::STORAGE | Usage::COPY_DST),
            logits: gpu.buffer("logits", capacity * LOGITS_BYTES, output),
            maps: gpu.buffer("feature maps", capacity * extent.maps * F32, output),
        };
        let clock = gpu.timestamps.then(|| Clock::new(gpu));
        let bindings = [Wanted::Logits, Wanted::Pooled, Wanted::Maps]
            .map(|wanted| program.bind(gpu, &buffers, wanted));
        let mut slot = Self {
            extent,
            capacity,
            upload,
            upload_mapping: Mapping::done(),
            results_mapping: Mapping::default(),
            results: gpu.buffer("results", F32, Usage::MAP_READ | Usage::COPY_DST),
            buffers,
            bindings,
            clock,
            flight: None,
        };
        let end = slot.offsets(capacity, Wanted::Maps).end;
        slot.results = gpu.buffer("results", end, Usage::MAP_READ | Usage::COPY_DST);
        slot
    }

    /// Offsets are multiples of 4, as copies want them.
    fn offsets(&self, beats: usize, wanted: Wanted) -> Offsets {
        let maps = TIMESTAMP_BYTES + beats * LOGITS_BYTES;
        Offsets {
            maps,
            end: maps + beats * self.extent.fetched(wanted) * F32,
        }
    }

    /// Sends a batch of at most the slot's capacity: one command buffer with upload, dispatches and
    /// read-back.
    pub(super) fn submit(
        &mut self,
        gpu: &Gpu,
        program: &Program,
        input: &[f32],
        wanted: Wanted,
        timeout: Duration,
    ) -> Result<(), String> {
        gpu.check()?;
        let beats = (input.len() / self.extent.window).min(self.capacity);
        let bytes = (beats * self.extent.window * F32) as u64;
        gpu.wait(&self.upload_mapping, timeout)?;
        self.upload
            .get_mapped_range_mut(0..bytes)
            .map_err(|error| gpu.fail(format!("upload: {error}")))?
            .copy_from_slice(bytemuck::cast_slice(input));
        self.upload.unmap();

        let offsets = self.offsets(beats, wanted);
        let buffers = &self.buffers;
        let mut encoder = gpu
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(&self.upload, 0, &buffers.windows, 0, bytes);
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: None,
                timestamp_writes: self.clock.as_ref().map(Clock::writes),
            });
            let steps = program.dispatches();
            program.encode(steps, &mut pass, &self.bindings[wanted as usize], beats);
        }
        if let Some(clock) = &self.clock {
            encoder.resolve_query_set(&clock.queries, 0..2, &clock.resolved, 0);
            encoder.copy_buffer_to_buffer(
                &clock.resolved,
                0,
                &self.results,
                0,
                TIMESTAMP_BYTES as u64,
            );
        }
        let mut fetch = |from: &wgpu::Buffer, start: usize, end: usize| {
            encoder.copy_buffer_to_buffer(
                from,
                0,
                &self.results,
                start as u64,
                (end - start) as u64,
            );
        };
        fetch(&buffers.logits, TIMESTAMP_BYTES, offsets.maps);
        if offsets.end > offsets.maps {
            fetch(&buffers.maps, offsets.maps, offsets.end);
        }
        gpu.queue.submit([encoder.finish()]);
        gpu.check()?;
        self.flight = Some(Flight {
            beats,
            wanted,
            submitted: Instant::now(),
        });
        self.upload_mapping
            .request(&self.upload, wgpu::MapMode::Write, self.upload.size());
        self.results_mapping
            .request(&self.results, wgpu::MapMode::Read, offsets.end as u64);
        gpu.check()
    }

    /// Waits for the batch and hands its results to `take`; `None` where none is in flight.
    pub(super) fn collect<T>(
        &mut self,
        gpu: &Gpu,
        timeout: Duration,
        take: impl FnOnce(&Results<'_>) -> T,
    ) -> Result<Option<T>, String> {
        let Some(flight) = self.flight.take() else {
            return Ok(None);
        };
        let started = Instant::now();
        gpu.wait(&self.results_mapping, timeout)?;
        let waited = started.elapsed();
        let offsets = self.offsets(flight.beats, flight.wanted);
        let mapped = self
            .results
            .get_mapped_range(0..offsets.end as u64)
            .map_err(|error| gpu.fail(format!("results: {error}")))?;
        let taken = take(&Results {
            beats: flight.beats,
            logits: &mapped[TIMESTAMP_BYTES..offsets.maps],
            maps: &mapped[offsets.maps..offsets.end],
            channels: self.extent.channels,
            waited,
            in_flight: flight.submitted.elapsed(),
            device: self.clock.as_ref().and_then(|clock| clock.read(&mapped)),
        });
        drop(mapped);
        self.results.unmap();
        Ok(Some(taken))
    }
}

#[cfg(test)]
impl Slot {
    /// What the last of the first `steps` steps wrote, `values` of it.
    pub(super) fn output_after(
        &self,
        gpu: &Gpu,
        program: &Program,
        steps: usize,
        input: &[f32],
        beats: usize,
        values: usize,
    ) -> Result<Vec<f32>, String> {
        use wgpu::BufferUsages as Usage;
        let bytes = (values * F32) as u64;
        gpu.queue
            .write_buffer(&self.buffers.windows, 0, bytemuck::cast_slice(input));
        let read = gpu.buffer("observed", values * F32, Usage::MAP_READ | Usage::COPY_DST);
        let mut encoder = gpu
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        program.encode(
            steps,
            &mut pass,
            &self.bindings[Wanted::Maps as usize],
            beats,
        );
        drop(pass);
        let output = program.output(steps - 1, &self.buffers).ok_or("no step")?;
        encoder.copy_buffer_to_buffer(output, 0, &read, 0, bytes);
        gpu.queue.submit([encoder.finish()]);
        let mapping = Mapping::default();
        mapping.request(&read, wgpu::MapMode::Read, bytes);
        gpu.wait(&mapping, Duration::from_secs(60))?;
        let mapped = read
            .get_mapped_range(0..bytes)
            .map_err(|error| error.to_string())?;
        let mut found = vec![0.0; values];
        copy(&mapped, &mut found);
        Ok(found)
    }
}
