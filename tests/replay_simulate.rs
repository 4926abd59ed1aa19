//! A WFDB record through the simulated chip into a trace, and the trace into beats: without
//! faults and with every kind of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ecg_gateway::acquisition::{Acquired, FrameSource, open_replay};
use rusqlite::types::Value;
use wfdb_io::{
    Annotation, AnnotationCode, Header, RecordWriter, SignalFormat, SignalSpec, read_annotations,
    write_annotations,
};

use super::common;
use super::common::{beats_of, integers, query, r_sample, run};

/// Samples a second of record, chip and database here.
const RATE_HZ: i64 = 500;
/// Length of the record.
const SECONDS: i64 = 60;
/// Microvolts a code of the record is worth.
const UV_PER_CODE: f64 = 2.5;

/// A beat this long before a fault is not touched by it: its window and the detector's look-ahead.
const QUIET_BEFORE_S: f64 = 1.1;
/// And one this long after it: filters have settled, thresholds are learnt anew.
const QUIET_AFTER_S: f64 = 4.0;

/// The faults, their times counted from power-up, and what they are to leave behind.
const SCRIPT: &str = "\
    at 8s missed-drdy for 30ms\n\
    at 16s flip-bits 0,1 # the sync nibble of one frame\n\
    at 24s clip ch1 for 400ms\n\
    at 32s brown-out for 300ms\n\
    at 42s lead-off in1p\n\
    at 43.5s lead-on in1p\n\
    at 52s flip-bits 1 for 100ms\n";

/// When faults are at work, seconds after power-up.
const FAULTS_S: [(f64, f64); 6] = [
    (8.0, 8.03),
    (16.0, 16.01),
    (24.0, 24.4),
    (32.0, 32.6),
    (42.0, 43.5),
    (52.0, 52.4),
];

