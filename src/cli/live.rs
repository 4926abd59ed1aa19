//! The live chip as the configuration describes it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::failure::{Cause, Failure, other};
use super::session::LoadedModel;
use crate::acquisition::{
    EdgeNumbers, FrameSource, QueuedSource, RealtimeGranted, RecoveryPolicy, Session, SourceInfo,
    SystemClock,
};
use crate::config::Config;

/// How trouble of the chip is dealt with.
pub(super) fn care(config: &Config) -> RecoveryPolicy {
    let rate = config.acquisition.chip.rate;
    let every = config.acquisition.register_check;
    let care = RecoveryPolicy::bedside(rate, config.device.wiring.spi_hz, every);
    if let Some(every) = care.inspect_every.filter(|_| care.inspect_every != every) {
        tracing::info!(
            every_s = every.as_secs(),
            "a look at the registers costs samples at this rate and is done more seldom"
        );
    }
    care
}

/// Samples the ring between acquisition and pipeline holds: 2 s at the fastest rate, half a minute
/// at 500 SPS.
const RING_LENGTH: usize = 16_384;

/// Reads `source` on a thread of its own from now on, until `stop` is raised.
pub(super) fn start<S: FrameSource + Send + 'static>(
    source: S,
    config: &Config,
    stop: &Arc<AtomicBool>,
) -> Result<QueuedSource<S>, Failure> {
    let source = QueuedSource::start(source, RING_LENGTH, config.realtime, Arc::clone(stop))
        .map_err(|error| other("acquisition thread", error))?;
    say_what_is_missing(source.info(), source.granted());
    Ok(source)
}

/// Says what the acquisition has to do without.
fn say_what_is_missing(source: &SourceInfo, granted: &RealtimeGranted) {
    for refused in &granted.refused {
        tracing::warn!("not granted, samples may be lost under load: {refused}");
    }
    if source.edge_numbers == EdgeNumbers::Reader {
        tracing::warn!(
            "the kernel does not number DRDY edges (GPIO interface v1): a lost one is known only \
             from a hole in the time stamps"
        );
    }
}

/// What a recording's header says about the session.
pub(super) fn session(config: &Config) -> Session {
    Session {
        start: SystemClock::relation(),
        start_by_pin: config.device.wiring.start_line.is_some(),
        leads: config.acquisition.channel_names.clone(),
        description: String::new(),
    }
}

/// The network that labels the beats; `cause` is to blame where its engine is not there.
pub(super) fn model(config: &Config, cause: Cause) -> Result<LoadedModel, Failure> {
    LoadedModel::load(&config.model.name, config.model.engine, cause)
}
