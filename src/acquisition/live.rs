//! The chip on this machine's SPI bus and GPIO lines (Linux).

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use embedded_hal::digital::{ErrorType as PinErrorType, OutputPin};
use embedded_hal::spi::{ErrorType as SpiErrorType, Operation, SpiDevice};
use gpiocdev::Request;
use gpiocdev::line::{EdgeDetection, EventClock, Value};
use linux_embedded_hal::spidev::{SpiModeFlags, SpidevOptions};
use linux_embedded_hal::{Delay, SPIError, SpidevDevice};

use crate::ads1292::{Ads1292, ChipConfig, ChipModel, StartControl};
use crate::time::MonotonicNs;

use super::clock::{Clock, SystemClock};
use super::engine::Acquisition;
use super::recording::{Recorder, RecordingDrdy, RecordingPin, RecordingSpi, Session};
use super::trace::ControlPin;
use super::{AcquisitionError, DataReady, DrdyEdge, WaitError};

/// Who holds the GPIO lines, as other programs see it.
const CONSUMER: &str = "ecg-gateway";
/// Edges the kernel keeps for us: two seconds at 500 SPS.
const KERNEL_EDGES: u32 = 1_024;
/// Edges fetched at a time.
const EDGES_AT_ONCE: usize = 64;

/// Where the chip is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveOptions {
    /// SPI device node, e.g. `/dev/spidev0.0`.
    pub spi_device: PathBuf,
    /// SPI clock.
    pub spi_hz: u32,
    /// GPIO chip, e.g. `/dev/gpiochip0`.
    pub gpio_chip: PathBuf,
    /// Line of DRDY on that chip.
    pub drdy_line: u32,
    /// Line of START; `None` where it is tied, and conversions are started by opcode.
    pub start_line: Option<u32>,
    /// Line of PWDN/RESET; `None` where it is tied high.
    pub reset_line: Option<u32>,
}

/// The acquisition over the live chip.
pub type Live = Acquisition<
    RecordingSpi<LiveSpi, SystemClock>,
    RecordingPin<LivePin, SystemClock>,
    RecordingPin<LivePin, SystemClock>,
    Delay,
    RecordingDrdy<LiveDrdy>,
>;

/// Opens bus and lines and sets up the chip.
///
/// `before_start` is called once the chip is known and before it is set up for good: the place for
/// [`Recorder::begin`]. The session's `start_by_pin` must be [`LiveOptions::start_line`] being
/// there, as it is in the session handed to `before_start`.
///
/// # Errors
/// [`AcquisitionError::Device`] naming the node and line, and those of the driver's set-up.
pub fn open_live(
    options: &LiveOptions,
    config: ChipConfig,
    mut session: Session,
    recorder: &Recorder,
    before_start: impl FnOnce(ChipModel, &Session) -> Result<(), AcquisitionError>,
) -> Result<Live, AcquisitionError> {
    let spi = LiveSpi::open(options)?;
    let start = options
        .start_line
        .map(|line| LivePin::open(options, line, false))
        .transpose()?;
    let reset = options
        .reset_line
        .map(|line| LivePin::open(options, line, true))
        .transpose()?;
    let drdy = LiveDrdy::open(options)?;
    session.start_by_pin = start.is_some();
    let clock = SystemClock;
    let mut driver = Ads1292::new(
        RecordingSpi::new(spi, clock, recorder.clone()),
        RecordingPin::new(start, ControlPin::Start, clock, recorder.clone()),
        RecordingPin::new(reset, ControlPin::Reset, clock, recorder.clone()),
        Delay,
    )
    .with_start_control(if session.start_by_pin {
        StartControl::Pin
    } else {
        StartControl::Opcode
    });
    // A first set-up tells the part, which a trace's header names before anything else.
    let model = driver
        .initialise(&config)
        .map_err(AcquisitionError::from_chip)?;
    driver.stop().map_err(AcquisitionError::from_chip)?;
    session.start = SystemClock::relation();
    before_start(model, &session)?;
    Acquisition::start(
        driver,
        RecordingDrdy::new(drdy, recorder.clone()),
        config,
        session.start,
        (session.leads, session.description),
    )
}

/// `spidev` in mode 1.
pub struct LiveSpi(SpidevDevice);

impl std::fmt::Debug for LiveSpi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LiveSpi")
    }
}

impl LiveSpi {
    fn open(options: &LiveOptions) -> Result<Self, AcquisitionError> {
        let refuse = |error: SPIError| AcquisitionError::Device {
            device: options.spi_device.display().to_string(),
            problem: error.to_string(),
        };
        let mut device = SpidevDevice::open(&options.spi_device).map_err(refuse)?;
        let settings = SpidevOptions::new()
            .bits_per_word(8)
            .max_speed_hz(options.spi_hz)
            .mode(SpiModeFlags::SPI_MODE_1)
            .build();
        device
            .configure(&settings)
            .map_err(|error| refuse(error.into()))?;
        Ok(Self(device))
    }
}

