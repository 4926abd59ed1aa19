//! A board examined step by step: is it wired right, and does it measure?

mod advice;
mod board;
mod collect;
mod judge;
mod step;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ads1292::{Ads1292, ChipConfig, ChipModel, DataRate, Electrode, Gain, InputMux, TestSignal};
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;

use super::drdy::DataReady;
use super::error::AcquisitionError;
use board::Board;
use collect::{Collected, Trouble};

use step::{DRDY_RATE, NOISE, TEST_SIGNAL, electrode_step};

pub use judge::Electrodes;
pub use step::{Outcome, STEPS, Step};

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

/// Examines the board; `report` hears of each step when it is done. Leaves the chip stopped.
pub fn examine<SPI, PIN, DELAY, DRDY>(
    driver: &mut Ads1292<SPI, PIN, PIN, DELAY>,
    drdy: &mut DRDY,
    what: &Examination,
    report: &mut dyn FnMut(&Step),
) -> Vec<Step>
where
    SPI: SpiDevice<Error = AcquisitionError>,
    PIN: OutputPin,
    DELAY: DelayNs,
    DRDY: DataReady,
{
    let mut board = Board { driver, drdy };
    let mut steps = Vec::new();
    let mut say = |step: Step, steps: &mut Vec<Step>| {
        report(&step);
        let went_well = step.outcome != Outcome::Failed;
        steps.push(step);
        went_well
    };
    let mut goes_on = say(board.bus(what.expected), &mut steps);
    if goes_on {
        goes_on = say(board.registers(&what.config), &mut steps);
    }
    if goes_on {
        let collected = board.collect(&what.config, Duration::from_secs(2));
        let rate = judged(DRDY_RATE, &collected, |it| {
            judge::drdy_rate(it, what.config.rate)
        });
        goes_on = say(rate, &mut steps);
        // Without edges there are no frames to judge.
        goes_on = match &collected {
            Ok(collected) => say(judge::frames(collected), &mut steps) && goes_on,
            Err(_) => false,
        };
    }
    if goes_on {
        let test = ChipConfig::self_test(TestSignal::Square1Hz).with_rate(DataRate::Sps500);
        let test = ChipConfig {
            reference: what.config.reference,
            ..test
        };
        let collected = board.collect(&test, Duration::from_millis(4_200));
        let step = judged(TEST_SIGNAL, &collected, |it| judge::test_signal(it, &test));
        say(step, &mut steps);
        let shorted = ChipConfig {
            reference: what.config.reference,
            lead_off_comparators: false,
            lead_off_sense: ads1292::LeadOffSense::default(),
            ..ChipConfig::default()
        }
        .with_input(InputMux::Shorted)
        .with_gain(Gain::X6);
        let collected = board.collect(&shorted, Duration::from_secs(2));
        let step = judged(NOISE, &collected, |it| judge::noise(it, &shorted));
        say(step, &mut steps);
        let collected = board.collect(&what.config, Duration::from_secs(1));
        for electrode in Electrode::ALL {
            let name = electrode_step(electrode);
            let step = if judge::is_watched(&what.config, electrode) {
                judged(name, &collected, |it| {
                    judge::lead_off(name, it, electrode, what.electrodes)
                })
            } else {
                Step::skipped(name, "the set-up does not watch this electrode")
            };
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
    let _ = board.driver.stop();
    steps
}

/// What `judge` says of the samples, or why there are none.
fn judged(
    name: &'static str,
    collected: &Result<Collected, Trouble>,
    judge: impl FnOnce(&Collected) -> Step,
) -> Step {
    match collected {
        Ok(collected) => judge(collected),
        Err(trouble) => Step::failed(name, trouble.found.clone(), trouble.advice),
    }
}
