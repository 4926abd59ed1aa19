//! `/v1/metrics`: counts for monitoring systems, in the text format of Prometheus (version 0.0.4).

use std::fmt::Write;
use std::sync::atomic::AtomicU64;

use super::counters::read;
use super::pools::{Counts, Pool};
use super::shared::Shared;
use crate::store::{WriterMonitor, WriterStatus};

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const HOUR_S: u64 = 3_600;
/// Rates are not told from less than this.
const SHORTEST_S: u64 = 60;

/// Every metric in the order of the page: name, type, help.
const METRICS: &str = "\
uptime_seconds gauge Time since the start.
session_samples gauge Samples per channel received in this session.
store_out_of_reach gauge 1 while writing fails, else 0.
store_rows_waiting gauge Rows waiting.
store_waiting_bytes gauge Memory they take.
store_maps_waiting gauge Maps made on request that wait for a commit.
store_commits_total counter Transactions committed.
store_beats_total counter Beats committed.
store_outages_total counter Times writing began to fail.
store_rows_let_go_total counter Rows let go because writing failed too long.
store_databases_set_aside_total counter Damaged or replaced databases quarantined.
store_corrections_total counter Corrections stored.
store_maps_total counter Maps made on request and stored.
store_maps_dropped_total counter Maps made on request and not stored.
store_rows_deleted_total counter Beats, gaps and events deleted by retention.
store_ecg_blocks_deleted_total counter Raw ECG blocks deleted by retention.
store_ecg_blocks_not_stored_total counter Raw ECG blocks not stored because too little of the medium was free.
store_checks_total counter Checks of the whole database in the background.
store_checks_damaged_total counter Checks that found damage.
written_bytes_total counter Bytes this process made the kernel write to storage (/proc/self/io).
fsyncs_total counter fsyncs of the database and its log, counted.
written_bytes_per_hour gauge Bytes written to storage in the last hour; scaled up before there is one.
fsyncs_per_hour gauge fsyncs in the last hour; scaled up before there is one.
connections gauge Now.
streams gauge Event streams now.
socket_in_place gauge 1 where clients find the socket's file, else 0.
socket_lost_total counter Times the socket's file was found removed or replaced.
connections_refused_total counter Connections turned away.
requests_refused_total counter Requests answered 503 because of a limit.
answer_bytes gauge Memory of answers that are being made or not read yet.
answer_bytes_highest gauge The most they have taken.
audit_rows_lost_total counter Rows of the audit that are in the log alone.
connections_dropped_total counter Connections closed on the client's account.
questions_waiting gauge Questions in line for the database.
questions_running gauge Questions being worked on.
questions_finished_total counter Questions worked on to the end.
questions_refused_total counter Questions refused because the line was full.
questions_cancelled_total counter Questions given up with their client.
questions_overdue_total counter Questions given up because they took too long.
browser_connections gauge Connections of browsers now.
browser_sessions gauge Browsers that are signed in now.
browser_requests_refused_total counter Requests of browsers refused before it was known who asks.
browser_wrong_tokens_total counter Tokens that browsers showed and that were not valid.
live_sockets gauge WebSockets of /v1/live now.
live_messages_dropped_total counter Messages that WebSockets were too slow for.
explanations_total counter Maps asked for that were not stored, by what became of them.
";

/// Values with their labels, which are empty where a metric has one value.
type Values = Vec<(String, u64)>;

/// The page; what is unknown is left out, never 0.
pub(super) fn metrics(shared: &Shared) -> String {
    let writer = shared.deps.writer.as_ref().map(WriterMonitor::status);
    let pools = Pool::ALL.map(|pool| (pool.plan().name, shared.pools.counts(pool)));
    let mut page = String::new();
    for line in METRICS.lines() {
        let mut columns = line.splitn(3, ' ');
        let mut column = || columns.next().unwrap_or_default();
        let (name, kind, help) = (column(), column(), column());
        let of_writer = || store(name, writer.as_ref()?);
        let values = of_server(name, shared)
            .or_else(|| questions(name, &pools))
            .or_else(of_writer)
            .unwrap_or_default();
        if values.is_empty() {
            continue;
        }
        // writing to a String cannot fail
        let _ = writeln!(page, "# HELP ecg_gateway_{name} {help}");
        let _ = writeln!(page, "# TYPE ecg_gateway_{name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(page, "ecg_gateway_{name}{labels} {value}");
        }
    }
    page
}

fn one(value: u64) -> Values {
    vec![(String::new(), value)]
}

fn by<const N: usize>(label: &str, values: [(&str, u64); N]) -> Values {
    let labelled = |(is, value)| (format!("{{{label}=\"{is}\"}}"), value);
    values.map(labelled).into()
}

fn by_reason<const N: usize>(values: [(&str, u64); N]) -> Values {
    by("reason", values)
}

