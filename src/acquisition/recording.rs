//! Taps that write down what passes through them.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ads1292::{Ads1292, ChipConfig, ChipModel, FRAME_BYTES};
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{ErrorType as PinErrorType, OutputPin};
use embedded_hal::spi::{ErrorType as SpiErrorType, Operation, SpiDevice};

use super::clock::Clock;
use super::drdy::{DataReady, DrdyEdge, EdgeNumbers, WaitError};
use super::error::AcquisitionError;
use super::source::Session;
use super::trace::{Compression, ControlPin, SpiOperation, TraceError, TraceHeader, TraceWriter};

/// Where trace bytes go.
type Sink = Box<dyn Write + Send>;

/// Receives what the taps see; a new one (the default) writes nothing yet. Clones share one trace;
/// before [`Self::begin`] and after [`Self::finish`] what they see is dropped. A tap without a recorder only passes on.
#[derive(Clone, Default)]
pub struct Recorder {
    trace: Arc<Mutex<Option<OpenTrace>>>,
}

struct OpenTrace {
    writer: TraceWriter<Sink>,
    path: PathBuf,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.lock().as_ref().map(|trace| trace.path.clone());
        f.debug_struct("Recorder").field("path", &path).finish()
    }
}

impl Recorder {
    /// Starts the trace, to be called before the chip is set up. `path` is named in errors.
    ///
    /// # Errors
    /// [`AcquisitionError::Trace`].
    pub fn begin(
        &self,
        sink: Sink,
        path: PathBuf,
        compression: Compression,
        (model, config): (ChipModel, &ChipConfig),
        session: &Session,
    ) -> Result<(), AcquisitionError> {
        let header = TraceHeader {
            chip_id: model.id(),
            sample_rate_sps: u16::try_from(config.rate.hz()).unwrap_or(u16::MAX),
            gain: config.channels.map(|channel| channel.gain().factor()),
            vref_uv: config.reference.microvolts(),
            registers: config.image(model),
            session: session.clone(),
        };
        let writer = TraceWriter::create(sink, &header, compression)
            .map_err(AcquisitionError::trace(&path))?;
        *self.lock() = Some(OpenTrace { writer, path });
        Ok(())
    }

    /// Ends the trace and returns its length in bytes before compression; 0 if none was begun. A
    /// recorder dropped without this leaves a trace that reads as cut.
    ///
    /// # Errors
    /// [`AcquisitionError::Trace`].
    pub fn finish(&self) -> Result<u64, AcquisitionError> {
        let Some(OpenTrace { writer, path }) = self.lock().take() else {
            return Ok(0);
        };
        let (_, bytes) = writer.finish().map_err(AcquisitionError::trace(&path))?;
        Ok(bytes)
    }

    fn record(
        &self,
        write: impl FnOnce(&mut TraceWriter<Sink>) -> Result<(), TraceError>,
    ) -> Result<(), AcquisitionError> {
        match &mut *self.lock() {
            None => Ok(()),
            Some(trace) => write(&mut trace.writer).map_err(AcquisitionError::trace(&trace.path)),
        }
    }

