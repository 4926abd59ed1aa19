//! The GPU goes away in the middle of ten thousand beats.
//!
//! Skipped where the program ($ECG_GATEWAY, or the one just built) has no GPU engine or the machine no adapter; with
//! `ECG_REQUIRE_GPU=1` that fails.

use std::path::{Path, PathBuf};

use rusqlite::types::Value;

use super::common::{DEMO_RECORDS, Row, demo_trace, gateway, query, run, scratch};

/// How often the four demo traces are replayed: 10,469 beats.
const ROUNDS: usize = 19;

/// Everything of a beat but who decided and, since engines round differently, the probabilities.
const BEATS: &str = "SELECT id, session, r_sample, r_monotonic_ns, r_wall_us, rr_ms, class, \
                     unclassifiable, channel, quality, window_complete, label_delay_ms FROM beats \
                     ORDER BY id";
const PROBABILITIES: &str = "SELECT p_n, p_l, p_r, p_a, p_v FROM beats ORDER BY id";
const EVENTS: &str = "SELECT session, sample, kind, detail FROM events \
                      WHERE kind NOT LIKE 'engine_%' ORDER BY id";
const ENGINE_EVENTS: &str =
    "SELECT kind, detail FROM events WHERE kind LIKE 'engine_%' ORDER BY id";
const ENGINES: &str = "SELECT engine, count(*) FROM beats JOIN deciders ON deciders.id = decider \
                       GROUP BY engine ORDER BY engine";

fn replay(database: &Path, more: &[&str]) -> std::process::Child {
    let traces: Vec<PathBuf> = DEMO_RECORDS
        .iter()
        .map(|record| demo_trace(record))
        .collect();
    let mut command = gateway();
    command.arg("replay").arg("--db").arg(database);
    command.args(more).arg("--json");
    for _ in 0..ROUNDS {
        command.args(&traces);
    }
    command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

fn largest_difference(found: &[Row], expected: &[Row]) -> f64 {
    let pairs = found.iter().flatten().zip(expected.iter().flatten());
    pairs
        .map(|pair| match pair {
            (Value::Real(found), Value::Real(expected)) => (found - expected).abs(),
            other => panic!("{other:?} are no probabilities"),
        })
        .fold(0.0, f64::max)
}

fn beats_by(engines: &[Row], prefix: &str) -> i64 {
    let beats = engines.iter().map(|row| match row.as_slice() {
        [Value::Text(engine), Value::Integer(beats)] if engine.starts_with(prefix) => *beats,
        _ => 0,
    });
    beats.sum()
}

#[test]
fn losing_the_gpu_loses_and_changes_no_beat() {
    let tried = run(["demo", "--engine", "gpu", "--json"]);
    if tried.code != Some(0) {
        let required = std::env::var("ECG_REQUIRE_GPU").is_ok_and(|value| value == "1");
        assert!(!required, "no GPU engine, and ECG_REQUIRE_GPU=1: {tried:?}");
        println!("skipped: no GPU engine");
        return;
    }
    let folder = scratch();
    let on_cpu = folder.path().join("cpu.db");
    let on_gpu = folder.path().join("gpu.db");
    let running = [
        replay(&on_cpu, &["--engine", "cpu"]),
        replay(&on_gpu, &["--engine", "gpu", "--inject", "gpu-lost@5000"]),
    ];
    for child in running {
        let outcome = child.wait_with_output().expect("our own child");
        assert!(outcome.status.success(), "{outcome:?}");
    }
    let (expected, found) = (query(&on_cpu, BEATS), query(&on_gpu, BEATS));
    assert!(expected.len() >= 10_000, "{} beats", expected.len());
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    let difference = largest_difference(
        &query(&on_gpu, PROBABILITIES),
        &query(&on_cpu, PROBABILITIES),
    );
    assert!(difference < 1e-4, "probabilities differ by {difference}");
    assert_eq!(query(&on_gpu, EVENTS), query(&on_cpu, EVENTS));

    assert_eq!(query(&on_cpu, ENGINE_EVENTS), Vec::<Row>::new());
    let events = query(&on_gpu, ENGINE_EVENTS);
    let engines = query(&on_gpu, ENGINES);
    println!("{} beats, {events:?}, {engines:?}", found.len());
    let kind = |row: &Row| match row.as_slice() {
        [Value::Text(kind), _] => kind.clone(),
        other => panic!("{other:?} is no event"),
    };
    let kinds: Vec<String> = events.iter().map(kind).collect();
    // On a slow machine the GPU may be back before the end.
    assert_eq!(kinds[0], "engine_lost");
    assert!(
        kinds[1..].is_empty() || kinds[1..] == ["engine_recovered"],
        "{kinds:?}"
    );
    let Some(Value::Text(detail)) = events[0].get(1) else {
        panic!("{events:?}");
    };
    for words in [
        "driver error: device lost",
        "beats classified again on cpu-",
    ] {
        assert!(detail.contains(words), "{detail}");
    }
    assert!(beats_by(&engines, "gpu-") > 4_000, "{engines:?}");
    assert!(beats_by(&engines, "cpu-") > 0, "{engines:?}");
}
