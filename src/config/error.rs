//! What can be wrong with a configuration.

use std::io;

use thiserror::Error;

/// Why a configuration was refused. Correct the file and start again.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read, is too large, or is no UTF-8 text.
    #[error("{file}: cannot be read: {error}")]
    Read {
        /// The file.
        file: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// The file is no TOML.
    #[error("{file}:{line}: not TOML: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A key this program does not know.
    #[error("{file}:{line}: {key}: unknown key, expected one of {expected}")]
    UnknownKey {
        /// The file.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// The key with its section, e.g. `api.sockt_path`.
        key: String,
        /// The keys known at this place.
        expected: String,
    },
    /// A value this program cannot work with.
    #[error("{file}:{line}: {key}: found {found}, expected {expected}")]
    Value {
        /// The file.
        file: String,
        /// Line, counted from 1.
        line: usize,
        /// The key with its section, e.g. `acquisition.sample_rate_hz`.
        key: String,
        /// The value found.
        found: String,
        /// The values allowed.
        expected: String,
    },
}
