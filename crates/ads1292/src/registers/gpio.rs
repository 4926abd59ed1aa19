//! GPIO, address 0Bh (SBAS502C, section "GPIO: General-Purpose I/O Register").

use super::register::{Register, RegisterError};

/// One general-purpose pin, GPIOCn and GPIODn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GpioPin {
    /// Input; the reset value. Its level is read in GPIODn and in every frame.
    #[default]
    Input,
    /// Driven low.
    OutputLow,
    /// Driven high.
    OutputHigh,
}

/// GPIO: pins 1 and 2. Bits 7 to 4 are always zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Gpio {
    /// GPIO1 and GPIO2.
    pub pins: [GpioPin; 2],
}

impl Gpio {
    /// The register's byte as written; the data bits of inputs are written zero.
    #[must_use]
    pub fn encode(self) -> u8 {
        let bits = |pin, n: u8| match pin {
            GpioPin::Input => 0x04 << n,
            GpioPin::OutputLow => 0,
            GpioPin::OutputHigh => 0x01 << n,
        };
        bits(self.pins[0], 0) | bits(self.pins[1], 1)
    }

    /// From the register's byte; the data bits of inputs are their levels and not kept.
    ///
    /// # Errors
    /// [`RegisterError`] where bits 7 to 4 are not zero.
    pub fn decode(byte: u8) -> Result<Self, RegisterError> {
        Register::Gpio.check_fixed(byte)?;
        let pin = |n: u8| match (byte & (0x04 << n) != 0, byte & (0x01 << n) != 0) {
            (true, _) => GpioPin::Input,
            (false, false) => GpioPin::OutputLow,
            (false, true) => GpioPin::OutputHigh,
        };
        Ok(Self {
            pins: [pin(0), pin(1)],
        })
    }

    /// Bits of the register whose read-back is what was written: not the levels of inputs.
    #[must_use]
    pub fn read_back_mask(self) -> u8 {
        // The data bit of an input lies two below its direction bit.
        !(self.encode() >> 2)
    }
}
