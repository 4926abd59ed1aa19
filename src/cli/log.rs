//! The log: lines on standard error, so that standard output holds results only.

use tracing_subscriber::EnvFilter;

/// Starts the log at `level` (`error` to `trace`); `RUST_LOG` overrides it. Only the first call of
/// a process counts.
pub(super) fn start(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // A second subscriber is refused, which is what we want.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .try_init();
}
