//! CONFIG2, address 02h (SBAS502C, section "CONFIG2: Configuration Register 2").

use super::register::{Register, RegisterError};

/// Which reference feeds the converters, PDB_REFBUF and VREF_4V.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReferenceSource {
    /// From outside, the internal buffer powered down; the reset value.
    #[default]
    External = 0b00,
    /// Internal, 2.42 V.
    Internal2V42 = 0b10,
    /// Internal, 4.033 V, for a 5 V analog supply.
    Internal4V033 = 0b11,
}

/// The internal test signal of ±VREF/2400, INT_TEST and TEST_FREQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TestSignal {
    /// Off; the reset value.
    #[default]
    Off = 0b00,
    /// Constant.
    Dc = 0b10,
    /// Square wave of 1 Hz.
    Square1Hz = 0b11,
}

/// CONFIG2. Bit 7 is always one, bit 2 always zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Config2 {
    /// PDB_LOFF_COMP: the lead-off comparators are on.
    pub lead_off_comparators: bool,
    /// PDB_REFBUF and VREF_4V.
    pub reference: ReferenceSource,
    /// CLK_EN: the oscillator is put out on the CLK pin.
    pub clock_output: bool,
    /// INT_TEST and TEST_FREQ.
    pub test_signal: TestSignal,
}

impl Config2 {
    /// The register's byte.
    #[must_use]
    pub fn encode(self) -> u8 {
        Register::Config2.fixed_ones()
            | u8::from(self.lead_off_comparators) << 6
            | (self.reference as u8) << 4
            | u8::from(self.clock_output) << 3
            | self.test_signal as u8
    }

    /// From the register's byte. VREF_4V without the buffer, and TEST_FREQ without INT_TEST, have
    /// no effect and read as external reference and no test signal.
    ///
    /// # Errors
    /// [`RegisterError`] where bit 7 is not one or bit 2 not zero.
    pub fn decode(byte: u8) -> Result<Self, RegisterError> {
        Register::Config2.check_fixed(byte)?;
        Ok(Self {
            lead_off_comparators: byte & 0x40 != 0,
            reference: match byte & 0x30 {
                0x20 => ReferenceSource::Internal2V42,
                0x30 => ReferenceSource::Internal4V033,
                _ => ReferenceSource::External,
            },
            clock_output: byte & 0x08 != 0,
            test_signal: match byte & 0x03 {
                0x02 => TestSignal::Dc,
                0x03 => TestSignal::Square1Hz,
                _ => TestSignal::Off,
            },
        })
    }
}
