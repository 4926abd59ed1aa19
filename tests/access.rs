//! Who may do what, with real users: other users, their further groups, a user namespace; and what a
//! few users can do to the others.
//!
//! Takes root, to become other users. Without it these tests say that they are skipped; in CI (`CI=true`)
//! they fail.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::common;
use super::common::daemon::{Home, ask};
use super::common::process::Daemon;

/// Users and groups of no machine.
const READER: u32 = 64_001;
const OPERATOR: u32 = 64_002;
const STRANGER: u32 = 64_009;
const READERS: u32 = 65_001;
const OPERATORS: u32 = 65_002;
const OTHERS: u32 = 65_009;

/// Becomes a user with groups, connects, asks, and prints `STATUS NAME` (the problem's); with `hold` it
/// opens that many connections with the same request, prints the status of each and stays until its
/// standard input ends.
const CLIENT: &str = r#"
import json, os, socket, sys
path, uid, gid, groups, method, target, hold = sys.argv[1:]
os.setgroups([int(group) for group in groups.split(",") if group])
os.setgid(int(gid))
os.setuid(int(uid))
def ask():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(path)
    close = "" if int(hold) else "connection: close\r\n"
    try:
        s.sendall(f"{method} {target} HTTP/1.1\r\nhost: x\r\n{close}\r\n".encode())
    except BrokenPipeError:
        pass
    answer = b""
    while b"\r\n\r\n" not in answer or not int(hold):
        part = s.recv(65536)
        if not part:
            break
        answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ")[1].decode()
    name = "-"
    if b"problem+json" in head and body:
        name = json.loads(body)["type"].rsplit(":", 1)[1]
    return s, f"{status} {name}"
if int(hold):
    held = [ask() for _ in range(int(hold))]
    print(" ".join(said.split()[0] for _, said in held), flush=True)
    sys.stdin.read()
else:
    print(ask()[1])
"#;

/// Whether there is root here; without it says so where it is seen, and fails in CI.
fn is_root() -> bool {
    if rustix::process::geteuid().is_root() {
        return true;
    }
    let required = std::env::var("CI").is_ok_and(|value| value == "true");
    assert!(!required, "these tests take root, and CI=true");
    // not by println!, which the test runner keeps to itself
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED, NOT TESTED: access control with real users takes root"
    );
    false
}

/// A daemon's home that other users can reach.
fn home(folder: &std::path::Path, keys: &str) -> Home {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("our own folder");
    Home::new(folder, "batch_ms = 50", &format!("mode = \"0666\"\n{keys}"))
}

/// A client that is another user.
#[derive(Clone, Copy)]
struct Client<'a> {
    uid: u32,
    gid: u32,
    groups: &'a [u32],
}

