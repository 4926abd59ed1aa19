//! The demo: its contract with scripts, its traces, its sameness, and its socket.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use ecg_gateway::acquisition::trace::{TraceEnd, TraceEvent, TraceReader};
use serde_json::Value;
use wfdb_io::read_annotations;

use super::common;
use super::common::process::Daemon;
use super::common::{Tables, run};

/// Bytes all of `assets/demo` may take.
const MOST_BYTES: u64 = 3 << 20;

/// What each trace holds. `demo_traces_hold_what_this_table_says` compares it with the files.
struct Contents {
    record: &'static str,
    /// Where in the record, seconds.
    from_s: u32,
    seconds: u32,
    samples: u64,
    /// Annotated beats in the order N L R A V, then those annotated as something else.
    beats: [usize; 6],
}

/// MIT-BIH Arrhythmia Database records, both signals, at 500 SPS through the simulated ADS1292R.
const CONTENTS: [Contents; 4] = [
    Contents {
        record: "200",
        from_s: 1470,
        seconds: 120,
        samples: 60_000,
        beats: [103, 0, 0, 5, 58, 0],
    },
    Contents {
        record: "214",
        from_s: 0,
        seconds: 120,
        samples: 60_000,
        beats: [0, 143, 0, 0, 11, 0],
    },
    Contents {
        record: "231",
        from_s: 0,
        seconds: 120,
        samples: 60_000,
        beats: [12, 0, 103, 0, 0, 0],
    },
    Contents {
        record: "232",
        from_s: 0,
        seconds: 120,
        samples: 60_000,
        beats: [0, 0, 33, 82, 0, 0],
    },
];

const CLASSES: [&str; 5] = ["N", "L", "R", "A", "V"];

#[test]
fn demo_traces_hold_what_this_table_says() {
    let mut failures = Vec::new();
    let mut all_beats = [0; 6];
    for it in &CONTENTS {
        let bytes = fs::read(common::demo_trace(it.record)).unwrap();
        let mut reader = TraceReader::new(Cursor::new(bytes)).unwrap();
        let header = reader.header().clone();
        let mut samples = 0;
        while let Some(event) = reader.next_event().unwrap() {
            samples += u64::from(matches!(event, TraceEvent::Frame(_)));
        }
        let complete = matches!(reader.end(), Some(TraceEnd::Complete { .. }));

        let annotations = common::repository(&format!("assets/demo/{}.atr", it.record));
        let annotations = read_annotations(&annotations).unwrap();
        let mut beats = [0; 6];
        for annotation in &annotations.annotations {
            if annotation.code.is_beat() {
                let name = annotation.code.mnemonic().unwrap_or_default();
                beats[CLASSES.iter().position(|class| *class == name).unwrap_or(5)] += 1;
            }
        }
        for (sum, count) in all_beats.iter_mut().zip(beats) {
            *sum += count;
        }
        let end = annotations.annotations.iter().map(|a| a.sample).max();

        let to_s = it.from_s + it.seconds;
        let source = format!("WFDB record {}, {} s to {to_s} s, ", it.record, it.from_s);
        for (what, right) in [
            ("a complete trace", complete),
            ("samples", samples == it.samples),
            ("rate", header.sample_rate_sps == 500),
            ("length", samples == u64::from(it.seconds) * 500),
            ("chip", header.chip_id == 0x73),
            ("source", header.session.description.contains(&source)),
            ("licence", header.session.description.contains("ODC-By 1.0")),
            (
                "attribution",
                header.session.description.contains("Moody and Mark"),
            ),
            ("beats", beats == it.beats),
            ("annotation rate", annotations.resolution_hz == Some(500.0)),
            ("annotations inside", end < Some(it.samples)),
        ] {
            if !right {
                failures.push(format!(
                    "{}: {what} ({samples} samples, beats {beats:?}, {})",
                    it.record, header.session.description
                ));
            }
        }
    }
    if all_beats.iter().take(5).any(|count| *count < 10) {
        failures.push(format!("a class is missing: {all_beats:?}"));
    }
    let files = fs::read_dir(common::repository("assets/demo")).unwrap();
    let sizes = files.map(|file| file.unwrap().metadata().unwrap().len());
    let size: u64 = sizes.sum();
    if size >= MOST_BYTES {
        failures.push(format!("assets/demo takes {size} bytes"));
    }
    common::report(&failures);
}

