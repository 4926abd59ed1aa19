//! The thread that watches the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Notice, ServiceManager};
use crate::api::{LiveStatus, ServiceState, SharedLiveStatus};
use crate::pulse::Pulse;

/// How often the threads are looked at, unless the watchdog asks for more.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The status line is sent at most this often.
const STATUS_EVERY: Duration = Duration::from_secs(2);

/// A thread and its sign of life.
#[derive(Debug)]
pub struct Watched {
    name: &'static str,
    pulse: Pulse,
    seen: u64,
    moved: Instant,
}

impl Watched {
    /// Watches `pulse` from now on.
    #[must_use]
    pub fn new(name: &'static str, pulse: Pulse) -> Self {
        Self {
            name,
            seen: pulse.turns(),
            pulse,
            moved: Instant::now(),
        }
    }

    /// How long the thread has not moved.
    fn still(&mut self, now: Instant) -> Duration {
        let turns = self.pulse.turns();
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
    /// Watches `threads` and tells `manager`: ready once `live` shows samples or the reason why
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
            patience: manager.watchdog_interval().map(|interval| interval / 2),
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
    patience: Option<Duration>,
    ready: bool,
    status: String,
    status_sent: Option<Instant>,
    stuck: Option<&'static str>,
}

impl Watch {
    fn run(mut self, stop: &AtomicBool, reload_asked: &AtomicBool, mut reload: impl FnMut()) {
        let pause = self
            .patience
            .map_or(LOOK_EVERY, |patience| (patience / 4).min(LOOK_EVERY));
        while !stop.load(Ordering::Relaxed) {
            if reload_asked.swap(false, Ordering::Relaxed) {
                let monotonic_us = crate::acquisition::SystemClock::relation().monotonic.0 / 1_000;
                self.manager.tell(&Notice::Reloading { monotonic_us });
                reload();
                self.manager.tell(&Notice::Ready);
            }
            self.look(Instant::now());
            std::thread::park_timeout(pause);
        }
        self.manager.tell(&Notice::Stopping);
    }

    fn look(&mut self, now: Instant) {
        let live = self.live.snapshot();
        let alive = self.feed(now);
        let status = match alive {
            Err(name) => format!("thread {name} stands still"),
            Ok(()) => status_line(&live),
        };
        self.show(status, now);
        if !self.ready && is_ready(&live) {
            self.ready = true;
            self.manager.tell(&Notice::Ready);
        }
    }

    /// Feeds the watchdog, or names the thread that keeps it from being fed.
    fn feed(&mut self, now: Instant) -> Result<(), &'static str> {
        let Some(patience) = self.patience else {
            return Ok(());
        };
        let stuck = self
            .threads
            .iter_mut()
            .find_map(|thread| (thread.still(now) > patience).then_some(thread.name));
        if self.stuck != stuck {
            match stuck {
                Some(name) => tracing::error!(
                    thread = name,
                    "stands still for more than {patience:?}: the watchdog is no longer fed"
                ),
                None => tracing::warn!("every thread moves again"),
            }
            self.stuck = stuck;
        }
        match stuck {
            Some(name) => Err(name),
            None => {
                self.manager.tell(&Notice::Alive);
                Ok(())
            }
        }
    }

    fn show(&mut self, status: String, now: Instant) {
        let due = self
            .status_sent
            .is_none_or(|sent| now.saturating_duration_since(sent) >= STATUS_EVERY);
        if due && status != self.status {
            self.manager.tell(&Notice::Status(status.clone()));
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
