//! ID, address 00h, factory programmed (SBAS502C, section "ID: ID Control Register").

use core::fmt;

/// A part this driver knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum), value(rename_all = "lower"))]
pub enum ChipModel {
    /// TI ADS1292.
    ///
    /// ID 53h.
    #[default]
    Ads1292 = 0x53,
    /// TI ADS1292R, the part with respiration.
    ///
    /// ID 73h; measures the impedance of the chest.
    Ads1292R = 0x73,
}

/// The ID register holds neither an ADS1292 nor an ADS1292R.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdError {
    /// The byte read.
    pub found: u8,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.found;
        write!(
            f,
            "ID register reads {found:#04x}, expected 0x53 (ADS1292) or 0x73 (ADS1292R){}",
            hint(found)
        )
    }
}

impl core::error::Error for IdError {}

fn hint(found: u8) -> &'static str {
    match found {
        0x00 => {
            "; all zeros: check DOUT (MISO), the supplies and PWDN/RESET, and give a cold chip up to 1 s"
        }
        0xFF => "; all ones: nothing drives DOUT (MISO): check CS, wiring and the SPI bus number",
        0x50 => "; this is an ADS1191 (16 bit, one channel)",
        0x51 => "; this is an ADS1192 (16 bit)",
        0x52 => "; this is an ADS1291 (one channel)",
        0x90..=0x92 | 0xD0..=0xD2 => "; this is of the ADS1294/6/8 family",
        _ => "; check the SPI mode (1: CPOL 0, CPHA 1) and clock",
    }
}

impl ChipModel {
    /// The part with this ID.
    ///
    /// # Errors
    /// [`IdError`] for any other byte.
    pub const fn from_id(id: u8) -> Result<Self, IdError> {
        match id {
            0x53 => Ok(Self::Ads1292),
            0x73 => Ok(Self::Ads1292R),
            found => Err(IdError { found }),
        }
    }

    /// The part's ID.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Whether the part measures respiration.
    #[must_use]
    pub const fn has_respiration(self) -> bool {
        matches!(self, Self::Ads1292R)
    }
}

impl fmt::Display for ChipModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ads1292 => "ADS1292",
            Self::Ads1292R => "ADS1292R",
        })
    }
}
