//! The log: lines on standard error, so that standard output holds results only; under systemd
//! structured entries in the journal (feature `systemd`).

use std::sync::OnceLock;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// Changes the level of the running log.
static LEVEL: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts the log at `level`; `RUST_LOG` overrides it. Only the first call of
/// a process counts.
pub(super) fn start(level: Level) {
    let filter = from_environment().unwrap_or_else(|| at(level));
    let (filter, handle) = reload::Layer::new(filter);
    // A second subscriber is refused, which is what we want.
    if tracing_subscriber::registry()
        .with(filter)
        .with(destination())
        .try_init()
        .is_ok()
    {
        let _ = LEVEL.set(handle);
    }
}

/// Changes the level of the log from here on; `RUST_LOG`, where it is set, still overrides it.
pub(super) fn set_level(level: Level) {
    if let (Some(handle), None) = (LEVEL.get(), from_environment()) {
        // Only a log that is gone refuses.
        let _ = handle.reload(at(level));
    }
}

/// `RUST_LOG`: a level, or `target=level` pairs with commas between them. What cannot be read counts
/// as not set.
fn from_environment() -> Option<Targets> {
    std::env::var("RUST_LOG").ok()?.parse().ok()
}

/// Everything from this level up, and always the audit and the heads of the chain, which must not be
/// silenced with the rest.
fn at(level: Level) -> Targets {
    let always = level.max(Level::INFO);
    Targets::new()
        .with_default(level)
        .with_target("audit", always)
        .with_target("chain", always)
}

type Destination<S> = Box<dyn Layer<S> + Send + Sync>;

fn destination<S>() -> Destination<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    #[cfg(feature = "systemd")]
    if let Some(journal) = journal() {
        return journal.boxed();
    }
    tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .boxed()
}

/// The journal, where standard error leads there (`JOURNAL_STREAM`, systemd.exec(5)).
#[cfg(feature = "systemd")]
fn journal() -> Option<tracing_journald::Layer> {
    use std::os::unix::fs::MetadataExt;

    let announced = std::env::var("JOURNAL_STREAM").ok()?;
    let error_output = std::fs::metadata("/proc/self/fd/2").ok()?;
    let ours = format!("{}:{}", error_output.dev(), error_output.ino());
    if announced != ours {
        return None;
    }
    tracing_journald::layer().ok()
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::at;

    #[test]
    fn no_level_silences_the_audit_or_the_heads_of_the_chain() {
        for level in [
            Level::ERROR,
            Level::WARN,
            Level::INFO,
            Level::DEBUG,
            Level::TRACE,
        ] {
            let targets = at(level);
            for target in ["audit", "chain"] {
                assert!(
                    targets.would_enable(target, &Level::INFO),
                    "{level} {target}"
                );
            }
        }
        assert!(!at(Level::WARN).would_enable("ecg_gateway::store", &Level::INFO));
        assert!(at(Level::DEBUG).would_enable("chain", &Level::DEBUG));
    }
}
