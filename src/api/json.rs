//! The shapes of the answers. Every field is in `docs/api.md`.

use std::collections::BTreeMap;

use arrhythmianet::{AamiClass, BeatClass, CLASS_COUNT, Unclassifiable};
use ecg_chain::LabelledBeat;
use ecg_chain::{MonotonicNs, WallUs};
use serde::Serialize;

use crate::store::{StoredAudit, StoredBeat, StoredEvent, StoredGap, StoredSession, Waveform};

/// Integers beyond this are not exact in JSON readers that keep numbers as doubles.
pub(super) const LARGEST_INTEGER: i64 = 1 << 53;

/// An instant as text and as microseconds; both null where either cannot express it.
pub(super) struct Instant {
    pub(super) text: Option<String>,
    pub(super) us: Option<i64>,
}

impl Instant {
    pub(super) fn new(wall: Option<WallUs>) -> Self {
        let wall = wall.filter(|wall| (-LARGEST_INTEGER..=LARGEST_INTEGER).contains(&wall.0));
        let text = wall.and_then(WallUs::to_rfc3339);
        Self {
            us: wall.filter(|_| text.is_some()).map(|wall| wall.0),
            text,
        }
    }
}

fn monotonic_us(time: MonotonicNs) -> u64 {
    integer(time.0 / 1_000)
}

/// A count or index that stays exact in every JSON reader: saturates at 2^53.
pub(super) fn integer(value: u64) -> u64 {
    value.min(LARGEST_INTEGER.unsigned_abs())
}

/// A channel as people count them, from 1.
pub(super) const fn number(channel: u8) -> u8 {
    channel.saturating_add(1)
}

pub(super) fn by_class<T: Copy>(values: [T; CLASS_COUNT]) -> BTreeMap<char, T> {
    BeatClass::ALL
        .into_iter()
        .map(BeatClass::symbol)
        .zip(values)
        .collect()
}

/// Outcomes of a beat.
pub(super) const CLASSIFIED: &str = "classified";
pub(super) const UNCLASSIFIABLE: &str = "unclassifiable";

#[derive(Serialize)]
pub(super) struct Beat {
    id: i64,
    session: i64,
    r_sample: u64,
    r_time: Option<String>,
    r_time_us: Option<i64>,
    r_monotonic_us: u64,
    rr_ms: Option<f32>,
    rr_reason: Option<&'static str>,
    class: char,
    aami_class: AamiClass,
    outcome: &'static str,
    unclassifiable_reason: Option<&'static str>,
    probabilities: BTreeMap<char, f32>,
    channel: u8,
    channel_number: u8,
    lead: Option<String>,
    signal_quality: &'static str,
    window_complete: bool,
    label_delay_ms: f32,
    model: String,
    engine: String,
}

impl From<&StoredBeat> for Beat {
    fn from(row: &StoredBeat) -> Self {
        let Instant { text, us } = Instant::new(Some(row.r_wall));
        let beat = &row.beat;
        Self {
            id: row.id,
            session: row.session,
            r_sample: integer(beat.r_sample),
            r_time: text,
            r_time_us: us,
            r_monotonic_us: monotonic_us(beat.r_time),
            rr_ms: beat.rr_ms,
            rr_reason: beat
                .rr_ms
                .is_none()
                .then_some("first_beat_after_start_or_gap"),
            class: beat.class.symbol(),
            aami_class: beat.class.aami(),
            outcome: outcome(beat),
            unclassifiable_reason: beat.unclassifiable.map(Unclassifiable::name),
            probabilities: by_class(beat.probabilities),
            channel: beat.channel,
            channel_number: number(beat.channel),
            lead: row.lead.as_deref().map(str::to_owned),
            signal_quality: beat.quality.name(),
            window_complete: beat.window_complete,
            label_delay_ms: beat.label_delay_ms,
            model: row.model.to_string(),
            engine: row.engine.to_string(),
        }
    }
}

