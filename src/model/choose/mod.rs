//! Which engine classifies: the CPU, or a device that is faster and may be lost.
//!
//! [`Engines`] holds the CPU engine, which always works, and at most one [`Accelerator`] (the GPU).
//! Both are checked against known answers and measured on the real weights; for a batch of any size
//! the faster one is taken. Whatever goes wrong with the accelerator, the batch is classified on the
//! CPU in the same call, so that no beat is lost or late by more than the time-out, and the device
//! is opened anew later, on another thread.

mod calibration;
mod chosen;
mod cpu;
mod engines;
mod exam;
#[cfg(feature = "gpu")]
mod gpu;
mod notice;
mod report;
mod second;
mod shared;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;

use super::classifier::Classifier;
use super::weights::Model;

pub use calibration::Figures;
pub use engines::{ChooseError, ChooseOptions, EngineChoice, Engines};
pub use exam::ExamError;
#[cfg(feature = "gpu")]
pub use gpu::Gpus;
pub use notice::{EngineNotice, LossCause};
pub use report::{AdapterReport, CandidateState, EngineCandidate, EngineReport};

/// An engine on a device that may go away.
pub trait Accelerator: Classifier {
    /// The device.
    fn adapter(&self) -> AdapterReport;

    /// Takes the device away with a batch in flight, as a driver does that resets it: for
    /// demonstrations of what happens then. The next call of `classify` fails.
    fn lose(&mut self, input: &[f32]);
}

/// Where accelerators come from.
pub trait AcceleratorSource: Send + Sync {
    /// An engine for `model` and batches of `max_batch` windows on a device opened anew. Called on
    /// a thread of its own, where it may take seconds, or hang.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn make(
        &self,
        model: Arc<Model>,
        max_batch: usize,
    ) -> Result<Box<dyn Accelerator>, Unavailable>;
}

/// Why there is no accelerator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// What is missing or failed.
    pub reason: String,
    /// Whether there is no device at all, so that trying again is of no use.
    pub no_device: bool,
    /// Devices that are there and were not taken.
    pub others: Vec<AdapterReport>,
}
