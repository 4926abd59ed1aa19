//! RESP1 (09h) and RESP2 (0Ah) (SBAS502C, sections "RESP1: Respiration Control Register 1" and
//! "RESP2: Respiration Control Register 2").
//!
//! RESP1 bit 1 and RESP2 bit 0 are always one. For parts without respiration the datasheet wants
//! RESP1 = 02h and RESP_FREQ = 1; with respiration off both are written on either part, where they
//! do nothing on the ADS1292R.

use super::register::{Register, RegisterError};

/// Where the respiration modulator takes its clock, RESP_CTRL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RespirationClock {
    /// Internal respiration circuit, internal clock.
    #[default]
    Internal,
    /// Internal respiration circuit, clock from outside.
    External,
}

/// Carrier and phase of the demodulator, RESP_FREQ and RESP_PH\[3:0\]. The 64 kHz carrier has only
/// eight phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RespirationPhase {
    /// 32 kHz carrier.
    Khz32 {
        /// Phase in steps of 11.25°, 0 to 15; larger values encode as 15.
        step: u8,
    },
    /// 64 kHz carrier.
    Khz64 {
        /// Phase in steps of 22.5°, 0 to 7; larger values encode as 7.
        step: u8,
    },
}

impl Default for RespirationPhase {
    fn default() -> Self {
        Self::Khz32 { step: 0 }
    }
}

impl RespirationPhase {
    /// The phase in degrees.
    #[must_use]
    pub fn degrees(self) -> f32 {
        match self {
            Self::Khz32 { .. } => f32::from(self.code()) * 11.25,
            Self::Khz64 { .. } => f32::from(self.code()) * 22.5,
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Khz32 { step } => step.min(15),
            Self::Khz64 { step } => step.min(7),
        }
    }
}

/// RESP1 and RESP2 together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Respiration {
    /// RESP_DEMOD_EN1: demodulator of channel 1 on (ADS1292R only).
    pub demodulation: bool,
    /// RESP_MOD_EN: modulator on (ADS1292R only).
    pub modulation: bool,
    /// RESP_CTRL (ADS1292R only).
    pub clock: RespirationClock,
    /// RESP_PH and RESP_FREQ (ADS1292R only).
    pub phase: RespirationPhase,
    /// CALIB_ON: needed before the offset calibration command.
    pub calibration: bool,
    /// RLDREF_INT: the right-leg reference is made internally, (AVDD - AVSS) / 2.
    pub internal_right_leg_reference: bool,
}

impl Default for Respiration {
    /// No respiration, right-leg reference made internally.
    fn default() -> Self {
        Self {
            demodulation: false,
            modulation: false,
            clock: RespirationClock::Internal,
            phase: RespirationPhase::default(),
            calibration: false,
            internal_right_leg_reference: true,
        }
    }
}

impl Respiration {
    /// Whether anything is asked for that only the ADS1292R has.
    #[must_use]
    pub fn is_used(self) -> bool {
        let idle = Self {
            calibration: self.calibration,
            internal_right_leg_reference: self.internal_right_leg_reference,
            ..Self::default()
        };
        self != idle
    }

    /// The bytes of RESP1 and RESP2.
    #[must_use]
    pub fn encode(self) -> [u8; 2] {
        let frequency = !self.is_used() || matches!(self.phase, RespirationPhase::Khz64 { .. });
        let resp1 = Register::Resp1.fixed_ones()
            | u8::from(self.demodulation) << 7
            | u8::from(self.modulation) << 6
            | self.phase.code() << 2
            | self.clock as u8;
        let resp2 = Register::Resp2.fixed_ones()
            | u8::from(self.calibration) << 7
            | u8::from(frequency) << 2
            | u8::from(self.internal_right_leg_reference) << 1;
        [resp1, resp2]
    }

    /// From the bytes of RESP1 and RESP2.
    ///
    /// # Errors
    /// [`RegisterError`] where fixed bits are wrong or the phase does not exist at 64 kHz.
    pub fn decode(resp1: u8, resp2: u8) -> Result<Self, RegisterError> {
        Register::Resp1.check_fixed(resp1)?;
        Register::Resp2.check_fixed(resp2)?;
        let common = Self {
            calibration: resp2 & 0x80 != 0,
            internal_right_leg_reference: resp2 & 0x02 != 0,
            ..Self::default()
        };
        if resp1 == Register::Resp1.fixed_ones() && resp2 & 0x04 != 0 {
            return Ok(common);
        }
        let step = (resp1 >> 2) & 0x0F;
        let phase = if resp2 & 0x04 == 0 {
            RespirationPhase::Khz32 { step }
        } else if step < 8 {
            RespirationPhase::Khz64 { step }
        } else {
            return Err(Register::Resp1.reserved(resp1, "RESP_PH", step));
        };
        Ok(Self {
            demodulation: resp1 & 0x80 != 0,
            modulation: resp1 & 0x40 != 0,
            clock: [RespirationClock::Internal, RespirationClock::External]
                [usize::from(resp1 & 0x01)],
            phase,
            ..common
        })
    }
}
