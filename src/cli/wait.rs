//! Waiting for a signal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::failure::{Failure, other};
use crate::service;

/// A flag that turns true at the first SIGINT or SIGTERM.
pub(super) fn stop_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    service::stop_on_signals().map_err(|error| other("signal handlers", error))
}

/// Sleeps until a signal raises `stop`.
pub(super) fn serve_until_stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
}
