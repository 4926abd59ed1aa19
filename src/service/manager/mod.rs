//! What the service manager is told: readiness, status, and that every thread is alive.

#[cfg(feature = "systemd")]
mod systemd;
mod watch;

pub use watch::{Supervision, Watched};

/// One message to the service manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The service does its job, or the reason why it cannot is known and told.
    Ready,
    /// One line about what the service is doing.
    Status(String),
    /// Every watched thread has moved lately.
    Alive,
    /// Settings are being read again, since this monotonic time in microseconds.
    Reloading {
        /// `CLOCK_MONOTONIC` at the beginning.
        monotonic_us: u64,
    },
    /// The service is on its way out.
    Stopping,
}

/// Whoever started the service and wants to know how it is.
pub trait ServiceManager: Send {
    /// How soon after an [`Notice::Alive`] the next must follow; `None` if nobody waits for any.
    fn watchdog_interval(&self) -> Option<std::time::Duration>;

    /// Tells. A manager that cannot be reached is logged, not an error: the beats matter more.
    fn tell(&mut self, notice: &Notice);
}

/// Nobody: the program was started by hand, or without the feature `systemd`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoManager;

impl ServiceManager for NoManager {
    fn watchdog_interval(&self) -> Option<std::time::Duration> {
        None
    }

    fn tell(&mut self, _notice: &Notice) {}
}

/// The manager named in the environment (`NOTIFY_SOCKET`), or nobody.
#[must_use]
pub fn service_manager() -> Box<dyn ServiceManager> {
    let asked = std::env::var_os("NOTIFY_SOCKET").is_some();
    #[cfg(feature = "systemd")]
    if asked {
        return Box::new(systemd::Systemd::from_environment());
    }
    if asked {
        tracing::warn!(
            "NOTIFY_SOCKET is set, but this program was built without the feature systemd: \
             readiness and watchdog are not served"
        );
    }
    Box::new(NoManager)
}