#[test]
fn the_summary_keeps_its_contract() {
    let folder = common::scratch();
    let (database, socket) = (folder.path().join("d.db"), folder.path().join("s"));
    let json = run([
        "demo".as_ref(),
        "--json".as_ref(),
        "--db".as_ref(),
        database.as_os_str(),
        "--socket".as_ref(),
        socket.as_os_str(),
    ])
    .json();
    let mut failures = Vec::new();
    let mut expect = |key: &str, right: bool| {
        if !right {
            failures.push(format!("{key}: {}", json[key]));
        }
    };
    expect("database", json["database"] == database.to_str().unwrap());
    expect("socket", json["socket"] == socket.to_str().unwrap());
    expect("model", json["model"] == "v1-context");
    expect("engine", json["engine"].is_string());
    expect(
        "patients_in_training",
        json["patients_in_training"].is_boolean(),
    );
    expect("agreement", json["agreement"].as_f64() > Some(0.9));
    expect("agreement", json["agreement"].as_f64() <= Some(1.0));
    expect(
        "seconds_of_ecg",
        json["seconds_of_ecg"].as_f64() == Some(480.0),
    );
    expect("seconds", json["seconds"].as_f64() > Some(0.0));
    let factor = json["realtime_factor"].as_f64().unwrap_or_default();
    let expected = json["seconds_of_ecg"].as_f64().unwrap() / json["seconds"].as_f64().unwrap();
    expect("realtime_factor", (factor / expected - 1.0).abs() < 1e-6);

    let annotated: usize = CONTENTS.iter().flat_map(|it| &it.beats[..5]).sum();
    expect("annotated_beats", json["annotated_beats"] == annotated);
    let stored = common::integers(&database, "SELECT count(*) FROM beats")[0];
    expect("beats", json["beats"] == stored);
    let by_class = classes(&json["by_class"]);
    for (class, count) in CLASSES.iter().zip(&by_class) {
        let sql = format!("SELECT count(*) FROM beats WHERE class = '{class}'");
        let stored = common::integers(&database, &sql)[0];
        expect("by_class", *count == Some(stored) && stored > 0);
    }
    let traces = json["traces"].as_array().unwrap();
    expect("traces", traces.len() == CONTENTS.len());
    for (trace, it) in traces.iter().zip(&CONTENTS) {
        let session = trace["session"].as_i64().unwrap_or_default();
        let sql = format!("SELECT count(*) FROM beats WHERE session = {session}");
        let stored = common::integers(&database, &sql)[0];
        let of_classes: Option<i64> = classes(&trace["by_class"]).into_iter().sum();
        expect(
            "traces",
            trace["name"]
                .as_str()
                .is_some_and(|name| name.starts_with(it.record))
                && trace["seconds"].as_f64() == Some(f64::from(it.seconds))
                && trace["beats"] == stored
                && of_classes == Some(stored)
                && trace["agreement"].as_f64() > Some(0.85),
        );
    }
    expect("socket", !socket.exists());
    common::integrity(&database).unwrap();
    common::report(&failures);
}

fn classes(by_class: &Value) -> Vec<Option<i64>> {
    let keys = by_class.as_object().map_or(0, serde_json::Map::len);
    assert_eq!(keys, CLASSES.len(), "{by_class}");
    CLASSES.map(|class| by_class[class].as_i64()).to_vec()
}

/// All rows without their wall-clock fields. SQLite hands out the very bits of a float.
fn without_wall_clock(database: &Path) -> Tables {
    [
        (
            "beats",
            "id, session, r_sample, r_monotonic_ns, rr_ms, class, p_n, p_l, p_r, p_a, p_v, \
             channel, quality, window_complete, label_delay_ms, decider",
        ),
        (
            "gaps",
            "id, session, first_missing_sample, missing_samples, monotonic_ns, cause, after_beat",
        ),
        (
            "events",
            "id, session, sample, monotonic_ns, kind, detail, after_beat",
        ),
        (
            "ecg_blocks",
            "id, session, first_sample, samples, first_monotonic_ns, codes",
        ),
    ]
    .into_iter()
    .map(|(table, columns)| {
        let sql = format!("SELECT {columns} FROM {table} ORDER BY id");
        (table, common::query(database, &sql))
    })
    .collect()
}

