//! What only the running service knows.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use arrhythmianet::CLASS_COUNT;
use arrhythmianet::choose::EngineReport;
use ecg_chain::{CHANNEL_COUNT, Gap, LabelledBeat, PipelineEvent, SessionInfo};
use ecg_chain::{ClockRelation, MonotonicNs, WallUs};
use ecg_chain::{Episode, Event, EventKind};
use ecg_signal::SignalQuality;
use serde::ser::SerializeMap;

use super::json::{Fields, Json, Object};
use super::live_hub::{LiveHub, LiveMessage, WaveformTap};
use super::patient::PatientChange;

use crate::acquisition::{EdgeNumbers, RealtimeGranted, RingGauge};
use crate::store::SessionCounts;

/// Intervals the median of the heart rate is taken over, at most.
pub(super) const MOST_INTERVALS: usize = 8;

/// What the service as a whole is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceState {
    /// Not yet acquiring.
    #[default]
    Starting,
    /// Samples are coming in.
    Recording,
    /// The front-end does not deliver; the detail says why and what is being tried.
    Recovering,
    /// The source has ended; what was stored is being served.
    Finished,
}

impl ServiceState {
    /// The name used in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Recording => "recording",
            Self::Recovering => "recovering",
            Self::Finished => "finished",
        }
    }
}

/// Something wrong that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The kind of the event it began with, e.g. `drdy_silent`.
    pub kind: EventKind,
    /// What it happens to: `chip`, an electrode or a channel.
    pub subject: &'static str,
    /// One sentence.
    pub detail: String,
    /// Index of the sample it began at.
    pub since_sample: u64,
    /// When it began.
    pub since: MonotonicNs,
}

/// How the acquisition thread does.
#[derive(Debug, Clone)]
pub struct AcquisitionStatus {
    /// What the kernel granted it.
    pub granted: RealtimeGranted,
    /// How lost edges are found.
    pub edge_numbers: EdgeNumbers,
    /// The ring to the pipeline.
    pub ring: RingGauge,
}

/// What the pipeline has handed out in a session, whether it is stored by now or waits in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveSession {
    /// Whether it goes on.
    pub open: bool,
    /// What it recorded; samples are not counted here.
    pub counts: SessionCounts,
    /// The last beats, newest first: as many as the heart rate is taken from.
    pub newest_beats: VecDeque<LabelledBeat>,
    /// Wall time of the newest beat's R peak.
    pub newest_wall: Option<WallUs>,
    /// Wall time of the newest R peak of each class, in the order N L R A V; unclassifiable beats do not
    /// count.
    pub newest_of_class: [Option<WallUs>; CLASS_COUNT],
}

impl LiveSession {
    fn beat(&mut self, beat: &LabelledBeat, wall: Option<WallUs>) {
        if let Some(count) = self.counts.beats_by_class.get_mut(beat.class.index()) {
            *count += 1;
        }
        self.counts.unclassifiable += u64::from(beat.unclassifiable.is_some());
        if beat.unclassifiable.is_none()
            && let Some(newest) = self.newest_of_class.get_mut(beat.class.index())
        {
            *newest = wall;
        }
        self.newest_beats.truncate(MOST_INTERVALS - 1);
        self.newest_beats.push_front(beat.clone());
        self.newest_wall = wall;
    }

    fn gap(&mut self, gap: &Gap) {
        let counts = &mut self.counts;
        counts.gaps += 1;
        counts.missing_samples = counts.missing_samples.saturating_add(gap.missing_samples);
    }
}

/// Facts for `/v1/status` that are in no table.
#[derive(Debug, Clone, Default)]
pub struct LiveStatus {
    /// What the service is doing.
    pub state: ServiceState,
    /// One sentence about the state, if there is more to say.
    pub detail: Option<String>,
    /// Model in use, e.g. `v1`.
    pub model: Option<String>,
    /// Engine it runs on, e.g. `cpu-reference`.
    pub engine: Option<String>,
    /// Why this engine was chosen.
    pub engine_reason: Option<String>,
    /// The engines there are and what was measured.
    pub engines: Option<EngineReport>,
    /// The acquisition thread; `None` where a recording is read without one.
    pub acquisition: Option<AcquisitionStatus>,
    /// What is wrong now, oldest first.
    pub conditions: Vec<Condition>,
    /// The session's relation of both clocks, for the times of the conditions.
    pub clock: Option<ClockRelation>,
    /// Electrodes off, per channel, as the front-end says.
    pub lead_off: Option<[bool; CHANNEL_COUNT]>,
    /// Signal quality per channel.
    pub signal_quality: Option<[SignalQuality; CHANNEL_COUNT]>,
    /// Samples received in this session.
    pub samples_received: u64,
    /// Time of the newest sample; without it the age of the last beat cannot be told.
    pub newest_sample: Option<MonotonicNs>,
    /// Its position.
    pub newest_position: u64,
    /// When it was received.
    pub newest_received: Option<Instant>,
    /// The session that runs, or the last one; `None` before the first.
    pub session: Option<LiveSession>,
    /// The relation of both clocks before the wall clock's last step.
    pub earlier_clock: Option<ClockRelation>,
}

/// [`LiveStatus`] between the service, which writes, and the socket, which reads; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SharedLiveStatus {
    status: Arc<RwLock<LiveStatus>>,
    hub: LiveHub,
    patient: PatientChange,
}

