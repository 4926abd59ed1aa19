//! The TI ADS1292/ADS1292R two-channel, 24-bit ECG front-end: driver and chip simulator.
//!
//! Everything here is written against the datasheet SBAS502C (December 2011, revised April 2020);
//! sections and tables are cited by their titles. The room knows `embedded-hal` only: the same
//! driver runs over `spidev`, over a replayed trace and over the [`simulator`].
//!
//! ```
//! use ecg_gateway::ads1292::simulator::{BoardOptions, SimulatedBoard};
//! use ecg_gateway::ads1292::{Ads1292, ChipConfig};
//!
//! let board = SimulatedBoard::new(&BoardOptions::default(), |_time| Some([1_000.0, -500.0]));
//! let mut drdy = board.drdy();
//! let mut chip = Ads1292::new(board.spi(), board.start_pin(), board.reset_pin(), board.delay());
//! let config = ChipConfig::default();
//! chip.initialise(&config).unwrap();
//! drdy.wait_falling(20_000_000).unwrap();
//! let uv = chip.read_frame().unwrap().microvolts(config.uv_per_code());
//! assert!((uv[0] - 1_000.0).abs() < 0.05 && (uv[1] + 500.0).abs() < 0.05);
//! ```

mod config;
mod driver;
mod error;
mod frame;
mod inspection;
mod opcode;
pub mod registers;
mod scale;
pub mod simulator;
mod sync;
pub mod timing;

#[cfg(test)]
mod tests;

pub use config::{ChipConfig, ConfigError, ImageError};
pub use driver::{Ads1292, NoPin, StartControl};
pub use error::Error;
pub use frame::{FRAME_BYTES, Frame, FrameError, LeadOff, Status};
pub use inspection::{Inspection, frame_ns, inspection_ns};
pub use opcode::Opcode;
pub use registers::{
    ChannelSettings, ChipModel, ClockDivider, Config1, Config2, ConversionMode, DataRate,
    Electrode, Gain, Gpio, GpioPin, IdError, InputMux, LeadOffCurrent, LeadOffMode, LeadOffSense,
    LeadOffThreshold, Loff, LoffStat, PgaChop, ReferenceSource, Register, RegisterError,
    RegisterImage, Respiration, RespirationClock, RespirationPhase, RightLegDrive, TestSignal,
};
pub use scale::{CODE_MAX, CODE_MIN, Reference, uv_per_code};
pub use sync::FrameSync;
