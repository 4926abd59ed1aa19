//! The daemon on a simulated chip, on a disk that misbehaves, and clients of its socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{gateway, get, http, repository};

/// How the shim of `tests/disk/shim.c` lets the disk behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Fine,
    Full,
    ReadOnly,
    InputOutputError,
    SlowSync,
}

/// A home for one daemon: configuration, database, socket, and the shim between it and its disk.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) folder: PathBuf,
    pub(crate) database: PathBuf,
    pub(crate) socket: PathBuf,
    config: PathBuf,
    shim: Option<PathBuf>,
}

impl Home {
    /// `keys` are lines for the sections `[store]` and `[api]` of the configuration.
    pub(crate) fn new(folder: &Path, store_keys: &str, api_keys: &str) -> Self {
        let home = Self {
            folder: folder.to_owned(),
            database: folder.join("ecg.db"),
            socket: folder.join("s"),
            config: folder.join("c.toml"),
            shim: library(folder, "tests/disk/shim.c"),
        };
        let text = format!(
            "[model]\nengine = \"cpu\"\n[store]\nmin_free_percent = 0\nmin_free_mib = 0\npath = \
             {:?}\n{store_keys}\n[api]\nsocket_path = \
             {:?}\n{api_keys}\n",
            home.database, home.socket
        );
        fs::write(&home.config, text).expect("a configuration is written");
        home.disk(Disk::Fine);
        home
    }

    /// Whether the disk can misbehave here: it takes a C compiler and a dynamic C library.
    pub(crate) fn has_shim(&self) -> bool {
        self.shim.is_some()
    }

    /// From now on the disk behaves like this.
    pub(crate) fn disk(&self, disk: Disk) {
        let letter = match disk {
            Disk::Fine => "n",
            Disk::Full => "f",
            Disk::ReadOnly => "r",
            Disk::InputOutputError => "e",
            Disk::SlowSync => "s",
        };
        fs::write(self.folder.join("disk"), letter).expect("the shim's control file");
    }

    /// Starts the daemon on the simulated chip.
    pub(crate) fn start(&self, arguments: &[&str]) -> Daemon {
        self.spawn(self.command(arguments, gateway()))
    }

    /// As [`Home::start`], by a program that becomes it, with its arguments.
    pub(crate) fn start_by(&self, starter: &[&str], arguments: &[&str]) -> Daemon {
        let [program, rest @ ..] = starter else {
            return self.start(arguments);
        };
        let mut command = Command::new(program);
        command
            .args(rest)
            .arg(gateway().get_program())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        self.spawn(self.command(arguments, command))
    }

    fn spawn(&self, mut command: Command) -> Daemon {
        if let Some(shim) = &self.shim {
            command.env("LD_PRELOAD", shim);
        }
        Daemon(command.spawn().expect("the binary starts"))
    }

    /// As [`Home::start`], on the disk as it is.
    pub(crate) fn start_bare(&self, arguments: &[&str]) -> Daemon {
        let mut command = self.command(arguments, gateway());
        Daemon(command.spawn().expect("the binary starts"))
    }

    /// `program`, which is the gateway or starts it, with the arguments of a daemon on the simulated
    /// chip.
    pub(crate) fn command(&self, arguments: &[&str], mut program: Command) -> Command {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .expect("a log");
        program
            .args(["run", "--simulated", "synthetic", "--config"])
            .arg(&self.config)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(log)
            .env("ECG_DISK", self.folder.join("disk"))
            .process_group(0);
        program
    }

    /// What the daemon logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// `/v1/status`.
    pub(crate) fn status(&self) -> serde_json::Value {
        get(&self.socket, "/v1/status").1
    }

