//! What a network looks like: the typed form of the description in a weights file's metadata.

mod json;
mod layer;
mod network;
mod parse;
#[cfg(test)]
mod tests;

pub use layer::{Layer, Op, Part, PartKind, Shape};
pub use network::{
    ActivationRange, InputDescription, MAX_PARAMETERS, NetworkDescription, V1_MAX_PARAMETERS,
    V2_MAX_PARAMETERS,
};
pub use parse::METADATA_KEY;
