//! What a source of samples hands out: samples, what is missing, and what happened meanwhile.

#[cfg(feature = "serde")]
use serde::Serialize;

use super::kind::EventKind;
use super::lead_off::LeadOff;
use super::time::MonotonicNs;

/// One conversion of both channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawSample {
    /// Counted from the first sample; missing samples count.
    pub index: u64,
    /// Time of the DRDY edge.
    pub time: MonotonicNs,
    /// The converter's codes.
    pub codes: [i32; 2],
    /// Electrodes found off.
    pub lead_off: LeadOff,
}

/// Why samples are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum GapCause {
    /// A DRDY edge passed unread: the chip holds only the newest conversion.
    MissedDrdy,
    /// A frame without the 1100 nibble was dropped.
    BadFrame,
    /// The front-end was initialised again.
    ChipRestart,
    /// The registers were looked at, and a sample's period has no room for that.
    RegisterCheck,
    /// The source said so (an annotated gap in a recording).
    Source,
    /// The pipeline was too slow and the queue before it full.
    Overrun,
    /// They were acquired, but the store could not be written for longer than memory lasted.
    NotStored,
    /// They were acquired, but the program died before they were stored.
    Interrupted,
}

/// A stretch of samples that never arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize))]
pub struct Gap {
    /// Index of the first missing sample.
    pub first_missing_sample: u64,
    /// Number of missing samples, at least 1.
    pub missing_samples: u64,
    /// Monotonic time of the first missing sample.
    pub time: MonotonicNs,
    /// Why they are missing.
    pub cause: GapCause,
}

/// Something worth a line in the log and a row in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(Serialize))]
#[non_exhaustive]
pub struct Event {
    /// Index of the sample it happened at.
    pub sample: u64,
    /// Monotonic time of that sample.
    pub time: MonotonicNs,
    /// What kind of thing it tells.
    pub kind: EventKind,
    /// One sentence for people.
    pub detail: String,
    /// Whether something begins or ends with it.
    pub episode: Episode,
}

/// Where an event stands in something that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(Serialize))]
#[non_exhaustive]
pub enum Episode {
    /// It happened, and that was it.
    #[default]
    Momentary,
    /// It happened to one of several.
    MomentaryOf {
        /// What it happened to: a channel (`ch1`).
        subject: &'static str,
    },
    /// Something begins, and lasts until the event of the same kind and subject that ends it.
    Begins {
        /// What it happens to: an electrode (`in1p`), a channel (`ch1`), or `chip`.
        subject: &'static str,
    },
    /// Something ends.
    Ends {
        /// What it happened to.
        subject: &'static str,
        /// Index of the sample it began at.
        began_sample: u64,
        /// Monotonic time of that sample.
        began: MonotonicNs,
    },
}

impl Event {
    /// An event without duration.
    #[must_use]
    pub fn momentary(sample: u64, time: MonotonicNs, kind: EventKind, detail: String) -> Self {
        Self {
            sample,
            time,
            kind,
            detail,
            episode: Episode::Momentary,
        }
    }

    /// An event without duration that happened to `subject`.
    #[must_use]
    pub fn momentary_for(
        subject: &'static str,
        (sample, time): (u64, MonotonicNs),
        kind: EventKind,
        detail: String,
    ) -> Self {
        Self {
            episode: Episode::MomentaryOf { subject },
            ..Self::momentary(sample, time, kind, detail)
        }
    }

    /// The same event, at this place in something that lasts.
    #[must_use]
    pub fn with_episode(mut self, episode: Episode) -> Self {
        self.episode = episode;
        self
    }
}

impl GapCause {
    /// All causes.
    pub const ALL: [Self; 8] = [
        Self::MissedDrdy,
        Self::BadFrame,
        Self::ChipRestart,
        Self::RegisterCheck,
        Self::Source,
        Self::Overrun,
        Self::NotStored,
        Self::Interrupted,
    ];

    /// The name used in JSON and in the store, e.g. `missed_drdy`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MissedDrdy => "missed_drdy",
            Self::BadFrame => "bad_frame",
            Self::ChipRestart => "chip_restart",
            Self::RegisterCheck => "register_check",
            Self::Source => "source",
            Self::Overrun => "overrun",
            Self::NotStored => "not_stored",
            Self::Interrupted => "interrupted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new cause does not compile here until it has its place.
    fn after(cause: GapCause) -> Option<GapCause> {
        match cause {
            GapCause::MissedDrdy => Some(GapCause::BadFrame),
            GapCause::BadFrame => Some(GapCause::ChipRestart),
            GapCause::ChipRestart => Some(GapCause::RegisterCheck),
            GapCause::RegisterCheck => Some(GapCause::Source),
            GapCause::Source => Some(GapCause::Overrun),
            GapCause::Overrun => Some(GapCause::NotStored),
            GapCause::NotStored => Some(GapCause::Interrupted),
            GapCause::Interrupted => None,
        }
    }

    #[test]
    fn every_cause_is_listed() {
        let every: Vec<GapCause> =
            std::iter::successors(Some(GapCause::MissedDrdy), |&cause| after(cause)).collect();
        assert_eq!(every, GapCause::ALL);
    }
}