impl Client<'_> {
    fn command(self, home: &Home, method: &str, target: &str, hold: u32) -> Command {
        let groups: Vec<_> = self.groups.iter().map(u32::to_string).collect();
        let mut command = Command::new("python3");
        command
            .args(["-c", CLIENT])
            .arg(&home.socket)
            .args([&self.uid.to_string(), &self.gid.to_string()])
            .args([&groups.join(","), method, target, &hold.to_string()])
            .current_dir("/");
        command
    }

    /// Status and name of the problem, e.g. `403 not-permitted`; `200 -`.
    fn ask(self, home: &Home, method: &str, target: &str) -> String {
        let output = self
            .command(home, method, target, 0)
            .output()
            .expect("python3 starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Opens so many connections with a request each and keeps them; how many were answered 200.
    fn hold(self, home: &Home, target: &str, connections: u32) -> (Daemon, usize) {
        let mut child = self
            .command(home, "GET", target, connections)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped"))
            .read_line(&mut line)
            .expect("a line");
        let good = line.split_whitespace().filter(|status| *status == "200");
        let good = good.count();
        (Daemon(child), good)
    }
}

#[test]
fn users_and_their_groups_may_what_the_configuration_says() {
    if !is_root() {
        return;
    }
    let folder = common::scratch();
    let home = home(
        folder.path(),
        &format!(
            "read_uids = [{READER}]\nread_gids = [{READERS}]\ncontrol_uids = [{OPERATOR}]\n\
             control_gids = [{OPERATORS}]"
        ),
    );
    let daemon = home.start(&[]);
    home.until("beats are stored", |status| {
        status["store"]["beats_committed"].as_u64() > Some(0)
    });
    // more groups than are asked for at first, the one that counts last
    let many: Vec<u32> = (70_000..70_200).chain([READERS]).collect();
    let refused = "403 not-permitted";
    let mut failures = Vec::new();
    for (what, uid, gid, groups, read, control) in [
        ("a named reader", READER, OTHERS, &[][..], "200 -", refused),
        ("by its own group", STRANGER, READERS, &[], "200 -", refused),
        (
            "by a further group",
            STRANGER,
            OTHERS,
            &[OTHERS, READERS],
            "200 -",
            refused,
        ),
        (
            "by the 201st group",
            STRANGER,
            OTHERS,
            &many,
            "200 -",
            refused,
        ),
        (
            "nobody named",
            STRANGER,
            OTHERS,
            &[OTHERS],
            refused,
            refused,
        ),
        (
            "a group of that number is no user",
            STRANGER,
            READER,
            &[OPERATOR],
            refused,
            refused,
        ),
        ("a named operator", OPERATOR, OTHERS, &[], "200 -", "200 -"),
        (
            "an operator by its own group",
            STRANGER,
            OPERATORS,
            &[],
            "200 -",
            "200 -",
        ),
        (
            "an operator by a further group",
            STRANGER,
            OTHERS,
            &[OPERATORS],
            "200 -",
            "200 -",
        ),
        ("root", 0, 0, &[], "200 -", "200 -"),
        (
            "the overflow id",
            65_534,
            READERS,
            &[OPERATORS],
            "403 user-not-mapped",
            "403 user-not-mapped",
        ),
    ] {
        let client = Client { uid, gid, groups };
        let found = [
            client.ask(&home, "GET", "/v1/beats?limit=3"),
            client.ask(&home, "POST", "/v1/reload"),
        ];
        if found != [read, control] {
            failures.push(format!("{what}: {found:?}, expected {read}, {control}"));
        }
    }
    let status = home.status();
    // two requests of each client that may not even read, of the unmapped one counted apart
    let connections = &status["connections"];
    if (
        &connections["refused_peer"],
        &connections["refused_unmapped"],
    ) != (&4.into(), &2.into())
    {
        failures.push(format!("{connections}"));
    }
    // the notes are for operators, and say what was done, not what was asked for
    let reader = Client {
        uid: READER,
        gid: OTHERS,
        groups: &[],
    };
    let audit_of_reader = reader.ask(&home, "GET", "/v1/audit");
    if audit_of_reader != refused {
        failures.push(format!("a reader asks for the audit: {audit_of_reader}"));
    }
    // the body is looked at only of those who may
    let operator = Client {
        uid: OPERATOR,
        ..reader
    };
    let correct = |client: Client<'_>| client.ask(&home, "POST", "/v1/corrections");
    let found = [correct(reader), correct(operator)];
    if found != [refused, "400 invalid-parameter"] {
        failures.push(format!("corrections: {found:?}"));
    }
    let expected = [
        (READER, "connected", "socket", "done"),
        (READER, "read", "beats", "done"),
        (READER, "refused", "reload", "not-permitted"),
        (READER, "refused", "audit", "not-permitted"),
        (READER, "refused", "correct", "not-permitted"),
        (STRANGER, "refused", "socket", "not-permitted"),
        (65_534, "refused", "socket", "user-not-mapped"),
        (OPERATOR, "changed", "reload", "done"),
        (0, "read", "status", "done"),
    ];
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        let (_, page) = common::get(&home.socket, "/v1/audit?limit=5000");
        let rows = page["audit"].as_array().expect("a list");
        let missing: Vec<_> = expected
            .iter()
            .filter(|(uid, kind, what, outcome)| {
                !rows.iter().any(|row| {
                    row["uid"] == *uid
                        && row["kind"] == *kind
                        && row["what"] == *what
                        && row["outcome"] == *outcome
                        && row["gid"].is_u64()
                        && row["pid"].is_u64()
                })
            })
            .collect();
        if missing.is_empty() {
            let text = page.to_string();
            if text.contains("limit") || text.contains("/v1/") {
                failures.push(format!("the audit says what was asked for: {text}"));
            }
            break;
        }
        if Instant::now() > give_up {
            failures.push(format!("the audit lacks {missing:?}: {page}"));
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let log = home.log();
    if !log.contains("audit: client") || !log.contains("user-not-mapped") {
        failures.push(format!("the log lacks the audit: {log}"));
    }
    assert_eq!(daemon.terminate().0, Some(0));
    common::report(&failures);
}

#[test]
fn in_a_user_namespace_nobody_is_let_in_by_the_overflow_id() {
    if !is_root() {
        return;
    }
    let possible = Command::new("unshare")
        .args(["--user", "--map-root-user", "true"])
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        let required = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!required, "no user namespaces here, and CI=true");
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED, NOT TESTED: user namespaces are not allowed here"
        );
        return;
    }
    let folder = common::scratch();
    let home = home(
        folder.path(),
        &format!("read_uids = [{READER}]\nread_gids = [{READERS}]"),
    );
    // as PrivateUsers= does: only root is mapped
    let daemon = home.start_by(&["unshare", "--user", "--map-root-user"], &[]);
    home.until("it answers", |status| {
        status["samples_received"].as_u64() > Some(0)
    });
    let ask =
        |uid, gid, groups: &[u32]| Client { uid, gid, groups }.ask(&home, "GET", "/v1/status");
    assert_eq!(ask(READER, READERS, &[READERS]), "403 user-not-mapped");
    assert_eq!(ask(STRANGER, OTHERS, &[]), "403 user-not-mapped");
    // its groups alone are not mapped
    assert_eq!(ask(0, READERS, &[READERS]), "200 -");
    assert_eq!(home.status()["connections"]["refused_unmapped"], 2);
    let log = home.log();
    assert!(log.contains("read_uids, read_gids"), "{log}");
    assert_eq!(daemon.terminate().0, Some(0));
    // and the number that everybody has there is no way in
    for key in ["read_uids", "read_gids", "control_uids", "control_gids"] {
        let file = folder.path().join("wrong.toml");
        fs::write(&file, format!("[api]\n\n{key} = [\n  65534,\n]\n")).expect("a file");
        let outcome = common::run(["run", "--check", "--config", file.to_str().expect("UTF-8")]);
        let place = format!("wrong.toml:3: api.{key}: found 65534");
        outcome
            .failed_with(10, &[&place, "the kernel's overflow id"])
            .expect("refused");
    }
}

