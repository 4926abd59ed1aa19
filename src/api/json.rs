//! The shapes of the answers. Every field is in `docs/api.md`.

use std::collections::BTreeMap;

use ads1292::{CODE_MAX, CODE_MIN};
use arrhythmianet::{BeatClass, CLASS_COUNT, Unclassifiable};
use ecg_chain::{
    ClockRelation, Episode, Event, Gap, LabelledBeat, MonotonicNs, SessionInfo, WallUs,
    channel_of_subject,
};
use ecg_signal::Mains;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::store::{
    SessionCounts, StoredAudit, StoredBeat, StoredCorrection, StoredEvent, StoredGap,
    StoredSession, Waveform,
};

/// Integers beyond this are not exact in JSON readers that keep numbers as doubles.
pub(super) const LARGEST_INTEGER: i64 = 1 << 53;

/// What is answered as a JSON object.
pub(super) trait Object {
    /// Adds each field, in the order in which they are answered.
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>);
}

/// An object as JSON.
pub(super) struct Json<'a, T>(pub(super) &'a T);

/// The fields of an object that is being written.
pub(super) struct Fields<M: SerializeMap> {
    map: M,
    outcome: Result<(), M::Error>,
}

impl<M: SerializeMap> Fields<M> {
    pub(super) fn add(&mut self, name: &str, value: impl Serialize) {
        if self.outcome.is_ok() {
            self.outcome = self.map.serialize_entry(name, &value);
        }
    }

    /// An instant as text, and under the name with `_us` as microseconds.
    pub(super) fn time(&mut self, name: &str, wall: Option<WallUs>) {
        let (text, us) = instant(wall);
        self.add(name, text);
        self.add(&format!("{name}_us"), us);
    }

    fn peak(&mut self, beat: &LabelledBeat, wall: Option<WallUs>) {
        self.add("r_sample", integer(beat.r_sample));
        self.time("r_time", wall);
        self.add("r_monotonic_us", monotonic_us(beat.r_time));
        self.add("rr_ms", beat.rr_ms);
    }

    fn outcome(&mut self, beat: &LabelledBeat) {
        let classified = beat.unclassifiable.is_none();
        let outcome = if classified {
            CLASSIFIED
        } else {
            UNCLASSIFIABLE
        };
        self.add("outcome", outcome);
        let reason = beat.unclassifiable.map(Unclassifiable::name);
        self.add("unclassifiable_reason", reason);
    }

    /// What of the mains was filtered, and between which codes the converter does not clip.
    pub(super) fn conversion(&mut self, info: Option<&SessionInfo>) {
        let range = info.and_then(code_range);
        let [min, max] = range.map_or([None; 2], |range| range.map(Some));
        let mains = info.and_then(|info| info.mains);
        self.add("mains_hz", mains.map(Mains::hz));
        self.add("code_min", min);
        self.add("code_max", max);
    }

    /// What a session, or all of them, recorded.
    pub(super) fn counts(&mut self, counts: &SessionCounts) {
        self.add("beats", integer(counts.beats()));
        self.add("beats_by_class", by_class(counts.beats_by_class));
        self.add("beats_unclassifiable", integer(counts.unclassifiable));
        self.add("gaps", integer(counts.gaps));
        self.add("missing_samples", integer(counts.missing_samples));
        self.add("events", integer(counts.events));
    }
}

impl<T: Object> Serialize for Json<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields {
            map: serializer.serialize_map(None)?,
            outcome: Ok(()),
        };
        self.0.fields(&mut fields);
        fields.outcome?;
        fields.map.end()
    }
}

/// Objects as JSON.
pub(super) fn list<T>(objects: &[T]) -> Vec<Json<'_, T>> {
    objects.iter().map(Json).collect()
}

