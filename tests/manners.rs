//! How the command line treats standard output, standard error and signals.

use std::process::{Command, Stdio};

use super::common;
use super::common::process::Daemon;
use super::common::run;

/// Runs `ecg-gateway ARGUMENTS` in a shell with this plumbing behind it: exit code of the gateway
/// and all that came out.
fn piped(arguments: &str, plumbing: &str) -> (Option<i32>, String) {
    let script = format!(
        "set -o pipefail; {:?} {arguments} {plumbing}",
        env!("CARGO_BIN_EXE_ecg-gateway")
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .output()
        .expect("bash");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn a_reader_that_goes_away_is_no_accident() {
    let folder = common::scratch();
    let places = |name: &str| {
        let path = |ending: &str| folder.path().join(format!("{name}.{ending}"));
        format!("--db {:?} --socket {:?}", path("db"), path("s"))
    };
    let mut failures = Vec::new();
    for (arguments, plumbing, code, lines) in [
        (format!("demo {}", places("a")), "2>&1 | head -1", 0, 1),
        (format!("demo {}", places("b")), "2>&1 | true", 0, 0),
        (format!("demo --json {}", places("c")), "2>&1 | true", 0, 0),
        ("--help".to_owned(), "2>&1 | head -1", 0, 1),
        ("simulate --help".to_owned(), "2>&1 | true", 0, 0),
        ("demo --no-such-option".to_owned(), "2>&1 | true", 2, 0),
        // Also the error line may find nobody who reads it.
        ("demo --model v9".to_owned(), "2>&1 | true", 40, 0),
        ("demo --model v9".to_owned(), "2>&1 | sleep 0", 40, 0),
        ("demo --model v9".to_owned(), "2>&-", 40, 0),
        (format!("demo {}", places("d")), ">&-", 0, 0),
    ] {
        let (found, text) = piped(&arguments, plumbing);
        if found != Some(code) || text.lines().count() != lines || text.contains("panic") {
            failures.push(format!("{arguments} {plumbing}: code {found:?}, {text}"));
        }
    }
    common::report(&failures);
}

/// Every command that knows `--json` prints one line, one object, and nothing on standard error.
#[test]
fn json_is_one_line() {
    let folder = common::scratch();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let trace = common::demo_trace("232");
    let trace = trace.to_str().unwrap();
    let record = common::repository("src/acquisition/testdata/119_20s");
    let mut failures = Vec::new();
    for (arguments, keys) in [
        (
            vec!["replay", trace, trace, "--db", &path("r.db"), "--json"],
            &[
                "database",
                "sessions",
                "beats",
                "by_class",
                "seconds_of_ecg",
                "seconds",
                "realtime_factor",
            ][..],
        ),
        (
            vec![
                "simulate",
                record.to_str().unwrap(),
                "--out",
                &path("s.ecgtrace"),
                "--json",
            ],
            &[
                "trace",
                "annotations",
                "frames",
                "gaps",
                "missing_samples",
                "bytes",
                "seconds_of_ecg",
                "bytes_per_second",
            ],
        ),
        (
            vec![
                "evaluate",
                "--data",
                record.parent().and_then(std::path::Path::to_str).unwrap(),
                "--json",
            ],
            &[
                "protocol",
                "model",
                "engine",
                "learning_seconds",
                "records",
                "gross",
                "average",
                "confusion",
                "accuracy",
                "macro_f1",
                "seconds",
            ],
        ),
        (
            vec!["bench", "--hours", "0.01", "--db", &path("b.db"), "--json"],
            &[
                "seconds_of_ecg",
                "samples",
                "beats",
                "seconds",
                "cpu_seconds",
                "realtime_factor",
                "realtime_factor_per_core",
                "peak_resident_kib",
                "database_bytes",
            ],
        ),
    ] {
        let outcome = run(&arguments);
        if outcome.code != Some(0) || !outcome.stderr.is_empty() {
            failures.push(format!("{arguments:?}: {outcome:?}"));
            continue;
        }
        match common::one_json_line(&outcome.stdout) {
            Err(problem) => failures.push(format!("{arguments:?}: {problem}")),
            Ok(json) => failures.extend(
                keys.iter()
                    .filter(|key| json.get(**key).is_none_or(serde_json::Value::is_null))
                    .map(|key| format!("{}: no {key} in {json}", arguments[0])),
            ),
        }
    }
    common::report(&failures);
}

#[test]
fn replay_tells_about_each_session_also_when_a_trace_fails() {
    let folder = common::scratch();
    let database = folder.path().join("r.db");
    let trace = common::demo_trace("232");
    let missing = folder.path().join("missing.ecgtrace");
    let outcome = run([
        "replay".as_ref(),
        trace.as_os_str(),
        missing.as_os_str(),
        trace.as_os_str(),
        "--db".as_ref(),
        database.as_os_str(),
        "--json".as_ref(),
    ]);
    outcome
        .failed_with(1, &["missing.ecgtrace"])
        .unwrap_or_else(|problem| panic!("{problem}"));
    let json = common::one_json_line(&outcome.stdout).unwrap();
    let sessions = json["sessions"].as_array().unwrap();
    // The one behind the missing trace, too.
    assert_eq!(sessions.len(), 2, "{json}");
    assert_eq!(json["failed"][0]["trace"], missing.to_str().unwrap());
    for key in [
        "trace",
        "session",
        "beats",
        "by_class",
        "gaps",
        "missing_samples",
        "bad_frames",
        "seconds_of_ecg",
    ] {
        assert!(!sessions[0][key].is_null(), "{key} in {json}");
    }
    let stored = common::integers(&database, "SELECT count(*) FROM beats");
    assert_eq!(json["beats"].as_i64(), stored.first().copied());
}

#[test]
fn sigterm_in_the_middle_keeps_what_was_read() {
    let folder = common::scratch();
    let database = folder.path().join("r.db");
    let socket = folder.path().join("s");
    let trace = common::demo_trace("214");
    let mut arguments = vec!["replay".as_ref()];
    arguments.extend([trace.as_os_str()].repeat(60));
    arguments.extend([
        "--db".as_ref(),
        database.as_os_str(),
        "--socket".as_ref(),
        socket.as_os_str(),
    ]);
    let mut running = Daemon::serving(arguments, &socket);
    running.until("a session is stored", || {
        let (_, status) = common::get(&socket, "/v1/status");
        status["totals"]["sessions"].as_u64() > Some(1)
    });
    let (code, took) = running.terminate();
    assert_eq!(code, Some(130));
    assert!(took.as_secs_f64() < 2.0, "{took:?}");
    assert!(!socket.exists(), "the socket file was left behind");
    common::integrity(&database).unwrap();
    let reasons = common::query(
        &database,
        "SELECT end_reason, end_wall_us IS NULL FROM sessions ORDER BY id DESC LIMIT 1",
    );
    let expected = [
        rusqlite::types::Value::Text("stopped".to_owned()),
        rusqlite::types::Value::Integer(0),
    ];
    assert_eq!(reasons, [expected]);
}
