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
mod board;
mod bus;
mod chip;
mod drdy;
mod faults;
mod serial;
mod shared;
mod source;

pub use board::SimulatedBoard;
pub use bus::{SimulatedDelay, SimulatedPin, SimulatedSpi};
pub use chip::{BoardOptions, DrdyEdge};
pub use drdy::{DrdyWaitError, SimulatedDrdy};
pub use faults::{Fault, FaultScript, FaultScriptError, ScriptedFault, parse_time_ns};
pub use source::{SampleSource, SampleTime, Samples};

#[cfg(test)]
mod tests;
