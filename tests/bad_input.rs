//! Bad input: one clear error line, the cause's own exit code, nothing stored lost.
//!
//! Every row runs against a database that already holds a session and must still hold it, row for
//! row, afterwards.

use std::any::Any;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ecg_chain::MonotonicNs;
use ecg_gateway::acquisition::trace::TraceHeader;
use rusqlite::Connection;

use super::common;
use super::common::process::Daemon;
use super::common::{Outcome, Row, Tables, beats_of, frames_in, r_sample, run};

/// Samples after an R peak that its label needs, at 500 SPS (docs: at most 1.0 s).
const LABEL_DELAY_SAMPLES: i64 = 500;

/// A folder with a database that holds one session, and traces to feed.
struct Bench {
    folder: tempfile::TempDir,
    before: Tables,
}

impl Bench {
    fn new() -> Self {
        static EARLIER: OnceLock<(Vec<u8>, Tables)> = OnceLock::new();
        let (bytes, before) = EARLIER.get_or_init(|| {
            let folder = common::scratch();
            let database = folder.path().join("ecg.db");
            let trace = folder.path().join("earlier.ecgtrace");
            fs::write(&trace, short_trace()).unwrap();
            let outcome = run(replay(&trace, &database));
            assert_eq!(outcome.code, Some(0), "{outcome:?}");
            let before = common::snapshot(&database);
            assert!(before["beats"].len() > 10 && before["sessions"].len() == 1);
            (fs::read(&database).unwrap(), before)
        });
        let folder = common::scratch();
        fs::write(folder.path().join("ecg.db"), bytes).unwrap();
        Self {
            folder,
            before: before.clone(),
        }
    }

    fn database(&self) -> PathBuf {
        self.path("ecg.db")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of these bytes.
    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A configuration that puts everything into this folder, with these lines instead of the
    /// example's.
    fn config(&self, changes: &[(&str, &str)]) -> PathBuf {
        let mut text = include_str!("../ecg-gateway.example.toml").to_owned();
        let places = [
            ("path", format!("{:?}", self.database())),
            ("socket_path", format!("{:?}", self.path("api.sock"))),
            ("spi_path", format!("{:?}", self.path("no-spidev"))),
        ];
        let places = places.iter().map(|(key, value)| (*key, value.as_str()));
        for (key, value) in places.chain(changes.iter().copied()) {
            let line = text
                .lines()
                .find(|line| line.starts_with(&format!("{key} = ")))
                .unwrap_or_else(|| panic!("the example has no {key}"))
                .to_owned();
            text = text.replacen(&format!("\n{line}\n"), &format!("\n{key} = {value}\n"), 1);
        }
        self.file("gateway.toml", text)
    }

    /// What is wrong with the failure and with what it left behind, if anything.
    fn judge(&self, outcome: &Outcome, code: i32, words: &[&str]) -> Result<(), String> {
        outcome.failed_with(code, words)?;
        common::keeps(&self.database(), &self.before)?;
        if self.path("api.sock").exists() {
            return Err("the socket file was left behind".to_owned());
        }
        Ok(())
    }
}

fn replay(trace: &Path, database: &Path) -> Vec<String> {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    vec![
        "replay".to_owned(),
        text(trace),
        "--db".to_owned(),
        text(database),
    ]
}

/// Record 214's two minutes, plain.
fn trace() -> &'static [u8] {
    static TRACE: OnceLock<Vec<u8>> = OnceLock::new();
    TRACE.get_or_init(|| common::unpack(&fs::read(common::demo_trace("214")).unwrap()))
}

/// Its first twenty seconds.
fn short_trace() -> &'static [u8] {
    static TRACE: OnceLock<Vec<u8>> = OnceLock::new();
    TRACE.get_or_init(|| common::rewrite(trace(), 10_000, |_| {}, |_, _| {}))
}

/// All beats of the whole trace.
fn all_beats() -> &'static [Row] {
    static BEATS: OnceLock<Vec<Row>> = OnceLock::new();
    BEATS.get_or_init(|| {
        let folder = common::scratch();
        let database = folder.path().join("ecg.db");
        let outcome = run(replay(&common::demo_trace("214"), &database));
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        beats_of(&database, 1)
    })
}

/// What is wrong with the beats of a trace of which `frames` samples were readable, if anything:
/// those labelled before the cut are the whole trace's, and nothing stands behind the cut.
fn beats_until(frames: usize, beats: &[Row]) -> Result<(), String> {
    let frames = i64::try_from(frames).unwrap();
    let settled = |beat: &&Row| r_sample(beat) + LABEL_DELAY_SAMPLES < frames;
    let expected: Vec<&Row> = all_beats().iter().filter(settled).collect();
    let found: Vec<&Row> = beats.iter().filter(settled).collect();
    if found != expected {
        return Err(format!(
            "{} beats before the cut, expected {} (or their rows differ)",
            found.len(),
            expected.len()
        ));
    }
    match beats.iter().find(|beat| r_sample(beat) >= frames) {
        Some(beat) => Err(format!("a beat behind the cut: {beat:?}")),
        None => Ok(()),
    }
}

