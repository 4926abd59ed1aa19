//! Paths and what they answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, header};
use axum::response::IntoResponse;
use axum::routing::any;
use axum::{Json, Router};
use serde_json::json;

use super::endpoint::{Call, Endpoint, Reply, Size, to_json};
use super::pass::pass;
use super::peer::Peer;
use super::pools::Pool;
use super::problem::{Kind, Problem};
use super::shared::Shared;
use super::stream::Seen;
use super::{
    clusters, corrections, ecg, intervals, live_socket, metrics, minutes, new_patient, saliency,
    session_deletion, status, stream,
};
use crate::store::{RowFilter, StoreReader, WaveformRange, WriterMonitor};

/// ECG of a beat in milliseconds beyond which a question is a wide one.
const WIDE_MS: f64 = 4_000.0;

/// What an endpoint is where it does not say.
const PLAIN: Endpoint = Endpoint {
    path: "",
    name: "",
    changes: false,
    methods: "GET, HEAD",
    body: "",
    deletes: false,
    parameters: "",
    kept_from_readers: None,
    size: Size::Small,
    answer: |call| Box::pin(get_status(call)),
};

/// Every endpoint; `docs/api.md` has a section for each.
pub(super) static ENDPOINTS: [Endpoint; 22] = [
    Endpoint {
        path: "/v1/status",
        name: "status",
        ..PLAIN
    },
    Endpoint {
        path: "/v1/sessions",
        name: "sessions",
        parameters: "limit, cursor",
        size: Size::Rows,
        answer: |call| Box::pin(get_sessions(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/beats",
        name: "beats",
        parameters: "from, to, class, labels, outcome, session, order, limit, cursor",
        size: Size::Rows,
        answer: |call| Box::pin(get_beats(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/beats/{id}",
        name: "beat",
        parameters: "before_ms, after_ms",
        size: Size::Waveform,
        answer: |call| Box::pin(get_beat(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/stream",
        name: "stream",
        parameters: "last_event_id",
        size: Size::Stream,
        answer: |call| Box::pin(get_stream(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/ecg",
        name: "ecg",
        parameters: "session, from, to, channel_number, max_points",
        size: Size::Ecg,
        answer: |call| Box::pin(ecg::ecg(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/minutes",
        name: "minutes",
        parameters: "session, from, to, labels",
        size: Size::Minutes,
        answer: |call| Box::pin(minutes::minutes(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/clusters",
        name: "clusters",
        parameters: "session, from, to",
        size: Size::Clusters,
        answer: |call| Box::pin(clusters::clusters(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/rr",
        name: "rr",
        parameters: "session, from, to, limit, cursor",
        size: Size::Intervals,
        answer: |call| Box::pin(intervals::intervals(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/live",
        name: "live",
        parameters: "rate",
        answer: |call| Box::pin(live_socket::open(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/events",
        name: "events",
        parameters: "from, to, session, kind, order, limit, cursor",
        size: Size::Rows,
        answer: |call| Box::pin(get_events(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/gaps",
        name: "gaps",
        parameters: "from, to, session, order, limit, cursor",
        size: Size::Rows,
        answer: |call| Box::pin(get_gaps(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/corrections",
        name: "corrections",
        methods: "GET, HEAD, POST",
        parameters: "from, to, session, order, limit, cursor",
        size: Size::Corrections,
        answer: |call| Box::pin(corrections::list(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/corrections",
        name: "correct",
        changes: true,
        methods: "GET, HEAD, POST",
        body: corrections::BODY,
        kept_from_readers: Some("not correct"),
        size: Size::Corrections,
        answer: |call| Box::pin(corrections::correct(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/metrics",
        name: "metrics",
        answer: |call| Box::pin(get_metrics(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/beats/{id}/saliency",
        name: "saliency",
        parameters: "method, class",
        size: Size::Maps,
        answer: |call| Box::pin(saliency::of_beat(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/saliency/summary",
        name: "saliency-summary",
        parameters: "session, method, class",
        size: Size::Maps,
        answer: |call| Box::pin(saliency::summary(call)),
        ..PLAIN
    },
    // it tells users about each other
    Endpoint {
        path: "/v1/audit",
        name: "audit",
        parameters: "from, to, order, limit, cursor",
        kept_from_readers: Some("but not who asked for what"),
        size: Size::Rows,
        answer: |call| Box::pin(get_audit(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/reload",
        name: "reload",
        changes: true,
        methods: "POST",
        kept_from_readers: Some("not control"),
        answer: |call| Box::pin(post_reload(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/retention/confirm",
        name: "confirm-retention",
        changes: true,
        methods: "POST",
        kept_from_readers: Some("not control"),
        answer: |call| Box::pin(post_confirm_retention(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/patient",
        name: "new-patient",
        changes: true,
        methods: "POST",
        body: "label",
        kept_from_readers: Some("not control"),
        answer: |call| Box::pin(new_patient::post(call)),
        ..PLAIN
    },
    Endpoint {
        path: "/v1/sessions/{id}",
        name: "delete-session",
        changes: true,
        deletes: true,
        methods: "DELETE",
        kept_from_readers: Some("not control"),
        answer: |call| Box::pin(session_deletion::delete(call)),
        ..PLAIN
    },
];

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let fallback = move |State(shared), ConnectInfo(peer): ConnectInfo<Peer>, request: Request| {
        let paths: Vec<_> = firsts().map(|endpoint| endpoint.path).collect();
        let detail = format!("paths here: {}", paths.join(", "));
        let unknown = Problem::new(Kind::UnknownPath, detail);
        pass(shared, peer, Err(unknown), request)
    };
    let mut router = Router::new().fallback(fallback);
    for first in firsts() {
        let answer =
            move |State(shared), ConnectInfo(peer): ConnectInfo<Peer>, request: Request| {
                let changes = request.method() == Method::POST;
                let mut here = ENDPOINTS.iter().filter(|other| other.path == first.path);
                let asked = here.find(|endpoint| endpoint.changes == changes);
                pass(shared, peer, Ok(asked.unwrap_or(first)), request)
            };
        router = router.route(first.path, any(answer));
    }
    router.with_state(shared)
}

/// The first endpoint of each path.
fn firsts() -> impl Iterator<Item = &'static Endpoint> {
    let is_first = |(at, endpoint): &(usize, &Endpoint)| {
        let before = ENDPOINTS.iter().take(*at);
        before.into_iter().all(|other| other.path != endpoint.path)
    };
    let endpoints = ENDPOINTS.iter().enumerate().filter(is_first);
    endpoints.map(|(_, endpoint)| endpoint)
}

async fn get_status(call: Call) -> Reply {
    Ok(to_json(&status::status(&call.shared).await))
}

async fn get_metrics(call: Call) -> Reply {
    let content_type = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)];
    Ok((content_type, metrics::metrics(&call.shared)).into_response())
}

/// As SIGHUP: the configuration is read again.
async fn post_reload(call: Call) -> Reply {
    let reload = call.shared.deps.reload.as_ref().ok_or_else(|| {
        let detail = "this command has no configuration to read";
        Problem::new(Kind::NotSupported, detail)
    })?;
    let client = call.peer.who();
    tracing::info!(%client, "a client asks to read the configuration again");
    reload.store(true, Ordering::Relaxed);
    Ok(Json(json!({ "accepted": true })).into_response())
}

/// A person says that the wall times are right, and that what retention waits with may be deleted.
async fn post_confirm_retention(call: Call) -> Reply {
    let writer = call.shared.deps.writer.as_ref();
    if !writer.is_some_and(WriterMonitor::confirm_retention) {
        let detail = "the store's writer does not take it now: ask again later";
        return Err(Problem::new(Kind::StoreUnavailable, detail));
    }
    tracing::info!(client = %call.peer.who(), "a client confirms retention");
    Ok(Json(json!({ "accepted": true })).into_response())
}

async fn get_sessions(call: Call) -> Reply {
    let read =
        |reader: &StoreReader, asked: &RowFilter| reader.sessions(asked.after_id, asked.limit);
    call.page(read, |row| row.id).await
}

async fn get_beats(call: Call) -> Reply {
    call.page(StoreReader::beats, |row| row.id).await
}

async fn get_events(call: Call) -> Reply {
    call.page(StoreReader::events, |row| row.id).await
}

async fn get_gaps(call: Call) -> Reply {
    call.page(StoreReader::gaps, |row| row.id).await
}

async fn get_audit(call: Call) -> Reply {
    call.page(StoreReader::audit, |row| row.id).await
}

async fn get_beat(call: Call) -> Reply {
    let parameters = &call.parameters;
    let default = WaveformRange::default();
    let longest = WaveformRange::LONGEST_MS;
    let range = WaveformRange {
        before_ms: parameters.milliseconds("before_ms", default.before_ms, longest)?,
        after_ms: parameters.milliseconds("after_ms", default.after_ms, longest)?,
    };
    let id = call.id()?;
    let is_wide = range.before_ms + range.after_ms > WIDE_MS;
    let pool = if is_wide { Pool::Wide } else { Pool::Quick };
    let answer = call.shared.read(pool, move |reader| {
        let beat = reader.beat(id)?.ok_or_else(|| Problem::no_such_beat(id))?;
        let waveform = reader.waveform(&beat, range)?;
        Ok(to_json(&(beat, waveform)))
    });
    answer.await
}

async fn get_stream(call: Call) -> Reply {
    let name = "Last-Event-ID";
    let id =
        match call.parts.headers.get(name) {
            None => call.parameters.one("last_event_id")?,
            Some(value) => Some(value.to_str().map_err(|_| {
                Problem::invalid(name, "bytes outside ASCII", "the id of an event")
            })?),
        };
    let read = |id| {
        let expected = "an id of this stream, the id of a beat, or 0 for all";
        Seen::parse(id).ok_or_else(|| Problem::invalid(name, id, expected))
    };
    // an EventSource that has seen no id yet sends an empty one, or none
    let seen = id.filter(|id| !id.is_empty()).map(read).transpose()?;
    Ok(stream::open(Arc::clone(&call.shared), seen).into_response())
}
