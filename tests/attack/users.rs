//! Real second users: who may read and control, as the kernel tells the daemon, on its own and in a user
//! namespace; and a user who takes every place.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::common::daemon::{Home, ask};
use super::common::process::Daemon;
use super::common::{gateway, run};
use super::row::{Row, last_words};

const READER: u32 = 20_001;
const CONTROLLER: u32 = 20_002;
const STRANGER: u32 = 20_009;
const READING_GROUP: u32 = 30_001;
const NO_GROUP: u32 = 30_009;
/// Users of the namespace: those below this, under their own numbers.
const MAPPED: u32 = 65_000;
/// A user whom the namespace does not know: the daemon sees 65534.
const UNMAPPED: u32 = 70_000;
/// What the kernel calls users and groups that a namespace does not know.
const OVERFLOW: u32 = 65_534;

/// Tells the re-executed test what to do; see [`client_of_another_user`].
const TASK: &str = "ECG_ATTACK_TASK";
const SOCKET: &str = "ECG_ATTACK_SOCKET";

/// Whether this machine lets us be somebody else.
fn may_be_others() -> Result<(), String> {
    let mut probe = Command::new("setpriv");
    probe.args(["--reuid=20001", "--regid=20001", "--clear-groups", "true"]);
    match probe.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("setpriv: {error}")),
    }
}

/// Another user: main group, and one more group perhaps.
#[derive(Debug, Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
    further: Option<u32>,
}

const fn user(uid: u32, gid: u32) -> User {
    User {
        uid,
        gid,
        further: None,
    }
}

/// A place where other users can run this test's own program as a client.
struct Stage {
    client: PathBuf,
    socket: PathBuf,
}