#[test]
fn one_user_and_all_users_together_leave_places_for_others() {
    if !is_root() {
        return;
    }
    let folder = common::scratch();
    let home = home(
        folder.path(),
        &format!("max_connections = 16\ncontrol_uids = [{OPERATOR}]"),
    );
    let daemon = home.start(&[]);
    home.until("samples come", |status| {
        status["samples_received"].as_u64() > Some(0)
    });
    let user = |uid| Client {
        uid,
        gid: OTHERS,
        groups: &[],
    };
    // 64 streams of one reader: four of sixteen places are its own
    let (first, streams) = user(READER).hold(&home, "/v1/stream", 64);
    assert_eq!(streams, 4);
    assert_eq!(user(STRANGER).ask(&home, "GET", "/v1/beats"), "200 -");
    // what it is told, and what it still can have
    let refused = user(READER).ask(&home, "GET", "/v1/beats");
    assert_eq!(refused, "503 too-many-connections-of-user");
    assert_eq!(user(READER).ask(&home, "GET", "/v1/status"), "200 -");
    // streams end at half of all connections
    let (second, streams) = user(64_003).hold(&home, "/v1/stream", 4);
    assert_eq!(streams, 4);
    assert_eq!(
        user(STRANGER).ask(&home, "GET", "/v1/stream"),
        "503 too-many-streams"
    );
    // then everything but what is kept for control
    let (third, connections) = user(64_004).hold(&home, "/v1/status", 4);
    assert_eq!(connections, 4);
    let (fourth, connections) = user(64_005).hold(&home, "/v1/status", 3);
    assert_eq!(connections, 3);
    assert_eq!(
        user(STRANGER).ask(&home, "GET", "/v1/beats"),
        "503 too-many-connections"
    );
    assert_eq!(user(STRANGER).ask(&home, "GET", "/v1/status"), "200 -");
    assert_eq!(user(OPERATOR).ask(&home, "POST", "/v1/reload"), "200 -");
    assert_eq!(user(0).ask(&home, "GET", "/v1/beats"), "200 -");
    let connections = home.status()["connections"].clone();
    println!("{connections}");
    for (counter, least) in [
        ("refused_streams", 1),
        // one after the other each was let in for the status alone, and asked for a stream
        ("refused_status_only", 60),
    ] {
        let found = connections[counter].as_u64();
        assert!(found >= Some(least), "{counter}: {connections}");
    }
    drop((first, second, third, fourth));
    home.until("all have left", |status| {
        // the one that asks, and one that looked whether there is somebody
        status["connections"]["open"].as_u64() <= Some(2)
    });
    let everything = user(STRANGER).ask(&home, "GET", "/v1/beats");
    assert_eq!(everything, "200 -");
    assert_eq!(daemon.terminate().0, Some(0));
}

