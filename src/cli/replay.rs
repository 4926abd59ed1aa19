//! `ecg-gateway replay`: recorded traces into the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use arrhythmianet::choose::EngineChoice;
use clap::Args;
use ecg_chain::Injection;
use serde::Serialize;

use super::arguments::{ChipArgument, TreatmentArguments};
use super::failure::{Cause, Failure};
use super::output::{self, ByClass};
use super::session::{LoadedModel, run_trace, trace_failure};
use super::terminal::printable;
use super::wait::stop_on_signals;
use super::{live, progress};
use crate::acquisition::{FrameSource, open_replay};
use crate::api::{ApiOptions, ServiceState};
use crate::config::Config;
use crate::service::{Gateway, GatewayOptions};
use crate::store::StoreOptions;

/// Replay recorded SPI traces through the driver, the signal chain and the classifier into a
/// database.
///
/// A trace that was cut is replayed up to the cut; its beats are stored and the command ends with
/// exit code 20.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Traces made by `record` or `simulate`, plain or gzip.
    #[arg(required = true, value_name = "TRACE")]
    traces: Vec<PathBuf>,
    /// SQLite database to write; created if it does not exist.
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// Serve the database on this Unix socket while replaying.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Go on serving the socket when the traces are done, until interrupted.
    #[arg(long, requires = "socket")]
    serve: bool,
    #[command(flatten)]
    chip: ChipArgument,
    /// Treat and label the signal as a daemon of this configuration file does: its sections `[signal]`,
    /// `[model]` and `[explain]`, and of `[store]` whether and in what blocks the raw ECG is kept. What the
    /// command line names goes before it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    treatment: TreatmentArguments,
    /// Make something go wrong on the host, to see that no beat is lost: `gpu-lost@TIME` (such as
    /// 90s after a session's start) or `gpu-lost@BEAT` takes the GPU away with that beat on it.
    #[arg(long, value_name = "FAULT", value_parser = super::injection::parse)]
    inject: Option<Arc<Injection>>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary {
    database: PathBuf,
    sessions: Vec<SessionSummary>,
    failed: Vec<FailedTrace>,
    beats: u64,
    by_class: ByClass,
    unclassifiable: u64,
    seconds_of_ecg: f64,
    seconds: f64,
    realtime_factor: f64,
}

/// A trace with something wrong: what was readable before it is in `sessions`.
#[derive(Serialize)]
struct FailedTrace {
    trace: String,
    reason: String,
}

