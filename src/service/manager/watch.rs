//! The thread that watches the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::notice::{Notice, ServiceManager};
use crate::api::{LiveStatus, ServiceState, SharedLiveStatus};
use crate::liveness::Liveness;

/// How often the threads are checked, unless the watchdog asks for more.
const CHECK_EVERY: Duration = Duration::from_millis(250);
/// The status line is sent at most this often.
const STATUS_EVERY: Duration = Duration::from_secs(2);

/// A thread and its liveness counter.
#[derive(Debug)]
pub struct Watched {
    name: &'static str,
    liveness: Liveness,
    seen: u64,
    moved: Instant,
}

impl Watched {
    /// Watches `liveness` from now on.
    #[must_use]
    pub fn new(name: &'static str, liveness: Liveness) -> Self {
        Self {
            name,
            seen: liveness.turns(),
            liveness,
            moved: Instant::now(),
        }
    }

    /// How long the thread has not moved.
    fn idle_time(&mut self, now: Instant) -> Duration {
        let turns = self.liveness.turns();
        if turns != self.seen {
            self.seen = turns;
            self.moved = now;
        }
        now.saturating_duration_since(self.moved)
    }
}

/// A running watch; dropping it tells the manager that the service stops.
#[derive(Debug)]
pub struct Supervision {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Supervision {
    /// Watches `threads` and notifies `manager`: ready once `live` shows samples or the reason why
    /// there are none, a status line when it changes, and alive only while no thread has stood
    /// still for half the watchdog's interval. `reload` is called when `reload_asked` was raised.
    ///
    /// # Errors
    /// The system's, where no thread can be started.
    pub fn start(
        manager: Box<dyn ServiceManager>,
        live: SharedLiveStatus,
        threads: Vec<Watched>,
        reload_asked: Arc<AtomicBool>,
        reload: impl FnMut() + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let watch = Watch {
            timeout: manager.watchdog_interval().map(|interval| interval / 2),
            manager,
            live,
            threads,
            ready: false,
            status: String::new(),
            status_sent: None,
            stuck: None,
        };
        let stopping = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("supervision".to_owned())
            .spawn(move || watch.run(&stopping, &reload_asked, reload))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Supervision {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

struct Watch {
    manager: Box<dyn ServiceManager>,
    live: SharedLiveStatus,
    threads: Vec<Watched>,
    /// Longest stand-still of a thread that counts as alive; `None` without a watchdog.
    timeout: Option<Duration>,
    ready: bool,
    status: String,
    status_sent: Option<Instant>,
    stuck: Option<&'static str>,
}

impl Watch {
    fn run(mut self, stop: &AtomicBool, reload_asked: &AtomicBool, mut reload: impl FnMut()) {
        let pause = self
            .timeout
            .map_or(CHECK_EVERY, |timeout| (timeout / 4).min(CHECK_EVERY));
        while !stop.load(Ordering::Relaxed) {
            if reload_asked.swap(false, Ordering::Relaxed) {
                let monotonic_us = crate::acquisition::SystemClock::relation().monotonic.0 / 1_000;
                self.manager.notify(&Notice::Reloading { monotonic_us });
                reload();
                self.manager.notify(&Notice::Ready);
            }
            self.check(Instant::now());
            std::thread::park_timeout(pause);
        }
        self.manager.notify(&Notice::Stopping);
    }

    fn check(&mut self, now: Instant) {
        let live = self.live.snapshot();
        let alive = self.feed(now);
        let status = match alive {
            Err(name) => format!("thread {name} stands still"),
            Ok(()) => status_line(&live),
        };
        self.show(status, now);
        if !self.ready && is_ready(&live) {
            self.ready = true;
            self.manager.notify(&Notice::Ready);
        }
    }

    /// Feeds the watchdog, or names the thread that keeps it from being fed.
    fn feed(&mut self, now: Instant) -> Result<(), &'static str> {
        let Some(timeout) = self.timeout else {
            return Ok(());
        };
        let stuck = self
            .threads
            .iter_mut()
            .find_map(|thread| (thread.idle_time(now) > timeout).then_some(thread.name));
        if self.stuck != stuck {
            match stuck {
                Some(name) => tracing::error!(
                    thread = name,
                    "stands still for more than {timeout:?}: the watchdog is no longer fed"
                ),
                None => tracing::warn!("every thread moves again"),
            }
            self.stuck = stuck;
        }
        match stuck {
            Some(name) => Err(name),
            None => {
                self.manager.notify(&Notice::Alive);
                Ok(())
            }
        }
    }

    fn show(&mut self, status: String, now: Instant) {
        let due = self
            .status_sent
            .is_none_or(|sent| now.saturating_duration_since(sent) >= STATUS_EVERY);
        if due && status != self.status {
            self.manager.notify(&Notice::Status(status.clone()));
            self.status = status;
            self.status_sent = Some(now);
        }
    }
}

/// Samples come in, or the reason why none do is known.
fn is_ready(live: &LiveStatus) -> bool {
    match live.state {
        ServiceState::Starting => false,
        ServiceState::Recording => live.samples_received > 0,
        ServiceState::Recovering | ServiceState::Finished => true,
    }
}

fn status_line(live: &LiveStatus) -> String {
    let mut line = live.state.name().to_owned();
    if live.state == ServiceState::Recording {
        line.push_str(&format!(", {} samples", live.samples_received));
    }
    if let Some(engine) = &live.engine {
        line.push_str(&format!(", engine {engine}"));
    }
    if let Some(detail) = &live.detail {
        line.push_str(": ");
        line.push_str(detail);
    }
    // The protocol is one assignment a line.
    line.replace(char::is_control, " ")
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
