//! The daemon's configuration: TOML in, checked plain values out.
//!
//! Every key has a default, is documented in the shipped `ecg-gateway.example.toml`, and carries
//! its unit in its name. A key this program does not know is refused, and so is a value it cannot
//! work with; the error names file, line, key, what was found and what is allowed.

mod error;
mod read;
mod section;
mod settings;
#[cfg(test)]
mod tests;
mod together;

use std::path::Path;

pub use error::ConfigError;
pub use settings::{
    AcquisitionConfig, Config, DeviceConfig, ModelConfig, SignalConfig, StoreConfig, WebConfig,
};

/// Largest configuration file that is read: a hundred times the example with all its comments. A
/// parser takes many times the size of its text in memory.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

impl Config {
    /// Reads a configuration file of at most [`MAX_FILE_BYTES`]. Missing keys keep their defaults.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        match ecg_files::read_text(path, MAX_FILE_BYTES) {
            Ok(text) => Self::from_str(&name, &text),
            Err(error) => Err(ConfigError::Read { file: name, error }),
        }
    }

    /// Reads a configuration from text; `name` is the file name that errors give.
    ///
    /// # Errors
    /// See [`ConfigError`]; never [`ConfigError::Read`].
    pub fn from_str(name: &str, text: &str) -> Result<Self, ConfigError> {
        read::read(name, text)
    }
}
