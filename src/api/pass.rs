//! What every request passes on its way in and out: the limits of its connection, a place for a
//! stream, memory for its answer, and a note for the audit.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, MatchedPath, Query, Request, State};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio_stream::StreamExt;

use super::audit::{Audit, Deed};
use super::budget::Share;
use super::counters::count;
use super::gate::{MOST_ROW_BYTES, SMALL_BYTES};
use super::paths::{CONFIRM_RETENTION, RELOAD};
use super::peer::{Limit, Peer};
use super::places::Limits;
use super::problem::{Kind, Problem};
use super::query::{DEFAULT_LIMIT, MAX_LIMIT};
use super::shared::Shared;
use crate::store::WaveformRange;

/// A sample of both channels as JSON: two numbers of up to 17 digits with point, sign and comma.
pub(super) const MOST_SAMPLE_BYTES: usize = 2 * 21;
/// Samples per millisecond at the highest rate of the chip.
const MOST_SAMPLES_PER_MS: usize = 8;
/// Maps and their summary.
const MAP_BYTES: usize = 128 * 1_024;
/// While an answer is made its rows are there twice: as read, and as text.
const WHILE_MADE: usize = 2;

/// The outcome in the audit of a request whose client left before its answer.
pub(super) const HUNG_UP: &str = "hung-up";

/// What a path stands for in the audit, without the id in it.
pub(super) fn name_of(path: Option<&str>) -> &'static str {
    match path {
        Some("/v1/status") => "status",
        Some("/v1/sessions") => "sessions",
        Some("/v1/beats") => "beats",
        Some("/v1/beats/{id}") => "beat",
        Some("/v1/stream") => "stream",
        Some("/v1/events") => "events",
        Some("/v1/gaps") => "gaps",
        Some("/v1/metrics") => "metrics",
        Some("/v1/beats/{id}/saliency") => "saliency",
        Some("/v1/saliency/summary") => "saliency-summary",
        Some("/v1/audit") => "audit",
        Some(RELOAD) => "reload",
        Some(CONFIRM_RETENTION) => "confirm-retention",
        Some(_) => "other",
        None => "unknown-path",
    }
}

/// The most bytes an answer of this kind may have; `None` of those that are small.
pub(super) fn most_bytes(path: &str, uri: &Uri) -> Option<usize> {
    let number = |name: &str| -> Option<f64> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
        let (_, text) = pairs.into_iter().find(|(key, _)| key == name)?;
        text.parse().ok()
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "held between 0 and a few thousand"
    )]
    let within = |value: f64, most: f64| value.clamp(0.0, most).ceil() as usize;
    match path {
        "/v1/sessions" | "/v1/beats" | "/v1/events" | "/v1/gaps" | "/v1/audit" => {
            let limit = number("limit").unwrap_or_else(|| DEFAULT_LIMIT.into());
            Some(within(limit, MAX_LIMIT.into()) * MOST_ROW_BYTES)
        }
        "/v1/beats/{id}" => {
            let default = WaveformRange::default();
            let longest = WaveformRange::LONGEST_MS;
            let before = number("before_ms").unwrap_or(default.before_ms);
            let after = number("after_ms").unwrap_or(default.after_ms);
            let ms = within(before, longest) + within(after, longest);
            Some(MOST_ROW_BYTES + ms * MOST_SAMPLES_PER_MS * MOST_SAMPLE_BYTES)
        }
        "/v1/beats/{id}/saliency" | "/v1/saliency/summary" => Some(MAP_BYTES),
        _ => None,
    }
}

/// Runs around every request.
pub(super) async fn pass(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map(MatchedPath::as_str);
    let mut note = NoteAtTheEnd {
        audit: &shared.gate.audit,
        peer: &peer,
        what: name_of(path),
        changes: request.method() == Method::POST
            && [Some(RELOAD), Some(CONFIRM_RETENTION)].contains(&path),
        outcome: Outcome::HungUp,
    };
    let response = answer(&shared, &peer, path, request, next).await;
    note.outcome = Outcome::Answered(response.extensions().get::<Kind>().copied());
    response
}

