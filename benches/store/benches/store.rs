//! How fast raw ECG is packed and unpacked, beats are written and read, and a day of them is grouped by
//! shape.

use std::hint::black_box;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use arrhythmianet::BeatClass;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ecg_chain::{
    ClockRelation, EcgBlock, LabelledBeat, MonotonicNs, PipelineEvent, SessionInfo, WallUs,
};
use ecg_gateway::api::{ApiDeps, ApiOptions, ApiServer, SharedLiveStatus, StreamHub};
use ecg_gateway::store::{
    BlockEncoder, RowFilter, Store, StoreOptions, StoreReader, Synchronous, decode,
};
use ecg_signal::SignalQuality;

const START_WALL_US: i64 = 1_700_000_000_000_000;
const RATE_HZ: u64 = 500;
/// R peaks are this many samples apart.
const RR_SAMPLES: u64 = 400;

/// Drift, QRS-like ramps and converter noise of about 27 codes RMS (1.3 µV at gain 6).
fn ecg_like(samples: i32) -> Vec<[i32; 2]> {
    let mut state = 1_u32;
    let mut uniform = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 27).cast_signed() - 16
    };
    let mut noise = move || (0..9).map(|_| uniform()).sum::<i32>();
    (0..samples)
        .map(|k| {
            let phase = k % 400;
            let qrs = if phase < 20 { phase * 1_000 } else { 0 };
            let drift = ((f64::from(k) / 900.0).sin() * 9_000.0) as i32;
            [drift + qrs + noise(), -drift + qrs / 2 + noise()]
        })
        .collect()
}

fn codec(criterion: &mut Criterion) {
    let codes = ecg_like(5_000);
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(2 * codes.len() as u64)); // values of both channels
    for level in [0, 1, 2, 3, 4, 6, 9] {
        let mut encoder = BlockEncoder::new(level);
        let blob = encoder.encode(&codes).expect("a short block");
        let bytes = blob.len() as f64 / (2.0 * codes.len() as f64);
        println!("level {level}: {bytes:.2} bytes per channel sample");
        group.bench_function(format!("encode, level {level}"), |bencher| {
            bencher.iter(|| encoder.encode(black_box(&codes)));
        });
        group.bench_function(format!("decode, level {level}"), |bencher| {
            bencher.iter(|| decode(black_box(&blob)));
        });
    }
    group.finish();
}

fn session() -> SessionInfo {
    SessionInfo {
        source: "replay".to_owned(),
        origin: "bench".to_owned(),
        chip: "ADS1292R".to_owned(),
        sample_rate_hz: RATE_HZ as f64,
        uv_per_code: [0.5, 0.25],
        leads: ["I".to_owned(), "II".to_owned()],
        mains: None,
        channel: None,
        patient_label: None,
        start: ClockRelation {
            monotonic: MonotonicNs(0),
            wall: WallUs(START_WALL_US),
        },
        model: "v1".to_owned(),
        engine: "cpu-reference".to_owned(),
    }
}

fn beat(k: u64) -> PipelineEvent {
    let class = [BeatClass::N, BeatClass::N, BeatClass::N, BeatClass::V][k as usize % 4];
    let mut probabilities = [0.02; 5];
    probabilities[class.index()] = 0.92;
    let r_sample = RR_SAMPLES * (k + 1);
    PipelineEvent::Beat(LabelledBeat {
        r_sample,
        r_time: MonotonicNs(r_sample * 1_000_000_000 / RATE_HZ),
        rr_ms: Some(800.0),
        class,
        unclassifiable: None,
        probabilities,
        channel: 0,
        quality: SignalQuality::Good,
        window_complete: true,
        label_delay_ms: 612.5,
    })
}

/// Commits a session of so many beats.
fn write(path: &Path, beats: u64) {
    let options = StoreOptions {
        synchronous: Synchronous::Off,
        ..StoreOptions::default()
    };
    let store = Store::open(path, options).expect("a database");
    let writer = store.into_writer(|_| {}).expect("a thread");
    writer.begin_session(&session()).expect("a session");
    for k in 0..beats {
        writer.record(beat(k)).expect("a beat");
    }
    writer.close().expect("a commit");
}

