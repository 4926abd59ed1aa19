//! `ecg-gateway doctor`: is the board wired right, and does it measure?

use std::path::PathBuf;

use ads1292::ChipModel;
use ads1292::simulator::BoardOptions;
use clap::Args;
use serde::Serialize;

use super::arguments::CONFIG_FILE;
use super::failure::{Cause, Failure};
use super::{live, output, simulated};
use crate::acquisition::doctor::{Electrodes, Examination, Outcome, Step, examine};
use crate::acquisition::{SyntheticEcg, connect_live, connect_simulated};
use crate::config::Config;

/// Heart rate of the simulated board's signal.
const SIMULATED_BPM: f64 = 60.0;

/// Examine a board step by step: bus and ID, registers, DRDY rate, frames, test signal, noise of
/// shorted inputs, each electrode. Says what to do about each failure, and ends with code 25 if
/// there was one. The service must not be running: it holds the GPIO lines.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Configuration file: wiring and chip set-up [default:
    /// /etc/ecg-gateway/ecg-gateway.toml, with --simulated the built-in defaults].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What the electrodes should be: attached (to a body or a patient simulator), detached, or any.
    #[arg(long, value_enum, default_value = "attached")]
    electrodes: Electrodes,
    /// Examine the simulated board instead of the device.
    #[arg(long)]
    simulated: bool,
    /// Script of faults for the simulated board, one a line: `at 0s slow-clock 10`.
    #[arg(long, value_name = "FILE", requires = "simulated")]
    faults: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary {
    passed: bool,
    failed: usize,
    skipped: usize,
    steps: Vec<Step>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = match &arguments.config {
        Some(path) => Config::load(path)?,
        None if arguments.simulated => Config::default(),
        None => Config::load(CONFIG_FILE.as_ref())?,
    };
    let what = Examination {
        config: config.acquisition.chip,
        expected: config.device.chip,
        electrodes: arguments.electrodes,
    };
    let mut report = |step: &Step| {
        if !arguments.json {
            // A reader that went away ends the output, not the examination.
            let _ = output::text_line(&line(step));
        }
    };
    let steps = if arguments.simulated {
        let board = BoardOptions::new()
            .model(what.expected.unwrap_or(ChipModel::Ads1292R))
            .faults(simulated::fault_script(arguments.faults.as_deref())?);
        let heart = SyntheticEcg::new(SIMULATED_BPM, None);
        let session = live::session(&config);
        let (mut driver, mut drdy, _) = connect_simulated(&board, heart, &session, None);
        examine(&mut driver, &mut drdy, &what, &mut report)
    } else {
        match connect_live(&config.device.wiring, None) {
            Ok((mut driver, mut drdy)) => {
                let step = Step::passed("devices", "SPI node and GPIO lines are open".to_owned());
                report(&step);
                let mut steps = vec![step];
                steps.extend(examine(&mut driver, &mut drdy, &what, &mut report));
                steps
            }
            Err(error) => {
                let step = Step::failed("devices", error.to_string(), DEVICES);
                report(&step);
                vec![step]
            }
        }
    };
    conclude(steps, arguments.json)
}

const DEVICES: &str = "enable SPI (dtparam=spi=on), check spi_path, gpio_chip and the line numbers, the \
    groups spi and gpio, and that the service is not running";

fn line(step: &Step) -> String {
    let outcome = match step.outcome {
        Outcome::Passed => "ok    ",
        Outcome::Failed => "FAILED",
        Outcome::Skipped => "-     ",
    };
    let advice = step
        .advice
        .map_or_else(String::new, |advice| format!("\n         -> {advice}"));
    format!("{outcome}  {:<14} {}{advice}", step.step, step.found)
}

fn conclude(steps: Vec<Step>, json: bool) -> Result<(), Failure> {
    let count = |outcome| steps.iter().filter(|step| step.outcome == outcome).count();
    let (failed, skipped) = (count(Outcome::Failed), count(Outcome::Skipped));
    let names: Vec<&str> = steps
        .iter()
        .filter(|step| step.outcome == Outcome::Failed)
        .map(|step| step.step)
        .collect();
    let names = names.join(", ");
    if json {
        output::json(&Summary {
            passed: failed == 0,
            failed,
            skipped,
            steps,
        })?;
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(Failure::new(Cause::Board, format!("failed: {names}")))
    }
}
