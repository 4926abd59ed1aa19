//! `ecg-gateway bench`: how fast the whole chain is, and how much memory it takes.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::arguments::TreatmentArguments;
use super::failure::{Failure, other};
use super::output;
use super::progress;
use super::session::run_trace;
use super::traces::DEMO_TRACES;
use crate::pipeline::PipelineEvent;
use crate::service::{Gateway, GatewayOptions};
use crate::store::StoreOptions;

/// Measure the whole chain: 500 SPS traces replayed through driver, signal chain and classifier to
/// committed SQLite rows.
///
/// The shipped traces are replayed again and again. Run it under `taskset -c 0` for the speed of
/// one core; `realtime_factor_per_core` divides by the processor time of all threads instead.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Signal time to replay at least.
    #[arg(long, value_name = "HOURS", default_value_t = 2.0)]
    hours: f64,
    /// SQLite database to write [default: a new one in the folder for temporary files, removed].
    #[arg(long, value_name = "FILE")]
    db: Option<PathBuf>,
    #[command(flatten)]
    treatment: TreatmentArguments,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary {
    model: String,
    engine: String,
    seconds_of_ecg: f64,
    samples: u64,
    beats: u64,
    seconds: f64,
    cpu_seconds: Option<f64>,
    realtime_factor: f64,
    realtime_factor_per_core: Option<f64>,
    peak_resident_kib: Option<u64>,
    database_bytes: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let model = arguments.treatment.load()?;
    let temporary =
        std::env::temp_dir().join(format!("ecg-gateway-bench-{}.db", std::process::id()));
    let database = arguments.db.as_deref().unwrap_or(&temporary);
    let gateway = Gateway::open(&GatewayOptions {
        database: database.to_owned(),
        store: StoreOptions::default(),
        socket: None,
    })?;
    let stop = AtomicBool::new(false);
    let wanted_s = arguments.hours * 3600.0;
    let cpu_before = cpu_seconds();
    let began = Instant::now();
    let (mut seconds_of_ecg, mut samples, mut beats) = (0.0, 0, 0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturating"
    )]
    let bar = progress::bar(wanted_s as u64, "s of ECG");
    for trace in DEMO_TRACES.iter().cycle() {
        let (report, ended) = run_trace(
            &gateway,
            trace.open()?,
            (Path::new(trace.file), arguments.treatment.treatment()),
            &model,
            &stop,
            &mut |event| beats += u64::from(matches!(event, PipelineEvent::Beat(_))),
        )?;
        ended?;
        seconds_of_ecg += report.seconds_of_ecg;
        samples += report.samples;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturating"
        )]
        bar.set_position(seconds_of_ecg as u64);
        if seconds_of_ecg >= wanted_s {
            break;
        }
    }
    gateway.close().map_err(Failure::from)?;
    let seconds = began.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let cpu = cpu_before
        .zip(cpu_seconds())
        .map(|(before, after)| after - before);
    let database_bytes = std::fs::metadata(database)
        .map_err(|error| other(database.display(), error))?
        .len();
    if arguments.db.is_none() {
        remove(&temporary);
    }
    let summary = Summary {
        model: model.name().to_owned(),
        engine: model.engine().engine().to_owned(),
        seconds_of_ecg,
        samples,
        beats,
        seconds,
        cpu_seconds: cpu,
        realtime_factor: seconds_of_ecg / seconds,
        realtime_factor_per_core: cpu.map(|cpu| seconds_of_ecg / cpu),
        peak_resident_kib: peak_resident_kib(),
        database_bytes,
    };
    print(&summary, arguments.json)
}

fn print(summary: &Summary, json: bool) -> Result<(), Failure> {
    if json {
        return output::json(summary);
    }
    let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
    output::text_line(&format!(
        "model {} on {}: {:.0} s of ECG, {} samples, {} beats\n\
         {:.2} s to the last committed row: {:.0} times real time\n\
         {} s of processor time: {} times real time on one core\n\
         peak resident memory {} KiB, database {} bytes",
        summary.model,
        summary.engine,
        summary.seconds_of_ecg,
        summary.samples,
        summary.beats,
        summary.seconds,
        summary.realtime_factor,
        or_unknown(summary.cpu_seconds.map(|seconds| format!("{seconds:.2}"))),
        or_unknown(
            summary
                .realtime_factor_per_core
                .map(|factor| format!("{factor:.0}"))
        ),
        or_unknown(summary.peak_resident_kib.map(|kib| kib.to_string())),
        summary.database_bytes,
    ))
}

/// Processor time of all threads so far, from `/proc/self/stat` (fields 14 and 15, 100 Hz).
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The command's name may hold blanks; it ends with the last parenthesis.
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / 100.0)
}

/// The process's largest resident size so far.
fn peak_resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn remove(database: &Path) {
    for ending in ["", "-wal", "-shm", ".lock"] {
        let mut path = database.as_os_str().to_owned();
        path.push(ending);
        // What is not there need not be removed; what cannot be is only left-over.
        let _ = std::fs::remove_file(path);
    }
}
