//! The trace as it is played: what was recorded next, against what the host does.

use std::cell::{RefCell, RefMut};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ads1292::{FRAME_BYTES, Opcode};
use embedded_hal::spi::Operation;

use super::super::drdy::{DrdyEdge, WaitError};
use super::super::error::AcquisitionError;
use super::super::trace::{
    ControlPin, FrameRead, SpiOperation, TraceEnd, TraceError, TraceEvent, TraceReader,
};
use super::describe::{describe, describe_host, describe_pin};
use super::time_check::TimeCheck;

/// The trace, shared by everything it plays: itself the SPI device and the DRDY line. All of that lives in one thread: the driver asks twice a
/// sample, and two locks would cost a twentieth of the whole chain's time.
#[derive(Debug, Clone)]
pub struct Tape(Rc<RefCell<TapeState>>);

#[derive(Debug)]
pub(super) struct TapeState {
    events: Events,
    /// The read that belongs to the edge handed out last.
    read: Option<FrameRead>,
    /// A disagreement found where it could not be returned.
    failure: Option<AcquisitionError>,
}

/// The trace's events, as far as their times make sense.
#[derive(Debug)]
struct Events {
    reader: TraceReader,
    times: TimeCheck,
    path: PathBuf,
    /// Events taken so far.
    taken: u64,
}

impl Events {
    fn next(&mut self) -> Result<Option<TraceEvent<'_>>, AcquisitionError> {
        self.taken += 1;
        let trace = AcquisitionError::trace(&self.path);
        let event = match self.reader.next_event() {
            Ok(event) => event,
            Err(error) => return Err(trace(error)),
        };
        let sense = event
            .as_ref()
            .map_or(Ok(()), |event| self.times.check(event));
        match sense {
            Ok(()) => Ok(event),
            Err(problem) => Err(trace(TraceError::Senseless {
                event: self.taken,
                problem,
            })),
        }
    }

    fn peek(&mut self) -> Result<Option<TraceEvent<'_>>, AcquisitionError> {
        let event = self.reader.peek_event();
        event.map_err(AcquisitionError::trace(&self.path))
    }
}

impl Tape {
    pub(super) fn new(reader: TraceReader, times: TimeCheck, path: &Path) -> Self {
        Self(Rc::new(RefCell::new(TapeState {
            events: Events {
                reader,
                times,
                path: path.to_owned(),
                taken: 0,
            },
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
    /// How the trace ended, once it has.
    pub(super) fn end(&self) -> Option<TraceEnd> {
        self.events.reader.end()
    }

    fn mismatch(&self, recorded: String, host: String) -> AcquisitionError {
        AcquisitionError::trace(&self.events.path)(TraceError::Replay {
            event: self.events.taken,
            recorded,
            host,
        })
    }

    pub(super) fn wait(&mut self) -> Result<DrdyEdge, WaitError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure.into());
        }
        let recorded = if let Some(frame) = self.read.take() {
            describe(&TraceEvent::Frame(frame))
        } else if self.is_inspection()? {
            return Err(WaitError::Inspection);
        } else {
            match self.events.next()? {
                Some(TraceEvent::Frame(frame)) => {
                    self.read = Some(frame);
                    return Ok(frame.edge);
                }
                Some(TraceEvent::Edge(edge)) => return Ok(edge),
                Some(TraceEvent::Timeout(time)) => return Err(WaitError::Timeout(time)),
                Some(other) => describe(&other),
                None => return Err(AcquisitionError::SourceEnded.into()),
            }
        };
        Err(self.mismatch(recorded, "waited for DRDY".to_owned()).into())
    }

    /// Whether the recorded host looked at the registers next: SDATAC, which a set-up does not
    /// begin with.
    ///
    /// # Errors
    /// The trace's own: whoever peeks first must hand it on.
    pub(super) fn is_inspection(&mut self) -> Result<bool, AcquisitionError> {
        let sdatac = [Opcode::StopReadDataContinuous.byte()];
        Ok(match self.events.peek()? {
            Some(TraceEvent::Transaction { mut operations, .. }) if self.read.is_none() => {
                operations
                    .next()
                    .is_some_and(|first| first.written == sdatac)
            }
            _ => false,
        })
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
        let recorded = match self.events.next()? {
            Some(TraceEvent::Transaction {
                operations: expected,
                ..
            }) if answer(operations, expected) => return Ok(()),
            Some(other) => describe(&other),
            None => return Err(AcquisitionError::SourceEnded),
        };
        Err(self.mismatch(recorded, describe_host(operations)))
    }

    /// Pins that were tied on the recorded board are in no event: a change that is not recorded
    /// next is let pass, and a recorded one that this host does not make shows at what follows.
    pub(super) fn pin(&mut self, which: ControlPin, high: bool) {
        if self.read.is_some() {
            return;
        }
        let agrees = match self.events.peek() {
            Ok(Some(TraceEvent::Pin {
                pin,
                high: recorded,
                ..
            })) if pin == which => recorded == high,
            // Errors and the end are found again by what follows.
            _ => return,
        };
        if let Err(error) = self.events.next() {
            self.failure = Some(error);
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
        let said = SpiOperation::from_operation(operation);
        if said.written != expected.written || said.read.len() != expected.read.len() {
            return false;
        }
        if let Operation::Read(to) | Operation::Transfer(to, _) | Operation::TransferInPlace(to) =
            operation
        {
            to.copy_from_slice(expected.read);
        }
    }
    recorded.next().is_none()
}
