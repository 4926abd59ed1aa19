//! A step of the examination and how it ended.

use std::collections::BTreeMap;

use ads1292::Electrode;
use serde::Serialize;

pub(super) const BUS: &str = "bus";
pub(super) const REGISTERS: &str = "registers";
pub(super) const DRDY_RATE: &str = "drdy_rate";
pub(super) const FRAMES: &str = "frames";
pub(super) const TEST_SIGNAL: &str = "test_signal";
pub(super) const NOISE: &str = "noise";
/// The steps after the devices are open, in their order. Each electrode is a step of its own.
pub const STEPS: [&str; 6] = [BUS, REGISTERS, DRDY_RATE, FRAMES, TEST_SIGNAL, NOISE];

/// The step that looks at an electrode.
pub(super) const fn electrode_step(electrode: Electrode) -> &'static str {
    match electrode {
        Electrode::In1P => "lead_off_in1p",
        Electrode::In1N => "lead_off_in1n",
        Electrode::In2P => "lead_off_in2p",
        Electrode::In2N => "lead_off_in2n",
        Electrode::Rld => "lead_off_rld",
    }
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

    pub(super) fn with(mut self, name: &'static str, value: f64) -> Self {
        self.values.insert(name, value);
        self
    }
}