impl LiveStatus {
    /// A session begins.
    pub fn begin_session(&mut self, start: ClockRelation) {
        self.clock = Some(start);
        self.earlier_clock = None;
        self.newest_sample = None;
        self.newest_position = 0;
        self.newest_received = None;
        self.samples_received = 0;
        self.session = Some(LiveSession {
            open: true,
            ..LiveSession::default()
        });
    }

    /// The session ends; what it counted stays.
    pub fn end_session(&mut self) {
        if let Some(session) = &mut self.session {
            session.open = false;
        }
    }

    /// Takes note of what the pipeline hands out, before the store has it.
    pub fn observe(&mut self, event: &PipelineEvent) {
        let of_before = |beat: &LabelledBeat, now: &ClockRelation| beat.r_time < now.monotonic;
        match event {
            PipelineEvent::Beat(beat) => {
                // a beat comes a while after its R peak: it has the time the clock showed then
                let earlier = self.earlier_clock;
                let clock = self.clock.map(|now| match earlier {
                    Some(earlier) if of_before(beat, &now) => earlier,
                    _ => now,
                });
                let wall = clock.map(|clock| clock.wall_at(beat.r_time));
                if let Some(session) = &mut self.session {
                    session.beat(beat, wall);
                }
            }
            PipelineEvent::Gap(gap) => {
                if let Some(session) = &mut self.session {
                    session.gap(gap);
                }
            }
            PipelineEvent::Event(event) => {
                if let Some(session) = &mut self.session {
                    session.counts.events += 1;
                }
                self.note(event);
            }
            PipelineEvent::Engine(engine) => self.engine = Some(engine.clone()),
            PipelineEvent::Clock { relation, .. } => {
                self.earlier_clock = self.clock;
                self.clock = Some(*relation);
            }
            _ => {}
        }
    }

    /// Keeps the list of what is wrong now.
    pub fn note(&mut self, event: &Event) {
        match event.episode {
            Episode::Begins { subject } => self.conditions.push(Condition {
                kind: event.kind,
                subject,
                detail: event.detail.clone(),
                since_sample: event.sample,
                since: event.time,
            }),
            Episode::Ends {
                subject,
                began_sample,
                ..
            } => self.conditions.retain(|condition| {
                (condition.subject, condition.since_sample) != (subject, began_sample)
            }),
            // What neither begins nor ends anything.
            _ => {}
        }
    }
}

/// What the pipeline hands out, as a message that says that it is not stored yet.
struct NotCommitted<T>(&'static str, T);

impl<T: Object> Object for NotCommitted<T> {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let Self(kind, object) = self;
        to.add("type", kind);
        to.add("committed", false);
        object.fields(to);
    }
}

/// The wall clock was set: what it went by, and what it shows now.
struct ClockStep {
    step_us: i64,
    wall: WallUs,
}

impl Object for ClockStep {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        to.add("type", "clock");
        to.add("step_ms", self.step_us as f64 / 1e3);
        to.time("time", Some(self.wall));
    }
}

fn live_message(event: &PipelineEvent, live: &LiveStatus) -> Option<LiveMessage> {
    let text = match event {
        PipelineEvent::Beat(beat) => {
            let session = live.session.as_ref();
            let wall = session.and_then(|session| session.newest_wall);
            serde_json::to_string(&Json(&NotCommitted("beat", (beat, wall))))
        }
        PipelineEvent::Gap(gap) => {
            serde_json::to_string(&Json(&NotCommitted("gap", (gap, live.clock))))
        }
        PipelineEvent::Event(event) => {
            serde_json::to_string(&Json(&NotCommitted("event", (event, live.clock))))
        }
        PipelineEvent::Clock { relation, step_us } => serde_json::to_string(&Json(&ClockStep {
            step_us: *step_us,
            wall: relation.wall,
        })),
        _ => return None,
    };
    text.ok().map(|text| LiveMessage::Text(text.into())) // plain values serialise
}

impl SharedLiveStatus {
    /// Changes the status; keep it short, readers wait.
    pub fn update(&self, change: impl FnOnce(&mut LiveStatus)) {
        change(&mut self.status.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// A session begins; `id` is its row, where it has one by now.
    pub fn begin_session(&self, info: &SessionInfo, id: Option<i64>) {
        self.update(|live| live.begin_session(info.start));
        self.hub.begin_session(info, id);
    }

    /// The session ends.
    pub fn end_session(&self) {
        self.update(LiveStatus::end_session);
        self.hub.end_session();
    }

    /// Takes note of what the pipeline hands out, and passes it on to whoever watches.
    pub fn observe(&self, event: &PipelineEvent) {
        let mut message = None;
        self.update(|live| {
            live.observe(event);
            if self.hub.is_watched() {
                message = live_message(event, live);
            }
        });
        if let Some(message) = message {
            self.hub.send(message);
        }
    }

    /// What passes the samples of a session on to whoever watches. `own_clock`: their times are of this
    /// machine's monotonic clock.
    #[must_use]
    pub fn waveform_tap(&self, sample_rate_hz: f64, own_clock: bool) -> WaveformTap {
        WaveformTap::new(self.hub.clone(), sample_rate_hz, own_clock)
    }

    /// How the running session learns that another patient is asked for.
    #[must_use]
    pub const fn patient(&self) -> &PatientChange {
        &self.patient
    }

    pub(super) const fn hub(&self) -> &LiveHub {
        &self.hub
    }

    /// The status now.
    #[must_use]
    pub fn snapshot(&self) -> LiveStatus {
        self.status
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
