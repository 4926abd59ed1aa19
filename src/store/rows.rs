//! What the tables hold, as Rust types.

use std::sync::Arc;

use arrhythmianet::{BeatClass, CLASS_COUNT, Unclassifiable};
use ecg_chain::{
    CHANNEL_COUNT, Episode, Event, Gap, GapCause, LabelledBeat, SessionInfo, channel_of_subject,
};
use ecg_chain::{ClockRelation, MonotonicNs, WallUs};
use ecg_signal::{ChannelChoice, Mains, SignalQuality};
use serde::Serialize;

use super::correction::{Decision, StoredCorrection};
use super::error::StoreError;
use super::identity::StoreMark;

/// A session with its end and its counts.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSession {
    /// Row id, ascending in the order of the sessions' starts.
    pub id: i64,
    /// What was known at its start.
    pub info: SessionInfo,
    /// How it ended; `None` while it is open.
    pub end: Option<SessionEnd>,
    /// What it has recorded so far; zeros once it is deleted.
    pub counts: SessionCounts,
    /// What is left of it, where somebody had it deleted.
    pub deletion: Option<SessionDeletion>,
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

/// How many rows of a session were deleted with it. Rows that retention had deleted before are not among
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct DeletedRows {
    /// Beats.
    pub beats: u64,
    /// Maps of beats.
    pub maps: u64,
    /// Gaps.
    pub gaps: u64,
    /// Events.
    pub events: u64,
    /// Blocks of raw ECG.
    pub ecg_blocks: u64,
    /// What people had corrected.
    pub corrections: u64,
}

/// What is left of a session that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDeletion {
    /// When.
    pub at: WallUs,
    /// Who had it deleted: the name of a token, or `uid` and the number of a user.
    pub by: String,
    /// How many rows.
    pub rows: DeletedRows,
}

impl DeletedRows {
    /// Rows of a table whose rows go with their session.
    pub(super) fn in_table(&self, table: &str) -> u64 {
        match table {
            "beats" => self.beats,
            "gaps" => self.gaps,
            "events" => self.events,
            "ecg_blocks" => self.ecg_blocks,
            "corrections" => self.corrections,
            _ => 0,
        }
    }
}

/// Sums over all sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Number of sessions.
    pub sessions: u64,
    /// What they recorded.
    pub counts: SessionCounts,
    /// Corrections stored, undone ones and undos among them.
    pub corrections: u64,
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
    /// What decides how it is to be read, where somebody has corrected it.
    pub decision: Option<Decision>,
    /// The beat.
    pub beat: LabelledBeat,
}

/// A beat row in brief.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BriefBeat {
    /// As of a [`StoredBeat`].
    pub id: i64,
    /// Sample nearest the R peak.
    pub r_sample: u64,
    /// Wall time of the R peak.
    pub r_wall: WallUs,
    /// RR interval that ends in it, milliseconds.
    pub rr_ms: Option<f32>,
    /// Its class.
    pub class: BeatClass,
    /// Channel it was found in, 0 or 1.
    pub channel: u8,
    /// Quality of that channel.
    pub quality: SignalQuality,
    /// Why it is unclassifiable, where it is.
    pub unclassifiable: Option<Unclassifiable>,
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
    /// Stable machine-readable name: of an [`ecg_chain::EventKind`], or of one that a later version wrote.
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

/// Who labels beats: the table `deciders`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LabelSource {
    pub(super) model: Arc<str>,
    pub(super) engine: Arc<str>,
}

impl LabelSource {
    /// Who labels the first beats of a session.
    pub(super) fn at_start(info: &SessionInfo) -> Self {
        Self {
            model: (&*info.model).into(),
            engine: (&*info.engine).into(),
        }
    }
}

/// A raw ECG block ready to be stored.
#[derive(Debug)]
pub(super) struct EncodedBlock {
    pub(super) first_sample: u64,
    pub(super) samples: u64,
    pub(super) first_time: MonotonicNs,
    pub(super) blob: Vec<u8>,
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
    /// A correction.
    Correction(StoredCorrection),
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
    /// The columns of [`Self::values`].
    pub(super) const COLUMNS: [&str; 10] = [
        "sessions.samples",
        "sessions.beats_n",
        "sessions.beats_l",
        "sessions.beats_r",
        "sessions.beats_a",
        "sessions.beats_v",
        "sessions.gaps",
        "sessions.missing_samples",
        "sessions.events",
        "sessions.beats_unclassifiable",
    ];

