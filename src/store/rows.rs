//! What the tables hold, as Rust types.

use std::sync::Arc;

use crate::model::{BeatClass, CLASS_COUNT, Unclassifiable};
use crate::pipeline::{
    CHANNEL_COUNT, Episode, Event, Gap, GapCause, LabelledBeat, SessionInfo, channel_of_subject,
};
use crate::signal::SignalQuality;
use crate::time::{ClockRelation, MonotonicNs, WallUs};

use super::{StoreError, StoreMark};

/// A session with its end and its counts.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSession {
    /// Row id, ascending in the order of the sessions' starts.
    pub id: i64,
    /// What was known at its start.
    pub info: SessionInfo,
    /// How it ended; `None` while it is open.
    pub end: Option<SessionEnd>,
    /// What it has recorded so far.
    pub counts: SessionCounts,
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEnd {
    /// The instant on both clocks; `None` if the process died (`reason` is then `interrupted`).
    pub at: Option<ClockRelation>,
    /// Stable machine-readable word, e.g. `completed`, `stopped`, `interrupted`.
    pub reason: String,
}

/// Everything a session ever recorded; retention does not lower these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionCounts {
    /// Beats per class in the order N L R A V.
    pub beats_by_class: [u64; CLASS_COUNT],
    /// Beats among them that are unclassifiable.
    pub unclassifiable: u64,
    /// Gaps.
    pub gaps: u64,
    /// Samples lost in the gaps.
    pub missing_samples: u64,
    /// Events.
    pub events: u64,
    /// Samples per channel stored as raw ECG.
    pub samples: u64,
}

/// A beat row.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredBeat {
    /// Row id: 1 for the first beat of a database, then ascending by one in the order of labelling.
    pub id: i64,
    /// Its session.
    pub session: i64,
    /// Wall time of the R peak by the session's clock relation.
    pub r_wall: WallUs,
    /// Model that labelled it.
    pub model: Arc<str>,
    /// Engine the model ran on.
    pub engine: Arc<str>,
    /// Name of its channel's lead, where it is known.
    pub lead: Option<Arc<str>>,
    /// The beat.
    pub beat: LabelledBeat,
}

/// A gap row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredGap {
    /// Row id, ascending.
    pub id: i64,
    /// Its session.
    pub session: i64,
    /// Wall time of the first missing sample.
    pub wall: WallUs,
    /// Id of the newest beat stored before it, 0 if none.
    pub after_beat: i64,
    /// The gap.
    pub gap: Gap,
}

/// An event row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Row id, ascending.
    pub id: i64,
    /// Its session.
    pub session: i64,
    /// Index of the sample it happened at.
    pub sample: u64,
    /// Monotonic time of that sample.
    pub time: MonotonicNs,
    /// Wall time of that sample.
    pub wall: WallUs,
    /// Stable machine-readable name.
    pub kind: String,
    /// One sentence for people.
    pub detail: String,
    /// Id of the newest beat stored before it, 0 if none.
    pub after_beat: i64,
    /// `begin` or `end` where something that lasts begins or ends with it.
    pub phase: Option<String>,
    /// What it happens to.
    pub subject: Option<String>,
    /// Name of the lead of the channel it happens to, where it is known.
    pub lead: Option<Arc<str>>,
    /// In an end: where it began.
    pub began: Option<(u64, MonotonicNs)>,
}

/// A row that has become durable.
#[derive(Debug, Clone, PartialEq)]
pub enum CommittedRow {
    /// A beat.
    Beat(StoredBeat),
    /// A gap.
    Gap(StoredGap),
    /// An event.
    Event(StoredEvent),
}

/// What one transaction made durable, in the order it was recorded; raw ECG is not listed.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The database, and the largest ids it had given before these rows.
    pub before: StoreMark,
    /// The rows.
    pub rows: Vec<CommittedRow>,
}

impl SessionCounts {
    /// Beats of all classes.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.beats_by_class.iter().sum()
    }
}

