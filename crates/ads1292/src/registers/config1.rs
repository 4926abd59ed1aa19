//! CONFIG1, address 01h (SBAS502C, section "CONFIG1: Configuration Register 1").

use super::register::{Register, RegisterError};

/// Conversions per second of each channel, DR\[2:0\], at the nominal clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DataRate {
    /// 125 SPS, oversampling 1024.
    Sps125,
    /// 250 SPS, oversampling 512.
    Sps250,
    /// 500 SPS, oversampling 256; the reset value.
    #[default]
    Sps500,
    /// 1000 SPS, oversampling 128.
    Sps1000,
    /// 2000 SPS, oversampling 64.
    Sps2000,
    /// 4000 SPS, oversampling 32.
    Sps4000,
    /// 8000 SPS, oversampling 16.
    Sps8000,
}

impl DataRate {
    /// All rates, slowest first, which is also the order of DR\[2:0\].
    pub const ALL: [Self; 7] = [
        Self::Sps125,
        Self::Sps250,
        Self::Sps500,
        Self::Sps1000,
        Self::Sps2000,
        Self::Sps4000,
        Self::Sps8000,
    ];

    /// Samples per second.
    #[must_use]
    pub const fn hz(self) -> u32 {
        125 << self as u32
    }

    /// The rate of this many samples per second; `None` where the chip has no such rate.
    #[must_use]
    pub fn from_hz(hz: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|rate| rate.hz() == hz)
    }

    /// Nanoseconds between conversions at the nominal clock; exact for every rate.
    #[must_use]
    pub const fn period_ns(self) -> u64 {
        8_000_000 >> self as u32
    }

    /// Modulator periods per conversion.
    #[must_use]
    pub const fn oversampling(self) -> u32 {
        1_024 >> self as u32
    }

    /// Nanoseconds from START to the first DRDY: (4 x oversampling + 4) tMOD at the nominal clock
    /// (SBAS502C, section "Settling Time", Table 13).
    #[must_use]
    pub const fn settling_ns(self) -> u64 {
        (self.oversampling() as u64 + 1) * crate::timing::NOMINAL_FOUR_T_MOD_NS
    }
}

/// Whether conversions go on by themselves, SINGLE_SHOT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ConversionMode {
    /// One after the other; the reset value.
    #[default]
    Continuous,
    /// One per START.
    SingleShot,
}

/// CONFIG1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Config1 {
    /// SINGLE_SHOT.
    pub mode: ConversionMode,
    /// DR\[2:0\].
    pub rate: DataRate,
}

impl Config1 {
    /// The register's byte.
    #[must_use]
    pub const fn encode(self) -> u8 {
        (self.mode as u8) << 7 | self.rate as u8
    }

    /// From the register's byte.
    ///
    /// # Errors
    /// [`RegisterError`] where bits 6 to 3 are not zero or DR is 111.
    pub fn decode(byte: u8) -> Result<Self, RegisterError> {
        Register::Config1.check_fixed(byte)?;
        let code = byte & 0x07;
        let rate = DataRate::ALL.get(usize::from(code)).copied();
        Ok(Self {
            mode: [ConversionMode::Continuous, ConversionMode::SingleShot][usize::from(byte >> 7)],
            rate: rate.ok_or(Register::Config1.reserved(byte, "DR", code))?,
        })
    }
}
