//! Messages to the service manager.

use std::time::Duration;

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
    fn watchdog_interval(&self) -> Option<Duration>;

    /// Sends `notice`. A manager that cannot be reached is logged, not an error: the beats matter more.
    fn notify(&mut self, notice: &Notice);
}

/// Nobody: the program was started by hand, or without the feature `systemd`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoManager;

impl ServiceManager for NoManager {
    fn watchdog_interval(&self) -> Option<Duration> {
        None
    }

    fn notify(&mut self, _notice: &Notice) {}
}
