//! A step of the examination and how it ended.

use std::collections::BTreeMap;

use serde::Serialize;

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