/// A beat as the pipeline handed it out: it has no id before it is stored.
#[derive(Serialize)]
pub(super) struct LiveBeat {
    r_sample: u64,
    r_time: Option<String>,
    r_time_us: Option<i64>,
    r_monotonic_us: u64,
    rr_ms: Option<f32>,
    class: char,
    outcome: &'static str,
    unclassifiable_reason: Option<&'static str>,
    signal_quality: &'static str,
}

impl LiveBeat {
    pub(super) fn new(beat: &LabelledBeat, r_wall: Option<WallUs>) -> Self {
        let Instant { text, us } = Instant::new(r_wall);
        Self {
            r_sample: integer(beat.r_sample),
            r_time: text,
            r_time_us: us,
            r_monotonic_us: monotonic_us(beat.r_time),
            rr_ms: beat.rr_ms,
            class: beat.class.symbol(),
            outcome: outcome(beat),
            unclassifiable_reason: beat.unclassifiable.map(Unclassifiable::name),
            signal_quality: beat.quality.name(),
        }
    }
}

const fn outcome(beat: &LabelledBeat) -> &'static str {
    if beat.unclassifiable.is_some() {
        UNCLASSIFIABLE
    } else {
        CLASSIFIED
    }
}

#[derive(Serialize)]
pub(super) struct BeatWithWaveform {
    #[serde(flatten)]
    pub(super) beat: Beat,
    pub(super) waveform: WaveformJson,
}

#[derive(Serialize)]
pub(super) struct WaveformJson {
    sample_rate_hz: f64,
    first_sample: i64,
    r_offset_samples: usize,
    missing_samples: usize,
    missing_reason: Option<&'static str>,
    channels_uv: [Vec<Option<f64>>; 2],
}