impl SpiErrorType for LiveSpi {
    type Error = SPIError;
}

impl SpiDevice for LiveSpi {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), SPIError> {
        for operation in &mut *operations {
            if let Operation::DelayNs(ns) = operation {
                // spidev waits whole microseconds and rounds down.
                *ns = ns.div_ceil(1_000).saturating_mul(1_000);
            }
        }
        self.0.transaction(operations)
    }
}

/// A GPIO output line.
#[derive(Debug)]
pub struct LivePin(Request);

/// A line's name in errors.
fn line_name(options: &LiveOptions, line: u32) -> String {
    format!("{} line {line}", options.gpio_chip.display())
}

impl LivePin {
    fn open(options: &LiveOptions, line: u32, high: bool) -> Result<Self, AcquisitionError> {
        Request::builder()
            .on_chip(&options.gpio_chip)
            .with_consumer(CONSUMER)
            .with_line(line)
            .as_output(value(high))
            .request()
            .map(Self)
            .map_err(|error| AcquisitionError::Device {
                device: line_name(options, line),
                problem: error.to_string(),
            })
    }
}

const fn value(high: bool) -> Value {
    if high { Value::Active } else { Value::Inactive }
}

/// Why a line could not be driven.
#[derive(Debug)]
pub struct LivePinError(gpiocdev::Error);

impl embedded_hal::digital::Error for LivePinError {
    fn kind(&self) -> embedded_hal::digital::ErrorKind {
        embedded_hal::digital::ErrorKind::Other
    }
}

impl std::fmt::Display for LivePinError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl PinErrorType for LivePin {
    type Error = LivePinError;
}

impl OutputPin for LivePin {
    fn set_low(&mut self) -> Result<(), LivePinError> {
        self.0.set_lone_value(value(false)).map_err(LivePinError)
    }

    fn set_high(&mut self) -> Result<(), LivePinError> {
        self.0.set_lone_value(value(true)).map_err(LivePinError)
    }
}

/// Falling edges of a GPIO line, stamped and numbered by the kernel.
#[derive(Debug)]
pub struct LiveDrdy {
    request: Request,
    name: String,
    /// Raw events, [`EDGES_AT_ONCE`] of them.
    events: Vec<u64>,
}

impl LiveDrdy {
    fn open(options: &LiveOptions) -> Result<Self, AcquisitionError> {
        let name = line_name(options, options.drdy_line);
        let request = Request::builder()
            .on_chip(&options.gpio_chip)
            .with_consumer(CONSUMER)
            .with_line(options.drdy_line)
            .as_input()
            .with_edge_detection(EdgeDetection::FallingEdge)
            .with_event_clock(EventClock::Monotonic)
            .with_kernel_event_buffer_size(KERNEL_EDGES)
            .request();
        match request {
            Ok(request) => Ok(Self {
                events: vec![0; request.edge_event_u64_size() * EDGES_AT_ONCE],
                request,
                name,
            }),
            Err(error) => Err(AcquisitionError::Device {
                device: name,
                problem: error.to_string(),
            }),
        }
    }

    /// The newest of all edges that wait, if any waits within `timeout`.
    fn newest_edge(&mut self, timeout: Duration) -> Result<Option<DrdyEdge>, gpiocdev::Error> {
        let mut newest = None;
        let mut patience = timeout;
        loop {
            match self.request.wait_edge_event(patience) {
                Ok(true) => {}
                Ok(false) => break,
                // A signal is no failure of the line. Nothing may come between call and errno.
                Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {
                    continue;
                }
                Err(error) => return Err(error),
            }
            let words = self.request.read_edge_events_into_slice(&mut self.events)?;
            let size = self.request.edge_event_u64_size().max(1);
            let read = self.events.get(..words).unwrap_or_default();
            for raw in read.chunks_exact(size) {
                let event = self.request.edge_event_from_slice(raw)?;
                newest = Some(DrdyEdge {
                    time: MonotonicNs(event.timestamp_ns),
                    sequence: event.line_seqno,
                });
            }
            patience = Duration::ZERO;
        }
        Ok(newest)
    }
}

impl LiveDrdy {
    fn failed(&self, error: &gpiocdev::Error) -> AcquisitionError {
        AcquisitionError::Device {
            device: self.name.clone(),
            problem: error.to_string(),
        }
    }
}

impl DataReady for LiveDrdy {
    fn wait(&mut self, timeout: Duration) -> Result<DrdyEdge, WaitError> {
        match self.newest_edge(timeout) {
            Ok(Some(edge)) => Ok(edge),
            Ok(None) => Err(WaitError::Timeout(SystemClock.now())),
            Err(error) => Err(WaitError::Failed(self.failed(&error))),
        }
    }

    fn forget(&mut self) -> Result<(), AcquisitionError> {
        let newest = self.newest_edge(Duration::ZERO);
        newest.map(|_| ()).map_err(|error| self.failed(&error))
    }
}
