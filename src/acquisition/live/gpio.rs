//! DRDY, START and RESET on a GPIO character device.
//!
//! The kernel's second interface (uAPI v2, since Linux 5.10, through `gpiocdev`) numbers the edges
//! of a line, so that one nobody read is known. The first one (v1, through `gpio-cdev`) keeps 16
//! edges and drops further ones without a sign: only a hole in the time stamps tells then.

use std::io;
use std::time::Duration;

use ecg_chain::MonotonicNs;
use embedded_hal::digital::{ErrorType, OutputPin};
use gpio_cdev::{EventRequestFlags, LineEventHandle, LineHandle, LineRequestFlags};
use gpiocdev::Request;
use gpiocdev::line::{EdgeDetection, EventClock, Value};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::clock::{Clock, SystemClock};
use super::super::drdy::{DataReady, DrdyEdge, EdgeNumbers, WaitError};
use super::super::error::AcquisitionError;
use super::options::{GpioAbi, LiveOptions};

/// Who holds the GPIO lines, as other programs see it.
const CONSUMER: &str = "ecg-gateway";
/// Edges the kernel keeps for us: two seconds at 500 SPS.
const KERNEL_EDGES: u32 = 1_024;
/// Edges fetched at a time.
const EDGES_AT_ONCE: usize = 64;
/// A v1 time stamp further from now than this is of another clock: before Linux 5.7 the wall clock.
const OTHER_CLOCK_NS: u64 = 10_000_000_000;

/// The interface to use.
pub(super) fn abi(options: &LiveOptions) -> Result<GpioAbi, AcquisitionError> {
    match options.gpio_abi {
        Some(abi) => Ok(abi),
        None => {
            let chip = gpiocdev::chip::Chip::from_path(&options.gpio_chip).map_err(|error| {
                AcquisitionError::Device {
                    device: options.gpio_chip.display().to_string(),
                    problem: error.to_string(),
                }
            })?;
            Ok(match chip.supports_abi_version(gpiocdev::AbiVersion::V2) {
                Ok(()) => GpioAbi::V2,
                Err(_) => GpioAbi::V1,
            })
        }
    }
}

/// A line's name in errors.
fn line_name(options: &LiveOptions, line: u32) -> String {
    format!("{} line {line}", options.gpio_chip.display())
}

fn refuse(options: &LiveOptions, line: u32, error: impl std::fmt::Display) -> AcquisitionError {
    AcquisitionError::Device {
        device: line_name(options, line),
        problem: error.to_string(),
    }
}

fn line_v1(options: &LiveOptions, line: u32) -> Result<gpio_cdev::Line, AcquisitionError> {
    gpio_cdev::Chip::new(&options.gpio_chip)
        .and_then(|mut chip| chip.get_line(line))
        .map_err(|error| refuse(options, line, error))
}

/// A GPIO output line.
#[derive(Debug)]
pub struct LivePin(Output);

#[derive(Debug)]
enum Output {
    V1(LineHandle),
    V2(Request),
}

impl LivePin {
    pub(super) fn open(
        options: &LiveOptions,
        abi: GpioAbi,
        line: u32,
        high: bool,
    ) -> Result<Self, AcquisitionError> {
        let output = match abi {
            GpioAbi::V1 => Output::V1(
                line_v1(options, line)?
                    .request(LineRequestFlags::OUTPUT, high.into(), CONSUMER)
                    .map_err(|error| refuse(options, line, error))?,
            ),
            GpioAbi::V2 => Output::V2(
                Request::builder()
                    .on_chip(&options.gpio_chip)
                    .with_consumer(CONSUMER)
                    .with_line(line)
                    .as_output(value(high))
                    .request()
                    .map_err(|error| refuse(options, line, error))?,
            ),
        };
        Ok(Self(output))
    }

    fn set(&mut self, high: bool) -> Result<(), LivePinError> {
        match &self.0 {
            Output::V1(line) => line
                .set_value(high.into())
                .map_err(|error| LivePinError(error.to_string())),
            Output::V2(line) => line
                .set_lone_value(value(high))
                .map_err(|error| LivePinError(error.to_string())),
        }
    }
}

const fn value(high: bool) -> Value {
    if high { Value::Active } else { Value::Inactive }
}

/// Why a line could not be driven.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LivePinError(String);

impl embedded_hal::digital::Error for LivePinError {
    fn kind(&self) -> embedded_hal::digital::ErrorKind {
        embedded_hal::digital::ErrorKind::Other
    }
}

impl ErrorType for LivePin {
    type Error = LivePinError;
}

impl OutputPin for LivePin {
    fn set_low(&mut self) -> Result<(), LivePinError> {
        self.set(false)
    }

    fn set_high(&mut self) -> Result<(), LivePinError> {
        self.set(true)
    }
}

/// Falling edges of a GPIO line, stamped by the kernel and, with v2, numbered by it.
#[derive(Debug)]
pub struct LiveDrdy {
    edges: Edges,
    name: String,
}

#[derive(Debug)]
enum Edges {
    V1 {
        handle: LineEventHandle,
        /// Edges read so far: all there is to number them by.
        read: u32,
    },
    V2 {
        request: Request,
        /// Raw events, [`EDGES_AT_ONCE`] of them.
        events: Vec<u64>,
    },
}

