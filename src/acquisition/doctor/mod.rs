//! A board examined step by step: is it wired right, and does it measure?

mod advice;
mod collect;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;
use serde::Serialize;

use super::{AcquisitionError, DataReady};
use crate::ads1292::{
    Ads1292, ChipConfig, ChipModel, DataRate, Electrode, Error as ChipError, Gain, InputMux,
    Register, TestSignal,
};
use collect::{Collected, Trouble, collect};

/// How far DRDY's rate may be off. The internal oscillator is within 2 % from -40 to 85 °C (SBAS502C,
/// Electrical Characteristics, "Clock").
const RATE_TOLERANCE: f64 = 0.03;
/// How far the test signal's amplitude may be off: the reference's and the divider's tolerances.
const AMPLITUDE_TOLERANCE: f64 = 0.1;
/// How far its frequency may be off; it comes from the same oscillator.
const FREQUENCY_TOLERANCE: f64 = 0.03;
/// Most noise of shorted inputs at gain 6 and 500 SPS, microvolts RMS. The datasheet has 8 µV peak
/// to peak for a bandwidth of 150 Hz, about 1.3 µV RMS; four times that is a board with a fault.
const MOST_NOISE_UV_RMS: f64 = 5.0;
/// Share of bad frames or lost edges that is too much.
const MOST_LOST: f64 = 0.01;
/// How often the ID is read.
const ID_READS: usize = 16;

/// What the electrodes should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Electrodes {
    /// On a body or a patient simulator: each must be found on.
    #[default]
    Attached,
    /// None connected: each must be found off. A detection that never changes shows here.
    Detached,
    /// Only reported.
    Any,
}

/// What is examined.
#[derive(Debug, Clone)]
pub struct Examination {
    /// The set-up the board is for.
    pub config: ChipConfig,
    /// The part that should answer, if one was asked for.
    pub expected: Option<ChipModel>,
    /// What the electrodes should be.
    pub electrodes: Electrodes,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not as it should be; the advice says what to do.
    Failed,
    /// Not done: an earlier step failed, or the configuration leaves nothing to examine.
    Skipped,
}

/// A step and what it found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its name, e.g. `drdy_rate`.
    pub step: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found, in one sentence.
    pub found: String,
    /// What to do about it; `None` unless it failed.
    pub advice: Option<&'static str>,
    /// What was measured; the unit is in the name.
    pub values: BTreeMap<&'static str, f64>,
}

impl Step {
    /// A step that went well.
    #[must_use]
    pub fn passed(step: &'static str, found: String) -> Self {
        Self {
            step,
            outcome: Outcome::Passed,
            found,
            advice: None,
            values: BTreeMap::new(),
        }
    }

    /// A step that did not.
    #[must_use]
    pub fn failed(step: &'static str, found: String, advice: &'static str) -> Self {
        Self {
            outcome: Outcome::Failed,
            advice: Some(advice),
            ..Self::passed(step, found)
        }
    }

    /// A step that was not done.
    #[must_use]
    pub fn skipped(step: &'static str, why: &str) -> Self {
        Self {
            outcome: Outcome::Skipped,
            ..Self::passed(step, why.to_owned())
        }
    }

    fn with(mut self, name: &'static str, value: f64) -> Self {
        self.values.insert(name, value);
        self
    }
}

/// The steps after the devices are open, in their order. Each electrode is a step of its own.
pub const STEPS: [&str; 6] = [
    "bus",
    "registers",
    "drdy_rate",
    "frames",
    "test_signal",
    "noise",
];

/// The step that looks at an electrode.
const fn electrode_step(electrode: Electrode) -> &'static str {
    match electrode {
        Electrode::In1P => "lead_off_in1p",
        Electrode::In1N => "lead_off_in1n",
        Electrode::In2P => "lead_off_in2p",
        Electrode::In2N => "lead_off_in2n",
        Electrode::Rld => "lead_off_rld",
    }
}

