//! The options of `evaluate`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use arrhythmianet::DEFAULT_MODEL;
use arrhythmianet::choose::EngineChoice;
use clap::{Args, ValueEnum};
use ecg_evaluate::{EscapeRule, NoisePower, SignalChoice};
use ecg_signal::{DetectorWeights, Mains};
use serde::Serialize;

use crate::cli::arguments::{probability, signal_number};

/// Evaluate networks and the whole chain on the records of a WFDB database, against its annotations.
///
/// Figures are gross (all beats together, with a 95 % interval by drawing the records again), per
/// record, and average (mean over the records). On the whole chain beats are paired within 150 ms
/// and runs compared by the rules of ANSI/AAMI EC57 as PhysioNet's bxb and rxr apply them; the first
/// five minutes of each record are its learning period and not scored.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Directory of the database: a RECORDS file, or all its .hea files.
    #[arg(long, value_name = "DIR")]
    pub(super) data: PathBuf,
    /// Only these records.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        conflicts_with = "set"
    )]
    pub(super) records: Option<Vec<String>>,
    /// Only this half of the MIT-BIH Arrhythmia Database [default: ds2 for `inter` where the
    /// database has its records, else all].
    #[arg(long, value_enum)]
    pub(super) set: Option<Set>,
    /// What is evaluated.
    #[arg(long, value_enum, default_value = "chain")]
    pub(super) protocol: Protocol,
    /// Networks that label the beats: built-in names or .safetensors files. Names that differ in
    /// `-seedN` only are seeds of one network, whose mean is printed with its spread.
    #[arg(
        long,
        value_name = "NAMES",
        default_value = DEFAULT_MODEL,
        value_delimiter = ','
    )]
    pub(super) model: Vec<String>,
    /// What runs the networks: whatever is measured to be faster, the CPU, or the GPU (a software one
    /// too; needs a program built with GPU support).
    #[arg(long, value_name = "NAME", value_enum, default_value = "auto")]
    pub(super) engine: EngineChoice,
    /// Mains frequency to take out.
    #[arg(long, value_name = "HZ", value_enum, default_value = "60")]
    pub(super) mains: Mains,
    /// Signal to read, counted from 1; `auto` takes lead II where the record names one, else the first that is not aVR, aVL or III; on the whole chain with one further signal as
    /// its stand-in.
    #[arg(long, value_name = "auto|N", default_value = "auto", value_parser = signal_choice)]
    pub(super) channel: SignalChoice,
    /// Signal to read by the name in the header, e.g. V5; records without it are skipped.
    #[arg(long, value_name = "NAME", conflicts_with = "channel")]
    pub(super) lead: Option<String>,
    /// Ending of the reference annotations.
    #[arg(long, value_name = "EXT", default_value = "atr", alias = "annotator")]
    pub(super) reference: String,
    /// Learning period on the whole chain, seconds; records shorter than twice this have none.
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = not_negative)]
    pub(super) learning_seconds: f64,
    /// Escape beats (e, j, n): `sveb` as bxb counts them, `normal` as de Chazal 2004 [default: normal
    /// for `inter`, sveb for `chain`].
    #[arg(long, value_enum)]
    pub(super) escape: Option<EscapeRule>,
    /// Test beats of the intra-patient protocol.
    #[arg(long, value_name = "FILE", default_value = "models/split-intra.json")]
    pub(super) split: PathBuf,
    /// Weights of the QRS detector: those shipped, or those fitted without any record of DS2.
    #[arg(long, value_name = "NAME", value_enum, default_value = "shipped")]
    pub(super) detector: DetectorWeights,
    /// Beats whose class is less probable than this are unclassifiable; 0 is no limit [default: the
    /// model's own limit, if it has one].
    #[arg(long, value_name = "PROBABILITY", value_parser = probability)]
    pub(super) unclassifiable_below: Option<f64>,
    /// Do not call beats unclassifiable for being unlike every class the model knows.
    #[arg(long)]
    pub(super) ignore_novelty: bool,
    /// What an unclassifiable beat counts as in the AAMI table: `q` as called Q, `class` as the class
    /// of the largest probability all the same [default: q for `chain`, as in the annotations that
    /// are written; class for `inter`, whose figures are compared with networks that reject nothing].
    #[arg(long, value_enum)]
    pub(super) unclassifiable: Option<Unclassifiable>,
    /// Add recorded noise at this signal-to-noise ratio, decibels: from minute 5 on two minutes with
    /// it, two without (noise stress protocol).
    #[arg(
        long,
        value_name = "DB",
        requires = "noise",
        allow_negative_numbers = true
    )]
    pub(super) noise_snr_db: Option<f64>,
    /// WFDB record of the noise, e.g. em of the MIT-BIH Noise Stress Test Database.
    #[arg(long, value_name = "FILE", requires = "noise_snr_db")]
    pub(super) noise: Option<PathBuf>,
    /// What counts as the noise's power.
    #[arg(long, value_enum, default_value = "whole")]
    pub(super) noise_power: NoisePower,
    /// Lose this share of the samples, 0 to 0.9, in random gaps (the same in every run).
    #[arg(long, value_name = "SHARE", value_parser = not_negative)]
    pub(super) drop_samples: Option<f64>,
    /// Write the labelled beats as WFDB annotations with this ending.
    #[arg(long, value_name = "EXT", requires = "out")]
    pub(super) write_annotations: Option<String>,
    /// Write where the P waves, QRS complexes and T waves of the beats begin and end as WFDB
    /// annotations with this ending: ( p ) ( N ) ( t ).
    #[arg(long, value_name = "EXT", requires = "out")]
    pub(super) write_waves: Option<String>,
    /// Directory for the annotations.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Look whether the explanations of rightly labelled beats can be trusted: where they lie, deletion
    /// and insertion against random maps, maps of shuffled weights, R jitter and noise.
    #[arg(long)]
    pub(super) explanations: bool,
    /// Draw the confusion matrix as SVG.
    #[arg(long, value_name = "FILE")]
    pub(super) confusion_picture: Option<PathBuf>,
    /// Records evaluated at a time [default: one a processor].
    #[arg(long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value = "text", conflicts_with = "json")]
    format: Format,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// What is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Protocol {
    /// The paper's: the test beats of a random split, R peaks as annotated, five classes. Their
    /// patients took part in training.
    Intra,
    /// Between patients: all annotated R peaks, AAMI classes N S V F Q.
    Inter,
    /// Own detector, own classifier, EC57 beat-by-beat and run-by-run comparison.
    Chain,
}

/// Records of the MIT-BIH Arrhythmia Database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Set {
    /// De Chazal's training half.
    Ds1,
    /// De Chazal's test half.
    Ds2,
    /// Every record of the database.
    All,
}

/// What an unclassifiable beat counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Unclassifiable {
    /// Called Q.
    Q,
    /// The class of the largest probability.
    Class,
}

/// How the figures are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Tables for a terminal.
    Text,
    /// Tables for a page.
    Markdown,
    /// One object, as `--json`.
    Json,
}

fn not_negative(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if number.is_finite() && number >= 0.0 {
        Ok(number)
    } else {
        Err("expected 0 or more".to_owned())
    }
}

fn signal_choice(text: &str) -> Result<SignalChoice, String> {
    if text == "auto" {
        return Ok(SignalChoice::Auto);
    }
    signal_number(text)
        .map(SignalChoice::Fixed)
        .map_err(|problem| {
            problem.unwrap_or_else(|| "expected `auto` or a number from 1".to_owned())
        })
}
