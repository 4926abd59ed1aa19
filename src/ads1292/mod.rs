//! The TI ADS1292/ADS1292R two-channel, 24-bit ECG front-end.
//!
//! Everything here is written against the datasheet SBAS502C (December 2011, revised April 2020);
//! sections and tables are cited by their titles. The room knows `embedded-hal` only: the same
//! driver runs over `spidev` and over a replayed trace.

mod config;
mod driver;
mod error;
mod frame;
mod opcode;
pub mod registers;
mod scale;
mod sync;
pub mod timing;

pub use config::{ChipConfig, ConfigError, ImageError};
pub use driver::{Ads1292, NoPin, StartControl};
pub use error::Error;
pub use frame::{FRAME_BYTES, Frame, FrameError, LeadOff, Status};
pub use opcode::Opcode;
pub use registers::{
    ChannelSettings, ChipModel, ClockDivider, Config1, Config2, ConversionMode, DataRate,
    Electrode, Gain, Gpio, GpioPin, IdError, InputMux, LeadOffCurrent, LeadOffMode, LeadOffSense,
    LeadOffThreshold, Loff, LoffStat, PgaChop, ReferenceSource, Register, RegisterError,
    RegisterImage, Respiration, RespirationClock, RespirationPhase, RightLegDrive, TestSignal,
};
pub use scale::{CODE_MAX, CODE_MIN, Reference, uv_per_code};
pub use sync::FrameSync;
