//! The live chip and its treatment as the configuration describes them.
//!
//! The configuration has been checked when it was read, so a value without a counterpart cannot
//! come up here; the chip's own default stands in for the compiler's sake.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ads1292::{
    ChannelSettings, ChipConfig, ChipModel, DataRate, Gain, InputMux, LeadOffCurrent, LeadOffMode,
    LeadOffSense, LeadOffThreshold, Loff, Reference, RightLegDrive,
};
use arrhythmianet::Rejection;
use arrhythmianet::choose::EngineChoice;
use arrhythmianet::explain::{ExplainPolicy, ExplainWhich, Method};
use ecg_chain::Details;
use ecg_signal::{ChannelChoice, Mains};

use super::failure::{Cause, Failure, other};
use super::session::LoadedModel;
use crate::acquisition::{
    EdgeNumbers, FrameSource, GpioAbi, LiveOptions, QueuedSource, Realtime, RealtimeGranted,
    RecoveryPolicy, Session, SourceInfo, SystemClock,
};
use crate::config::{self, AcquisitionConfig, ChipExpected, Config, ExplainConfig, ModelConfig};
use crate::service::SessionOptions;

/// Where the chip is connected.
pub(super) fn wiring(config: &Config) -> LiveOptions {
    let device = &config.device;
    LiveOptions {
        spi_device: device.spi_path.clone(),
        spi_hz: device.spi_speed_hz,
        gpio_chip: device.gpio_chip.clone(),
        drdy_line: device.drdy_line,
        start_line: device.start_line.0,
        reset_line: device.reset_line.0,
        gpio_abi: match device.gpio_abi {
            config::GpioAbi::Auto => None,
            config::GpioAbi::V1 => Some(GpioAbi::V1),
            config::GpioAbi::V2 => Some(GpioAbi::V2),
        },
    }
}

/// How trouble of the chip is dealt with.
pub(super) fn care(config: &Config) -> RecoveryPolicy {
    let rate = chip(&config.acquisition).rate;
    let every = match config.acquisition.register_check_seconds {
        0 => None,
        seconds => Some(Duration::from_secs(seconds.into())),
    };
    let care = RecoveryPolicy::bedside(rate, config.device.spi_speed_hz, every);
    if let Some(every) = care.inspect_every.filter(|_| care.inspect_every != every) {
        tracing::info!(
            every_s = every.as_secs(),
            "a look at the registers costs samples at this rate and is done more seldom"
        );
    }
    care
}

