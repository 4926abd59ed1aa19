//! From electrode voltages to codes, as the registers say.

use crate::registers::{
    ChannelSettings, Config2, InputMux, ReferenceSource, Register, RegisterImage, TestSignal,
};
use crate::scale::{CODE_MAX, CODE_MIN};

/// Peak of the input-referred noise of a shorted or floating input: 8 µV peak to peak (SBAS502C,
/// section "Features": input-referred noise at gain 6, 150 Hz bandwidth).
const NOISE_PEAK_UV: f64 = 4.0;
/// Temperature sensor at 25 °C (SBAS502C, section 8.3.2.4 "Temperature Sensor").
const TEMPERATURE_25C_UV: f64 = 145_300.0;
/// What the channels see of the supply: (AVDD + AVSS) / 2 of 3.0 V, and DVDD / 4 of 3.3 V.
const SUPPLY_UV: [f64; 2] = [1_500_000.0, 825_000.0];
/// The test signal is VREF over this.
const TEST_SIGNAL_DIVISOR: f64 = 2_400.0;
/// Half a period of the 1 Hz test signal.
const TEST_SIGNAL_HALF_PERIOD_NS: u64 = 500_000_000;

/// Both channels, worked out from the registers whenever one is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Analog {
    channels: [ChannelSettings; 2],
    codes_per_uv: [f64; 2],
    test_signal: TestSignal,
    test_amplitude_uv: f64,
    /// Electrodes that carry lead-off current, as LOFF_STAT\[3:0\].
    sensed: u8,
    flipped: [bool; 2],
    /// Electrodes whose state is reported, as LOFF_STAT\[4:0\].
    compared: u8,
}

/// What disturbs a conversion.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Disturbance {
    /// Electrodes that are off, as LOFF_STAT\[4:0\].
    pub(super) electrodes_off: u8,
    /// Channels at full scale.
    pub(super) clipped: [bool; 2],
    /// Channels whose input carries nothing.
    pub(super) flat: [bool; 2],
    /// Peak of the noise on top of everything, microvolts.
    pub(super) noise_peak_uv: [f64; 2],
}

impl Analog {
    pub(super) fn new(registers: &RegisterImage, external_reference_uv: Option<u32>) -> Self {
        let config2 = Config2::decode(Register::Config2.byte_in(registers)).unwrap_or_default();
        let vref_uv = match config2.reference {
            ReferenceSource::Internal2V42 => 2_420_000.0,
            ReferenceSource::Internal4V033 => 4_033_000.0,
            // Nothing connected: any signal is beyond full scale.
            ReferenceSource::External => external_reference_uv.map_or(0.0, f64::from),
        };
        let channels = [Register::Ch1Set, Register::Ch2Set].map(|register| {
            ChannelSettings::decode(register, register.byte_in(registers))
                .unwrap_or(ChannelSettings::PoweredDown)
        });
        let loff_sens = Register::LoffSens.byte_in(registers);
        let direct_current = Register::Loff.byte_in(registers) & 0x01 == 0;
        let right_leg_sensed = Register::RldSens.byte_in(registers) & 0x10;
        Self {
            channels,
            codes_per_uv: channels
                .map(|channel| f64::from(CODE_MAX) * f64::from(channel.gain().factor()) / vref_uv),
            test_signal: config2.test_signal,
            test_amplitude_uv: vref_uv / TEST_SIGNAL_DIVISOR,
            sensed: if direct_current { loff_sens & 0x0F } else { 0 },
            flipped: [loff_sens & 0x10 != 0, loff_sens & 0x20 != 0],
            compared: if config2.lead_off_comparators && direct_current {
                (loff_sens & 0x0F) | right_leg_sensed
            } else {
                0
            },
        }
    }

    /// LOFF_STAT\[4:0\] with these electrodes off.
    pub(super) const fn lead_off_status(&self, electrodes_off: u8) -> u8 {
        electrodes_off & self.compared
    }

    /// Converts both channels.
    pub(super) fn convert(
        &self,
        electrodes_uv: [f64; 2],
        time_ns: u64,
        disturbance: Disturbance,
        noise: &mut Noise,
    ) -> [i32; 2] {
        let one = |channel: usize, noise: &mut Noise| {
            let ChannelSettings::On { input, .. } = self.channels[channel] else {
                return 0;
            };
            let uv = match input {
                InputMux::NormalElectrode => {
                    let off = disturbance.electrodes_off & (0x03 << (2 * channel));
                    if off == 0 {
                        electrodes_uv[channel]
                    } else if off & self.sensed == 0 {
                        noise.next_uv()
                    } else if self.flipped[channel] {
                        return CODE_MIN;
                    } else {
                        // The current pulls INP up and INN down: either way the difference grows.
                        return CODE_MAX;
                    }
                }
                InputMux::Shorted => noise.next_uv(),
                InputMux::TestSignal => self.test_uv(time_ns),
                InputMux::Supply => SUPPLY_UV[channel],
                InputMux::Temperature => TEMPERATURE_25C_UV,
                InputMux::RldMeasure
                | InputMux::RldDrp
                | InputMux::RldDrm
                | InputMux::RldDrpm
                | InputMux::In3 => 0.0,
            };
            if disturbance.clipped[channel] {
                return if uv < 0.0 { CODE_MIN } else { CODE_MAX };
            }
            let uv = if disturbance.flat[channel] { 0.0 } else { uv };
            let peak_uv = disturbance.noise_peak_uv[channel];
            let noise_uv = if peak_uv > 0.0 {
                noise.next_uv() * peak_uv / NOISE_PEAK_UV
            } else {
                0.0
            };
            to_code((uv + noise_uv) * self.codes_per_uv[channel])
        };
        [one(0, noise), one(1, noise)]
    }

    fn test_uv(&self, time_ns: u64) -> f64 {
        match self.test_signal {
            TestSignal::Off => 0.0,
            TestSignal::Square1Hz if (time_ns / TEST_SIGNAL_HALF_PERIOD_NS) % 2 == 1 => {
                -self.test_amplitude_uv
            }
            TestSignal::Dc | TestSignal::Square1Hz => self.test_amplitude_uv,
        }
    }
}

/// Rounds to a code and saturates; nothing over nothing is zero.
fn to_code(codes: f64) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to 24 bits; NaN casts to zero, which is wanted"
    )]
    let code = codes
        .round()
        .clamp(f64::from(CODE_MIN), f64::from(CODE_MAX)) as i32;
    code
}

/// A fixed sequence of uniform noise (xorshift64).
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise(u64);

impl Default for Noise {
    fn default() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }
}

impl Noise {
    /// Within ±[`NOISE_PEAK_UV`].
    fn next_uv(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let [a, b, ..] = self.0.to_be_bytes();
        let unit = f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX);
        (2.0 * unit - 1.0) * NOISE_PEAK_UV
    }
}
