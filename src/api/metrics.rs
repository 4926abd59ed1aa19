//! `/v1/metrics`: counts for monitoring systems, in the text format of Prometheus (version 0.0.4).

use std::fmt::Write;
use std::sync::Arc;

use super::counters::read;
use super::pools::{Counts, Pool};
use super::shared::Shared;
use crate::store::{WriteVolume, WriterMonitor, WriterStatus};

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const HOUR_S: u64 = 3_600;
/// Rates are not told from less than this.
const SHORTEST_S: u64 = 60;

/// Metrics that exist so far; what is unknown is left out, never 0.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn metric(&mut self, name: &str, kind: &str, help: &str, values: &[(&str, Option<u64>)]) {
        if values.iter().all(|(_, value)| value.is_none()) {
            return;
        }
        // writing to a String cannot fail
        let _ = writeln!(self.text, "# HELP ecg_gateway_{name} {help}");
        let _ = writeln!(self.text, "# TYPE ecg_gateway_{name} {kind}");
        for (labels, value) in values {
            if let Some(value) = value {
                let _ = writeln!(self.text, "ecg_gateway_{name}{labels} {value}");
            }
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: Option<u64>) {
        self.metric(name, "counter", help, &[("", value)]);
    }

    fn gauge(&mut self, name: &str, help: &str, value: Option<u64>) {
        self.metric(name, "gauge", help, &[("", value)]);
    }
}

pub(super) fn metrics(shared: &Arc<Shared>) -> String {
    let mut page = Page::default();
    let uptime_s = shared.started.0.elapsed().as_secs();
    page.gauge("uptime_seconds", "Time since the start.", Some(uptime_s));
    let samples = shared.deps.live.snapshot().samples_received;
    page.gauge(
        "session_samples",
        "Samples per channel received in this session.",
        Some(samples),
    );
    if let Some(writer) = shared.deps.writer.as_ref().map(WriterMonitor::status) {
        store(&mut page, &writer);
        volume(&mut page, &writer.volume);
    }
    connections(&mut page, shared);
    questions(&mut page, shared);
    page.text
}

/// What waits for an answer that takes the database, and what became of it.
fn questions(page: &mut Page, shared: &Shared) {
    let counts = Pool::ALL.map(|pool| {
        let label = format!("{{pool=\"{}\"}}", pool.plan().name);
        (label, shared.pools.counts(pool))
    });
    let mut metric = |name: &str, kind: &str, help: &str, value: fn(&Counts) -> u64| {
        let values = counts
            .each_ref()
            .map(|(label, counts)| (label.as_str(), Some(value(counts))));
        page.metric(name, kind, help, &values);
    };
    metric(
        "questions_waiting",
        "gauge",
        "Questions in line for the database.",
        |counts| counts.waiting,
    );
    metric(
        "questions_running",
        "gauge",
        "Questions being worked on.",
        |counts| counts.running,
    );
    metric(
        "questions_finished_total",
        "counter",
        "Questions worked on to the end.",
        |counts| counts.finished,
    );
    metric(
        "questions_refused_total",
        "counter",
        "Questions refused because the line was full.",
        |counts| counts.refused,
    );
    metric(
        "questions_cancelled_total",
        "counter",
        "Questions given up with their client.",
        |counts| counts.cancelled,
    );
    metric(
        "questions_overdue_total",
        "counter",
        "Questions given up because they took too long.",
        |counts| counts.overdue,
    );
    let explanations = &shared.explanations;
    page.metric(
        "explanations_total",
        "counter",
        "Maps asked for that were not stored, by what became of them.",
        &[
            ("{outcome=\"made\"}", Some(read(&explanations.made))),
            ("{outcome=\"failed\"}", Some(read(&explanations.failed))),
            (
                "{outcome=\"remembered\"}",
                Some(read(&explanations.from_memory)),
            ),
            ("{outcome=\"shared\"}", Some(explanations.joined())),
        ],
    );
}

