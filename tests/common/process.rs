//! A command that runs beside the test.

use std::ffi::OsStr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::daemon::memory_kib;
use super::gateway;

/// How long what must happen may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running command; killed at the latest when dropped.
#[derive(Debug)]
pub(crate) struct Daemon(pub(crate) Child);

impl Daemon {
    /// Starts the binary, its output thrown away.
    pub(crate) fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = gateway();
        command
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().expect("the binary starts"))
    }

    /// Starts the binary and waits until its socket answers.
    pub(crate) fn serving<A: AsRef<OsStr>>(
        arguments: impl IntoIterator<Item = A>,
        socket: &Path,
    ) -> Self {
        let mut daemon = Self::start(arguments);
        daemon.until("the socket answers", || UnixStream::connect(socket).is_ok());
        daemon
    }

    /// Waits until `done`, while the command lives.
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut() -> bool) {
        let give_up = Instant::now() + TIMEOUT;
        while !done() {
            if let Some(status) = self.ended() {
                panic!("ended with {status} before {what}");
            }
            assert!(Instant::now() < give_up, "waited too long until {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it has ended by itself, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("our own child")
    }

    /// `kill -9`; whether it was still running.
    pub(crate) fn kill(mut self) -> bool {
        let running = self.ended().is_none();
        self.0.kill().expect("our own child");
        self.0.wait().expect("our own child");
        running
    }

    /// Sends SIGTERM.
    pub(crate) fn ask_to_stop(&self) {
        let sent = Command::new("kill").arg(self.id().to_string()).status();
        assert!(sent.expect("the kill command").success());
    }

    /// SIGTERM; the exit code and the time it took.
    pub(crate) fn terminate(mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        self.ask_to_stop();
        while began.elapsed() < TIMEOUT {
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

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
