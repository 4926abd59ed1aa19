//! What can be wrong with a chain's configuration.

use thiserror::Error;

/// A configuration the chain cannot run with.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum SignalError {
    /// The sample rate is outside the supported range; resample or drop the recording.
    #[error("sample rate: found {found_hz} Hz, expected {minimum_hz} to {maximum_hz} Hz")]
    Rate {
        /// The rate asked for, Hz.
        found_hz: f64,
        /// The lowest supported rate, Hz.
        minimum_hz: u32,
        /// The highest supported rate, Hz.
        maximum_hz: u32,
    },
    /// The number of channels is not 1 or 2.
    #[error("channels: found {found}, expected 1 or 2")]
    ChannelCount {
        /// The number asked for.
        found: usize,
    },
    /// The chosen channel is not there.
    #[error("channel: found {number}, expected 1 to {channels}", number = found + 1)]
    Channel {
        /// The channel asked for, counted from 0.
        found: usize,
        /// The number of channels of the input.
        channels: usize,
    },
}