    /// Waits until `/v1/status` is as wished.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        let give_up = Instant::now() + Duration::from_secs(60);
        loop {
            let status = UnixStream::connect(&self.socket)
                .is_ok()
                .then(|| self.status());
            if status.as_ref().is_some_and(&holds) {
                return;
            }
            assert!(
                Instant::now() < give_up,
                "never: {what}; {status:?}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Builds a library to be preloaded from a file of this repository; `None`, with a word about it, where
/// that cannot be done.
pub(crate) fn library(folder: &Path, source: &str) -> Option<PathBuf> {
    let library = folder.join("shim.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(repository(source))
        .arg("-ldl")
        .output();
    match built {
        Ok(output) if output.status.success() => Some(library),
        other => {
            println!("no {source} here: {other:?}");
            None
        }
    }
}

/// A running daemon; killed at the latest when dropped.
#[derive(Debug)]
pub(crate) struct Daemon(pub(crate) Child);

impl Daemon {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended by itself, and how.
    pub(crate) fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.0.try_wait().expect("our own child")
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("our own child");
        self.0.wait().expect("our own child");
    }

    /// Sends SIGTERM.
    pub(crate) fn ask_to_stop(&self) {
        let sent = Command::new("kill").arg(self.0.id().to_string()).status();
        assert!(sent.expect("the kill command").success());
    }

    /// SIGTERM; the exit code and the time it took.
    pub(crate) fn terminate(mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        self.ask_to_stop();
        while began.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.ended() {
                return (status.code(), began.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("did not end on SIGTERM");
    }

    /// As [`memory_kib`].
    pub(crate) fn memory_kib(&self, name: &str) -> u64 {
        memory_kib(self.id(), name)
    }
}

/// A number of kilobytes of `/proc/PID/status`, e.g. `VmRSS`, in KiB.
pub(crate) fn memory_kib(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Bytes a process made the kernel write to storage.
pub(crate) fn written_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
        .unwrap_or(0)
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An event of the stream: name, id of the newest beat up to it, and data.
pub(crate) type Message = (String, Option<i64>, serde_json::Value);

/// A client of `/v1/stream`.
#[derive(Debug)]
pub(crate) struct Stream(BufReader<UnixStream>);

impl Stream {
    /// `None` where nobody answers.
    pub(crate) fn open(socket: &Path, last_event_id: impl std::fmt::Display) -> Option<Self> {
        let mut stream = http::connect(socket).ok()?;
        write!(
            stream,
            "GET /v1/stream HTTP/1.1\r\nhost: x\r\nlast-event-id: {last_event_id}\r\n\r\n"
        )
        .ok()?;
        Some(Self(BufReader::new(stream)))
    }

    /// The next event; `None` once the line is dead.
    pub(crate) fn next(&mut self) -> Option<Message> {
        let mut message: Message = (String::new(), None, serde_json::Value::Null);
        loop {
            let line = self.line()?;
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => message.0 = name.to_owned(),
                Some(("id", id)) => {
                    message.1 = id.split('.').nth(1).and_then(|beat| beat.parse().ok());
                }
                Some(("data", data)) => message.2 = serde_json::from_str(data).ok()?,
                _ if line == "\n" && !message.0.is_empty() => return Some(message),
                _ => {}
            }
        }
    }

    /// The next line of an event; `None` once the line is dead.
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            match self.0.read_line(&mut line) {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
            // lines of the protocol end in CRLF, lines of events in LF
            if line.ends_with('\n') && !line.ends_with("\r\n") {
                return Some(line);
            }
        }
    }

    /// The raw connection, for clients that do not read as they should.
    pub(crate) fn into_inner(self) -> UnixStream {
        self.0.into_inner()
    }
}

/// One request on a fresh connection; the whole answer, and how long it took.
pub(crate) fn ask(socket: &Path, path: &str) -> std::io::Result<(String, Duration)> {
    let began = Instant::now();
    let answer = http::exchange(socket, "GET", path)?;
    Ok((answer, began.elapsed()))
}

/// Whole numbers from a seed, for runs that can be repeated.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 0 to `below` - 1 (SplitMix64).
    pub(crate) fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// The number in this environment variable, or `otherwise`.
pub(crate) fn length(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}: found {text:?}, expected a whole number"))
    })
}
