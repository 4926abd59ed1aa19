//! Which engine classifies: the CPU, or a device that is faster and may be lost.
//!
//! [`Engines`] holds the CPU engine, which always works, and a slot for one [`Accelerator`] (the GPU).
//! Both go through a self-test and are measured on the real weights; for a batch of any size the faster
//! one is taken. Whatever goes wrong with the accelerator, the batch is classified on the CPU in the
//! same call, so that no beat is lost or late by more than the time-out, and the device is opened anew
//! later, on another thread.
//!
//! | file | holds |
//! | --- | --- |
//! | `accelerator` | an engine on a thread of its own |
//! | `slot` | the state machine: started, in use, lost, tried again |
//! | `session` | one session's engine: which batch goes where, what is checked |
//! | `faulty` | a decorator: a session's accelerator, lost on purpose |
//! | `engines` | what is chosen at the start |

mod accelerator;
mod engines;
mod faulty;
#[cfg(feature = "gpu")]
mod gpu;
mod options;
mod report;
mod self_test;
mod session;
mod slot;
#[cfg(test)]
mod tests;

pub use accelerator::{Accelerator, AcceleratorSource, Unavailable};
pub use engines::{ChooseError, Engines};
pub use faulty::DeviceFault;
#[cfg(feature = "gpu")]
pub use gpu::Gpus;
pub use options::{ChooseOptions, EngineChoice};
pub use report::{
    AdapterReport, CandidateState, EngineCandidate, EngineNotice, EngineReport, Figures, LossCause,
};
pub use self_test::SelfTestError;
pub use session::SessionEngine;
