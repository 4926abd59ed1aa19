//! The driver.

use core::convert::Infallible;
use core::fmt::Debug;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{ErrorType, OutputPin};
use embedded_hal::spi::{Operation, SpiDevice};

use super::config::{ChipConfig, ConfigError};
use super::error::{Detail, Error};
use super::frame::{FRAME_BYTES, Frame};
use super::inspection::Inspection;
use super::opcode::{Opcode, read_all, read_one, write_one};
use super::registers::{
    ChipModel, DataRate, LoffStat, REGISTER_COUNT, ReferenceSource, Register, RegisterImage,
};
use super::sync::FrameSync;
use super::timing::{
    T_AFTER_RESET_OPCODE_NS, T_AFTER_RESET_PIN_NS, T_CSH_NS, T_POR_NS, T_REFERENCE_START_UP_NS,
    T_RESET_PULSE_NS, T_SDECODE_NS,
};

/// A control pin that is tied in hardware and not driven by the host.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPin;

impl ErrorType for NoPin {
    type Error = Infallible;
}

impl OutputPin for NoPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// How conversions are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartControl {
    /// By the START and STOP opcodes, the START pin kept low as the datasheet asks (SBAS502C,
    /// section "START: Start Conversions"). Also right where the pin is tied, low or high.
    #[default]
    Opcode,
    /// By the START pin.
    Pin,
}

impl StartControl {
    /// By the START pin, or by opcode.
    #[must_use]
    pub const fn by_pin(by_pin: bool) -> Self {
        if by_pin { Self::Pin } else { Self::Opcode }
    }
}

/// An ADS1292 or ADS1292R on an SPI bus (mode 1, most significant bit first).
///
/// Every byte of a command is followed by tSDECODE, the time the chip needs to decode it, inside
/// the same transaction: any SCLK the chip allows will do. Frames are read without such gaps.
///
/// `START` and `RESET` may be [`NoPin`]; the RESET pin is the chip's PWDN/RESET, active low.
#[derive(Debug)]
pub struct Ads1292<SPI, START, RESET, DELAY> {
    spi: SPI,
    start: START,
    reset: RESET,
    delay: DELAY,
    start_control: StartControl,
    sync: FrameSync,
    set_up: Option<(ChipModel, ChipConfig)>,
}