#[test]
fn a_truncated_trace_gives_every_beat_before_the_cut() {
    let gzip = fs::read(common::demo_trace("214")).unwrap();
    let plain = trace();
    let mut failures = Vec::new();
    for (name, bytes, unpacked) in [
        ("plain, half", &plain[..plain.len() / 2], None),
        ("plain, its last byte", &plain[..plain.len() - 1], None),
        ("plain, in the chip's set-up", &plain[..600], None),
        ("gzip, half", &gzip[..gzip.len() / 2], Some(())),
        ("gzip, nine tenths", &gzip[..gzip.len() * 9 / 10], Some(())),
    ] {
        let unpacked = unpacked.map_or_else(|| bytes.to_vec(), |()| common::unpack(bytes));
        let frames = frames_in(&unpacked);
        let bench = Bench::new();
        let cut = bench.file("cut.ecgtrace", bytes);
        let outcome = run(replay(&cut, &bench.database()));
        let offset = format!("byte {}", unpacked.len());
        let verdict = bench
            .judge(&outcome, 20, &["cut.ecgtrace", &offset])
            .and_then(|()| beats_until(frames, &beats_of(&bench.database(), 2)));
        failures.extend(verdict.err().map(|problem| format!("{name}: {problem}")));
    }
    // Inside the header there is nothing to store.
    for (name, length) in [("empty", 0), ("magic only", 8), ("in the header", 40)] {
        let bench = Bench::new();
        let cut = bench.file("cut.ecgtrace", &plain[..length]);
        let outcome = run(replay(&cut, &bench.database()));
        let verdict = bench.judge(
            &outcome,
            20,
            &[&format!("byte {length}, inside its header")],
        );
        failures.extend(verdict.err().map(|problem| format!("{name}: {problem}")));
    }
    common::report(&failures);
}

#[test]
fn a_damaged_trace_gives_every_beat_before_the_damage() {
    let gzip = fs::read(common::demo_trace("214")).unwrap();
    let plain = trace();
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0x10;
        bytes
    };
    let mut failures = Vec::new();
    for (name, bytes, words) in [
        (
            "a flipped bit",
            flipped(plain, plain.len() / 2),
            "damaged trace: at byte ",
        ),
        (
            "a flipped bit in gzip",
            flipped(&gzip, gzip.len() / 2),
            "damaged trace: at byte ",
        ),
        (
            "bytes after the end",
            [plain, b"more"].concat(),
            "bytes after the end record",
        ),
        (
            "a flipped bit in the header",
            flipped(plain, 20),
            "damaged trace header",
        ),
        ("no trace", b"time,mV\n0,0.1\n".to_vec(), "not an SPI trace"),
        (
            "a version to come",
            [&plain[..8], &[9, 0], &plain[10..]].concat(),
            "trace version 9, expected 1",
        ),
        (
            "another set-up than the header's",
            common::rewrite(
                plain,
                1_000,
                |header| header.registers[4] ^= 0x10,
                |_, _| {},
            ),
            "the recorded host",
        ),
    ] {
        let bench = Bench::new();
        let damaged = bench.file("bad.ecgtrace", &bytes);
        let outcome = run(replay(&damaged, &bench.database()));
        let mut verdict = bench.judge(&outcome, 21, &["bad.ecgtrace", words]);
        let sessions = common::query(&bench.database(), "SELECT id FROM sessions").len();
        if verdict.is_ok() && sessions > 1 {
            let unpacked = if bytes.starts_with(&[0x1F, 0x8B]) {
                common::unpack(&bytes)
            } else {
                bytes
            };
            verdict = beats_until(frames_in(&unpacked), &beats_of(&bench.database(), 2));
        }
        failures.extend(verdict.err().map(|problem| format!("{name}: {problem}")));
    }
    common::report(&failures);
}

