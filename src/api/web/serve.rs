//! The listeners for browsers.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::{Router, middleware};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::front::{Front, front};
use super::link::{Line, Link, Stream};
use super::proxy::ProxyUsers;
use super::sessions::{LAST_WORDS, Sessions};
use super::site::Site;
use super::tokens::WebTokens;
use crate::api::counters::{Counters, count};
use crate::api::head::MOST_HEAD_BYTES;
use crate::api::io::SEND_BUFFER_BYTES;
use crate::api::shared::Shared;
use crate::api::socket::{BoundSocket, SocketError, bind};
use crate::api::watch::{self as doors, SocketWatch};

/// The port where nothing says another one.
pub const DEFAULT_PORT: u16 = 8292;
/// Connections of browsers that have not signed in yet, beside those that have.
pub const MOST_STRANGERS: usize = 32;
/// The socket is as open as a port of this machine: a session is what lets in.
const SOCKET_MODE: u32 = 0o666;
/// The folder of tokens is looked at this often: a revoked one ends within this and [`LAST_WORDS`].
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How browsers get to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOptions {
    /// A loopback address and port; port 0 takes any.
    pub listen: Option<SocketAddr>,
    /// Whether any other port will do where that one is taken, and none where there is no way at all.
    pub optional: bool,
    /// A Unix socket, for whatever passes bytes on from a port.
    pub socket: Option<PathBuf>,
    /// The addresses a browser may use; with none given, those of the port on this machine.
    pub sites: Vec<Site>,
    /// Who may come in.
    pub tokens: WebTokens,
    /// What is believed of a proxy at the socket; `None`: nothing.
    pub proxy: Option<ProxyUsers>,
    /// Where the gateway stands, an IANA name, for whoever prints times.
    pub timezone: Option<String>,
}

/// Opened and not served yet.
#[derive(Debug)]
pub(in crate::api) struct Doors {
    port: Option<TcpListener>,
    socket: Option<UnixSocket>,
    sessions: Arc<Sessions>,
    sites: Vec<Site>,
    proxy: Option<ProxyUsers>,
    timezone: Option<String>,
    pub(in crate::api) address: Option<SocketAddr>,
}

/// A socket, and its file.
#[derive(Debug)]
struct UnixSocket {
    path: PathBuf,
    listener: std::os::unix::net::UnixListener,
    file: BoundSocket,
}

/// What a connection is given.
pub(in crate::api) struct Terms {
    pub(in crate::api) shared: Arc<Shared>,
    pub(in crate::api) stall_timeout: Duration,
    pub(in crate::api) idle_timeout: Duration,
    pub(in crate::api) request_timeout: Duration,
}

impl Doors {
    /// Opens what the options name, and the tokens.
    pub(in crate::api) fn open(options: &WebOptions) -> Result<Self, SocketError> {
        let sessions = Sessions::open(options.tokens.clone())?;
        let port = options
            .listen
            .map(|address| listen(address, options.optional))
            .transpose()?;
        let address = port.as_ref().and_then(|port| port.local_addr().ok());
        let socket = options.socket.as_ref().map(|path| {
            bind(path, SOCKET_MODE).map(|(listener, file)| UnixSocket {
                path: path.clone(),
                listener,
                file,
            })
        });
        let socket = socket.transpose()?;
        let mut sites = options.sites.clone();
        if sites.is_empty() {
            sites = Site::of_port(address.map_or(DEFAULT_PORT, |address| address.port()));
        }
        Ok(Self {
            port,
            socket,
            sessions,
            sites,
            proxy: options.proxy.clone(),
            timezone: options.timezone.clone(),
            address,
        })
    }

    /// As [`Doors::open`]; `None` where they cannot be opened and need not be.
    pub(in crate::api) fn open_or_not(options: &WebOptions) -> Result<Option<Self>, SocketError> {
        match Self::open(options) {
            Err(error) if options.optional => {
                tracing::warn!(%error, "there is no page for browsers");
                Ok(None)
            }
            outcome => outcome.map(Some),
        }
    }

    /// Serves until the server closes, then until the last answer is out.
    pub(in crate::api) async fn serve(self, api: Router, terms: Terms) {
        let Self {
            port,
            socket,
            sessions,
            sites,
            proxy,
            timezone,
            ..
        } = self;
        let is_proxy = proxy.clone();
        let is_proxy = |uid: Option<u32>| {
            let known = uid.zip(is_proxy.as_ref());
            known.is_some_and(|(uid, proxy)| proxy.is(uid))
        };
        let shared = terms.shared;
        let mut closing = shared.closing.clone();
        let watched = socket.map(|socket| watch_socket(socket, closing.clone()));
        let (port, watched) = match (
            port.map(tokio::net::TcpListener::from_std).transpose(),
            watched.transpose(),
        ) {
            (Ok(port), Ok(watched)) => (port, watched),
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "browsers are not served");
                return;
            }
        };
        let front_desk = Arc::new(Front::new(
            sites,
            proxy,
            timezone,
            Arc::clone(&sessions),
            Arc::clone(&shared),
        ));
        let router = api.layer(middleware::from_fn_with_state(front_desk, front));
        let strangers = Arc::new(Semaphore::new(MOST_STRANGERS));
        let mut connections = JoinSet::new();
        let (mut socket, looks_after_it) = watched.unzip();
        let watched = async {
            tokio::join!(watch_tokens(sessions, &shared.counters), async {
                if let Some(looks_after_it) = looks_after_it {
                    looks_after_it.await;
                }
            });
        };
        tokio::pin!(watched);
        loop {
            let accepted = tokio::select! {
                accepted = accept(port.as_ref(), socket.as_mut()) => accepted,
                _ = closing.wait_for(|closing| *closing) => break,
                Some(_) = connections.join_next() => continue,
                () = &mut watched => continue, // never
            };
            match accepted {
                Ok((stream, uid)) => match Arc::clone(&strangers).try_acquire_owned() {
                    Ok(place) => {
                        let link = Link::new(place, is_proxy(uid));
                        let timeouts = (terms.stall_timeout, terms.idle_timeout);
                        let counters = Arc::clone(&shared.counters);
                        let line = Line::new(stream, Arc::clone(&link), timeouts, counters);
                        let converse = converse(
                            line,
                            link,
                            router.clone(),
                            terms.request_timeout,
                            closing.clone(),
                        );
                        connections.spawn(converse);
                    }
                    // closed: whoever takes all these places has not signed in
                    Err(_) => count(&shared.counters.refused),
                },
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // most likely out of file descriptors: some will come back
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a browser's connection");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        drop((port, socket)); // no new browser finds us from here on
        let all_ended = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            () = all_ended => {}
            () = &mut watched => {} // removes the socket's file, and never ends
        }
    }
}

