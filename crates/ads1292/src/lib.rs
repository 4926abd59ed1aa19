//! Driver for the TI ADS1292 and ADS1292R two-channel, 24-bit ECG front-ends, and a simulator of the chip.
//!
//! Written against the datasheet SBAS502C (December 2011, revised April 2020), whose sections and tables
//! are cited by their titles. [`Ads1292`] runs on any `embedded-hal` SPI bus without the standard library.
//! The feature `simulator` adds the module `simulator`: the chip as software, in virtual time. The feature
//! `clap` makes what can be chosen values of a command line (`clap::ValueEnum`). Both need std.
//!
//! ```
//! use ads1292::simulator::{BoardOptions, SampleTime, SimulatedBoard};
//! use ads1292::{Ads1292, ChipConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // 1000 and -500 uV at the electrodes of channel 1 and 2.
//! let board = SimulatedBoard::new(&BoardOptions::default(), |_: SampleTime| Some([1_000.0, -500.0]));
//! let mut drdy = board.drdy();
//! let mut chip = Ads1292::new(board.spi(), board.start_pin(), board.reset_pin(), board.delay());
//! let config = ChipConfig::default();
//! chip.initialise(&config)?;
//! drdy.wait_falling(20_000_000)?;
//! let uv = chip.read_frame()?.microvolts(config.uv_per_code());
//! assert!((uv[0] - 1_000.0).abs() < 0.05 && (uv[1] + 500.0).abs() < 0.05);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(any(test, feature = "simulator", feature = "clap")), no_std)]

mod config;
mod driver;
mod error;
mod frame;
mod inspection;
mod opcode;
pub mod registers;
mod scale;
#[cfg(any(test, feature = "simulator"))]
pub mod simulator;
mod sync;
pub mod timing;

#[cfg(test)]
mod tests;

pub use config::{ChipConfig, ConfigError};
pub use driver::{Ads1292, NoPin, StartControl};
pub use error::{Detail, Error};
pub use frame::{FRAME_BYTES, Frame, FrameError, Status};
pub use inspection::{Inspection, frame_ns, inspection_ns};
pub use opcode::Opcode;
pub use registers::{
    ChannelSettings, ChipModel, ClockDivider, Config1, Config2, ConversionMode, DataRate,
    Electrode, Gain, Gpio, GpioPin, IdError, InputMux, LeadOff, LeadOffCurrent, LeadOffMode,
    LeadOffSense, LeadOffThreshold, Loff, LoffStat, PgaChop, ReferenceSource, Register,
    RegisterError, RegisterImage, Respiration, RespirationClock, RespirationPhase, RightLegDrive,
    TestSignal,
};
pub use scale::{CODE_MAX, CODE_MIN, Reference, full_scale_uv, uv_per_code};
pub use sync::FrameSync;
