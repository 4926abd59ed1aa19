//! What every request passes on its way in and out: the limits of its connection, a place for a
//! stream, memory for its answer, and a note for the audit.

use std::sync::Arc;

use axum::RequestExt;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Path, Query, Request};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio_stream::StreamExt;

use super::audit::DONE;
use super::body;
use super::budget::Share;
use super::clusters;
use super::counters::count;
use super::ecg::MOST_JSON_POINTS;
use super::endpoint::{Call, Endpoint, Reply, Size};
use super::gate::{MOST_ROW_BYTES, SMALL_BYTES};
use super::intervals::{MOST_INTERVAL_BYTES, MOST_INTERVALS};
use super::order::telling_order;
use super::peer::{Limit, Peer};
use super::places::Limits;
use super::problem::{Kind, Problem};
use super::query::{DEFAULT_LIMIT, MAX_LIMIT, Parameters};
use super::shared::Shared;
use crate::store::{AuditKind, MOST_CORRECTIONS_BYTES, MOST_MINUTES, WaveformRange};

/// A sample of both channels as JSON: two numbers of up to 17 digits with point, sign and comma.
pub(super) const MOST_SAMPLE_BYTES: usize = 2 * 21;
/// Samples per millisecond at the highest rate of the chip.
const MOST_SAMPLES_PER_MS: usize = 8;
/// Maps and their summary.
const MAP_BYTES: usize = 128 * 1_024;
/// A stretch of ECG as JSON; the binary form is sent in smaller pieces.
#[expect(clippy::cast_possible_truncation, reason = "60000")]
const ECG_BYTES: usize = MOST_JSON_POINTS as usize * MOST_SAMPLE_BYTES;
/// A row per minute of a week.
#[expect(clippy::cast_possible_truncation, reason = "10080")]
const MINUTES_BYTES: usize = MOST_MINUTES as usize * MOST_ROW_BYTES / 2;
/// A page of corrections, whose ids take more room as text; of one that is stored, its body, too.
const CORRECTIONS_BYTES: usize = 3 * MOST_CORRECTIONS_BYTES;
/// While an answer is made its rows are there twice: as read, and as text.
const WHILE_MADE: usize = 2;

/// The outcome in the audit of a request whose client left before its answer.
pub(super) const HUNG_UP: &str = "hung-up";

/// The most bytes an answer of this kind may have; `None` of those that are small.
fn most_bytes(size: Size, uri: &Uri) -> Option<usize> {
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
    match size {
        Size::Rows => {
            let limit = number("limit").unwrap_or_else(|| DEFAULT_LIMIT.into());
            Some(within(limit, MAX_LIMIT.into()) * MOST_ROW_BYTES)
        }
        Size::Waveform => {
            let default = WaveformRange::default();
            let longest = WaveformRange::LONGEST_MS;
            let before = number("before_ms").unwrap_or(default.before_ms);
            let after = number("after_ms").unwrap_or(default.after_ms);
            let ms = within(before, longest) + within(after, longest);
            Some(MOST_ROW_BYTES + ms * MOST_SAMPLES_PER_MS * MOST_SAMPLE_BYTES)
        }
        Size::Maps => Some(MAP_BYTES),
        Size::Ecg => Some(ECG_BYTES),
        Size::Corrections => Some(CORRECTIONS_BYTES),
        Size::Minutes => Some(MINUTES_BYTES),
        Size::Intervals => {
            let most = f64::from(MOST_INTERVALS);
            Some(within(number("limit").unwrap_or(most), most) * MOST_INTERVAL_BYTES)
        }
        Size::Clusters => Some(clusters::MOST_BYTES),
        Size::Small | Size::Stream => None,
    }
}

/// A request for an endpoint, or for a path where there is none.
type Asked = Result<&'static Endpoint, Problem>;

/// Answers a request.
pub(super) async fn pass(
    shared: Arc<Shared>,
    peer: Peer,
    asked: Asked,
    request: Request,
) -> Response {
    let endpoint = asked.as_ref().ok();
    let mut note = NoteAtTheEnd {
        shared: &shared,
        peer: &peer,
        what: endpoint.map_or(Kind::UnknownPath.name(), |endpoint| endpoint.name),
        changes: endpoint.is_some_and(|endpoint| endpoint.changes)
            && [Method::POST, Method::DELETE].contains(request.method()),
        outcome: HUNG_UP,
        is_refused: false,
    };
    let response = within_limits(&shared, &peer, asked, request).await;
    let problem = response.extensions().get::<Kind>().copied();
    note.outcome = problem.map_or(DONE, Kind::name);
    note.is_refused = problem.is_some_and(Problem::is_refusal);
    response
}

/// Notes a request when it is over: also one whose client hangs up before the answer, because what it
/// asked for may have been done.
struct NoteAtTheEnd<'a> {
    shared: &'a Shared,
    peer: &'a Peer,
    what: &'static str,
    changes: bool,
    outcome: &'static str,
    is_refused: bool,
}

impl Drop for NoteAtTheEnd<'_> {
    fn drop(&mut self) {
        let kind = match (self.is_refused, self.changes) {
            (true, _) => AuditKind::Refused,
            (false, true) => AuditKind::Changed,
            (false, false) => AuditKind::Read,
        };
        let audit = &self.shared.audit;
        audit.note(self.peer, kind, self.what, self.outcome);
    }
}