/// Text and microseconds; both `None` where either cannot express it.
fn instant(wall: Option<WallUs>) -> (Option<String>, Option<i64>) {
    let wall = wall.filter(|wall| (-LARGEST_INTEGER..=LARGEST_INTEGER).contains(&wall.0));
    let text = wall.and_then(WallUs::to_rfc3339);
    let us = wall.filter(|_| text.is_some()).map(|wall| wall.0);
    (text, us)
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

pub(super) fn by_class<T>(values: [T; CLASS_COUNT]) -> BTreeMap<char, T> {
    let symbols = BeatClass::ALL.map(BeatClass::symbol);
    symbols.into_iter().zip(values).collect()
}

/// The codes at which the converter of the session's chip clips; `None` where no chip was in the way.
pub(super) fn code_range(info: &SessionInfo) -> Option<[i32; 2]> {
    let is_chip = info.chip.starts_with("ADS129");
    is_chip.then_some([CODE_MIN, CODE_MAX])
}

/// Outcomes of a beat.
pub(super) const CLASSIFIED: &str = "classified";
pub(super) const UNCLASSIFIABLE: &str = "unclassifiable";

impl Object for StoredBeat {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let beat = &self.beat;
        let first = beat.rr_ms.is_none();
        to.add("id", self.id);
        to.add("session", self.session);
        to.peak(beat, Some(self.r_wall));
        to.add(
            "rr_reason",
            first.then_some("first_beat_after_start_or_gap"),
        );
        to.add("class", beat.class.symbol());
        to.add("aami_class", beat.class.aami());
        to.outcome(beat);
        to.add("probabilities", by_class(beat.probabilities));
        to.add("channel", beat.channel);
        to.add("channel_number", number(beat.channel));
        to.add("lead", self.lead.as_deref());
        to.add("signal_quality", beat.quality.name());
        to.add("window_complete", beat.window_complete);
        to.add("label_delay_ms", beat.label_delay_ms);
        to.add("model", &*self.model);
        to.add("engine", &*self.engine);
        let decision = self.decision.as_ref();
        to.add(
            "corrected_class",
            decision.and_then(|decision| decision.class),
        );
        let artefact = decision.is_some_and(|decision| decision.class.is_none());
        to.add("artefact", artefact);
        to.add("correction", decision.map(|decision| decision.id));
    }
}

impl Object for StoredCorrection {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let target = self.target.as_deref();
        let has_place = matches!(target, Some("stretch" | "moment"));
        let from = Some(self.from).filter(|_| has_place);
        let until = Some(self.to).filter(|_| target == Some("stretch"));
        to.add("id", self.id);
        to.add("session", self.session);
        to.add("kind", &self.kind);
        to.add("target", target);
        to.add("beats", &self.beats);
        to.add("from_sample", from.map(|from| integer(from.sample)));
        to.time("from_time", from.map(|from| from.wall));
        to.add("to_sample", until.map(|until| integer(until.sample)));
        to.time("to_time", until.map(|until| until.wall));
        to.add("class", self.class);
        to.add("note", &self.note);
        to.add("author", &self.author);
        to.add("origin", &self.origin);
        to.add("supersedes", self.supersedes);
        to.add("superseded_by", self.superseded_by);
        to.time("time", Some(self.wall));
    }
}

/// A beat as the pipeline handed it out, with its wall time: it has no id before it is stored.
impl Object for (&LabelledBeat, Option<WallUs>) {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let (beat, wall) = *self;
        to.peak(beat, wall);
        to.add("class", beat.class.symbol());
        to.add("aami_class", beat.class.aami());
        to.outcome(beat);
        to.add("channel_number", number(beat.channel));
        to.add("signal_quality", beat.quality.name());
    }
}

/// A gap before it is stored, with how the clocks stand.
impl Object for (&Gap, Option<ClockRelation>) {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let (gap, clock) = *self;
        to.add("first_missing_sample", integer(gap.first_missing_sample));
        to.add("missing_samples", integer(gap.missing_samples));
        to.time("time", clock.map(|clock| clock.wall_at(gap.time)));
        to.add("monotonic_us", monotonic_us(gap.time));
        to.add("cause", gap.cause.name());
    }
}

/// An event before it is stored, likewise.
impl Object for (&Event, Option<ClockRelation>) {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let (event, clock) = *self;
        let (phase, subject) = match event.episode {
            Episode::MomentaryOf { subject } => (None, Some(subject)),
            Episode::Begins { subject } => (Some("begin"), Some(subject)),
            Episode::Ends { subject, .. } => (Some("end"), Some(subject)),
            // Momentary, or one that the chain has gained since.
            _ => (None, None),
        };
        let channel = subject.and_then(channel_of_subject);
        to.add("sample", integer(event.sample));
        to.time("time", clock.map(|clock| clock.wall_at(event.time)));
        to.add("monotonic_us", monotonic_us(event.time));
        to.add("kind", event.kind.name());
        to.add("detail", &event.detail);
        to.add("phase", phase);
        to.add("subject", subject);
        to.add("channel_number", channel.map(number));
    }
}

