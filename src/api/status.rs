//! `/v1/status`: everything about now in one answer, also while the store cannot be read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant as Moment;

use ecg_chain::channel_of_subject;
use ecg_chain::{ClockRelation, WallUs};
use ecg_signal::SignalQuality;
use serde::Serialize;

use super::counters::read;
use super::desk::Desk;
use super::engines::EnginesJson;
use super::heart_rate::heart_rate_bpm;
use super::json::{Beat, Instant, LiveBeat, Session, by_class, integer, number};
use super::live::{AcquisitionStatus, Condition, LiveSession, LiveStatus};
use super::order::note_order;
use super::pools::Pool;
use super::problem::Problem;
use super::shared::Shared;
use super::status_rows::StatusRows;
use super::ticket::Ticket;
use crate::acquisition::EdgeNumbers;
use crate::store::{Totals, WriterMonitor, WriterStatus};

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
    live: Option<Live>,
    session: Option<Session>,
    session_reason: Option<&'static str>,
    last_beat: Option<Beat>,
    totals: Option<TotalsJson>,
    store: Store,
    connections: Connections,
}

#[derive(Serialize)]
struct ConditionJson {
    kind: &'static str,
    subject: &'static str,
    channel_number: Option<u8>,
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
            channel_number: channel_of_subject(condition.subject).map(number),
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

/// What the pipeline has handed out, stored or not.
#[derive(Serialize)]
struct Live {
    session_open: bool,
    beats: u64,
    beats_by_class: BTreeMap<char, u64>,
    beats_unclassifiable: u64,
    gaps: u64,
    missing_samples: u64,
    events: u64,
    newest_beat: Option<LiveBeat>,
}

impl From<&LiveSession> for Live {
    fn from(session: &LiveSession) -> Self {
        Self {
            session_open: session.open,
            beats: session.beats_by_class.iter().sum(),
            beats_by_class: by_class(session.beats_by_class),
            beats_unclassifiable: session.unclassifiable,
            gaps: session.gaps,
            missing_samples: integer(session.missing_samples),
            events: session.events,
            newest_beat: session
                .newest_beats
                .front()
                .map(|beat| LiveBeat::new(beat, session.newest_wall)),
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
    ecg_blocks_not_stored: Option<u64>,
    free_bytes: Option<u64>,
    free_bytes_wanted: Option<u64>,
    rows_refused: Option<u64>,
    last_commit_time: Option<String>,
    last_commit_time_us: Option<i64>,
    chain_head: Option<String>,
    last_check_time: Option<String>,
    last_check_time_us: Option<i64>,
    damage: Option<String>,
}

#[derive(Serialize)]
struct Connections {
    open: u64,
    limit: usize,
    limit_of_user: usize,
    kept_for_control: usize,
    streams: u64,
    streams_limit: usize,
    answer_bytes: usize,
    answer_bytes_highest: usize,
    answer_bytes_limit: usize,
    refused: u64,
    refused_user: u64,
    refused_peer: u64,
    refused_unmapped: u64,
    refused_streams: u64,
    refused_memory: u64,
    refused_status_only: u64,
    refused_browser: u64,
    wrong_tokens: u64,
    dropped_stalled: u64,
    dropped_idle: u64,
    dropped_slow_request: u64,
    dropped_large_request: u64,
    dropped_slow_reader: u64,
    socket_in_place: bool,
    socket_lost: u64,
}

pub(super) async fn status(shared: &Arc<Shared>) -> Status {
    let read_rows = |desk: &mut Desk, ticket: &Ticket| {
        desk.read(ticket, |reader| {
            Ok(Arc::new(StatusRows {
                epoch: reader.epoch()?,
                session: reader.latest_session()?,
                last_beat: reader.newest_beats(1)?.pop(),
                totals: reader.totals()?,
                size_bytes: reader.size_bytes()?,
            }))
        })
    };
    // Rows that were committed before somebody asks are in what he is told.
    let not_begun = |ticket: &Ticket| !ticket.has_begun();
    let (rows, order) = shared
        .status_rows
        .ask(&shared.pools, Pool::Status, (), not_begun, read_rows)
        .await;
    note_order(order);
    // after the reading: what is told of now is not older than it
    let live = shared.deps.live.snapshot();
    let writer = shared.deps.writer.as_ref().map(WriterMonitor::status);
    let rate = heart_rate_bpm(&live, Moment::now());
    let now = Instant::new(Some(WallUs::now()));
    let (started, started_wall) = shared.started;
    let started_wall = Instant::new(Some(started_wall));
    let store = store(shared, writer.as_ref(), &rows);
    let open_session = live.session.as_ref().is_some_and(|session| session.open);
    let stored = writer.as_ref().and_then(|writer| writer.open_session);
    let session = match &rows {
        Err(_) => Err("store_unavailable"),
        // what the store knows is another session
        Ok(_) if open_session && writer.is_some() && stored.is_none() => Err("not_stored_yet"),
        Ok(rows) => rows.session.as_ref().ok_or("none"),
    };
    let (session, session_reason) = (session.ok().map(Session::from), session.err());
    let rows = rows.ok();
    let counters = &shared.counters;
    let limits = shared.gate.places.limits();
    let (answer_bytes, answer_bytes_highest) = shared.gate.budget.level();
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
        session: live_session,
        newest_sample: _,
        newest_received: _,
        earlier_clock: _,
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
            .chain(of_the_store(writer.as_ref()))
            .map(|condition| ConditionJson::new(condition, clock))
            .collect(),
        lead_off,
        signal_quality: signal_quality.map(|quality| quality.map(SignalQuality::name)),
        samples_received,
        heart_rate_bpm: rate.ok(),
        heart_rate_reason: rate.err(),
        live: live_session.as_ref().map(Live::from),
        session,
        session_reason,
        last_beat: rows
            .as_ref()
            .and_then(|rows| rows.last_beat.as_ref())
            .map(Beat::from),
        totals: rows.map(|rows| totals(&rows.totals)),
        store,
        connections: Connections {
            open: read(&counters.open),
            limit: limits.connections,
            limit_of_user: limits.of_user,
            kept_for_control: limits.kept_for_control,
            streams: read(&counters.streams),
            streams_limit: limits.streams,
            answer_bytes,
            answer_bytes_highest,
            answer_bytes_limit: shared.gate.budget.limit(),
            refused: read(&counters.refused),
            refused_user: read(&counters.refused_user),
            refused_peer: read(&counters.refused_peer),
            refused_unmapped: read(&counters.refused_unmapped),
            refused_streams: read(&counters.refused_streams),
            refused_memory: read(&counters.refused_memory),
            refused_status_only: read(&counters.refused_status_only),
            refused_browser: read(&counters.refused_browser),
            wrong_tokens: read(&counters.wrong_tokens),
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

/// What lasts about the store.
fn of_the_store(writer: Option<&WriterStatus>) -> impl Iterator<Item = Condition> {
    let conditions = writer.map_or(&[][..], |writer| &writer.conditions);
    conditions.iter().map(|condition| Condition {
        kind: condition.kind,
        subject: "store",
        detail: condition.detail.clone(),
        since_sample: condition.since_sample,
        since: condition.since,
    })
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

fn store(
    shared: &Shared,
    writer: Option<&WriterStatus>,
    rows: &Result<Arc<StatusRows>, Problem>,
) -> Store {
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
    let last_check = Instant::new(writer.and_then(|writer| writer.checkup.last));
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
        rows_let_go: writer.map(|writer| writer.rows_dropped),
        databases_set_aside: writer.map(|writer| writer.quarantined),
        rows_deleted: writer.map(|writer| writer.rows_deleted),
        ecg_blocks_deleted: writer.map(|writer| writer.blocks_deleted),
        ecg_blocks_not_stored: writer.map(|writer| writer.blocks_not_stored),
        free_bytes: writer.and_then(|writer| writer.free_bytes),
        free_bytes_wanted: writer.and_then(|writer| writer.free_bytes_wanted),
        rows_refused: writer.map(|writer| writer.rows_refused),
        last_commit_time: last_commit.text,
        last_commit_time_us: last_commit.us,
        chain_head: writer
            .and_then(|writer| writer.chain_head)
            .map(|head| head.to_string()),
        last_check_time: last_check.text,
        last_check_time_us: last_check.us,
        damage: writer.and_then(|writer| writer.checkup.damage.clone()),
    }
}
