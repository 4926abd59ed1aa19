//! Time stamps of the device around a batch.

use std::time::Duration;

use super::device::Gpu;

/// Bytes of two time stamps, at the start of the results.
pub(super) const TIMESTAMP_BYTES: usize = 16;

/// Measures the time of the dispatches on the device.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) queries: wgpu::QuerySet,
    pub(super) resolved: wgpu::Buffer,
    ns_per_tick: f32,
}

impl Clock {
    pub(super) fn new(gpu: &Gpu) -> Self {
        use wgpu::BufferUsages as Usage;
        Self {
            queries: gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: gpu.buffer(
                "time stamps",
                TIMESTAMP_BYTES,
                Usage::QUERY_RESOLVE | Usage::COPY_SRC,
            ),
            ns_per_tick: gpu.queue.get_timestamp_period(),
        }
    }

    pub(super) const fn writes(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    pub(super) fn read(&self, results: &[u8]) -> Option<Duration> {
        let (ticks, _) = results.as_chunks::<8>();
        let [start, end] = *ticks.first_chunk::<2>()?;
        let ticks = u64::from_le_bytes(end).saturating_sub(u64::from_le_bytes(start));
        Some(Duration::from_secs_f64(
            ticks as f64 * f64::from(self.ns_per_tick) * 1e-9,
        ))
    }
}
