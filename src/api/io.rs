//! Connections: how many, and how long a client may keep one without moving a byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use axum::serve::Listener;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::SocketAddr;
use tokio::sync::Semaphore;
use tokio::time::{Instant, Sleep, sleep};

use super::access::Access;
use super::audit::{DONE, SOCKET};
use super::counters::{Counters, Present, count};
use super::head::{Incoming, Took};
use super::peer::{Limit, Peer, Unmapped};
use super::places::Place;
use super::problem::{Kind, response_without_reading};
use super::shared::Shared;
use super::watch::Doors;
use crate::store::AuditKind;

/// What a client is told whose request is not read: the problem and its detail.
type Refusal = (Kind, &'static str);
const FULL: Refusal = (
    Kind::TooManyConnections,
    "All connections are taken (api.max_connections, a few of them kept for users who may control), \
     and those for /v1/status alone, too. Try again later, or raise the limit.",
);
const OF_USER: Refusal = (
    Kind::TooManyOfUser,
    "One user may have a quarter of api.max_connections, and one more for /v1/status. Close some.",
);
const STRANGER: Refusal = (
    Kind::NotPermitted,
    "Neither this user nor a group it is in may read here.",
);
const UNMAPPED_GROUP: Refusal = (
    Kind::NotPermitted,
    "Neither this user nor a group it is in may read here. Some of its groups are not mapped where \
     the gateway runs (a user namespace, PrivateUsers= of its unit) and count for nothing.",
);
const UNMAPPED: Refusal = (
    Kind::UserNotMapped,
    "Your user is not mapped where the gateway runs: it is seen as the overflow id (65534), which \
     stands for every such user, so nobody is let in by it. Run the gateway outside a user namespace \
     (without PrivateUsers=), or map your user there.",
);
const SLOW: Refusal = (Kind::RequestTooSlow, "Send it at once.");
const LARGE: Refusal = (Kind::RequestTooLarge, "Send at most 16384 bytes.");
const HTTP2: Refusal = (Kind::Http2, "Send the request in HTTP/1.1.");
/// Clients turned away that may finish sending first; closing on their bytes would hide the answer.
pub(super) const MOST_LINGERING: usize = 16;
const LINGER: Duration = Duration::from_secs(1);
/// A connection that answers `/v1/status` alone is for one question, asked at once.
const STATUS_ONLY_TIMEOUT: Duration = Duration::from_secs(2);
/// What the kernel may hold of an answer that is not read, before it doubles this for its own
/// bookkeeping (socket(7)): it counts as the service's memory.
pub(super) const SEND_BUFFER_BYTES: usize = 64 * 1_024;

/// Begins the answer with which a connection changes to WebSocket.
const SWITCHING_PROTOCOLS: &[u8] = b"HTTP/1.1 101 ";
/// Asks a client that waits with its body for it, and answers nothing.
const CONTINUE: &[u8] = b"HTTP/1.1 100 ";

/// Accepts up to a number of connections and turns more away at once.
pub(super) struct CappedListener {
    pub(super) inner: Doors,
    pub(super) shared: Arc<Shared>,
    pub(super) lingering: Arc<Semaphore>,
    pub(super) stall_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) access: Access,
}

impl Listener for CappedListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.inner.accept().await {
                Ok((stream, address)) => {
                    if let Some(connection) = self.admit(stream) {
                        return (connection, address);
                    }
                }
                // the client gave up before we came: nothing to wait for
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // most likely out of file descriptors: some will come back
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

impl CappedListener {
    /// A connection for a client that may read and finds a place; others are told why not.
    fn admit(&self, stream: UnixStream) -> Option<Connection> {
        // before anything is written; without it the kernel's default holds, which is larger
        let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES);
        let peer = self.access.peer(&stream);
        let counters = &self.shared.counters;
        let audit = &self.shared.audit;
        let (why, counter) = if peer.may_read {
            match self.shared.places.connection(&peer) {
                Ok((place, status_only)) => {
                    let peer = Peer {
                        status_only,
                        ..peer
                    };
                    audit.note(&peer, AuditKind::Connected, SOCKET, DONE);
                    return Some(self.connection(stream, peer, place));
                }
                Err(Limit::Connections) => (FULL, &counters.refused),
                Err(Limit::OfUser) => (OF_USER, &counters.refused_user),
            }
        } else {
            match peer.unmapped {
                Some(Unmapped::User) => (UNMAPPED, &counters.refused_unmapped),
                Some(Unmapped::Group) => (UNMAPPED_GROUP, &counters.refused_peer),
                None => (STRANGER, &counters.refused_peer),
            }
        };
        count(counter);
        audit.note(&peer, AuditKind::Refused, SOCKET, why.0.name());
        self.turn_away(stream, why);
        None
    }

    fn turn_away(&self, mut stream: UnixStream, why: Refusal) {
        // a fresh socket's buffer takes this; if not, closing says enough
        let _ = stream.try_write(response_without_reading(why).as_bytes());
        let Ok(turn) = Arc::clone(&self.lingering).try_acquire_owned() else {
            return;
        };
        tokio::spawn(async move {
            let until_it_closes = async {
                let half =
                    std::future::poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context));
                let _ = half.await; // already gone is as good
                let mut discarded = [0; 1_024];
                while stream.readable().await.is_ok() {
                    match stream.try_read(&mut discarded) {
                        Ok(0) => return,
                        Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                        _ => {}
                    }
                }
            };
            let _ = tokio::time::timeout(LINGER, until_it_closes).await;
            drop(turn);
        });
    }

    fn connection(&self, stream: UnixStream, peer: Peer, place: Place) -> Connection {
        // the few for the status alone are for one question each
        let limited = |timeout: Duration| match peer.status_only {
            Some(_) => timeout.min(STATUS_ONLY_TIMEOUT),
            None => timeout,
        };
        let counters = &self.shared.counters;
        Connection {
            stream,
            peer,
            incoming: Incoming::default(),
            is_continue: false,
            request_timeout: limited(self.request_timeout),
            request: None,
            stall_timeout: self.stall_timeout,
            stall: None,
            idle_timeout: self.idle_timeout,
            // only until the request begins: an answer may take its time
            idle: Box::pin(sleep(limited(self.idle_timeout))),
            _present: Present::new(Arc::clone(counters), |counters| &counters.open),
            counters: Arc::clone(counters),
            _place: place,
        }
    }
}

