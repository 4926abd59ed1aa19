//! Engines on the CPU.

#[cfg(test)]
mod golden_tests;
mod kernels;
#[cfg(test)]
mod parity_tests;
mod reference;
mod rounding;
mod simd;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::classifier::Classifier;
use super::model::Model;

pub use reference::CpuReference;
pub use simd::{CpuGradient, CpuIsa, CpuSimd};

/// The fastest CPU engine of this processor, for batches up to `max_batch` windows (0 counts
/// as 1).
#[must_use]
pub fn best_cpu_engine(model: Arc<Model>, max_batch: usize) -> Box<dyn Classifier> {
    Box::new(CpuSimd::new(model, max_batch))
}