#[test]
fn two_runs_give_the_same_rows() {
    let folder = common::scratch();
    let rows: Vec<_> = ["a", "b"]
        .into_iter()
        .map(|name| {
            let database = folder.path().join(name);
            let socket = folder.path().join("s");
            let outcome = run([
                "demo".as_ref(),
                "--db".as_ref(),
                database.as_os_str(),
                "--socket".as_ref(),
                socket.as_os_str(),
            ]);
            assert_eq!(outcome.code, Some(0), "{outcome:?}");
            without_wall_clock(&database)
        })
        .collect();
    let [first, second] = &rows[..] else {
        panic!("two runs")
    };
    assert!(first["beats"].len() > 500 && first["ecg_blocks"].len() > 40);
    for (table, rows) in first {
        let differing = rows.iter().zip(&second[table]).position(|(a, b)| a != b);
        assert_eq!(
            (differing, rows.len()),
            (None, second[table].len()),
            "{table}"
        );
    }
    // A second run into the same database adds the same beats once more, under the ids that follow.
    let database = folder.path().join("a");
    let outcome = run([
        "replay".as_ref(),
        common::demo_trace("200").as_os_str(),
        // Where the demo's traces were recorded.
        "--mains".as_ref(),
        "60".as_ref(),
        "--db".as_ref(),
        database.as_os_str(),
    ]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(
        common::beats_of(&database, 1),
        common::beats_of(&database, 5)
    );
}

#[test]
fn the_tables_tell_what_a_stranger_needs() {
    let folder = common::scratch();
    let (database, socket) = (folder.path().join("d.db"), folder.path().join("s"));
    let outcome = run([
        "demo".as_ref(),
        "--db".as_ref(),
        database.as_os_str(),
        "--socket".as_ref(),
        socket.as_os_str(),
    ]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
    let curl = format!("curl --unix-socket {}", socket.display());
    for words in [
        "MIT-BIH Arrhythmia Database",
        "ODC-By 1.0",
        "was trained on the beats of all 4 of these patients, too",
        "by a model that has seen these patients",
        "not a medical device",
        "R peak s  RR ms  label  probability",
        "Annotated (rows) against labelled",
        database.to_str().unwrap(),
        &curl,
        "http://localhost/v1/beats",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "{words}: {}",
            outcome.stdout
        );
    }
}

#[test]
fn the_socket_answers_until_sigterm() {
    let folder = common::scratch();
    let (database, socket) = (folder.path().join("d.db"), folder.path().join("s"));
    let mut running = Daemon::serving(
        [
            "demo".as_ref(),
            "--serve".as_ref(),
            "--json".as_ref(),
            "--db".as_ref(),
            database.as_os_str(),
            "--socket".as_ref(),
            socket.as_os_str(),
        ],
        &socket,
    );
    running.until("the traces are replayed", || {
        common::get(&socket, "/v1/status").1["state"] == "finished"
    });
    let (code, status) = common::get(&socket, "/v1/status");
    assert_eq!(code, 200);
    assert_eq!(status["totals"]["sessions"], 4, "{status}");
    assert_eq!(status["store"]["state"], "ok", "{status}");
    let beats = status["totals"]["beats"].as_u64().unwrap();
    assert!(beats > 500, "{status}");

    let (code, page) = common::get(&socket, "/v1/beats?class=V&limit=5000");
    assert_eq!(code, 200);
    let page = page["beats"].as_array().unwrap();
    assert_eq!(page.len() as u64, status["totals"]["beats_by_class"]["V"]);
    assert!(page.iter().all(|beat| beat["class"] == "V"), "{page:?}");

    let (code, beat) = common::get(&socket, "/v1/beats/1");
    assert_eq!((code, &beat["id"]), (200, &Value::from(1)));
    let waveform = &beat["waveform"];
    assert_eq!(waveform["sample_rate_hz"], 500.0);
    // The first beat comes so soon that the range begins before the session.
    let before_session = -waveform["first_sample"].as_i64().unwrap();
    assert_eq!(waveform["missing_samples"], before_session, "{waveform}");
    let channels = waveform["channels_uv"].as_array().unwrap();
    assert_eq!(channels.len(), 2);
    let at = usize::try_from(waveform["r_offset_samples"].as_u64().unwrap()).unwrap();
    let values = channels[0].as_array().unwrap();
    // 440 ms before the R peak and 576 ms after it, and the peak stands out from the rest.
    assert_eq!(values.len(), 220 + 1 + 288, "{waveform}");
    let mut sorted: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
    sorted.sort_by(f64::total_cmp);
    let height_uv = (values[at].as_f64().unwrap() - sorted[sorted.len() / 2]).abs();
    assert!(height_uv > 300.0, "{height_uv} µV at {at}: {values:?}");

    assert_eq!(common::get(&socket, "/v1/beats/999999").0, 404);

    let (code, took) = running.terminate();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!socket.exists(), "the socket file was left behind");
    common::integrity(&database).unwrap();
    let stored = common::integers(&database, "SELECT count(*) FROM beats")[0];
    assert_eq!(u64::try_from(stored), Ok(beats));
}
