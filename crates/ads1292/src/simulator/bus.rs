//! The simulated chip behind the `embedded-hal` traits.

use core::convert::Infallible;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{ErrorType as PinErrorType, OutputPin};
use embedded_hal::spi::{ErrorType as SpiErrorType, Operation, SpiDevice};

use super::chip::Chip;
use super::shared::SharedChip;
use crate::inspection::byte_ns;

/// The chip's SPI port, chip select included.
#[derive(Debug)]
pub struct SimulatedSpi {
    chip: SharedChip,
    byte_ns: u64,
}

impl SimulatedSpi {
    pub(super) fn new(chip: SharedChip, sclk_hz: u32) -> Self {
        Self {
            chip,
            byte_ns: byte_ns(sclk_hz),
        }
    }
}

impl SpiErrorType for SimulatedSpi {
    type Error = Infallible;
}

impl SpiDevice for SimulatedSpi {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        let mut chip = self.chip.lock();
        chip.select();
        for operation in operations {
            match operation {
                Operation::Read(read) => {
                    for byte in read.iter_mut() {
                        *byte = chip.exchange(0, self.byte_ns);
                    }
                }
                Operation::Write(write) => {
                    for byte in *write {
                        chip.exchange(*byte, self.byte_ns);
                    }
                }
                Operation::Transfer(read, write) => {
                    for index in 0..read.len().max(write.len()) {
                        let byte_in = write.get(index).copied().unwrap_or_default();
                        let byte_out = chip.exchange(byte_in, self.byte_ns);
                        if let Some(place) = read.get_mut(index) {
                            *place = byte_out;
                        }
                    }
                }
                Operation::TransferInPlace(bytes) => {
                    for byte in bytes.iter_mut() {
                        *byte = chip.exchange(*byte, self.byte_ns);
                    }
                }
                Operation::DelayNs(ns) => chip.advance(u64::from(*ns)),
            }
        }
        chip.deselect();
        Ok(())
    }
}

/// A control pin: START, or PWDN/RESET, which is active low.
#[derive(Debug)]
pub struct SimulatedPin {
    pub(super) chip: SharedChip,
    /// What the chip does when the pin is driven.
    pub(super) drive: fn(&mut Chip, bool),
}

impl PinErrorType for SimulatedPin {
    type Error = Infallible;
}

impl OutputPin for SimulatedPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        (self.drive)(&mut self.chip.lock(), false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        (self.drive)(&mut self.chip.lock(), true);
        Ok(())
    }
}

/// Delays in virtual time.
#[derive(Debug)]
pub struct SimulatedDelay(pub(super) SharedChip);

impl DelayNs for SimulatedDelay {
    fn delay_ns(&mut self, ns: u32) {
        self.0.lock().advance(u64::from(ns));
    }
}
