//! Flags that the usual signals raise.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

/// What the process was asked for by signals.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Turned true by the first SIGINT or SIGTERM.
    pub stop: Arc<AtomicBool>,
    /// Turned true by every SIGHUP; whoever acts on it turns it false.
    pub reload: Arc<AtomicBool>,
}

/// From now on a write beyond the limit of file sizes (`ulimit -f`, `LimitFSIZE=`) fails with `EFBIG`,
/// as one on a full disk does, instead of ending the process by SIGXFSZ without a word: a signal with
/// any handler does not end anything. The handler itself does nothing and stays for good.
///
/// # Errors
/// The system's, where the handler cannot be set up.
pub fn outlive_file_size_limit() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _inside = runtime.enter();
    let kind = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    signal(kind).map(drop)
}

/// How long after the first SIGINT or SIGTERM another one is taken for the same request.
/// `timeout` signals its child and then its process group, and a terminal's Ctrl-C reaches a program
/// both itself and through a wrapper that passes it on: one wish, two signals.
const SAME_REQUEST: Duration = Duration::from_secs(1);

/// A flag that turns true at the first SIGINT or SIGTERM. A signal that comes more than a second
/// later ends the process at once with code 130: committed rows are safe whenever that happens.
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
                let mut first = None;
                loop {
                    let ends = tokio::select! {
                        _ = interrupt.recv() => true,
                        _ = terminate.recv() => true,
                        () = next(hangup.as_mut()) => false,
                    };
                    if !ends {
                        raised.reload.store(true, Ordering::Relaxed);
                        continue;
                    }
                    raised.stop.store(true, Ordering::Relaxed);
                    if is_repeated(&mut first, Instant::now()) {
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

/// Whether a signal at `now` asks again for what the one at `first` asked for; keeps the first.
fn is_repeated(first: &mut Option<Instant>, now: Instant) -> bool {
    now.duration_since(*first.get_or_insert(now)) > SAME_REQUEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_signal_that_comes_later_than_a_second_ends_the_process() {
        let start = Instant::now();
        let mut first = None;
        let answers = [0, 1, 999, 1000, 1001, 5000]
            .map(|ms| is_repeated(&mut first, start + Duration::from_millis(ms)));
        assert_eq!(answers, [false, false, false, false, true, true]);
    }
}