/// A metric of this name about connections, requests and maps made on request.
fn of_server(name: &str, shared: &Shared) -> Option<Values> {
    let (counters, explanations) = (&shared.counters, &shared.explanations);
    let (answer_bytes, answer_bytes_highest) = shared.budget.level();
    let count = |counter: &AtomicU64| one(read(counter));
    Some(match name {
        "uptime_seconds" => one(shared.started.0.elapsed().as_secs()),
        "session_samples" => one(shared.deps.live.snapshot().samples_received),
        "connections" => count(&counters.open),
        "streams" => count(&counters.streams),
        "browser_connections" => count(&counters.browsers),
        "browser_sessions" => count(&counters.browser_sessions),
        "browser_requests_refused_total" => count(&counters.refused_browser),
        "browser_wrong_tokens_total" => count(&counters.wrong_tokens),
        "live_sockets" => count(&counters.live_sockets),
        "live_messages_dropped_total" => count(&counters.live_dropped),
        "socket_in_place" => one(1 - read(&counters.socket_away).min(1)),
        "socket_lost_total" => count(&counters.socket_lost),
        "audit_rows_lost_total" => count(&counters.audit_lost),
        "answer_bytes" => one(answer_bytes as u64),
        "answer_bytes_highest" => one(answer_bytes_highest as u64),
        "connections_refused_total" => by_reason([
            ("full", read(&counters.refused)),
            ("user", read(&counters.refused_user)),
            ("peer", read(&counters.refused_peer)),
            ("unmapped", read(&counters.refused_unmapped)),
        ]),
        "requests_refused_total" => by_reason([
            ("streams", read(&counters.refused_streams)),
            ("memory", read(&counters.refused_memory)),
            ("status_only", read(&counters.refused_status_only)),
        ]),
        "connections_dropped_total" => by_reason([
            ("stalled", read(&counters.dropped_stalled)),
            ("idle", read(&counters.dropped_idle)),
            ("slow_reader", read(&counters.dropped_lagging)),
            ("slow_request", read(&counters.dropped_slow_request)),
            ("large_request", read(&counters.dropped_large_request)),
        ]),
        "explanations_total" => by(
            "outcome",
            [
                ("made", read(&explanations.made)),
                ("failed", read(&explanations.failed)),
                ("remembered", read(&explanations.from_memory)),
                ("shared", explanations.joined()),
            ],
        ),
        _ => return None,
    })
}

/// What waits for an answer that takes the database, and what became of it.
fn questions(name: &str, pools: &[(&str, Counts); 4]) -> Option<Values> {
    let of = |value: fn(&Counts) -> u64| {
        let values = pools
            .each_ref()
            .map(|(pool, counts)| (*pool, value(counts)));
        Some(by("pool", values))
    };
    match name {
        "questions_waiting" => of(|counts| counts.waiting),
        "questions_running" => of(|counts| counts.running),
        "questions_finished_total" => of(|counts| counts.finished),
        "questions_refused_total" => of(|counts| counts.refused),
        "questions_cancelled_total" => of(|counts| counts.cancelled),
        "questions_overdue_total" => of(|counts| counts.overdue),
        _ => None,
    }
}

/// A metric of this name about the store.
fn store(name: &str, writer: &WriterStatus) -> Option<Values> {
    let failed = writer.failure.is_some() || writer.trouble.is_some();
    let volume = &writer.volume;
    let per_hour = |count: u64| {
        (volume.recent_seconds >= SHORTEST_S)
            .then(|| count.saturating_mul(HOUR_S) / volume.recent_seconds)
    };
    let value = match name {
        "store_out_of_reach" => u64::from(failed),
        "store_rows_waiting" => writer.rows_waiting as u64,
        "store_waiting_bytes" => writer.bytes_waiting as u64,
        "store_maps_waiting" => writer.maps_waiting as u64,
        "store_commits_total" => writer.commits,
        "store_beats_total" => writer.beats_committed,
        "store_outages_total" => writer.outages,
        "store_rows_let_go_total" => writer.rows_dropped,
        "store_databases_set_aside_total" => writer.quarantined,
        "store_corrections_total" => writer.corrections,
        "store_maps_total" => writer.maps_stored,
        "store_maps_dropped_total" => writer.maps_dropped,
        "store_rows_deleted_total" => writer.rows_deleted,
        "store_ecg_blocks_deleted_total" => writer.blocks_deleted,
        "store_ecg_blocks_not_stored_total" => writer.blocks_not_stored,
        "store_checks_total" => writer.checkup.finished,
        "store_checks_damaged_total" => writer.checkup.damaged,
        "written_bytes_total" => volume.bytes?,
        "fsyncs_total" => volume.syncs,
        "written_bytes_per_hour" => volume.recent_bytes.and_then(per_hour)?,
        "fsyncs_per_hour" => per_hour(volume.recent_syncs)?,
        _ => return None,
    };
    Some(one(value))
}
