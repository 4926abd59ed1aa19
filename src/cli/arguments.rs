//! Options several commands share.

use std::path::Path;

use ads1292::ChipModel;
use arrhythmianet::choose::EngineChoice;
use arrhythmianet::explain::Method;
use clap::{Args, ValueEnum};
use ecg_signal::Mains;

use super::failure::Failure;
use crate::config::{self, Config};

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
    engine: Option<EngineArgument>,
    /// Mains frequency to take out [default: 50, but 60 for the shipped traces, which were recorded
    /// where it is 60].
    #[arg(long, value_name = "HZ", value_enum)]
    mains: Option<MainsArgument>,
    /// Channel the beats are found in and cut from, counted from 1; `auto` takes the first unless the
    /// other is clearly better [default: auto].
    #[arg(long, value_name = "auto|1|2", value_parser = channel_choice)]
    channel: Option<config::ChannelChoice>,
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
    explain: Option<ExplainArgument>,
    /// How they are explained [default: gradcam].
    #[arg(long, value_name = "METHOD", value_enum)]
    explain_method: Option<MethodArgument>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ExplainArgument {
    /// None as they come; any stored beat later.
    OnRequest,
    /// Every beat.
    All,
    /// Those not called N, and unclassifiable ones.
    Abnormal,
    /// Those of a class less probable than 0.8 (or what the configuration says), and unclassifiable
    /// ones.
    LowConfidence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum MethodArgument {
    /// Grad-CAM over the last feature maps.
    Gradcam,
    /// Grad-CAM over an earlier, finer layer.
    GradcamFine,
    /// SHAP values against 32 real beats.
    Shap,
}

impl ExplainArgument {
    const fn configured(self) -> config::ExplainBeats {
        match self {
            Self::OnRequest => config::ExplainBeats::OnRequest,
            Self::All => config::ExplainBeats::All,
            Self::Abnormal => config::ExplainBeats::Abnormal,
            Self::LowConfidence => config::ExplainBeats::LowConfidence,
        }
    }
}

impl MethodArgument {
    const fn configured(self) -> config::ExplainMethod {
        match self {
            Self::Gradcam => config::ExplainMethod::GradCam,
            Self::GradcamFine => config::ExplainMethod::GradCamFine,
            Self::Shap => config::ExplainMethod::Shap,
        }
    }

    pub(super) fn method(self) -> Method {
        match self {
            Self::Gradcam => Method::GradCam,
            Self::GradcamFine => Method::GradCamFine,
            Self::Shap => Method::Shap,
        }
    }
}

pub(super) fn probability(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|probability| (0.0..=1.0).contains(probability))
        .ok_or_else(|| "expected a number 0 to 1".to_owned())
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum MainsArgument {
    /// 50 Hz.
    #[value(name = "50")]
    Hz50,
    /// 60 Hz.
    #[value(name = "60")]
    Hz60,
    /// Leave it in.
    None,
}

impl MainsArgument {
    /// As the configuration has it: 0 for none.
    pub(super) const fn hz(self) -> u32 {
        match self {
            Self::Hz50 => 50,
            Self::Hz60 => 60,
            Self::None => 0,
        }
    }

    pub(super) fn filter(self) -> Mains {
        match self {
            Self::Hz50 => Mains::Hz50,
            Self::Hz60 => Mains::Hz60,
            Self::None => Mains::None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum EngineArgument {
    /// The faster one, measured at the start for single beats and for backlogs.
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU.
    Gpu,
}

impl EngineArgument {
    const fn configured(self) -> config::EngineChoice {
        match self {
            Self::Auto => config::EngineChoice::Auto,
            Self::Cpu => config::EngineChoice::Cpu,
            Self::Gpu => config::EngineChoice::Gpu,
        }
    }

    pub(super) fn choice(self) -> EngineChoice {
        match self {
            Self::Auto => EngineChoice::Auto,
            Self::Cpu => EngineChoice::Cpu,
            Self::Gpu => EngineChoice::Gpu,
        }
    }
}

impl TreatmentArguments {
    /// `base` with what the command line says instead.
    pub(super) fn over(&self, base: Config) -> Config {
        let Config {
            mut signal,
            mut model,
            mut explain,
            ..
        } = base.clone();
        if let Some(name) = &self.model {
            model.name.clone_from(name);
        }
        if let Some(engine) = self.engine {
            model.engine = engine.configured();
        }
        if let Some(probability) = self.unclassifiable_below {
            model.unclassifiable_below = config::ConfidenceLimit::Below(probability);
        }
        model.novelty &= !self.ignore_novelty;
        if let Some(mains) = self.mains {
            signal.mains_hz = mains.hz();
        }
        if let Some(channel) = self.channel {
            signal.channel = channel;
        }
        if let Some(beats) = self.explain {
            explain.beats = beats.configured();
        }
        if let Some(method) = self.explain_method {
            explain.method = method.configured();
        }
        Config {
            signal,
            model,
            explain,
            ..base
        }
    }

    /// For the shipped traces.
    pub(super) fn of_shipped_traces(&self) -> Config {
        let mut config = Config::default();
        config.signal.mains_hz = SHIPPED_MAINS.hz();
        self.over(config)
    }

    /// Whether the command line names the model or what runs it.
    pub(super) fn names_model(&self) -> bool {
        self.model.is_some() || self.engine.is_some()
    }
}

/// The mains frequency where the shipped traces were recorded.
pub(super) const SHIPPED_MAINS: MainsArgument = MainsArgument::Hz60;

/// `auto`, `1` or `2`.
fn channel_choice(text: &str) -> Result<config::ChannelChoice, String> {
    match text {
        "auto" => Ok(config::ChannelChoice::Auto),
        "1" => Ok(config::ChannelChoice::Fixed(1)),
        "2" => Ok(config::ChannelChoice::Fixed(2)),
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
    chip: Option<ChipName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ChipName {
    /// TI ADS1292.
    Ads1292,
    /// TI ADS1292R, the part with respiration.
    Ads1292r,
}

impl ChipName {
    pub(super) fn model(self) -> ChipModel {
        match self {
            Self::Ads1292 => ChipModel::Ads1292,
            Self::Ads1292r => ChipModel::Ads1292R,
        }
    }
}

impl ChipArgument {
    pub(super) fn require(self, found: ChipModel, path: &Path) -> Result<(), Failure> {
        super::chip::require_chip(self.chip.map(ChipName::model), found, path.display())
    }
}