/// A minute of record 214 as a WFDB record at the chip's rate, made from the demo's trace.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> &'static Self {
        static BENCH: OnceLock<Bench> = OnceLock::new();
        BENCH.get_or_init(|| {
            let folder = common::scratch();
            write_record(folder.path());
            Self { folder }
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Simulates the record into `name`; the summary.
    fn simulate(&self, name: &str, more: &[&str]) -> serde_json::Value {
        let (record, out) = (self.path("minute"), self.path(name));
        let mut arguments = vec![
            "simulate",
            record.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
            "--wall-start",
            "2026-01-01T00:00:00Z",
            "--json",
        ];
        arguments.extend(more);
        run(arguments).json()
    }

    /// Replays a trace into a database of its own; the database and the summary.
    fn replay(&self, name: &str) -> (PathBuf, serde_json::Value) {
        let database = self.path(&format!("{name}.db"));
        let json = run([
            "replay".as_ref(),
            self.path(name).as_os_str(),
            "--db".as_ref(),
            database.as_os_str(),
            "--json".as_ref(),
        ])
        .json();
        common::integrity(&database).unwrap();
        (database, json)
    }
}

fn write_record(folder: &Path) {
    let (mut source, _) = open_replay(&common::demo_trace("214")).unwrap();
    let scale = source.info().uv_per_code;
    let signal = |lead: &str| SignalSpec::new("", SignalFormat::F16, 1e3 / UV_PER_CODE, lead);
    let header = Header {
        signals: vec![signal("MLII"), signal("V1")],
        ..Header::new("minute", 500.0)
    };
    let mut writer = RecordWriter::create(folder, header).unwrap();
    let mut frames = 0;
    while let Some(acquired) = source.next().unwrap() {
        let Acquired::Sample(sample) = acquired else {
            panic!("the demo's trace has no faults: {acquired:?}");
        };
        let mut codes = [0; 2];
        for ((code, raw), scale) in codes.iter_mut().zip(sample.codes).zip(scale) {
            #[expect(clippy::cast_possible_truncation, reason = "a few thousand")]
            let rounded = (f64::from(raw) * scale / UV_PER_CODE).round() as i32;
            *code = rounded;
        }
        writer.write_frame(&codes).unwrap();
        frames += 1;
        if frames == SECONDS * RATE_HZ {
            break;
        }
    }
    writer.finish().unwrap();
    let beats = read_annotations(&common::repository("assets/demo/214.atr")).unwrap();
    let beats: Vec<Annotation> = beats
        .annotations
        .into_iter()
        .filter(|beat| i64::try_from(beat.sample).unwrap() < SECONDS * RATE_HZ)
        .filter(|beat| beat.code != AnnotationCode::NOT_QRS)
        .collect();
    assert!(beats.len() > 60);
    write_annotations(&folder.join("minute.atr"), &beats, None).unwrap();
}

/// The times of a session's beats after power-up, seconds.
fn time_s(beat: &common::Row) -> f64 {
    match beat.get(1) {
        Some(Value::Integer(ns)) => *ns as f64 / 1e9,
        other => panic!("{other:?} is no time"),
    }
}

#[test]
fn a_record_becomes_the_beats_of_the_trace_it_came_from() {
    let bench = Bench::new();
    let simulated = bench.simulate("clean.ecgtrace", &[]);
    assert_eq!(simulated["frames"], SECONDS * RATE_HZ, "{simulated}");
    assert_eq!(
        (&simulated["gaps"], &simulated["missing_samples"]),
        (&0.into(), &0.into())
    );
    let (database, replayed) = bench.replay("clean.ecgtrace");
    assert_eq!(replayed["sessions"][0]["missing_samples"], 0);

    // Beats where the cardiologists saw them: all but the record's last.
    let annotations = read_annotations(&bench.path("clean.atr")).unwrap();
    assert_eq!(annotations.resolution_hz, Some(500.0));
    assert_eq!(simulated["annotations"], annotations.annotations.len());
    let found: Vec<i64> = beats_of(&database, 1).iter().map(r_sample).collect();
    let annotated: Vec<i64> = annotations
        .annotations
        .iter()
        .filter(|annotation| annotation.code.is_beat())
        .map(|annotation| i64::try_from(annotation.sample).unwrap())
        .collect();
    let near = |sample: i64| found.iter().any(|r| (r - sample).abs() <= 75);
    let missed: Vec<i64> = annotated
        .into_iter()
        .filter(|sample| *sample < (SECONDS - 1) * RATE_HZ && !near(*sample))
        .collect();
    assert!(missed.is_empty(), "no beat within 150 ms of {missed:?}");

    // The same beats as from the trace the record was made of: the chip came between twice.
    let original = bench.path("original.db");
    let outcome = run([
        "replay".as_ref(),
        common::demo_trace("214").as_os_str(),
        "--db".as_ref(),
        original.as_os_str(),
    ]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let settled = (SECONDS - 2) * RATE_HZ;
    let places = |database: &Path| -> Vec<(i64, Value)> {
        beats_of(database, 1)
            .into_iter()
            .map(|beat| (r_sample(&beat), beat[3].clone()))
            .filter(|(sample, _)| *sample < settled)
            .collect()
    };
    let (before, after) = (places(&original), places(&database));
    let alike = before.len() == after.len()
        && before
            .iter()
            .zip(&after)
            .all(|((r, class), (again, label))| (r - again).abs() <= 1 && class == label);
    assert!(alike, "{before:?}\n{after:?}");
}

#[test]
fn faults_leave_gaps_and_events_and_no_shifted_beat() {
    let bench = Bench::new();
    let script = bench.path("faults.txt");
    fs::write(&script, SCRIPT).unwrap();
    // One lead on both channels: where a channel fails, the other places the beats alike.
    bench.simulate("steady.ecgtrace", &["--signals", "1,1"]);
    let simulated = bench.simulate(
        "faulty.ecgtrace",
        &["--signals", "1,1", "--faults", script.to_str().unwrap()],
    );
    let (steady, _) = bench.replay("steady.ecgtrace");
    let (faulty, replayed) = bench.replay("faulty.ecgtrace");
    let mut failures = Vec::new();

    // Every sample of the session is stored or in a gap, none twice.
    let mut stretches: Vec<(i64, i64, bool)> = Vec::new();
    for (sql, stored) in [
        ("SELECT first_sample, samples FROM ecg_blocks", true),
        (
            "SELECT first_missing_sample, missing_samples FROM gaps",
            false,
        ),
    ] {
        for row in query(&faulty, sql) {
            let [Value::Integer(first), Value::Integer(count)] = row[..] else {
                panic!("{row:?}")
            };
            stretches.push((first, count, stored));
        }
    }
    stretches.sort_unstable();
    let mut next = 0;
    for (first, count, stored) in &stretches {
        if *first != next {
            failures.push(format!(
                "samples {next} to {first} are neither stored nor in a gap (then stored: {stored})"
            ));
        }
        next = first + count;
    }
    if (next - SECONDS * RATE_HZ).abs() > 1 {
        failures.push(format!("the session ends at sample {next}"));
    }
    let missing: i64 = stretches
        .iter()
        .filter(|(_, _, stored)| !stored)
        .map(|(_, count, _)| count)
        .sum();
    let gaps = stretches.iter().filter(|(_, _, stored)| !stored).count();
    for (what, found) in [
        ("simulate", &simulated["missing_samples"]),
        ("replay", &replayed["sessions"][0]["missing_samples"]),
        (
            "sessions",
            &integers(&faulty, "SELECT missing_samples FROM sessions")[0].into(),
        ),
    ] {
        if *found != missing {
            failures.push(format!(
                "{what} counts {found} missing samples, not {missing}"
            ));
        }
    }
    for (what, found) in [
        ("simulate", &simulated["gaps"]),
        ("replay", &replayed["sessions"][0]["gaps"]),
    ] {
        if *found != gaps {
            failures.push(format!("{what} counts {found} gaps, not {gaps}"));
        }
    }

    // Gaps lie where the script put the faults, with their causes.
    let causes = query(
        &faulty,
        "SELECT monotonic_ns, missing_samples, cause FROM gaps",
    );
    for row in &causes {
        let [Value::Integer(ns), Value::Integer(count), Value::Text(_)] = &row[..] else {
            panic!("{row:?}")
        };
        let (from_s, to_s) = (*ns as f64 / 1e9, (*ns as f64 / 1e9) + *count as f64 / 500.0);
        let inside = FAULTS_S
            .iter()
            .any(|(begin, end)| *begin - 0.005 <= from_s && to_s <= *end + 0.3);
        if !inside {
            failures.push(format!("a gap where no fault was: {row:?}"));
        }
    }
    for (cause, from_s, least) in [
        ("missed_drdy", 8.0, 15),
        ("bad_frame", 16.0, 1),
        ("chip_restart", 32.0, 150),
        ("bad_frame", 52.0, 1),
        ("chip_restart", 52.0, 10),
    ] {
        let sum: i64 = causes
            .iter()
            .filter_map(|row| match &row[..] {
                [
                    Value::Integer(ns),
                    Value::Integer(count),
                    Value::Text(found),
                ] if found == cause && (*ns as f64 / 1e9 - from_s - 0.3).abs() < 0.4 => {
                    Some(*count)
                }
                _ => None,
            })
            .sum();
        if sum < least {
            failures.push(format!(
                "{sum} samples {cause} after {from_s} s: {causes:?}"
            ));
        }
    }

    // Events tell what happened, at the right time.
    let events = query(&faulty, "SELECT kind, monotonic_ns, detail FROM events");
    for (kind, at_s, words) in [
        ("quality_changed", 24.0, "clipped"),
        ("chip_restarted", 32.0, "set up again"),
        ("lead_off", 42.0, "IN1P"),
        ("lead_on", 43.5, "IN1P"),
        ("chip_restarted", 52.0, "set up again"),
    ] {
        let told = events.iter().any(|row| match &row[..] {
            [Value::Text(found), Value::Integer(ns), Value::Text(detail)] => {
                let late_s = *ns as f64 / 1e9 - at_s;
                found == kind
                    && (-0.01..0.6).contains(&late_s)
                    && detail.to_lowercase().contains(&words.to_lowercase())
            }
            _ => false,
        });
        if !told {
            failures.push(format!("no {kind} ({words}) at {at_s} s: {events:?}"));
        }
    }
    // Whatever tells of a channel names the same one: that which was clipped.
    let of_channels = "SELECT kind, subject, detail FROM events WHERE kind IN \
                       ('quality_changed', 'input_saturated') AND sample BETWEEN 12000 AND 13500";
    let told = query(&faulty, of_channels);
    let right = told.iter().all(|row| match &row[1..] {
        [Value::Text(subject), Value::Text(detail)] => {
            subject == "ch1" && detail.starts_with("ch1: ")
        }
        _ => false,
    });
    if told.len() < 2 || !right {
        failures.push(format!("not all of ch1: {told:?}"));
    }

    // Beats away from the faults stand where they stand without any.
    let quiet = |beat: &&common::Row| {
        FAULTS_S.iter().all(|(begin, end)| {
            let at = time_s(beat);
            at < begin - QUIET_BEFORE_S || at > end + QUIET_AFTER_S
        })
    };
    let (expected, found) = (beats_of(&steady, 1), beats_of(&faulty, 1));
    let (expected, found): (Vec<_>, Vec<_>) = (
        expected.iter().filter(quiet).collect(),
        found.iter().filter(quiet).collect(),
    );
    if expected.len() < 25 {
        failures.push(format!("{} beats to compare", expected.len()));
    }
    if expected.len() != found.len() {
        failures.push(format!(
            "{} beats away from the faults, expected {}",
            found.len(),
            expected.len()
        ));
    }
    for (expected, found) in expected.iter().zip(&found) {
        // After a restart the chip converts at other instants: half a sample apart at most.
        let apart_s = (time_s(expected) - time_s(found)).abs();
        let before_restart = time_s(expected) < 32.0;
        let right = if before_restart {
            r_sample(expected) == r_sample(found) && apart_s == 0.0
        } else {
            (r_sample(expected) - r_sample(found)).abs() <= 1 && apart_s <= 0.002
        };
        if !right || expected[3] != found[3] {
            failures.push(format!("{found:?}, expected {expected:?}"));
        }
    }
    common::report(&failures);
}

#[test]
fn a_simulation_can_be_repeated_byte_for_byte() {
    let bench = Bench::new();
    let script = bench.path("again.txt");
    fs::write(&script, SCRIPT).unwrap();
    let script = script.to_str().unwrap();
    let mut failures = Vec::new();
    for (name, more) in [
        ("plain.ecgtrace", vec![]),
        ("packed.ecgtrace.gz", vec![]),
        ("script.ecgtrace", vec!["--faults", script]),
        (
            "part.ecgtrace",
            vec!["--from", "5", "--to", "15.5", "--rate", "1000"],
        ),
        (
            "swapped.ecgtrace",
            vec!["--signals", "2,1", "--chip", "ads1292"],
        ),
    ] {
        let (first, second) = (format!("first-{name}"), format!("second-{name}"));
        let summary = bench.simulate(&first, &more);
        bench.simulate(&second, &more);
        let (first, second) = (bench.path(&first), bench.path(&second));
        let bytes = fs::read(&first).unwrap();
        if bytes != fs::read(&second).unwrap() {
            failures.push(format!("{name} differs between two runs"));
        }
        if summary["bytes"] != bytes.len() {
            failures.push(format!("{name}: {} bytes, {summary}", bytes.len()));
        }
    }
    common::report(&failures);
}

/// What the daemon stores of a record, a replay of the record's trace stores again, given its configuration.
#[test]
fn a_replay_repeats_what_the_daemon_did() {
    let bench = Bench::new();
    bench.simulate("again.ecgtrace", &[]);
    let path = |name: &str| bench.path(name).to_str().unwrap().to_owned();
    let (record, trace) = (path("minute"), path("again.ecgtrace"));
    let rows: [(&str, &str, &str, &[&str]); 3] = [
        ("plain", "", "v1-context", &[]),
        (
            "all",
            "[signal]\nmains_hz = 0\nchannel = 2\n[model]\nname = \"v2-context\"\n\
             unclassifiable_below = 0.97\n[explain]\nbeats = \"abnormal\"\n",
            "v2-context",
            &[],
        ),
        // What the command line names goes before the configuration.
        (
            "named",
            "[signal]\nmains_hz = 60\n[model]\nname = \"v2-context\"\n",
            "v1-context",
            &["--model", "v1-context", "--channel", "2", "--mains", "50"],
        ),
    ];
    let stored = |database: &str| {
        let database = Path::new(database);
        let beats = "SELECT r_sample, rr_ms, class, p_n, p_l, p_r, p_a, p_v, channel, quality, \
                     window_complete, unclassifiable, label_delay_ms FROM beats ORDER BY id";
        let blocks = "SELECT first_sample, samples FROM ecg_blocks ORDER BY id";
        let maps = "SELECT beat, method, class, map FROM saliency ORDER BY beat";
        [beats, blocks, maps].map(|sql| query(database, sql))
    };
    let mut failures = Vec::new();
    let mut seen = Vec::new();
    for (name, keys, model, more) in rows {
        let (config, live) = (
            path(&format!("{name}.toml")),
            path(&format!("{name}-live.db")),
        );
        let replayed = path(&format!("{name}-replayed.db"));
        let text = |keys: &str| {
            format!(
                "[realtime]\npriority = 0\nlock_memory = false\n[store]\npath = {live:?}\n\
                 ecg_block_seconds = 7\n[api]\nsocket_path = {:?}\n{keys}",
                path("s")
            )
        };
        fs::write(&config, text(keys)).unwrap();
        let replay = [
            "replay", &trace, "--db", &replayed, "--json", "--config", &config,
        ];
        run([&replay[..], more].concat()).json();
        if !more.is_empty() {
            // The daemon has no such options: the same by its configuration.
            let keys = "[signal]\nmains_hz = 50\nchannel = 2\n";
            fs::write(&config, text(keys)).unwrap();
        }
        common::record_simulated(&record, &config, &live);
        let (was, is) = (stored(&live), stored(&replayed));
        for (table, (was, is)) in ["beats", "blocks", "maps"].iter().zip(was.iter().zip(&is)) {
            if was != is {
                failures.push(format!("{name}: {} {table}, then {}", was.len(), is.len()));
            }
        }
        let used = query(Path::new(&replayed), "SELECT DISTINCT model FROM deciders");
        if used != [vec![Value::Text(model.to_owned())]] {
            failures.push(format!("{name}: {used:?}"));
        }
        let maps = is[2].len();
        if (maps > 20) != (name == "all") {
            failures.push(format!("{name}: {maps} maps"));
        }
        seen.push(is);
    }
    // The settings make a difference, or nothing was shown.
    if seen[0][0] == seen[1][0] || seen[0][0] == seen[2][0] || seen[1][0] == seen[2][0] {
        failures.push("two configurations gave the same beats".to_owned());
    }
    common::report(&failures);
}

#[test]
fn a_record_is_never_written_over() {
    let bench = Bench::new();
    let files = ["minute.hea", "minute.dat", "minute.atr"].map(|name| bench.path(name));
    let contents = || files.clone().map(|file| fs::read(file).unwrap());
    let before = contents();
    let mut failures = Vec::new();
    for out in ["minute.ecgtrace", "minute.ecgtrace.gz", "minute.dat"] {
        let (record, out) = (bench.path("minute"), bench.path(out));
        let arguments = [
            "simulate",
            record.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ];
        failures.extend(run(arguments).failed_with(30, &["left untouched"]).err());
        if contents() != before {
            failures.push(format!("{}: the record changed", out.display()));
        }
    }
    common::report(&failures);
}

#[test]
fn traces_are_small() {
    let bench = Bench::new();
    let per_second = |name: &str| {
        bench.simulate(name, &[])["bytes_per_second"]
            .as_f64()
            .unwrap()
    };
    let (plain, gzip) = (per_second("size.ecgtrace"), per_second("size.ecgtrace.gz"));
    println!("{plain:.0} bytes a second plain, {gzip:.0} as gzip");
    assert!(plain <= 6_000.0, "{plain} bytes a second");
    assert!(gzip <= 0.9 * plain, "{gzip} of {plain} bytes a second");
}
