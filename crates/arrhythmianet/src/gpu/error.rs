//! Why there is no GPU engine.

use thiserror::Error;

/// Why a GPU engine cannot be made. The CPU engine can do the work in every case.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GpuError {
    /// No adapter is as asked for. Asking for another backend or name, or allowing software
    /// adapters, may help; without a driver nothing does.
    #[error("gpu: no adapter for {wanted}; found {found}")]
    NoAdapter {
        /// What was asked for.
        wanted: String,
        /// The adapters there are.
        found: String,
    },
    /// The adapter refused to open: it offers less than the engine needs, or its driver failed.
    #[error("gpu: adapter {adapter}: {reason}")]
    Device {
        /// Name of the adapter.
        adapter: String,
        /// What it refused.
        reason: String,
    },
    /// The driver took no shader or buffer: a defect of the driver or of the engine.
    #[error("gpu: adapter {adapter} cannot run the network: {reason}")]
    Build {
        /// Name of the adapter.
        adapter: String,
        /// What was refused.
        reason: String,
    },
    /// The fused kernel was asked for and cannot run this network.
    #[error("gpu: network {network} does not fit the fused kernel: {reason}")]
    Unfit {
        /// Name of the network.
        network: String,
        /// What does not fit.
        reason: String,
    },
}