/// A client's connection. Fails with [`io::ErrorKind::TimedOut`] where the client takes no byte of an
/// answer for the stall time-out, nothing moves in either direction for the idle time-out, or a
/// request is too long or takes too long.
pub(super) struct Connection {
    stream: UnixStream,
    peer: Peer,
    incoming: Incoming,
    /// What is written asks for a body.
    is_continue: bool,
    request_timeout: Duration,
    /// Runs while a request is half here.
    request: Option<Pin<Box<Sleep>>>,
    stall_timeout: Duration,
    stall: Option<Pin<Box<Sleep>>>,
    idle_timeout: Duration,
    idle: Pin<Box<Sleep>>,
    _present: Present<fn(&Counters) -> &AtomicU64>,
    counters: Arc<Counters>,
    _place: Place,
}

impl Connection {
    /// Who is at the other end.
    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    /// The connection ends here; the client is told why if its buffer takes it.
    fn refuse(&mut self, why: Refusal, counter: fn(&Counters) -> &AtomicU64) -> io::Error {
        count(counter(&self.counters));
        let _ = self
            .stream
            .try_write(response_without_reading(why).as_bytes());
        io::ErrorKind::TimedOut.into()
    }

    /// Fails once a request that is half here has taken too long.
    fn watch_request(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !self.incoming.is_partial() {
            self.request = None;
            return Ok(());
        }
        let request_timeout = self.request_timeout;
        let request = self
            .request
            .get_or_insert_with(|| Box::pin(sleep(request_timeout)));
        if request.as_mut().poll(context).is_pending() {
            return Ok(());
        }
        Err(self.refuse(SLOW, |counters| &counters.dropped_slow_request))
    }

    /// The head of an answer goes out in one piece, and before anything else of it.
    fn see_upgrade(&mut self, bytes: &[u8]) {
        if self.incoming.is_due_an_answer() && bytes.starts_with(SWITCHING_PROTOCOLS) {
            self.incoming.upgrade();
        }
        self.is_continue = self.incoming.is_due_a_body() && bytes.starts_with(CONTINUE);
    }

    fn moved(&mut self) {
        self.stall = None;
        let deadline = Instant::now() + self.idle_timeout;
        self.idle.as_mut().reset(deadline);
    }

    fn watch_write<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.moved();
            if !self.is_continue {
                self.incoming.answered();
            }
            return outcome;
        }
        let stall_timeout = self.stall_timeout;
        let stall = self
            .stall
            .get_or_insert_with(|| Box::pin(sleep(stall_timeout)));
        if stall.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.stall = None;
        count(&self.counters.dropped_stalled);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let writing = me.stall.is_some();
        let incoming = &mut me.incoming;
        let outcome = incoming.poll_read(context, &mut me.stream, buffer, writing);
        match outcome {
            Poll::Ready(Ok(Took::TooLong)) => {
                return Poll::Ready(Err(
                    me.refuse(LARGE, |counters| &counters.dropped_large_request)
                ));
            }
            Poll::Ready(Ok(Took::Http2)) => {
                // answered like any other malformed request, and counted no more than those
                let _ = me
                    .stream
                    .try_write(response_without_reading(HTTP2).as_bytes());
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            _ => {}
        }
        me.watch_request(context)?;
        if let Poll::Ready(outcome) = outcome {
            me.moved();
            return Poll::Ready(outcome.map(|_| ()));
        }
        // A client that waits for its answer is not idle; how long that may take has a bound of its own.
        if me.incoming.is_due_an_answer() || me.idle.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        me.moved(); // count once
        count(&me.counters.dropped_idle);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        me.see_upgrade(bytes);
        let outcome = Pin::new(&mut me.stream).poll_write(context, bytes);
        me.watch_write(context, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        me.see_upgrade(slices.first().map_or(&[], |slice| slice));
        let outcome = Pin::new(&mut me.stream).poll_write_vectored(context, slices);
        me.watch_write(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl Connected<IncomingStream<'_, CappedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, CappedListener>) -> Self {
        stream.io().peer()
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::MOST_HEAD_BYTES;
    use super::*;

    #[test]
    fn the_answers_to_unread_requests_are_whole_and_documented() {
        let document = include_str!("../../docs/api.md");
        for (why, status) in [
            (FULL, 503),
            (OF_USER, 503),
            (STRANGER, 403),
            (UNMAPPED_GROUP, 403),
            (UNMAPPED, 403),
            (SLOW, 408),
            (LARGE, 431),
            (HTTP2, 505),
        ] {
            let answer = response_without_reading(why);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
            let problem: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(problem["status"], status);
            assert!(problem["instance"].is_null());
            assert!(
                document.contains(&format!("| `{}` | {status} |", why.0.name())),
                "{why:?}"
            );
        }
        assert!(LARGE.1.contains(&MOST_HEAD_BYTES.to_string()));
    }
}
