//! What a look at the registers of a running chip says.

use core::fmt;

use super::config::ChipConfig;
use super::frame::FRAME_BYTES;
use super::registers::{ChipModel, REGISTER_COUNT, Register, RegisterImage};
use super::timing::{T_CSH_NS, T_SDECODE_NS};

/// What all registers together say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inspection {
    /// They hold the set-up.
    AsSetUp,
    /// They hold their reset values: the supply was gone, or something pulled the reset pin.
    Reset,
    /// One differs, perhaps with others behind it.
    Changed {
        /// The first that differs.
        register: Register,
        /// What it was set to.
        expected: u8,
        /// What it holds.
        found: u8,
    },
    /// The ID is not the chip's: it does not answer, or the bus is disturbed.
    NoAnswer {
        /// The byte in its place.
        id: u8,
    },
}

impl Inspection {
    /// Judges an image of the chip `model` set up with `config`.
    pub(super) fn judge(image: &RegisterImage, model: ChipModel, config: &ChipConfig) -> Self {
        if Register::Id.byte_in(image) != model.id() {
            return Self::NoAnswer {
                id: Register::Id.byte_in(image),
            };
        }
        let (mut changed, mut all_reset) = (None, true);
        for (register, expected) in config.registers() {
            let mask = config.read_back_mask(register);
            let found = register.byte_in(image);
            if (found ^ expected) & mask != 0 && changed.is_none() {
                changed = Some(Self::Changed {
                    register,
                    expected,
                    found,
                });
            }
            let reset = register.reset_value().unwrap_or(expected);
            all_reset &= (found ^ reset) & register.writable_mask() & mask == 0;
        }
        match changed {
            None => Self::AsSetUp,
            Some(_) if all_reset => Self::Reset,
            Some(changed) => changed,
        }
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsSetUp => f.write_str("the registers hold the set-up"),
            Self::Reset => f.write_str("all registers are back at their reset values"),
            Self::Changed {
                register,
                expected,
                found,
            } => write!(
                f,
                "register {register} holds {found:#04x}, was set to {expected:#04x}"
            ),
            Self::NoAnswer { id } => write!(f, "the chip does not answer (ID {id:#04x})"),
        }
    }
}

/// Time [`super::Ads1292::inspect`] takes on the bus at this SCLK, nanoseconds; what the host adds
/// between its transactions comes on top.
#[must_use]
pub fn inspection_ns(sclk_hz: u32) -> u64 {
    // SDATAC, RREG with its count, the registers, RDATAC.
    let bytes = 4 + REGISTER_COUNT as u64;
    let gaps = 5 * u64::from(T_SDECODE_NS) + 2 * u64::from(T_CSH_NS);
    bytes * byte_ns(sclk_hz) + gaps
}

/// Time a frame takes on the bus, nanoseconds.
#[must_use]
pub fn frame_ns(sclk_hz: u32) -> u64 {
    FRAME_BYTES as u64 * byte_ns(sclk_hz)
}

/// Time a byte takes on the bus.
pub(super) fn byte_ns(sclk_hz: u32) -> u64 {
    8_000_000_000 / u64::from(sclk_hz.max(1))
}
