//! One connection of a browser: its time-outs, what it is bound to, and its end.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use super::secret::Hash;
use crate::api::counters::{Counters, Present, Which, count};
use crate::api::locked::locked;
use crate::api::peer::Peer;
use crate::api::places::Place;

/// A TCP or a Unix stream.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What the requests of one connection share, and what outlives them after an upgrade.
#[derive(Debug)]
pub(super) struct Link {
    /// Requests that are being answered.
    busy: AtomicUsize,
    cut: AtomicBool,
    wakers: Mutex<[Option<Waker>; 2]>,
    bound: Mutex<Option<Bound>>,
    /// A place among those that have not signed in; given back with the first good request.
    stranger: Mutex<Option<OwnedSemaphorePermit>>,
    /// Whether a proxy is at the other end that says who asks.
    pub(super) by_proxy: bool,
}

/// The session a connection is bound to, and its place.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) session: Hash,
    pub(super) peer: Peer,
    pub(super) _place: Place,
}

/// Which half of a connection waits.
#[derive(Clone, Copy)]
enum Half {
    Reading,
    Writing,
}

/// A request that is being answered.
pub(super) struct Busy(Arc<Link>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Link {
    pub(super) fn new(stranger: OwnedSemaphorePermit, by_proxy: bool) -> Arc<Self> {
        Arc::new(Self {
            busy: AtomicUsize::new(0),
            cut: AtomicBool::new(false),
            wakers: Mutex::default(),
            bound: Mutex::default(),
            stranger: Mutex::new(Some(stranger)),
            by_proxy,
        })
    }

    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Who this connection is, where it is bound to this session.
    pub(super) fn peer_of(&self, session: &Hash) -> Option<Peer> {
        let bound = locked(&self.bound);
        bound
            .as_ref()
            .filter(|bound| bound.session.is(session))
            .map(|bound| bound.peer)
    }

    /// Binds it, or frees it from the session it was bound to.
    pub(super) fn bind(&self, bound: Option<Bound>) {
        if bound.is_some() {
            let mut stranger = locked(&self.stranger);
            *stranger = None;
        }
        *locked(&self.bound) = bound;
    }

    /// Ends the connection, if it still belongs to this session.
    pub(super) fn cut_if_of(&self, session: &Hash) {
        if self.peer_of(session).is_none() {
            return;
        }
        self.cut.store(true, Ordering::SeqCst);
        let mut wakers = locked(&self.wakers);
        for waker in wakers.iter_mut().filter_map(Option::take) {
            waker.wake();
        }
    }

    fn fails_when_cut(&self, context: &Context<'_>, half: Half) -> io::Result<()> {
        let mut wakers = locked(&self.wakers);
        wakers[half as usize] = Some(context.waker().clone());
        drop(wakers);
        if self.cut.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

/// A browser's connection. Fails with [`io::ErrorKind::TimedOut`] where the browser takes no byte of an
/// answer for the stall time-out, or nothing moves for the idle time-out while no request is answered.
pub(super) struct Line {
    stream: Box<dyn Stream>,
    link: Arc<Link>,
    stall_timeout: Duration,
    stall: Option<Pin<Box<Sleep>>>,
    idle_timeout: Duration,
    idle: Pin<Box<Sleep>>,
    counters: Arc<Counters>,
    _present: [Present<Which>; 2],
}

impl Line {
    pub(super) fn new(
        stream: Box<dyn Stream>,
        link: Arc<Link>,
        (stall_timeout, idle_timeout): (Duration, Duration),
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            stream,
            link,
            stall_timeout,
            stall: None,
            idle_timeout,
            idle: Box::pin(sleep(idle_timeout)),
            _present: [
                Present::new(Arc::clone(&counters), |counters| &counters.open),
                Present::new(Arc::clone(&counters), |counters| &counters.browsers),
            ],
            counters,
        }
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

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        me.link.fails_when_cut(context, Half::Reading)?;
        let outcome = Pin::new(&mut me.stream).poll_read(context, buffer);
        if outcome.is_ready() {
            me.moved();
            return outcome;
        }
        if me.idle.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        me.moved(); // look again, or count once
        if me.link.busy.load(Ordering::Relaxed) > 0 {
            // a browser that waits for its answer is not idle; how long that may take has a bound of its own
            let _ = me.idle.as_mut().poll(context);
            return Poll::Pending;
        }
        count(&me.counters.dropped_idle);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        me.link.fails_when_cut(context, Half::Writing)?;
        let outcome = Pin::new(&mut me.stream).poll_write(context, bytes);
        me.watch_write(context, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        me.link.fails_when_cut(context, Half::Writing)?;
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