impl LiveDrdy {
    pub(super) fn open(options: &LiveOptions, abi: GpioAbi) -> Result<Self, AcquisitionError> {
        let line = options.drdy_line;
        let edges = match abi {
            GpioAbi::V1 => Edges::V1 {
                handle: line_v1(options, line)?
                    .events(
                        LineRequestFlags::INPUT,
                        EventRequestFlags::FALLING_EDGE,
                        CONSUMER,
                    )
                    .map_err(|error| refuse(options, line, error))?,
                read: 0,
            },
            GpioAbi::V2 => {
                let request = Request::builder()
                    .on_chip(&options.gpio_chip)
                    .with_consumer(CONSUMER)
                    .with_line(line)
                    .as_input()
                    .with_edge_detection(EdgeDetection::FallingEdge)
                    .with_event_clock(EventClock::Monotonic)
                    .with_kernel_event_buffer_size(KERNEL_EDGES)
                    .request()
                    .map_err(|error| refuse(options, line, error))?;
                Edges::V2 {
                    events: vec![0; request.edge_event_u64_size() * EDGES_AT_ONCE],
                    request,
                }
            }
        };
        Ok(Self {
            edges,
            name: line_name(options, line),
        })
    }

    fn failed(&self, problem: String) -> AcquisitionError {
        AcquisitionError::Device {
            device: self.name.clone(),
            problem,
        }
    }
}

impl Edges {
    /// The newest of all edges that wait, if any waits within `timeout`; what is wrong with the line
    /// otherwise.
    fn newest(&mut self, mut timeout: Duration) -> Result<Option<DrdyEdge>, String> {
        let mut newest = None;
        while self.wait(timeout)? {
            newest = self.read()?.or(newest);
            timeout = Duration::ZERO;
        }
        Ok(newest)
    }

    fn wait(&self, timeout: Duration) -> Result<bool, String> {
        loop {
            let (waited, interrupted) = match self {
                Self::V1 { handle, .. } => {
                    let mut fds = [PollFd::new(handle, PollFlags::IN)];
                    let timeout = Timespec {
                        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
                        tv_nsec: timeout.subsec_nanos().into(),
                    };
                    let waited = poll(&mut fds, Some(&timeout));
                    let interrupted = waited == Err(rustix::io::Errno::INTR);
                    let waited = waited.map(|ready| ready > 0);
                    (waited.map_err(|error| error.to_string()), interrupted)
                }
                Self::V2 { request, .. } => {
                    let waited = request.wait_edge_event(timeout);
                    // Nothing may come between the call and errno.
                    let interrupted = waited.is_err()
                        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
                    (waited.map_err(|error| error.to_string()), interrupted)
                }
            };
            // A signal is no failure of the line.
            if !interrupted {
                return waited;
            }
        }
    }

    /// The newest edge of those read at a time.
    fn read(&mut self) -> Result<Option<DrdyEdge>, String> {
        match self {
            Self::V1 { handle, read } => {
                let event = handle.get_event().map_err(|error| error.to_string())?;
                *read = read.wrapping_add(1);
                Ok(Some(DrdyEdge {
                    time: on_monotonic_clock(event.timestamp()),
                    sequence: *read,
                }))
            }
            Self::V2 { request, events } => {
                let text = |error: gpiocdev::Error| error.to_string();
                let words = request.read_edge_events_into_slice(events).map_err(text)?;
                let size = request.edge_event_u64_size().max(1);
                let mut newest = None;
                for raw in events.get(..words).unwrap_or_default().chunks_exact(size) {
                    let event = request.edge_event_from_slice(raw).map_err(text)?;
                    newest = Some(DrdyEdge {
                        time: MonotonicNs(event.timestamp_ns),
                        sequence: event.line_seqno,
                    });
                }
                Ok(newest)
            }
        }
    }
}

/// A v1 time stamp, or the time it was read at where the kernel stamps with another clock.
fn on_monotonic_clock(timestamp_ns: u64) -> MonotonicNs {
    let now = SystemClock.now();
    if now.0.abs_diff(timestamp_ns) < OTHER_CLOCK_NS {
        MonotonicNs(timestamp_ns)
    } else {
        now
    }
}

impl DataReady for LiveDrdy {
    fn wait(&mut self, timeout: Duration) -> Result<DrdyEdge, WaitError> {
        match self.edges.newest(timeout) {
            Ok(Some(edge)) => Ok(edge),
            Ok(None) => Err(WaitError::Timeout(SystemClock.now())),
            Err(problem) => Err(WaitError::Failed(self.failed(problem))),
        }
    }

    fn forget(&mut self) -> Result<(), AcquisitionError> {
        let newest = self.edges.newest(Duration::ZERO);
        newest.map(|_| ()).map_err(|problem| self.failed(problem))
    }

    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn numbers(&self) -> EdgeNumbers {
        match self.edges {
            Edges::V1 { .. } => EdgeNumbers::Reader,
            Edges::V2 { .. } => EdgeNumbers::Kernel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_of_the_wall_clock_are_not_taken_for_monotonic_ones() {
        let now = SystemClock.now();
        let recent = now.0.saturating_sub(1_000_000);
        assert_eq!(on_monotonic_clock(recent), MonotonicNs(recent));
        let wall = 1_800_000_000_000_000_000;
        let stamped = on_monotonic_clock(wall);
        assert!(stamped >= now && stamped.0 < wall);
    }
}