    pub(super) const fn values(&self) -> [u64; 10] {
        let [n, l, r, a, v] = self.beats_by_class;
        let (gaps, missing, events) = (self.gaps, self.missing_samples, self.events);
        [
            self.samples,
            n,
            l,
            r,
            a,
            v,
            gaps,
            missing,
            events,
            self.unclassifiable,
        ]
    }

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
            kind: event.kind.name().to_owned(),
            detail: event.detail,
            after_beat,
            phase: phase.map(str::to_owned),
            subject: subject.map(str::to_owned),
            lead: channel.and_then(|channel| leads.lead(channel)),
            began,
        }
    }

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
    pub(super) fn lead(&self, channel: u8) -> Option<Arc<str>> {
        self.0.get(usize::from(channel)).cloned().flatten()
    }
}

/// A lead's name; a lead whose name nobody knows is NULL.
pub(super) fn lead_to_sql(lead: &str) -> Option<&str> {
    (!lead.is_empty()).then_some(lead)
}

pub(super) const fn mains_to_sql(mains: Mains) -> &'static str {
    match mains {
        Mains::None => "none",
        Mains::Hz50 => "50",
        Mains::Hz60 => "60",
    }
}

pub(super) fn mains_from_sql(text: &str) -> Result<Mains, StoreError> {
    let column = ("sessions.mains_filter", "none, 50 or 60");
    let all = [Mains::None, Mains::Hz50, Mains::Hz60];
    named(&all, mains_to_sql, text, column)
}

pub(super) const fn channel_to_sql(channel: ChannelChoice) -> &'static str {
    match channel {
        ChannelChoice::Auto => "auto",
        ChannelChoice::Fixed(0) => "0",
        ChannelChoice::Fixed(_) => "1",
    }
}

pub(super) fn channel_from_sql(text: &str) -> Result<ChannelChoice, StoreError> {
    use ChannelChoice::{Auto, Fixed};
    let column = ("sessions.channel_choice", "auto, 0 or 1");
    named(&[Auto, Fixed(0), Fixed(1)], channel_to_sql, text, column)
}

/// Non-negative numbers as SQLite keeps them (signed 64 bits).
pub(super) fn to_sql(value: u64, column: &'static str) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::value(column, &value, "at most 2^63 - 1"))
}

pub(super) fn from_sql(value: i64, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::value(column, &value, "at least 0"))
}

/// The value that `text` is the name of.
fn named<T: Copy>(
    all: &[T],
    name: impl Fn(T) -> &'static str,
    text: &str,
    (column, expected): (&'static str, &'static str),
) -> Result<T, StoreError> {
    let mut all = all.iter().copied();
    all.find(|value| name(*value) == text)
        .ok_or_else(|| StoreError::value(column, text, expected))
}

pub(super) fn class_from_sql(text: &str) -> Result<BeatClass, StoreError> {
    let column = ("beats.class", "N, L, R, A or V");
    named(&BeatClass::ALL, class_to_sql, text, column)
}

pub(super) const fn class_to_sql(class: BeatClass) -> &'static str {
    ["N", "L", "R", "A", "V"][class.index()]
}

pub(super) fn unclassifiable_from_sql(text: &str) -> Result<Unclassifiable, StoreError> {
    let column = (
        "beats.unclassifiable",
        "poor_signal, out_of_class or low_confidence",
    );
    named(&Unclassifiable::ALL, Unclassifiable::name, text, column)
}

pub(super) fn quality_from_sql(text: &str) -> Result<SignalQuality, StoreError> {
    let column = ("beats.quality", "good, noisy, clipped, flat or lead_off");
    named(&SignalQuality::ALL, SignalQuality::name, text, column)
}

pub(super) fn cause_from_sql(text: &str) -> Result<GapCause, StoreError> {
    let expected = "missed_drdy, bad_frame, chip_restart, register_check, source, overrun, not_stored or \
                    interrupted";
    let column = ("gaps.cause", expected);
    named(&GapCause::ALL, GapCause::name, text, column)
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
        Episode::MomentaryOf { subject } => (None, Some(subject), None),
        Episode::Begins { subject } => (Some("begin"), Some(subject), None),
        Episode::Ends {
            subject,
            began_sample,
            began,
        } => (Some("end"), Some(subject), Some((began_sample, began))),
        // Momentary, or one that the chain has gained since: the row tells that it happened.
        _ => (None, None, None),
    }
}