async fn within_limits(
    shared: &Arc<Shared>,
    peer: &Peer,
    asked: Asked,
    request: Request,
) -> Response {
    let uri = request.uri().clone();
    let counters = &shared.counters;
    let name = asked.as_ref().map(|endpoint| endpoint.name);
    let size = asked.as_ref().map_or(Size::Small, |endpoint| endpoint.size);
    let answer = telling_order(answer(shared, peer, asked.clone(), request));
    if let Some(limit) = peer.status_only {
        let mut response = if name == Ok("status") {
            answer.await
        } else {
            count(&counters.refused_status_only);
            status_only(limit, shared.places.limits()).respond(&uri.to_string())
        };
        let close = HeaderValue::from_static("close"); // the next one may need it
        response.headers_mut().insert(header::CONNECTION, close);
        return response;
    }
    if size == Size::Stream {
        let place = match shared.stream_place(peer) {
            Ok(place) => place,
            Err(problem) => return problem.respond(&uri.to_string()),
        };
        let response = answer.await;
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
    let Some(most) = most_bytes(size, &uri) else {
        return answer.await;
    };
    let refused = || {
        count(&counters.refused_memory);
        let detail = format!(
            "answers that are being made or were not read yet take all of {} MiB (api.answers_mib), \
             or this user's share of it; read faster, ask for less or try again later",
            shared.budget.limit() >> 20
        );
        Problem::new(Kind::MemoryUsedUp, detail).respond(&uri.to_string())
    };
    let Some(mut share) = shared.budget.reserve(peer, most * WHILE_MADE).await else {
        return refused();
    };
    let (parts, body) = answer.await.into_parts();
    let small = u64::try_from(SMALL_BYTES).unwrap_or(u64::MAX);
    match body.size_hint().exact() {
        Some(bytes) if bytes <= small => return Response::from_parts(parts, body),
        Some(_) => {}
        // Sent as it is read: what is reserved is what it takes meanwhile.
        None => {
            let chunks = body.into_data_stream().map(move |chunk| {
                let _until_the_last_chunk = &share;
                chunk
            });
            return Response::from_parts(parts, Body::from_stream(chunks));
        }
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

/// The endpoint's answer, or what is wrong with the request.
async fn answer(shared: &Arc<Shared>, peer: &Peer, asked: Asked, request: Request) -> Response {
    let uri = request.uri().clone();
    let allowed = asked.as_ref().map_or("", |endpoint| endpoint.methods);
    let mut body_unread = body::is_announced(request.headers());
    let problem = match ask(shared, peer, asked, request, &mut body_unread).await {
        Ok(response) => return response,
        Err(problem) => problem,
    };
    let mut response = problem.respond(&uri.to_string());
    let headers = response.headers_mut();
    if problem.kind == Kind::MethodNotAllowed {
        headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    if body_unread {
        // what comes next is no request
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn ask(
    shared: &Arc<Shared>,
    peer: &Peer,
    asked: Asked,
    mut request: Request,
    body_unread: &mut bool,
) -> Reply {
    // Where none is taken a request that announces a body is refused before a byte of it is read.
    let takes_body = asked.as_ref().is_ok_and(|asked| !asked.body.is_empty());
    if *body_unread && !takes_body {
        return Err(Problem::new(Kind::BodyNotTaken, "send none"));
    }
    let endpoint = asked?;
    let method = request.method();
    let takes = match (endpoint.changes, endpoint.deletes) {
        (false, _) => method == Method::GET || method == Method::HEAD,
        (true, false) => method == Method::POST,
        (true, true) => method == Method::DELETE,
    };
    if !takes {
        let words = match endpoint.methods.rsplit_once(", ") {
            Some((some, last)) => format!("use {some} or {last}"),
            None => format!("use {}", endpoint.methods),
        };
        return Err(Problem::new(Kind::MethodNotAllowed, words));
    }
    let id = match request.extract_parts::<Option<Path<String>>>().await {
        Ok(id) => id.map_or_else(String::new, |Path(id)| id),
        Err(rejection) => return Ok(rejection.into_response()),
    };
    let parameters = Parameters::parse(request.uri(), endpoint.parameters)?;
    if let (Some(what), false) = (endpoint.kept_from_readers, peer.may_control) {
        let detail = format!("{} may read, {what}", peer.who());
        return Err(Problem::new(Kind::NotPermitted, detail));
    }
    let (parts, content) = request.into_parts();
    let body = if takes_body {
        body::check(&parts.headers)?;
        if parts.headers.contains_key(header::TRANSFER_ENCODING) {
            let detail = "Transfer-Encoding: send the length of the body instead (Content-Length)";
            return Err(Problem::new(Kind::BodyNotTaken, detail));
        }
        let content = body::whole(content).await?;
        *body_unread = false;
        body::Fields::parse(&content, endpoint.body)?
    } else {
        body::Fields::default()
    };
    let call = Call {
        shared: Arc::clone(shared),
        endpoint,
        peer: *peer,
        id,
        parameters,
        body,
        parts,
    };
    (endpoint.answer)(call).await
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
