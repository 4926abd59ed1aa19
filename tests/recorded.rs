//! What scripts rely on is what it was: every answer of the socket, the metrics, the kinds of events, the causes
//! of gaps and the schema, compared to the letter with `tests/recorded/`.
//!
//! `ECG_RECORD=1 cargo test --test gateway -- recorded` records anew. A change of those files is a change of a
//! contract: say it in the changelog.
//!
//! What differs from run to run stands there as its name in angle brackets. Where another CPU engine labels than
//! the one it was recorded with, numbers with a fraction may differ by a thousandth.

use std::fs;
use std::path::Path;

use ecg_chain::{EventKind, GapCause};
use rusqlite::Connection;
use serde::de::IgnoredAny;

use super::common;
use super::common::daemon::{ask, stream_after};
use super::common::http;
use super::common::process::Daemon;
use super::common::run;

/// Fields whose value differs from run to run, an object before the fields in it.
const CHANGING: [&str; 22] = [
    "version",
    "time",
    "time_us",
    "started_time",
    "started_time_us",
    "uptime_s",
    "epoch",
    "engines",
    "engine",
    "engine_reason",
    "size_bytes",
    "commits",
    "free_bytes",
    "free_bytes_wanted",
    "last_commit_time",
    "last_commit_time_us",
    "last_check_time",
    "last_check_time_us",
    "chain_head",
    "open",
    "answer_bytes",
    "answer_bytes_highest",
];
/// Of them those that are told of rows, too, where they do not change.
const OF_STATUS: [&str; 2] = ["time", "time_us"];

/// Requests whose answers are recorded.
const TARGETS: [&str; 44] = [
    "/v1/status",
    "/v1/sessions",
    "/v1/sessions?limit=1",
    "/v1/sessions?cursor=s1",
    "/v1/beats?limit=5",
    "/v1/beats?class=V",
    "/v1/beats?class=N,A&session=1&limit=3",
    "/v1/beats?outcome=unclassifiable",
    "/v1/beats?from=2026-01-01T00:00:05Z&to=2026-01-01T00:00:08Z&session=2",
    "/v1/beats?limit=2&cursor=b4",
    "/v1/beats/3",
    "/v1/beats/3?before_ms=8&after_ms=12",
    "/v1/beats/1?before_ms=4000&after_ms=0",
    "/v1/saliency/summary",
    "/v1/saliency/summary?session=1&class=V",
    // Not before the summary, for which these are stored.
    "/v1/beats/3/saliency",
    "/v1/beats/3/saliency?method=gradcam-fine&class=V",
    "/v1/events",
    "/v1/events?session=1&limit=2",
    "/v1/events?kind=lead_off,chip_restarted",
    "/v1/events?kind=x",
    "/v1/rr?session=1&limit=3",
    "/v1/gaps",
    "/v1/gaps?limit=1",
    "/v1/audit?to=2026-01-02T00:00:00Z",
    "/v1/audit?to=2026-01-02T00:00:00Z&limit=1",
    "/v1/reload",
    "/v1/retention/confirm",
    "/",
    "/v1/status?verbose=1",
    "/v1/metrics?x=1",
    "/v1/beats?klass=V",
    "/v1/beats?class=X",
    "/v1/beats?limit=0",
    "/v1/beats?from=yesterday",
    "/v1/beats?cursor=g1",
    "/v1/beats/99999",
    "/v1/beats/one?before_ms=99999",
    "/v1/beats/3/saliency?method=lime",
    "/v1/stream?last_event_id=x",
    "/v1/corrections",
    "/v1/corrections?session=2",
    "/v1/beats?class=F&labels=corrected",
    "/v1/minutes?session=1&labels=corrected",
];

fn is_recording() -> bool {
    std::env::var_os("ECG_RECORD").is_some_and(|value| value == "1")
}

