//! The complete set-up of the chip.

use core::fmt;

use super::registers::{
    ChannelSettings, ChipModel, ClockDivider, Config1, Config2, ConversionMode, DataRate, Gain,
    Gpio, IdError, InputMux, LeadOffSense, Loff, LoffStat, REGISTER_COUNT, ReferenceSource,
    Register, RegisterError, RegisterImage, Respiration, RightLegDrive, TestSignal,
};
use super::scale::{Reference, uv_per_code};

/// Registers that are written: all but ID.
const WRITTEN_COUNT: usize = REGISTER_COUNT - 1;

/// Everything the chip is set up with, in types that allow only what the datasheet allows.
///
/// Each field owns its register bits: changing one never touches another (a changed rate leaves the
/// lead-off registers alone). The fields mirror the chip's register map, which is closed: no field will
/// be added, and a configuration may be written as a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChipConfig {
    /// Conversions per second.
    pub rate: DataRate,
    /// Continuous or single-shot conversions.
    pub mode: ConversionMode,
    /// Reference voltage.
    pub reference: Reference,
    /// Whether the oscillator is put out on the CLK pin.
    pub clock_output: bool,
    /// The internal test signal; seen by channels whose input is [`InputMux::TestSignal`].
    pub test_signal: TestSignal,
    /// Channel 1 and 2.
    pub channels: [ChannelSettings; 2],
    /// Whether the lead-off comparators are on.
    pub lead_off_comparators: bool,
    /// Threshold, current and kind of lead-off detection.
    pub lead_off: Loff,
    /// Electrodes sensed for lead-off.
    pub lead_off_sense: LeadOffSense,
    /// Right-leg drive.
    pub right_leg: RightLegDrive,
    /// Division of the master clock.
    pub clock_divider: ClockDivider,
    /// Respiration (ADS1292R), calibration, right-leg reference.
    pub respiration: Respiration,
    /// General-purpose pins.
    pub gpio: Gpio,
}

impl Default for ChipConfig {
    /// Two-channel ECG: 500 SPS, gain 6, internal 2.42 V, both channels on their electrodes, right
    /// leg driven from all four electrodes, DC lead-off with 6 nA and 95 % / 5 % on all four.
    fn default() -> Self {
        Self {
            rate: DataRate::Sps500,
            mode: ConversionMode::Continuous,
            reference: Reference::Internal2V42,
            clock_output: false,
            test_signal: TestSignal::Off,
            channels: [ChannelSettings::default(); 2],
            lead_off_comparators: true,
            lead_off: Loff::default(),
            lead_off_sense: LeadOffSense::ALL_ELECTRODES,
            right_leg: RightLegDrive::FROM_ALL_ELECTRODES,
            clock_divider: ClockDivider::By4,
            respiration: Respiration::default(),
            gpio: Gpio::default(),
        }
    }
}

/// A set-up that cannot be, or a register image that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Respiration was asked of a part without it.
    RespirationUnsupported {
        /// The part found.
        model: ChipModel,
    },
    /// A register image is of another chip.
    Id(IdError),
    /// A register image holds a byte the datasheet does not allow.
    Register(RegisterError),
    /// A register image uses the external reference, whose voltage no register tells.
    ExternalReferenceUnknown,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RespirationUnsupported { model } => write!(
                f,
                "respiration is set up, but the chip is an {model}, which has none (ADS1292R only)"
            ),
            Self::Id(error) => error.fmt(f),
            Self::Register(error) => error.fmt(f),
            Self::ExternalReferenceUnknown => {
                f.write_str("CONFIG2 selects the external reference; its voltage must be given")
            }
        }
    }
}

impl core::error::Error for ConfigError {}

impl From<IdError> for ConfigError {
    fn from(error: IdError) -> Self {
        Self::Id(error)
    }
}

impl From<RegisterError> for ConfigError {
    fn from(error: RegisterError) -> Self {
        Self::Register(error)
    }
}

impl ChipConfig {
    /// The internal test signal on both channels, lead-off detection off: what a self-test uses.
    #[must_use]
    pub fn self_test(signal: TestSignal) -> Self {
        Self {
            test_signal: signal,
            lead_off_comparators: false,
            lead_off_sense: LeadOffSense::default(),
            ..Self::default()
        }
        .with_input(InputMux::TestSignal)
    }

    /// Both channels on, with this input and the gains they have.
    #[must_use]
    pub fn with_input(mut self, input: InputMux) -> Self {
        self.channels = self.channels.map(|channel| ChannelSettings::On {
            gain: channel.gain(),
            input,
        });
        self
    }

    /// Both channels with this gain; powered-down channels stay so.
    #[must_use]
    pub fn with_gain(mut self, gain: Gain) -> Self {
        self.channels = self.channels.map(|channel| match channel {
            ChannelSettings::On { input, .. } => ChannelSettings::On { gain, input },
            ChannelSettings::PoweredDown => ChannelSettings::PoweredDown,
        });
        self
    }

