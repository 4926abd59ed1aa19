//! Recordings of patients no part of this program has seen, labelled by every command with its defaults.
//!
//! `tests/data/strangers/`: eight minutes each of SVDB records 855 and 863, which are never trained, tuned or
//! chosen on. A default that fails on strangers, in any command, shows here.

use std::fs;
use std::path::{Path, PathBuf};

use super::common;
use super::common::{query, repository, run};
use serde_json::Value;

/// Of each record: annotated beats, and those called A and V by the default network.
const RECORDS: [(&str, u64, u64, u64); 2] = [("855", 650, 21, 66), ("863", 849, 58, 69)];
/// Beats called A or V may differ by this many from the figures here: another rate or mains filter, or
/// another processor's rounding, moves a beat across an edge. A wrong default moves dozens.
const TOLERANCE: u64 = 3;

fn folder() -> PathBuf {
    repository("tests/data/strangers")
}

fn record(name: &str) -> String {
    folder().join(name).to_str().unwrap().to_owned()
}

/// Wrong counts of beats by class, if any.
fn wrong(
    what: &str,
    by_class: &Value,
    (name, beats, of_a, of_v): (&str, u64, u64, u64),
) -> Vec<String> {
    let count = |class: &str| by_class[class].as_u64().unwrap_or_default();
    let all: u64 = ["N", "L", "R", "A", "V"].map(count).iter().sum();
    [
        ("beats", all, beats, 1),
        ("A", count("A"), of_a, TOLERANCE),
        ("V", count("V"), of_v, TOLERANCE),
    ]
    .into_iter()
    .filter(|(_, found, expected, tolerance)| found.abs_diff(*expected) > *tolerance)
    .map(|(part, found, expected, _)| {
        format!("{what}, record {name}: {found} {part}, expected {expected}")
    })
    .collect()
}

#[test]
fn evaluate_keeps_its_figures_on_strangers() {
    let data = folder();
    let data = data.to_str().unwrap();
    // `json` also holds that nothing is warned of.
    let report = run(["evaluate", "--data", data, "--json"]).json();
    assert_eq!(report["model"], "v1-context");
    let counts = |figure: &str| {
        ["tp", "fn", "fp"].map(|count| report["gross"][figure][count].as_u64().unwrap())
    };
    let (qrs, veb, sveb) = (counts("qrs"), counts("veb"), counts("sveb"));
    assert!(qrs == [1499, 0, 1] || qrs == [1499, 0, 0], "{qrs:?}");
    let near = |found: [u64; 3], expected: [u64; 3]| {
        found
            .iter()
            .zip(expected)
            .all(|(found, expected)| found.abs_diff(expected) <= 2)
    };
    assert!(near(veb, [134, 1, 1]), "{veb:?}");
    assert!(near(sveb, [69, 63, 10]), "{sveb:?}");
    let disclosure = report["disclosure"].to_string();
    assert!(
        disclosure.contains("It has seen none of these 2 records."),
        "{disclosure}"
    );
}

#[test]
fn networks_of_known_patients_warn_of_strangers() {
    let data = folder();
    let data = data.to_str().unwrap();
    let one = record("855");
    let rows: [&[&str]; 3] = [
        &["evaluate", "--data", data, "--records", "855", "--json"],
        &["evaluate", "--data", data, "--protocol", "inter", "--json"],
        &["explain", "--record", &one, "--json"],
    ];
    let mut failures = Vec::new();
    for (model, warns) in [
        ("v1", true),
        ("v2-int8", true),
        ("v1-context", false),
        ("v2-context-int8", false),
    ] {
        for row in rows {
            let outcome = run(row.iter().chain(&["--model", model]));
            let said = outcome.stderr.starts_with("ecg-gateway: warning: ")
                && outcome
                    .stderr
                    .contains("its labels there are not to be relied on");
            let told = outcome
                .stdout
                .contains("its labels there are not to be relied on");
            let in_report = row[0] == "evaluate" && warns;
            if outcome.code != Some(0) || said != warns || told != in_report {
                failures.push(format!(
                    "{model} {row:?}: {:?} {}",
                    outcome.code, outcome.stderr
                ));
            }
        }
    }
    common::report(&failures);
}

#[test]
fn every_command_labels_strangers_alike() {
    let home = common::scratch();
    let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
    let mut failures = Vec::new();
    for row in RECORDS {
        let name = row.0;
        let (source, trace) = (record(name), at(&format!("{name}.ecgtrace")));
        run(["simulate", &source, "--out", &trace, "--json"]).json();

        let replayed = at(&format!("{name}-replayed.db"));
        let summary = run(["replay", &trace, "--db", &replayed, "--json"]).json();
        failures.extend(wrong("replay", &summary["by_class"], row));

        for (what, argument) in [("--record", &source), ("", &trace)] {
            let arguments = ["explain", what, argument, "--json"];
            let summary = run(arguments.iter().filter(|argument| !argument.is_empty())).json();
            assert_eq!(summary["model"], "v1-context");
            let classes = summary["classes"].as_array().unwrap();
            let by_class: serde_json::Map<String, Value> = classes
                .iter()
                .map(|class| {
                    (
                        class["called"].as_str().unwrap().to_owned(),
                        class["beats"].clone(),
                    )
                })
                .collect();
            failures.extend(wrong(&format!("explain {what}"), &by_class.into(), row));
        }

        // The daemon, with nothing configured but where its files are.
        let recorded = at(&format!("{name}-recorded.db"));
        let config = at(&format!("{name}.toml"));
        let text = format!(
            "[realtime]\npriority = 0\nlock_memory = false\n[store]\npath = {recorded:?}\n[api]\n\
             socket_path = {:?}\n",
            at("s")
        );
        fs::write(&config, text).unwrap();
        common::record_simulated(&source, &config, &recorded);
        let beats = |database: &str| {
            query(
                Path::new(database),
                "SELECT r_sample, rr_ms, class, p_n, p_l, p_r, p_a, p_v, channel, quality, \
                 window_complete, unclassifiable FROM beats ORDER BY id",
            )
        };
        let (live, again) = (beats(&recorded), beats(&replayed));
        if live != again {
            failures.push(format!(
                "record {name}: the daemon's {} beats and the replay's {} differ",
                live.len(),
                again.len()
            ));
        }
    }
    common::report(&failures);
}
