//! What every request of a browser passes before it comes to the API, and what is answered here.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, Semaphore, watch};

use super::link::{Bound, Link};
use super::proxy::ProxyUsers;
use super::rules;
use super::sessions::{AGE_LIMIT, Session, Sessions};
use super::site::Site;
use super::{cookie, headers, pages};
use crate::api::audit::{DONE, WEB};
use crate::api::body;
use crate::api::browser::{SignedIn, TokenName};
use crate::api::counters::count;
use crate::api::peer::{Limit, Peer};
use crate::api::problem::{Kind, Problem};
use crate::api::shared::Shared;
use crate::store::AuditKind;

/// Wrong tokens are answered one after the other, each after this long.
const WRONG_TOKEN_PAUSE: Duration = Duration::from_secs(1);
/// Wrong tokens that may wait for that; more are refused at once.
const MOST_WRONG_WAITING: usize = 8;
/// No user has this number.
const NOBODY: u32 = u32::MAX;
/// What every page says of itself.
const DISCLAIMER: &str = "Not a medical device: not for diagnosis or patient monitoring.";

/// What the requests of all browsers share.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) sites: Vec<Site>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) shared: Arc<Shared>,
    proxy: Option<ProxyUsers>,
    timezone: Option<String>,
    /// Says that a session has not ended, to those that have no session of their own.
    lasting: watch::Sender<bool>,
    wrong_waiting: Semaphore,
    wrong_turn: Mutex<()>,
}

#[derive(Deserialize)]
struct SignIn {
    token: String,
}

#[derive(Serialize)]
struct About {
    name: String,
    control: bool,
    disclaimer: &'static str,
    site: AboutSite,
}

#[derive(Serialize)]
struct AboutSite {
    timezone: Option<String>,
}

/// Runs around every request of a browser.
pub(super) async fn front(
    State(front): State<Arc<Front>>,
    request: Request,
    next: Next,
) -> Response {
    let instance = request
        .uri()
        .path_and_query()
        .map_or_else(String::new, ToString::to_string);
    let Some(link) = request.extensions().get::<Arc<Link>>().cloned() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response(); // the listener puts it there
    };
    let mut bound = false;
    let outcome = front.answer(&link, &mut bound, request, next).await;
    let mut response = outcome.unwrap_or_else(|problem| problem.respond(&instance));
    if !bound {
        // who has not signed in keeps no connection
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    headers::complete(&mut response);
    response
}