#[test]
fn times_that_make_no_sense_keep_every_beat_before_them() {
    const FRAMES: usize = 10_000;
    const FIRST_BAD: usize = 5_000;
    const YEAR_NS: u64 = 365 * 86_400 * 1_000_000_000;
    let from_the_middle = |change: fn(u64) -> u64| {
        common::retimed(trace(), FRAMES, |frame, time| {
            if frame < FIRST_BAD {
                return time;
            }
            MonotonicNs(change(time.0))
        })
    };
    let alone = common::retimed(trace(), FRAMES, |frame, time| {
        let far = if frame == FIRST_BAD { YEAR_NS } else { 0 };
        MonotonicNs(time.0 + far)
    });
    // Nine seconds back is what an old kernel's stamps may do: what the driver makes of it is its own.
    let rows: [(&str, Vec<u8>, Option<&str>); 6] = [
        (
            "a year ahead",
            from_the_middle(|ns| ns + YEAR_NS),
            Some("its time lies more than 31 days after"),
        ),
        (
            "a century ahead",
            from_the_middle(|ns| ns + 100 * YEAR_NS),
            Some("its time lies ten years and more from"),
        ),
        (
            "the end of the clock",
            from_the_middle(|_| u64::MAX),
            Some("its time lies ten years and more from"),
        ),
        (
            "nine seconds back",
            from_the_middle(|ns| ns.saturating_sub(9_000_000_000)),
            None,
        ),
        (
            "before all",
            from_the_middle(|_| 0),
            Some("its time lies before"),
        ),
        (
            "one record alone",
            alone,
            Some("its time lies more than 31 days after"),
        ),
    ];
    let mut failures = Vec::new();
    for (name, bytes, words) in rows {
        let bench = Bench::new();
        let trace = bench.file("bad.ecgtrace", &bytes);
        let began = std::time::Instant::now();
        let outcome = run(replay(&trace, &bench.database()));
        let verdict = match words {
            None if outcome.code == Some(0) => Ok(()),
            None => Err(format!("{outcome:?}")),
            Some(words) => {
                let words = ["bad.ecgtrace: damaged trace: event ", words];
                let judged = bench.judge(&outcome, 21, &words);
                judged.and_then(|()| beats_until(FIRST_BAD, &beats_of(&bench.database(), 2)))
            }
        };
        failures.extend(verdict.err().map(|problem| format!("{name}: {problem}")));
        if began.elapsed().as_secs() > 30 {
            failures.push(format!("{name}: took {:?}", began.elapsed()));
        }
    }
    // Where the trace's own clock stands at no time of any clock, there is nothing to keep.
    let bench = Bench::new();
    let late = |header: &mut TraceHeader| header.session.start.monotonic = MonotonicNs(u64::MAX);
    let bytes = common::rewrite(short_trace(), 500, late, |_, _| {});
    let trace = bench.file("late.ecgtrace", bytes);
    let outcome = run(replay(&trace, &bench.database()));
    let verdict = bench.judge(
        &outcome,
        21,
        &["late.ecgtrace: damaged trace header: no clock"],
    );
    failures.extend(verdict.err().map(|problem| format!("late: {problem}")));
    common::report(&failures);
}

