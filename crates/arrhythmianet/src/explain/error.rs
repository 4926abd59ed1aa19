//! Why a beat was not explained.

use crate::ClassifyError;

/// Why a beat was not explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The network has not what the method reads.
    #[error("method {method}: model {model} has {found}, expected {expected}")]
    Layer {
        /// The method's name.
        method: &'static str,
        /// The model's name.
        model: String,
        /// What it has instead.
        found: String,
        /// What the method needs.
        expected: String,
    },
    /// The input is not one beat of this network.
    #[error(transparent)]
    Input(#[from] ClassifyError),
}