impl Front {
    pub(super) fn new(
        sites: Vec<Site>,
        proxy: Option<ProxyUsers>,
        timezone: Option<String>,
        sessions: Arc<Sessions>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            sites,
            proxy,
            timezone,
            lasting: watch::Sender::new(false),
            sessions,
            shared,
            wrong_waiting: Semaphore::new(MOST_WRONG_WAITING),
            wrong_turn: Mutex::default(),
        }
    }

    async fn answer(
        &self,
        link: &Arc<Link>,
        bound: &mut bool,
        request: Request,
        next: Next,
    ) -> Result<Response, Problem> {
        let (mut parts, body) = request.into_parts();
        let site = rules::site(&parts, &self.sites)
            .and_then(|site| rules::origin(&parts, site).map(|()| site))
            .and_then(|site| body::check(&parts.headers).map(|()| site))
            .map_err(|problem| self.refused(problem))?;
        let session = match self.user(&parts, link).map_err(|it| self.refused(it))? {
            None => self.session(&parts, site),
            user => user,
        };
        let path = parts.uri.path().to_owned();
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        if path == "/session" && parts.method == Method::POST {
            let body = body::whole(body).await?;
            return self.sign_in(site, session.as_ref(), &body).await;
        }
        let file = path.strip_prefix('/').unwrap_or_default();
        let open = match &session {
            None if path == "/" => Some(pages::SIGN_IN),
            _ => pages::WITHOUT_SESSION
                .into_iter()
                .find(|name| *name == file),
        };
        if let Some(open) = open.filter(|_| reads) {
            return pages::serve(open, &parts.method, &parts.headers).ok_or_else(nothing_here);
        }
        let Some(session) = session else {
            let detail = "sign in first: this server shows nothing else without a session";
            return Err(self.refused(Problem::new(Kind::NotSignedIn, detail)));
        };
        let peer = self.bind(link, &session)?;
        *bound = true;
        if path.starts_with("/v1/") {
            let body = body::whole(body).await?;
            parts.extensions.insert(ConnectInfo(peer));
            parts.extensions.insert(SignedIn {
                ended: session.ended,
            });
            let request = Request::from_parts(parts, Body::from(body));
            return Ok(next.run(request).await);
        }
        if path == "/session" && parts.method == Method::DELETE {
            *bound = false;
            link.bind(None);
            self.audit(&peer, AuditKind::Changed, "sign-out", DONE);
            self.end(&session).await;
            return Ok(with_cookie(StatusCode::NO_CONTENT, &site.cookie("", 0)));
        }
        if !reads {
            let kind = Kind::MethodNotAllowed;
            return Err(Problem::new(kind, "use GET or HEAD"));
        }
        if path == "/session" {
            let about = About {
                name: session.token.to_string(),
                control: session.control,
                disclaimer: DISCLAIMER,
                site: AboutSite {
                    timezone: self.timezone.clone(),
                },
            };
            return Ok(axum::Json(about).into_response());
        }
        let file = if path == "/" { pages::PAGE } else { file };
        pages::serve(file, &parts.method, &parts.headers).ok_or_else(nothing_here)
    }

    /// Who asks, where a proxy says so.
    fn user(&self, parts: &Parts, link: &Link) -> Result<Option<Session>, Problem> {
        match self.proxy.as_ref().filter(|_| link.by_proxy) {
            Some(proxy) => proxy.user(parts, &self.lasting.subscribe()),
            None => Ok(None),
        }
    }

    fn session(&self, parts: &Parts, site: &Site) -> Option<Session> {
        let cookies = parts.headers.get_all(header::COOKIE).iter();
        let cookies = cookies.map(HeaderValue::as_bytes);
        let secret = cookie::secret(cookies, &site.cookie_name())?;
        self.sessions.find(&secret)
    }

    /// Uses up the token that was shown, and begins a session in place of the one there was.
    async fn sign_in(
        &self,
        site: &Site,
        before: Option<&Session>,
        body: &[u8],
    ) -> Result<Response, Problem> {
        let SignIn { token } = serde_json::from_slice(body).map_err(|error| {
            let expected = "expected {\"token\":\"...\"}";
            Problem::new(Kind::InvalidParameter, format!("body: {error}, {expected}"))
        })?;
        let sessions = Arc::clone(&self.sessions);
        let began = blocking(move || sessions.begin(token.trim())).await?;
        let began = began.map_err(|error| {
            tracing::error!(%error, "a browser cannot sign in");
            let detail = "the tokens cannot be read now: see the gateway's log";
            Problem::new(Kind::StoreUnavailable, detail)
        })?;
        let Some((secret, token)) = began else {
            return Err(self.wrong_token().await);
        };
        if let Some(before) = before {
            self.end(before).await;
        }
        let peer = peer(token.name, token.control);
        self.audit(&peer, AuditKind::Changed, "sign-in", DONE);
        let cookie = site.cookie(secret.text(), AGE_LIMIT.as_secs());
        Ok(with_cookie(StatusCode::NO_CONTENT, &cookie))
    }

    /// The answer to a token that is not valid: slower than they can be tried.
    async fn wrong_token(&self) -> Problem {
        count(&self.shared.counters.wrong_tokens);
        let Ok(_waiting) = self.wrong_waiting.try_acquire() else {
            let detail = "too many tokens that are not valid; try again in a few seconds";
            return self.refused(Problem::new(Kind::TooManyTries, detail));
        };
        let _turn = self.wrong_turn.lock().await;
        tokio::time::sleep(WRONG_TOKEN_PAUSE).await;
        let detail = "this token is unknown, used, older than 5 minutes or revoked: have another \
                      address printed (ecg-gateway web token address NAME)";
        self.refused(Problem::new(Kind::TokenNotValid, detail))
    }

    async fn end(&self, session: &Session) {
        let (sessions, hash) = (Arc::clone(&self.sessions), session.hash);
        let _ = blocking(move || sessions.end(&hash)).await;
    }

    /// Who asks, with a place among the connections.
    fn bind(&self, link: &Arc<Link>, session: &Session) -> Result<Peer, Problem> {
        let peer = peer(session.token, session.control);
        if link.peer_of(&session.hash) == Some(peer) {
            return Ok(peer);
        }
        let places = &self.shared.places;
        let limit = match places.connection(&peer) {
            Ok((place, None)) => {
                link.bind(Some(Bound {
                    session: session.hash,
                    peer,
                    _place: place,
                }));
                self.sessions.attach(&session.hash, link);
                self.audit(&peer, AuditKind::Connected, WEB, DONE);
                return Ok(peer);
            }
            Ok((_, Some(limit))) | Err(limit) => limit,
        };
        let (kind, counter, detail) = match limit {
            Limit::Connections => (
                Kind::TooManyConnections,
                &self.shared.counters.refused,
                "all connections are taken (api.max_connections); try again later",
            ),
            Limit::OfUser => (
                Kind::TooManyOfUser,
                &self.shared.counters.refused_user,
                "this token has a quarter of api.max_connections; close a page",
            ),
        };
        count(counter);
        self.audit(&peer, AuditKind::Refused, WEB, kind.name());
        Err(Problem::new(kind, detail))
    }

    fn audit(&self, peer: &Peer, kind: AuditKind, what: &'static str, outcome: &'static str) {
        self.shared.audit.note(peer, kind, what, outcome);
    }

    /// Counts and notes a refusal of a browser that has not shown who it is.
    fn refused(&self, problem: Problem) -> Problem {
        count(&self.shared.counters.refused_browser);
        let stranger = peer(TokenName::STRANGER, false);
        self.audit(&stranger, AuditKind::Refused, WEB, problem.kind.name());
        problem
    }
}

fn peer(token: TokenName, may_control: bool) -> Peer {
    Peer {
        uid: NOBODY,
        gid: NOBODY,
        pid: None,
        token: Some(token),
        may_read: true,
        may_control,
        unmapped: None,
        status_only: None,
    }
}

fn nothing_here() -> Problem {
    Problem::new(Kind::UnknownPath, "there is no file of the page here")
}

fn with_cookie(status: StatusCode, cookie: &str) -> Response {
    let mut response = status.into_response();
    // made of hexadecimal digits and a port
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Runs what reads or writes the disk away from the thread that serves.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        let detail = "the server is closing";
        Problem::new(Kind::StoreUnavailable, detail)
    })
}
