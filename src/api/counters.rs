//! What happened to connections, for `/v1/status`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the start; all relaxed, since nothing is decided by them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Connections open now.
    pub(super) open: AtomicU64,
    /// Event streams open now.
    pub(super) streams: AtomicU64,
    /// Connections turned away because all places were taken.
    pub(super) refused: AtomicU64,
    /// Connections turned away because their user had its share.
    pub(super) refused_user: AtomicU64,
    /// Connections of users that are not mapped here.
    pub(super) refused_unmapped: AtomicU64,
    /// Streams refused because all places for streams were taken.
    pub(super) refused_streams: AtomicU64,
    /// Requests refused because answers took all the memory they may.
    pub(super) refused_memory: AtomicU64,
    /// Requests for more than the status on connections that answer nothing else.
    pub(super) refused_status_only: AtomicU64,
    /// Connections closed because the client took no bytes for too long.
    pub(super) dropped_stalled: AtomicU64,
    /// Connections closed because nothing went over them for too long.
    pub(super) dropped_idle: AtomicU64,
    /// Connections of clients that may not read.
    pub(super) refused_peer: AtomicU64,
    /// Connections closed because a request took too long to come in.
    pub(super) dropped_slow_request: AtomicU64,
    /// Connections closed because a request was too long.
    pub(super) dropped_large_request: AtomicU64,
    /// Times the socket's file was found removed or replaced.
    pub(super) socket_lost: AtomicU64,
    /// 1 while it is, else 0.
    pub(super) socket_away: AtomicU64,
    /// Rows of the audit that the store's queue had no room for; they are in the log.
    pub(super) audit_lost: AtomicU64,
    /// Requests of browsers refused before it was known who asks.
    pub(super) refused_browser: AtomicU64,
    /// Tokens that browsers showed and that were not valid.
    pub(super) wrong_tokens: AtomicU64,
    /// Connections of browsers open now.
    pub(super) browsers: AtomicU64,
    /// Browsers that are signed in, as of the last look at them.
    pub(super) browser_sessions: AtomicU64,
    /// WebSockets of `/v1/live` open now.
    pub(super) live_sockets: AtomicU64,
    /// Messages that such a one was to get and that were dropped.
    pub(super) live_dropped: AtomicU64,
    /// Event streams closed because the client read more slowly than beats came.
    pub(super) dropped_lagging: AtomicU64,
}

pub(super) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// One of the counters.
pub(super) type Which = fn(&Counters) -> &AtomicU64;

/// Adds one to a counter for as long as it lives.
#[derive(Debug)]
pub(super) struct Present<F: Fn(&Counters) -> &AtomicU64> {
    counters: std::sync::Arc<Counters>,
    which: F,
}

impl<F: Fn(&Counters) -> &AtomicU64> Present<F> {
    pub(super) fn new(counters: std::sync::Arc<Counters>, which: F) -> Self {
        count(which(&counters));
        Self { counters, which }
    }
}

impl<F: Fn(&Counters) -> &AtomicU64> Drop for Present<F> {
    fn drop(&mut self) {
        (self.which)(&self.counters).fetch_sub(1, Ordering::Relaxed);
    }
}
