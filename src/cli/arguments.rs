//! Options several commands share.

use std::path::Path;

use ads1292::ChipModel;
use arrhythmianet::choose::EngineChoice;
use arrhythmianet::explain::{ExplainWhich, Method};
use clap::Args;
use ecg_signal::{ChannelChoice, Mains};

use super::failure::Failure;
use crate::config::Config;

/// Where the configuration file is unless the command line says otherwise.
pub(super) const CONFIG_FILE: &str = "/etc/ecg-gateway/ecg-gateway.toml";

/// How the signal is treated and labelled. What is not given is as the daemon has it.
#[derive(Debug, Clone, Args)]
pub(super) struct TreatmentArguments {
    /// Network that labels the beats: a built-in name (v1, v2, v1-context, v2-context), a name in
    /// models/evaluation or the folder $ECG_MODELS names, or a .safetensors file [default:
    /// v1-context].
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// What runs the network: whatever is measured to be faster, the CPU, or the GPU (a software one
    /// too; needs a program built with GPU support) [default: auto].
    #[arg(long, value_name = "NAME", value_enum)]
    engine: Option<EngineChoice>,
    /// Mains frequency to take out [default: 50, but 60 for the shipped traces, which were recorded
    /// where it is 60].
    #[arg(long, value_name = "HZ", value_enum)]
    mains: Option<Mains>,
    /// Channel the beats are found in and cut from, counted from 1; `auto` takes the first unless the
    /// other is clearly better [default: auto].
    #[arg(long, value_name = "auto|1|2", value_parser = channel_choice)]
    channel: Option<ChannelChoice>,
    /// Beats whose class is less probable than this are unclassifiable; 0 is no limit [default: the
    /// model's own limit, if it has one].
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    unclassifiable_below: Option<f64>,
    /// Do not call beats unclassifiable for being unlike every class the model knows.
    #[arg(long)]
    ignore_novelty: bool,
    /// Beats that get a map of why they were called what they were, stored with them [default:
    /// on-request].
    #[arg(long, value_name = "WHICH", value_enum)]
    explain: Option<ExplainWhich>,
    /// How they are explained [default: gradcam].
    #[arg(long, value_name = "METHOD", value_enum)]
    explain_method: Option<Method>,
}

pub(super) fn probability(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|probability| (0.0..=1.0).contains(probability))
        .ok_or_else(|| "expected a number 0 to 1".to_owned())
}

impl TreatmentArguments {
    /// `base` with what the command line says instead.
    pub(super) fn over(&self, mut config: Config) -> Config {
        let Config {
            signal,
            model,
            explain,
            ..
        } = &mut config;
        if let Some(name) = &self.model {
            model.name.clone_from(name);
        }
        model.engine = self.engine.unwrap_or(model.engine);
        let confidence = &mut model.rejection.confidence;
        *confidence = self.unclassifiable_below.or(*confidence);
        model.rejection.novelty &= !self.ignore_novelty;
        signal.mains = self.mains.unwrap_or(signal.mains);
        signal.channel = self.channel.unwrap_or(signal.channel);
        explain.which = self.explain.unwrap_or(explain.which);
        explain.method = self.explain_method.unwrap_or(explain.method);
        config
    }

    /// For the shipped traces.
    pub(super) fn for_shipped_traces(&self) -> Config {
        let mut config = Config::default();
        config.signal.mains = SHIPPED_MAINS;
        self.over(config)
    }

    /// Whether the command line names the model or what runs it.
    pub(super) fn names_model(&self) -> bool {
        self.model.is_some() || self.engine.is_some()
    }
}

/// The mains frequency where the shipped traces were recorded.
pub(super) const SHIPPED_MAINS: Mains = Mains::Hz60;

/// `auto`, `1` or `2`.
fn channel_choice(text: &str) -> Result<ChannelChoice, String> {
    match text {
        "auto" => Ok(ChannelChoice::Auto),
        "1" => Ok(ChannelChoice::Fixed(0)),
        "2" => Ok(ChannelChoice::Fixed(1)),
        "0" => Err(COUNTED_FROM_1.to_owned()),
        _ => Err("expected auto, 1 or 2".to_owned()),
    }
}

/// The place of a signal that people count from 1; the problem with a number they do not count with,
/// none where it is no number.
pub(super) fn signal_number(text: &str) -> Result<usize, Option<String>> {
    let number: usize = text.trim().parse().map_err(|_| None)?;
    number
        .checked_sub(1)
        .ok_or_else(|| Some(COUNTED_FROM_1.to_owned()))
}

/// Said of a 0 where a channel or signal is meant: earlier versions counted from 0.
const COUNTED_FROM_1: &str = "channels and signals are counted from 1: expected 1 for the first";

/// The chip that must have made a trace.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ChipArgument {
    /// Refuse traces of any other chip.
    #[arg(long, value_enum)]
    chip: Option<ChipModel>,
}

impl ChipArgument {
    pub(super) fn require(self, found: ChipModel, path: &Path) -> Result<(), Failure> {
        super::chip::require_chip(self.chip, found, path.display())
    }
}
