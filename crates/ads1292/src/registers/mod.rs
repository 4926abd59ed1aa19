//! The register map (SBAS502C, section "Register Maps", Table 16), one file a register group.
//!
//! A register type can hold only what the datasheet allows; its `encode` sets the bits that must be
//! fixed, its `decode` refuses fixed bits that are wrong and values that are reserved.

mod channel;
mod config1;
mod config2;
mod gpio;
mod id;
mod lead_off;
mod register;
mod respiration;
mod right_leg;

pub use channel::{ChannelSettings, Gain, InputMux};
pub use config1::{Config1, ConversionMode, DataRate};
pub use config2::{Config2, ReferenceSource, TestSignal};
pub use gpio::{Gpio, GpioPin};
pub use id::{ChipModel, IdError};
pub use lead_off::{
    ClockDivider, Electrode, LeadOff, LeadOffCurrent, LeadOffMode, LeadOffSense, LeadOffThreshold,
    Loff, LoffStat,
};
pub use register::{REGISTER_COUNT, Register, RegisterError, RegisterImage};
pub use respiration::{Respiration, RespirationClock, RespirationPhase};
pub use right_leg::{PgaChop, RightLegDrive};

#[cfg(test)]
mod tests;
