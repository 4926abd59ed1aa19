//! What the integration tests share: the binary, scratch folders, databases, traces, the socket.

pub(crate) mod daemon;
#[path = "../../src/api/tests/http.rs"]
pub(crate) mod http;
pub(crate) mod process;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ecg_chain::MonotonicNs;
use ecg_gateway::acquisition::trace::{
    Compression, SpiOperation, TraceEvent, TraceHeader, TraceReader, TraceWriter,
};
use rusqlite::Connection;
use rusqlite::types::Value;

/// Records of the demo traces.
pub(crate) const DEMO_RECORDS: [&str; 4] = ["200", "214", "231", "232"];

/// The built binary, or the one the environment variable `ECG_GATEWAY` names: a release build, for
/// long runs.
pub(crate) fn gateway() -> Command {
    let built = env!("CARGO_BIN_EXE_ecg-gateway").into();
    let mut command = Command::new(std::env::var_os("ECG_GATEWAY").unwrap_or(built));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary to its end.
pub(crate) fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Outcome {
    let output = gateway()
        .args(arguments)
        .output()
        .expect("the binary starts");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
    }
}

impl Outcome {
    /// The one JSON object on standard output, where the command did its job in silence.
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        one_json_line(&self.stdout).unwrap_or_else(|problem| panic!("{problem}: {self:?}"))
    }

    /// What is wrong with how the command failed, if anything.
    pub(crate) fn failed_with(&self, code: i32, words: &[&str]) -> Result<(), String> {
        let wrong = |problem: String| Err(format!("{problem}\n    {self:?}"));
        if self.code != Some(code) {
            return wrong(format!("exit code {:?}, expected {code}", self.code));
        }
        let one_line = self.stderr.lines().count() == 1 && self.stderr.ends_with('\n');
        if !one_line || !self.stderr.starts_with("ecg-gateway: error: ") {
            return wrong("expected one line `ecg-gateway: error: ...` on stderr".to_owned());
        }
        match words.iter().find(|word| !self.stderr.contains(**word)) {
            Some(word) => wrong(format!("the error line lacks `{word}`")),
            None => Ok(()),
        }
    }
}

/// The text as one JSON object on one line.
pub(crate) fn one_json_line(text: &str) -> Result<serde_json::Value, String> {
    if text.lines().count() != 1 || !text.ends_with('\n') {
        return Err(format!(
            "{} lines on stdout, expected one",
            text.lines().count()
        ));
    }
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    value.is_object().then_some(value).ok_or_else(|| {
        "expected a JSON object".to_owned() // scripts index it by key
    })
}

