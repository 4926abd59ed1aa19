//! The daemon on a simulated chip, on a disk that misbehaves, and clients of its socket.

use std::fs;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::http::EventStream;
use super::process::Daemon;
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

/// The stream from after this id on.
pub(crate) fn stream_after(
    socket: &Path,
    id: impl std::fmt::Display,
) -> std::io::Result<EventStream> {
    EventStream::open(socket, "/v1/stream", &format!("last-event-id: {id}\r\n"))
}

/// One request on a fresh connection; the whole answer, and how long it took.
pub(crate) fn ask(socket: &Path, path: &str) -> std::io::Result<(String, Duration)> {
    let began = Instant::now();
    let answer = http::exchange(socket, "GET", path)?;
    Ok((answer, began.elapsed()))
}

/// The number in this environment variable, or `otherwise`.
pub(crate) fn length(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}: found {text:?}, expected a whole number"))
    })
}
