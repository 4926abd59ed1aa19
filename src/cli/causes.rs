//! Which exit code an error of the layers below ends a command with.

use std::fmt::Display;

use ads1292::Error as ChipError;
use arrhythmianet::ModelError;
use arrhythmianet::explain::ExplainError;
use ecg_chain::LabelError;
use ecg_evaluate::RecordError;
use ecg_signal::SignalError;
use wfdb_io::WfdbError;

use super::failure::{Cause, Failure};
use crate::acquisition::AcquisitionError;
use crate::acquisition::trace::TraceError;
use crate::api::{SocketError, TokensError};
use crate::config::ConfigError;
use crate::reprocess::BeatExplainError;
use crate::service::{GatewayError, PipelineError, SessionError};
use crate::store::{BackupError, StoreError};

/// An error that a command can end with.
pub(super) trait Ending: Display {
    /// What to blame.
    fn cause(&self) -> Cause;
}

impl<E: Ending> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.cause(), error)
    }
}

impl Ending for ConfigError {
    fn cause(&self) -> Cause {
        Cause::Configuration
    }
}

impl Ending for ModelError {
    fn cause(&self) -> Cause {
        Cause::Weights
    }
}

impl Ending for SignalError {
    fn cause(&self) -> Cause {
        Cause::Other
    }
}

impl Ending for WfdbError {
    fn cause(&self) -> Cause {
        Cause::Wfdb
    }
}

impl Ending for AcquisitionError {
    fn cause(&self) -> Cause {
        match self {
            Self::Trace { source, .. } => match source {
                TraceError::UnknownChip { .. } => Cause::OtherChip,
                TraceError::CutInHeader { .. } | TraceError::CutInSetUp { .. } => {
                    Cause::TraceTruncated
                }
                TraceError::Io(_) => Cause::Other,
                _ => Cause::TraceDamaged,
            },
            Self::Chip(error) if matches!(**error, ChipError::Id(_)) => Cause::UnknownId,
            Self::Device { .. } | Self::Bus(_) | Self::Chip(_) | Self::ChipSilent { .. } => {
                Cause::Device
            }
            Self::Wfdb(_) | Self::Signal { .. } => Cause::Wfdb,
            Self::SourceEnded => Cause::TraceTruncated,
            Self::Io { .. } => Cause::Other,
            Self::Stopped { .. } => Cause::Interrupted,
        }
    }
}

impl Ending for StoreError {
    fn cause(&self) -> Cause {
        match self {
            Self::Locked { .. } | Self::InUse { .. } | Self::WriterStopped { locked: true, .. } => {
                Cause::DatabaseLocked
            }
            _ => Cause::Database,
        }
    }
}

impl Ending for BackupError {
    fn cause(&self) -> Cause {
        match self {
            Self::Store(error) => error.cause(),
            Self::Exists { .. } | Self::SameFile { .. } => Cause::Usage,
            Self::Busy { .. } => Cause::DatabaseLocked,
            Self::NoRoom { .. } => Cause::Database,
            Self::NotWhole { .. } => Cause::Backup,
            Self::Stopped { .. } => Cause::Interrupted,
        }
    }
}

impl Ending for SocketError {
    fn cause(&self) -> Cause {
        match self {
            Self::InUse { .. } => Cause::SocketInUse,
            _ => Cause::Socket,
        }
    }
}

impl Ending for TokensError {
    fn cause(&self) -> Cause {
        match self {
            Self::Exists(_) | Self::Unknown(_) | Self::TooMany(_) | Self::TooManyAddresses(_) => {
                Cause::Usage
            }
            _ => Cause::Other,
        }
    }
}

impl Ending for GatewayError {
    fn cause(&self) -> Cause {
        match self {
            Self::Store(error) => error.cause(),
            Self::Socket(error) => error.cause(),
        }
    }
}

impl Ending for LabelError {
    fn cause(&self) -> Cause {
        match self {
            Self::Explain(_) => Cause::Usage,
            _ => Cause::Other,
        }
    }
}

impl Ending for PipelineError {
    fn cause(&self) -> Cause {
        match self {
            Self::Signal(error) => error.cause(),
            Self::Label(error) => error.cause(),
        }
    }
}

impl Ending for SessionError {
    fn cause(&self) -> Cause {
        match self {
            Self::Source(error) => error.cause(),
            Self::Label(error) => error.cause(),
            Self::Store(error) => error.cause(),
        }
    }
}

impl Ending for BeatExplainError {
    fn cause(&self) -> Cause {
        match self {
            Self::Store(error) => error.cause(),
            Self::Model { .. } => Cause::Weights,
            Self::Explain(_) => Cause::Usage,
            _ => Cause::Other,
        }
    }
}

impl Ending for RecordError {
    fn cause(&self) -> Cause {
        match self {
            Self::Stopped { .. } => Cause::Interrupted,
            Self::Share { .. }
            | Self::Explain(ExplainError::Layer { .. })
            | Self::NoBackground { .. } => Cause::Usage,
            Self::Wfdb(_)
            | Self::Missing { .. }
            | Self::Signal { .. }
            | Self::NoNoise { .. }
            | Self::NoBeats { .. } => Cause::Wfdb,
            // The engine, a rate, a beat that cannot be explained, and reasons that are yet to come.
            _ => Cause::Other,
        }
    }
}
