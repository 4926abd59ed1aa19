//! `run --simulated`: the daemon without a chip.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ads1292::ChipModel;
use ads1292::simulator::{BoardOptions, FaultScript, FaultScriptError};
use clap::Args;
use ecg_chain::Injection;
use ecg_files::read_text;

use super::failure::{Cause, Failure};
use super::injection;
use super::live;
use crate::acquisition::{
    FrameSource, Paced, RecordExcerpt, RecordSignal, SyntheticEcg, open_simulated,
};
use crate::config::Config;

/// Largest fault script that is read: some thirty thousand faults.
const MAX_FAULT_BYTES: u64 = 1 << 20;

/// Heart rate of the synthetic rhythm.
const SYNTHETIC_BPM: f64 = 72.0;

/// A simulated chip in place of the real one, in real time.
#[derive(Debug, Args)]
pub(super) struct SimulationArguments {
    /// Read a simulated chip in real time instead of the device: "synthetic" for an endless sinus
    /// rhythm, or a WFDB record.
    #[arg(long, value_name = "SOURCE")]
    simulated: Option<String>,
    /// Let the simulated time pass this many times as fast, 0.01 to 10000.
    #[arg(long, value_name = "FACTOR", requires = "simulated", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Script of faults for the simulated chip, one a line: `at 2.5s lead-off in2n for 1s`.
    #[arg(long, value_name = "FILE", requires = "simulated")]
    faults: Option<PathBuf>,
    /// Make something go wrong on the host, to see that no beat is lost: `gpu-lost@TIME` (such as
    /// 90s after the start) or `gpu-lost@BEAT` takes the GPU away with that beat on it.
    #[arg(long, value_name = "FAULT", requires = "simulated", value_parser = injection::parse)]
    inject: Option<Arc<Injection>>,
    /// Let the acquisition thread hang after this many seconds, to see the watchdog bite.
    #[arg(long, value_name = "SECONDS", requires = "simulated", value_parser = seconds)]
    hang_after: Option<Duration>,
}

/// What the session's source is called, where it comes from, and the source.
type Opened = (&'static str, String, Box<dyn FrameSource + Send>);

impl SimulationArguments {
    pub(super) fn is_asked_for(&self) -> bool {
        self.simulated.is_some()
    }

    /// The loss of the GPU that is asked for, on the command line or in the fault script.
    pub(super) fn injection(&self) -> Result<Option<Arc<Injection>>, Failure> {
        let scripted = injection::scripted_ns(&fault_script(self.faults.as_deref())?);
        let scripted = scripted.map(|time_ns| Arc::new(Injection::at_time(time_ns)));
        Ok(self.inject.clone().or(scripted))
    }

    /// The simulated source, if one is asked for.
    pub(super) fn open(&self, config: &Config) -> Result<Option<Opened>, Failure> {
        let Some(name) = &self.simulated else {
            return Ok(None);
        };
        let chip = config.acquisition.chip;
        let board = BoardOptions::new()
            .model(config.device.chip.unwrap_or(ChipModel::Ads1292R))
            .faults(fault_script(self.faults.as_deref())?);
        let session = live::session(config);
        let simulated = if name == "synthetic" {
            let heart = SyntheticEcg::new(SYNTHETIC_BPM, None);
            open_simulated(&board, chip, heart, session, None)?
        } else {
            let excerpt = RecordExcerpt {
                record: PathBuf::from(name),
                signals: None,
                from_s: 0.0,
                to_s: None,
            };
            let signal = RecordSignal::open(excerpt, f64::from(chip.rate.hz()))?;
            if signal.is_guess() {
                tracing::warn!(
                    record = name,
                    "nothing says that the signals taken are an ECG"
                );
            }
            open_simulated(&board, chip, signal, session, None)?
        };
        let mut paced =
            Paced::new(simulated.with_recovery_policy(live::care(config))).at_speed(self.speed);
        if let Some(after) = self.hang_after {
            paced = paced.hanging_after(after);
        }
        Ok(Some(("simulation", name.clone(), Box::new(paced))))
    }
}

/// The script in this file; no faults without one.
pub(super) fn fault_script(path: Option<&Path>) -> Result<FaultScript, Failure> {
    let Some(path) = path else {
        return Ok(FaultScript::default());
    };
    let refused = |error: &dyn Display| {
        Failure::new(Cause::Configuration, format!("{}: {error}", path.display()))
    };
    let text = read_text(path, MAX_FAULT_BYTES).map_err(|error| refused(&error))?;
    text.parse()
        .map_err(|error: FaultScriptError| refused(&error))
}

fn speed(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|factor| (0.01..=10_000.0).contains(factor))
        .ok_or_else(|| "expected a factor 0.01 to 10000".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected seconds such as 2.5".to_owned())
}
