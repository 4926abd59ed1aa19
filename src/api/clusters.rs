//! `/v1/clusters`: the beats of a session, or of a stretch of it, by their shape.

use std::collections::BTreeMap;
use std::time::Duration;

use arrhythmianet::Unclassifiable;
use ecg_chain::{
    BeatToCluster, CHANNEL_COUNT, Cluster, Clustering, Clusters, LeftOut, MOST_BEATS_NAMED,
    MOST_EXAMPLES,
};
use ecg_signal::{
    MODEL_RATE_HZ, MOST_GROUPS, R_INDEX, SampleRate, SignalQuality, TemplateGroups, WINDOW_SAMPLES,
};
use serde::ser::SerializeMap;

use super::endpoint::{Call, Reply, to_json};
use super::json::{Fields, Object, by_class, integer, list};
use super::pools::Pool;
use super::problem::{Kind, Problem};
use super::session_of::session_of;
use crate::store::{BriefBeat, MISSING_CODE, RowFilter, StoreError, StoreReader, StoredSession};

/// The longest stretch, samples per channel: 33 h at 500 SPS.
pub(super) const LONGEST_SAMPLES: u64 = 60_000_000;
/// Beats read at a time: 256 KiB.
const PAGE_BEATS: u32 = 4_096;
/// Samples per channel read at a time: of both channels 512 KiB of codes.
const CHUNK_SAMPLES: u64 = 65_536;
/// Signal before a beat for the filters to settle, and behind it for the end of its window.
const LEAD: Duration = Duration::from_secs(2);
const BEHIND: Duration = Duration::from_secs(1);
/// Bytes of a value as JSON: a tenth of a microvolt, or an id.
const MOST_VALUE_BYTES: usize = 11;
/// An answer with all there may be in it.
pub(super) const MOST_BYTES: usize = (MOST_GROUPS + 1)
    * MOST_VALUE_BYTES
    * (MOST_BEATS_NAMED + (MOST_EXAMPLES + 1) * WINDOW_SAMPLES);

/// Why a beat's stored row says that its signal is no use for comparing shapes.
fn unusable(beat: &BriefBeat) -> Option<LeftOut> {
    match beat.quality {
        SignalQuality::Clipped => Some(LeftOut::Clipped),
        SignalQuality::Flat | SignalQuality::LeadOff => Some(LeftOut::PoorSignal),
        SignalQuality::Good | SignalQuality::Noisy => {
            let is_poor = beat.unclassifiable == Some(Unclassifiable::PoorSignal);
            is_poor.then_some(LeftOut::PoorSignal)
        }
    }
}

/// The stored ECG and beats of a session on their way into clusters, once through.
struct Passage<'a> {
    reader: &'a StoreReader,
    session: &'a StoredSession,
    clustering: Clustering<TemplateGroups>,
    /// Channels that have beats.
    wanted: [bool; CHANNEL_COUNT],
    /// Sample behind the last one that was read.
    position: u64,
}

impl Passage<'_> {
    fn samples(&self, duration: Duration) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "seconds at most; saturates"
        )]
        let samples = (duration.as_secs_f64() * self.session.info.sample_rate_hz).ceil() as u64;
        samples
    }

    fn expect(&mut self, beats: &[BriefBeat]) {
        for beat in beats {
            match unusable(beat) {
                Some(reason) => self.clustering.leave_out(reason),
                None => self.clustering.expect(
                    beat.r_sample,
                    BeatToCluster {
                        id: beat.id,
                        channel: beat.channel,
                        class: beat.class,
                        unclassifiable: beat.unclassifiable.is_some(),
                    },
                ),
            }
        }
    }

    fn read_to(&mut self, end: u64) -> Result<(), StoreError> {
        while self.position < end {
            let until = end.min(self.position.saturating_add(CHUNK_SAMPLES));
            let codes = self.reader.ecg(self.session.id, &(self.position..until))?;
            for (sample, codes) in (self.position..).zip(codes) {
                if codes[0] != MISSING_CODE {
                    self.clustering.push(sample, codes, self.wanted);
                }
            }
            self.position = until;
        }
        Ok(())
    }
}

/// Groups the beats that pass `filter`, which are of `session`.
fn clusters_of(
    reader: &StoreReader,
    session: &StoredSession,
    mut filter: RowFilter,
) -> Result<Clusters, Problem> {
    let info = &session.info;
    let rate = SampleRate::from_hz(info.sample_rate_hz)
        .map_err(|error| Problem::new(Kind::StoreDamaged, error.to_string()))?;
    let mains = info.mains.unwrap_or_default();
    let groups = TemplateGroups::new();
    let mut passage = Passage {
        reader,
        session,
        clustering: Clustering::new(rate, mains, info.uv_per_code, groups),
        wanted: reader.channels_with_beats(session.id)?,
        position: 0,
    };
    let first = first_of_stretch(reader, session, &filter)?;
    passage.position = first.saturating_sub(passage.samples(LEAD));
    loop {
        let mut beats = reader.brief_beats(&filter)?;
        let Some(last) = beats.last() else { break };
        filter.after_id = last.id;
        // Beats on both sides of a change of channel may be stored the wrong way round.
        beats.sort_by_key(|beat| beat.r_sample);
        passage.expect(&beats);
        passage.read_to(beats.last().map_or(0, |beat| beat.r_sample))?;
    }
    let end = passage.position.saturating_add(passage.samples(BEHIND));
    passage.read_to(end)?;
    Ok(passage.clustering.finish())
}