impl StoredEvent {
    pub(super) fn new(
        id: i64,
        (session, leads): (i64, &Leads),
        wall: WallUs,
        after_beat: i64,
        event: Event,
    ) -> Self {
        let (phase, subject, began) = episode_to_sql(event.episode);
        let channel = subject.and_then(channel_of_subject);
        Self {
            id,
            session,
            sample: event.sample,
            time: event.time,
            wall,
            kind: event.kind.to_owned(),
            detail: event.detail,
            after_beat,
            phase: phase.map(str::to_owned),
            subject: subject.map(str::to_owned),
            lead: channel.and_then(|channel| leads.of(channel)),
            began,
        }
    }
}

impl StoredEvent {
    /// The channel it happens to, counted from 0, where it happens to one.
    #[must_use]
    pub fn channel(&self) -> Option<u8> {
        self.subject.as_deref().and_then(channel_of_subject)
    }
}

/// Names of a session's leads, where they are known.
#[derive(Debug, Clone, Default)]
pub(super) struct Leads([Option<Arc<str>>; CHANNEL_COUNT]);

impl Leads {
    pub(super) fn new(info: &SessionInfo) -> Self {
        let known = info.leads.each_ref().map(|lead| lead_to_sql(lead));
        Self(known.map(|lead| lead.map(Arc::from)))
    }

    /// Of a channel, counted from 0.
    pub(super) fn of(&self, channel: u8) -> Option<Arc<str>> {
        self.0.get(usize::from(channel)).cloned().flatten()
    }
}

/// A lead's name; a lead whose name nobody knows is NULL.
pub(super) fn lead_to_sql(lead: &str) -> Option<&str> {
    (!lead.is_empty()).then_some(lead)
}

/// Non-negative numbers as SQLite keeps them (signed 64 bits).
pub(super) fn to_sql(value: u64, column: &'static str) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Value {
        column,
        found: value.to_string(),
        expected: "at most 2^63 - 1",
    })
}

pub(super) fn from_sql(value: i64, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Value {
        column,
        found: value.to_string(),
        expected: "at least 0",
    })
}

pub(super) fn class_from_sql(text: &str) -> Result<BeatClass, StoreError> {
    BeatClass::ALL
        .into_iter()
        .find(|class| text.len() == 1 && text.starts_with(class.symbol()))
        .ok_or_else(|| StoreError::Value {
            column: "beats.class",
            found: text.to_owned(),
            expected: "N, L, R, A or V",
        })
}

pub(super) const fn class_to_sql(class: BeatClass) -> &'static str {
    match class {
        BeatClass::N => "N",
        BeatClass::L => "L",
        BeatClass::R => "R",
        BeatClass::A => "A",
        BeatClass::V => "V",
    }
}

pub(super) fn unclassifiable_from_sql(text: &str) -> Result<Unclassifiable, StoreError> {
    Unclassifiable::from_name(text).ok_or_else(|| StoreError::Value {
        column: "beats.unclassifiable",
        found: text.to_owned(),
        expected: "poor_signal, out_of_class or low_confidence",
    })
}

pub(super) fn quality_from_sql(text: &str) -> Result<SignalQuality, StoreError> {
    SignalQuality::ALL
        .into_iter()
        .find(|quality| quality.name() == text)
        .ok_or_else(|| StoreError::Value {
            column: "beats.quality",
            found: text.to_owned(),
            expected: "good, noisy, clipped, flat or lead_off",
        })
}

pub(super) fn cause_from_sql(text: &str) -> Result<GapCause, StoreError> {
    GapCause::ALL
        .into_iter()
        .find(|cause| cause.name() == text)
        .ok_or_else(|| StoreError::Value {
            column: "gaps.cause",
            found: text.to_owned(),
            expected: "missed_drdy, bad_frame, chip_restart, register_check, source, overrun, not_stored or \
                   interrupted",
        })
}

/// Phase, subject and beginning of an episode.
pub(super) const fn episode_to_sql(
    episode: Episode,
) -> (
    Option<&'static str>,
    Option<&'static str>,
    Option<(u64, MonotonicNs)>,
) {
    match episode {
        Episode::Momentary => (None, None, None),
        Episode::MomentaryOf { subject } => (None, Some(subject), None),
        Episode::Begins { subject } => (Some("begin"), Some(subject), None),
        Episode::Ends {
            subject,
            began_sample,
            began,
        } => (Some("end"), Some(subject), Some((began_sample, began))),
    }
}
