//! The whole chain: traces through driver, signal chain and classifier to committed rows.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::Arguments;
use super::process::{cpu_seconds, peak_resident_kib};
use crate::cli::failure::{Failure, other};
use crate::cli::progress;
use crate::cli::session::{LoadedModel, run_trace};
use crate::cli::traces::DEMO_TRACES;
use crate::pipeline::PipelineEvent;
use crate::service::{Gateway, GatewayOptions};
use crate::store::StoreOptions;

#[derive(Serialize)]
pub(super) struct Summary {
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

pub(super) fn measure(
    arguments: &Arguments,
    model: &LoadedModel,
    stop: &AtomicBool,
) -> Result<Summary, Failure> {
    // Gone with all in it, however the measurement ends.
    let folder = tempfile::Builder::new()
        .prefix("ecg-gateway-bench-")
        .tempdir()
        .map_err(|error| other(std::env::temp_dir().display(), error))?;
    let temporary = folder.path().join("ecg.db");
    let database = arguments.db.as_deref().unwrap_or(&temporary);
    let gateway = Gateway::open(&GatewayOptions {
        database: database.to_owned(),
        store: StoreOptions::default(),
        socket: None,
    })?;
    let wanted_s = arguments.hours() * 3600.0;
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
            model,
            stop,
            &mut |event| beats += u64::from(matches!(event, PipelineEvent::Beat(_))),
        )?;
        if stop.load(Ordering::Relaxed) {
            bar.finish_and_clear();
            gateway.close().map_err(Failure::from)?;
            return Err(super::interrupted("chain"));
        }
        ended.map_err(|failure| failure.of_database(database))?;
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
    Ok(Summary {
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
             peak resident memory {} KiB, database {} bytes",
            self.model,
            self.engine,
            self.seconds_of_ecg,
            self.samples,
            self.beats,
            self.seconds,
            self.realtime_factor,
            or_unknown(self.cpu_seconds.map(|seconds| format!("{seconds:.2}"))),
            or_unknown(
                self.realtime_factor_per_core
                    .map(|factor| format!("{factor:.0}"))
            ),
            or_unknown(self.peak_resident_kib.map(|kib| kib.to_string())),
            self.database_bytes,
        )
    }
}