/// Notes a request when it is over: also one whose client hangs up before the answer, because what it
/// asked for may have been done.
struct NoteAtTheEnd<'a> {
    audit: &'a Audit,
    peer: &'a Peer,
    what: &'static str,
    changes: bool,
    outcome: Outcome,
}

#[derive(Clone, Copy)]
enum Outcome {
    HungUp,
    Answered(Option<Kind>),
}

impl Drop for NoteAtTheEnd<'_> {
    fn drop(&mut self) {
        let (problem, refused) = match self.outcome {
            Outcome::HungUp => (Some(HUNG_UP), false),
            Outcome::Answered(problem) => (
                problem.map(Kind::name),
                problem.is_some_and(Problem::is_refusal),
            ),
        };
        let deed = Deed::Asked {
            what: self.what,
            changes: self.changes,
            problem,
            refused,
        };
        self.audit.note(self.peer, deed);
    }
}

async fn answer(
    shared: &Arc<Shared>,
    peer: &Peer,
    path: Option<&str>,
    request: Request,
    next: Next,
) -> Response {
    let uri = request.uri().clone();
    let counters = &shared.counters;
    let gate = &shared.gate;
    if let Some(limit) = peer.status_only {
        let mut response = if path == Some("/v1/status") {
            next.run(request).await
        } else {
            count(&counters.refused_status_only);
            status_only(limit, gate.places.limits()).respond(&uri.to_string())
        };
        let close = HeaderValue::from_static("close"); // the next one may need it
        response.headers_mut().insert(header::CONNECTION, close);
        return response;
    }
    if path == Some("/v1/stream") {
        let Some(place) = gate.places.stream(peer) else {
            count(&counters.refused_streams);
            let detail = format!(
                "all {} event streams are taken (half of api.max_connections); try again later",
                gate.places.limits().streams
            );
            return Problem::new(Kind::TooManyStreams, detail).respond(&uri.to_string());
        };
        let response = next.run(request).await;
        if response.body().size_hint().exact().is_some() {
            return response; // it was refused
        }
        return response.map(|body| {
            Body::from_stream(body.into_data_stream().map(move |chunk| {
                let _until_the_stream_ends = &place;
                chunk
            }))
        });
    }
    let Some(most) = path.and_then(|path| most_bytes(path, &uri)) else {
        return next.run(request).await;
    };
    let refused = || {
        count(&counters.refused_memory);
        let detail = format!(
            "answers that are being made or were not read yet take all of {} MiB (api.answers_mib), \
             or this user's share of it; read faster, ask for less or try again later",
            gate.budget.limit() >> 20
        );
        Problem::new(Kind::MemoryUsedUp, detail).respond(&uri.to_string())
    };
    let Some(mut share) = gate.budget.reserve(peer, most * WHILE_MADE).await else {
        return refused();
    };
    let (parts, body) = next.run(request).await.into_parts();
    let small = u64::try_from(SMALL_BYTES).unwrap_or(u64::MAX);
    if body.size_hint().exact().is_none_or(|bytes| bytes <= small) {
        return Response::from_parts(parts, body);
    }
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return refused(); // a body in memory cannot fail
    };
    if !share.resize(bytes.len()) {
        return refused();
    }
    // copied, because the serialiser's buffer may be twice as large as what is in it
    let counted = CountedBytes {
        bytes: bytes.as_ref().into(),
        _share: share,
    };
    Response::from_parts(parts, Body::from(Bytes::from_owner(counted)))
}

fn status_only(limit: Limit, limits: Limits) -> Problem {
    let (kind, why) = match limit {
        Limit::Connections => (
            Kind::TooManyConnections,
            format!(
                "all {} connections are taken (api.max_connections, {} of them kept for users who \
                 may control)",
                limits.connections, limits.kept_for_control
            ),
        ),
        Limit::OfUser => (
            Kind::TooManyOfUser,
            format!(
                "this user has {} connections, a quarter of api.max_connections",
                limits.of_user
            ),
        ),
    };
    Problem::new(
        kind,
        format!("{why}, so this one answers /v1/status alone; close others or try again later"),
    )
}

/// An answer with its share of the memory, which is given back when the last byte of it is gone.
struct CountedBytes {
    bytes: Box<[u8]>,
    _share: Share,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