/// Compares with the file of this name, or records it.
fn compare(name: &str, found: &str, exactly: bool) {
    let path = common::repository("tests/recorded").join(name);
    if is_recording() {
        fs::write(&path, found).unwrap();
        return;
    }
    let recorded = fs::read_to_string(&path).unwrap();
    let (mut lines, mut others) = (recorded.lines(), found.lines());
    let differing = (1..).find_map(|number| match (lines.next(), others.next()) {
        (None, None) => Some(None),
        (Some(was), Some(is)) if is_same(was, is, exactly) => None,
        (was, is) => Some(Some((
            number,
            was.map(str::to_owned),
            is.map(str::to_owned),
        ))),
    });
    if let Some((number, was, is)) = differing.flatten() {
        panic!(
            "{}:{number} differs.\nrecorded: {}\nfound:    {}\nWhere that is meant, record anew: ECG_RECORD=1",
            path.display(),
            was.unwrap_or_default(),
            is.unwrap_or_default()
        );
    }
}

/// Whether both are the same; where it need not be `exactly`, numbers with a fraction may differ a little.
fn is_same(was: &str, is: &str, exactly: bool) -> bool {
    let apart = |c: char| !(c.is_ascii_digit() || ".-+e".contains(c));
    let near = |(was, is): (&str, &str)| {
        was == is
            || match (was.parse::<f64>(), is.parse::<f64>()) {
                (Ok(was_number), Ok(number)) if was.contains('.') && is.contains('.') => {
                    (was_number - number).abs() <= 1e-3 * was_number.abs().max(1.0)
                }
                _ => false,
            }
    };
    was == is
        || !exactly
            && was.split(apart).count() == is.split(apart).count()
            && was.split(apart).zip(is.split(apart)).all(near)
}

/// The text with a name for the value of each field that changes; `null` stays.
fn steady(text: &str, is_status: bool) -> String {
    let mut text = text.to_owned();
    for name in CHANGING {
        if !is_status && OF_STATUS.contains(&name) {
            continue;
        }
        let field = format!("\"{name}\":");
        let mut from = 0;
        while let Some(at) = text[from..].find(&field) {
            let start = from + at + field.len();
            from = start;
            if text[start..].starts_with("null") {
                continue;
            }
            let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter();
            let value: Option<Result<IgnoredAny, _>> = values.next();
            value.unwrap().unwrap();
            let end = start + values.byte_offset();
            text.replace_range(start..end, &format!("<{name}>"));
        }
    }
    text
}