/// 128 clients that read nothing of the largest answers and streams there are: they killed the daemon
/// within the 256 MiB of its unit once.
#[test]
fn answers_that_nobody_reads_fit_into_the_units_memory() {
    const CLIENTS: usize = 128;
    /// What the kernel holds of each, which it counts as the service's.
    const KERNEL_KIB: u64 = 128;
    let folder = common::scratch();
    let home = Home::new(
        folder.path(),
        "batch_ms = 50",
        &format!("max_connections = {CLIENTS}"),
    );
    let made = common::run([
        "replay",
        common::demo_trace("200").to_str().expect("UTF-8"),
        "--db",
        home.database.to_str().expect("UTF-8"),
    ]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let database = rusqlite::Connection::open(&home.database).expect("a database");
    let columns: String = database
        .query_row(
            "SELECT group_concat(name) FROM pragma_table_info('beats') WHERE name <> 'id'",
            [],
            |row| row.get(0),
        )
        .expect("columns");
    loop {
        let beats: i64 = database
            .query_row("SELECT count(*) FROM beats", [], |row| row.get(0))
            .expect("a count");
        if beats > 20_000 {
            break;
        }
        database
            .execute_batch(&format!(
                "INSERT INTO beats ({columns}) SELECT {columns} FROM beats"
            ))
            .expect("twice as many beats");
    }
    drop(database);
    let daemon = home.start(&[]);
    home.until("samples come", |status| {
        status["samples_received"].as_u64() > Some(0)
    });
    let before_kib = daemon.memory_kib("VmRSS");
    let (whole, _) = ask(&home.socket, "/v1/beats?limit=5000").expect("an answer");
    let held: Vec<UnixStream> = (0..CLIENTS)
        .filter_map(|client| {
            let mut stream = UnixStream::connect(&home.socket).ok()?;
            let target = match client % 4 {
                0 => "/v1/stream",
                _ => "/v1/beats?limit=5000",
            };
            let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\nlast-event-id: 0\r\n\r\n");
            stream.write_all(request.as_bytes()).ok()?;
            Some(stream)
        })
        .collect();
    assert_eq!(held.len(), CLIENTS);
    let mut highest_answers = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(9) {
        // all places are taken; this is what the four for the status are for
        let connections = home.status()["connections"].clone();
        let most = connections["answer_bytes_highest"].as_u64().unwrap_or(0);
        assert!(
            most <= connections["answer_bytes_limit"].as_u64().unwrap_or(0),
            "{connections}"
        );
        highest_answers = most;
        std::thread::sleep(Duration::from_millis(200));
    }
    let connections = home.status()["connections"].clone();
    let peak_kib = daemon.memory_kib("VmHWM");
    let with_kernel_kib = peak_kib + CLIENTS as u64 * KERNEL_KIB;
    println!(
        "{CLIENTS} clients that read nothing, an answer of {} KiB each: memory {before_kib} KiB before, \
         {peak_kib} KiB at its peak, at most {with_kernel_kib} KiB with the kernel's buffers; answers \
         took {} KiB at most; {connections}",
        whole.len() >> 10,
        highest_answers >> 10,
    );
    assert!(whole.len() > 2 << 20, "{} bytes show nothing", whole.len());
    assert!(highest_answers > 16 << 20, "{highest_answers}");
    assert!(
        with_kernel_kib < common::unit_memory_kib(),
        "{with_kernel_kib} KiB"
    );
    drop(held);
    // who reads is served again
    home.until("the memory is free again", |status| {
        status["connections"]["answer_bytes"].as_u64() == Some(0)
    });
    let mut again = String::new();
    let mut stream = UnixStream::connect(&home.socket).expect("the socket answers");
    stream
        .write_all(b"GET /v1/beats?limit=5000 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .expect("sent");
    stream.read_to_string(&mut again).expect("an answer");
    assert!(again.starts_with("HTTP/1.1 200"));
    assert_eq!(home.status()["session"]["gaps"], 0);
    assert_eq!(daemon.terminate().0, Some(0));
}