/// Where the first beat is; refuses what takes too long.
fn first_of_stretch(
    reader: &StoreReader,
    session: &StoredSession,
    filter: &RowFilter,
) -> Result<u64, Problem> {
    let edge = |newest_first| -> Result<u64, StoreError> {
        let beats = reader.brief_beats(&RowFilter {
            limit: 1,
            newest_first,
            ..filter.clone()
        })?;
        Ok(beats.first().map_or(0, |beat| beat.r_sample))
    };
    let (first, last) = (edge(false)?, edge(true)?);
    let found = last.saturating_sub(first);
    if found <= LONGEST_SAMPLES {
        return Ok(first);
    }
    let rate_hz = session.info.sample_rate_hz;
    let hours = |samples: u64| samples as f64 / rate_hz / 3_600.0;
    let (is, most) = (hours(found), hours(LONGEST_SAMPLES));
    Err(Problem::invalid(
        "from, to",
        &format!("{is:.1} h of beats, {found} samples"),
        &format!("a stretch of at most {LONGEST_SAMPLES} samples, which are {most:.1} h here"),
    ))
}

/// The whole answer.
struct Answer {
    session: StoredSession,
    found: Clusters,
}

impl Object for Answer {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let Self { session, found } = self;
        let numbered = (1..).zip(&found.clusters);
        let others = found.others.iter().map(|others| (0, others));
        let clusters: Vec<_> = numbered
            .chain(others)
            .map(|(number, cluster)| Numbered {
                number,
                cluster,
                session,
            })
            .collect();
        let reasons = || LeftOut::ALL.into_iter().zip(found.left_out);
        // The first of those of most beats.
        let main_reason = reasons()
            .rev()
            .filter(|(_, beats)| *beats > 0)
            .max_by_key(|(_, beats)| *beats);
        let by_reason: BTreeMap<_, _> = reasons()
            .map(|(reason, beats)| (reason.name(), integer(beats)))
            .collect();
        to.add("session", session.id);
        to.add("method", found.method);
        to.add("clusters", list(&clusters));
        to.add("beats_left_out", integer(found.left_out.iter().sum()));
        to.add(
            "left_out_reason",
            main_reason.map(|(reason, _)| reason.name()),
        );
        to.add("beats_left_out_by_reason", by_reason);
    }
}

struct Numbered<'a> {
    number: u32,
    cluster: &'a Cluster,
    session: &'a StoredSession,
}

impl Object for Numbered<'_> {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let cluster = self.cluster;
        let beats = cluster.beats();
        // Of beats of several shapes there is no mean.
        let channel = cluster.channel;
        let lead = channel.map(|channel| &*self.session.info.leads[channel]);
        let tenths = |uv: f64| (uv * 10.0).round() / 10.0;
        let mean_uv = channel.map(|_| cluster.mean_uv().map(tenths).to_vec());
        let examples = cluster.examples_uv.iter();
        let examples_uv: Vec<Vec<_>> = examples
            .map(|uv| uv.iter().map(|&uv| tenths(uv.into())).collect())
            .collect();
        let named = u64::try_from(cluster.ids.len()).unwrap_or(u64::MAX);
        to.add("cluster", self.number);
        to.add("beats", integer(beats));
        to.add("beats_by_class", by_class(cluster.beats_by_class));
        to.add("beats_unclassifiable", integer(cluster.unclassifiable));
        to.add("first_beat", cluster.ids.first());
        let correlation = cluster.mean_correlation();
        let correlation = (correlation * 1e4).round() / 1e4;
        to.add("mean_correlation", channel.map(|_| correlation));
        to.add("channel_number", channel.map(|channel| channel + 1));
        to.add("lead", lead.filter(|lead| !lead.is_empty()));
        to.add("sample_rate_hz", MODEL_RATE_HZ);
        to.add("before_samples", R_INDEX);
        to.add("mean_uv", mean_uv);
        to.add("examples_uv", examples_uv);
        to.add("beat_ids", &cluster.ids);
        to.add("more_beats", integer(beats.saturating_sub(named)));
    }
}

pub(super) async fn clusters(call: Call) -> Reply {
    let asked = call.parameters.rows(call.endpoint.name)?;
    let answer = call.shared.read(Pool::Wide, move |reader| {
        let session = session_of(reader, asked.session)?;
        let filter = RowFilter {
            session: Some(session.id),
            limit: PAGE_BEATS,
            ..asked
        };
        let found = clusters_of(reader, &session, filter)?;
        Ok(to_json(&Answer { session, found }))
    });
    answer.await
}
