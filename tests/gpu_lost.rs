//! The GPU goes away in the middle of ten thousand beats (feature `gpu`).
//!
//! With `ECG_REQUIRE_GPU=1` a missing adapter fails the test instead of skipping it.
#![cfg(feature = "gpu")]

mod common;

use std::path::{Path, PathBuf};

use common::{DEMO_RECORDS, demo_trace, gateway, scratch};
use ecg_gateway::model::gpu::GpuAdapter;
use rusqlite::Connection;

/// How often the four demo traces are replayed: 10,008 beats.
const ROUNDS: usize = 18;

/// Everything of a beat but who decided and, since engines round differently, the probabilities.
type Row = (
    i64,
    i64,
    i64,
    i64,
    Option<f64>,
    String,
    i64,
    String,
    i64,
    f64,
);

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

fn beats(database: &Connection) -> (Vec<Row>, Vec<[f64; 5]>) {
    let mut statement = database
        .prepare(
            "SELECT id, session, r_sample, r_monotonic_ns, rr_ms, class, channel, quality, \
             window_complete, label_delay_ms, p_n, p_l, p_r, p_a, p_v FROM beats ORDER BY id",
        )
        .unwrap();
    let rows = statement
        .query_map([], |row| {
            let probabilities: [f64; 5] = [
                row.get(10)?,
                row.get(11)?,
                row.get(12)?,
                row.get(13)?,
                row.get(14)?,
            ];
            let beat: Row = (
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
                row.get(6)?,
                row.get(7)?,
                row.get(8)?,
                row.get(9)?,
            );
            Ok((beat, probabilities))
        })
        .unwrap();
    rows.map(Result::unwrap).unzip()
}

/// Kinds of events with their number, and beats by engine.
fn counts(database: &Connection, query: &str) -> Vec<(String, i64)> {
    let mut statement = database.prepare(query).unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn losing_the_gpu_loses_and_changes_no_beat() {
    if GpuAdapter::all().is_empty() {
        let required = std::env::var("ECG_REQUIRE_GPU").is_ok_and(|value| value == "1");
        assert!(!required, "no adapter, and ECG_REQUIRE_GPU=1");
        println!("skipped: no adapter");
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
        let outcome = child.wait_with_output().unwrap();
        assert!(outcome.status.success(), "{outcome:?}");
    }
    let [on_cpu, on_gpu] = [on_cpu, on_gpu].map(|path| Connection::open(path).unwrap());
    let (expected, expected_probabilities) = beats(&on_cpu);
    let (found, probabilities) = beats(&on_gpu);
    assert!(expected.len() >= 10_000, "{} beats", expected.len());
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    let difference = probabilities
        .iter()
        .flatten()
        .zip(expected_probabilities.iter().flatten())
        .map(|(found, expected)| (found - expected).abs())
        .fold(0.0, f64::max);
    assert!(difference < 1e-4, "probabilities differ by {difference}");

    let kinds = "SELECT kind, count(*) FROM events GROUP BY kind ORDER BY kind";
    let (all, of_cpu) = (counts(&on_gpu, kinds), counts(&on_cpu, kinds));
    let own: Vec<_> = all.iter().filter(|row| !of_cpu.contains(row)).collect();
    let lost = ("engine_lost".to_owned(), 1);
    assert!(own.contains(&&lost), "{own:?}");
    let other = |row: &&&(String, i64)| ***row != lost && row.0 != "engine_recovered";
    assert!(!own.iter().any(|row| other(&row)), "{own:?}");
    let detail: String = on_gpu
        .query_row(
            "SELECT detail FROM events WHERE kind = 'engine_lost'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    println!("{detail}; {own:?}");
    assert!(detail.contains("driver error"), "{detail}");
    assert!(
        detail.contains("beats classified again on cpu-"),
        "{detail}"
    );

    let by_engine = counts(
        &on_gpu,
        "SELECT engine, count(*) FROM beats JOIN deciders ON deciders.id = decider \
         GROUP BY engine ORDER BY engine",
    );
    println!("{by_engine:?}");
    let share = |prefix: &str| {
        let rows = by_engine
            .iter()
            .filter(|(name, _)| name.starts_with(prefix));
        rows.map(|(_, beats)| beats).sum::<i64>()
    };
    assert!(share("gpu-") > 4_000, "{by_engine:?}");
    assert!(share("cpu-") > 0, "{by_engine:?}");
}