/// A beat with its ECG.
impl Object for (StoredBeat, Waveform) {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        self.0.fields(to);
        to.add("waveform", Json(&self.1));
    }
}

impl Object for Waveform {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let first = self.first_sample;
        let missing = self.missing_samples();
        to.add("sample_rate_hz", self.sample_rate_hz);
        to.add(
            "first_sample",
            first.clamp(-LARGEST_INTEGER, LARGEST_INTEGER),
        );
        to.add("r_offset_samples", self.r_offset_samples);
        to.add("missing_samples", missing);
        to.add(
            "missing_reason",
            (missing > 0).then_some("gap_or_not_stored"),
        );
        to.add("channels_uv", &self.uv);
    }
}

impl Object for StoredGap {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let gap = &self.gap;
        to.add("id", self.id);
        to.add("session", self.session);
        to.add("first_missing_sample", integer(gap.first_missing_sample));
        to.add("missing_samples", integer(gap.missing_samples));
        to.time("time", Some(self.wall));
        to.add("monotonic_us", monotonic_us(gap.time));
        to.add("cause", gap.cause.name());
        to.add("after_beat", self.after_beat);
    }
}

impl Object for StoredEvent {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let (began_sample, began_time) = self.began.unzip();
        to.add("id", self.id);
        to.add("session", self.session);
        to.add("sample", integer(self.sample));
        to.time("time", Some(self.wall));
        to.add("monotonic_us", monotonic_us(self.time));
        to.add("kind", &self.kind);
        to.add("detail", &self.detail);
        to.add("after_beat", self.after_beat);
        to.add("phase", &self.phase);
        to.add("subject", &self.subject);
        to.add("channel_number", self.channel().map(number));
        to.add("lead", self.lead.as_deref());
        to.add("began_sample", began_sample.map(integer));
        to.add("began_monotonic_us", began_time.map(monotonic_us));
    }
}

impl Object for StoredAudit {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let row = &self.row;
        to.add("id", self.id);
        to.time("time", Some(row.wall));
        to.add("monotonic_us", monotonic_us(row.time));
        to.add("uid", row.uid);
        to.add("gid", row.gid);
        to.add("pid", row.pid);
        to.add("kind", &row.kind);
        to.add("what", &row.what);
        to.add("outcome", &row.outcome);
        to.add("count", integer(row.count));
        to.add("token", &row.token);
    }
}

/// A channel: its number, and the name of its lead, empty where it has none.
impl Object for (u8, &String) {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let (channel_number, lead) = *self;
        to.add("channel_number", channel_number);
        to.add("lead", (!lead.is_empty()).then_some(lead));
    }
}

impl Object for StoredSession {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let (info, end) = (&self.info, self.end.as_ref());
        let [first, second] = &info.leads;
        to.add("id", self.id);
        to.add("source", &info.source);
        to.add("origin", &info.origin);
        to.add("chip", &info.chip);
        to.add("sample_rate_hz", info.sample_rate_hz);
        to.add("uv_per_code", info.uv_per_code);
        to.add("channels", list(&[(1, first), (2, second)]));
        to.add("model", &info.model);
        to.add("engine", &info.engine);
        to.time("start_time", Some(info.start.wall));
        to.time("end_time", end.and_then(|end| end.at).map(|at| at.wall));
        to.add("end_reason", end.map_or("recording", |end| &end.reason));
        to.counts(&self.counts);
        to.add("samples", integer(self.counts.samples));
        to.add("patient_label", &info.patient_label);
        to.conversion(Some(info));
        let deletion = self.deletion.as_ref();
        to.time("deleted_time", deletion.map(|deletion| deletion.at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_that_cannot_be_exact_are_null() {
        let shown = |us| instant(Some(WallUs(us)));
        assert_eq!(shown(i64::MAX), (None, None));
        assert_eq!(shown(LARGEST_INTEGER + 1), (None, None));
        assert_eq!(
            shown(LARGEST_INTEGER),
            (
                Some("2255-06-05T23:47:34.740992Z".to_owned()),
                Some(LARGEST_INTEGER)
            )
        );
        assert_eq!(instant(None), (None, None));
    }

    #[test]
    fn counts_never_pass_the_exact_range() {
        assert_eq!(integer(u64::MAX), 1 << 53);
        assert_eq!(integer(7), 7);
    }
}