/// What the acquisition thread asks of the kernel.
fn realtime(config: &Config) -> Realtime {
    Realtime {
        priority: config.realtime.priority,
        lock_memory: config.realtime.lock_memory,
    }
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
    let source = QueuedSource::start(source, RING_LENGTH, realtime(config), Arc::clone(stop))
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

/// The part that must answer; `None` takes either.
pub(super) fn expected_chip(config: &Config) -> Option<ChipModel> {
    match config.device.chip {
        ChipExpected::Any => None,
        ChipExpected::Ads1292 => Some(ChipModel::Ads1292),
        ChipExpected::Ads1292r => Some(ChipModel::Ads1292R),
    }
}

/// What the chip is set to.
pub(super) fn chip(acquisition: &AcquisitionConfig) -> ChipConfig {
    let mut chip = ChipConfig::default()
        .with_rate(DataRate::from_hz(acquisition.sample_rate_hz).unwrap_or_default());
    for (channel, factor) in chip
        .channels
        .iter_mut()
        .zip([acquisition.gain_ch1, acquisition.gain_ch2])
    {
        let gain = Gain::from_factor(factor).unwrap_or_default();
        *channel = ChannelSettings::On {
            gain,
            input: InputMux::NormalElectrode,
        };
    }
    if acquisition.reference_volts > 4.0 {
        chip.reference = Reference::Internal4V033;
    }
    if !acquisition.right_leg_drive {
        chip.right_leg = RightLegDrive::default();
    }
    chip.lead_off_comparators = acquisition.lead_off_detection;
    if !acquisition.lead_off_detection {
        chip.lead_off_sense = LeadOffSense::default();
    }
    chip.lead_off = Loff {
        threshold: LeadOffThreshold::ALL
            .into_iter()
            .find(|threshold| {
                (f64::from(threshold.percent()) - acquisition.lead_off_threshold_percent).abs()
                    < 0.1
            })
            .unwrap_or_default(),
        current: LeadOffCurrent::ALL
            .into_iter()
            .find(|current| current.nanoamperes() == acquisition.lead_off_current_na)
            .unwrap_or_default(),
        mode: match acquisition.lead_off_mode {
            config::LeadOffMode::Dc => LeadOffMode::Dc,
            config::LeadOffMode::Ac => LeadOffMode::Ac,
        },
    };
    chip
}

/// What a recording's header says about the session.
pub(super) fn session(config: &Config) -> Session {
    Session {
        start: SystemClock::relation(),
        start_by_pin: config.device.start_line.0.is_some(),
        leads: config.acquisition.channel_names.clone(),
        description: String::new(),
    }
}

/// The network that labels the beats; `cause` is to blame where its engine is not there.
pub(super) fn model(config: &Config, cause: Cause) -> Result<LoadedModel, Failure> {
    let choice = match config.model.engine {
        config::EngineChoice::Auto => EngineChoice::Auto,
        config::EngineChoice::Cpu => EngineChoice::Cpu,
        config::EngineChoice::Gpu => EngineChoice::Gpu,
    };
    LoadedModel::load(&config.model.name, choice, cause)
}

/// How the signal is treated and labelled: the same for the chip and for a trace of it.
pub(super) fn session_options(config: &Config) -> SessionOptions {
    let signal = &config.signal;
    SessionOptions {
        mains: match signal.mains_hz {
            50 => Mains::Hz50,
            60 => Mains::Hz60,
            _ => Mains::None,
        },
        channel: match signal.channel {
            config::ChannelChoice::Auto => ChannelChoice::Auto,
            config::ChannelChoice::Fixed(channel) => {
                ChannelChoice::Fixed(usize::from(channel.saturating_sub(1)))
            }
        },
        ecg_block_seconds: config
            .store
            .keep_ecg
            .then(|| f64::from(config.store.ecg_block_seconds)),
        rejection: rejection(&config.model),
        details: details(&config.explain),
    }
}

/// Which beats are explained as they come.
fn details(explain: &ExplainConfig) -> Details {
    let policy = ExplainPolicy {
        which: match explain.beats {
            config::ExplainBeats::OnRequest => ExplainWhich::OnRequest,
            config::ExplainBeats::All => ExplainWhich::All,
            config::ExplainBeats::Abnormal => ExplainWhich::Abnormal,
            config::ExplainBeats::LowConfidence => ExplainWhich::LowConfidence,
        },
        method: match explain.method {
            config::ExplainMethod::GradCam => Method::GradCam,
            config::ExplainMethod::GradCamFine => Method::GradCamFine,
            config::ExplainMethod::Shap => Method::Shap,
        },
        low_confidence: explain.low_confidence_below,
    };
    Details::explaining(policy)
}

/// When a beat is unclassifiable.
fn rejection(model: &ModelConfig) -> Rejection {
    Rejection {
        confidence: match model.unclassifiable_below {
            config::ConfidenceLimit::OfModel => None,
            config::ConfidenceLimit::Below(probability) => Some(probability),
        },
        novelty: model.novelty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_is_the_chips_default_set_up() {
        assert_eq!(chip(&Config::default().acquisition), ChipConfig::default());
    }

    #[test]
    fn every_acquisition_key_reaches_the_chip() {
        let default = Config::default().acquisition;
        type Change = (&'static str, fn(&mut AcquisitionConfig));
        let changes: [Change; 9] = [
            ("sample_rate_hz", |acquisition| {
                acquisition.sample_rate_hz = 1000;
            }),
            ("gain_ch1", |acquisition| acquisition.gain_ch1 = 12),
            ("gain_ch2", |acquisition| acquisition.gain_ch2 = 1),
            ("reference_volts", |acquisition| {
                acquisition.reference_volts = 4.033;
            }),
            ("right_leg_drive", |acquisition| {
                acquisition.right_leg_drive = false;
            }),
            ("lead_off_detection", |acquisition| {
                acquisition.lead_off_detection = false;
            }),
            ("lead_off_mode", |acquisition| {
                acquisition.lead_off_mode = config::LeadOffMode::Ac;
            }),
            ("lead_off_current_na", |acquisition| {
                acquisition.lead_off_current_na = 22_000;
            }),
            ("lead_off_threshold_percent", |acquisition| {
                acquisition.lead_off_threshold_percent = 70.0;
            }),
        ];
        let mut seen = vec![chip(&default)];
        for (key, change) in changes {
            let mut acquisition = default.clone();
            change(&mut acquisition);
            let changed = chip(&acquisition);
            assert!(!seen.contains(&changed), "{key} does not reach the chip");
            seen.push(changed);
        }
    }
}
