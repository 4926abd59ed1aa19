//! What can go wrong between host and chip.

use core::fmt::{self, Write};

use super::config::ConfigError;
use super::frame::FrameError;
use super::registers::{IdError, Register};

/// An error of the driver; `E` is the SPI bus's own error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<E: fmt::Debug> {
    /// The bus failed. Nothing is known of the chip's state: initialise again.
    Spi(E),
    /// A control pin could not be driven: a fault of the host's GPIO set-up.
    Pin {
        /// `START` or `RESET`.
        pin: &'static str,
        /// The GPIO's own error.
        detail: Detail,
    },
    /// Another chip answers, or none. Check wiring and part.
    Id(IdError),
    /// A register does not hold what was just written: noise on the bus, SCLK too fast, or a chip
    /// that was reset meanwhile. Initialising again may help.
    ReadBack {
        /// The register.
        register: Register,
        /// What was written.
        written: u8,
        /// What was read.
        read: u8,
    },
    /// The set-up asks for what this part cannot do. Correct the configuration.
    Config(ConfigError),
    /// Nine bytes that are no frame. This sample is lost; the next DRDY brings a fresh frame.
    Frame(FrameError),
    /// Too many bad frames in a row (this one included). Initialise again.
    SyncLost {
        /// Bad frames since the last good one.
        consecutive_bad: u32,
        /// What was wrong with the last.
        last: FrameError,
    },
    /// A command that needs a set-up chip came before [`super::Ads1292::initialise`].
    NotInitialised,
}

impl<E: fmt::Debug> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spi(error) => write!(f, "SPI transfer failed: {error:?}"),
            Self::Pin { pin, detail } => write!(f, "{pin} pin cannot be driven: {detail}"),
            Self::Id(error) => error.fmt(f),
            Self::ReadBack {
                register,
                written,
                read,
            } => write!(
                f,
                "register {register} ({:#04x}): wrote {written:#04x}, read back {read:#04x}",
                register.address()
            ),
            Self::Config(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
            Self::SyncLost {
                consecutive_bad,
                last,
            } => write!(
                f,
                "{consecutive_bad} bad frames in a row, the chip must be set up anew; last: {last}"
            ),
            Self::NotInitialised => f.write_str("the chip is not initialised"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for Error<E> {}

impl<E: fmt::Debug> From<IdError> for Error<E> {
    fn from(error: IdError) -> Self {
        Self::Id(error)
    }
}

impl<E: fmt::Debug> From<ConfigError> for Error<E> {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl<E: fmt::Debug> From<FrameError> for Error<E> {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

/// Bytes of text in a [`Detail`].
const DETAIL_BYTES: usize = 95;

/// The first 95 bytes of an error's debug text, without a heap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Detail {
    bytes: [u8; DETAIL_BYTES],
    used: u8,
}

impl Detail {
    pub(crate) fn from_debug(error: &impl fmt::Debug) -> Self {
        let mut detail = Self {
            bytes: [0; DETAIL_BYTES],
            used: 0,
        };
        // Full is not an error: the rest is left out.
        let _ = write!(detail, "{error:?}");
        detail
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.used)]).unwrap_or_default()
    }
}

impl Write for Detail {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            let used = usize::from(self.used);
            let end = used + letter.len_utf8();
            let room = self.bytes.get_mut(used..end).ok_or(fmt::Error)?;
            letter.encode_utf8(room);
            self.used = u8::try_from(end).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_cut_between_letters() {
        assert_eq!(Detail::from_debug(&"busy").as_str(), "\"busy\"");
        let long = "\u{b5}".repeat(DETAIL_BYTES);
        let kept = Detail::from_debug(&long);
        assert_eq!(kept.as_str().len(), DETAIL_BYTES, "a quote and 47 letters");
        assert!(kept.as_str().ends_with('\u{b5}'));
    }
}
