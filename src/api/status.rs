//! `/v1/status`: everything about now in one answer, also while the store cannot be read.

use std::sync::Arc;
use std::time::Instant;

use arrhythmianet::choose::{AdapterReport, EngineCandidate, EngineReport};
use ecg_chain::{ClockRelation, WallUs, channel_of_subject};
use ecg_signal::SignalQuality;
use serde::ser::SerializeMap;

use super::counters::read;
use super::desk::Desk;
use super::heart_rate::heart_rate_bpm;
use super::json::{Fields, Json, Object, integer, list, number};
use super::live::{AcquisitionStatus, Condition, LiveSession, LiveStatus};
use super::pools::Pool;
use super::problem::Problem;
use super::shared::{Shared, StatusRows};
use super::ticket::Ticket;
use crate::acquisition::EdgeNumbers;
use crate::store::{Totals, WriterMonitor, WriterStatus};

const DISCLAIMER: &str = "Engineering and research system, not a certified medical device: not for \
     diagnosis or patient monitoring.";

/// What the status is told from.
pub(super) struct Status<'a> {
    shared: &'a Shared,
    live: LiveStatus,
    writer: Option<WriterStatus>,
    rows: Result<Arc<StatusRows>, Problem>,
}

pub(super) async fn status(shared: &Shared) -> Status<'_> {
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
    let rows = shared
        .status_rows
        .ask(&shared.pools, Pool::Status, (), not_begun, read_rows)
        .await;
    // after the reading: what is told of now is not older than it
    Status {
        shared,
        live: shared.deps.live.snapshot(),
        writer: shared.deps.writer.as_ref().map(WriterMonitor::status),
        rows,
    }
}

impl Object for Status<'_> {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let (live, rows) = (&self.live, self.rows.as_ref());
        let rate = heart_rate_bpm(live, Instant::now());
        let (started, started_wall) = self.shared.started;
        let open_session = live.session.as_ref().is_some_and(|session| session.open);
        let is_stored = |writer: &WriterStatus| writer.open_session.is_some();
        let not_stored = open_session && self.writer.as_ref().is_some_and(|w| !is_stored(w));
        let session = match rows {
            Err(_) => Err("store_unavailable"),
            // what the store knows is another session
            Ok(_) if not_stored => Err("not_stored_yet"),
            Ok(rows) => rows.session.as_ref().ok_or("none"),
        };
        let quality = live.signal_quality;
        let conditions = conditions(live, self.writer.as_ref());
        let rows = rows.ok();
        to.add("version", env!("CARGO_PKG_VERSION"));
        to.add("disclaimer", DISCLAIMER);
        to.time("time", Some(WallUs::now()));
        to.time("started_time", Some(started_wall));
        to.add("uptime_s", started.elapsed().as_secs_f64());
        to.add("state", live.state.name());
        to.add("state_detail", &live.detail);
        to.add("model", &live.model);
        to.add("engine", &live.engine);
        to.add("engine_reason", &live.engine_reason);
        to.add("engines", live.engines.as_ref().map(Json));
        to.add("acquisition", live.acquisition.as_ref().map(Json));
        to.add("conditions", list(&conditions));
        to.add("lead_off", live.lead_off);
        to.add(
            "signal_quality",
            quality.map(|of| of.map(SignalQuality::name)),
        );
        to.add("samples_received", live.samples_received);
        to.add("heart_rate_bpm", rate.ok());
        to.add("heart_rate_reason", rate.err());
        to.add("live", live.session.as_ref().map(Json));
        to.add("session", session.ok().map(Json));
        to.add("session_reason", session.err());
        let last_beat = rows.and_then(|rows| rows.last_beat.as_ref());
        to.add("last_beat", last_beat.map(Json));
        to.add("totals", rows.map(|rows| Json(&rows.totals)));
        to.add("store", Json(&Store(self)));
        to.add("connections", Json(self.shared));
    }
}

/// What is wrong now, of the front-end and of the store, with how the clocks stand.
pub(super) fn conditions(
    live: &LiveStatus,
    writer: Option<&WriterStatus>,
) -> Vec<(Condition, Option<ClockRelation>)> {
    let of_the_store = writer.into_iter().flat_map(of_the_store);
    let conditions = live.conditions.iter().cloned().chain(of_the_store);
    conditions.map(|what| (what, live.clock)).collect()
}

/// What lasts about the store.
fn of_the_store(writer: &WriterStatus) -> impl Iterator<Item = Condition> {
    writer.conditions.iter().map(|condition| Condition {
        kind: condition.kind,
        subject: "store",
        detail: condition.detail.clone(),
        since_sample: condition.since_sample,
        since: condition.since,
    })
}

impl Object for (Condition, Option<ClockRelation>) {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let (condition, clock) = self;
        let channel = channel_of_subject(condition.subject);
        to.add("kind", condition.kind.name());
        to.add("subject", condition.subject);
        to.add("channel_number", channel.map(number));
        to.add("detail", &condition.detail);
        to.add("since_sample", condition.since_sample);
        to.time(
            "since_time",
            clock.map(|clock| clock.wall_at(condition.since)),
        );
    }
}

impl Object for AcquisitionStatus {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let (granted, ring) = (&self.granted, self.ring.level());
        let numbered_by = match self.edge_numbers {
            EdgeNumbers::Kernel => "kernel",
            EdgeNumbers::Reader => "reader",
        };
        to.add("realtime_priority", granted.priority);
        to.add("memory_locked", granted.memory_locked);
        to.add("not_granted", &granted.refused);
        to.add("edges_numbered_by", numbered_by);
        to.add("ring_places", ring.capacity);
        to.add("ring_highest", ring.highest);
        to.add("ring_samples_dropped", ring.samples_dropped);
        to.add("ring_events_dropped", ring.events_dropped);
    }
}

