//! Who is answered first: counted by one thread that sees all lines at once, not timed.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::siege::costly;
use arrhythmianet::SplitMix64;

/// Requests that wait before the status is asked for, and behind it.
const BEFORE: usize = 12;
const BEHIND: usize = 8;
const PATIENCE: Duration = Duration::from_secs(30);

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) looks: u64,
    /// Requests that were asked after a status and answered before it.
    pub(crate) overtaken: u64,
    /// Requests that were asked before a status and answered before it.
    pub(crate) waited_for: u64,
    pub(crate) without_status: u64,
    /// The flood of this one user had all places at that moment, those for the status included.
    pub(crate) full: u64,
    times: Vec<Duration>,
}

impl Seen {
    /// Asks for much, then for the status, then for much again, and waits for the status. An answer that
    /// is no more than a refusal did not wait for anything and does not count.
    pub(crate) fn look(&mut self, socket: &Path, dice: &mut SplitMix64) {
        let connect = || UnixStream::connect(socket).ok();
        let mut before: Vec<_> = (0..BEFORE).filter_map(|_| connect()).collect();
        let Some(mut status) = connect() else {
            self.without_status += 1;
            return;
        };
        let mut behind: Vec<_> = (0..BEHIND).filter_map(|_| connect()).collect();
        let request = |stream: &mut UnixStream, path: &str| {
            let _ = write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        };
        for stream in &mut before {
            request(stream, &costly(dice));
        }
        request(&mut status, "/v1/status");
        let began = Instant::now();
        for stream in &mut behind {
            request(stream, &costly(dice));
        }
        self.looks += 1;
        while began.elapsed() < PATIENCE {
            // the status is the first: what is ready with it in one look was not before it
            let lines = std::iter::once(&status).chain(&behind).chain(&before);
            let mut lines: Vec<_> = lines.map(|line| PollFd::new(line, PollFlags::IN)).collect();
            let pause = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            if poll(&mut lines, Some(&pause)).is_err() {
                continue;
            }
            let ready: Vec<bool> = lines
                .iter()
                .map(|line| !line.revents().is_empty())
                .collect();
            if ready.first() == Some(&true) {
                self.times.push(began.elapsed());
                match answer(&mut status).as_deref() {
                    Some("200") => {}
                    Some("503") => self.full += 1,
                    _ => self.without_status += 1,
                }
                return;
            }
            let mut place = 0;
            for (lines, count) in [
                (&mut behind, &mut self.overtaken),
                (&mut before, &mut self.waited_for),
            ] {
                lines.retain_mut(|line| {
                    place += 1;
                    let answered = ready.get(place) == Some(&true);
                    *count += u64::from(answered && is_answered(line));
                    !answered
                });
            }
        }
        self.without_status += 1;
    }

    /// Whether the status waited for the queue: most of what was there before it was answered first. Not
    /// more than are worked on at a time should be, and fewer where a status takes no longer than they do.
    pub(crate) fn queued(&self) -> bool {
        self.waited_for * 2 > self.looks * BEFORE as u64
    }

    pub(crate) fn text(&self) -> String {
        let slowest = self.times.iter().max().copied().unwrap_or_default();
        format!(
            "{} looks at the order: before the status {} of {} asked for after it and {} of {} asked for \
             before it, within {:.0} ms; {} times all places were taken",
            self.looks,
            self.overtaken,
            self.looks * BEHIND as u64,
            self.waited_for,
            self.looks * BEFORE as u64,
            slowest.as_secs_f64() * 1e3,
            self.full
        )
    }
}

/// Whether a line that is ready holds an answer that was worked for.
fn is_answered(line: &mut UnixStream) -> bool {
    answer(line).as_deref() == Some("200")
}

/// The status code of the answer on a line that is ready.
fn answer(line: &mut UnixStream) -> Option<String> {
    let mut start = [0; 12];
    let _ = line.set_read_timeout(Some(Duration::from_secs(1)));
    line.read_exact(&mut start).ok()?;
    let code = start.strip_prefix(b"HTTP/1.1 ")?;
    Some(String::from_utf8_lossy(code).into_owned())
}
