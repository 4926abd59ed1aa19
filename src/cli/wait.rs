//! Waiting for a signal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Sleeps until a signal raises `stop`.
pub(super) fn serve_until_stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
}
