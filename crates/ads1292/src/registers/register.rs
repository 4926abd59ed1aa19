//! The registers by address, and what a register's byte may hold.

use core::fmt;

/// Number of registers.
pub const REGISTER_COUNT: usize = 12;

/// The bytes of all registers, indexed by address.
pub type RegisterImage = [u8; REGISTER_COUNT];

/// A register, by its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Register {
    /// Identification, read only.
    Id = 0x00,
    /// Conversion mode and data rate.
    Config1 = 0x01,
    /// Comparators, reference, clock output, test signal.
    Config2 = 0x02,
    /// Lead-off detection.
    Loff = 0x03,
    /// Channel 1.
    Ch1Set = 0x04,
    /// Channel 2.
    Ch2Set = 0x05,
    /// Right-leg drive and PGA chopping.
    RldSens = 0x06,
    /// Electrodes sensed for lead-off.
    LoffSens = 0x07,
    /// Lead-off status (read only) and clock divider.
    LoffStat = 0x08,
    /// Respiration 1 (ADS1292R).
    Resp1 = 0x09,
    /// Respiration 2, calibration, right-leg reference.
    Resp2 = 0x0A,
    /// General-purpose pins.
    Gpio = 0x0B,
}

impl Register {
    /// All registers in address order.
    pub const ALL: [Self; REGISTER_COUNT] = [
        Self::Id,
        Self::Config1,
        Self::Config2,
        Self::Loff,
        Self::Ch1Set,
        Self::Ch2Set,
        Self::RldSens,
        Self::LoffSens,
        Self::LoffStat,
        Self::Resp1,
        Self::Resp2,
        Self::Gpio,
    ];

    /// The address.
    #[must_use]
    pub const fn address(self) -> u8 {
        self as u8
    }

    /// The register's byte in an image.
    #[must_use]
    pub const fn byte_in(self, image: &RegisterImage) -> u8 {
        image[self as usize]
    }

    /// The register at an address.
    #[must_use]
    pub fn from_address(address: u8) -> Option<Self> {
        Self::ALL.get(usize::from(address)).copied()
    }

    /// The register of a datasheet name such as `CH1SET`, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|register| register.name().eq_ignore_ascii_case(name))
    }

    /// The datasheet's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "ID",
            Self::Config1 => "CONFIG1",
            Self::Config2 => "CONFIG2",
            Self::Loff => "LOFF",
            Self::Ch1Set => "CH1SET",
            Self::Ch2Set => "CH2SET",
            Self::RldSens => "RLD_SENS",
            Self::LoffSens => "LOFF_SENS",
            Self::LoffStat => "LOFF_STAT",
            Self::Resp1 => "RESP1",
            Self::Resp2 => "RESP2",
            Self::Gpio => "GPIO",
        }
    }

    /// Value after reset (SBAS502C, Table 16); `None` for ID, which the part decides. RESP1 and
    /// RESP2 come up without the ones the datasheet wants written to them.
    #[must_use]
    pub const fn reset_value(self) -> Option<u8> {
        match self {
            Self::Id => None,
            Self::Config1 | Self::Resp2 => Some(0x02),
            Self::Config2 => Some(0x80),
            Self::Loff => Some(0x10),
            Self::Ch1Set
            | Self::Ch2Set
            | Self::RldSens
            | Self::LoffSens
            | Self::LoffStat
            | Self::Resp1 => Some(0x00),
            Self::Gpio => Some(0x0C),
        }
    }

    /// Bits a write can change; the others are read only or fixed.
    #[must_use]
    pub const fn writable_mask(self) -> u8 {
        match self {
            Self::Id => 0x00,
            Self::Config1 => 0x87,
            Self::Config2 => 0x7B,
            Self::Loff => 0xED,
            Self::Ch1Set | Self::Ch2Set | Self::RldSens => 0xFF,
            Self::LoffSens => 0x3F,
            Self::LoffStat => 0x40,
            Self::Resp1 => 0xFD,
            Self::Resp2 => 0x86,
            Self::Gpio => 0x0F,
        }
    }

    /// Bits that must be written as one.
    #[must_use]
    pub const fn fixed_ones(self) -> u8 {
        match self {
            Self::Config2 => 0x80,
            Self::Loff => 0x10,
            Self::Resp1 => 0x02,
            Self::Resp2 => 0x01,
            _ => 0x00,
        }
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A register byte that the datasheet does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// Bits that must be fixed are not.
    FixedBits {
        /// The register.
        register: Register,
        /// Its byte.
        found: u8,
        /// Which bits are fixed.
        mask: u8,
        /// What they must be.
        expected: u8,
    },
    /// A field has a value the datasheet reserves.
    Reserved {
        /// The register.
        register: Register,
        /// Its byte.
        found: u8,
        /// The datasheet's field name.
        field: &'static str,
        /// The field's value.
        value: u8,
    },
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FixedBits {
                register,
                found,
                mask,
                expected,
            } => write!(
                f,
                "{register} = {found:#04x}: fixed bits (mask {mask:#04x}) must read {expected:#04x}"
            ),
            Self::Reserved {
                register,
                found,
                field,
                value,
            } => write!(
                f,
                "{register} = {found:#04x}: {field} = {value:#b} is reserved"
            ),
        }
    }
}

impl core::error::Error for RegisterError {}

/// Refuses wrong fixed bits.
pub(super) const fn check_fixed(register: Register, found: u8) -> Result<(), RegisterError> {
    let mask = !register.writable_mask();
    let expected = register.fixed_ones();
    if found & mask == expected {
        Ok(())
    } else {
        Err(RegisterError::FixedBits {
            register,
            found,
            mask,
            expected,
        })
    }
}