fn rows(criterion: &mut Criterion) {
    const WRITTEN: u64 = 20_000;
    let folder = tempfile::tempdir().expect("a folder");
    let mut group = criterion.benchmark_group("rows");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(WRITTEN));
    group.bench_function("beats committed", |bencher| {
        bencher.iter_batched(
            || tempfile::tempdir_in(folder.path()).expect("a folder"),
            |folder| {
                write(&folder.path().join("beats.db"), WRITTEN);
                folder
            },
            BatchSize::PerIteration,
        );
    });
    let path = folder.path().join("beats.db");
    let count = 500_000;
    write(&path, count);
    let reader = StoreReader::open(&path).expect("the database");
    let bytes = reader.size_bytes().expect("its size") as f64 / count as f64;
    println!("{bytes:.0} bytes per beat");
    let hour = RowFilter {
        from: Some(WallUs(START_WALL_US + 200_000 * 1_000_000)),
        until: Some(WallUs(START_WALL_US + 203_600 * 1_000_000)),
        limit: 10_000,
        ..RowFilter::default()
    };
    let found = reader.beats(&hour).expect("beats").len();
    group.throughput(Throughput::Elements(found as u64));
    group.bench_function("beats of one hour read", |bencher| {
        bencher.iter(|| reader.beats(black_box(&hour)));
    });
    group.finish();
}

/// A day of two-channel ECG with a beat every 0.8 s, every fifth of them wide, in drift and noise.
fn write_day(path: &Path) -> u64 {
    const BEATS: u64 = 24 * 3_600 * RATE_HZ / RR_SAMPLES;
    const BLOCK: u64 = 5_000;
    let options = StoreOptions {
        synchronous: Synchronous::Off,
        ..StoreOptions::default()
    };
    let store = Store::open(path, options).expect("a database");
    let writer = store.into_writer(|_| {}).expect("a thread");
    writer.begin_session(&session()).expect("a session");
    let mut noisy = ecg_like(1 << 20);
    // Without its own complexes.
    for (k, codes) in noisy.iter_mut().enumerate() {
        let phase = i32::try_from(k % 400).unwrap_or(0);
        let qrs = if phase < 20 { phase * 1_000 } else { 0 };
        *codes = [codes[0] - qrs, codes[1] - qrs / 2];
    }
    let complex = |sample: u64| {
        let beat = (sample + RR_SAMPLES / 2) / RR_SAMPLES;
        let half_width = if beat.is_multiple_of(5) { 50 } else { 20 };
        let from_r = sample.abs_diff(beat * RR_SAMPLES);
        i32::try_from(half_width - from_r.min(half_width)).unwrap_or(0) * 2_000 / half_width as i32
    };
    for first_sample in (0..BEATS * RR_SAMPLES).step_by(BLOCK as usize) {
        let codes = (first_sample..first_sample + BLOCK).map(|sample| {
            let [first, second] = noisy[sample as usize % noisy.len()];
            let complex = complex(sample);
            [first + complex, second - complex / 2]
        });
        let block = EcgBlock {
            first_sample,
            first_time: MonotonicNs(first_sample * 1_000_000_000 / RATE_HZ),
            codes: codes.collect(),
        };
        writer.record(PipelineEvent::Ecg(block)).expect("a block");
    }
    for k in 0..BEATS - 2 {
        writer.record(beat(k)).expect("a beat");
    }
    writer.close().expect("a commit");
    BEATS - 2
}

/// A field of `/proc/self/status`, KiB.
fn memory_kib(field: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.unwrap_or(0)
}

/// One answer of `/v1/clusters` over a day at 500 SPS, five times.
fn clusters(_: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("day.db");
    let began = Instant::now();
    let beats = write_day(&database);
    println!("a day written in {:.1} s", began.elapsed().as_secs_f64());
    let reader = StoreReader::open(&database).expect("the database");
    let deps = ApiDeps {
        hub: StreamHub::at(reader.mark().ok()),
        database,
        live: SharedLiveStatus::default(),
        writer: None,
        reload: None,
    };
    let options = ApiOptions::at(folder.path().join("s"));
    let server = ApiServer::bind(&options, deps).expect("a socket");
    for _ in 0..5 {
        // The most memory is counted anew.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let before_kib = memory_kib("VmRSS:");
        let began = Instant::now();
        let mut stream = UnixStream::connect(server.path()).expect("a connection");
        stream
            .write_all(b"GET /v1/clusters HTTP/1.0\r\nhost: x\r\n\r\n")
            .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
        let shapes = answer.matches("\"mean_uv\"").count();
        println!(
            "{beats} beats of 24 h into {shapes} clusters: {:.2} s, {} KiB of JSON, {} KiB of memory at most",
            began.elapsed().as_secs_f64(),
            answer.len() / 1_024,
            memory_kib("VmHWM:") - before_kib
        );
    }
}

criterion_group!(benches, codec, rows, clusters);
criterion_main!(benches);
