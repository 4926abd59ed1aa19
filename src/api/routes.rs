//! Paths and what they answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;

use super::order::tell_order;
use super::paths::{CONFIRM_RETENTION, RELOAD, ROUTES};
use super::peer::Peer;
use super::pools::Pool;
use super::problem::{Kind, Problem};
use super::query::{List, Parameters, parse_id};
use super::shared::Shared;
use super::stream::Seen;
use super::{json, metrics, pass, saliency, status, stream};
use crate::store::{BeatFilter, RowFilter, StoreReader, WaveformRange, WriterMonitor};

/// Rows in a page, and ECG of a beat in milliseconds, beyond which a question is a wide one.
const WIDE_ROWS: u32 = 1_000;
const WIDE_MS: f64 = 4_000.0;

type Api = State<Arc<Shared>>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let [
        status,
        sessions,
        beats,
        beat,
        stream,
        events,
        gaps,
        metrics,
        saliency,
        summary,
        audit,
    ] = ROUTES;
    Router::new()
        .route(status, get(get_status))
        .route(sessions, get(get_sessions))
        .route(beats, get(get_beats))
        .route(beat, get(get_beat))
        .route(stream, get(get_stream))
        .route(events, get(get_events))
        .route(gaps, get(get_gaps))
        .route(metrics, get(get_metrics))
        .route(RELOAD, post(post_reload))
        .route(CONFIRM_RETENTION, post(post_confirm_retention))
        .route(saliency, get(get_saliency))
        .route(summary, get(get_saliency_summary))
        .route(audit, get(get_audit))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(refuse_body))
        .layer(middleware::from_fn(tell_order))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            pass::pass,
        ))
        .with_state(shared)
}

fn pool_of_page(limit: u32) -> Pool {
    if limit > WIDE_ROWS {
        Pool::Wide
    } else {
        Pool::Quick
    }
}

fn answer<T: Serialize>(uri: &Uri, outcome: Result<T, Problem>) -> Response {
    match outcome {
        Ok(value) => axum::Json(value).into_response(),
        Err(problem) => problem.respond(&uri.to_string()),
    }
}

async fn unknown_path(uri: Uri) -> Response {
    let detail = format!(
        "paths here: {}, {RELOAD}, {CONFIRM_RETENTION}",
        ROUTES.join(", ")
    );
    Problem::new(Kind::UnknownPath, detail).respond(&uri.to_string())
}

