//! Recordings that nobody here made: the small inputs of `../shared/cases`, each with its right value;
//! and the manners of the commands that read them: signals, named pipes, hostile names.
//!
//! What the detector still gets wrong stands here, too, marked as expected to fail.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wfdb_io::read_annotations;

use super::common;
use super::common::{Outcome, gateway, run};

/// `evaluate` over records of a folder, from the first second on.
fn evaluate(folder: &Path, more: &[&str]) -> Outcome {
    let data = folder.to_str().unwrap();
    let whole = [
        "evaluate",
        "--data",
        data,
        "--learning-seconds",
        "0",
        "--json",
    ];
    run(whole.iter().chain(more))
}

/// Name, beats, and of the annotated ones those found, missed and wrongly found.
fn counts(record: &Value) -> Value {
    json!([
        record["name"],
        record["beats"],
        record["qrs"]["tp"],
        record["qrs"]["fn"],
        record["qrs"]["fp"]
    ])
}

#[test]
fn headers_of_strangers_are_read() {
    let Some(cases) = common::cases() else { return };
    let mut wrong = Vec::new();
    for (case, expected) in [
        ("cinc2017-date", json!([["A00001", 74, 74, 0, 0]])),
        ("cinc2020-date", json!([["Q0012", 10, null, null, null]])),
        (
            "header-unused-fields",
            json!([
                ["ampm", 74, null, null, null],
                ["bigck", 74, null, null, null],
                ["bits", 74, null, null, null],
                ["brackets", 74, null, null, null],
                ["initfloat", 74, null, null, null]
            ]),
        ),
        ("latin1-microvolt", json!([["100s", 74, 74, 0, 0]])),
        (
            "annotation-file-strict/noeof",
            json!([["100s", 74, 74, 0, 0]]),
        ),
        (
            "annotation-file-strict/negann",
            json!([["100s", 74, 74, 0, 0]]),
        ),
        (
            "annotation-file-strict/emptyann",
            json!([["100s", 74, null, null, null]]),
        ),
        ("eeg-taken-for-ecg", json!([["psg", 35, 35, 0, 0]])),
    ] {
        let outcome = evaluate(&cases.join(case), &[]);
        let json = common::one_json_line(&outcome.stdout).unwrap_or_default();
        let records = json["records"].as_array().cloned().unwrap_or_default();
        let found: Value = records.iter().map(counts).collect();
        if found != expected || outcome.code != Some(0) {
            wrong.push(format!(
                "{case}: {found}, expected {expected}\n    {outcome:?}"
            ));
        }
        let note = |words: &str| {
            let note = records
                .first()
                .and_then(|record| record["notes"][0].as_str());
            note.is_some_and(|note| note.contains(words))
        };
        let noted = match case {
            "annotation-file-strict/negann" => note("100s.atr: 1 before the record's start"),
            "annotation-file-strict/emptyann" => note("100s.atr: at byte 0: the file is empty"),
            _ => records.iter().all(|record| record["notes"] == json!([])),
        };
        if !noted {
            wrong.push(format!("{case}: notes of {records:?}"));
        }
        if case == "eeg-taken-for-ecg" && records[0]["signals"] != json!(["ECG"]) {
            wrong.push(format!("{case}: reads {}", records[0]["signals"]));
        }
    }
    common::report(&wrong);
}

#[test]
fn units_are_read_or_named() {
    let Some(cases) = common::cases() else { return };
    let folder = common::scratch();
    let case = cases.join("latin1-microvolt");
    fs::copy(case.join("100s.dat"), folder.path().join("100s.dat")).unwrap();
    let mut wrong = Vec::new();
    for (unit, uv_per_unit) in [
        ("uV", 1.0),
        ("µV", 1.0),
        ("mV", 1e3),
        ("MV", 1e3),
        ("mVolt", 1e3),
        ("millivolt", 1e3),
        ("V", 1e6),
        ("adu", 0.0),
        ("NU", 0.0),
    ] {
        let gain = 0.2 * f64::max(uv_per_unit, 1.0);
        let signal = format!("100s.dat 212 {gain}/{unit} 11 1024 995 21537 0");
        let header = format!("r 2 360 21600\n{signal} MLII\n{signal} V5\n");
        fs::write(folder.path().join("r.hea"), header).unwrap();
        let outcome = evaluate(folder.path(), &["--records", "r"]);
        let json = common::one_json_line(&outcome.stdout).unwrap_or_default();
        let read = outcome.code == Some(0) && json["records"][0]["beats"] == 74;
        let named = outcome
            .failed_with(
                30,
                &[
                    "r.hea: ",
                    &format!("MLII is in `{unit}`, expected V, mV, uV or nV"),
                ],
            )
            .is_ok();
        if (uv_per_unit > 0.0 && !read) || (uv_per_unit <= 0.0 && !named) {
            wrong.push(format!("{unit}: {outcome:?}"));
        }
    }
    common::report(&wrong);
}