impl From<Waveform> for WaveformJson {
    fn from(waveform: Waveform) -> Self {
        let missing_samples = waveform.missing_samples();
        Self {
            sample_rate_hz: waveform.sample_rate_hz,
            first_sample: waveform
                .first_sample
                .clamp(-LARGEST_INTEGER, LARGEST_INTEGER),
            r_offset_samples: waveform.r_offset_samples,
            missing_samples,
            missing_reason: (missing_samples > 0).then_some("gap_or_not_stored"),
            channels_uv: waveform.uv,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Gap {
    id: i64,
    session: i64,
    first_missing_sample: u64,
    missing_samples: u64,
    time: Option<String>,
    time_us: Option<i64>,
    monotonic_us: u64,
    cause: &'static str,
    after_beat: i64,
}

impl From<&StoredGap> for Gap {
    fn from(row: &StoredGap) -> Self {
        let Instant { text, us } = Instant::new(Some(row.wall));
        Self {
            id: row.id,
            session: row.session,
            first_missing_sample: integer(row.gap.first_missing_sample),
            missing_samples: integer(row.gap.missing_samples),
            time: text,
            time_us: us,
            monotonic_us: monotonic_us(row.gap.time),
            cause: row.gap.cause.name(),
            after_beat: row.after_beat,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Event {
    id: i64,
    session: i64,
    sample: u64,
    time: Option<String>,
    time_us: Option<i64>,
    monotonic_us: u64,
    kind: String,
    detail: String,
    after_beat: i64,
    phase: Option<String>,
    subject: Option<String>,
    channel_number: Option<u8>,
    lead: Option<String>,
    began_sample: Option<u64>,
    began_monotonic_us: Option<u64>,
}

impl From<&StoredEvent> for Event {
    fn from(row: &StoredEvent) -> Self {
        let Instant { text, us } = Instant::new(Some(row.wall));
        Self {
            id: row.id,
            session: row.session,
            sample: integer(row.sample),
            time: text,
            time_us: us,
            monotonic_us: monotonic_us(row.time),
            kind: row.kind.clone(),
            detail: row.detail.clone(),
            after_beat: row.after_beat,
            phase: row.phase.clone(),
            subject: row.subject.clone(),
            channel_number: row.channel().map(number),
            lead: row.lead.as_deref().map(str::to_owned),
            began_sample: row.began.map(|(sample, _)| integer(sample)),
            began_monotonic_us: row.began.map(|(_, time)| monotonic_us(time)),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Audit {
    id: i64,
    time: Option<String>,
    time_us: Option<i64>,
    monotonic_us: u64,
    uid: Option<u32>,
    gid: Option<u32>,
    pid: Option<u32>,
    kind: String,
    what: String,
    outcome: String,
    count: u64,
}

impl From<&StoredAudit> for Audit {
    fn from(stored: &StoredAudit) -> Self {
        let row = &stored.row;
        let Instant { text, us } = Instant::new(Some(row.wall));
        Self {
            id: stored.id,
            time: text,
            time_us: us,
            monotonic_us: monotonic_us(row.time),
            uid: row.uid,
            gid: row.gid,
            pid: row.pid,
            kind: row.kind.clone(),
            what: row.what.clone(),
            outcome: row.outcome.clone(),
            count: integer(row.count),
        }
    }
}

#[derive(Serialize)]
struct Channel {
    channel_number: u8,
    lead: Option<String>,
}

impl Channel {
    fn all(leads: &[String; 2]) -> [Self; 2] {
        let mut channel_number = 0;
        leads.each_ref().map(|lead| {
            channel_number += 1;
            Self {
                channel_number,
                lead: (!lead.is_empty()).then(|| lead.clone()),
            }
        })
    }
}

#[derive(Serialize)]
pub(super) struct Session {
    id: i64,
    source: String,
    origin: String,
    chip: String,
    sample_rate_hz: f64,
    uv_per_code: [f64; 2],
    channels: [Channel; 2],
    model: String,
    engine: String,
    start_time: Option<String>,
    start_time_us: Option<i64>,
    end_time: Option<String>,
    end_time_us: Option<i64>,
    end_reason: String,
    beats: u64,
    beats_by_class: BTreeMap<char, u64>,
    beats_unclassifiable: u64,
    gaps: u64,
    missing_samples: u64,
    events: u64,
    samples: u64,
}

impl From<&StoredSession> for Session {
    fn from(row: &StoredSession) -> Self {
        let start = Instant::new(Some(row.info.start.wall));
        let end = Instant::new(row.end.as_ref().and_then(|end| end.at).map(|at| at.wall));
        let reason = row.end.as_ref().map_or("recording", |end| &end.reason);
        Self {
            id: row.id,
            source: row.info.source.clone(),
            origin: row.info.origin.clone(),
            chip: row.info.chip.clone(),
            sample_rate_hz: row.info.sample_rate_hz,
            uv_per_code: row.info.uv_per_code,
            channels: Channel::all(&row.info.leads),
            model: row.info.model.clone(),
            engine: row.info.engine.clone(),
            start_time: start.text,
            start_time_us: start.us,
            end_time: end.text,
            end_time_us: end.us,
            end_reason: reason.to_owned(),
            beats: integer(row.counts.beats()),
            beats_by_class: by_class(row.counts.beats_by_class),
            beats_unclassifiable: integer(row.counts.unclassifiable),
            gaps: integer(row.counts.gaps),
            missing_samples: integer(row.counts.missing_samples),
            events: integer(row.counts.events),
            samples: integer(row.counts.samples),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_that_cannot_be_exact_are_null() {
        let shown = |us| {
            let instant = Instant::new(Some(WallUs(us)));
            (instant.text, instant.us)
        };
        assert_eq!(shown(i64::MAX), (None, None));
        assert_eq!(shown(LARGEST_INTEGER + 1), (None, None));
        assert_eq!(
            shown(LARGEST_INTEGER),
            (
                Some("2255-06-05T23:47:34.740992Z".to_owned()),
                Some(LARGEST_INTEGER)
            )
        );
        assert_eq!(Instant::new(None).us, None);
    }

    #[test]
    fn counts_never_pass_the_exact_range() {
        assert_eq!(integer(u64::MAX), 1 << 53);
        assert_eq!(integer(7), 7);
    }
}