    /// With this rate.
    #[must_use]
    pub const fn with_rate(mut self, rate: DataRate) -> Self {
        self.rate = rate;
        self
    }

    /// Input-referred microvolts per code of both channels.
    #[must_use]
    pub fn uv_per_code(&self) -> [f64; 2] {
        self.channels
            .map(|channel| uv_per_code(channel.gain(), self.reference))
    }

    /// CONFIG1 of this set-up.
    #[must_use]
    pub const fn config1(&self) -> Config1 {
        Config1 {
            mode: self.mode,
            rate: self.rate,
        }
    }

    /// CONFIG2 of this set-up.
    #[must_use]
    pub const fn config2(&self) -> Config2 {
        Config2 {
            lead_off_comparators: self.lead_off_comparators,
            reference: self.reference.source(),
            clock_output: self.clock_output,
            test_signal: self.test_signal,
        }
    }

    /// Registers and the bytes to write to them, in address order; all but ID.
    #[must_use]
    pub fn registers(&self) -> [(Register, u8); WRITTEN_COUNT] {
        let [resp1, resp2] = self.respiration.encode();
        let clock = LoffStat {
            clock_divider: self.clock_divider,
            ..LoffStat::default()
        };
        [
            (Register::Config1, self.config1().encode()),
            (Register::Config2, self.config2().encode()),
            (Register::Loff, self.lead_off.encode()),
            (Register::Ch1Set, self.channels[0].encode()),
            (Register::Ch2Set, self.channels[1].encode()),
            (Register::RldSens, self.right_leg.encode()),
            (Register::LoffSens, self.lead_off_sense.encode()),
            (Register::LoffStat, clock.encode()),
            (Register::Resp1, resp1),
            (Register::Resp2, resp2),
            (Register::Gpio, self.gpio.encode()),
        ]
    }

    /// All register bytes of a chip of this model with this set-up, indexed by address.
    #[must_use]
    pub fn image(&self, model: ChipModel) -> RegisterImage {
        let mut image = [0; REGISTER_COUNT];
        image[usize::from(Register::Id.address())] = model.id();
        for (register, byte) in self.registers() {
            image[usize::from(register.address())] = byte;
        }
        image
    }

    /// The set-up held in the bytes of all registers, and the part they came from. Read-only bits
    /// (lead-off status, levels of GPIO inputs) are ignored.
    ///
    /// # Errors
    /// [`ConfigError`] for an unknown part, for bytes the datasheet does not allow, or where the
    /// external reference is selected and `external_reference_uv` is `None`.
    pub fn from_image(
        image: &RegisterImage,
        external_reference_uv: Option<u32>,
    ) -> Result<(ChipModel, Self), ConfigError> {
        let byte = |register: Register| register.byte_in(image);
        let model = ChipModel::from_id(byte(Register::Id))?;
        let config1 = Config1::decode(byte(Register::Config1))?;
        let config2 = Config2::decode(byte(Register::Config2))?;
        let channel = |register| ChannelSettings::decode(register, byte(register));
        let reference = match (config2.reference, external_reference_uv) {
            (ReferenceSource::Internal2V42, _) => Reference::Internal2V42,
            (ReferenceSource::Internal4V033, _) => Reference::Internal4V033,
            (ReferenceSource::External, Some(microvolts)) => Reference::External { microvolts },
            (ReferenceSource::External, None) => {
                return Err(ConfigError::ExternalReferenceUnknown);
            }
        };
        let config = Self {
            rate: config1.rate,
            mode: config1.mode,
            reference,
            clock_output: config2.clock_output,
            test_signal: config2.test_signal,
            channels: [channel(Register::Ch1Set)?, channel(Register::Ch2Set)?],
            lead_off_comparators: config2.lead_off_comparators,
            lead_off: Loff::decode(byte(Register::Loff))?,
            lead_off_sense: LeadOffSense::decode(byte(Register::LoffSens))?,
            right_leg: RightLegDrive::decode(byte(Register::RldSens))?,
            clock_divider: LoffStat::decode(byte(Register::LoffStat))?.clock_divider,
            respiration: Respiration::decode(byte(Register::Resp1), byte(Register::Resp2))?,
            gpio: Gpio::decode(byte(Register::Gpio))?,
        };
        config.check(model)?;
        Ok((model, config))
    }

    /// Whether this part can do it.
    ///
    /// # Errors
    /// [`ConfigError::RespirationUnsupported`].
    pub fn check(&self, model: ChipModel) -> Result<(), ConfigError> {
        if self.respiration.is_used() && !model.has_respiration() {
            return Err(ConfigError::RespirationUnsupported { model });
        }
        Ok(())
    }

    /// Bits of a register that read back as written.
    pub(super) fn read_back_mask(&self, register: Register) -> u8 {
        match register {
            Register::LoffStat => register.writable_mask(),
            Register::Gpio => self.gpio.read_back_mask(),
            _ => 0xFF,
        }
    }
}

#[cfg(test)]
mod tests;