/// Examines the board; `report` hears of each step when it is done. Leaves the chip stopped.
pub fn examine<SPI, START, RESET, DELAY, DRDY>(
    driver: &mut Ads1292<SPI, START, RESET, DELAY>,
    drdy: &mut DRDY,
    what: &Examination,
    report: &mut dyn FnMut(&Step),
) -> Vec<Step>
where
    SPI: SpiDevice,
    SPI::Error: Into<AcquisitionError>,
    START: OutputPin,
    RESET: OutputPin,
    DELAY: DelayNs,
    DRDY: DataReady,
{
    let mut steps = Vec::new();
    let mut say = |step: Step, steps: &mut Vec<Step>| {
        report(&step);
        let went_well = step.outcome != Outcome::Failed;
        steps.push(step);
        went_well
    };
    let mut goes_on = say(bus(driver, what.expected), &mut steps);
    if goes_on {
        goes_on = say(registers(driver, &what.config), &mut steps);
    }
    if goes_on {
        let collected = collect(driver, drdy, &what.config, Duration::from_secs(2));
        goes_on = say(drdy_rate(&collected, what.config.rate), &mut steps);
        // Without edges there are no frames to judge.
        goes_on = if collected.is_ok() {
            say(frames(&collected), &mut steps) && goes_on
        } else {
            false
        };
    }
    if goes_on {
        let test = ChipConfig::self_test(TestSignal::Square1Hz).with_rate(DataRate::Sps500);
        let test = ChipConfig {
            reference: what.config.reference,
            ..test
        };
        let collected = collect(driver, drdy, &test, Duration::from_millis(4_200));
        say(test_signal(&collected, &test), &mut steps);
        let shorted = ChipConfig {
            reference: what.config.reference,
            lead_off_comparators: false,
            lead_off_sense: crate::ads1292::LeadOffSense::default(),
            ..ChipConfig::default()
        }
        .with_input(InputMux::Shorted)
        .with_gain(Gain::X6);
        let collected = collect(driver, drdy, &shorted, Duration::from_secs(2));
        say(noise(&collected, &shorted), &mut steps);
        let collected = collect(driver, drdy, &what.config, Duration::from_secs(1));
        for electrode in Electrode::ALL {
            let step = lead_off(&collected, electrode, what);
            say(step, &mut steps);
        }
    }
    let missing = STEPS.into_iter().chain(Electrode::ALL.map(electrode_step));
    for name in missing {
        if steps.iter().all(|step| step.step != name) {
            say(Step::skipped(name, "an earlier step failed"), &mut steps);
        }
    }
    // Whoever comes next sets the chip up anew.
    let _ = driver.stop();
    steps
}

fn bus<SPI, START, RESET, DELAY>(
    driver: &mut Ads1292<SPI, START, RESET, DELAY>,
    expected: Option<ChipModel>,
) -> Step
where
    SPI: SpiDevice,
    SPI::Error: Into<AcquisitionError>,
    START: OutputPin,
    RESET: OutputPin,
    DELAY: DelayNs,
{
    const NAME: &str = "bus";
    let mut ids = Vec::with_capacity(ID_READS);
    let mut read = driver.reset_and_read_id();
    for _ in 0..ID_READS {
        match read {
            Ok(id) => ids.push(id),
            Err(error) => {
                let error = AcquisitionError::from_chip(error).to_string();
                return Step::failed(NAME, error, advice::TRANSFER);
            }
        }
        read = driver.read_register(Register::Id);
    }
    let first = ids.first().copied().unwrap_or_default();
    if ids.iter().any(|id| *id != first) {
        let found = format!("the ID reads differently each time: {ids:02x?}");
        return Step::failed(NAME, found, advice::UNSTABLE);
    }
    match (ChipModel::from_id(first), first) {
        (Ok(model), _) if expected.is_some_and(|expected| expected != model) => {
            let found = format!("an {model} answers, the configuration asks for another part");
            Step::failed(NAME, found, advice::OTHER_PART)
        }
        (Ok(model), id) => {
            Step::passed(NAME, format!("{model} answers (ID {id:#04x})")).with("id", id.into())
        }
        (Err(_), 0x00) => Step::failed(NAME, "every bit reads 0".to_owned(), advice::ALL_ZERO),
        (Err(_), 0xFF) => Step::failed(NAME, "every bit reads 1".to_owned(), advice::ALL_ONE),
        (Err(error), _) => Step::failed(NAME, error.to_string(), advice::UNKNOWN_ID),
    }
}

fn registers<SPI, START, RESET, DELAY>(
    driver: &mut Ads1292<SPI, START, RESET, DELAY>,
    config: &ChipConfig,
) -> Step
where
    SPI: SpiDevice,
    SPI::Error: Into<AcquisitionError>,
    START: OutputPin,
    RESET: OutputPin,
    DELAY: DelayNs,
{
    const NAME: &str = "registers";
    match driver.initialise(config) {
        Ok(_) => Step::passed(NAME, "all registers hold what was written".to_owned()),
        Err(error) => {
            let advice = match error {
                ChipError::ReadBack { .. } => advice::READ_BACK,
                _ => advice::TRANSFER,
            };
            Step::failed(NAME, AcquisitionError::from_chip(error).to_string(), advice)
        }
    }
}