#[test]
fn a_wrong_trace_does_not_hide_the_others() {
    let bench = Bench::new();
    let notes = bench.file("notes.ecgtrace", "no trace");
    let cut = bench.file("cut.ecgtrace", &short_trace()[..short_trace().len() / 2]);
    let whole = bench.file("whole.ecgtrace", short_trace());
    let paths = [&notes, &cut, &whole].map(|path| path.to_str().unwrap());
    let database = bench.database();
    let more = ["--json", "--db", database.to_str().unwrap()];
    let outcome = run(["replay"].iter().chain(&paths).chain(&more));
    let words = [
        "notes.ecgtrace: not an SPI trace",
        " (and 1 more that failed)",
    ];
    bench
        .judge(&outcome, 21, &words)
        .unwrap_or_else(|problem| panic!("{problem}"));
    let json = common::one_json_line(&outcome.stdout).unwrap();
    let traces = |list: &str| -> Vec<String> {
        let list = json[list].as_array().unwrap().iter();
        list.map(|of| of["trace"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(traces("sessions"), paths[1..]);
    assert_eq!(traces("failed"), paths[..2]);
    // The same trace as that of the session from before.
    assert_eq!(beats_of(&database, 3), beats_of(&database, 1));
}

#[test]
fn a_trace_of_another_chip_is_refused() {
    let mut failures = Vec::new();
    let bench = Bench::new();
    let foreign = common::rewrite(
        short_trace(),
        500,
        |header| header.chip_id = 0x92,
        |_, _| {},
    );
    let foreign = bench.file("foreign.ecgtrace", foreign);
    let outcome = run(replay(&foreign, &bench.database()));
    let verdict = bench.judge(&outcome, 22, &["foreign.ecgtrace", "0x92", "0x53", "0x73"]);
    failures.extend(verdict.err().map(|problem| format!("unknown: {problem}")));

    for (asked, code) in [("ads1292", 22), ("ads1292r", 0)] {
        let bench = Bench::new();
        let trace = bench.file("r.ecgtrace", short_trace());
        let mut arguments = replay(&trace, &bench.database());
        arguments.extend(["--chip".to_owned(), asked.to_owned()]);
        let outcome = run(arguments);
        let verdict = if code == 0 {
            let right = outcome.code == Some(0);
            right.then_some(()).ok_or_else(|| format!("{outcome:?}"))
        } else {
            let words = ["r.ecgtrace", "found an ADS1292R, expected ADS1292"];
            bench.judge(&outcome, code, &words)
        };
        failures.extend(verdict.err().map(|problem| format!("{asked}: {problem}")));
    }
    common::report(&failures);
}

#[test]
fn an_unknown_id_is_named() {
    const RREG_ID: u8 = 0x20;
    let mut failures = Vec::new();
    for id in [0x00_u8, 0xFF, 0x92] {
        let mut answers = 0;
        let changed = common::rewrite(
            short_trace(),
            1_000,
            |_| {},
            |sent, received| {
                let read = received.iter_mut().flat_map(|bytes| bytes.iter_mut());
                if sent.first() == Some(&RREG_ID)
                    && let Some(byte) = read.last()
                {
                    *byte = id;
                    answers += 1;
                }
            },
        );
        assert!(answers > 0, "the trace holds no RREG of the ID register");
        let bench = Bench::new();
        let changed = bench.file("id.ecgtrace", changed);
        let outcome = run(replay(&changed, &bench.database()));
        let verdict = bench.judge(&outcome, 23, &["id.ecgtrace", &format!("0x{id:02x}")]);
        failures.extend(verdict.err().map(|problem| format!("{id:#04x}: {problem}")));
    }
    common::report(&failures);
}

#[test]
fn a_wrong_configuration_is_refused_with_line_and_range() {
    let mut failures = Vec::new();
    for (name, old, new, words) in [
        (
            "a typo",
            "socket_path",
            "sockt_path",
            ["api.sockt_path", "unknown key, expected one of "],
        ),
        (
            "a section that is none",
            "[signal]",
            "[signals]",
            ["signals", "expected one of "],
        ),
        (
            "an impossible rate",
            "sample_rate_hz = 500",
            "sample_rate_hz = 600",
            ["found 600", "125, 250, 500, 1000, 2000, 4000, 8000"],
        ),
        (
            "a number out of range",
            "batch_ms = 1000",
            "batch_ms = 5",
            ["store.batch_ms: found 5", "10 to 60000"],
        ),
        (
            "a text where a number belongs",
            "drdy_line = 25",
            "drdy_line = \"GPIO25\"",
            ["device.drdy_line: found \"GPIO25\"", "0 to 1023"],
        ),
        (
            "no TOML",
            "mains_hz = 50",
            "mains_hz = fifty",
            ["not TOML", ""],
        ),
    ] {
        for check in [true, false] {
            let bench = Bench::new();
            let path = bench.config(&[]);
            let text = fs::read_to_string(&path).unwrap();
            let place = text.find(&format!("\n{old}")).unwrap() + 1;
            let text = [&text[..place], new, &text[place + old.len()..]].concat();
            fs::write(&path, text).unwrap();
            let line = fs::read_to_string(&path).unwrap()[..place].lines().count() + 1;
            let mut arguments = vec!["run", "--config", path.to_str().unwrap()];
            arguments.extend(check.then_some("--check"));
            let outcome = run(arguments);
            let at = format!("gateway.toml:{line}: ");
            let verdict = bench.judge(&outcome, 10, &[&at, words[0], words[1]]);
            failures.extend(
                verdict
                    .err()
                    .map(|problem| format!("{name}, --check {check}: {problem}")),
            );
        }
    }
    let bench = Bench::new();
    let missing = bench.path("missing.toml");
    for command in ["run", "record"] {
        let mut arguments = vec![command, "--config", missing.to_str().unwrap()];
        if command == "record" {
            arguments.extend(["--out", "never.ecgtrace"]);
        }
        let verdict = bench.judge(&run(arguments), 10, &["missing.toml: cannot be read"]);
        failures.extend(
            verdict
                .err()
                .map(|problem| format!("{command} without a file: {problem}")),
        );
    }
    // Keys that are right one by one; every command that reads the file says so.
    let config = bench.config(&[("start_line", "25")]);
    let huge = bench.path("huge.toml");
    let keys: Vec<String> = (0..2_000_000).map(|key| format!("k{key} = 1\n")).collect();
    fs::write(&huge, keys.concat()).unwrap();
    let out = bench.path("never.ecgtrace");
    for (path, words) in [
        (
            &config,
            ": device.start_line: found 25, expected another line than device.drdy_line",
        ),
        (
            &huge,
            "huge.toml: cannot be read: 24888890 bytes, expected at most 1048576",
        ),
    ] {
        let path = path.to_str().unwrap();
        for arguments in [
            vec!["run", "--config", path],
            vec!["run", "--check", "--config", path],
            vec!["run", "--simulated", "synthetic", "--config", path],
            vec!["doctor", "--config", path],
            vec!["record", "--config", path, "--out", out.to_str().unwrap()],
        ] {
            let verdict = bench.judge(&run(&arguments), 10, &[words]);
            failures.extend(
                verdict
                    .err()
                    .map(|problem| format!("{arguments:?}: {problem}")),
            );
        }
    }
    // The same configuration without the mistake is fine.
    let config = bench.config(&[]);
    let outcome = run(["run", "--check", "--config", config.to_str().unwrap()]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    common::report(&failures);
}

#[test]
fn a_locked_database_is_left_alone() {
    let mut failures = Vec::new();
    let mut case = |name: &str, words: &[&str], hold: &mut dyn FnMut(&Bench) -> Box<dyn Any>| {
        let bench = Bench::new();
        let trace = bench.file("t.ecgtrace", short_trace());
        let holder = hold(&bench);
        let outcome = run(replay(&trace, &bench.database()));
        drop(holder);
        let verdict = bench
            .judge(&outcome, 50, words)
            .and_then(|()| {
                // Freed, it takes the same trace.
                let outcome = run(replay(&trace, &bench.database()));
                let taken = outcome.code == Some(0);
                taken.then_some(()).ok_or_else(|| format!("{outcome:?}"))
            })
            .and_then(|()| common::keeps(&bench.database(), &bench.before));
        failures.extend(verdict.err().map(|problem| format!("{name}: {problem}")));
    };
    case(
        "another gateway",
        &["ecg.db: in use by another ecg-gateway with process id "],
        &mut |bench| {
            let (trace, socket) = (bench.file("a.ecgtrace", short_trace()), bench.path("s"));
            let mut arguments = replay(&trace, &bench.database());
            let socket_text = socket.to_str().unwrap();
            arguments.extend(["--serve", "--socket", socket_text].map(str::to_owned));
            Box::new(Daemon::serving(arguments, &socket))
        },
    );
    for (name, sql) in [
        ("an exclusive transaction", "BEGIN EXCLUSIVE"),
        (
            "an exclusive connection",
            "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT",
        ),
    ] {
        case(name, &["ecg.db: locked by another program"], &mut |bench| {
            let connection = Connection::open(bench.database()).unwrap();
            connection.execute_batch(sql).unwrap();
            Box::new(connection)
        });
    }
    common::report(&failures);
}

#[test]
fn a_file_that_is_not_ours_stays_byte_for_byte() {
    let foreign = |bench: &Bench| {
        let path = bench.path("other.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("CREATE TABLE photos (id INTEGER); INSERT INTO photos VALUES (1)")
            .unwrap();
        path
    };
    let newer = |bench: &Bench| {
        let path = bench.path("newer.db");
        fs::copy(bench.database(), &path).unwrap();
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = DELETE; PRAGMA user_version = 99; PRAGMA journal_mode = WAL",
            )
            .unwrap();
        path
    };
    let newer_in_the_log = |bench: &Bench| {
        // The version is in the write-ahead log only: a copy of a living database.
        let living = bench.path("living.db");
        fs::copy(bench.database(), &living).unwrap();
        let connection = Connection::open(&living).unwrap();
        connection
            .execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA user_version = 99")
            .unwrap();
        for ending in ["", "-wal"] {
            let (from, to) = (format!("living.db{ending}"), format!("log.db{ending}"));
            fs::copy(bench.path(&from), bench.path(&to)).unwrap();
        }
        bench.path("log.db")
    };
    let text = |bench: &Bench| bench.file("notes.txt", "Not a database. ".repeat(20));
    let cut = |bench: &Bench| {
        let bytes = fs::read(bench.database()).unwrap();
        bench.file("cut.db", &bytes[..5_000])
    };
    type Make<'a> = &'a dyn Fn(&Bench) -> PathBuf;
    let rows: [(&str, Make<'_>, &str); 5] = [
        ("a text", &text, "not an SQLite database"),
        ("another application's", &foreign, "another application"),
        ("a newer schema", &newer, "schema version 99, this program"),
        (
            "a newer schema in the log",
            &newer_in_the_log,
            "schema version 99, this program",
        ),
        ("a cut database", &cut, "damaged"),
    ];
    let mut failures = Vec::new();
    for (name, make, words) in rows {
        let bench = Bench::new();
        let trace = bench.file("t.ecgtrace", short_trace());
        let path = make(&bench);
        let before = fs::read(&path).unwrap();
        let outcome = run(replay(&trace, &path));
        let mut verdict = bench.judge(&outcome, 51, &[path.to_str().unwrap(), words]);
        if verdict.is_ok() && fs::read(&path).unwrap() != before {
            verdict = Err("the file was changed".to_owned());
        }
        failures.extend(verdict.err().map(|problem| format!("{name}: {problem}")));
    }
    let bench = Bench::new();
    let trace = bench.file("t.ecgtrace", short_trace());
    let outcome = run(replay(&trace, &bench.path("no-folder/ecg.db")));
    let verdict = bench.judge(&outcome, 51, &["no-folder/ecg.db"]);
    failures.extend(verdict.err().map(|problem| format!("no folder: {problem}")));
    common::report(&failures);
}

#[test]
fn an_occupied_socket_path_is_left_alone() {
    let mut failures = Vec::new();
    let with_socket = |bench: &Bench, socket: &Path| {
        let trace = bench.file("t.ecgtrace", short_trace());
        let mut arguments = replay(&trace, &bench.database());
        arguments.extend(["--socket".to_owned(), socket.to_str().unwrap().to_owned()]);
        run(arguments)
    };
    // A living server, on a database of its own.
    let (server, bench) = (Bench::new(), Bench::new());
    let trace = server.file("t.ecgtrace", short_trace());
    let socket = server.path("s");
    let mut arguments = replay(&trace, &server.database());
    let socket_text = socket.to_str().unwrap();
    arguments.extend(["--serve", "--socket", socket_text].map(str::to_owned));
    let living = Daemon::serving(arguments, &socket);
    let outcome = with_socket(&bench, &socket);
    let verdict = bench
        .judge(&outcome, 60, &[socket_text, "another server"])
        .and_then(|()| match common::get(&socket, "/v1/status") {
            (200, _) => Ok(()),
            other => Err(format!("the server's socket was taken: {other:?}")),
        });
    failures.extend(verdict.err().map(|problem| format!("living: {problem}")));
    drop(living);
    // That server was killed: its socket answers nobody and is replaced.
    let outcome = with_socket(&bench, &socket);
    if outcome.code != Some(0) || socket.exists() {
        failures.push(format!("dead: {outcome:?}"));
    }

    let bench = Bench::new();
    let file = bench.file("file", "a letter");
    let outcome = with_socket(&bench, &file);
    let mut verdict = bench.judge(&outcome, 61, &["file: exists and is not a socket"]);
    if fs::read(&file).unwrap() != b"a letter" {
        verdict = Err("the file was changed".to_owned());
    }
    failures.extend(verdict.err().map(|problem| format!("a file: {problem}")));

    for (name, path) in [
        ("too long", "s".repeat(120)),
        ("no folder", "nowhere/s".to_owned()),
    ] {
        let bench = Bench::new();
        let outcome = with_socket(&bench, &bench.path(&path));
        let verdict = bench.judge(&outcome, 61, &[&path]);
        failures.extend(verdict.err().map(|problem| format!("{name}: {problem}")));
    }
    common::report(&failures);
}

/// Weights of the last layer of `v1`.
const DENSE: &str = "layers.9.dense.weight";

#[test]
fn wrong_weights_are_refused() {
    let good = fs::read(common::repository("models/v1.safetensors")).unwrap();
    // Same length, so that nothing but the shape is wrong.
    let reshaped = {
        let (old, new) = (b"\"shape\":[16,1,7]", b"\"shape\":[16,7,1]");
        let at = good.windows(old.len()).position(|part| part == old);
        let at = at.expect("the stem's weights are 16 x 1 x 7");
        [&good[..at], new, &good[at + old.len()..]].concat()
    };
    let with_weights = |name: &str, change: &dyn Fn(f32) -> f32| {
        let mut file = good.clone();
        let header = usize::try_from(u64::from_le_bytes(*good.first_chunk().unwrap())).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&good[8..8 + header]).unwrap();
        let place = &json[name]["data_offsets"];
        let [from, to] = [0, 1].map(|end| usize::try_from(place[end].as_u64().unwrap()).unwrap());
        for value in file[8 + header + from..8 + header + to].as_chunks_mut().0 {
            *value = change(f32::from_le_bytes(*value)).to_le_bytes();
        }
        file
    };
    let huge = with_weights("layers.2.pointwise.weight", &|value| value.signum() * 1e38);
    let large = with_weights(DENSE, &|value| value * 1e5);
    let blind = with_weights(DENSE, &|_| 0.0);
    let mut long_header = good.clone();
    long_header[..8].copy_from_slice(&(5_u64 << 20).to_le_bytes());
    let rows: [(&str, Option<&[u8]>, &str); 9] = [
        ("a wrong shape", Some(&reshaped), "[16, 1, 7]"),
        (
            "huge",
            Some(&huge),
            "tensor layers.2.pointwise.weight: sums with it can reach",
        ),
        (
            "absurd",
            Some(&large),
            "self-test: known beat 0: the logit of class",
        ),
        (
            "blind",
            Some(&blind),
            "self-test: every one of 8 known beats",
        ),
        (
            "a huge header",
            Some(&long_header),
            "header of 5242880 bytes, expected at most 262144",
        ),
        ("truncated", Some(&good[..good.len() / 2]), "not a complete"),
        ("truncated in its header", Some(&good[..100]), "not a compl"),
        ("empty", Some(b""), "not a complete"),
        ("missing", None, "cannot be read"),
    ];
    let mut failures = Vec::new();
    for (name, bytes, words) in rows {
        let bench = Bench::new();
        let weights = bench.path("mine.safetensors");
        if let Some(bytes) = bytes {
            fs::write(&weights, bytes).unwrap();
        }
        let weights = weights.to_str().unwrap();
        let trace = bench.file("t.ecgtrace", short_trace());
        let config = bench.config(&[("name", &format!("{weights:?}"))]);
        let config = config.to_str().unwrap();
        let mut with_model = replay(&trace, &bench.database());
        with_model.extend(["--model".to_owned(), weights.to_owned()]);
        for (command, outcome) in [
            ("replay", run(with_model)),
            ("run --check", run(["run", "--check", "--config", config])),
            ("run", run(["run", "--config", config])),
            ("demo", run(["demo", "--model", weights])),
            ("explain", run(["explain", "--demo", "--model", weights])),
            (
                "bench",
                run(["bench", "--part", "classifier", "--model", weights]),
            ),
            (
                "evaluate",
                run([
                    "evaluate",
                    "--model",
                    weights,
                    "--data",
                    common::repository("src/acquisition/testdata")
                        .to_str()
                        .unwrap(),
                ]),
            ),
        ] {
            let verdict = bench.judge(&outcome, 40, &["mine.safetensors", words]);
            failures.extend(
                verdict
                    .err()
                    .map(|problem| format!("{name}, {command}: {problem}")),
            );
        }
    }
    let outcome = run(["demo", "--model", "v9"]);
    let verdict = outcome.failed_with(40, &["\"v9\"", "v1", "v2"]);
    failures.extend(verdict.err().map(|problem| format!("v9: {problem}")));
    common::report(&failures);
}

#[test]
fn a_missing_front_end_is_named() {
    let mut failures = Vec::new();
    for (name, changes, words) in [
        ("no SPI node", &[][..], "no-spidev"),
        (
            "a node that is no SPI bus",
            &[("spi_path", "\"/dev/null\"")],
            "/dev/null",
        ),
    ] {
        let bench = Bench::new();
        // The log tells which engine was chosen; the failure alone is looked at here.
        let changes: Vec<_> = changes
            .iter()
            .copied()
            .chain([("level", "\"error\"")])
            .collect();
        let config = bench.config(&changes);
        let config = config.to_str().unwrap();
        let trace = bench.path("never.ecgtrace");
        let out = trace.to_str().unwrap();
        for (command, outcome) in [
            ("run", run(["run", "--config", config])),
            ("record", run(["record", "--config", config, "--out", out])),
        ] {
            let mut verdict = bench.judge(&outcome, 24, &[words]);
            if trace.exists() {
                verdict = Err("a trace without a recording was left behind".to_owned());
            }
            failures.extend(
                verdict
                    .err()
                    .map(|problem| format!("{name}, {command}: {problem}")),
            );
        }
    }
    common::report(&failures);
}

/// Files that are read whole have limits: sparse ones here, so that nothing but the size is wrong.
#[test]
fn files_that_are_too_large_are_refused_by_their_size() {
    let bench = Bench::new();
    let sparse = |name: &str, mib: u64| {
        let path = bench.path(name);
        fs::File::create(&path).unwrap().set_len(mib << 20).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let header = sparse("r.hea", 5);
    let script = sparse("script", 2);
    let split = sparse("split.json", 17);
    let records = bench.folder.path().join("records");
    fs::create_dir(&records).unwrap();
    sparse("records/RECORDS", 17);
    let annotated = bench.folder.path().join("annotated");
    fs::create_dir(&annotated).unwrap();
    for ending in ["hea", "dat"] {
        let name = format!("119_20s.{ending}");
        let from = common::repository("src/acquisition/testdata").join(&name);
        fs::copy(from, annotated.join(&name)).unwrap();
    }
    sparse("annotated/119_20s.atr", 17);
    let out = bench.path("out.ecgtrace");
    let out = out.to_str().unwrap();
    let [records, annotated] = [&records, &annotated].map(|path| path.to_str().unwrap());
    let mut failures = Vec::new();
    for (arguments, code, words) in [
        (
            vec!["simulate", &header, "--out", out],
            30,
            "r.hea: 5242880 bytes",
        ),
        (
            vec!["simulate", &header, "--faults", &script, "--out", out],
            10,
            "script: 2097152 bytes",
        ),
        (
            vec!["evaluate", "--data", records],
            30,
            "RECORDS: 17825792 bytes",
        ),
        (
            vec![
                "evaluate",
                "--data",
                annotated,
                "--protocol",
                "intra",
                "--split",
                &split,
            ],
            1,
            "split.json: 17825792 bytes",
        ),
    ] {
        let outcome = run(&arguments);
        let verdict = bench.judge(&outcome, code, &[words, ", expected at most "]);
        failures.extend(
            verdict
                .err()
                .map(|problem| format!("{arguments:?}: {problem}")),
        );
    }
    // trouble with annotations never costs the ECG
    let outcome = run(["evaluate", "--data", annotated, "--json"]);
    if outcome.code != Some(0)
        || !outcome
            .stdout
            .contains("119_20s.atr: 17825792 bytes, expected at most 16777216")
    {
        failures.push(format!("large annotations: {outcome:?}"));
    }
    common::report(&failures);
}

#[test]
fn a_wrong_record_is_named_with_its_line() {
    let bench = Bench::new();
    let signal = "r.dat 16 200/mV 16 0 0 0 0 MLII\n";
    bench.file("r.dat", [0_u8; 400]);
    let mut failures = Vec::new();
    for (name, header, words) in [
        ("missing", None, "missing.hea"),
        ("no number of signals", Some("r\n".to_owned()), "r.hea"),
        (
            "no rate",
            Some(format!("r 1 fast 200\n{signal}")),
            "r.hea, line 1: ",
        ),
        (
            "an unknown format",
            Some("r 1 360 200\n# a comment\nr.dat 77 200 16 0 0 0 0 MLII\n".to_owned()),
            "r.hea, line 3: ",
        ),
        (
            "fewer signals than it says",
            Some(format!("r 3 360 200\n{signal}")),
            "r.hea",
        ),
        (
            "no signal file",
            Some("r 1 360 200\ngone.dat 16 200/mV 16 0 0 0 0 MLII\n".to_owned()),
            "gone.dat",
        ),
        (
            "a short signal file",
            Some(format!("r 1 360 5000\n{signal}")),
            "r.dat",
        ),
        (
            "no voltage",
            Some("r 1 360 200\nr.dat 16 200/mmHg 16 0 0 0 0 x\n".to_owned()),
            "r.hea: no ECG signal among its signals (x is in `mmHg`",
        ),
    ] {
        let record = match &header {
            None => bench.path("missing"),
            Some(text) => bench.file("r.hea", text),
        };
        let trace = bench.path("out.ecgtrace");
        let outcome = run([
            "simulate",
            record.to_str().unwrap(),
            "--out",
            trace.to_str().unwrap(),
        ]);
        let verdict = bench.judge(&outcome, 30, &[words]);
        failures.extend(verdict.err().map(|problem| format!("{name}: {problem}")));
        let data = bench.folder.path().to_str().unwrap();
        let record = record.file_stem().unwrap().to_str().unwrap();
        let outcome = run(["evaluate", "--data", data, "--records", record, "--json"]);
        // Listed in the output, too, by the name it was asked for.
        let verdict = bench.judge(&outcome, 30, &[words]).and_then(|()| {
            let json = common::one_json_line(&outcome.stdout)?;
            let failed = &json["failed"][0];
            let listed = failed["reason"]
                .as_str()
                .is_some_and(|why| why.contains(words));
            if failed["record"] == record && listed {
                return Ok(());
            }
            Err(format!("not listed under failed: {}", json["failed"]))
        });
        failures.extend(
            verdict
                .err()
                .map(|problem| format!("{name}, evaluate: {problem}")),
        );
    }
    common::report(&failures);
}

#[test]
fn a_wrong_record_does_not_hide_the_others() {
    let bench = Bench::new();
    for ending in ["hea", "dat", "atr"] {
        let name = format!("119_20s.{ending}");
        let path = common::repository("src/acquisition/testdata").join(&name);
        fs::copy(path, bench.path(&name)).unwrap();
    }
    bench.file("broken.hea", "broken 1 fast\n");
    bench.file("nothing.hea", "nothing 0 250 0\n");
    bench.file(
        "pressure.hea",
        "pressure 1 250 0\n119_20s.dat 16 100/mmHg 12 0 0 0 0 ABP\n",
    );
    let data = bench.folder.path().to_str().unwrap();
    let outcome = run(["evaluate", "--data", data, "--json"]);
    let words = ["broken.hea, line 1", " (and 1 more that failed)"];
    bench
        .judge(&outcome, 30, &words)
        .unwrap_or_else(|problem| panic!("{problem}"));
    let json = common::one_json_line(&outcome.stdout).unwrap();
    let records = json["records"].as_array().unwrap();
    assert_eq!(records.len(), 1, "{json}");
    assert_eq!(records[0]["name"], "119_20s");
    let named = |list: &str, key: &str| -> Vec<String> {
        let list = json[list].as_array().unwrap().iter();
        list.map(|left| left[key].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(named("failed", "record"), ["broken", "pressure"]);
    assert_eq!(named("skipped", "record"), ["nothing"]);
    assert_eq!(named("skipped", "reason"), ["it has no signals"]);
    for protocol in ["chain", "inter"] {
        let text = run(["evaluate", "--data", data, "--protocol", protocol]);
        for words in [
            "\nFailed broken: ",
            "\nFailed pressure: ",
            "\nSkipped nothing: it has no",
        ] {
            assert!(text.stdout.contains(words), "{protocol}, {words}: {text:?}");
        }
        assert_eq!(text.code, Some(30), "{text:?}");
    }

    let mut failures = Vec::new();
    let empty = common::scratch();
    for (name, path) in [
        ("an empty folder", empty.path().to_owned()),
        ("no folder", empty.path().join("nowhere")),
    ] {
        let path = path.to_str().unwrap();
        let verdict = run(["evaluate", "--data", path]).failed_with(30, &[path]);
        failures.extend(verdict.err().map(|problem| format!("{name}: {problem}")));
    }
    common::report(&failures);
}
