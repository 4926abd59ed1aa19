//! The daemon's own path in real time: simulated chip, acquisition thread, ring, pipeline, store,
//! socket, and a client of the stream that looks at the clock.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ads1292::simulator::BoardOptions;
use ads1292::{ChipConfig, DataRate};
use ecg_chain::MonotonicNs;
use serde::Serialize;

use super::arguments::{Arguments, interrupted};
use super::process::peak_resident_kib;
use crate::acquisition::{
    Clock, FrameSource, Paced, QueuedSource, Realtime, Session, SyntheticEcg, SystemClock,
    open_simulated,
};
use crate::api::ApiOptions;
use crate::cli::failure::{Failure, other};
use crate::cli::session::LoadedModel;
use crate::service::{Gateway, GatewayOptions, SessionOptions};
use crate::store::StoreOptions;

/// Length of a run, and with `--quick`.
const SECONDS: [f64; 2] = [60.0, 5.0];
/// What `run` has between acquisition and pipeline.
const RING_LENGTH: usize = 16_384;
/// `[realtime] priority` unless changed.
const PRIORITY: u8 = 50;
/// A frame of 72 bits in a third of the period at 8000 SPS.
const SCLK_HZ: u32 = 2_000_000;

#[derive(Serialize)]
pub(super) struct Summary {
    sample_rate_hz: u32,
    seconds: f64,
    samples: u64,
    missing_samples: u64,
    ring_places: usize,
    ring_highest: usize,
    realtime_priority: Option<u8>,
    memory_locked: bool,
    beats: u64,
    beats_streamed: usize,
    batch_ms: u128,
    /// From the R peak's sample to the beat's event at a client of the stream.
    latency_ms: Option<Latency>,
    /// The part of it that is signal: from the R peak to the newest sample the label needed.
    label_delay_ms: Option<Latency>,
    peak_resident_kib: Option<u64>,
}

#[derive(Serialize, Clone, Copy)]
struct Latency {
    median: f64,
    p99: f64,
    longest: f64,
}

impl Latency {
    fn from_values(mut values: Vec<f64>) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |hundredths: usize| values.get(last * hundredths / 100).copied();
        Some(Self {
            median: at(50)?,
            p99: at(99)?,
            longest: at(100)?,
        })
    }
}

pub(super) fn measure(
    arguments: &Arguments,
    model: &LoadedModel,
    options: SessionOptions,
    stop: &Arc<AtomicBool>,
) -> Result<Summary, Failure> {
    let seconds = SECONDS[usize::from(arguments.quick)];
    let folder = tempfile::Builder::new()
        .prefix("ecg-gateway-realtime-")
        .tempdir()
        .map_err(|error| other(std::env::temp_dir().display(), error))?;
    run((model, options), stop, folder.path(), seconds)
}

fn run(
    (model, options): (&LoadedModel, SessionOptions),
    stop: &Arc<AtomicBool>,
    folder: &Path,
    seconds: f64,
) -> Result<Summary, Failure> {
    let socket = folder.join("api.sock");
    let store = StoreOptions::default();
    let batch_ms = store.commit_after.as_millis();
    let gateway = Gateway::open(&GatewayOptions {
        database: folder.join("ecg.db"),
        store,
        socket: Some(ApiOptions::at(&socket)),
    })?
    .watching_clock(SystemClock::relation);
    let listening = listen(&socket).map_err(|error| other(socket.display(), error))?;
    let rate = DataRate::Sps8000;
    let board = BoardOptions::new().sclk_hz(SCLK_HZ);
    let session = Session {
        start: SystemClock::relation(),
        start_by_pin: false,
        leads: Default::default(),
        description: String::new(),
    };
    let config = ChipConfig::default().with_rate(rate);
    let heart = SyntheticEcg::new(72.0, Some(seconds));
    let simulated = open_simulated(&board, config, heart, session, None)?;
    let realtime = Realtime {
        priority: PRIORITY,
        lock_memory: true,
    };
    let mut source = QueuedSource::start(
        Paced::new(simulated),
        RING_LENGTH,
        realtime,
        Arc::clone(stop),
    )
    .map_err(|error| other("acquisition thread", error))?;
    let named = ("simulation", "synthetic");
    let session = options.prepare(named, source.info(), model.live_engine())?;
    let outcome = gateway.run_session(&mut source, session, stop, |_| {});
    // The last beats are labelled and committed at the end; their events are on their way.
    std::thread::sleep(Duration::from_millis(500));
    let report = outcome.report;
    let granted = source.granted().clone();
    let ring = source.gauge().level();
    gateway.close()?;
    let heard = listening.join().unwrap_or_default();
    if stop.load(Ordering::Relaxed) {
        return Err(interrupted("real time"));
    }
    outcome.ended?;
    Ok(Summary {
        sample_rate_hz: rate.hz(),
        seconds,
        samples: report.samples,
        missing_samples: report.missing_samples,
        ring_places: ring.capacity,
        ring_highest: ring.highest,
        realtime_priority: granted.priority,
        memory_locked: granted.memory_locked,
        beats: report.beats_by_class.iter().sum(),
        beats_streamed: heard.len(),
        batch_ms,
        latency_ms: Latency::from_values(heard.iter().map(|beat| beat.0).collect()),
        label_delay_ms: Latency::from_values(heard.iter().map(|beat| beat.1).collect()),
        peak_resident_kib: peak_resident_kib(),
    })
}

/// A client of the stream: latency and label delay of each beat, milliseconds, until the stream ends.
fn listen(socket: &Path) -> std::io::Result<JoinHandle<Vec<(f64, f64)>>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    std::thread::Builder::new()
        .name("client".to_owned())
        .spawn(move || {
            let mut beats = Vec::new();
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { break };
                let now = SystemClock.now();
                beats.extend(
                    line.strip_prefix("data:")
                        .and_then(|data| latency(data.trim(), now)),
                );
            }
            beats
        })
}

/// Of a beat's data; `None` for anything else.
fn latency(data: &str, now: MonotonicNs) -> Option<(f64, f64)> {
    let beat: serde_json::Value = serde_json::from_str(data).ok()?;
    let r_us = beat.get("r_monotonic_us")?.as_u64()?;
    let label_delay_ms = beat.get("label_delay_ms")?.as_f64()?;
    let since_ns = now.since(MonotonicNs(r_us.saturating_mul(1_000)));
    Some((since_ns as f64 / 1e6, label_delay_ms))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let priority = self.realtime_priority;
        let priority = priority.map_or_else(|| "refused".to_owned(), |of| of.to_string());
        let locked = if self.memory_locked {
            "locked"
        } else {
            "not locked"
        };
        writeln!(
            f,
            "Real time, {} SPS for {} s: {} samples, {} missing; at most {} of {} places of the ring \
             taken\n\
             SCHED_FIFO priority {priority}, memory {locked}\n\
             {} beats, {} of them streamed",
            self.sample_rate_hz,
            self.seconds,
            self.samples,
            self.missing_samples,
            self.ring_highest,
            self.ring_places,
            self.beats,
            self.beats_streamed
        )?;
        for (what, latency) in [
            ("R peak to stream event", self.latency_ms),
            ("of that, signal the label waits for", self.label_delay_ms),
        ] {
            if let Some(Latency {
                median,
                p99,
                longest,
            }) = latency
            {
                writeln!(
                    f,
                    "{what}: median {median:.0} ms, p99 {p99:.0} ms, longest {longest:.0} ms"
                )?;
            }
        }
        write!(
            f,
            "beats are committed {} ms after they are found at the latest",
            self.batch_ms
        )
    }
}
