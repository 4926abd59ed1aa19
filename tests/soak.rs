//! ECG replayed as fast as possible for a long time: memory stays flat, the database grows as said,
//! and questions are answered as fast at the end as at the start.
//!
//! Short by default (the demo's traces over and over); `ECG_SOAK_TRACES` names a folder of traces to
//! be replayed once instead (`docs/operations.md` says how to make 24 h of MIT-BIH), `ECG_GATEWAY` a
//! release build.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::common;
use super::common::daemon::{ask, memory_kib, written_bytes};
use super::common::process::Daemon;
use super::common::{DEMO_RECORDS, demo_trace, integers};

/// Growth of resident memory over the run that still counts as flat.
const FLAT_KIB: u64 = 8 * 1_024;
const SLOWEST_QUERY: Duration = Duration::from_millis(50);
const HOUR_US: i64 = 3_600_000_000;

#[test]
fn memory_stays_flat_and_questions_fast() {
    let folder = common::scratch();
    let (database, socket) = (folder.path().join("ecg.db"), folder.path().join("s"));
    let (traces, long) = match std::env::var_os("ECG_SOAK_TRACES") {
        Some(traces) => (traces_in(&PathBuf::from(traces)), true),
        None => (
            (0..5).flat_map(|_| DEMO_RECORDS.map(demo_trace)).collect(),
            false,
        ),
    };
    let mut arguments = vec!["replay".into()];
    arguments.extend(traces.iter().cloned());
    arguments.extend([
        "--serve".into(),
        "--engine".into(),
        "cpu".into(),
        "--db".into(),
    ]);
    arguments.extend([database.clone(), "--socket".into(), socket.clone()]);
    let began = Instant::now();
    let running = Daemon::serving(arguments, &socket);
    let (mut resident_kib, mut written) = (Vec::new(), 0);
    let all = i64::try_from(traces.len()).expect("few");
    let limit = Duration::from_secs(if long { 3_600 } else { 60 });
    loop {
        let (_, status) = common::get(&socket, "/v1/status");
        let sessions = status["totals"]["sessions"].as_i64().unwrap_or(0);
        if sessions * 10 >= all {
            resident_kib.push(memory_kib(running.id(), "VmRSS")); // from a tenth of the way on
        }
        written = written.max(written_bytes(running.id()));
        if status["state"] == "finished" {
            break;
        }
        assert!(began.elapsed() < limit, "{status}");
        std::thread::sleep(Duration::from_millis(if long { 500 } else { 20 }));
    }
    let took = began.elapsed();
    let (mut slowest, mut most_beats) = (Duration::ZERO, 0);
    let starts = integers(&database, "SELECT start_wall_us FROM sessions ORDER BY id");
    let last = integers(&database, "SELECT max(r_wall_us) FROM beats")[0];
    for from in [starts[0], starts[starts.len() / 2], last - HOUR_US] {
        let mut fastest = Duration::MAX; // of several: the machine may be busy
        for _ in 0..10 {
            let path = format!("/v1/beats?from={from}&to={}&limit=5000", from + HOUR_US);
            let (answer, time) = ask(&socket, &path).expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer:.200}");
            fastest = fastest.min(time);
            most_beats = most_beats.max(answer.matches("\"r_sample\"").count());
        }
        slowest = slowest.max(fastest);
    }
    assert_eq!(running.terminate().0, Some(0));
    common::integrity(&database).expect("an undamaged database");
    let samples = integers(&database, "SELECT sum(samples) FROM sessions")[0];
    let beats = integers(&database, "SELECT count(*) FROM beats")[0];
    let size = std::fs::metadata(&database).expect("a database").len();
    let days = samples as f64 / 500.0 / 86_400.0;
    let (first, end) = (resident_kib[0], resident_kib[resident_kib.len() - 1]);
    println!(
        "{:.2} h of ECG ({beats} beats) in {:.1} s; resident memory {first} KiB at the start, {end} \
         KiB at the end, {} KiB at most; database {:.1} MB a day, written {:.1} MB a day; an hour's \
         beats (up to {most_beats}) in {:.1} ms",
        days * 24.0,
        took.as_secs_f64(),
        resident_kib.iter().max().expect("some"),
        size as f64 / 1e6 / days,
        written as f64 / 1e6 / days,
        slowest.as_secs_f64() * 1e3,
    );
    assert!(end <= first + FLAT_KIB, "memory grew: {resident_kib:?} KiB");
    assert!(most_beats > 100, "{most_beats}");
    // the debug build of the short form is given more time than the release build
    let limit = if long {
        SLOWEST_QUERY
    } else {
        SLOWEST_QUERY * 10
    };
    assert!(slowest < limit, "{slowest:?}");
}

fn traces_in(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut traces: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder of traces")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".ecgtrace") || name.ends_with(".ecgtrace.gz")
        })
        .collect();
    traces.sort();
    assert!(!traces.is_empty(), "no traces in {}", folder.display());
    traces
}
