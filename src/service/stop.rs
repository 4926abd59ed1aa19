//! Flags that the usual signals raise.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

/// What the process was asked for by signals.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Turned true by the first SIGINT or SIGTERM.
    pub stop: Arc<AtomicBool>,
    /// Turned true by every SIGHUP; whoever acts on it turns it false.
    pub reload: Arc<AtomicBool>,
}

/// A flag that turns true at the first SIGINT or SIGTERM. A second signal ends the process at once
/// with code 130: committed rows are safe whenever that happens.
///
/// # Errors
/// The system's, where handlers or the thread cannot be set up.
pub fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    watch(false).map(|signals| signals.stop)
}

/// As [`stop_on_signals`], with SIGHUP asking for a reload instead of ending the process.
///
/// # Errors
/// The system's, where handlers or the thread cannot be set up.
pub fn watch_signals() -> io::Result<Signals> {
    watch(true)
}

fn watch(hangup_reloads: bool) -> io::Result<Signals> {
    let signals = Signals::default();
    let raised = signals.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let (mut interrupt, mut terminate, mut hangup) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            hangup_reloads
                .then(|| signal(SignalKind::hangup()))
                .transpose()?,
        )
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    let ends = tokio::select! {
                        _ = interrupt.recv() => true,
                        _ = terminate.recv() => true,
                        () = next(hangup.as_mut()) => false,
                    };
                    if !ends {
                        raised.reload.store(true, Ordering::Relaxed);
                    } else if raised.stop.swap(true, Ordering::Relaxed) {
                        std::process::exit(130);
                    }
                }
            });
        })?;
    Ok(signals)
}

/// The next signal of this kind; never where it is not watched.
async fn next(signal: Option<&mut tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
