//! A recorded trace behind the traits the driver talks through.

use std::convert::Infallible;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{ErrorType as PinErrorType, OutputPin};
use embedded_hal::spi::{ErrorType as SpiErrorType, Operation, SpiDevice};

use crate::ads1292::{Ads1292, ChipConfig, StartControl};
use crate::time::ClockRelation;

use super::engine::Acquisition;
use super::error::ReplayMismatch;
use super::trace::{
    ControlPin, FRAME_BYTES, FrameRead, SpiOperation, TraceEnd, TraceError, TraceEvent,
    TraceHeader, TraceReader,
};
use super::{AcquisitionError, DataReady, DrdyEdge, WaitError};

/// The acquisition over a trace.
pub type Replay = Acquisition<ReplaySpi, ReplayPin, ReplayPin, NoWait, ReplayDrdy>;

/// Opens the trace at `path` and runs the driver's set-up against it.
///
/// # Errors
/// As [`replay`], and [`AcquisitionError::Trace`] where the file cannot be opened.
pub fn open_replay(path: &Path) -> Result<(Replay, ReplayHandle), AcquisitionError> {
    let file = File::open(path).map_err(|error| AcquisitionError::Trace {
        path: path.to_owned(),
        source: TraceError::Io(error),
    })?;
    replay(file, path)
}