impl<SPI, START, RESET, DELAY> Ads1292<SPI, START, RESET, DELAY>
where
    SPI: SpiDevice,
    START: OutputPin,
    RESET: OutputPin,
    DELAY: DelayNs,
{
    /// A driver over these; nothing is sent yet.
    pub fn new(spi: SPI, start: START, reset: RESET, delay: DELAY) -> Self {
        Self {
            spi,
            start,
            reset,
            delay,
            start_control: StartControl::default(),
            sync: FrameSync::default(),
            set_up: None,
        }
    }

    /// Starts conversions this way.
    #[must_use]
    pub fn with_start_control(mut self, start_control: StartControl) -> Self {
        self.start_control = start_control;
        self
    }

    /// Counts frames with this counter.
    #[must_use]
    pub fn with_frame_sync(mut self, sync: FrameSync) -> Self {
        self.sync = sync;
        self
    }

    /// Brings the chip from any state to converting and sending frames with `config`.
    ///
    /// As in SBAS502C, section 10.1 "Power-Up Sequencing" and the power-up flow of the application
    /// section: power-on time, reset pulse, SDATAC, reset by opcode (for boards without the reset
    /// pin), ID, every register written and read back, start-up time of the internal reference,
    /// START, RDATAC. Takes about 0.2 s. Also what to call after a brown-out or lost sync.
    ///
    /// # Errors
    /// [`Error::Id`], [`Error::Config`], [`Error::ReadBack`], [`Error::Spi`], [`Error::Pin`]. The
    /// chip is then left stopped as far as it got.
    pub fn initialise(&mut self, config: &ChipConfig) -> Result<ChipModel, Error<SPI::Error>> {
        self.set_up = None;
        self.reset_chip()?;
        let model = ChipModel::from_id(self.read_register(Register::Id)?)?;
        config.check(model)?;
        for (register, byte) in config.registers() {
            self.write_register(config, register, byte)?;
        }
        if config.reference.source() != ReferenceSource::External {
            self.delay.delay_ns(T_REFERENCE_START_UP_NS);
        }
        self.set_up = Some((model, *config));
        self.sync.restarted();
        self.start()?;
        Ok(model)
    }

    /// Resets the chip and reads its ID register, whatever it holds: for finding out what is wrong
    /// with a board. The chip is left stopped, out of RDATAC.
    ///
    /// # Errors
    /// [`Error::Spi`], [`Error::Pin`].
    pub fn reset_and_read_id(&mut self) -> Result<u8, Error<SPI::Error>> {
        self.set_up = None;
        self.reset_chip()?;
        self.read_register(Register::Id)
    }

    /// The part and its set-up, once initialised.
    #[must_use]
    pub const fn set_up(&self) -> Option<(ChipModel, ChipConfig)> {
        self.set_up
    }

    /// Counts of good and bad frames.
    #[must_use]
    pub const fn frame_sync(&self) -> &FrameSync {
        &self.sync
    }

    /// Reads the newest conversion: one transfer of nine bytes, to be made once per DRDY and within
    /// one sample period of it.
    ///
    /// # Errors
    /// [`Error::Frame`] where the bytes are no frame (read on at the next DRDY),
    /// [`Error::SyncLost`] where that has happened too often in a row (initialise again),
    /// [`Error::Spi`].
    pub fn read_frame(&mut self) -> Result<Frame, Error<SPI::Error>> {
        // DIN stays low for the whole read, or the chip takes what it sees for a command.
        let mut bytes = [0; FRAME_BYTES];
        self.spi.transfer_in_place(&mut bytes).map_err(Error::Spi)?;
        self.accept_frame(&bytes)
    }

    /// Reads the newest conversion by the RDATA command, outside RDATAC mode (after
    /// [`Self::stop`] and [`Self::command`] with START, or in single-shot mode).
    ///
    /// # Errors
    /// As [`Self::read_frame`].
    pub fn read_frame_by_command(&mut self) -> Result<Frame, Error<SPI::Error>> {
        let mut bytes = [0; FRAME_BYTES];
        self.spi
            .transaction(&mut [
                Operation::Write(&[Opcode::ReadData.byte()]),
                Operation::DelayNs(T_SDECODE_NS),
                Operation::TransferInPlace(&mut bytes),
            ])
            .map_err(Error::Spi)?;
        self.delay.delay_ns(T_CSH_NS);
        self.accept_frame(&bytes)
    }

    fn accept_frame(&mut self, bytes: &[u8; FRAME_BYTES]) -> Result<Frame, Error<SPI::Error>> {
        self.sync.parse(bytes).map_err(|last| {
            if self.sync.restart_needed() {
                Error::SyncLost {
                    consecutive_bad: self.sync.consecutive_bad(),
                    last,
                }
            } else {
                Error::Frame(last)
            }
        })
    }

    /// Leaves RDATAC and stops converting; the set-up stays in the chip.
    ///
    /// # Errors
    /// [`Error::Spi`], [`Error::Pin`].
    pub fn stop(&mut self) -> Result<(), Error<SPI::Error>> {
        self.command(Opcode::StopReadDataContinuous)?;
        self.set_start(false)?;
        self.command(Opcode::Stop)
    }

    /// Starts converting and enters RDATAC, after [`Self::stop`].
    ///
    /// # Errors
    /// [`Error::Spi`], [`Error::Pin`].
    pub fn start(&mut self) -> Result<(), Error<SPI::Error>> {
        match self.start_control {
            StartControl::Pin => self.set_start(true)?,
            StartControl::Opcode => self.command(Opcode::Start)?,
        }
        self.command(Opcode::ReadDataContinuous)
    }

    /// Changes the data rate of an initialised chip. Only CONFIG1 is written; everything else,
    /// lead-off detection included, stays as it is. Conversions restart.
    ///
    /// # Errors
    /// [`Error::NotInitialised`], [`Error::ReadBack`], [`Error::Spi`], [`Error::Pin`].
    pub fn set_rate(&mut self, rate: DataRate) -> Result<(), Error<SPI::Error>> {
        let (model, config) = self.set_up.ok_or(Error::NotInitialised)?;
        let config = config.with_rate(rate);
        self.stop()?;
        self.write_register(&config, Register::Config1, config.config1().encode())?;
        self.set_up = Some((model, config));
        self.start()
    }

    /// Compares every register with the set-up: a chip that was reset behind the host's back (a
    /// brown-out) is found here. Conversions restart; where something differs the chip stays stopped.
    ///
    /// # Errors
    /// [`Error::ReadBack`] with the first register that differs, [`Error::NotInitialised`],
    /// [`Error::Id`], [`Error::Spi`], [`Error::Pin`].
    pub fn verify(&mut self) -> Result<(), Error<SPI::Error>> {
        let (model, config) = self.set_up.ok_or(Error::NotInitialised)?;
        self.stop()?;
        let found = ChipModel::from_id(self.read_register(Register::Id)?)?;
        if found != model {
            return Err(Error::ReadBack {
                register: Register::Id,
                written: model.id(),
                read: found.id(),
            });
        }
        for (register, byte) in config.registers() {
            self.compare(&config, register, byte)?;
        }
        self.start()
    }

    /// Compares every register with the set-up while conversions go on: leaves RDATAC, reads all
    /// registers in one burst, and enters RDATAC again. Between two DRDY edges no sample is lost by
    /// it where [`super::inspection_ns`] is well below what a period leaves beside the frame.
    ///
    /// # Errors
    /// [`Error::NotInitialised`], [`Error::Spi`].
    pub fn inspect(&mut self) -> Result<Inspection, Error<SPI::Error>> {
        let (model, config) = self.set_up.ok_or(Error::NotInitialised)?;
        self.command(Opcode::StopReadDataContinuous)?;
        let mut image = [0; REGISTER_COUNT];
        self.register_command(read_all(), Operation::TransferInPlace(&mut image))?;
        self.command(Opcode::ReadDataContinuous)?;
        Ok(Inspection::judge(&image, model, &config))
    }

    /// Reads all registers. The chip must be out of RDATAC, see [`Self::stop`].
    ///
    /// # Errors
    /// [`Error::Spi`].
    pub fn read_registers(&mut self) -> Result<RegisterImage, Error<SPI::Error>> {
        let mut image = [0; REGISTER_COUNT];
        for (byte, register) in image.iter_mut().zip(Register::ALL) {
            *byte = self.read_register(register)?;
        }
        Ok(image)
    }

    /// Reads one register. The chip must be out of RDATAC, where it ignores this and answers with
    /// frame bytes.
    ///
    /// # Errors
    /// [`Error::Spi`].
    pub fn read_register(&mut self, register: Register) -> Result<u8, Error<SPI::Error>> {
        let mut value = [0];
        let answer = Operation::TransferInPlace(&mut value);
        self.register_command(read_one(register), answer)?;
        self.delay.delay_ns(T_CSH_NS);
        Ok(value[0])
    }

    /// Reads LOFF_STAT, for hosts that do not look at frames. Out of RDATAC only.
    ///
    /// # Errors
    /// [`Error::Spi`], or [`Error::Config`] where the byte is none the register can hold.
    pub fn read_lead_off_status(&mut self) -> Result<LoffStat, Error<SPI::Error>> {
        let byte = self.read_register(Register::LoffStat)?;
        LoffStat::decode(byte).map_err(|error| Error::Config(ConfigError::Register(error)))
    }

    /// Enters standby: everything off but the reference. Only [`Self::wake_up`] (or
    /// [`Self::initialise`]) may follow.
    ///
    /// # Errors
    /// [`Error::Spi`], [`Error::Pin`].
    pub fn standby(&mut self) -> Result<(), Error<SPI::Error>> {
        self.stop()?;
        self.command(Opcode::Standby)
    }

    /// Leaves standby and converts again.
    ///
    /// # Errors
    /// [`Error::Spi`], [`Error::Pin`].
    pub fn wake_up(&mut self) -> Result<(), Error<SPI::Error>> {
        self.command(Opcode::Wakeup)?;
        self.start()
    }

    /// Sends a one-byte command and waits until it is decoded.
    ///
    /// # Errors
    /// [`Error::Spi`].
    pub fn command(&mut self, opcode: Opcode) -> Result<(), Error<SPI::Error>> {
        self.spi
            .transaction(&mut [
                Operation::Write(&[opcode.byte()]),
                Operation::DelayNs(T_SDECODE_NS),
            ])
            .map_err(Error::Spi)?;
        self.delay.delay_ns(T_CSH_NS);
        Ok(())
    }

    /// Gives back what the driver was made of. The chip is left as it is; see [`Self::stop`].
    pub fn release(self) -> (SPI, START, RESET, DELAY) {
        (self.spi, self.start, self.reset, self.delay)
    }

    fn reset_chip(&mut self) -> Result<(), Error<SPI::Error>> {
        self.set_start(false)?;
        self.set_reset(true)?;
        self.delay.delay_ns(T_POR_NS);
        self.set_reset(false)?;
        self.delay.delay_ns(T_RESET_PULSE_NS);
        self.set_reset(true)?;
        self.delay.delay_ns(T_AFTER_RESET_PIN_NS);
        // Without a reset pin the chip may be anywhere: in standby, in RDATAC, converting.
        self.command(Opcode::Wakeup)?;
        self.command(Opcode::StopReadDataContinuous)?;
        self.command(Opcode::Stop)?;
        self.command(Opcode::Reset)?;
        self.delay.delay_ns(T_AFTER_RESET_OPCODE_NS);
        // The reset put it back into RDATAC.
        self.command(Opcode::StopReadDataContinuous)
    }

    /// Sends the two bytes of a register command and then the registers, one way or the other.
    fn register_command(
        &mut self,
        [opcode, count]: [u8; 2],
        registers: Operation<'_, u8>,
    ) -> Result<(), Error<SPI::Error>> {
        self.spi
            .transaction(&mut [
                Operation::Write(&[opcode]),
                Operation::DelayNs(T_SDECODE_NS),
                Operation::Write(&[count]),
                Operation::DelayNs(T_SDECODE_NS),
                registers,
                Operation::DelayNs(T_SDECODE_NS),
            ])
            .map_err(Error::Spi)
    }

    fn write_register(
        &mut self,
        config: &ChipConfig,
        register: Register,
        byte: u8,
    ) -> Result<(), Error<SPI::Error>> {
        self.register_command(write_one(register), Operation::Write(&[byte]))?;
        self.delay.delay_ns(T_CSH_NS);
        self.compare(config, register, byte)
    }

    fn compare(
        &mut self,
        config: &ChipConfig,
        register: Register,
        written: u8,
    ) -> Result<(), Error<SPI::Error>> {
        let read = self.read_register(register)?;
        if (read ^ written) & config.read_back_mask(register) == 0 {
            Ok(())
        } else {
            Err(Error::ReadBack {
                register,
                written,
                read,
            })
        }
    }

    fn set_start(&mut self, high: bool) -> Result<(), Error<SPI::Error>> {
        drive(&mut self.start, "START", high)
    }

    fn set_reset(&mut self, high: bool) -> Result<(), Error<SPI::Error>> {
        drive(&mut self.reset, "RESET", high)
    }
}

fn drive<P: OutputPin, E: Debug>(
    pin: &mut P,
    name: &'static str,
    high: bool,
) -> Result<(), Error<E>> {
    pin.set_state(high.into()).map_err(|error| Error::Pin {
        pin: name,
        detail: Detail::from_debug(&error),
    })
}
