//! Clients of one daemon that do everything wrong, while its status is asked for all the time.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::account::{account, databases};
use super::common::daemon::{Home, ask};
use super::common::{integers, repository, run as run_command, scratch, unit_memory_kib};
use super::order;
use super::row::{Row, last_words, within_ms};
use arrhythmianet::SplitMix64;

/// Beats in the database before the attack: a full page of the longest list.
const BEATS: u64 = 5_001;
/// Excerpts of 20 s, one after the other, in each of two recordings.
const SEGMENTS: usize = 120;
/// Unread answers: twice as many as once took more memory than the unit has.
const UNREAD: usize = 160;
/// A request must be complete this long after its first byte (docs/api.md), and this much later the line
/// must be dead.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(3);
/// A client that takes no byte for this long is disconnected (docs/api.md).
const STALL_LIMIT: Duration = Duration::from_secs(10);
/// Alone on the machine status is answered within this.
const STATUS_LIMIT: Duration = Duration::from_millis(100);

/// How the siege is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Siege {
    /// How long it takes in all, save filling the database.
    pub(crate) length: Duration,
    /// Whether nothing else runs on the machine: times count then.
    pub(crate) alone: bool,
}

/// The attacks on a daemon of this suite's own, and what it came through with.
pub(crate) fn run(folder: &Path, siege: Siege, only: impl Fn(&str) -> bool) -> Vec<Row> {
    let home = Home::new(
        folder,
        "batch_ms = 200\nsynchronous = \"normal\"",
        &format!("max_connections = {}", UNREAD + 32),
    );
    fill(&home.database);
    let daemon = home.start_bare(&[]);
    home.until("beats are stored", |status| {
        status["store"]["beats_committed"].as_u64() > Some(1)
    });
    let mut rows = attack(&home.socket, siege, only);
    let peak_kib = daemon.memory_kib("VmHWM");
    rows.push(memory(peak_kib));
    let mut row = Row::new("samples");
    let (code, took) = daemon.terminate();
    row.saw(format!("stopped within {:.1} s", took.as_secs_f64()));
    row.expect(code == Some(0), || {
        format!("exit code {code:?}: {}", last_words(&home.log()))
    });
    let began = "SELECT start_monotonic_ns FROM sessions ORDER BY id DESC LIMIT 1";
    let began = integers(&home.database, began);
    let total = account(&databases(folder), began.first().copied().unwrap_or(0));
    row.saw(total.text());
    row.expect(total.holes.is_empty() && total.gaps == 0, || {
        format!("not all samples were stored: {:?}", total.holes)
    });
    rows.push(row);
    rows
}

/// The attacks on whatever daemon answers on `socket`, one after the other, while its status is asked for.
pub(crate) fn attack(socket: &Path, siege: Siege, only: impl Fn(&str) -> bool) -> Vec<Row> {
    let mut rows = Vec::new();
    let probe = Probe::default();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let probing = scope.spawn(|| probe.watch(socket, &over));
        let drips = only("drip").then(|| scope.spawn(|| drip(socket)));
        for (name, attack, share) in [
            ("malformed", malformed as fn(&Path, Duration) -> Row, 15),
            ("abandoned", abandoned, 45),
            ("unread", unread, 40),
        ] {
            if only(name) {
                rows.push(attack(socket, siege.length * share / 100));
            }
        }
        rows.extend(drips.map(|drips| drips.join().expect("the drips end")));
        over.store(true, Ordering::Relaxed);
        probing.join().expect("the probe ends");
    });
    rows.push(probe.row(siege.alone));
    rows
}

/// Makes a database of recordings without a gap, so that every beat can be explained, at the cost of the
/// ten minutes before it.
pub(crate) fn fill(database: &Path) {
    let folder = scratch();
    let excerpt = "119_20s";
    for ending in ["hea", "dat"] {
        let name = format!("{excerpt}.{ending}");
        let from = repository("src/acquisition/testdata").join(&name);
        fs::copy(from, folder.path().join(&name)).expect("a record of the tests");
    }
    let segment = format!("{excerpt} 7200\n");
    let header = format!("long/{SEGMENTS} 2 360 {}\n", SEGMENTS * 7_200);
    let record = folder.path().join("long.hea");
    fs::write(&record, header + &segment.repeat(SEGMENTS)).expect("a header");
    let trace = folder.path().join("t.ecgtrace");
    let [record, trace, db] = [&record, &trace, database].map(|path| path.to_str().expect("UTF-8"));
    let replay = ["replay", trace, "--db", db, "--model", "v1-context"];
    let simulate = ["simulate", record, "--out", trace];
    for outcome in [
        run_command(simulate),
        run_command(replay),
        run_command(replay),
    ] {
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }
    let beats = integers(database, "SELECT count(*) FROM beats");
    let most = i64::try_from(BEATS).expect("small");
    assert!(beats >= vec![most], "{beats:?} beats");
}

