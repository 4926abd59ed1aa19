//! The whole chain: traces through driver, signal chain and classifier to committed rows.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ecg_chain::PipelineEvent;
use ecg_evaluate::whole;
use serde::Serialize;

use super::arguments::{Arguments, interrupted};
use super::process::{cpu_seconds, peak_resident_kib};
use crate::cli::failure::{Failure, other};
use crate::cli::progress;
use crate::cli::session::{LoadedModel, run_trace};
use crate::cli::traces::DEMO_TRACES;
use crate::service::{Gateway, GatewayOptions, SessionOptions};
use crate::store::StoreOptions;

#[derive(Serialize)]
pub(super) struct Summary {
    model: String,
    engine: String,
    #[serde(flatten)]
    run: Run,
    realtime_factor: f64,
    realtime_factor_per_core: Option<f64>,
    peak_resident_kib: Option<u64>,
    database_bytes: u64,
    seconds_without_hashes: f64,
    database_bytes_without_hashes: u64,
    hash_cost_ratio: f64,
}

/// One run over the traces.
#[derive(Serialize)]
struct Run {
    seconds_of_ecg: f64,
    samples: u64,
    beats: u64,
    seconds: f64,
    cpu_seconds: Option<f64>,
    #[serde(skip)]
    database_bytes: u64,
}

/// Runs with and without the chain of hashes take turns, this often each; the fastest of each count for
/// the ratio, because whatever else runs only ever makes them slower.
const TURNS: usize = 3;

/// With the chain of hashes, as everywhere else, and without it for what it costs.
pub(super) fn measure(
    arguments: &Arguments,
    model: &LoadedModel,
    options: SessionOptions,
    stop: &AtomicBool,
) -> Result<Summary, Failure> {
    let once = |database, chained| run((arguments, options), model, database, chained, stop);
    let first = once(arguments.db.as_deref(), true)?;
    let peak_resident_kib = peak_resident_kib();
    let mut chained = vec![first.time()];
    let mut without = Vec::new();
    let mut bytes_without = 0;
    for turn in 0..TURNS {
        if turn > 0 {
            chained.push(once(None, true)?.time());
        }
        let plain = once(None, false)?;
        bytes_without = plain.database_bytes;
        without.push(plain.time());
    }
    let fastest = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(Summary {
        model: model.name().to_owned(),
        engine: model.engine().engine().to_owned(),
        realtime_factor: first.seconds_of_ecg / first.seconds,
        realtime_factor_per_core: first.cpu_seconds.map(|cpu| first.seconds_of_ecg / cpu),
        peak_resident_kib,
        database_bytes: first.database_bytes,
        seconds_without_hashes: fastest(&without),
        database_bytes_without_hashes: bytes_without,
        hash_cost_ratio: fastest(&chained) / fastest(&without),
        run: first,
    })
}

impl Run {
    /// Of the processor where it can be told: it does not wait for the disk.
    fn time(&self) -> f64 {
        self.cpu_seconds.unwrap_or(self.seconds)
    }
}

fn run(
    (arguments, options): (&Arguments, SessionOptions),
    model: &LoadedModel,
    database: Option<&Path>,
    chained: bool,
    stop: &AtomicBool,
) -> Result<Run, Failure> {
    // Gone with all in it, however the measurement ends.
    let folder = tempfile::Builder::new()
        .prefix("ecg-gateway-bench-")
        .tempdir()
        .map_err(|error| other(std::env::temp_dir().display(), error))?;
    let temporary = folder.path().join("ecg.db");
    let database = database.unwrap_or(&temporary);
    let gateway = Gateway::open(&GatewayOptions {
        database: database.to_owned(),
        store: StoreOptions {
            chained,
            ..StoreOptions::default()
        },
        socket: None,
    })?;
    let wanted_s = arguments.hours() * 3600.0;
    let cpu_before = cpu_seconds();
    let began = Instant::now();
    let (mut seconds_of_ecg, mut samples, mut beats) = (0.0, 0, 0);
    let bar = progress::bar(whole(wanted_s), "s of ECG");
    for trace in DEMO_TRACES.iter().cycle() {
        let (report, ended) = run_trace(
            &gateway,
            trace.open()?,
            (Path::new(trace.file), options),
            model,
            stop,
            |event| beats += u64::from(matches!(event, PipelineEvent::Beat(_))),
        )?;
        if stop.load(Ordering::Relaxed) {
            bar.finish_and_clear();
            gateway.close().map_err(Failure::from)?;
            return Err(interrupted("chain"));
        }
        ended.map_err(|failure| failure.naming_database(database))?;
        seconds_of_ecg += report.seconds_of_ecg;
        samples += report.samples;
        bar.set_position(whole(seconds_of_ecg));
        if seconds_of_ecg >= wanted_s {
            break;
        }
    }
    gateway.close().map_err(Failure::from)?;
    let seconds = began.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let cpu = cpu_before.zip(cpu_seconds());
    let database_bytes = std::fs::metadata(database)
        .map_err(|error| other(database.display(), error))?
        .len();
    Ok(Run {
        seconds_of_ecg,
        samples,
        beats,
        seconds,
        cpu_seconds: cpu.map(|(before, after)| after - before),
        database_bytes,
    })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "unknown".to_owned());
        write!(
            f,
            "model {} on {}: {:.0} s of ECG, {} samples, {} beats\n\
             {:.2} s to the last committed row: {:.0} times real time\n\
             {} s of processor time: {} times real time on one core\n\
             peak resident memory {} KiB, database {} bytes\n\
             the chain of hashes: {:.3} times the time and {:.3} times the bytes of rows without it",
            self.model,
            self.engine,
            self.run.seconds_of_ecg,
            self.run.samples,
            self.run.beats,
            self.run.seconds,
            self.realtime_factor,
            or_unknown(self.run.cpu_seconds.map(|seconds| format!("{seconds:.2}"))),
            or_unknown(
                self.realtime_factor_per_core
                    .map(|factor| format!("{factor:.0}"))
            ),
            or_unknown(self.peak_resident_kib.map(|kib| kib.to_string())),
            self.database_bytes,
            self.hash_cost_ratio,
            self.database_bytes as f64 / self.database_bytes_without_hashes.max(1) as f64,
        )
    }
}