/// A page of metrics without the values, and without the rates, which are not told in the first minute.
fn names_of_metrics(page: &str) -> String {
    page.lines()
        .filter(|line| !line.contains("_per_hour"))
        .map(|line| match line.rsplit_once(' ') {
            Some((name, _)) if !line.starts_with('#') => format!("{name} <value>\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

fn schema(database: &Path) -> String {
    let database = Connection::open(database).unwrap();
    let mut rows = database
        .prepare("SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name")
        .unwrap();
    let rows = rows.query_map([], |row| {
        let [kind, name, sql]: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        Ok(format!("-- {kind} {name}\n{sql}\n"))
    });
    let mut text: String = rows.unwrap().map(Result::unwrap).collect();
    for name in ["user_version", "application_id"] {
        let value: i64 = database
            .pragma_query_value(None, name, |row| row.get(0))
            .unwrap();
        text.push_str(&format!("-- {name} {value}\n"));
    }
    text
}

/// Two sessions of twenty seconds, the first with faults, are replayed, and everything is asked for.
#[test]
fn answers_metrics_and_schema_are_those_recorded() {
    let folder = common::scratch();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (database, socket) = (at("ecg.db"), folder.path().join("s"));
    let record = common::repository("src/acquisition/testdata/119_20s");
    let faults = at("faults.txt");
    fs::write(
        &faults,
        "at 5s missed-drdy for 30ms\nat 7s flip-bits 0,1\nat 9s lead-off in1p\n\
         at 10.5s lead-on in1p\nat 14s brown-out for 300ms\n",
    )
    .unwrap();
    for (name, more) in [("faulty", &["--faults", &faults][..]), ("clean", &[])] {
        let out = at(name);
        let simulate = [
            "simulate",
            record.to_str().unwrap(),
            "--out",
            &out,
            "--wall-start",
            "2026-01-01T00:00:00Z",
            "--json",
        ];
        run([&simulate[..], more].concat()).json();
    }
    let treatment = [
        "--engine",
        "cpu",
        "--mains",
        "60",
        "--explain",
        "abnormal",
        "--db",
        &database,
    ];
    run([&["replay", &at("faulty"), "--json"][..], &treatment].concat()).json();
    Connection::open(&database)
        .unwrap()
        .execute_batch(
            "INSERT INTO audit (wall_us, monotonic_ns, uid, gid, pid, kind, what, outcome, count) VALUES
             (1767225600000000, 1000, 7, 8, 9, 'connected', 'socket', 'done', 1),
             (1767225601000000, 2500, 7, NULL, NULL, 'refused', 'reload', 'not-permitted', 12);
             INSERT INTO corrections (session, kind, target, beats, from_sample, from_wall_us, to_sample,
             to_wall_us, class, note, author, origin, supersedes, about, wall_us) VALUES
             (1, 'label', 'beat', '[3]', 700, 1767225601400000, 701, 1767225601400000, 'F', 'fusion?',
              'night-shift', 'person', NULL, NULL, 1767225700000000),
             (1, 'artefact', 'stretch', NULL, 2500, 1767225605000000, 5000, 1767225610000000, NULL, NULL,
              'uid 1000', 'person', NULL, NULL, 1767225701000000),
             (1, 'undo', NULL, NULL, 2500, 1767225605000000, 5000, 1767225610000000, NULL, NULL,
              'uid 1000', 'person', 2, 2, 1767225702000000),
             (1, 'note', 'moment', NULL, 700, 1767225601400000, 700, 1767225601400000, NULL, 'coughs',
              'night-shift', 'mark', NULL, NULL, 1767225703000000);
             INSERT INTO corrected_beats (beat, correction) VALUES (3, 1)",
        )
        .unwrap();
    let serve = ["--serve", "--socket", socket.to_str().unwrap()];
    let clean = at("clean");
    let arguments = [&["replay", &clean][..], &treatment, &serve].concat();
    let mut running = Daemon::serving(arguments, &socket);
    let mut status = serde_json::Value::Null;
    running.until("all is stored", || {
        status = common::get(&socket, "/v1/status").1;
        status["state"] == "finished"
            && status["store"]["rows_waiting"] == 0
            && status["session"]["end_reason"] != "recording"
    });
    let epoch = status["store"]["epoch"].as_str().unwrap();
    let engine = status["engine"].as_str().unwrap();
    let recorded_by = fs::read_to_string(common::repository("tests/recorded/engine.txt"));
    let exactly = recorded_by.is_ok_and(|recorded_by| recorded_by.trim() == engine);
    if is_recording() {
        fs::write(common::repository("tests/recorded/engine.txt"), engine).unwrap();
    }

    let mut answers = String::new();
    for target in TARGETS {
        let (answer, _) = ask(&socket, target).unwrap();
        let (_, head, body) = http::split(&answer);
        answers.push_str(&format!("GET {target}\n"));
        let told = ["date", "content-length", "ecg-gateway-order"];
        for line in head.lines() {
            let name = line.split(':').next().unwrap_or_default();
            if !told.contains(&name.to_ascii_lowercase().as_str()) {
                answers.push_str(&format!("{line}\n"));
            }
        }
        let body = steady(body, target.starts_with("/v1/status"));
        answers.push_str(&format!("\n{body}\n\n"));
    }
    let answers = answers.replace(folder.path().to_str().unwrap(), "<folder>");
    compare("answers.txt", &answers, exactly);

    let mut stream = stream_after(&socket, 0).unwrap();
    let mut told = String::new();
    loop {
        let line = stream.line().unwrap();
        told.push_str(&line);
        if line.starts_with(':') {
            break;
        }
    }
    drop(stream);
    let told = steady(&told, false).replace(epoch, "<epoch>");
    compare("stream.txt", &told, exactly);

    let (answer, _) = ask(&socket, "/v1/metrics").unwrap();
    let (_, _, page) = http::split(&answer);
    compare("metrics.txt", &names_of_metrics(page), true);
    running.terminate();
    compare("schema.sql", &schema(Path::new(&database)), true);
}

/// None of them may go or be called otherwise.
#[test]
fn kinds_of_events_and_causes_of_gaps_are_those_recorded() {
    let mut kinds: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
    kinds.sort_unstable();
    compare("event-kinds.txt", &format!("{}\n", kinds.join("\n")), true);
    let causes = GapCause::ALL.map(GapCause::name).join("\n");
    compare("gap-causes.txt", &format!("{causes}\n"), true);
}
