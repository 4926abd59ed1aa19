//! `ecg-gateway bench`: how fast the whole chain and the classifier are, and how much memory they
//! take.

mod chain;
mod classifier;
mod contestant;
mod peak;
mod process;
mod realtime;
mod table;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::arguments::TreatmentArguments;
use super::failure::{Cause, Failure, other};
use super::{live, output};
use crate::service::stop_on_signals;

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
pub(super) struct Arguments {
    /// Measure only this.
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// Signal time to replay at least [default: 2, with --quick 0.2].
    #[arg(long, value_name = "HOURS")]
    hours: Option<f64>,
    /// A short run that shows that all works; its figures are rough.
    #[arg(long)]
    quick: bool,
    /// SQLite database to write [default: a new one in the folder for temporary files, removed].
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    #[command(flatten)]
    treatment: TreatmentArguments,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The whole chain.
    Chain,
    /// The classifier.
    Classifier,
    /// The daemon's path at 8000 SPS for a minute (--quick: 5 s): samples lost, latency.
    Realtime,
}

impl Arguments {
    fn hours(&self) -> f64 {
        self.hours.unwrap_or(if self.quick { 0.2 } else { 2.0 })
    }

    fn measures(&self, part: Part) -> bool {
        // A minute of real time only where it is asked for.
        self.part
            .map_or(part != Part::Realtime, |only| only == part)
    }
}

/// How a part ends that a signal interrupts: figures over less would pass for those of the whole.
fn interrupted(part: &str) -> Failure {
    Failure::new(
        Cause::Interrupted,
        format!("bench: interrupted by a signal while the {part} was measured, no figures of it"),
    )
}

#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    chain: Option<chain::Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classifier: Option<classifier::Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    realtime: Option<realtime::Summary>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let stop = stop_on_signals().map_err(|error| other("signal handlers", error))?;
    let config = arguments.treatment.of_shipped_traces();
    let model = live::model(&config, Cause::Usage)?;
    let mut summary = Summary {
        chain: None,
        classifier: None,
        realtime: None,
    };
    if arguments.measures(Part::Chain) {
        let chain = chain::measure(arguments, &model, live::treatment(&config), &stop)?;
        if !arguments.json {
            output::text_line(&chain.to_string())?;
        }
        summary.chain = Some(chain);
    }
    if arguments.measures(Part::Classifier) {
        let classifier = classifier::measure(&model, arguments.quick, &stop)?;
        if !arguments.json {
            output::text_line(&table::text(&classifier))?;
        }
        summary.classifier = Some(classifier);
    }
    if arguments.measures(Part::Realtime) {
        let realtime = realtime::measure(arguments, &model, live::treatment(&config), &stop)?;
        if !arguments.json {
            output::text_line(&realtime.to_string())?;
        }
        summary.realtime = Some(realtime);
    }
    if arguments.json {
        output::json(&summary)?;
    }
    Ok(())
}