    /// A poisoned lock is taken all the same: a writer is valid between any two of its steps.
    fn lock(&self) -> MutexGuard<'_, Option<OpenTrace>> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The driver over wires of which everything is recorded.
pub type RecordedDriver<SPI, PIN, DELAY, CLOCK> =
    Ads1292<RecordingSpi<SPI, CLOCK>, RecordingPin<PIN, CLOCK>, RecordingPin<PIN, CLOCK>, DELAY>;

/// The driver and the DRDY line over these wires, tapped where there is a recorder. A pin that is not
/// there is tied in hardware.
pub(super) fn recorded<SPI, PIN, DELAY, DRDY, CLOCK>(
    spi: SPI,
    [start, reset]: [Option<PIN>; 2],
    delay: DELAY,
    drdy: DRDY,
    clock: &CLOCK,
    recorder: Option<&Recorder>,
) -> (RecordedDriver<SPI, PIN, DELAY, CLOCK>, RecordingDrdy<DRDY>)
where
    SPI: SpiDevice<Error: Into<AcquisitionError>>,
    PIN: OutputPin,
    DELAY: DelayNs,
    CLOCK: Clock + Clone,
{
    let recorder = recorder.cloned();
    let pin = |inner, which| RecordingPin {
        inner,
        which,
        clock: clock.clone(),
        recorder: recorder.clone(),
    };
    let (start, reset) = (pin(start, ControlPin::Start), pin(reset, ControlPin::Reset));
    let spi = RecordingSpi {
        inner: spi,
        clock: clock.clone(),
        recorder: recorder.clone(),
        sent: Vec::with_capacity(FRAME_BYTES),
    };
    let drdy = RecordingDrdy {
        inner: drdy,
        recorder,
    };
    (Ads1292::new(spi, start, reset, delay), drdy)
}

/// An SPI device whose transactions are recorded.
#[derive(Debug)]
pub struct RecordingSpi<SPI, CLOCK> {
    inner: SPI,
    clock: CLOCK,
    recorder: Option<Recorder>,
    /// What in-place transfers sent, which the answer overwrites.
    sent: Vec<u8>,
}

impl<SPI, CLOCK> SpiErrorType for RecordingSpi<SPI, CLOCK> {
    type Error = AcquisitionError;
}

impl<SPI, CLOCK> SpiDevice for RecordingSpi<SPI, CLOCK>
where
    SPI: SpiDevice<Error: Into<AcquisitionError>>,
    CLOCK: Clock,
{
    fn transaction(
        &mut self,
        operations: &mut [Operation<'_, u8>],
    ) -> Result<(), AcquisitionError> {
        let Some(recorder) = &self.recorder else {
            return self.inner.transaction(operations).map_err(Into::into);
        };
        self.sent.clear();
        for operation in &*operations {
            if let Operation::TransferInPlace(bytes) = operation {
                self.sent.extend_from_slice(bytes);
            }
        }
        let time = self.clock.now();
        self.inner.transaction(operations).map_err(Into::into)?;
        let mut sent = self.sent.as_slice();
        let recorded = operations.iter().filter_map(|operation| {
            let mut said = SpiOperation::from_operation(operation);
            match operation {
                Operation::DelayNs(_) => return None,
                Operation::TransferInPlace(_) => {
                    (said.written, sent) = sent.split_at_checked(said.read.len())?;
                }
                _ => {}
            }
            Some(said)
        });
        recorder.record(|writer| writer.transaction(time, recorded))
    }
}

/// A DRDY line whose edges are recorded.
#[derive(Debug)]
pub struct RecordingDrdy<DRDY> {
    inner: DRDY,
    recorder: Option<Recorder>,
}

impl<DRDY: DataReady> DataReady for RecordingDrdy<DRDY> {
    fn wait(&mut self, timeout: Duration) -> Result<DrdyEdge, WaitError> {
        let result = self.inner.wait(timeout);
        if let Some(recorder) = &self.recorder {
            match &result {
                Ok(edge) => recorder.record(|writer| writer.edge(*edge)),
                Err(WaitError::Timeout(time)) => recorder.record(|writer| writer.timeout(*time)),
                Err(WaitError::Inspection | WaitError::Failed(_)) => Ok(()),
            }?;
        }
        result
    }

    fn forget(&mut self) -> Result<(), AcquisitionError> {
        self.inner.forget()
    }

    fn recorded_inspection(&mut self) -> Option<bool> {
        self.inner.recorded_inspection()
    }

    fn pause(&mut self, time: Duration) {
        self.inner.pause(time);
    }

    fn numbers(&self) -> EdgeNumbers {
        self.inner.numbers()
    }

    fn is_recorded(&self) -> bool {
        self.inner.is_recorded()
    }
}

/// A control pin whose changes are recorded; without a pin inside (one that is tied in hardware)
/// nothing happens and nothing is recorded.
#[derive(Debug)]
pub struct RecordingPin<PIN, CLOCK> {
    pub(super) inner: Option<PIN>,
    pub(super) which: ControlPin,
    pub(super) clock: CLOCK,
    pub(super) recorder: Option<Recorder>,
}

/// Why a pin could not be driven.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PinError(String);

impl embedded_hal::digital::Error for PinError {
    fn kind(&self) -> embedded_hal::digital::ErrorKind {
        embedded_hal::digital::ErrorKind::Other
    }
}

impl<PIN, CLOCK> PinErrorType for RecordingPin<PIN, CLOCK> {
    type Error = PinError;
}

impl<PIN: OutputPin, CLOCK: Clock> RecordingPin<PIN, CLOCK> {
    fn set(&mut self, high: bool) -> Result<(), PinError> {
        let Some(pin) = &mut self.inner else {
            return Ok(());
        };
        pin.set_state(high.into())
            .map_err(|error| PinError(format!("{error:?}")))?;
        let Some(recorder) = &self.recorder else {
            return Ok(());
        };
        let (time, which) = (self.clock.now(), self.which);
        recorder
            .record(|writer| writer.pin(time, which, high))
            .map_err(|error| PinError(error.to_string()))
    }
}

impl<PIN: OutputPin, CLOCK: Clock> OutputPin for RecordingPin<PIN, CLOCK> {
    fn set_low(&mut self) -> Result<(), PinError> {
        self.set(false)
    }

    fn set_high(&mut self) -> Result<(), PinError> {
        self.set(true)
    }
}
