//! RLD_SENS, address 06h (SBAS502C, section "RLD_SENS: Right Leg Drive Sense Selection").

use super::register::{Register, RegisterError};

/// PGA chop frequency, CHOP\[1:0\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PgaChop {
    /// fMOD / 16; the reset value.
    #[default]
    ModBy16 = 0b00,
    /// fMOD / 2.
    ModBy2 = 0b10,
    /// fMOD / 4.
    ModBy4 = 0b11,
}

/// RLD_SENS. The reset value has everything off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RightLegDrive {
    /// CHOP\[1:0\].
    pub chop: PgaChop,
    /// PDB_RLD: the right-leg amplifier is on.
    pub amplifier: bool,
    /// RLD_LOFF_SENS: sense whether the right-leg electrode is off.
    pub lead_off_sense: bool,
    /// RLD1P: IN1P takes part in the derivation.
    pub in1p: bool,
    /// RLD1N.
    pub in1n: bool,
    /// RLD2P.
    pub in2p: bool,
    /// RLD2N.
    pub in2n: bool,
}

impl RightLegDrive {
    /// The amplifier on, derived from all four electrodes.
    pub const FROM_ALL_ELECTRODES: Self = Self {
        chop: PgaChop::ModBy16,
        amplifier: true,
        lead_off_sense: false,
        in1p: true,
        in1n: true,
        in2p: true,
        in2n: true,
    };

    /// The register's byte.
    #[must_use]
    pub fn encode(self) -> u8 {
        (self.chop as u8) << 6
            | u8::from(self.amplifier) << 5
            | u8::from(self.lead_off_sense) << 4
            | u8::from(self.in2n) << 3
            | u8::from(self.in2p) << 2
            | u8::from(self.in1n) << 1
            | u8::from(self.in1p)
    }

    /// From the register's byte.
    ///
    /// # Errors
    /// [`RegisterError`] where CHOP is 01.
    pub const fn decode(byte: u8) -> Result<Self, RegisterError> {
        let chop = match byte >> 6 {
            0b00 => PgaChop::ModBy16,
            0b10 => PgaChop::ModBy2,
            0b11 => PgaChop::ModBy4,
            value => return Err(Register::RldSens.reserved(byte, "CHOP", value)),
        };
        Ok(Self {
            chop,
            amplifier: byte & 0x20 != 0,
            lead_off_sense: byte & 0x10 != 0,
            in2n: byte & 0x08 != 0,
            in2p: byte & 0x04 != 0,
            in1n: byte & 0x02 != 0,
            in1p: byte & 0x01 != 0,
        })
    }
}