#[derive(Serialize)]
struct SessionSummary {
    trace: PathBuf,
    session: Option<i64>,
    beats: u64,
    by_class: ByClass,
    unclassifiable: u64,
    gaps: u64,
    missing_samples: u64,
    bad_frames: u64,
    seconds_of_ecg: f64,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = configuration(arguments)?;
    let cause = if arguments.config.is_some() && !arguments.treatment.names_model() {
        Cause::Configuration
    } else {
        Cause::Usage
    };
    let mut model = live::model(&config, cause)?;
    model.injection = injection(arguments, &config)?;
    let stop = stop_on_signals()?;
    let gateway = Gateway::open(&GatewayOptions {
        database: arguments.db.clone(),
        store: StoreOptions::default(),
        socket: arguments.socket.as_ref().map(ApiOptions::at),
    })?;
    let began = Instant::now();
    let mut sessions = Vec::new();
    // Traces with something wrong; the others are replayed all the same.
    let mut failed = Vec::new();
    let mut ended = Ok(());
    let bar = progress::bar(arguments.traces.len() as u64, "traces");
    for path in &arguments.traces {
        let trace_ended = match replay_one((path, &config), &gateway, arguments, &model, &stop) {
            Ok((session, trace_ended)) => {
                sessions.push(session);
                trace_ended
            }
            Err(failure) => Err(failure),
        };
        match trace_ended {
            Ok(()) => {}
            Err(failure) if failure.cause.is_of_one_trace() => {
                failed.push((path.display().to_string(), failure));
            }
            Err(failure) => {
                ended = Err(failure.naming_database(&arguments.db));
                break;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let seconds = began.elapsed().as_secs_f64();
    // A summary after a failed store would count rows that nobody can read.
    let stored = !matches!(&ended, Err(failure) if failure.cause.is_database());
    if stored && !(sessions.is_empty() && failed.len() < 2) {
        print(
            &summarise(arguments, sessions, &failed, seconds),
            arguments.json,
        )?;
    }
    let ended = ended.and_then(|()| Failure::first_of_batch(failed));
    gateway.announce(ServiceState::Finished, None);
    if arguments.serve && ended.is_ok() {
        super::wait::serve_until_stopped(&stop);
    }
    let closed = gateway.close();
    ended.and(closed.map_err(|error| Failure::from(error).naming_database(&arguments.db)))
}

/// What the daemon would do, changed by the command line.
fn configuration(arguments: &Arguments) -> Result<Config, Failure> {
    let base = match &arguments.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    Ok(arguments.treatment.over(base))
}

fn injection(arguments: &Arguments, config: &Config) -> Result<Option<Arc<Injection>>, Failure> {
    if arguments.inject.is_some() && config.model.engine == EngineChoice::Cpu {
        return Err(Failure::new(
            Cause::Usage,
            "--inject gpu-lost: engine cpu has no GPU to lose, expected gpu or auto",
        ));
    }
    Ok(arguments.inject.clone())
}

/// Replays one trace: what its session holds, and how the trace ended. Without a session there is
/// the failure alone.
fn replay_one(
    (path, config): (&Path, &Config),
    gateway: &Gateway,
    arguments: &Arguments,
    model: &LoadedModel,
    stop: &AtomicBool,
) -> Result<(SessionSummary, Result<(), Failure>), Failure> {
    let trace = open_replay(path).map_err(|error| trace_failure(path, error))?;
    arguments.chip.require(trace.0.info().chip, path)?;
    let whose = format!("that of {}", path.display());
    if let Some(warning) = model.stranger_warning_for_source(trace.0.info(), &whose) {
        output::warn(&warning);
    }
    let (report, ended) = run_trace(
        gateway,
        trace,
        (path, config.session()),
        model,
        stop,
        |_| {},
    )?;
    let by_class = ByClass(report.beats_by_class);
    let summary = SessionSummary {
        trace: path.to_owned(),
        session: report.session,
        beats: by_class.total(),
        by_class,
        unclassifiable: report.unclassifiable,
        gaps: report.gaps,
        missing_samples: report.missing_samples,
        bad_frames: report.bad_frames,
        seconds_of_ecg: report.seconds_of_ecg,
    };
    Ok((summary, ended))
}

fn summarise(
    arguments: &Arguments,
    sessions: Vec<SessionSummary>,
    failed: &[(String, Failure)],
    seconds: f64,
) -> Summary {
    let mut by_class = ByClass::default();
    for session in &sessions {
        by_class.add_all(session.by_class);
    }
    let seconds_of_ecg: f64 = sessions.iter().map(|session| session.seconds_of_ecg).sum();
    Summary {
        database: arguments.db.clone(),
        beats: by_class.total(),
        by_class,
        unclassifiable: sessions.iter().map(|session| session.unclassifiable).sum(),
        seconds_of_ecg,
        seconds,
        realtime_factor: seconds_of_ecg / seconds,
        failed: failed
            .iter()
            .map(|(trace, failure)| FailedTrace {
                trace: trace.clone(),
                reason: failure.message.clone(),
            })
            .collect(),
        sessions,
    }
}

fn print(summary: &Summary, json: bool) -> Result<(), Failure> {
    if json {
        return output::json(summary);
    }
    for session in &summary.sessions {
        output::text_line(&format!(
            "{}: {:.1} s of ECG, {} beats ({}{}), {} samples missing in {} gaps",
            session.trace.display(),
            session.seconds_of_ecg,
            session.beats,
            session.by_class.line(),
            output::unclassifiable(session.unclassifiable),
            session.missing_samples,
            session.gaps,
        ))?;
    }
    for failed in &summary.failed {
        let sentence = format!("Failed {}: {}.", failed.trace, failed.reason);
        output::text_line(&printable(&sentence))?;
    }
    output::text_line(&format!(
        "{}: {} beats in {:.2} s, {:.0} times real time",
        summary.database.display(),
        summary.beats,
        summary.seconds,
        summary.realtime_factor
    ))
}
