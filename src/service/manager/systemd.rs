//! systemd's notification protocol (`sd_notify(3)`), through libsystemd.

use std::time::Duration;

use systemd::daemon::{
    STATE_READY, STATE_RELOADING, STATE_STATUS, STATE_STOPPING, STATE_WATCHDOG, notify,
    watchdog_enabled,
};

use super::notice::{Notice, ServiceManager};

/// systemd behind `NOTIFY_SOCKET`.
#[derive(Debug)]
pub(super) struct Systemd {
    watchdog: Option<Duration>,
    /// A failure is logged once, not once a second.
    failed: bool,
}

impl Systemd {
    /// Reads `WATCHDOG_USEC` and `WATCHDOG_PID` (`sd_watchdog_enabled(3)`).
    pub(super) fn from_environment() -> Self {
        let watchdog = match watchdog_enabled() {
            Ok(0) => None,
            Ok(interval_us) => Some(Duration::from_micros(interval_us)),
            Err(error) => {
                tracing::warn!(%error, "WATCHDOG_USEC cannot be read: no watchdog is fed");
                None
            }
        };
        Self {
            watchdog,
            failed: false,
        }
    }
}

impl ServiceManager for Systemd {
    fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog
    }

    fn notify(&mut self, notice: &Notice) {
        let monotonic;
        let state: &[(&str, &str)] = match notice {
            Notice::Ready => &[(STATE_READY, "1")],
            Notice::Status(text) => &[(STATE_STATUS, text)],
            Notice::Alive => &[(STATE_WATCHDOG, "1")],
            Notice::Reloading { monotonic_us } => {
                monotonic = monotonic_us.to_string();
                &[(STATE_RELOADING, "1"), ("MONOTONIC_USEC", &monotonic)]
            }
            Notice::Stopping => &[(STATE_STOPPING, "1")],
        };
        match notify(state.iter()) {
            Ok(_) => self.failed = false,
            Err(error) if !self.failed => {
                self.failed = true;
                tracing::warn!(%error, ?notice, "the service manager cannot be reached");
            }
            Err(_) => {}
        }
    }
}
