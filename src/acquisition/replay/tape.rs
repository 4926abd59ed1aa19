//! The trace as it is played: what was recorded next, against what the host does.

use std::cell::{RefCell, RefMut};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ads1292::{FRAME_BYTES, Opcode};
use embedded_hal::spi::Operation;

use super::super::drdy::{DrdyEdge, WaitError};
use super::super::error::{AcquisitionError, ReplayMismatch};
use super::super::trace::{
    ControlPin, FrameRead, SpiOperation, TraceError, TraceEvent, TraceReader,
};
use super::describe::{describe, describe_host, describe_pin};
use super::sense::Sense;

/// The trace, shared by everything it plays. All of that lives in one thread: the driver asks twice a
/// sample, and two locks would cost a twentieth of the whole chain's time.
#[derive(Debug, Clone)]
pub(super) struct Tape(Rc<RefCell<TapeState>>);

#[derive(Debug)]
pub(super) struct TapeState {
    pub(super) reader: TraceReader,
    sense: Sense,
    path: PathBuf,
    /// Events taken so far.
    event: u64,
    /// The read that belongs to the edge handed out last.
    read: Option<FrameRead>,
    /// A disagreement found where it could not be returned.
    failure: Option<AcquisitionError>,
}

impl Tape {
    pub(super) fn new(reader: TraceReader, sense: Sense, path: &Path) -> Self {
        Self(Rc::new(RefCell::new(TapeState {
            reader,
            sense,
            path: path.to_owned(),
            event: 0,
            read: None,
            failure: None,
        })))
    }

    /// The state, for one question: nobody asks while another is answered.
    pub(super) fn state(&self) -> RefMut<'_, TapeState> {
        self.0.borrow_mut()
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

    /// The trace's next event, unless its times make no sense.
    fn next<'a>(
        reader: &'a mut TraceReader,
        sense: &mut Sense,
        number: u64,
    ) -> Result<Option<TraceEvent<'a>>, TraceError> {
        let event = reader.next_event()?;
        if let Some(event) = &event {
            sense
                .check(event)
                .map_err(|problem| TraceError::Senseless {
                    event: number,
                    problem,
                })?;
        }
        Ok(event)
    }

    pub(super) fn wait(&mut self) -> Result<DrdyEdge, WaitError> {
        if let Some(failure) = self.failure.take() {
            return Err(WaitError::Failed(failure));
        }
        let waited = || "waited for DRDY".to_owned();
        if let Some(frame) = self.read.take() {
            let recorded = describe(&TraceEvent::Frame(frame));
            return Err(WaitError::Failed(self.mismatch(recorded, waited())));
        }
        match self.is_inspection() {
            Ok(false) => {}
            Ok(true) => return Err(WaitError::Inspection),
            Err(error) => return Err(WaitError::Failed(error)),
        }
        self.event += 1;
        let recorded = match Self::next(&mut self.reader, &mut self.sense, self.event) {
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

    /// Whether the recorded host looked at the registers next: SDATAC, which a set-up does not
    /// begin with.
    ///
    /// # Errors
    /// The trace's own: whoever peeks first must hand it on.
    pub(super) fn is_inspection(&mut self) -> Result<bool, AcquisitionError> {
        let sdatac = [Opcode::StopReadDataContinuous.byte()];
        match self.reader.peek_event() {
            Ok(Some(TraceEvent::Transaction { mut operations, .. })) if self.read.is_none() => {
                Ok(operations
                    .next()
                    .is_some_and(|first| first.written == sdatac))
            }
            Ok(_) => Ok(false),
            Err(source) => Err(Self::trace_error(&self.path, source)),
        }
    }

    /// Hands `error` to whatever asks next.
    pub(super) fn fail(&mut self, error: AcquisitionError) {
        self.failure = Some(error);
    }

    pub(super) fn transaction(
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
        let recorded = match Self::next(&mut self.reader, &mut self.sense, self.event) {
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
    pub(super) fn pin(&mut self, which: ControlPin, high: bool) {
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
        if let Err(source) = Self::next(&mut self.reader, &mut self.sense, self.event) {
            self.failure = Some(Self::trace_error(&self.path, source));
            return;
        }
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
