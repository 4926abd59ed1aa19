//! The simulated board: a chip with its wires.

use core::time::Duration;

use super::bus::{SimulatedDelay, SimulatedPin, SimulatedSpi};
use super::chip::{BoardOptions, Chip};
use super::drdy::SimulatedDrdy;
use super::shared::SharedChip;
use super::source::SampleSource;
use crate::registers::RegisterImage;

/// A chip with its wires. Every handle taken from it shares the one chip and its clock.
#[derive(Debug, Clone)]
pub struct SimulatedBoard {
    chip: SharedChip,
    sclk_hz: u32,
}

impl SimulatedBoard {
    /// Powers up a board whose electrodes carry what `source` says.
    pub fn new(options: &BoardOptions, source: impl SampleSource + Send + 'static) -> Self {
        let sclk_hz = options.sclk_hz.max(1);
        Self {
            chip: SharedChip::new(Chip::new(options, Box::new(source))),
            sclk_hz,
        }
    }

    /// The chip's SPI port.
    #[must_use]
    pub fn spi(&self) -> SimulatedSpi {
        SimulatedSpi::new(self.chip.clone(), self.sclk_hz)
    }

    /// The START pin; low until driven.
    #[must_use]
    pub fn start_pin(&self) -> SimulatedPin {
        self.pin(Chip::set_start_pin)
    }

    /// The PWDN/RESET pin, active low; high until driven.
    #[must_use]
    pub fn reset_pin(&self) -> SimulatedPin {
        self.pin(Chip::set_reset_pin)
    }

    fn pin(&self, drive: fn(&mut Chip, bool)) -> SimulatedPin {
        let chip = self.chip.clone();
        SimulatedPin { chip, drive }
    }

    /// Delays in virtual time.
    #[must_use]
    pub fn delay(&self) -> SimulatedDelay {
        SimulatedDelay(self.chip.clone())
    }

    /// The DRDY pin.
    #[must_use]
    pub fn drdy(&self) -> SimulatedDrdy {
        SimulatedDrdy::new(self.chip.clone())
    }

    /// Virtual time since power-up.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.chip.lock().now_ns
    }

    /// Lets virtual time pass.
    pub fn advance(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.chip.lock().advance(ns);
    }

    /// The registers as RREG would read them now, faults aside.
    #[must_use]
    pub fn registers(&self) -> RegisterImage {
        self.chip.lock().image()
    }

    /// Conversions made since power-up.
    #[must_use]
    pub fn conversions(&self) -> u64 {
        self.chip.lock().conversions
    }

    /// Command bytes lost because they came before the one before was decoded.
    #[must_use]
    pub fn decode_violations(&self) -> u64 {
        self.chip.lock().decode_violations()
    }

    /// Whether the source has no more samples; DRDY then stays high.
    #[must_use]
    pub fn source_ended(&self) -> bool {
        self.chip.lock().source_ended
    }
}
