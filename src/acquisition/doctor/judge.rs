//! What the samples of a while say about the board.

use ads1292::{ChipConfig, DataRate, Electrode, Register};

use super::advice;
use super::collect::Collected;
use super::step::{DRDY_RATE, FRAMES, NOISE, Step, TEST_SIGNAL};

/// What the electrodes should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Electrodes {
    /// Each must be found on.
    ///
    /// On a body or a patient simulator.
    #[default]
    Attached,
    /// Each must be found off.
    ///
    /// None connected: a detection that never changes shows here.
    Detached,
    /// Only reported.
    Any,
}

/// How far DRDY's rate may be off. The internal oscillator is within 2 % from -40 to 85 °C (SBAS502C,
/// Electrical Characteristics, "Clock").
const RATE_TOLERANCE: f64 = 0.03;
/// How far the test signal's amplitude may be off: the reference's and the divider's tolerances.
const AMPLITUDE_TOLERANCE: f64 = 0.1;
/// How far its frequency may be off; it comes from the same oscillator.
const FREQUENCY_TOLERANCE: f64 = 0.03;
/// Most noise of shorted inputs at gain 6 and 500 SPS, microvolts RMS. The datasheet's Table 1 (SBAS502C,
/// section 7.1 "Noise Measurements": inputs shorted, 25 °C, typical) has 3.0 at gain 1 and 1.7 at gain 2
/// for this rate, and the noise falls as the gain grows; its "Features" have 8 µV peak to peak at gain 6,
/// which with the ratio of 6.6 given there is 1.2 RMS. Four times that is a board with a fault.
const MOST_NOISE_UV_RMS: f64 = 5.0;
/// Share of bad frames or lost edges that is too much.
const MOST_LOST: f64 = 0.01;

pub(super) fn drdy_rate(collected: &Collected, rate: DataRate) -> Step {
    let (found_hz, wanted_hz) = (collected.rate_hz(), f64::from(rate.hz()));
    let found = format!(
        "DRDY falls {found_hz:.1} times a second, {wanted_hz} are set; {} of {} edges were lost",
        collected.lost, collected.edges
    );
    let lost = collected.lost as f64 / collected.edges.max(1) as f64;
    let step = if (found_hz / wanted_hz - 1.0).abs() > RATE_TOLERANCE {
        Step::failed(DRDY_RATE, found, advice::RATE)
    } else if lost > MOST_LOST {
        Step::failed(DRDY_RATE, found, advice::LOST_EDGES)
    } else {
        Step::passed(DRDY_RATE, found)
    };
    step.with("found_hz", found_hz)
        .with("set_hz", wanted_hz)
        .with("lost", collected.lost as f64)
}

pub(super) fn frames(collected: &Collected) -> Step {
    let (bad, all) = (collected.bad, collected.frames());
    let found = format!("{bad} of {all} frames do not begin with 1100");
    let step = if bad as f64 > all as f64 * MOST_LOST {
        Step::failed(FRAMES, found, advice::FRAMES)
    } else {
        Step::passed(FRAMES, found)
    };
    step.with("bad", bad as f64).with("frames", all as f64)
}

pub(super) fn test_signal(collected: &Collected, config: &ChipConfig) -> Step {
    let expected_uv = f64::from(config.reference.microvolts()) / 2_400.0;
    let [one, two] = collected.squares(config.uv_per_code());
    let found = format!(
        "channel 1: {:.0} uV at {:.2} Hz, channel 2: {:.0} uV at {:.2} Hz; expected {expected_uv:.0} \
         uV at 1 Hz",
        one.amplitude_uv, one.frequency_hz, two.amplitude_uv, two.frequency_hz
    );
    let amplitude = |uv: f64| (uv / expected_uv - 1.0).abs() <= AMPLITUDE_TOLERANCE;
    let frequency = |hz: f64| (hz - 1.0).abs() <= FREQUENCY_TOLERANCE;
    let step = if !amplitude(one.amplitude_uv) || !amplitude(two.amplitude_uv) {
        Step::failed(TEST_SIGNAL, found, advice::AMPLITUDE)
    } else if !frequency(one.frequency_hz) || !frequency(two.frequency_hz) {
        Step::failed(TEST_SIGNAL, found, advice::FREQUENCY)
    } else {
        Step::passed(TEST_SIGNAL, found)
    };
    step.with("ch1_amplitude_uv", one.amplitude_uv)
        .with("ch1_frequency_hz", one.frequency_hz)
        .with("ch2_amplitude_uv", two.amplitude_uv)
        .with("ch2_frequency_hz", two.frequency_hz)
        .with("expected_uv", expected_uv)
}

pub(super) fn noise(collected: &Collected, config: &ChipConfig) -> Step {
    let [one, two] = collected.noise_uv_rms(config.uv_per_code());
    let found = format!(
        "inputs shorted, gain 6, 500 SPS: {one:.2} and {two:.2} uV RMS; at most {MOST_NOISE_UV_RMS}"
    );
    let step = if one > MOST_NOISE_UV_RMS || two > MOST_NOISE_UV_RMS {
        Step::failed(NOISE, found, advice::NOISE)
    } else {
        Step::passed(NOISE, found)
    };
    step.with("ch1_uv_rms", one).with("ch2_uv_rms", two)
}

/// Whether the set-up has the chip look at this electrode.
pub(super) fn is_watched(config: &ChipConfig, electrode: Electrode) -> bool {
    let (register, bit) = match electrode {
        // RLD_SENS, bit RLD_LOFF_SENS.
        Electrode::Rld => (Register::RldSens, 0x10),
        other => (Register::LoffSens, other.status_bit()),
    };
    config.lead_off_comparators
        && config
            .registers()
            .iter()
            .any(|(found, byte)| *found == register && byte & bit != 0)
}

pub(super) fn lead_off(
    name: &'static str,
    collected: &Collected,
    electrode: Electrode,
    expected: Electrodes,
) -> Step {
    let off = collected.share_off(electrode);
    let found = format!(
        "{electrode} is found off in {:.0} % of the samples",
        100.0 * off
    );
    let step = match expected {
        Electrodes::Attached if off > 0.05 => Step::failed(name, found, advice::ELECTRODE_OFF),
        Electrodes::Detached if off < 0.95 => Step::failed(name, found, advice::ELECTRODE_ON),
        _ => Step::passed(name, found),
    };
    step.with("share_off", off)
}