fn store(page: &mut Page, writer: &WriterStatus) {
    let failed = writer.failure.is_some() || writer.trouble.is_some();
    let length = |length: usize| u64::try_from(length).ok();
    page.gauge(
        "store_out_of_reach",
        "1 while writing fails, else 0.",
        Some(u64::from(failed)),
    );
    for (name, help, value) in [
        ("store_rows_waiting", "Rows waiting.", writer.rows_waiting),
        (
            "store_waiting_bytes",
            "Memory they take.",
            writer.bytes_waiting,
        ),
        (
            "store_maps_waiting",
            "Maps made on request that wait for a commit.",
            writer.maps_waiting,
        ),
    ] {
        page.gauge(name, help, length(value));
    }
    for (name, help, value) in [
        (
            "store_commits_total",
            "Transactions committed.",
            writer.commits,
        ),
        (
            "store_beats_total",
            "Beats committed.",
            writer.beats_committed,
        ),
        (
            "store_outages_total",
            "Times writing began to fail.",
            writer.outages,
        ),
        (
            "store_rows_let_go_total",
            "Rows let go because writing failed too long.",
            writer.rows_dropped,
        ),
        (
            "store_databases_set_aside_total",
            "Damaged or replaced databases quarantined.",
            writer.quarantined,
        ),
        (
            "store_maps_total",
            "Maps made on request and stored.",
            writer.maps_stored,
        ),
        (
            "store_maps_dropped_total",
            "Maps made on request and not stored.",
            writer.maps_dropped,
        ),
        (
            "store_rows_deleted_total",
            "Beats, gaps and events deleted by retention.",
            writer.rows_deleted,
        ),
        (
            "store_ecg_blocks_deleted_total",
            "Raw ECG blocks deleted by retention.",
            writer.blocks_deleted,
        ),
        (
            "store_ecg_blocks_not_stored_total",
            "Raw ECG blocks not stored because too little of the medium was free.",
            writer.blocks_not_stored,
        ),
        (
            "store_checks_total",
            "Checks of the whole database in the background.",
            writer.checkup.finished,
        ),
        (
            "store_checks_damaged_total",
            "Checks that found damage.",
            writer.checkup.damaged,
        ),
    ] {
        page.counter(name, help, Some(value));
    }
}

fn volume(page: &mut Page, volume: &WriteVolume) {
    page.counter(
        "written_bytes_total",
        "Bytes this process made the kernel write to storage (/proc/self/io).",
        volume.bytes,
    );
    page.counter(
        "fsyncs_total",
        "fsyncs of the database and its log, counted.",
        Some(volume.syncs),
    );
    let an_hour = |count: u64| {
        (volume.recent_seconds >= SHORTEST_S)
            .then(|| count.saturating_mul(HOUR_S) / volume.recent_seconds)
    };
    page.gauge(
        "written_bytes_per_hour",
        "Bytes written to storage in the last hour; scaled up before there is one.",
        volume.recent_bytes.and_then(an_hour),
    );
    page.gauge(
        "fsyncs_per_hour",
        "fsyncs in the last hour; scaled up before there is one.",
        an_hour(volume.recent_syncs),
    );
}

fn connections(page: &mut Page, shared: &Shared) {
    let counters = &shared.counters;
    page.gauge("connections", "Now.", Some(read(&counters.open)));
    page.gauge(
        "streams",
        "Event streams now.",
        Some(read(&counters.streams)),
    );
    page.gauge(
        "socket_in_place",
        "1 where clients find the socket's file, else 0.",
        Some(1 - read(&counters.socket_away).min(1)),
    );
    page.counter(
        "socket_lost_total",
        "Times the socket's file was found removed or replaced.",
        Some(read(&counters.socket_lost)),
    );
    page.metric(
        "connections_refused_total",
        "counter",
        "Connections turned away.",
        &[
            ("{reason=\"full\"}", Some(read(&counters.refused))),
            ("{reason=\"user\"}", Some(read(&counters.refused_user))),
            ("{reason=\"peer\"}", Some(read(&counters.refused_peer))),
            (
                "{reason=\"unmapped\"}",
                Some(read(&counters.refused_unmapped)),
            ),
        ],
    );
    page.metric(
        "requests_refused_total",
        "counter",
        "Requests answered 503 because of a limit.",
        &[
            (
                "{reason=\"streams\"}",
                Some(read(&counters.refused_streams)),
            ),
            ("{reason=\"memory\"}", Some(read(&counters.refused_memory))),
            (
                "{reason=\"status_only\"}",
                Some(read(&counters.refused_status_only)),
            ),
        ],
    );
    let (now, highest) = shared.gate.budget.level();
    let bytes = |bytes: usize| u64::try_from(bytes).ok();
    page.gauge(
        "answer_bytes",
        "Memory of answers that are being made or not read yet.",
        bytes(now),
    );
    page.gauge(
        "answer_bytes_highest",
        "The most they have taken.",
        bytes(highest),
    );
    page.counter(
        "audit_rows_lost_total",
        "Rows of the audit that are in the log alone.",
        Some(read(&counters.audit_lost)),
    );
    page.metric(
        "connections_dropped_total",
        "counter",
        "Connections closed on the client's account.",
        &[
            (
                "{reason=\"stalled\"}",
                Some(read(&counters.dropped_stalled)),
            ),
            ("{reason=\"idle\"}", Some(read(&counters.dropped_idle))),
            (
                "{reason=\"slow_reader\"}",
                Some(read(&counters.dropped_lagging)),
            ),
            (
                "{reason=\"slow_request\"}",
                Some(read(&counters.dropped_slow_request)),
            ),
            (
                "{reason=\"large_request\"}",
                Some(read(&counters.dropped_large_request)),
            ),
        ],
    );
}
