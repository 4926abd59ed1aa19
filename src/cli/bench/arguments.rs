//! What is to be measured.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::arguments::TreatmentArguments;
use crate::cli::failure::{Cause, Failure};

/// Measure the whole chain, then the classifier.
///
/// Chain: the shipped 500 SPS traces are replayed again and again through driver, signal chain and
/// classifier to committed SQLite rows. Run it under `taskset -c 0` for the speed of one core;
/// `realtime_factor_per_core` divides by the processor time of all threads instead.
///
/// Real time (only with `--part realtime`): the simulated chip at 8000 SPS through the acquisition
/// thread, pipeline, store and socket to a client of the stream.
///
/// Classifier: every engine of this machine in turns, alone and in batches, beside what the
/// processor's multiply-add units can do at most.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Measure only this.
    #[arg(long, value_enum)]
    pub(super) part: Option<Part>,
    /// Signal time to replay at least [default: 2, with --quick 0.2].
    #[arg(long, value_name = "HOURS")]
    pub(super) hours: Option<f64>,
    /// A short run that shows that all works; its figures are rough.
    #[arg(long)]
    pub(super) quick: bool,
    /// SQLite database to write [default: a new one in the folder for temporary files, removed].
    #[arg(long, value_name = "FILE")]
    pub(super) db: Option<PathBuf>,
    #[command(flatten)]
    pub(super) treatment: TreatmentArguments,
    /// Print one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Part {
    /// The whole chain.
    Chain,
    /// The classifier.
    Classifier,
    /// The daemon's path at 8000 SPS for a minute (--quick: 5 s): samples lost, latency.
    Realtime,
}

impl Arguments {
    pub(super) fn hours(&self) -> f64 {
        self.hours.unwrap_or(if self.quick { 0.2 } else { 2.0 })
    }

    pub(super) fn measures(&self, part: Part) -> bool {
        // A minute of real time only where it is asked for.
        self.part
            .map_or(part != Part::Realtime, |only| only == part)
    }
}

/// How a part ends that a signal interrupts: figures over less would pass for those of the whole.
pub(super) fn interrupted(part: &str) -> Failure {
    Failure::new(
        Cause::Interrupted,
        format!("bench: interrupted by a signal while the {part} was measured, no figures of it"),
    )
}
