//! ArrhythmiNet: description, weights, engines.

mod builtin;
pub mod choose;
mod class;
mod classifier;
mod cpu;
mod description;
mod error;
#[cfg(feature = "gpu")]
pub mod gpu;
mod input;
mod outcome;
#[cfg(test)]
pub(crate) mod parity_support;
mod reach;
#[cfg(test)]
pub(crate) mod test_support;
mod weights;
#[cfg(test)]
mod weights_tests;

pub use builtin::{DEFAULT_MODEL, builtin_models};
pub use class::{AamiClass, BeatClass, CLASS_COUNT};
pub use classifier::{Classifier, ClassifyError, Outputs, OutputsMut, Wanted};
pub use cpu::{CpuGradient, CpuIsa, CpuReference, CpuSimd, best_cpu_engine};
pub use description::{
    InputDescription, Layer, MAX_PARAMETERS, METADATA_KEY, NetworkDescription, Op, Part, PartKind,
    Shape, V1_MAX_PARAMETERS, V2_MAX_PARAMETERS,
};
pub use error::ModelError;
pub use input::{BeatInput, Decision, InputError, Normalisation};
pub use outcome::{Limits, Novelty, Rejection, Unclassifiable};
pub(crate) use weights::half_precision;
pub use weights::{Model, PartWeights};
