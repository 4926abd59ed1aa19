//! Carries what is not yet stored to whoever watches: pieces of the waveform, beats, gaps and events as
//! the pipeline hands them out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ecg_chain::{CHANNEL_COUNT, MonotonicNs, RawSample, SessionInfo};
use tokio::sync::broadcast;

use crate::acquisition::SystemClock;

/// Messages a watcher may be behind: some 25 s.
const MOST_BEHIND: usize = 256;
/// Signal time of a piece of the waveform, milliseconds.
pub(super) const PIECE_MS: f64 = 100.0;

/// A stretch of samples without a gap.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) first_sample: u64,
    pub(super) codes: Vec<[i32; CHANNEL_COUNT]>,
    received: Instant,
    /// Time of the newest sample, where it is of this machine's clock.
    newest: Option<MonotonicNs>,
}

impl Piece {
    /// How old the newest sample is, microseconds: since its DRDY edge, or where the source has no clock of
    /// this machine's, since it was received.
    pub(super) fn age_us(&self) -> u64 {
        match self.newest {
            Some(newest) => SystemClock::relation().monotonic.since(newest) / 1_000,
            None => u64::try_from(self.received.elapsed().as_micros()).unwrap_or(u64::MAX),
        }
    }
}

/// What goes to whoever watches.
#[derive(Debug, Clone)]
pub(super) enum LiveMessage {
    Piece(Arc<Piece>),
    /// A beat, a gap or an event as JSON.
    Text(Arc<str>),
    /// A session has begun or ended: [`LiveHub::session`] says which.
    Session,
}

/// The session that runs, or the last one.
#[derive(Debug, Clone)]
pub(super) struct WatchedSession {
    pub(super) open: bool,
    /// Its row; `None` where it is not stored yet.
    pub(super) id: Option<i64>,
    pub(super) info: SessionInfo,
}

/// From the pipeline to whoever watches; cheap to clone, costs next to nothing while nobody does.
#[derive(Debug, Clone)]
pub(super) struct LiveHub {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    messages: broadcast::Sender<LiveMessage>,
    watchers: AtomicUsize,
    session: Mutex<Option<WatchedSession>>,
}

impl Default for LiveHub {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                messages: broadcast::Sender::new(MOST_BEHIND),
                watchers: AtomicUsize::new(0),
                session: Mutex::default(),
            }),
        }
    }
}

/// Somebody who watches.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) messages: broadcast::Receiver<LiveMessage>,
    hub: LiveHub,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.hub.inner.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LiveHub {
    /// Everything from now on.
    pub(super) fn watch(&self) -> Watcher {
        self.inner.watchers.fetch_add(1, Ordering::Relaxed);
        Watcher {
            messages: self.inner.messages.subscribe(),
            hub: self.clone(),
        }
    }

    /// Whether anybody watches: one relaxed load.
    pub(super) fn is_watched(&self) -> bool {
        self.inner.watchers.load(Ordering::Relaxed) > 0
    }

    pub(super) fn send(&self, message: LiveMessage) {
        // nobody there any more is no error
        let _ = self.inner.messages.send(message);
    }

    pub(super) fn session(&self) -> Option<WatchedSession> {
        self.lock().clone()
    }

    pub(super) fn begin_session(&self, info: &SessionInfo, id: Option<i64>) {
        *self.lock() = Some(WatchedSession {
            open: true,
            id,
            info: info.clone(),
        });
        self.send(LiveMessage::Session);
    }

    pub(super) fn end_session(&self) {
        if let Some(session) = &mut *self.lock() {
            session.open = false;
        }
        self.send(LiveMessage::Session);
    }

    fn lock(&self) -> MutexGuard<'_, Option<WatchedSession>> {
        self.inner
            .session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A tenth of a second, an even number, so that half as many points can be sent.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most 800 samples"
)]
pub(super) fn samples_per_piece(sample_rate_hz: f64) -> u64 {
    let samples = (sample_rate_hz * PIECE_MS / 1e3).ceil().max(1.0) as u64;
    samples.next_multiple_of(2)
}

/// Collects samples into pieces while somebody watches.
#[derive(Debug)]
pub struct WaveformTap {
    hub: LiveHub,
    /// Pieces end at multiples of this.
    samples_per_piece: u64,
    /// Whether the samples' times are of this machine's clock.
    own_clock: bool,
    first_sample: u64,
    codes: Vec<[i32; CHANNEL_COUNT]>,
}

impl WaveformTap {
    pub(super) fn new(hub: LiveHub, sample_rate_hz: f64, own_clock: bool) -> Self {
        Self {
            hub,
            samples_per_piece: samples_per_piece(sample_rate_hz),
            own_clock,
            first_sample: 0,
            codes: Vec::new(),
        }
    }

    /// Takes the next sample; samples are missing where its index is not the next one.
    pub fn sample(&mut self, sample: &RawSample) {
        if !self.hub.is_watched() {
            self.codes.clear();
            return;
        }
        if self.codes.is_empty() {
            self.first_sample = sample.index;
        }
        self.codes.push(sample.codes);
        if (sample.index + 1).is_multiple_of(self.samples_per_piece) {
            self.flush(sample.time);
        }
    }

    /// Samples are missing from here on: what was collected goes out.
    pub fn gap(&mut self, time: MonotonicNs) {
        if !self.codes.is_empty() {
            self.flush(time);
        }
    }

    fn flush(&mut self, newest: MonotonicNs) {
        let room = Vec::with_capacity(self.codes.len());
        let codes = std::mem::replace(&mut self.codes, room);
        self.hub.send(LiveMessage::Piece(Arc::new(Piece {
            first_sample: self.first_sample,
            codes,
            received: Instant::now(),
            newest: self.own_clock.then_some(newest),
        })));
    }
}