#[test]
fn gzip_members_are_one_trace_and_nothing_may_follow() {
    let Some(cases) = common::cases() else { return };
    let folder = common::scratch();
    let mut wrong = Vec::new();
    for (name, code, words) in [
        ("mm", 0, ""),
        ("two", 21, "at byte 136452, "),
        ("trail", 21, "at byte 136452, "),
    ] {
        let trace = cases.join(format!("gzip-members/{name}.ecgtrace.gz"));
        let database = folder.path().join(format!("{name}.db"));
        let arguments = [
            "replay",
            trace.to_str().unwrap(),
            "--db",
            database.to_str().unwrap(),
        ];
        let outcome = run(arguments);
        let told = outcome.stderr.contains(words)
            && (code == 0 || outcome.stderr.contains("after the end record"));
        // What is whole is stored whole.
        let beats = common::beats_of(&database, 1).len();
        if outcome.code != Some(code) || !told || beats != 74 {
            wrong.push(format!("{name}: {beats} beats, {outcome:?}"));
        }
    }
    common::report(&wrong);
}

#[test]
fn one_record_ends_no_batch() {
    let Some(cases) = common::cases() else { return };
    let case = cases.join("one-record-kills-explain");
    let folder = case.to_str().unwrap();
    let explained = run(["explain", "--record", folder, "--json"]);
    explained
        .failed_with(
            30,
            &["x.hea: no ECG signal among its signals (ABP is something else)"],
        )
        .unwrap();
    let json = common::one_json_line(&explained.stdout).unwrap();
    let classes = json["classes"].as_array().unwrap().iter();
    let beats: u64 = classes.map(|class| class["beats"].as_u64().unwrap()).sum();
    assert_eq!(beats, 74, "{json}");
    let names = |list: &str| -> Vec<String> {
        let sources = json[list].as_array().unwrap().iter();
        sources
            .map(|of| {
                of["source"]
                    .as_str()
                    .unwrap()
                    .rsplit('/')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    assert_eq!(
        (names("failed"), names("skipped")),
        (vec!["x".into()], vec!["00735".into()])
    );
    let text = run(["explain", "--record", folder]);
    for words in [
        "\nFailed ",
        "/x: ",
        "\nSkipped ",
        "/00735: it has no signals.\n",
    ] {
        assert!(text.stdout.contains(words), "{words}: {text:?}");
    }

    let evaluated = evaluate(&case, &[]);
    assert_eq!(evaluated.code, Some(30), "{evaluated:?}");
    let json = common::one_json_line(&evaluated.stdout).unwrap();
    assert_eq!(json["records"].as_array().unwrap().len(), 1);
    assert_eq!(counts(&json["records"][0]), json!(["100s", 74, 74, 0, 0]));
    assert_eq!(
        json["skipped"],
        json!([{"record": "00735", "reason": "it has no signals"}])
    );
    assert_eq!(json["failed"][0]["record"], "x");
}

/// The record of the tests as `r`, under this header's first lines, with these annotations.
fn small_record(folder: &Path, signals: &str) {
    let own = common::repository("src/acquisition/testdata");
    for ending in ["dat", "atr"] {
        fs::copy(
            own.join(format!("119_20s.{ending}")),
            folder.join(format!("r.{ending}")),
        )
        .unwrap();
    }
    fs::write(folder.join("r.hea"), format!("r 2 360 7200\n{signals}")).unwrap();
}

#[test]
fn trouble_with_annotations_never_costs_the_ecg() {
    let mut wrong = Vec::new();
    type Spoil = fn(&Path);
    let rows: [(&str, Spoil, &str); 4] = [
        (
            "cut in half",
            |path| {
                let bytes = fs::read(path).unwrap();
                fs::write(path, &bytes[..(bytes.len() / 2) | 1]).unwrap();
            },
            "the file ends inside a word",
        ),
        (
            "a folder",
            |path| {
                fs::remove_file(path).unwrap();
                fs::create_dir(path).unwrap();
            },
            "a directory, expected a regular file",
        ),
        (
            "a pipe",
            |path| {
                fs::remove_file(path).unwrap();
                let made = Command::new("mkfifo").arg(path).status();
                assert!(made.unwrap().success());
            },
            "a named pipe, expected a regular file",
        ),
        (
            "a dead link",
            |path| {
                fs::remove_file(path).unwrap();
                std::os::unix::fs::symlink("nowhere", path).unwrap();
            },
            "",
        ),
    ];
    for (what, spoil, words) in rows {
        let folder = common::scratch();
        small_record(
            folder.path(),
            "r.dat 212 200 11 1024 0 0 0 MLII\nr.dat 212 200 11 1024 0 0 0 V1\n",
        );
        spoil(&folder.path().join("r.atr"));
        let outcome = evaluate(folder.path(), &[]);
        let json = common::one_json_line(&outcome.stdout).unwrap_or_default();
        let record = &json["records"][0];
        let note = record["notes"][0].as_str().unwrap_or_default();
        let noted = if words.is_empty() {
            note.is_empty()
        } else {
            note.contains(words)
        };
        if outcome.code != Some(0) || record["beats"].as_u64().unwrap_or(0) < 15 || !noted {
            wrong.push(format!("{what}: {outcome:?}"));
        }
        let (record, trace) = (folder.path().join("r"), folder.path().join("t.ecgtrace"));
        let outcome = run([
            "simulate",
            record.to_str().unwrap(),
            "--json",
            "--out",
            trace.to_str().unwrap(),
        ]);
        let json = common::one_json_line(&outcome.stdout).unwrap_or_default();
        let note = json["notes"][0].as_str().unwrap_or_default();
        if outcome.code != Some(0) || !note.contains(words) || !trace.exists() {
            wrong.push(format!("{what}, simulate: {outcome:?}"));
        }
    }
    common::report(&wrong);
}

#[test]
fn a_signal_taken_by_its_unit_alone_is_said() {
    let folder = common::scratch();
    small_record(
        folder.path(),
        "r.dat 212 200 11 1024 0 0 0 x\nr.dat 212 200 11 1024 0 0 0 y\n",
    );
    let json = evaluate(folder.path(), &[]).json();
    let note = json["records"][0]["notes"][0].as_str().unwrap();
    assert!(
        note.starts_with("nothing says that the signals taken are an ECG (it has x, y)"),
        "{note}"
    );
    let data = folder.path().to_str().unwrap();
    let text = run(["evaluate", "--data", data]);
    assert!(
        text.stdout.contains("\nNote on r: nothing says that "),
        "{text:?}"
    );
    let json = evaluate(folder.path(), &["--lead", "y"]).json();
    assert_eq!(json["records"][0]["notes"], json!([]));
    let record = folder.path().join("r");
    let json = run(["explain", "--json", "--record", record.to_str().unwrap()]).json();
    assert!(
        json["notes"][0]
            .as_str()
            .unwrap()
            .contains("nothing says that"),
        "{}",
        json["notes"]
    );
}

#[test]
fn a_named_pipe_for_a_signal_ends_at_once() {
    let folder = common::scratch();
    small_record(
        folder.path(),
        "r.dat 212 200 11 1024 0 0 0 MLII\nr.dat 212 200 11 1024 0 0 0 V1\n",
    );
    let signal = folder.path().join("r.dat");
    fs::remove_file(&signal).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&signal)
            .status()
            .unwrap()
            .success()
    );
    let record = folder.path().join("r");
    let (data, record) = (folder.path().to_str().unwrap(), record.to_str().unwrap());
    let out = folder.path().join("t.ecgtrace");
    for arguments in [
        vec!["evaluate", "--data", data],
        vec!["explain", "--record", record],
        vec!["simulate", record, "--out", out.to_str().unwrap()],
    ] {
        let outcome = run(&arguments);
        let words = ["r.dat: a named pipe, expected a regular file"];
        outcome.failed_with(30, &words).unwrap();
    }
    assert!(!out.exists());
}

/// Moves the cursor, sets the title, hides what follows; eight-bit forms and overrides of direction, too.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\r\u{7f}";

#[test]
fn names_of_strangers_never_command_the_terminal() {
    let folder = common::scratch();
    small_record(
        folder.path(),
        &format!(
            "r.dat 212 200 11 1024 0 0 0 {HOSTILE}\nr.dat 212 200 11 1024 0 0 0 {HOSTILE}2\n#{HOSTILE}\n"
        ),
    );
    let data = folder.path().to_str().unwrap();
    // A record whose name is hostile, line feed included, and one whose error repeats what it found.
    let evil = format!("e{HOSTILE}\nil");
    for ending in ["hea", "dat"] {
        fs::copy(
            folder.path().join(format!("r.{ending}")),
            folder.path().join(format!("{evil}.{ending}")),
        )
        .unwrap();
    }
    fs::write(folder.path().join("bad.hea"), format!("bad 1 {HOSTILE}\n")).unwrap();
    let trace = folder.path().join("t.ecgtrace");
    let (record, trace) = (folder.path().join("r"), trace.to_str().unwrap());
    let record = record.to_str().unwrap();
    let database = folder.path().join("t.db");
    let mut wrong = Vec::new();
    for arguments in [
        vec!["evaluate", "--data", data],
        vec!["evaluate", "--data", data, "--json"],
        vec!["evaluate", "--data", data, "--format", "markdown"],
        vec!["evaluate", "--data", data, "--lead", "nothing"],
        vec!["evaluate", "--data", data, "--protocol", "inter"],
        vec!["explain", "--record", data],
        vec!["explain", "--record", data, "--json"],
        // Warns of every record, by its name.
        vec!["explain", "--record", data, "--model", "v1"],
        vec!["simulate", record, "--out", trace],
        vec!["simulate", record, "--out", trace, "--json"],
        vec!["replay", trace, "--db", database.to_str().unwrap()],
    ] {
        let outcome = gateway().args(&arguments).output().unwrap();
        for bytes in [outcome.stdout, outcome.stderr] {
            let text = String::from_utf8(bytes).unwrap();
            let raw = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            if text.contains(raw) {
                wrong.push(format!("{arguments:?}: {text:?}"));
            }
            // A line feed in a name makes no line of its own.
            if text.lines().any(|line| line.starts_with("il")) {
                wrong.push(format!("{arguments:?} breaks a line: {text:?}"));
            }
        }
    }
    common::report(&wrong);
    assert!(Path::new(trace).exists(), "the trace was written");
}

/// A command that works for a long time, with all its temporary files in a folder of its own.
struct LongWork {
    child: Child,
}

impl LongWork {
    fn start(arguments: &[&str], temporary: &Path) -> Self {
        let mut command = gateway();
        command.args(arguments).env("TMPDIR", temporary);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child }
    }

    fn until(&mut self, what: &str, done: impl Fn(u32) -> bool) {
        let give_up = Instant::now() + Duration::from_secs(60);
        while !done(self.child.id()) {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "ended before {what}"
            );
            assert!(Instant::now() < give_up, "never: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGINT, as from a keyboard; how the command ended, and how long that took.
    fn interrupt(self) -> (Outcome, Duration) {
        let sent = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let began = Instant::now();
        let output = self.child.wait_with_output().unwrap();
        let outcome = Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        (outcome, began.elapsed())
    }
}

/// Whether the process has a handler for SIGINT, which is signal 2.
fn handles_interrupt(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 0b10 != 0)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn an_interrupt_ends_long_work_in_order_and_leaves_no_cut_file() {
    let folder = common::scratch();
    let at = |name: &str| folder.path().join(name);
    for name in ["data", "out", "temporary"] {
        fs::create_dir(at(name)).unwrap();
    }
    // A week of a flat line, which takes no room on the disk; and a minute that is done at once.
    let week = 7 * 86_400 * 500_u64;
    let header = format!("week 1 500 {week}\nweek.dat 16 1000 16 0 0 0 0 ECG\n");
    fs::write(at("data/week.hea"), header).unwrap();
    let file = fs::File::create(at("data/week.dat")).unwrap();
    file.set_len(week * 2).unwrap();
    let (data, record) = (at("data"), at("data/week"));
    let (data, record) = (data.to_str().unwrap(), record.to_str().unwrap());
    let out = at("out");
    let (trace, pictures) = (out.join("t.ecgtrace"), out.join("pictures"));
    fs::write(&trace, "older").unwrap();
    let (out_text, trace_text) = (out.to_str().unwrap(), trace.to_str().unwrap());
    let confusion = out.join("confusion.svg");
    let confusion = confusion.to_str().unwrap();
    let pictures = pictures.to_str().unwrap();
    let begun = |process: u32| handles_interrupt(process);
    let writes = |process: u32| {
        handles_interrupt(process) && names(&out).iter().any(|name| name.ends_with(".part"))
    };
    let measures = |process: u32| handles_interrupt(process) && !names(&at("temporary")).is_empty();
    type Begun<'a> = &'a dyn Fn(u32) -> bool;
    let rows: [(&str, Vec<&str>, Begun<'_>); 5] = [
        (
            "evaluate",
            vec![
                "evaluate",
                "--data",
                data,
                "--write-annotations",
                "qrs",
                "--out",
                out_text,
                "--confusion-picture",
                confusion,
            ],
            &begun,
        ),
        (
            "explain",
            vec!["explain", "--record", record, "--pictures", pictures],
            &begun,
        ),
        (
            "simulate",
            vec!["simulate", record, "--out", trace_text],
            &writes,
        ),
        (
            "bench",
            vec!["bench", "--part", "chain", "--hours", "100000"],
            &measures,
        ),
        (
            "bench of the classifier",
            vec!["bench", "--part", "classifier"],
            &begun,
        ),
    ];
    let mut wrong = Vec::new();
    for (what, arguments, begun) in rows {
        let mut work = LongWork::start(&arguments, &at("temporary"));
        work.until("it works", begun);
        std::thread::sleep(Duration::from_millis(200));
        let (outcome, took) = work.interrupt();
        let words = ["interrupted by a signal", "stopped after"];
        if words
            .iter()
            .all(|word| outcome.failed_with(130, &[word]).is_err())
        {
            wrong.push(format!("{what}: {outcome:?}"));
        }
        if took > Duration::from_secs(30) || !outcome.stdout.is_empty() {
            wrong.push(format!("{what}: after {took:?}: {}", outcome.stdout));
        }
        let left = (names(&out), names(&at("temporary")));
        if left != (vec!["t.ecgtrace".to_owned()], vec![]) {
            wrong.push(format!("{what}: leaves {left:?}"));
        }
    }
    assert_eq!(fs::read(&trace).unwrap(), b"older");
    common::report(&wrong);
}

/// A right value that the program does not give yet: the test runs and holds it, and fails when it is
/// given, so that the mark goes with the mistake.
fn expected_to_fail(what: &str, wrong: Option<String>) {
    match wrong {
        Some(wrong) => println!("still wrong, as expected: {what}: {wrong}"),
        None => panic!("{what}: now passes: remove the mark"),
    }
}

/// What is wrong with the beats found in a record, if anything: more than `most` missed or wrong.
fn beats_wrong(folder: &Path, record: &str, expected: u64, most: u64) -> Option<String> {
    let json = evaluate(folder, &["--records", record]).json();
    let qrs = &json["records"][0]["qrs"];
    let [found, missed, extra] = ["tp", "fn", "fp"].map(|key| qrs[key].as_u64().unwrap());
    assert_eq!(found + missed, expected, "annotated beats of {record}");
    (missed > most || extra > most)
        .then(|| format!("{record}: {found} of {expected} found, {extra} wrong"))
}

#[test]
fn a_detector_that_starts_on_a_t_wave_lets_go_of_it() {
    let Some(cases) = common::cases() else { return };
    let wrong = beats_wrong(&cases.join("startup-lock-in"), "107c1k3", 71, 1);
    expected_to_fail("startup-lock-in", wrong);
}

#[test]
fn t_waves_larger_than_r_are_no_beats() {
    let Some(cases) = common::cases() else { return };
    let folder = cases.join("t-wave-doubling");
    for record in ["tallT_1p7_0p05", "Tshrinks14"] {
        let wrong = beats_wrong(&folder, record, 70, 0);
        expected_to_fail(&format!("t-wave-doubling, {record}"), wrong);
    }
}

#[test]
fn p_waves_alone_are_no_beats() {
    let Some(cases) = common::cases() else { return };
    let folder = cases.join("ventricular-standstill");
    for (record, rate_hz) in [("stillb101", 360.0), ("asys0p2", 500.0)] {
        let out = common::scratch();
        let out_text = out.path().to_str().unwrap();
        let more = [
            "--records",
            record,
            "--write-annotations",
            "qrs",
            "--out",
            out_text,
        ];
        evaluate(&folder, &more).json();
        let found = read_annotations(&out.path().join(format!("{record}.qrs"))).unwrap();
        let late = found.annotations.iter();
        let late = late
            .filter(|beat| beat.sample as f64 / rate_hz > 30.5)
            .count();
        let wrong = (late > 0).then(|| format!("{late} beats after the last, expected none"));
        if record == "stillb101" {
            // right since a slow wave that would be a first beat is none
            assert_eq!(wrong, None, "{record}");
        } else {
            expected_to_fail(&format!("ventricular-standstill, {record}"), wrong);
        }
    }
}
