//! What the service manager is told: readiness, status, and that every thread is alive.

mod notice;
#[cfg(feature = "systemd")]
mod systemd;
mod watch;

pub use notice::{NoManager, Notice, ServiceManager};
pub use watch::{Supervision, Watched};

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
