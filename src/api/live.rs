//! What only the running service knows.

use std::sync::{Arc, PoisonError, RwLock};

use crate::acquisition::{EdgeNumbers, Episode, Event, RealtimeGranted, RingGauge};
use crate::model::choose::EngineReport;
use crate::pipeline::CHANNEL_COUNT;
use crate::signal::SignalQuality;
use crate::time::{ClockRelation, MonotonicNs};

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
    pub kind: &'static str,
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
}

/// [`LiveStatus`] between the service, which writes, and the socket, which reads; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SharedLiveStatus {
    status: Arc<RwLock<LiveStatus>>,
}

impl LiveStatus {
    /// Keeps the list of what is wrong now.
    pub fn note(&mut self, event: &Event) {
        match event.episode {
            Episode::Momentary => {}
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
        }
    }
}

impl SharedLiveStatus {
    /// Changes the status; keep it short, readers wait.
    pub fn update(&self, change: impl FnOnce(&mut LiveStatus)) {
        change(&mut self.status.write().unwrap_or_else(PoisonError::into_inner));
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
