//! A recorded trace behind the traits the driver talks through.

mod describe;
mod tape;
mod time_check;

use std::convert::Infallible;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use ads1292::{Ads1292, ChipConfig, StartControl};
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{ErrorType as PinErrorType, OutputPin};
use embedded_hal::spi::{ErrorType as SpiErrorType, Operation, SpiDevice};

use super::drdy::{DataReady, DrdyEdge, WaitError};
use super::engine::Acquisition;
use super::error::AcquisitionError;
use super::trace::{ControlPin, TraceEnd, TraceError, TraceHeader, TraceReader};
use tape::Tape;
use time_check::TimeCheck;

/// The acquisition over a trace.
pub type Replay = Acquisition<Tape, ReplayPin, NoWait, Tape>;

/// Opens the trace at `path` and runs the driver's set-up against it.
///
/// # Errors
/// As [`replay`], and [`AcquisitionError::Trace`] where the file cannot be opened.
pub fn open_replay(path: &Path) -> Result<(Replay, ReplayHandle), AcquisitionError> {
    let file = File::open(path).map_err(AcquisitionError::trace(path))?;
    replay(file, path)
}

/// Runs the driver's set-up against a trace from any byte source; `path` is named in errors. The
/// set-up is the one in the trace's header, so the driver says what the recorded host said.
///
/// # Errors
/// [`AcquisitionError::Trace`] (no trace, another version, another chip, damage, an end before the
/// first frame could come, a set-up the driver does not know, a host that says something else),
/// [`AcquisitionError::Chip`] (a recorded ID that is none).
pub fn replay(
    source: impl Read + Send + 'static,
    path: &Path,
) -> Result<(Replay, ReplayHandle), AcquisitionError> {
    let reader = TraceReader::new(source).map_err(AcquisitionError::trace(path))?;
    let header = reader.header().clone();
    let (_, config) = ChipConfig::from_image(&header.registers, Some(header.vref_uv))
        .map_err(AcquisitionError::trace(path))?;
    let times = TimeCheck::new(header.session.start.monotonic).ok_or(TraceError::Header {
        problem: "no clock stands where its monotonic start is",
    });
    let times = times.map_err(AcquisitionError::trace(path))?;
    let tape = Tape::new(reader, times, path);
    let pin = |which| ReplayPin {
        tape: tape.clone(),
        which,
    };
    let driver = Ads1292::new(
        tape.clone(),
        pin(ControlPin::Start),
        pin(ControlPin::Reset),
        NoWait,
    )
    .with_start_control(StartControl::by_pin(header.session.start_by_pin));
    let acquisition = Acquisition::start(driver, tape.clone(), config, header.session.clone())
        .map_err(|error| {
            if !matches!(error, AcquisitionError::SourceEnded) {
                return error;
            }
            let offset = match tape.state().end() {
                Some(TraceEnd::Cut { offset, .. } | TraceEnd::Damaged { offset, .. }) => offset,
                Some(TraceEnd::Complete { bytes }) => bytes,
                None => 0,
            };
            AcquisitionError::trace(path)(TraceError::CutInSetUp { offset })
        })?;
    Ok((acquisition, ReplayHandle { tape, header }))
}

/// Looks at a trace while it is replayed.
#[derive(Debug, Clone)]
pub struct ReplayHandle {
    tape: Tape,
    header: TraceHeader,
}

impl ReplayHandle {
    /// The trace's header.
    #[must_use]
    pub fn header(&self) -> &TraceHeader {
        &self.header
    }

    /// How the trace ended, once it has: complete, or cut and where.
    #[must_use]
    pub fn end(&self) -> Option<TraceEnd> {
        self.tape.state().end()
    }
}

impl SpiErrorType for Tape {
    type Error = AcquisitionError;
}

impl SpiDevice for Tape {
    fn transaction(
        &mut self,
        operations: &mut [Operation<'_, u8>],
    ) -> Result<(), AcquisitionError> {
        self.state().transaction(operations)
    }
}

impl DataReady for Tape {
    fn wait(&mut self, _timeout: Duration) -> Result<DrdyEdge, WaitError> {
        self.state().wait()
    }

    fn recorded_inspection(&mut self) -> Option<bool> {
        let mut tape = self.state();
        Some(tape.is_inspection().unwrap_or_else(|error| {
            tape.fail(error);
            false
        }))
    }

    fn is_recorded(&self) -> bool {
        true
    }
}

/// A control pin of the trace.
#[derive(Debug)]
pub struct ReplayPin {
    tape: Tape,
    which: ControlPin,
}

impl PinErrorType for ReplayPin {
    type Error = Infallible;
}

impl OutputPin for ReplayPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.tape.state().pin(self.which, false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.tape.state().pin(self.which, true);
        Ok(())
    }
}

/// Waits that are over at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWait;

impl DelayNs for NoWait {
    fn delay_ns(&mut self, _ns: u32) {}
}
