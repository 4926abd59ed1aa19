//! Opcodes (SBAS502C, section "SPI Command Definitions", Table 15).

use super::registers::Register;

/// First byte of RREG: `001r rrrr`.
pub(super) const RREG: u8 = 0x20;
/// First byte of WREG: `010r rrrr`.
pub(super) const WREG: u8 = 0x40;
/// The three bits that tell RREG and WREG apart from everything else.
const REGISTER_COMMAND_MASK: u8 = 0xE0;
/// Register address, or number of registers less one.
pub(super) const FIVE_BITS: u8 = 0x1F;

/// A command of the chip. [`Opcode::ReadRegisters`] and [`Opcode::WriteRegisters`] are followed by
/// a byte with the number of registers less one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// Leave standby.
    Wakeup,
    /// Enter standby; only [`Opcode::Wakeup`] may follow.
    Standby,
    /// Reset registers and digital filter.
    Reset,
    /// Start or restart conversions; the START pin must be low.
    Start,
    /// Stop conversions.
    Stop,
    /// Cancel the channel offsets; needs `CALIB_ON` in RESP2.
    OffsetCalibration,
    /// Read data continuously: frames come without a command. The mode after power-up.
    ReadDataContinuous,
    /// Stop reading continuously: needed before registers are read or written.
    StopReadDataContinuous,
    /// Read one frame by command.
    ReadData,
    /// Read registers from this address on.
    ReadRegisters(
        /// First address, 0 to 31.
        u8,
    ),
    /// Write registers from this address on.
    WriteRegisters(
        /// First address, 0 to 31.
        u8,
    ),
}

impl Opcode {
    /// The command's first byte. An address beyond 31 keeps its low five bits.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Wakeup => 0x02,
            Self::Standby => 0x04,
            Self::Reset => 0x06,
            Self::Start => 0x08,
            Self::Stop => 0x0A,
            Self::OffsetCalibration => 0x1A,
            Self::ReadDataContinuous => 0x10,
            Self::StopReadDataContinuous => 0x11,
            Self::ReadData => 0x12,
            Self::ReadRegisters(first) => RREG | (first & FIVE_BITS),
            Self::WriteRegisters(first) => WREG | (first & FIVE_BITS),
        }
    }

    /// The command a first byte stands for; `None` where the chip knows none (0x00 among them, what
    /// the host sends while it reads).
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x02 => Self::Wakeup,
            0x04 => Self::Standby,
            0x06 => Self::Reset,
            0x08 => Self::Start,
            0x0A => Self::Stop,
            0x1A => Self::OffsetCalibration,
            0x10 => Self::ReadDataContinuous,
            0x11 => Self::StopReadDataContinuous,
            0x12 => Self::ReadData,
            _ => match byte & REGISTER_COMMAND_MASK {
                RREG => Self::ReadRegisters(byte & FIVE_BITS),
                WREG => Self::WriteRegisters(byte & FIVE_BITS),
                _ => return None,
            },
        })
    }
}

/// The two command bytes that read one register.
pub(super) const fn read_one(register: Register) -> [u8; 2] {
    [Opcode::ReadRegisters(register.address()).byte(), 0]
}

/// The two command bytes that read all registers.
pub(super) const fn read_all() -> [u8; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "twelve registers")]
    let last = (super::registers::REGISTER_COUNT - 1) as u8;
    [Opcode::ReadRegisters(0).byte(), last]
}

/// The two command bytes that write one register.
pub(super) const fn write_one(register: Register) -> [u8; 2] {
    [Opcode::WriteRegisters(register.address()).byte(), 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_are_those_of_table_15() {
        let table = [
            (Opcode::Wakeup, 0x02),
            (Opcode::Standby, 0x04),
            (Opcode::Reset, 0x06),
            (Opcode::Start, 0x08),
            (Opcode::Stop, 0x0A),
            (Opcode::OffsetCalibration, 0x1A),
            (Opcode::ReadDataContinuous, 0x10),
            (Opcode::StopReadDataContinuous, 0x11),
            (Opcode::ReadData, 0x12),
            (Opcode::ReadRegisters(0x00), 0x20),
            (Opcode::ReadRegisters(0x0B), 0x2B),
            (Opcode::WriteRegisters(0x01), 0x41),
        ];
        let wrong: Vec<_> = table
            .into_iter()
            .filter(|&(opcode, byte)| {
                opcode.byte() != byte || Opcode::from_byte(byte) != Some(opcode)
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn every_known_byte_goes_round() {
        for byte in 0..=u8::MAX {
            if let Some(opcode) = Opcode::from_byte(byte) {
                assert_eq!(opcode.byte(), byte);
            }
        }
        assert_eq!(Opcode::from_byte(0x00), None);
        assert_eq!(Opcode::from_byte(0xFF), None);
    }
}