/// Fails with every row that went wrong.
pub(crate) fn report(failures: &[String]) {
    assert!(
        failures.is_empty(),
        "{} wrong:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// A folder that goes away with the test. Its path is short enough for sockets.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("ecg")
        .tempdir()
        .expect("a folder for temporary files")
}

/// `MemoryMax=` of the shipped unit, KiB.
pub(crate) fn unit_memory_kib() -> u64 {
    let unit = include_str!("../../systemd/ecg-gateway.service");
    let mut lines = unit.lines();
    let limit = lines.find_map(|line| line.strip_prefix("MemoryMax="));
    let mib = limit.and_then(|limit| limit.strip_suffix('M')?.parse::<u64>().ok());
    mib.expect("the unit has MemoryMax in MiB") << 10
}

/// A file of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The small inputs that once failed, one folder each; `None`, with a word about it, where they are
/// not here. With `CI=true` or `ECG_REQUIRE_DATA=1` that fails the test.
pub(crate) fn cases() -> Option<PathBuf> {
    present(repository("../shared/cases"))
}

/// The MIT-BIH Arrhythmia Database in `$ECG_MITDB` or beside the project; as [`cases`] where it is not
/// there.
pub(crate) fn mitdb() -> Option<PathBuf> {
    let here = || repository("../shared/data/mitdb");
    present(std::env::var_os("ECG_MITDB").map_or_else(here, PathBuf::from))
}

fn present(folder: PathBuf) -> Option<PathBuf> {
    if folder.is_dir() {
        return Some(folder);
    }
    let set_to = |name, value| std::env::var(name).is_ok_and(|found| found == value);
    assert!(
        !set_to("CI", "true") && !set_to("ECG_REQUIRE_DATA", "1"),
        "{} is not here",
        folder.display()
    );
    println!("skipped: {} is not here", folder.display());
    None
}

/// A demo trace as shipped (gzip).
pub(crate) fn demo_trace(record: &str) -> PathBuf {
    repository(&format!("assets/demo/{record}.ecgtrace.gz"))
}

/// What a gzip stream, whole or cut, unpacks to.
pub(crate) fn unpack(gzip: &[u8]) -> Vec<u8> {
    let mut reader = flate2::read::GzDecoder::new(gzip);
    let (mut bytes, mut part) = (Vec::new(), [0; 4_096]);
    // An error is the cut: everything before it counts.
    while let Ok(count @ 1..) = reader.read(&mut part) {
        bytes.extend_from_slice(&part[..count]);
    }
    bytes
}

/// The trace through the library's reader and writer, with changes: `header` on the header,
/// `answer` on the bytes sent and received in each transaction. Only the first `frames` are kept.
pub(crate) fn rewrite(
    trace: &[u8],
    frames: usize,
    header: impl FnOnce(&mut TraceHeader),
    mut answer: impl FnMut(&[u8], &mut [Vec<u8>]),
) -> Vec<u8> {
    let mut reader =
        TraceReader::new(std::io::Cursor::new(trace.to_vec())).expect("a good trace is read");
    let mut changed = reader.header().clone();
    header(&mut changed);
    let mut writer = TraceWriter::create(Vec::new(), &changed, Compression::None)
        .expect("the header is written");
    let mut seen = 0;
    while let Some(event) = reader.next_event().expect("a good trace is read") {
        match event {
            TraceEvent::Frame(frame) => {
                seen += 1;
                if seen > frames {
                    break;
                }
                writer.edge(frame.edge).expect("written");
                let written: &[u8] = if frame.transferred { &[0; 9] } else { &[] };
                let operation = SpiOperation {
                    written,
                    read: &frame.rx,
                };
                writer
                    .transaction(frame.read_time, [operation])
                    .expect("written");
            }
            TraceEvent::Edge(edge) => writer.edge(edge).expect("written"),
            TraceEvent::Timeout(time) => writer.timeout(time).expect("written"),
            TraceEvent::Pin { time, pin, high } => writer.pin(time, pin, high).expect("written"),
            TraceEvent::Transaction { time, operations } => {
                let (sent, mut received): (Vec<Vec<u8>>, Vec<Vec<u8>>) = operations
                    .map(|operation| (operation.written.to_vec(), operation.read.to_vec()))
                    .unzip();
                answer(&sent.concat(), &mut received);
                write_transaction(&mut writer, time, &sent, &received);
            }
        }
    }
    writer.finish().expect("written").0
}

/// The first `frames` of a trace, its events' times changed by `time`, which hears the number of
/// frames before and the time.
pub(crate) fn retimed(
    trace: &[u8],
    frames: usize,
    time: impl Fn(usize, MonotonicNs) -> MonotonicNs,
) -> Vec<u8> {
    let mut reader =
        TraceReader::new(std::io::Cursor::new(trace.to_vec())).expect("a good trace is read");
    let header = reader.header().clone();
    let mut writer =
        TraceWriter::create(Vec::new(), &header, Compression::None).expect("the header is written");
    let mut seen = 0;
    while let Some(event) = reader.next_event().expect("a good trace is read") {
        match event {
            TraceEvent::Frame(_) if seen == frames => break,
            TraceEvent::Frame(mut frame) => {
                frame.edge.time = time(seen, frame.edge.time);
                writer.edge(frame.edge).expect("written");
                let written: &[u8] = if frame.transferred { &[0; 9] } else { &[] };
                let read = &frame.rx;
                let read_time = time(seen, frame.read_time);
                let transaction = writer.transaction(read_time, [SpiOperation { written, read }]);
                transaction.expect("written");
                seen += 1;
            }
            TraceEvent::Edge(edge) => writer.edge(edge).expect("written"),
            TraceEvent::Timeout(at) => writer.timeout(time(seen, at)).expect("written"),
            TraceEvent::Pin {
                time: at,
                pin,
                high,
            } => {
                writer.pin(time(seen, at), pin, high).expect("written");
            }
            TraceEvent::Transaction {
                time: at,
                operations,
            } => {
                let transaction = writer.transaction(time(seen, at), operations);
                transaction.expect("written");
            }
        }
    }
    writer.finish().expect("written").0
}

fn write_transaction(
    writer: &mut TraceWriter<Vec<u8>>,
    time: MonotonicNs,
    sent: &[Vec<u8>],
    received: &[Vec<u8>],
) {
    let operations = sent
        .iter()
        .zip(received)
        .map(|(written, read)| SpiOperation { written, read });
    writer.transaction(time, operations).expect("written");
}

/// Whole frames in a trace, cut or not.
pub(crate) fn frames_in(trace: &[u8]) -> usize {
    let mut reader =
        TraceReader::new(std::io::Cursor::new(trace.to_vec())).expect("a header is read");
    let mut frames = 0;
    while let Ok(Some(event)) = reader.next_event() {
        frames += usize::from(matches!(event, TraceEvent::Frame(_)));
    }
    frames
}

/// One row of a query.
pub(crate) type Row = Vec<Value>;

/// Rows by table.
pub(crate) type Tables = BTreeMap<&'static str, Vec<Row>>;

/// The rows of a query.
pub(crate) fn query(database: &Path, sql: &str) -> Vec<Row> {
    let connection = Connection::open(database).expect("the database opens");
    let mut statement = connection.prepare(sql).expect("the query is right");
    let columns = statement.column_count();
    statement
        .query_map([], |row| (0..columns).map(|at| row.get(at)).collect())
        .and_then(Iterator::collect)
        .expect("the rows are read")
}

/// The whole numbers of a query's first column.
pub(crate) fn integers(database: &Path, sql: &str) -> Vec<i64> {
    query(database, sql)
        .into_iter()
        .map(|row| match row.first() {
            Some(Value::Integer(number)) => *number,
            other => panic!("{sql}: found {other:?}, expected an integer"),
        })
        .collect()
}

/// Every row of every table, in order.
pub(crate) fn snapshot(database: &Path) -> Tables {
    [
        "deciders",
        "sessions",
        "beats",
        "gaps",
        "events",
        "ecg_blocks",
    ]
    .into_iter()
    .map(|table| {
        let sql = format!("SELECT * FROM {table} ORDER BY id");
        (table, query(database, &sql))
    })
    .collect()
}

/// What is wrong with a database that must still hold the rows of `before`, if anything.
pub(crate) fn keeps(database: &Path, before: &Tables) -> Result<(), String> {
    integrity(database)?;
    let after = snapshot(database);
    for (table, rows) in before {
        if !after[table].starts_with(rows) {
            return Err(format!("rows of {table} were lost or changed"));
        }
    }
    Ok(())
}

/// SQLite's own check.
pub(crate) fn integrity(database: &Path) -> Result<(), String> {
    let found = query(database, "PRAGMA integrity_check");
    if found == [[Value::Text("ok".to_owned())]] {
        return Ok(());
    }
    Err(format!("integrity_check: {found:?}"))
}

/// What was decided about each beat of a session: everything but its id, session and wall-clock
/// time. Probabilities are compared as the database's own bits.
pub(crate) fn beats_of(database: &Path, session: i64) -> Vec<Row> {
    query(
        database,
        &format!(
            "SELECT r_sample, r_monotonic_ns, rr_ms, class, p_n, p_l, p_r, p_a, p_v, channel, \
             quality, window_complete, label_delay_ms FROM beats WHERE session = {session} \
             ORDER BY id"
        ),
    )
}

/// Lets the daemon of this configuration record a WFDB record faster than real time into `database`, which
/// is begun anew: as fast as it can without losing a sample on this machine, as busy as it is.
pub(crate) fn record_simulated(record: &str, config: &str, database: &str) {
    for speed in ["200", "50", "15"] {
        for ending in ["", "-wal", "-shm"] {
            // What is not there need not be removed.
            let _ = std::fs::remove_file(format!("{database}{ending}"));
        }
        let outcome = run([
            "run",
            "--simulated",
            record,
            "--speed",
            speed,
            "--config",
            config,
        ]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        if integers(Path::new(database), "SELECT count(*) FROM gaps") == [0] {
            return;
        }
    }
    panic!("{record}: samples are lost even at 15 times real time");
}

/// The R sample of a row of [`beats_of`].
pub(crate) fn r_sample(beat: &Row) -> i64 {
    match beat.first() {
        Some(Value::Integer(sample)) => *sample,
        other => panic!("{other:?} is no sample"),
    }
}

/// Asks a socket as `curl --unix-socket` does: status code and JSON.
pub(crate) fn get(socket: &Path, path: &str) -> (u16, serde_json::Value) {
    let answer = http::exchange(socket, "GET", path).expect("the socket answers");
    let (status, _, body) = http::split(&answer);
    let json = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    (status, json)
}
