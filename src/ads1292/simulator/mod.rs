//! A register-level ADS1292/ADS1292R in virtual time, behind the `embedded-hal` traits the driver
//! is written against.
//!
//! The chip powers up at virtual time zero. Time passes only where a real host would spend it: in
//! delays, in SPI bytes (at [`BoardOptions::sclk_hz`]) and while waiting for DRDY. Nothing looks at
//! a real clock and the only noise is a fixed sequence, so a run repeats bit for bit.
//!
//! What it models: RDATAC after power-up and after every reset, RREG and WREG ignored there, the
//! decode time between command bytes (a byte sent sooner is lost and counted), fixed register bits,
//! read-only registers, START, RESET and STANDBY by pin and opcode, DRDY at the configured rate
//! after the settling time, the newest conversion only, gain, reference and saturation, every input
//! of the multiplexer, the lead-off comparators, the electrode signal driven to the rail where a
//! sensed electrode is off, and the faults of a [`FaultScript`].
//!
//! What it does not: the digital filter's step response, the reference's start-up ramp, noise of
//! the electrodes, the respiration circuit, AC lead-off excitation.

mod active;
mod analog;
mod bus;
mod chip;
mod drdy;
mod faults;
mod serial;
mod source;

pub use bus::{SimulatedDelay, SimulatedResetPin, SimulatedSpi, SimulatedStartPin};
pub use drdy::{DrdyEdge, DrdyWaitError, SimulatedDrdy};
pub use faults::{Fault, FaultScript, FaultScriptError, ScriptedFault, parse_time_ns};
pub use source::{SampleSource, SampleTime, Samples};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::registers::{ChipModel, RegisterImage};
use chip::Chip;

/// How the simulated board is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardOptions {
    /// The part.
    pub model: ChipModel,
    /// SPI clock, at least 1 Hz.
    pub sclk_hz: u32,
    /// Voltage fed to VREFP from outside, microvolts; `None` where nothing is connected, and every
    /// signal saturates while the internal reference is off.
    pub external_reference_uv: Option<u32>,
    /// Levels at GPIO1 and GPIO2 while they are inputs.
    pub gpio_levels: [bool; 2],
    /// What goes wrong, and when.
    pub faults: FaultScript,
}

impl Default for BoardOptions {
    /// An ADS1292 at 1 MHz SCLK without external reference, GPIO low, without faults.
    fn default() -> Self {
        Self {
            model: ChipModel::default(),
            sclk_hz: 1_000_000,
            external_reference_uv: None,
            gpio_levels: [false; 2],
            faults: FaultScript::default(),
        }
    }
}

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
            chip: SharedChip(Arc::new(Mutex::new(Chip::new(options, Box::new(source))))),
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
    pub fn start_pin(&self) -> SimulatedStartPin {
        SimulatedStartPin(self.chip.clone())
    }

    /// The PWDN/RESET pin, active low; high until driven.
    #[must_use]
    pub fn reset_pin(&self) -> SimulatedResetPin {
        SimulatedResetPin(self.chip.clone())
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
        self.chip.lock().now_ns()
    }

    /// Lets virtual time pass.
    pub fn advance(&self, time: core::time::Duration) {
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
        self.chip.lock().conversions()
    }

    /// Command bytes lost because they came before the one before was decoded.
    #[must_use]
    pub fn decode_violations(&self) -> u64 {
        self.chip.lock().decode_violations()
    }

    /// Whether the source has no more samples; DRDY then stays high.
    #[must_use]
    pub fn source_ended(&self) -> bool {
        self.chip.lock().source_ended()
    }
}

/// The chip behind all handles of a board.
#[derive(Debug, Clone)]
struct SharedChip(Arc<Mutex<Chip>>);

impl SharedChip {
    /// The chip. A poisoned lock is taken all the same: the chip's state is valid at every step.
    fn lock(&self) -> MutexGuard<'_, Chip> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