/// What the pipeline has handed out, stored or not.
impl Object for LiveSession {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let newest = self.newest_beats.front();
        let newest = newest.map(|beat| (beat, self.newest_wall));
        to.add("session_open", self.open);
        to.counts(&self.counts);
        to.add("newest_beat", newest.as_ref().map(Json));
    }
}

impl Object for Totals {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        to.add("sessions", self.sessions);
        to.counts(&self.counts);
        to.add("corrections", integer(self.corrections));
    }
}

struct Store<'a>(&'a Status<'a>);

impl Object for Store<'_> {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let Status { shared, rows, .. } = self.0;
        let writer = self.0.writer.as_ref();
        let failure = writer.and_then(|writer| writer.failure.as_ref());
        let trouble = writer.and_then(|writer| writer.trouble.as_ref());
        let (state, detail) = match (failure, trouble, rows) {
            (Some(failure), _, _) => ("failed", Some(failure)),
            (_, Some(trouble), _) => ("retrying", Some(trouble)),
            (_, _, Err(problem)) => ("unreadable", Some(&problem.detail)),
            _ if writer.is_none() => ("read_only", None),
            _ => ("ok", None),
        };
        let rows = rows.as_ref().ok();
        let chain_head = writer.and_then(|writer| writer.chain_head);
        let checkup = writer.map(|writer| &writer.checkup);
        to.add("state", state);
        to.add("detail", detail);
        to.add("path", shared.deps.database.display().to_string());
        to.add("epoch", rows.map(|rows| rows.epoch.to_string()));
        to.add("size_bytes", rows.map(|rows| rows.size_bytes));
        to.add("commits", writer.map(|of| of.commits));
        to.add("beats_committed", writer.map(|of| of.beats_committed));
        to.add("rows_waiting", writer.map(|of| of.rows_waiting));
        to.add("bytes_waiting", writer.map(|of| of.bytes_waiting));
        to.add("outages", writer.map(|of| of.outages));
        to.add("rows_let_go", writer.map(|of| of.rows_dropped));
        to.add("databases_set_aside", writer.map(|of| of.quarantined));
        to.add("rows_deleted", writer.map(|of| of.rows_deleted));
        to.add("ecg_blocks_deleted", writer.map(|of| of.blocks_deleted));
        to.add(
            "ecg_blocks_not_stored",
            writer.map(|of| of.blocks_not_stored),
        );
        to.add("free_bytes", writer.and_then(|of| of.free_bytes));
        to.add(
            "free_bytes_wanted",
            writer.and_then(|of| of.free_bytes_wanted),
        );
        to.add("rows_refused", writer.map(|of| of.rows_refused));
        to.time("last_commit_time", writer.and_then(|of| of.last_commit));
        to.add("chain_head", chain_head.map(|head| head.to_string()));
        to.time("last_check_time", checkup.and_then(|of| of.last));
        to.add("damage", checkup.and_then(|of| of.damage.as_ref()));
    }
}

/// Connections, and what became of them.
impl Object for Shared {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let counters = &self.counters;
        let limits = self.places.limits();
        let (answer_bytes, answer_bytes_highest) = self.budget.level();
        to.add("open", read(&counters.open));
        to.add("limit", limits.connections);
        to.add("limit_of_user", limits.of_user);
        to.add("kept_for_control", limits.kept_for_control);
        to.add("streams", read(&counters.streams));
        to.add("streams_limit", limits.streams);
        to.add("answer_bytes", answer_bytes);
        to.add("answer_bytes_highest", answer_bytes_highest);
        to.add("answer_bytes_limit", self.budget.limit());
        to.add("refused", read(&counters.refused));
        to.add("refused_user", read(&counters.refused_user));
        to.add("refused_peer", read(&counters.refused_peer));
        to.add("refused_unmapped", read(&counters.refused_unmapped));
        to.add("refused_streams", read(&counters.refused_streams));
        to.add("refused_memory", read(&counters.refused_memory));
        to.add("refused_status_only", read(&counters.refused_status_only));
        to.add("refused_browser", read(&counters.refused_browser));
        to.add("wrong_tokens", read(&counters.wrong_tokens));
        to.add("dropped_stalled", read(&counters.dropped_stalled));
        to.add("dropped_idle", read(&counters.dropped_idle));
        to.add("dropped_slow_request", read(&counters.dropped_slow_request));
        to.add(
            "dropped_large_request",
            read(&counters.dropped_large_request),
        );
        to.add("dropped_slow_reader", read(&counters.dropped_lagging));
        to.add("socket_in_place", read(&counters.socket_away) == 0);
        to.add("socket_lost", read(&counters.socket_lost));
    }
}

impl Object for EngineReport {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        to.add("asked", self.asked);
        to.add("single", &self.single);
        to.add("backlog", &self.backlog);
        to.add("backlog_batch", self.backlog_batch);
        to.add("losses", self.losses);
        to.add("candidates", list(&self.candidates));
    }
}

impl Object for EngineCandidate {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let figures = self.figures;
        let batch_ns = figures.map(|figures| figures.batch_ns_per_beat);
        to.add("engine", &self.engine);
        to.add("state", self.state.name());
        to.add("detail", &self.detail);
        to.add("adapter", self.adapter.as_ref().map(Json));
        to.add(
            "single_us",
            figures.map(|figures| microseconds(figures.single_ns)),
        );
        to.add("batch", figures.map(|figures| figures.batch));
        to.add("batch_us_per_beat", batch_ns.map(microseconds));
    }
}

impl Object for AdapterReport {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        to.add("name", &self.name);
        to.add("driver", &self.driver);
        to.add("backend", self.backend);
        to.add("device_type", self.device_type);
    }
}

fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}
