//! CH1SET (04h) and CH2SET (05h) (SBAS502C, sections "CH1SET: Channel 1 Settings" and "CH2SET:
//! Channel 2 Settings").

use super::register::{Register, RegisterError};

/// PGA gain, GAINn\[2:0\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Gain {
    /// Gain 6; the reset value, code 000.
    #[default]
    X6,
    /// Gain 1.
    X1,
    /// Gain 2.
    X2,
    /// Gain 3.
    X3,
    /// Gain 4.
    X4,
    /// Gain 8.
    X8,
    /// Gain 12.
    X12,
}

impl Gain {
    /// All gains in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::X6,
        Self::X1,
        Self::X2,
        Self::X3,
        Self::X4,
        Self::X8,
        Self::X12,
    ];

    /// The amplification.
    #[must_use]
    pub const fn factor(self) -> u8 {
        [6, 1, 2, 3, 4, 8, 12][self as usize]
    }

    /// The gain of this amplification; `None` where the chip has no such gain.
    #[must_use]
    pub fn from_factor(factor: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|gain| gain.factor() == factor)
    }
}

/// What a channel measures, MUXn\[3:0\].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum InputMux {
    /// The electrodes; the reset value.
    #[default]
    NormalElectrode,
    /// Both inputs at mid-supply: offset and noise of the channel itself.
    Shorted,
    /// RLD_MEASURE.
    RldMeasure,
    /// Supply: (AVDD + AVSS) / 2 on channel 1, DVDD / 4 on channel 2. Use gain 1.
    Supply,
    /// Temperature sensor.
    Temperature,
    /// Internal test signal.
    TestSignal,
    /// RLD_DRP: positive input to RLDIN.
    RldDrp,
    /// RLD_DRM: negative input to RLDIN.
    RldDrm,
    /// RLD_DRPM: both inputs to RLDIN.
    RldDrpm,
    /// IN3P and IN3N.
    In3,
}

impl InputMux {
    /// All inputs in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::NormalElectrode,
        Self::Shorted,
        Self::RldMeasure,
        Self::Supply,
        Self::Temperature,
        Self::TestSignal,
        Self::RldDrp,
        Self::RldDrm,
        Self::RldDrpm,
        Self::In3,
    ];
}

/// CH1SET or CH2SET.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelSettings {
    /// The channel converts.
    On {
        /// GAINn\[2:0\].
        gain: Gain,
        /// MUXn\[3:0\].
        input: InputMux,
    },
    /// The channel is powered down and its code is zero. The input is shorted, as the datasheet
    /// asks of a powered-down channel.
    PoweredDown,
}

impl Default for ChannelSettings {
    /// The reset value: electrodes at gain 6.
    fn default() -> Self {
        Self::On {
            gain: Gain::default(),
            input: InputMux::default(),
        }
    }
}

const POWER_DOWN: u8 = 0x80;

impl ChannelSettings {
    /// The gain; that of the reset value where the channel is powered down.
    #[must_use]
    pub const fn gain(self) -> Gain {
        match self {
            Self::On { gain, .. } => gain,
            Self::PoweredDown => Gain::X6,
        }
    }

    /// The register's byte.
    #[must_use]
    pub const fn encode(self) -> u8 {
        match self {
            Self::On { gain, input } => (gain as u8) << 4 | input as u8,
            Self::PoweredDown => POWER_DOWN | InputMux::Shorted as u8,
        }
    }

    /// From the byte of `register`, CH1SET or CH2SET. A powered-down channel's gain and input are
    /// not looked at.
    ///
    /// # Errors
    /// [`RegisterError`] where gain or input are reserved.
    pub fn decode(register: Register, byte: u8) -> Result<Self, RegisterError> {
        if byte & POWER_DOWN != 0 {
            return Ok(Self::PoweredDown);
        }
        let (gain_code, input_code) = (byte >> 4, byte & 0x0F);
        let gain = Gain::ALL.get(usize::from(gain_code)).copied();
        let input = InputMux::ALL.get(usize::from(input_code)).copied();
        Ok(Self::On {
            gain: gain.ok_or(register.reserved(byte, "GAIN", gain_code))?,
            input: input.ok_or(register.reserved(byte, "MUX", input_code))?,
        })
    }
}