impl Stage {
    fn new(folder: &Path, socket: &Path) -> Self {
        let everybody = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder, everybody.clone()).expect("our own folder");
        let client = folder.join("client");
        let program = std::env::current_exe().expect("this test has a file");
        fs::copy(program, &client).expect("a copy that others may run");
        fs::set_permissions(&client, everybody).expect("our own file");
        Self {
            client,
            socket: socket.to_owned(),
        }
    }

    /// This program as `user`, who does `task`.
    fn act(&self, user: User, task: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args([
            &format!("--reuid={}", user.uid),
            &format!("--regid={}", user.gid),
        ]);
        match user.further {
            None => command.arg("--clear-groups"),
            Some(group) => command.arg(format!("--groups={group}")),
        };
        command
            .arg(&self.client)
            .args([
                "--exact",
                "attack::users::client_of_another_user",
                "--ignored",
                "--nocapture",
            ])
            .env(TASK, task)
            .env(SOCKET, &self.socket)
            .current_dir("/");
        command
    }

    /// Status code and body of what `user` is answered.
    fn ask(&self, user: User, request: &str) -> Result<(u16, String), String> {
        let output = self.act(user, request).output().expect("setpriv");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let answer = text.split_once("ANSWER ").map(|(_, answer)| answer);
        answer
            .and_then(|answer| {
                let body = answer.split("\r\n\r\n").nth(1).unwrap_or(answer);
                let body = body.lines().next().unwrap_or_default();
                Some((answer.get(..3)?.parse().ok()?, body.to_owned()))
            })
            .ok_or_else(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// Not a test of its own: what another user does in the tests below.
#[test]
#[ignore = "a part of the other tests, run by them as another user"]
fn client_of_another_user() {
    let (Ok(task), Ok(socket)) = (std::env::var(TASK), std::env::var(SOCKET)) else {
        return;
    };
    let Some(count) = task.strip_prefix("hold ") else {
        println!("\nANSWER {}", answer(&socket, &task));
        return;
    };
    let request = "GET /v1/stream HTTP/1.1\r\nhost: x\r\n\r\n";
    let held: Vec<_> = (0..count.parse().expect("a number"))
        .filter_map(|_| UnixStream::connect(&socket).ok())
        .filter_map(|mut stream| stream.write_all(request.as_bytes()).ok().map(|()| stream))
        .collect();
    println!("\nHELD {}", held.len());
    let _ = std::io::stdin().read(&mut [0]); // until whoever asked for it closes our input
}

/// Status code and the rest of the answer to `METHOD PATH`.
fn answer(socket: &str, request: &str) -> String {
    let mut text = String::new();
    let asked = UnixStream::connect(socket).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        write!(
            stream,
            "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )?;
        stream.read_to_string(&mut text)
    });
    match (asked, text.strip_prefix("HTTP/1.1 ")) {
        (_, Some(answer)) => answer.to_owned(),
        (outcome, None) => format!("none: {outcome:?} {text}"),
    }
}

fn home(folder: &Path) -> Home {
    let keys = format!(
        "mode = \"0666\"\nread_uids = [{READER}]\nread_gids = [{READING_GROUP}]\ncontrol_uids = \
         [{CONTROLLER}]"
    );
    Home::new(folder, "batch_ms = 200", &keys)
}

fn recording(home: &Home) {
    home.until("beats are stored", |status| {
        status["store"]["beats_committed"].as_u64() > Some(1)
    });
}

/// Everybody asks for everything.
fn try_all(row: &mut Row, stage: &Stage) {
    let in_group = User {
        further: Some(READING_GROUP),
        ..user(STRANGER, NO_GROUP)
    };
    let [read, control] = ["GET /v1/beats?limit=1", "POST /v1/reload"];
    let asked = [
        ("a reader", user(READER, NO_GROUP), read, 200),
        ("a reader", user(READER, NO_GROUP), control, 403),
        (
            "one of the reading group",
            user(STRANGER, READING_GROUP),
            read,
            200,
        ),
        (
            "one with the reading group among others",
            in_group,
            read,
            200,
        ),
        (
            "one with the reading group among others",
            in_group,
            control,
            403,
        ),
        ("a controller", user(CONTROLLER, NO_GROUP), read, 200),
        ("a controller", user(CONTROLLER, NO_GROUP), control, 200),
        ("a stranger", user(STRANGER, NO_GROUP), read, 403),
        ("a stranger", user(STRANGER, NO_GROUP), control, 403),
        ("root", user(0, 0), read, 200),
        ("root", user(0, 0), control, 200),
    ];
    row.saw(format!("{} requests of 5 users", asked.len()));
    for (who, user, request, expected) in asked {
        match stage.ask(user, request) {
            Ok((code, _)) if code == expected => {}
            other => row
                .problems
                .push(format!("{who}, {request}: {other:?}, expected {expected}")),
        }
    }
}

/// Who may read and control.
pub(crate) fn permitted(folder: &Path) -> Row {
    let mut row = Row::new("users");
    if let Err(why) = may_be_others() {
        return row.skipped(&why);
    }
    let home = home(folder);
    let stage = Stage::new(folder, &home.socket);
    let daemon = home.start_bare(&[]);
    recording(&home);
    try_all(&mut row, &stage);
    let code = daemon.terminate().0;
    row.expect(code == Some(0), || {
        format!("exit code {code:?}: {}", last_words(&home.log()))
    });
    row
}

/// The same with the daemon in a user namespace of its own, and a user whom that does not know.
pub(crate) fn namespace(folder: &Path) -> Row {
    let mut row = Row::new("user namespace");
    if let Err(why) = may_be_others() {
        return row.skipped(&why);
    }
    let home = home(folder);
    let stage = Stage::new(folder, &home.socket);
    let daemon = match start_in_namespace(&home) {
        Ok(daemon) => daemon,
        Err(why) => return row.skipped(&why),
    };
    recording(&home);
    try_all(&mut row, &stage);
    match stage.ask(user(UNMAPPED, UNMAPPED), "GET /v1/beats?limit=1") {
        Ok((403, text)) => row.expect(text.contains(&OVERFLOW.to_string()), || {
            format!("a user of another namespace is not told so: {text}")
        }),
        other => row.problems.push(format!(
            "a user whom the namespace does not know: {other:?}, expected 403"
        )),
    }
    let code = daemon.terminate().0;
    row.expect(code == Some(0), || {
        format!("exit code {code:?}: {}", last_words(&home.log()))
    });
    // whoever names the overflow id lets every such user in
    for key in ["read_uids", "read_gids", "control_uids", "control_gids"] {
        let folder = folder.join(key);
        fs::create_dir(&folder).expect("a folder");
        Home::new(&folder, "", &format!("{key} = [{OVERFLOW}]"));
        let config = folder.join("c.toml");
        let outcome = run([
            "run",
            "--check",
            "--config",
            config.to_str().expect("UTF-8"),
        ]);
        row.expect(outcome.code == Some(10), || {
            format!(
                "{key} = [{OVERFLOW}]: exit code {:?}, expected 10",
                outcome.code
            )
        });
    }
    row
}

/// Starts the daemon as root of a user namespace that knows the users below [`MAPPED`].
fn start_in_namespace(home: &Home) -> Result<Daemon, String> {
    // The shell waits for its map, and is nobody until it has one.
    let binary = gateway().get_program().to_owned();
    let mut program = Command::new("unshare");
    program
        .args(["--user", "sh", "-c", "read go && exec \"$0\" \"$@\""])
        .arg(binary)
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped());
    let mut command = home.command(&[], program);
    let mut child = command
        .spawn()
        .map_err(|error| format!("unshare: {error}"))?;
    let folder = PathBuf::from(format!("/proc/{}", child.id()));
    let give_up = Instant::now() + Duration::from_secs(10);
    let own = fs::read_link("/proc/self/ns/user").map_err(|error| error.to_string())?;
    while fs::read_link(folder.join("ns/user")).is_ok_and(|namespace| namespace == own) {
        if Instant::now() > give_up || child.try_wait().is_ok_and(|ended| ended.is_some()) {
            let _ = child.kill();
            return Err("no user namespaces here".to_owned());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    for map in ["uid_map", "gid_map"] {
        fs::write(folder.join(map), format!("0 0 {MAPPED}\n"))
            .map_err(|error| format!("{map}: {error}"))?;
    }
    let mut input = child.stdin.take().ok_or("no input")?;
    input
        .write_all(b"go\n")
        .map_err(|error| error.to_string())?;
    Ok(Daemon(child))
}

/// One reader takes all places with streams; control and status keep theirs, and other readers get some.
pub(crate) fn crowd(folder: &Path) -> Row {
    let mut row = Row::new("crowd of one user");
    if let Err(why) = may_be_others() {
        return row.skipped(&why);
    }
    let home = home(folder);
    let stage = Stage::new(folder, &home.socket);
    let daemon = home.start_bare(&[]);
    recording(&home);
    let mut crowd = stage.act(user(READER, NO_GROUP), "hold 200");
    let mut crowd = crowd
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("setpriv");
    let mut said = String::new();
    let output = crowd.stdout.as_mut().expect("piped");
    while !said.contains("HELD ") {
        let mut byte = [0];
        match output.read(&mut byte) {
            Ok(1) => said.push(char::from(byte[0])),
            _ => break,
        }
    }
    row.expect(said.contains("HELD "), || {
        format!("the crowd did not come: {said:?}")
    });
    std::thread::sleep(Duration::from_millis(500));
    for (who, user, request) in [
        ("root", user(0, 0), "GET /v1/status"),
        ("root", user(0, 0), "POST /v1/reload"),
        (
            "a controller",
            user(CONTROLLER, NO_GROUP),
            "POST /v1/reload",
        ),
        (
            "another reader",
            user(STRANGER, READING_GROUP),
            "GET /v1/status",
        ),
        (
            "another reader",
            user(STRANGER, READING_GROUP),
            "GET /v1/beats?limit=1",
        ),
    ] {
        let found = stage.ask(user, request);
        row.expect(matches!(found, Ok((200, _))), || {
            format!("{who}, {request}: {found:?}, expected 200")
        });
    }
    drop(crowd.stdin.take());
    let _ = crowd.wait();
    let status = ask(&home.socket, "/v1/status");
    row.expect(
        matches!(&status, Ok((answer, _)) if answer.starts_with("HTTP/1.1 200 ")),
        || format!("no status afterwards: {status:?}"),
    );
    row.saw("200 streams of one reader; 5 requests of others");
    let code = daemon.terminate().0;
    row.expect(code == Some(0), || {
        format!("exit code {code:?}: {}", last_words(&home.log()))
    });
    row
}
