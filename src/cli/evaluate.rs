//! `ecg-gateway evaluate`: the whole chain over a WFDB database, against its annotations.

mod database;
mod record;
mod report;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::{Args, ValueEnum};

use self::record::{Evaluation, evaluate_record};
use self::report::Report;
use super::arguments::TreatmentArguments;
use super::failure::{Cause, Failure, other};
use super::progress;
use super::session::LoadedModel;
use crate::pipeline::SignalChoice;

/// Run the whole chain (own detector, own classifier) over the records of a WFDB database and
/// compare with its annotations.
///
/// Beats are paired within 150 ms by the rules of ANSI/AAMI EC57 as PhysioNet's bxb applies them;
/// the first five minutes of each record are its learning period and not scored. Escape beats count
/// as SVEB, as in bxb.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Directory of the database: a RECORDS file, or all its .hea files.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Only these records.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    records: Option<Vec<String>>,
    /// What is evaluated.
    #[arg(long, value_enum, default_value = "chain")]
    protocol: Protocol,
    /// Signal to read, counted from 0 as WFDB tools do; `auto` takes lead II where the record names
    /// one, else the first, with one further signal as its stand-in.
    #[arg(long, value_name = "auto|N", default_value = "auto", value_parser = signal_choice)]
    channel: SignalChoice,
    #[command(flatten)]
    treatment: TreatmentArguments,
    /// Ending of the reference annotations.
    #[arg(long, value_name = "EXT", default_value = "atr")]
    reference: String,
    /// Learning period, seconds; records shorter than twice this have none.
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0, value_parser = learning_seconds)]
    learning_seconds: f64,
    /// Write the labelled beats as WFDB annotations with this ending.
    #[arg(long, value_name = "EXT", requires = "out")]
    write_annotations: Option<String>,
    /// Directory for the annotations.
    #[arg(long, value_name = "DIR", requires = "write_annotations")]
    out: Option<PathBuf>,
    /// Records evaluated at a time [default: one a processor].
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// Own detector, own classifier, EC57 beat-by-beat comparison.
    Chain,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let model = arguments.treatment.load()?;
    let names = match &arguments.records {
        Some(names) => names.clone(),
        None => database::record_names(&arguments.data)?,
    };
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).map_err(|error| other(folder.display(), error))?;
    }
    let began = Instant::now();
    let evaluations = all_records(arguments, &names, &model);
    let mut records = Vec::with_capacity(evaluations.len());
    let mut failures = Vec::new();
    for evaluation in evaluations {
        match evaluation {
            Ok(evaluation) => records.push(evaluation),
            Err(failure) => failures.push(failure),
        }
    }
    let Protocol::Chain = arguments.protocol;
    let report = Report::new(&model, arguments.learning_seconds, records, began.elapsed());
    if !report.is_empty() {
        report.print(arguments.json)?;
    }
    // What could be evaluated has been printed; the first record that could not ends the command.
    let count = failures.len();
    failures.into_iter().next().map_or(Ok(()), |first| {
        let others = if count > 1 {
            format!(" (and {} more records)", count - 1)
        } else {
            String::new()
        };
        Err(Failure::new(
            first.cause,
            format!("{}{others}", first.message),
        ))
    })
}

/// Evaluates the records on several threads; results come in the order of the names.
fn all_records(
    arguments: &Arguments,
    names: &[String],
    model: &LoadedModel,
) -> Vec<Result<Evaluation, Failure>> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments
        .jobs
        .map_or(processors, NonZeroUsize::get)
        .clamp(1, names.len().max(1));
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let bar = progress::bar(names.len() as u64, "records");
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((position, name)) = {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    names.get(position).map(|name| (position, name))
                } {
                    let result = evaluate_record(arguments, name, model);
                    results
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((position, result));
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}

fn learning_seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "expected a number of seconds".to_owned())?;
    if seconds.is_finite() && seconds >= 0.0 {
        Ok(seconds)
    } else {
        Err("expected 0 or more seconds".to_owned())
    }
}

fn signal_choice(text: &str) -> Result<SignalChoice, String> {
    if text == "auto" {
        return Ok(SignalChoice::Auto);
    }
    text.parse()
        .map(SignalChoice::Fixed)
        .map_err(|_| "expected `auto` or a number".to_owned())
}

impl From<crate::pipeline::RecordError> for Failure {
    fn from(error: crate::pipeline::RecordError) -> Self {
        Self::new(Cause::Wfdb, error)
    }
}