fn listen(address: SocketAddr, or_any_port: bool) -> Result<TcpListener, SocketError> {
    let failed = |doing: &'static str| {
        move |source| SocketError::Io {
            path: PathBuf::from(address.to_string()),
            doing,
            source,
        }
    };
    if !address.ip().is_loopback() {
        let outside = io::Error::from(io::ErrorKind::PermissionDenied);
        return Err(failed("listening outside this machine")(outside));
    }
    let listener = match TcpListener::bind(address) {
        Err(error) if or_any_port && error.kind() == io::ErrorKind::AddrInUse => {
            TcpListener::bind(SocketAddr::new(address.ip(), 0))
        }
        outcome => outcome,
    };
    let listener = listener.map_err(failed("listening for browsers"))?;
    listener
        .set_nonblocking(true)
        .map_err(failed("making it non-blocking"))?;
    Ok(listener)
}

/// The next connection, through whichever door, and through the socket the user at its other end.
async fn accept(
    port: Option<&tokio::net::TcpListener>,
    socket: Option<&mut doors::Doors>,
) -> io::Result<(Box<dyn Stream>, Option<u32>)> {
    let by_port = async {
        match port {
            Some(port) => port.accept().await,
            None => std::future::pending().await,
        }
    };
    let by_socket = async {
        match socket {
            Some(socket) => socket.accept().await,
            None => std::future::pending().await,
        }
    };
    // before anything is written; without these the kernel's defaults hold
    tokio::select! {
        accepted = by_port => accepted.map(|(stream, _)| {
            let _ = stream.set_nodelay(true);
            let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES);
            (Box::new(stream) as Box<dyn Stream>, None)
        }),
        accepted = by_socket => accepted.map(|(stream, _)| {
            let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES);
            let uid = stream.peer_cred().ok().map(|peer| peer.uid());
            (Box::new(stream) as Box<dyn Stream>, uid)
        }),
    }
}

/// One connection, until it ends or becomes something else than HTTP.
async fn converse(
    line: Line,
    link: Arc<Link>,
    router: Router,
    request_timeout: Duration,
    mut closing: watch::Receiver<bool>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Arc::clone(&link));
        let busy = link.busy();
        let answer = router.call(request);
        async move {
            let answer = answer.await;
            drop(busy);
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(request_timeout)
        .max_buf_size(MOST_HEAD_BYTES)
        .serve_connection(TokioIo::new(line), service)
        .with_upgrades();
    tokio::pin!(connection);
    let closes = async {
        let _ = closing.wait_for(|closing| *closing).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = closes => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a browser's connection ended");
    }
}

/// The socket, and what makes it again where its file is removed or replaced; that removes the file
/// when the server closes, and never ends.
fn watch_socket(
    socket: UnixSocket,
    closing: watch::Receiver<bool>,
) -> io::Result<(doors::Doors, impl Future<Output = ()>)> {
    let listener = tokio::net::UnixListener::from_std(socket.listener)?;
    let (replace, replaced) = mpsc::channel(1);
    // counted for itself: what the status tells is about the socket of the API
    let counters = Arc::default();
    let watch = SocketWatch::new(
        &socket.path,
        SOCKET_MODE,
        Some(socket.file),
        replace,
        counters,
    );
    Ok((doors::Doors::new(listener, replaced), watch.run(closing)))
}

/// Never ends.
async fn watch_tokens(sessions: Arc<Sessions>, counters: &Counters) {
    let mut turns = tokio::time::interval(LOOK_EVERY);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let signed_in = u64::try_from(sessions.count()).unwrap_or(u64::MAX);
        counters
            .browser_sessions
            .store(signed_in, Ordering::Relaxed);
        let sessions = Arc::clone(&sessions);
        let Ok(cut) = tokio::task::spawn_blocking(move || sessions.look()).await else {
            continue;
        };
        if !cut.is_empty() {
            tokio::spawn(async move {
                tokio::time::sleep(LAST_WORDS).await;
                for (session, link) in cut {
                    if let Some(link) = link.upgrade() {
                        link.cut_if_of(&session);
                    }
                }
            });
        }
    }
}