async fn wrong_method(uri: Uri) -> Response {
    let (words, allowed) = if [RELOAD, CONFIRM_RETENTION].contains(&uri.path()) {
        ("use POST", "POST")
    } else {
        ("use GET or HEAD", "GET, HEAD")
    };
    let mut response = Problem::new(Kind::MethodNotAllowed, words).respond(&uri.to_string());
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// No request has a body: one that announces it is refused before a byte of it is read.
async fn refuse_body(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let length = headers.get(header::CONTENT_LENGTH);
    let announced = length.is_some_and(|length| length.as_bytes() != b"0")
        || headers.contains_key(header::TRANSFER_ENCODING);
    if !announced {
        return next.run(request).await;
    }
    let instance = request.uri().to_string();
    let mut response = Problem::new(Kind::BodyNotTaken, "send none").respond(&instance);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

async fn get_metrics(State(shared): Api, uri: Uri) -> Response {
    match Parameters::parse(&uri, &[]) {
        Ok(_) => (
            [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
            metrics::metrics(&shared),
        )
            .into_response(),
        Err(problem) => problem.respond(&uri.to_string()),
    }
}

#[derive(Serialize)]
struct Accepted {
    accepted: bool,
}

/// As SIGHUP: the configuration is read again.
async fn post_reload(
    State(shared): Api,
    ConnectInfo(peer): ConnectInfo<Peer>,
    uri: Uri,
) -> Response {
    let ask = || {
        Parameters::parse(&uri, &[])?;
        if !peer.may_control {
            let detail = format!("{} may read, not control", peer.who());
            return Err(Problem::new(Kind::NotPermitted, detail));
        }
        let reload = shared.deps.reload.as_ref().ok_or_else(|| {
            Problem::new(
                Kind::NotSupported,
                "this command has no configuration to read",
            )
        })?;
        tracing::info!(
            client = %peer.who(),
            "a client asks to read the configuration again"
        );
        reload.store(true, Ordering::Relaxed);
        Ok(Accepted { accepted: true })
    };
    answer(&uri, ask())
}

/// A person says that the wall times are right, and that what retention waits with may be deleted.
async fn post_confirm_retention(
    State(shared): Api,
    ConnectInfo(peer): ConnectInfo<Peer>,
    uri: Uri,
) -> Response {
    let ask = || {
        Parameters::parse(&uri, &[])?;
        if !peer.may_control {
            let detail = format!("{} may read, not control", peer.who());
            return Err(Problem::new(Kind::NotPermitted, detail));
        }
        let writer = shared.deps.writer.as_ref();
        if !writer.is_some_and(WriterMonitor::confirm_retention) {
            return Err(Problem::new(
                Kind::StoreUnavailable,
                "the store's writer does not take it now: ask again later",
            ));
        }
        tracing::info!(client = %peer.who(), "a client confirms retention");
        Ok(Accepted { accepted: true })
    };
    answer(&uri, ask())
}

async fn get_status(State(shared): Api, uri: Uri) -> Response {
    let outcome = match Parameters::parse(&uri, &[]) {
        Ok(_) => Ok(status::status(&shared).await),
        Err(problem) => Err(problem),
    };
    answer(&uri, outcome)
}

#[derive(Serialize)]
struct Sessions {
    epoch: String,
    sessions: Vec<json::Session>,
    next_cursor: Option<String>,
}

async fn get_sessions(State(shared): Api, uri: Uri) -> Response {
    let ask = async || {
        let parameters = Parameters::parse(&uri, &["limit", "cursor"])?;
        let (limit, after_id) = (parameters.limit()?, parameters.cursor(List::Sessions)?);
        shared
            .read(pool_of_page(limit), move |reader| {
                let mut rows = reader.sessions(after_id, limit + 1)?;
                let more = cut(&mut rows, limit);
                Ok(Sessions {
                    epoch: reader.epoch()?.to_string(),
                    next_cursor: cursor(more, rows.last().map(|row| row.id), List::Sessions),
                    sessions: rows.iter().map(json::Session::from).collect(),
                })
            })
            .await
    };
    answer(&uri, ask().await)
}

#[derive(Serialize)]
struct Beats {
    beats: Vec<json::Beat>,
    next_cursor: Option<String>,
}

async fn get_beats(State(shared): Api, uri: Uri) -> Response {
    let ask = async || {
        let known = [
            "from", "to", "class", "outcome", "session", "limit", "cursor",
        ];
        let parameters = Parameters::parse(&uri, &known)?;
        let limit = parameters.limit()?;
        let filter = BeatFilter {
            session: parameters.id("session")?,
            classes: parameters.classes()?,
            unclassifiable: parameters.unclassifiable()?,
            from: parameters.time("from")?,
            until: parameters.time("to")?,
            after_id: parameters.cursor(List::Beats)?,
            limit: limit + 1,
        };
        shared
            .read(pool_of_page(limit), move |reader| {
                let mut rows = reader.beats(&filter)?;
                let more = cut(&mut rows, limit);
                Ok(Beats {
                    next_cursor: cursor(more, rows.last().map(|row| row.id), List::Beats),
                    beats: rows.iter().map(json::Beat::from).collect(),
                })
            })
            .await
    };
    answer(&uri, ask().await)
}

async fn get_beat(State(shared): Api, Path(id): Path<String>, uri: Uri) -> Response {
    let ask = async || {
        let parameters = Parameters::parse(&uri, &["before_ms", "after_ms"])?;
        let default = WaveformRange::default();
        let longest = WaveformRange::LONGEST_MS;
        let range = WaveformRange {
            before_ms: parameters.milliseconds("before_ms", default.before_ms, longest)?,
            after_ms: parameters.milliseconds("after_ms", default.after_ms, longest)?,
        };
        let id = parse_id("id", &id)?;
        let pool = if range.before_ms + range.after_ms > WIDE_MS {
            Pool::Wide
        } else {
            Pool::Quick
        };
        shared
            .read(pool, move |reader| {
                let beat = reader.beat(id)?.ok_or_else(|| Problem::no_such_beat(id))?;
                Ok(json::BeatWithWaveform {
                    beat: (&beat).into(),
                    waveform: reader.waveform(&beat, range)?.into(),
                })
            })
            .await
    };
    answer(&uri, ask().await)
}

async fn get_saliency(State(shared): Api, Path(id): Path<String>, uri: Uri) -> Response {
    answer(&uri, saliency::of_beat(&shared, &id, &uri).await)
}

async fn get_saliency_summary(State(shared): Api, uri: Uri) -> Response {
    answer(&uri, saliency::summary(&shared, &uri).await)
}

#[derive(Serialize)]
struct Events {
    events: Vec<json::Event>,
    next_cursor: Option<String>,
}

async fn get_events(State(shared): Api, uri: Uri) -> Response {
    let read = |reader: &StoreReader, filter: &RowFilter, limit| {
        let mut rows = reader.events(filter)?;
        let more = cut(&mut rows, limit);
        Ok(Events {
            next_cursor: cursor(more, rows.last().map(|row| row.id), List::Events),
            events: rows.iter().map(json::Event::from).collect(),
        })
    };
    answer(&uri, filtered(&shared, &uri, List::Events, read).await)
}

#[derive(Serialize)]
struct Gaps {
    gaps: Vec<json::Gap>,
    next_cursor: Option<String>,
}

async fn get_gaps(State(shared): Api, uri: Uri) -> Response {
    let read = |reader: &StoreReader, filter: &RowFilter, limit| {
        let mut rows = reader.gaps(filter)?;
        let more = cut(&mut rows, limit);
        Ok(Gaps {
            next_cursor: cursor(more, rows.last().map(|row| row.id), List::Gaps),
            gaps: rows.iter().map(json::Gap::from).collect(),
        })
    };
    answer(&uri, filtered(&shared, &uri, List::Gaps, read).await)
}

#[derive(Serialize)]
struct Audit {
    audit: Vec<json::Audit>,
    next_cursor: Option<String>,
}

/// For those who may control: it tells users about each other.
async fn get_audit(State(shared): Api, ConnectInfo(peer): ConnectInfo<Peer>, uri: Uri) -> Response {
    let ask = async || {
        let parameters = Parameters::parse(&uri, &["from", "to", "limit", "cursor"])?;
        if !peer.may_control {
            let detail = format!("{} may read, but not who asked for what", peer.who());
            return Err(Problem::new(Kind::NotPermitted, detail));
        }
        let limit = parameters.limit()?;
        let filter = RowFilter {
            from: parameters.time("from")?,
            until: parameters.time("to")?,
            after_id: parameters.cursor(List::Audit)?,
            limit: limit + 1,
            ..RowFilter::default()
        };
        shared
            .read(pool_of_page(limit), move |reader| {
                let mut rows = reader.audit(&filter)?;
                let more = cut(&mut rows, limit);
                Ok(Audit {
                    next_cursor: cursor(more, rows.last().map(|row| row.id), List::Audit),
                    audit: rows.iter().map(json::Audit::from).collect(),
                })
            })
            .await
    };
    answer(&uri, ask().await)
}

async fn filtered<T: Send + 'static>(
    shared: &Arc<Shared>,
    uri: &Uri,
    list: List,
    read: impl FnOnce(&StoreReader, &RowFilter, u32) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let parameters = Parameters::parse(uri, &["from", "to", "session", "limit", "cursor"])?;
    let limit = parameters.limit()?;
    let filter = RowFilter {
        session: parameters.id("session")?,
        from: parameters.time("from")?,
        until: parameters.time("to")?,
        after_id: parameters.cursor(list)?,
        limit: limit + 1,
    };
    shared
        .read(pool_of_page(limit), move |reader| {
            read(reader, &filter, limit)
        })
        .await
}

async fn get_stream(State(shared): Api, headers: HeaderMap, uri: Uri) -> Response {
    let seen = || {
        let parameters = Parameters::parse(&uri, &["last_event_id"])?;
        let name = "Last-Event-ID";
        let id = match headers.get(name) {
            None => parameters.one("last_event_id")?,
            Some(value) => Some(value.to_str().map_err(|_| {
                Problem::invalid(name, "bytes outside ASCII", "the id of an event")
            })?),
        };
        // an EventSource that has seen no id yet sends an empty one, or none
        id.filter(|id| !id.is_empty())
            .map(|id| {
                Seen::parse(id).ok_or_else(|| {
                    let expected = "an id of this stream, the id of a beat, or 0 for all";
                    Problem::invalid(name, id, expected)
                })
            })
            .transpose()
    };
    match seen() {
        Ok(seen) => stream::open(Arc::clone(&shared), seen).into_response(),
        Err(problem) => problem.respond(&uri.to_string()),
    }
}

/// Removes the row beyond the page that was read to learn whether there is one.
fn cut<T>(rows: &mut Vec<T>, limit: u32) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    more
}

fn cursor(more: bool, last_id: Option<i64>, list: List) -> Option<String> {
    last_id.filter(|_| more).map(|id| list.cursor_after(id))
}
