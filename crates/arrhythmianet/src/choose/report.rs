//! What is reported of the engines: what was chosen and why, and what happened to them since.

use std::fmt;
use std::time::Duration;

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

/// What an engine was measured to take, medians.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// A batch of one beat, nanoseconds.
    pub single_ns: u64,
    /// Beats of the larger batch, at least 2.
    pub batch: usize,
    /// The larger batch, nanoseconds per beat.
    pub batch_ns_per_beat: u64,
}

impl Figures {
    /// What a batch of `beats` should take: on the straight line through both measurements.
    #[must_use]
    pub fn expected(&self, beats: usize) -> Duration {
        let (single, whole) = (
            u128::from(self.single_ns),
            u128::from(self.batch_ns_per_beat).saturating_mul(self.batch as u128),
        );
        let further = whole
            .saturating_sub(single)
            .saturating_mul(beats.saturating_sub(1) as u128)
            / self.batch.saturating_sub(1).max(1) as u128;
        Duration::from_nanos(u64::try_from(single.saturating_add(further)).unwrap_or(u64::MAX))
    }
}

/// Why an engine is not used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossCause {
    /// The driver reported an error, a lost device among them.
    Driver,
    /// No answer in time.
    TimeOut,
    /// Results that are no numbers, or other numbers than the CPU's.
    WrongNumbers,
}

impl LossCause {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Driver => "driver error",
            Self::TimeOut => "time-out",
            Self::WrongNumbers => "wrong numbers",
        }
    }
}

/// Something that happened to the engines: an event of the session in which it was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineNotice {
    /// An engine was lost; nothing else was.
    Lost {
        /// The engine.
        engine: String,
        /// Why.
        cause: LossCause,
        /// What the driver or the comparison said.
        reason: String,
        /// Beats that were with it and were classified again.
        beats_again: usize,
        /// The engine that did so.
        fallback: String,
        /// When it is tried again.
        again_in: Duration,
    },
    /// A lost engine works again.
    Recovered {
        /// The engine.
        engine: String,
        /// How long it was away.
        away: Duration,
        /// What it is used for now.
        used_for: &'static str,
    },
    /// An engine failed its self-check and is not used.
    Refused {
        /// The engine.
        engine: String,
        /// What was wrong.
        reason: String,
    },
}

impl fmt::Display for EngineNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost {
                engine,
                cause,
                reason,
                beats_again,
                fallback,
                again_in,
            } => write!(
                f,
                "{engine}: {}: {reason}; {beats_again} beats classified again on {fallback}; tried \
                 again in {:.1} s",
                cause.words(),
                again_in.as_secs_f64()
            ),
            Self::Recovered {
                engine,
                away,
                used_for,
            } => write!(
                f,
                "{engine}: works again after {:.1} s, checked and measured; used for {used_for}",
                away.as_secs_f64()
            ),
            Self::Refused { engine, reason } => {
                write!(f, "{engine}: self-check failed, not used: {reason}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_between_the_measurements_is_on_the_line_between_them() {
        let figures = Figures {
            single_ns: 1_000,
            batch: 11,
            batch_ns_per_beat: 1_000,
        };
        for (beats, expected_ns) in [(1, 1_000), (2, 2_000), (11, 11_000), (21, 21_000)] {
            assert_eq!(
                figures.expected(beats),
                Duration::from_nanos(expected_ns),
                "{beats}"
            );
        }
        let card = Figures {
            single_ns: 200_000,
            batch: 512,
            batch_ns_per_beat: 500,
        };
        assert_eq!(card.expected(1), Duration::from_nanos(200_000));
        assert_eq!(card.expected(512), Duration::from_nanos(256_000));
        let absurd = Figures {
            single_ns: u64::MAX,
            batch: usize::MAX,
            batch_ns_per_beat: u64::MAX,
        };
        assert!(absurd.expected(usize::MAX) > Duration::from_secs(1));
    }
}
