//! What was chosen and why, for the log and `/v1/status`.

use std::fmt;

use super::calibration::Figures;

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterReport {
    /// Name of the device, as its driver gives it.
    pub name: String,
    /// Name and version of the driver.
    pub driver: String,
    /// Interface to the driver: `vulkan` or `gl`.
    pub backend: &'static str,
    /// `discrete`, `integrated`, `virtual`, `software` or `unknown`.
    pub device_type: &'static str,
}

impl AdapterReport {
    /// [`AdapterReport::device_type`] of an adapter that computes on the CPU (llvmpipe, lavapipe).
    pub const SOFTWARE: &'static str = "software";
}

impl fmt::Display for AdapterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}, {}, {})",
            self.name, self.device_type, self.backend, self.driver
        )
    }
}

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateState {
    /// It classifies single beats, backlogs or both.
    InUse,
    /// It works, and another is faster for everything.
    Slower,
    /// It computes on the CPU: never taken unless asked for.
    Software,
    /// It is not there, or this program cannot use it.
    Absent,
    /// It gave wrong numbers when it was checked.
    Refused,
    /// It was lost, or could not be opened, and is tried again later.
    Lost,
    /// It is being opened, checked and measured.
    Starting,
}

impl CandidateState {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::InUse,
        Self::Slower,
        Self::Software,
        Self::Absent,
        Self::Refused,
        Self::Lost,
        Self::Starting,
    ];

    /// The name used in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InUse => "in_use",
            Self::Slower => "slower",
            Self::Software => "software",
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Starting => "starting",
        }
    }
}

/// An engine that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineCandidate {
    /// Its name, e.g. `cpu-avx2` or `gpu-vulkan`; `gpu` where none could be opened.
    pub engine: String,
    /// What became of it.
    pub state: CandidateState,
    /// More about the state.
    pub detail: Option<String>,
    /// The device; `None` for the CPU and where there is none.
    pub adapter: Option<AdapterReport>,
    /// What was measured; `None` for what was not taken into consideration.
    pub figures: Option<Figures>,
}

/// What classifies, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineReport {
    /// What was asked for: `auto`, `cpu` or `gpu`.
    pub asked: &'static str,
    /// Engine of single beats.
    pub single: String,
    /// Engine of backlogs.
    pub backlog: String,
    /// Most beats of a backlog that are classified together.
    pub backlog_batch: usize,
    /// One sentence.
    pub reason: String,
    /// How often a device was lost since the start.
    pub losses: u64,
    /// The engines that were looked at, the CPU first.
    pub candidates: Vec<EngineCandidate>,
}
