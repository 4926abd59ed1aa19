//! What can stop an acquisition.

use std::convert::Infallible;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use ads1292::Error as ChipError;
use linux_embedded_hal::SPIError;
use wfdb_io::WfdbError;

use super::trace::TraceError;

/// Why samples stopped coming.
#[derive(Debug, thiserror::Error)]
pub enum AcquisitionError {
    /// A device node or GPIO line cannot be used: check path, line number, permissions and whether
    /// somebody else holds it.
    #[error("{device}: {problem}")]
    Device {
        /// The node, and the line where it is one.
        device: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The SPI bus failed.
    #[error("SPI transfer failed: {0}")]
    Bus(String),
    /// The chip is not the one expected, or does not do what it is told.
    #[error(transparent)]
    Chip(Box<ChipError<Self>>),
    /// The chip was set up again and again and never sent a good frame.
    #[error("no good frame after setting up the chip {restarts} times; last: {last}")]
    ChipSilent {
        /// How often it was set up.
        restarts: u32,
        /// What was wrong the last time.
        last: String,
    },
    /// A trace cannot be read or written.
    #[error("{path}: {source}")]
    Trace {
        /// The trace.
        path: PathBuf,
        /// What is wrong with it.
        source: TraceError,
    },
    /// A WFDB record cannot be read.
    #[error(transparent)]
    Wfdb(#[from] WfdbError),
    /// A record cannot be fed to the chip.
    #[error("{path}: {problem}")]
    Signal {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that goes with a trace cannot be written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The caller asked to stop before the trace was whole; it was not written.
    #[error("{path}: stopped after {samples} samples, not written")]
    Stopped {
        /// The trace that was to be written.
        path: PathBuf,
        /// Samples acquired so far.
        samples: u64,
    },
    /// The source has no more to give; [`super::FrameSource::next`] turns this into `None`.
    #[error("the source has ended")]
    SourceEnded,
}

impl AcquisitionError {
    /// What is wrong with a device.
    pub(super) fn device(device: impl Display, problem: impl Display) -> Self {
        Self::Device {
            device: device.to_string(),
            problem: problem.to_string(),
        }
    }

    /// What is wrong with the trace at `path`.
    pub(super) fn trace<E: Into<TraceError>>(path: &Path) -> impl FnOnce(E) -> Self {
        |source| Self::Trace {
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// Why the file at `path` cannot be written.
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<ChipError<Self>> for AcquisitionError {
    /// A driver error, the bus's own error taken out of it.
    fn from(error: ChipError<Self>) -> Self {
        match error {
            ChipError::Spi(bus) => bus,
            other => Self::Chip(Box::new(other)),
        }
    }
}

impl embedded_hal::spi::Error for AcquisitionError {
    fn kind(&self) -> embedded_hal::spi::ErrorKind {
        embedded_hal::spi::ErrorKind::Other
    }
}

impl From<Infallible> for AcquisitionError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<SPIError> for AcquisitionError {
    fn from(error: SPIError) -> Self {
        Self::Bus(error.to_string())
    }
}