/// Runs the driver's set-up against a trace from any byte source; `path` is named in errors. The
/// set-up is the one in the trace's header, so the driver says what the recorded host said.
///
/// # Errors
/// [`AcquisitionError::Trace`] (no trace, another version, another chip, damage, an end before the
/// first frame could come), [`AcquisitionError::SetUp`], [`AcquisitionError::Replay`],
/// [`AcquisitionError::Chip`] (a recorded ID that is none).
pub fn replay(
    source: impl Read + Send + 'static,
    path: &Path,
) -> Result<(Replay, ReplayHandle), AcquisitionError> {
    let reader = TraceReader::new(source).map_err(|source| AcquisitionError::Trace {
        path: path.to_owned(),
        source,
    })?;
    let header = reader.header().clone();
    let (_, config) =
        ChipConfig::from_image(&header.registers, Some(header.vref_uv)).map_err(|source| {
            AcquisitionError::SetUp {
                path: path.to_owned(),
                source,
            }
        })?;
    let tape = Tape(Arc::new(Mutex::new(TapeState {
        reader,
        path: path.to_owned(),
        event: 0,
        read: None,
        failure: None,
    })));
    let pin = |which| ReplayPin {
        tape: tape.clone(),
        which,
    };
    let driver = Ads1292::new(
        ReplaySpi(tape.clone()),
        pin(ControlPin::Start),
        pin(ControlPin::Reset),
        NoWait,
    )
    .with_start_control(if header.start_by_pin {
        StartControl::Pin
    } else {
        StartControl::Opcode
    });
    let start = ClockRelation {
        monotonic: header.monotonic_start,
        wall: header.wall_start,
    };
    let texts = (header.leads.clone(), header.description.clone());
    let drdy = ReplayDrdy(tape.clone());
    let acquisition = Acquisition::start(driver, drdy, config, start, texts).map_err(|error| {
        if !matches!(error, AcquisitionError::SourceEnded) {
            return error;
        }
        let offset = match tape.lock().reader.end() {
            Some(TraceEnd::Cut { offset, .. } | TraceEnd::Damaged { offset, .. }) => offset,
            Some(TraceEnd::Complete { bytes }) => bytes,
            None => 0,
        };
        TapeState::trace_error(path, TraceError::CutInSetUp { offset })
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
        self.tape.lock().reader.end()
    }
}

/// The trace, shared by everything it plays.
#[derive(Debug, Clone)]
struct Tape(Arc<Mutex<TapeState>>);

#[derive(Debug)]
struct TapeState {
    reader: TraceReader,
    path: PathBuf,
    /// Events taken so far.
    event: u64,
    /// The read that belongs to the edge handed out last.
    read: Option<FrameRead>,
    /// A disagreement found where it could not be returned.
    failure: Option<AcquisitionError>,
}

impl Tape {
    /// A poisoned lock is taken all the same: the tape is valid between any two events.
    fn lock(&self) -> MutexGuard<'_, TapeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TapeState {
    fn mismatch(&self, recorded: String, host: String) -> AcquisitionError {
        AcquisitionError::Replay {
            path: self.path.clone(),
            mismatch: Box::new(ReplayMismatch {
                event: self.event,
                recorded,
                host,
            }),
        }
    }

    fn trace_error(path: &Path, source: TraceError) -> AcquisitionError {
        AcquisitionError::Trace {
            path: path.to_owned(),
            source,
        }
    }

    fn wait(&mut self) -> Result<DrdyEdge, WaitError> {
        if let Some(failure) = self.failure.take() {
            return Err(WaitError::Failed(failure));
        }
        let waited = || "waited for DRDY".to_owned();
        if let Some(frame) = self.read.take() {
            let recorded = describe(&TraceEvent::Frame(frame));
            return Err(WaitError::Failed(self.mismatch(recorded, waited())));
        }
        self.event += 1;
        let recorded = match self.reader.next_event() {
            Ok(Some(TraceEvent::Frame(frame))) => {
                self.read = Some(frame);
                return Ok(frame.edge);
            }
            Ok(Some(TraceEvent::Edge(edge))) => return Ok(edge),
            Ok(Some(TraceEvent::Timeout(time))) => return Err(WaitError::Timeout(time)),
            Ok(Some(other)) => describe(&other),
            Ok(None) => return Err(WaitError::Failed(AcquisitionError::SourceEnded)),
            Err(source) => return Err(WaitError::Failed(Self::trace_error(&self.path, source))),
        };
        Err(WaitError::Failed(self.mismatch(recorded, waited())))
    }

    fn transaction(
        &mut self,
        operations: &mut [Operation<'_, u8>],
    ) -> Result<(), AcquisitionError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if let Some(frame) = self.read.take() {
            let sent: &[u8] = if frame.transferred {
                &[0; FRAME_BYTES]
            } else {
                &[]
            };
            let expected = SpiOperation {
                written: sent,
                read: &frame.rx,
            };
            if answer(operations, std::iter::once(expected)) {
                return Ok(());
            }
            let recorded = describe(&TraceEvent::Frame(frame));
            return Err(self.mismatch(recorded, describe_host(operations)));
        }
        self.event += 1;
        let recorded = match self.reader.next_event() {
            Ok(Some(event)) => match event {
                TraceEvent::Transaction {
                    operations: expected,
                    ..
                } if answer(operations, expected) => return Ok(()),
                other => describe(&other),
            },
            Ok(None) => return Err(AcquisitionError::SourceEnded),
            Err(source) => return Err(Self::trace_error(&self.path, source)),
        };
        Err(self.mismatch(recorded, describe_host(operations)))
    }

    /// Pins that were tied on the recorded board are in no event: a change that is not recorded
    /// next is let pass, and a recorded one that this host does not make shows at what follows.
    fn pin(&mut self, which: ControlPin, high: bool) {
        if self.read.is_some() {
            return;
        }
        let agrees = match self.reader.peek_event() {
            Ok(Some(TraceEvent::Pin {
                pin,
                high: recorded,
                ..
            })) if pin == which => recorded == high,
            // Errors and the end are found again by what follows.
            _ => return,
        };
        self.event += 1;
        // Just peeked at.
        let _ = self.reader.next_event();
        if !agrees {
            let recorded = format!("drove {}", describe_pin(which, !high));
            let host = format!("drove {}", describe_pin(which, high));
            self.failure = Some(self.mismatch(recorded, host));
        }
    }
}

/// Gives the host what was recorded, if it sends what was recorded.
fn answer<'a>(
    operations: &mut [Operation<'_, u8>],
    mut recorded: impl Iterator<Item = SpiOperation<'a>>,
) -> bool {
    for operation in operations {
        if matches!(operation, Operation::DelayNs(_)) {
            continue;
        }
        let Some(expected) = recorded.next() else {
            return false;
        };
        let fits = match operation {
            Operation::Read(read) => expected.written.is_empty() && copy(read, expected.read),
            Operation::Write(written) => *written == expected.written && expected.read.is_empty(),
            Operation::Transfer(read, written) => {
                *written == expected.written && copy(read, expected.read)
            }
            Operation::TransferInPlace(bytes) => {
                *bytes == expected.written && copy(bytes, expected.read)
            }
            Operation::DelayNs(_) => true,
        };
        if !fits {
            return false;
        }
    }
    recorded.next().is_none()
}

fn copy(to: &mut [u8], from: &[u8]) -> bool {
    if to.len() != from.len() {
        return false;
    }
    to.copy_from_slice(from);
    true
}

fn describe(event: &TraceEvent<'_>) -> String {
    match event {
        TraceEvent::Frame(frame) => format!(
            "read a frame of {FRAME_BYTES} bytes{}",
            if frame.transferred {
                " by a transfer"
            } else {
                ""
            }
        ),
        TraceEvent::Edge(_) => "saw a DRDY edge".to_owned(),
        TraceEvent::Timeout(_) => "gave up waiting for DRDY".to_owned(),
        TraceEvent::Pin { pin, high, .. } => format!("drove {}", describe_pin(*pin, *high)),
        TraceEvent::Transaction { operations, .. } => {
            let parts: Vec<_> = operations
                .map(|operation| describe_operation(operation.written, operation.read.len()))
                .collect();
            describe_parts(&parts)
        }
    }
}

fn describe_host(operations: &[Operation<'_, u8>]) -> String {
    let parts: Vec<_> = operations
        .iter()
        .filter_map(|operation| {
            Some(match operation {
                Operation::Read(read) => describe_operation(&[], read.len()),
                Operation::Write(written) => describe_operation(written, 0),
                Operation::Transfer(read, written) => describe_operation(written, read.len()),
                Operation::TransferInPlace(bytes) => describe_operation(bytes, bytes.len()),
                Operation::DelayNs(_) => return None,
            })
        })
        .collect();
    describe_parts(&parts)
}

fn describe_parts(parts: &[String]) -> String {
    if parts.is_empty() {
        "selected the chip and said nothing".to_owned()
    } else {
        parts.join(", ")
    }
}

fn describe_operation(written: &[u8], read: usize) -> String {
    match (written, read) {
        ([], count) => format!("read {count} bytes"),
        (bytes, 0) => format!("sent {bytes:02x?}"),
        (bytes, count) => format!("sent {bytes:02x?} and read {count} bytes"),
    }
}

fn describe_pin(pin: ControlPin, high: bool) -> String {
    let name = match pin {
        ControlPin::Start => "START",
        ControlPin::Reset => "RESET",
    };
    format!("{name} {}", if high { "high" } else { "low" })
}

/// The trace's SPI device.
#[derive(Debug)]
pub struct ReplaySpi(Tape);

impl SpiErrorType for ReplaySpi {
    type Error = AcquisitionError;
}

impl SpiDevice for ReplaySpi {
    fn transaction(
        &mut self,
        operations: &mut [Operation<'_, u8>],
    ) -> Result<(), AcquisitionError> {
        self.0.lock().transaction(operations)
    }
}

/// The trace's DRDY line.
#[derive(Debug)]
pub struct ReplayDrdy(Tape);

impl DataReady for ReplayDrdy {
    fn wait(&mut self, _timeout: Duration) -> Result<DrdyEdge, WaitError> {
        self.0.lock().wait()
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
        self.tape.lock().pin(self.which, false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.tape.lock().pin(self.which, true);
        Ok(())
    }
}

/// Waits that are over at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWait;

impl DelayNs for NoWait {
    fn delay_ns(&mut self, _ns: u32) {}
}