fn trouble(name: &'static str, trouble: &Trouble) -> Step {
    Step::failed(name, trouble.found.clone(), trouble.advice)
}

fn drdy_rate(collected: &Result<Collected, Trouble>, rate: DataRate) -> Step {
    const NAME: &str = "drdy_rate";
    let collected = match collected {
        Ok(collected) => collected,
        Err(why) => return trouble(NAME, why),
    };
    let (found_hz, wanted_hz) = (collected.rate_hz(), f64::from(rate.hz()));
    let found = format!(
        "DRDY falls {found_hz:.1} times a second, {wanted_hz} are set; {} of {} edges were lost",
        collected.lost, collected.edges
    );
    let lost = collected.lost as f64 / collected.edges.max(1) as f64;
    let step = if (found_hz / wanted_hz - 1.0).abs() > RATE_TOLERANCE {
        Step::failed(NAME, found, advice::RATE)
    } else if lost > MOST_LOST {
        Step::failed(NAME, found, advice::LOST_EDGES)
    } else {
        Step::passed(NAME, found)
    };
    step.with("found_hz", found_hz)
        .with("set_hz", wanted_hz)
        .with("lost", collected.lost as f64)
}

fn frames(collected: &Result<Collected, Trouble>) -> Step {
    const NAME: &str = "frames";
    let collected = match collected {
        Ok(collected) => collected,
        Err(why) => return trouble(NAME, why),
    };
    let (bad, all) = (collected.bad, collected.frames());
    let found = format!("{bad} of {all} frames do not begin with 1100");
    let step = if bad as f64 > all as f64 * MOST_LOST {
        Step::failed(NAME, found, advice::FRAMES)
    } else {
        Step::passed(NAME, found)
    };
    step.with("bad", bad as f64).with("frames", all as f64)
}

fn test_signal(collected: &Result<Collected, Trouble>, config: &ChipConfig) -> Step {
    const NAME: &str = "test_signal";
    let collected = match collected {
        Ok(collected) => collected,
        Err(why) => return trouble(NAME, why),
    };
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
        Step::failed(NAME, found, advice::AMPLITUDE)
    } else if !frequency(one.frequency_hz) || !frequency(two.frequency_hz) {
        Step::failed(NAME, found, advice::FREQUENCY)
    } else {
        Step::passed(NAME, found)
    };
    step.with("ch1_amplitude_uv", one.amplitude_uv)
        .with("ch1_frequency_hz", one.frequency_hz)
        .with("ch2_amplitude_uv", two.amplitude_uv)
        .with("ch2_frequency_hz", two.frequency_hz)
        .with("expected_uv", expected_uv)
}

fn noise(collected: &Result<Collected, Trouble>, config: &ChipConfig) -> Step {
    const NAME: &str = "noise";
    let collected = match collected {
        Ok(collected) => collected,
        Err(why) => return trouble(NAME, why),
    };
    let [one, two] = collected.noise_uv_rms(config.uv_per_code());
    let found = format!(
        "inputs shorted, gain 6, 500 SPS: {one:.2} and {two:.2} uV RMS; at most {MOST_NOISE_UV_RMS}"
    );
    let step = if one > MOST_NOISE_UV_RMS || two > MOST_NOISE_UV_RMS {
        Step::failed(NAME, found, advice::NOISE)
    } else {
        Step::passed(NAME, found)
    };
    step.with("ch1_uv_rms", one).with("ch2_uv_rms", two)
}

/// Whether the set-up has the chip look at this electrode.
fn is_watched(config: &ChipConfig, electrode: Electrode) -> bool {
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

fn lead_off(
    collected: &Result<Collected, Trouble>,
    electrode: Electrode,
    what: &Examination,
) -> Step {
    let name = electrode_step(electrode);
    if !is_watched(&what.config, electrode) {
        return Step::skipped(name, "the set-up does not watch this electrode");
    }
    let collected = match collected {
        Ok(collected) => collected,
        Err(why) => return trouble(name, why),
    };
    let off = collected.share_off(electrode);
    let found = format!(
        "{electrode} is found off in {:.0} % of the samples",
        100.0 * off
    );
    let step = match what.electrodes {
        Electrodes::Attached if off > 0.05 => Step::failed(name, found, advice::ELECTRODE_OFF),
        Electrodes::Detached if off < 0.95 => Step::failed(name, found, advice::ELECTRODE_ON),
        _ => Step::passed(name, found),
    };
    step.with("share_off", off)
}
