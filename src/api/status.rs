//! `/v1/status`: everything about now in one answer, also while the store cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::counters::read;
use super::engines::EnginesJson;
use super::heart_rate::{MOST_INTERVALS, heart_rate_bpm};
use super::json::{Beat, Instant, Session, by_class};
use super::live::{AcquisitionStatus, Condition, LiveStatus};
use super::problem::Problem;
use super::server::Shared;
use crate::acquisition::EdgeNumbers;
use crate::signal::SignalQuality;
use crate::store::{Epoch, StoredBeat, StoredSession, Totals, WriterMonitor, WriterStatus};
use crate::time::{ClockRelation, WallUs};

const DISCLAIMER: &str = "Engineering and research system, not a certified medical device: not for \
     diagnosis or patient monitoring.";

#[derive(Serialize)]
pub(super) struct Status {
    version: &'static str,
    disclaimer: &'static str,
    time: Option<String>,
    time_us: Option<i64>,
    started_time: Option<String>,
    started_time_us: Option<i64>,
    uptime_s: f64,
    state: &'static str,
    state_detail: Option<String>,
    model: Option<String>,
    engine: Option<String>,
    engine_reason: Option<String>,
    engines: Option<EnginesJson>,
    acquisition: Option<Acquisition>,
    conditions: Vec<ConditionJson>,
    lead_off: Option<[bool; 2]>,
    signal_quality: Option<[&'static str; 2]>,
    samples_received: u64,
    heart_rate_bpm: Option<f64>,
    heart_rate_reason: Option<&'static str>,
    session: Option<Session>,
    last_beat: Option<Beat>,
    totals: Option<TotalsJson>,
    store: Store,
    connections: Connections,
}

#[derive(Serialize)]
struct ConditionJson {
    kind: &'static str,
    subject: &'static str,
    detail: String,
    since_sample: u64,
    since_time: Option<String>,
    since_time_us: Option<i64>,
}

impl ConditionJson {
    fn new(condition: Condition, clock: Option<ClockRelation>) -> Self {
        let since = Instant::new(clock.map(|clock| clock.wall_at(condition.since)));
        Self {
            kind: condition.kind,
            subject: condition.subject,
            detail: condition.detail,
            since_sample: condition.since_sample,
            since_time: since.text,
            since_time_us: since.us,
        }
    }
}

#[derive(Serialize)]
struct Acquisition {
    realtime_priority: Option<u8>,
    memory_locked: bool,
    not_granted: Vec<String>,
    edges_numbered_by: &'static str,
    ring_places: usize,
    ring_highest: usize,
    ring_samples_dropped: u64,
    ring_events_dropped: u64,
}

impl From<AcquisitionStatus> for Acquisition {
    fn from(status: AcquisitionStatus) -> Self {
        let ring = status.ring.level();
        Self {
            realtime_priority: status.granted.priority,
            memory_locked: status.granted.memory_locked,
            not_granted: status.granted.refused,
            edges_numbered_by: match status.edge_numbers {
                EdgeNumbers::Kernel => "kernel",
                EdgeNumbers::Reader => "reader",
            },
            ring_places: ring.capacity,
            ring_highest: ring.highest,
            ring_samples_dropped: ring.samples_dropped,
            ring_events_dropped: ring.events_dropped,
        }
    }
}

#[derive(Serialize)]
struct TotalsJson {
    sessions: u64,
    beats: u64,
    beats_by_class: BTreeMap<char, u64>,
    beats_unclassifiable: u64,
    gaps: u64,
    missing_samples: u64,
    events: u64,
}

#[derive(Serialize)]
struct Store {
    state: &'static str,
    detail: Option<String>,
    path: String,
    epoch: Option<String>,
    size_bytes: Option<u64>,
    commits: Option<u64>,
    beats_committed: Option<u64>,
    rows_waiting: Option<usize>,
    bytes_waiting: Option<usize>,
    outages: Option<u64>,
    rows_let_go: Option<u64>,
    databases_set_aside: Option<u64>,
    rows_deleted: Option<u64>,
    ecg_blocks_deleted: Option<u64>,
    rows_refused: Option<u64>,
    last_commit_time: Option<String>,
    last_commit_time_us: Option<i64>,
}

#[derive(Serialize)]
struct Connections {
    open: u64,
    limit: usize,
    streams: u64,
    refused: u64,
    refused_peer: u64,
    dropped_stalled: u64,
    dropped_idle: u64,
    dropped_slow_request: u64,
    dropped_large_request: u64,
    dropped_slow_reader: u64,
    socket_in_place: bool,
    socket_lost: u64,
}

/// What is read from the database.
struct Rows {
    epoch: Epoch,
    session: Option<StoredSession>,
    newest_beats: Vec<StoredBeat>,
    totals: Totals,
    size_bytes: u64,
}

pub(super) async fn status(shared: &Arc<Shared>) -> Status {
    let live = shared.deps.live.snapshot();
    let writer = shared.deps.writer.as_ref().map(WriterMonitor::status);
    let rows = shared
        .read(|reader| {
            Ok(Rows {
                epoch: reader.epoch()?,
                session: reader.latest_session()?,
                newest_beats: reader
                    .newest_beats(u32::try_from(MOST_INTERVALS).unwrap_or(u32::MAX))?,
                totals: reader.totals()?,
                size_bytes: reader.size_bytes()?,
            })
        })
        .await;
    let open_session = writer.as_ref().and_then(|writer| writer.open_session);
    let rate = match &rows {
        Ok(rows) => heart_rate_bpm(&rows.newest_beats, open_session, &live),
        Err(_) => Err("store_unavailable"),
    };
    let now = Instant::new(Some(WallUs::now()));
    let (started, started_wall) = shared.started;
    let started_wall = Instant::new(Some(started_wall));
    let store = store(shared, writer.as_ref(), &rows);
    let rows = rows.ok();
    let counters = &shared.counters;
    let LiveStatus {
        state,
        detail,
        model,
        engine,
        engine_reason,
        engines,
        acquisition,
        conditions,
        clock,
        lead_off,
        signal_quality,
        samples_received,
        newest_sample: _,
    } = live;
    Status {
        version: env!("CARGO_PKG_VERSION"),
        disclaimer: DISCLAIMER,
        time: now.text,
        time_us: now.us,
        started_time: started_wall.text,
        started_time_us: started_wall.us,
        uptime_s: started.elapsed().as_secs_f64(),
        state: state.name(),
        state_detail: detail,
        model,
        engine,
        engine_reason,
        engines: engines.map(EnginesJson::from),
        acquisition: acquisition.map(Acquisition::from),
        conditions: conditions
            .into_iter()
            .map(|condition| ConditionJson::new(condition, clock))
            .collect(),
        lead_off,
        signal_quality: signal_quality.map(|quality| quality.map(SignalQuality::name)),
        samples_received,
        heart_rate_bpm: rate.ok(),
        heart_rate_reason: rate.err(),
        session: rows
            .as_ref()
            .and_then(|rows| rows.session.as_ref())
            .map(Session::from),
        last_beat: rows
            .as_ref()
            .and_then(|rows| rows.newest_beats.first())
            .map(Beat::from),
        totals: rows.map(|rows| totals(&rows.totals)),
        store,
        connections: Connections {
            open: read(&counters.open),
            limit: shared.max_connections,
            streams: read(&counters.streams),
            refused: read(&counters.refused),
            refused_peer: read(&counters.refused_peer),
            dropped_slow_request: read(&counters.dropped_slow_request),
            dropped_large_request: read(&counters.dropped_large_request),
            dropped_stalled: read(&counters.dropped_stalled),
            dropped_idle: read(&counters.dropped_idle),
            dropped_slow_reader: read(&counters.dropped_lagging),
            socket_in_place: read(&counters.socket_away) == 0,
            socket_lost: read(&counters.socket_lost),
        },
    }
}

fn totals(totals: &Totals) -> TotalsJson {
    TotalsJson {
        sessions: totals.sessions,
        beats: totals.counts.beats(),
        beats_by_class: by_class(totals.counts.beats_by_class),
        beats_unclassifiable: totals.counts.unclassifiable,
        gaps: totals.counts.gaps,
        missing_samples: totals.counts.missing_samples,
        events: totals.counts.events,
    }
}

fn store(shared: &Shared, writer: Option<&WriterStatus>, rows: &Result<Rows, Problem>) -> Store {
    let (state, detail) = match (writer, rows) {
        (
            Some(WriterStatus {
                failure: Some(failure),
                ..
            }),
            _,
        ) => ("failed", Some(failure.clone())),
        (
            Some(WriterStatus {
                trouble: Some(trouble),
                ..
            }),
            _,
        ) => ("retrying", Some(trouble.clone())),
        (_, Err(problem)) => ("unreadable", Some(problem.detail.clone())),
        (None, Ok(_)) => ("read_only", None),
        (Some(_), Ok(_)) => ("ok", None),
    };
    let last_commit = Instant::new(writer.and_then(|writer| writer.last_commit));
    Store {
        state,
        detail,
        path: shared.deps.database.display().to_string(),
        epoch: rows.as_ref().ok().map(|rows| rows.epoch.to_string()),
        size_bytes: rows.as_ref().ok().map(|rows| rows.size_bytes),
        commits: writer.map(|writer| writer.commits),
        beats_committed: writer.map(|writer| writer.beats_committed),
        rows_waiting: writer.map(|writer| writer.rows_waiting),
        bytes_waiting: writer.map(|writer| writer.bytes_waiting),
        outages: writer.map(|writer| writer.outages),
        rows_let_go: writer.map(|writer| writer.rows_let_go),
        databases_set_aside: writer.map(|writer| writer.set_aside),
        rows_deleted: writer.map(|writer| writer.rows_deleted),
        ecg_blocks_deleted: writer.map(|writer| writer.blocks_deleted),
        rows_refused: writer.map(|writer| writer.rows_refused),
        last_commit_time: last_commit.text,
        last_commit_time_us: last_commit.us,
    }
}
