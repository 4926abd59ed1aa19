//! What can be wrong with a model file.

use std::io;

use thiserror::Error;

/// Why a model was refused. Every message starts with the file (or the source name the caller
/// gave) and names the field or tensor, what was found and what was expected. None is worth a
/// retry: the file has to be replaced.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file cannot be read.
    #[error("{file}: cannot be read: {error}")]
    Read {
        /// The file.
        file: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// No model of this name is built in or in the folders of models, and it is no path either.
    #[error(
        "model {found:?} is not built in and not in {searched}, expected one of {expected} or the \
         path of a file"
    )]
    UnknownName {
        /// The name asked for.
        found: String,
        /// The built-in names.
        expected: String,
        /// The files that would have been loaded.
        searched: String,
    },
    /// The bytes are no safetensors file: truncated, or something else altogether.
    #[error("{file}: not a complete safetensors file: {error}")]
    Container {
        /// The file.
        file: String,
        /// What the container reader said.
        error: String,
    },
    /// The description is no JSON.
    #[error("{file}: metadata key ecg_gateway is not JSON: {error}")]
    Json {
        /// The file.
        file: String,
        /// What the JSON reader said.
        error: String,
    },
    /// A field of the description is missing.
    #[error("{file}: {field}: missing, expected {expected}")]
    FieldMissing {
        /// The file.
        file: String,
        /// Path of the field, e.g. `layers[3].kernel`.
        field: String,
        /// What should be there.
        expected: String,
    },
    /// The description has a field this program does not know.
    #[error("{file}: {field}: unknown field, expected only {expected}")]
    FieldUnknown {
        /// The file.
        file: String,
        /// Path of the field.
        field: String,
        /// The fields known at this place.
        expected: String,
    },
    /// A field of the description has an impossible value.
    #[error("{file}: {field}: found {found}, expected {expected}")]
    Field {
        /// The file.
        file: String,
        /// Path of the field.
        field: String,
        /// The value found.
        found: String,
        /// The values allowed.
        expected: String,
    },
    /// A tensor that the description asks for is not in the file.
    #[error("{file}: tensor {tensor}: missing, expected float32 of shape {expected:?}")]
    TensorMissing {
        /// The file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// The file holds a tensor that the description does not ask for.
    #[error("{file}: tensor {tensor}: not part of the described network")]
    TensorUnexpected {
        /// The file.
        file: String,
        /// Name of the tensor.
        tensor: String,
    },
    /// A tensor is not float32.
    #[error("{file}: tensor {tensor}: found element type {found}, expected F32")]
    TensorType {
        /// The file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// The element type found.
        found: String,
    },
    /// A tensor has another shape than the description asks for.
    #[error("{file}: tensor {tensor}: found shape {found:?}, expected {expected:?}")]
    TensorShape {
        /// The file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// The shape found.
        found: Vec<usize>,
        /// The shape the description asks for.
        expected: Vec<usize>,
    },
    /// Weights are so large that a float32 cannot hold the sums of them.
    #[error(
        "{file}: tensor {tensor}: sums with it can reach {reach:.1e}, expected at most {max:.1e}, the \
         largest float32",
        max = f32::MAX
    )]
    Overflow {
        /// The file.
        file: String,
        /// Name of the first such tensor.
        tensor: String,
        /// The largest magnitude that a sum with it can reach.
        reach: f64,
    },
    /// A value of a tensor is none the network can use.
    #[error("{file}: tensor {tensor}: found {found} at element {index}, expected {expected}")]
    TensorValue {
        /// The file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// Index of the first such element.
        index: usize,
        /// Its value.
        found: f32,
        /// The values allowed.
        expected: &'static str,
    },
}