/// Asks for the status again and again.
#[derive(Debug, Default)]
struct Probe {
    times: Mutex<Vec<Duration>>,
    failures: Mutex<Vec<String>>,
}

impl Probe {
    fn watch(&self, socket: &Path, over: &AtomicBool) {
        while !over.load(Ordering::Relaxed) {
            let failure = match ask(socket, "/v1/status") {
                Ok((answer, took)) if answer.starts_with("HTTP/1.1 200 ") => {
                    self.times.lock().expect("no panic").push(took);
                    None
                }
                Ok((answer, _)) => Some(answer.lines().next().unwrap_or_default().to_owned()),
                Err(error) => Some(error.to_string()),
            };
            let mut failures = self.failures.lock().expect("no panic");
            failures.extend(failure);
            drop(failures);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn row(self, alone: bool) -> Row {
        let mut row = Row::new("status");
        let mut times = self.times.into_inner().expect("no panic");
        times.sort_unstable();
        let failures = self.failures.into_inner().expect("no panic");
        row.saw(format!(
            "{} answers, half within {:.1} ms, 99 % within {:.1} ms, all within {:.1} ms",
            times.len(),
            within_ms(&times, 50),
            within_ms(&times, 99),
            within_ms(&times, 100),
        ));
        row.expect(failures.is_empty() && !times.is_empty(), || {
            format!(
                "{} times no status, the first: {:?}",
                failures.len(),
                failures.first()
            )
        });
        let slowest = times.last().copied().unwrap_or_default();
        row.expect(!alone || slowest <= STATUS_LIMIT, || {
            format!("alone on the machine, and status took {slowest:?}")
        });
        row
    }
}

/// The most memory the daemon had, against what its unit lets it have.
fn memory(peak_kib: u64) -> Row {
    let limit_kib = unit_memory_kib();
    let mib = limit_kib >> 10;
    let mut row = Row::new("memory");
    row.saw(format!(
        "VmHWM {} MiB of MemoryMax {mib} MiB",
        peak_kib.div_ceil(1 << 10)
    ));
    row.expect(peak_kib > 0 && peak_kib < limit_kib, || {
        "more than the unit's MemoryMax: the kernel would have ended it".to_owned()
    });
    row
}

/// Requests that are none: each gets an answer that refuses it, or a closed line.
fn malformed(socket: &Path, length: Duration) -> Row {
    let long = vec![b'a'; 40_000];
    let rows: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("a NUL", vec![0]),
        ("bytes of every value", (0..=255).collect()),
        ("no version", b"GET /v1/status\r\n\r\n".to_vec()),
        ("a version that is none", b"GET /v1/status HTTP/9.9\r\nhost: x\r\n\r\n".to_vec()),
        ("a method that is none", b"G\0T /v1/status HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a method that changes", b"DELETE /v1/beats HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a target that is none", b"GET http:// HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a path that is none", b"GET /v1/../../etc/passwd HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a broken escape", b"GET /v1/beats?class=%ff%zz HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a huge limit", b"GET /v1/beats?limit=99999999999999999999 HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a negative id", b"GET /v1/beats/-1 HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a body", b"POST /v1/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 9999999999\r\n\r\nxxxx".to_vec()),
        ("two lengths", b"POST /v1/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx".to_vec()),
        ("chunks that are none", b"POST /v1/reload HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec()),
        ("a header without end", [b"GET /v1/status HTTP/1.1\r\nx: ".as_slice(), &long].concat()),
        ("a path without end", [b"GET /".as_slice(), &long].concat()),
        ("a header with a NUL", b"GET /v1/status HTTP/1.1\r\nhost: x\r\nx: \0\r\n\r\n".to_vec()),
        ("a thousand headers", [b"GET /v1/status HTTP/1.1\r\n".to_vec(), b"x: y\r\n".repeat(1_000), b"\r\n".to_vec()].concat()),
        ("the start of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
    ];
    let mut row = Row::new("malformed");
    let mut dice = SplitMix64::new(1);
    let (mut sent, mut refused) = (0_u64, 0_u64);
    let end = Instant::now() + length;
    let mut round = 0;
    while round == 0 || Instant::now() < end {
        round += 1;
        for (name, bytes) in &rows {
            let mut bytes = bytes.clone();
            if round > 1 && !bytes.is_empty() {
                // no two rounds alike; a changed digit can make sense of what made none
                let at = usize::try_from(dice.below(bytes.len() as u64)).expect("small");
                bytes[at] = u8::try_from(dice.below(256)).expect("a byte");
            }
            sent += 1;
            let answer = send(socket, &bytes);
            let status = answer.as_deref().and_then(code);
            refused += u64::from(matches!(status, Some(400..500 | 505)));
            let good = match status {
                None => answer.as_ref().is_some_and(Vec::is_empty),
                Some(400..500 | 505) => true,
                Some(code) => round > 1 && code < 500,
            };
            row.expect(good, || {
                let text = answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                format!("{name}: answered {text:?}, expected a refusal or a closed line")
            });
        }
    }
    row.problems.truncate(10);
    row.saw(format!(
        "{sent} requests, {refused} of them answered 4xx, the others closed"
    ));
    row
}

/// Sends bytes and says that no more come; what is answered within 5 s, `None` where the line stays open.
fn send(socket: &Path, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let _ = stream.write_all(bytes); // it may have hung up already
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // a line that was cut with bytes unread
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Some(answer),
        Err(_) => None,
        Ok(_) => Some(answer),
    }
}

fn code(answer: &[u8]) -> Option<u16> {
    // a changed byte can make a client of the older version
    let line = [b"HTTP/1.1 ", b"HTTP/1.0 "]
        .into_iter()
        .find_map(|version| answer.strip_prefix(version))?;
    std::str::from_utf8(line.get(..3)?).ok()?.parse().ok()
}

/// Costly requests that are hung up after some milliseconds, by the hundred; status goes before all that
/// wait, and afterwards the daemon answers others at once.
fn abandoned(socket: &Path, length: Duration) -> Row {
    let mut row = Row::new("abandoned");
    let (made, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut seen = order::Seen::default();
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let (made, over) = (&made, &over);
            scope.spawn(move || {
                let mut dice = SplitMix64::new(seed);
                while !over.load(Ordering::Relaxed) {
                    let Ok(mut stream) = UnixStream::connect(socket) else {
                        continue;
                    };
                    let path = costly(&mut dice);
                    let _ = write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
                    std::thread::sleep(Duration::from_millis(dice.below(11)));
                    made.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let end = Instant::now() + length;
        let mut dice = SplitMix64::new(99);
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(200));
            seen.look(socket, &mut dice);
        }
        over.store(true, Ordering::Relaxed);
    });
    row.saw(format!(
        "{} requests hung up within 10 ms",
        made.into_inner()
    ));
    row.saw(seen.text());
    row.expect(seen.looks > 0 && seen.overtaken == 0, || {
        format!(
            "{} answers came before a status asked for earlier",
            seen.overtaken
        )
    });
    row.expect(!seen.queued(), || {
        "status waited in the queue of costly requests".to_owned()
    });
    row.expect(seen.without_status == 0, || {
        format!("{} times no status", seen.without_status)
    });
    row.expect(seen.full * 4 <= seen.looks, || {
        format!(
            "{} of {} times no place for the status",
            seen.full, seen.looks
        )
    });
    let began = Instant::now();
    let limit = Duration::from_secs(5);
    let answered = loop {
        match ask(socket, "/v1/beats?limit=1") {
            Ok((answer, _)) if answer.starts_with("HTTP/1.1 200 ") => break true,
            _ if began.elapsed() > 6 * limit => break false,
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    let took = began.elapsed();
    row.saw(format!("then a beat within {:.2} s", took.as_secs_f64()));
    row.expect(answered && took < limit, || {
        format!("a beat took {took:?} afterwards: abandoned work goes on")
    });
    row
}

/// A request that costs the daemon much.
pub(crate) fn costly(dice: &mut SplitMix64) -> String {
    let id = 1 + dice.below(BEATS);
    match dice.below(4) {
        0 => "/v1/beats?limit=5000".to_owned(),
        1 => format!("/v1/beats/{id}?before_ms=10000&after_ms=10000"),
        _ => format!("/v1/beats/{id}/saliency?method=shap&class=V"),
    }
}

/// Long answers asked for by many and read by nobody.
fn unread(socket: &Path, length: Duration) -> Row {
    let mut row = Row::new("unread");
    let end = Instant::now() + length;
    let mut asked = 0;
    while Instant::now() < end {
        let mut held = Vec::new();
        for _ in 0..UNREAD {
            let Ok(mut stream) = UnixStream::connect(socket) else {
                break;
            };
            let request = "GET /v1/beats?limit=5000 HTTP/1.1\r\nhost: x\r\n\r\n";
            let _ = stream.write_all(request.as_bytes());
            held.push(stream);
            asked += 1;
        }
        // until the daemon gives up on them; meanwhile all the answers could be made
        let rest = end.saturating_duration_since(Instant::now());
        std::thread::sleep(rest.min(STALL_LIMIT));
    }
    row.saw(format!(
        "{asked} answers of 5000 beats, at most {UNREAD} at a time"
    ));
    let began = Instant::now();
    let whole = loop {
        match ask(socket, "/v1/beats?limit=5000") {
            Ok((answer, _)) if answer.starts_with("HTTP/1.1 200 ") => {
                break answer.matches("\"r_sample\":").count();
            }
            _ if began.elapsed() > Duration::from_secs(30) => break 0,
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let took = began.elapsed();
    row.saw(format!(
        "then the same read within {:.2} s",
        took.as_secs_f64()
    ));
    row.expect(whole == 5_000 && took < Duration::from_secs(10), || {
        format!("a client that reads got {whole} of 5000 beats after {took:?}")
    });
    row
}

/// Requests that come byte by byte, some behind blank lines: the line is dead in the end.
fn drip(socket: &Path) -> Row {
    let mut row = Row::new("drip");
    let limit = REQUEST_LIMIT + SLACK;
    let endless = |start: &'static str, byte: u8| start.bytes().chain(std::iter::repeat(byte));
    let kinds: [(&str, Box<dyn Iterator<Item = u8> + Send>); 5] = [
        (
            "a header",
            Box::new(endless("GET /v1/status HTTP/1.1\r\nx: ", b'y')),
        ),
        (
            "a header behind a blank line",
            Box::new(endless("\r\nGET /v1/status HTTP/1.1\r\nx: ", b'y')),
        ),
        ("a method", Box::new(endless("G", b'G'))),
        ("blank lines", Box::new(b"\r\n".iter().copied().cycle())),
        ("line feeds", Box::new(endless("\n", b'\n'))),
    ];
    let results: Vec<_> = std::thread::scope(|scope| {
        let drips: Vec<_> = kinds
            .into_iter()
            .map(|(name, bytes)| scope.spawn(move || (name, until_dead(socket, bytes, limit))))
            .collect();
        drips
            .into_iter()
            .map(|drip| drip.join().expect("no panic"))
            .collect()
    });
    let times: Vec<_> = results.iter().filter_map(|(_, time)| *time).collect();
    let slowest = times.iter().max().copied().unwrap_or_default();
    row.saw(format!(
        "{} of {} lines dead, the last after {:.1} s",
        times.len(),
        results.len(),
        slowest.as_secs_f64()
    ));
    for (name, time) in results {
        row.expect(time.is_some(), || {
            format!("{name}: the line lives on after {limit:?}")
        });
    }
    row
}

/// How long a line lives to which a byte is sent every 100 ms; `None` beyond `limit`.
fn until_dead(socket: &Path, bytes: impl Iterator<Item = u8>, limit: Duration) -> Option<Duration> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .ok()?;
    let began = Instant::now();
    for byte in bytes {
        let mut answer = [0; 4_096];
        if stream.write_all(&[byte]).is_err() || matches!(stream.read(&mut answer), Ok(0)) {
            return Some(began.elapsed());
        }
        if began.elapsed() > limit {
            break;
        }
    }
    None
}
