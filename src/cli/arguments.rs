//! Options several commands share.

use std::path::Path;

use clap::{Args, ValueEnum};

use super::failure::{Cause, Failure};
use super::session::{ECG_BLOCK_SECONDS, LoadedModel, Treatment};
use crate::ads1292::ChipModel;
use crate::explain::{ExplainPolicy, ExplainWhich, Method};
use crate::model::Rejection;
use crate::model::choose::EngineChoice;
use crate::pipeline::Details;
use crate::signal::{ChannelChoice, Mains};

/// How the signal is treated and labelled.
#[derive(Debug, Clone, Args)]
pub(super) struct TreatmentArguments {
    /// Network that labels the beats: a built-in name (v1, v2, v1-context, v2-context), a name in
    /// models/evaluation or the folder $ECG_MODELS names, or a .safetensors file.
    #[arg(long, value_name = "NAME", default_value = "v1")]
    model: String,
    /// What runs the network: whatever is measured to be faster, the CPU, or the GPU (a software one
    /// too; needs a program built with GPU support).
    #[arg(long, value_name = "NAME", value_enum, default_value = "auto")]
    engine: EngineArgument,
    /// Mains frequency to take out.
    #[arg(long, value_name = "HZ", value_enum, default_value = "60")]
    mains: MainsArgument,
    /// Beats whose class is less probable than this are unclassifiable; 0 is no limit [default: the
    /// model's own limit, if it has one].
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    unclassifiable_below: Option<f64>,
    /// Do not call beats unclassifiable for being unlike every class the model knows.
    #[arg(long)]
    ignore_novelty: bool,
    /// Beats that get a map of why they were called what they were, stored with them.
    #[arg(long, value_name = "WHICH", value_enum, default_value = "on-request")]
    explain: ExplainArgument,
    /// How they are explained.
    #[arg(long, value_name = "METHOD", value_enum, default_value = "gradcam")]
    explain_method: MethodArgument,
}

/// Beats whose class is less probable are of low confidence; the configuration can say otherwise.
const LOW_CONFIDENCE: f64 = 0.8;

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum ExplainArgument {
    /// None as they come; any stored beat later.
    OnRequest,
    /// Every beat.
    All,
    /// Those not called N, and unclassifiable ones.
    Abnormal,
    /// Those of a class less probable than 0.8, and unclassifiable ones.
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

impl MethodArgument {
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
    pub(super) fn choice(self) -> EngineChoice {
        match self {
            Self::Auto => EngineChoice::Auto,
            Self::Cpu => EngineChoice::Cpu,
            Self::Gpu => EngineChoice::Gpu,
        }
    }
}

impl TreatmentArguments {
    /// The model with its engines.
    pub(super) fn load(&self) -> Result<LoadedModel, Failure> {
        LoadedModel::load(&self.model, self.engine.choice(), Cause::Usage)
    }

    /// Whether only the CPU may classify.
    pub(super) fn is_cpu_only(&self) -> bool {
        self.engine == EngineArgument::Cpu
    }

    pub(super) fn treatment(&self) -> Treatment {
        Treatment {
            mains: self.mains.filter(),
            channel: ChannelChoice::Auto,
            ecg_block_seconds: Some(ECG_BLOCK_SECONDS),
            rejection: Rejection {
                confidence: self.unclassifiable_below,
                novelty: !self.ignore_novelty,
            },
            details: Details::explaining(ExplainPolicy {
                which: match self.explain {
                    ExplainArgument::OnRequest => ExplainWhich::OnRequest,
                    ExplainArgument::All => ExplainWhich::All,
                    ExplainArgument::Abnormal => ExplainWhich::Abnormal,
                    ExplainArgument::LowConfidence => ExplainWhich::LowConfidence,
                },
                method: self.explain_method.method(),
                low_confidence: LOW_CONFIDENCE,
            }),
        }
    }
}

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
        super::require_chip(self.chip.map(ChipName::model), found, path.display())
    }
}
