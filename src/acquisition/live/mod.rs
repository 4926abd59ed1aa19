//! The chip on this machine's SPI bus and GPIO lines (Linux).

mod gpio;
mod options;

use ads1292::{Ads1292, ChipConfig, ChipModel, StartControl};
use embedded_hal::spi::{ErrorType as SpiErrorType, Operation, SpiDevice};
use linux_embedded_hal::spidev::{SpiModeFlags, SpidevOptions};
use linux_embedded_hal::{Delay, SPIError, SpidevDevice};

use super::clock::SystemClock;
use super::engine::Acquisition;
use super::error::AcquisitionError;
use super::recording::{Recorder, RecordingDrdy, RecordingPin, RecordingSpi, Session};
use super::trace::ControlPin;

use gpio::{LiveDrdy, LivePin};

pub use options::{GpioAbi, LiveOptions};

/// The acquisition over the live chip.
pub type Live = Acquisition<
    RecordingSpi<LiveSpi, SystemClock>,
    RecordingPin<LivePin, SystemClock>,
    RecordingPin<LivePin, SystemClock>,
    Delay,
    RecordingDrdy<LiveDrdy>,
>;

/// The driver over the live chip.
pub type LiveDriver = Ads1292<
    RecordingSpi<LiveSpi, SystemClock>,
    RecordingPin<LivePin, SystemClock>,
    RecordingPin<LivePin, SystemClock>,
    Delay,
>;

/// Opens bus and lines; nothing is sent yet.
///
/// # Errors
/// [`AcquisitionError::Device`] naming the node and line.
pub fn connect_live(
    options: &LiveOptions,
    recorder: Option<&Recorder>,
) -> Result<(LiveDriver, RecordingDrdy<LiveDrdy>), AcquisitionError> {
    let spi = LiveSpi::open(options)?;
    let abi = gpio::abi(options)?;
    let start = options
        .start_line
        .map(|line| LivePin::open(options, abi, line, false))
        .transpose()?;
    let reset = options
        .reset_line
        .map(|line| LivePin::open(options, abi, line, true))
        .transpose()?;
    let drdy = LiveDrdy::open(options, abi)?;
    let clock = SystemClock;
    let start_control = match start {
        Some(_) => StartControl::Pin,
        None => StartControl::Opcode,
    };
    let driver = Ads1292::new(
        RecordingSpi::new(spi, clock, recorder.cloned()),
        RecordingPin::new(start, ControlPin::Start, clock, recorder.cloned()),
        RecordingPin::new(reset, ControlPin::Reset, clock, recorder.cloned()),
        Delay,
    )
    .with_start_control(start_control);
    Ok((driver, RecordingDrdy::new(drdy, recorder.cloned())))
}

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
    recorder: Option<&Recorder>,
    before_start: impl FnOnce(ChipModel, &Session) -> Result<(), AcquisitionError>,
) -> Result<Live, AcquisitionError> {
    session.start_by_pin = options.start_line.is_some();
    let (mut driver, drdy) = connect_live(options, recorder)?;
    // A first set-up tells the part, which a trace's header names before anything else.
    let model = driver
        .initialise(&config)
        .map_err(AcquisitionError::from_chip)?;
    driver.stop().map_err(AcquisitionError::from_chip)?;
    session.start = SystemClock::relation();
    before_start(model, &session)?;
    Acquisition::start(
        driver,
        drdy,
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
