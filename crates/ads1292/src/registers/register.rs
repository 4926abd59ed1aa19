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
        self.facts().0
    }

    /// Value after reset (SBAS502C, Table 16); `None` for ID, which the part decides. RESP1 and
    /// RESP2 come up without the ones the datasheet wants written to them.
    #[must_use]
    pub const fn reset_value(self) -> Option<u8> {
        self.facts().1
    }

    /// Bits a write can change; the others are read only or fixed.
    #[must_use]
    pub const fn writable_mask(self) -> u8 {
        self.facts().2
    }

    /// Bits that must be written as one.
    #[must_use]
    pub const fn fixed_ones(self) -> u8 {
        self.facts().3
    }

    /// Name, value after reset, bits that a write can change, bits that must be written as one.
    const fn facts(self) -> (&'static str, Option<u8>, u8, u8) {
        match self {
            Self::Id => ("ID", None, 0x00, 0x00),
            Self::Config1 => ("CONFIG1", Some(0x02), 0x87, 0x00),
            Self::Config2 => ("CONFIG2", Some(0x80), 0x7B, 0x80),
            Self::Loff => ("LOFF", Some(0x10), 0xED, 0x10),
            Self::Ch1Set => ("CH1SET", Some(0x00), 0xFF, 0x00),
            Self::Ch2Set => ("CH2SET", Some(0x00), 0xFF, 0x00),
            Self::RldSens => ("RLD_SENS", Some(0x00), 0xFF, 0x00),
            Self::LoffSens => ("LOFF_SENS", Some(0x00), 0x3F, 0x00),
            Self::LoffStat => ("LOFF_STAT", Some(0x00), 0x40, 0x00),
            Self::Resp1 => ("RESP1", Some(0x00), 0xFD, 0x02),
            Self::Resp2 => ("RESP2", Some(0x02), 0x86, 0x01),
            Self::Gpio => ("GPIO", Some(0x0C), 0x0F, 0x00),
        }
    }

    /// The error of a field of the byte `found` that holds a reserved value.
    pub(super) const fn reserved(self, found: u8, field: &'static str, value: u8) -> RegisterError {
        RegisterError::Reserved {
            register: self,
            found,
            field,
            value,
        }
    }

    /// Refuses bits of the byte `found` that `mask` covers and are not `expected`.
    pub(super) const fn check(
        self,
        found: u8,
        mask: u8,
        expected: u8,
    ) -> Result<(), RegisterError> {
        if found & mask == expected {
            return Ok(());
        }
        Err(RegisterError::FixedBits {
            register: self,
            found,
            mask,
            expected,
        })
    }

    /// Refuses fixed bits that are wrong in the byte `found`.
    pub(super) const fn check_fixed(self, found: u8) -> Result<(), RegisterError> {
        self.check(found, !self.writable_mask(), self.fixed_ones())
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
