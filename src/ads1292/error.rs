//! What can go wrong between host and chip.

use super::config::ConfigError;
use super::frame::FrameError;
use super::registers::{IdError, Register};

/// An error of the driver; `E` is the SPI bus's own error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error<E: core::fmt::Debug> {
    /// The bus failed. Nothing is known of the chip's state: initialise again.
    #[error("SPI transfer failed: {0:?}")]
    Spi(E),
    /// A control pin could not be driven: a fault of the host's GPIO set-up.
    #[error("{pin} pin cannot be driven: {detail}")]
    Pin {
        /// `START` or `RESET`.
        pin: &'static str,
        /// The GPIO's own error.
        detail: String,
    },
    /// Another chip answers, or none. Check wiring and part.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A register does not hold what was just written: noise on the bus, SCLK too fast, or a chip
    /// that was reset meanwhile. Initialising again may help.
    #[error(
        "register {register} ({:#04x}): wrote {written:#04x}, read back {read:#04x}",
        register.address()
    )]
    ReadBack {
        /// The register.
        register: Register,
        /// What was written.
        written: u8,
        /// What was read.
        read: u8,
    },
    /// The set-up asks for what this part cannot do. Correct the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nine bytes that are no frame. This sample is lost; the next DRDY brings a fresh frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Too many bad frames in a row (this one included). Initialise again.
    #[error("{consecutive_bad} bad frames in a row, the chip must be set up anew; last: {last}")]
    SyncLost {
        /// Bad frames since the last good one.
        consecutive_bad: u32,
        /// What was wrong with the last.
        last: FrameError,
    },
    /// A command that needs a set-up chip came before [`super::Ads1292::initialise`].
    #[error("the chip is not initialised")]
    NotInitialised,
}
