//! The chip's state and how it goes on in time.

use core::fmt;

use super::active::ActiveFaults;
use super::analog::{Analog, Noise};
use super::faults::{Change, Fault, FaultScript};
use super::serial::{Request, Serial};
use super::source::{SampleSource, SampleTime};
use crate::frame::{FRAME_BYTES, Frame, Status};
use crate::opcode::Opcode;
use crate::registers::{ChipModel, Config1, ConversionMode, LeadOff, Register, RegisterImage};
use crate::timing::NOMINAL_FOUR_T_MOD_NS;

/// 2^12 tMOD from power-up until the chip listens.
const POWER_UP_NS: u64 = 1_024 * NOMINAL_FOUR_T_MOD_NS;
/// 18 tCLK after the reset pin rises, rounded up.
const AFTER_RESET_PIN_NS: u64 = 35_157;
/// 9 tMOD for the RESET opcode, rounded up.
const AFTER_RESET_OPCODE_NS: u64 = 70_313;

/// How the simulated board is made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BoardOptions {
    /// The part.
    pub model: ChipModel,
    /// SPI clock, at least 1 Hz.
    pub sclk_hz: u32,
    /// Voltage fed to VREFP from outside, microvolts; `None` where nothing is connected, and every
    /// signal saturates while the internal reference is off.
    pub external_reference_uv: Option<u32>,
    /// Levels at GPIO1 and GPIO2 while they are inputs.
    pub gpio_levels: [bool; 2],
    /// What goes wrong, and when.
    pub faults: FaultScript,
}

impl BoardOptions {
    /// An ADS1292 at 1 MHz SCLK without external reference, GPIO low, without faults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            model: ChipModel::default(),
            sclk_hz: 1_000_000,
            external_reference_uv: None,
            gpio_levels: [false; 2],
            faults: FaultScript::default(),
        }
    }

    /// With another [`BoardOptions::model`].
    #[must_use]
    pub const fn model(mut self, model: ChipModel) -> Self {
        self.model = model;
        self
    }

    /// With another [`BoardOptions::sclk_hz`].
    #[must_use]
    pub const fn sclk_hz(mut self, clock_hz: u32) -> Self {
        self.sclk_hz = clock_hz;
        self
    }

    /// With another [`BoardOptions::gpio_levels`].
    #[must_use]
    pub const fn gpio_levels(mut self, levels: [bool; 2]) -> Self {
        self.gpio_levels = levels;
        self
    }

    /// With other [`BoardOptions::faults`].
    #[must_use]
    pub fn faults(mut self, script: FaultScript) -> Self {
        self.faults = script;
        self
    }
}

impl Default for BoardOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// DRDY has fallen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrdyEdge {
    /// When, virtual nanoseconds since power-up.
    pub time_ns: u64,
    /// Number of the conversion since power-up, from one. Two edges whose numbers are not
    /// neighbours have lost conversions between them.
    pub sequence: u64,
}

/// Conversions going on.
#[derive(Debug, Clone, Copy)]
struct Run {
    next_ns: u64,
    period_ns: u64,
    single: bool,
}

pub(super) struct Chip {
    model: ChipModel,
    external_reference_uv: Option<u32>,
    gpio_levels: [bool; 2],
    source: Box<dyn SampleSource + Send>,
    pub(super) source_ended: bool,

    pub(super) now_ns: u64,
    registers: RegisterImage,
    analog: Analog,
    noise: Noise,
    /// RDATAC mode.
    continuous_read: bool,
    standby: bool,
    started: bool,
    start_pin: bool,
    reset_pin: bool,
    supplied: bool,
    /// Before this the chip listens to nothing.
    ready_at_ns: u64,
    run: Option<Run>,
    pub(super) conversions: u64,
    output: [u8; FRAME_BYTES],
    pub(super) newest_edge: Option<DrdyEdge>,
    serial: Serial,

    timeline: Vec<(u64, Change)>,
    next_change: usize,
    active: ActiveFaults,
    once: ActiveFaults,
}

impl fmt::Debug for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chip")
            .field("model", &self.model)
            .field("now_ns", &self.now_ns)
            .field("registers", &self.registers)
            .field("conversions", &self.conversions)
            .finish_non_exhaustive()
    }
}

impl Chip {
    pub(super) fn new(options: &BoardOptions, source: Box<dyn SampleSource + Send>) -> Self {
        let registers = reset_image(options.model);
        let timeline = options.faults.timeline();
        Self {
            model: options.model,
            external_reference_uv: options.external_reference_uv,
            gpio_levels: options.gpio_levels,
            source,
            source_ended: false,
            now_ns: 0,
            registers,
            analog: Analog::new(&registers, options.external_reference_uv),
            noise: Noise::default(),
            continuous_read: true,
            standby: false,
            started: false,
            start_pin: false,
            reset_pin: true,
            supplied: true,
            ready_at_ns: POWER_UP_NS,
            run: None,
            conversions: 0,
            output: [0; FRAME_BYTES],
            newest_edge: None,
            serial: Serial::default(),
            timeline,
            next_change: 0,
            active: ActiveFaults::default(),
            once: ActiveFaults::default(),
        }
    }

    pub(super) const fn decode_violations(&self) -> u64 {
        self.serial.violations()
    }

    /// Whether frames come without a command.
    fn reads_continuously(&self) -> bool {
        self.continuous_read && !self.standby && self.listens()
    }

    /// Lets time pass, converting and failing on the way.
    pub(super) fn advance(&mut self, ns: u64) {
        self.advance_to(self.now_ns.saturating_add(ns));
    }

    pub(super) fn advance_to(&mut self, target_ns: u64) {
        while let Some(next_ns) = self.next_event_ns()
            && next_ns <= target_ns
        {
            self.now_ns = self.now_ns.max(next_ns);
            match self.timeline.get(self.next_change) {
                Some(&(at_ns, change)) if at_ns == next_ns => {
                    self.next_change += 1;
                    self.change(change);
                }
                _ => self.convert(),
            }
        }
        self.now_ns = self.now_ns.max(target_ns);
    }

    /// When something happens next by itself.
    pub(super) fn next_event_ns(&self) -> Option<u64> {
        let change = self.timeline.get(self.next_change).map(|(at_ns, _)| *at_ns);
        let conversion = self.run.map(|run| run.next_ns);
        [change, conversion].into_iter().flatten().min()
    }

    fn convert(&mut self) {
        let Some(run) = self.run else { return };
        let time = SampleTime {
            index: self.conversions,
            time_ns: self.now_ns,
        };
        let Some(electrodes_uv) = self.source.sample_uv(time) else {
            self.source_ended = true;
            self.run = None;
            return;
        };
        self.conversions += 1;
        if run.single {
            self.run = None;
            self.started = false;
        } else {
            self.run = Some(Run {
                next_ns: run.next_ns.saturating_add(run.period_ns),
                ..run
            });
        }

        let once = core::mem::take(&mut self.once);
        let mut disturbance = self.active.disturbance;
        for (clipped, also) in disturbance.clipped.iter_mut().zip(once.disturbance.clipped) {
            *clipped |= also;
        }
        let codes = self
            .analog
            .convert(electrodes_uv, self.now_ns, disturbance, &mut self.noise);
        let frame = Frame {
            status: Status {
                lead_off: LeadOff::from_bits(self.lead_off_status()),
                gpio: self.gpio_pins(),
            },
            codes,
        };
        self.output = frame.to_bytes();
        for ((byte, flip), flip_once) in self.output.iter_mut().zip(self.active.flip).zip(once.flip)
        {
            *byte ^= flip ^ flip_once;
        }
        if !(self.active.missed_drdy || once.missed_drdy) {
            self.newest_edge = Some(DrdyEdge {
                time_ns: self.now_ns,
                sequence: self.conversions,
            });
        }
    }

    fn change(&mut self, change: Change) {
        let (fault, holds) = match change {
            Change::Begin(fault) => (fault, true),
            Change::End(fault) => (fault, false),
            Change::Once(Fault::CorruptRegister { register, mask }) => {
                let address = usize::from(register.address());
                if let Some(byte) = self.registers.get_mut(address) {
                    *byte ^= mask;
                }
                self.registers_changed();
                return;
            }
            Change::Once(fault) => {
                self.once.set(fault, true);
                return;
            }
        };
        self.active.set(fault, holds);
        if fault == Fault::BrownOut {
            self.supplied = !holds;
            self.reset(POWER_UP_NS);
        } else if matches!(fault, Fault::SlowClock { .. }) {
            self.restart();
        }
    }

    /// Back to reset registers, listening after `busy_ns`.
    fn reset(&mut self, busy_ns: u64) {
        self.registers = reset_image(self.model);
        self.continuous_read = true;
        self.standby = false;
        self.started = false;
        self.output = [0; FRAME_BYTES];
        self.serial.reset();
        self.ready_at_ns = self.now_ns.saturating_add(busy_ns);
        self.registers_changed();
        self.restart();
    }

    /// Whether commands are heard now.
    const fn listens(&self) -> bool {
        self.supplied && self.reset_pin && self.now_ns >= self.ready_at_ns
    }

    pub(super) fn set_start_pin(&mut self, high: bool) {
        if self.start_pin != high {
            self.start_pin = high;
            self.restart();
        }
    }

    pub(super) fn set_reset_pin(&mut self, high: bool) {
        if self.reset_pin != high {
            self.reset_pin = high;
            // A chip still powering up is not ready sooner for being reset.
            let powering_up_ns = self.ready_at_ns.saturating_sub(self.now_ns);
            self.reset(AFTER_RESET_PIN_NS.max(powering_up_ns));
        }
    }

    /// CS falls.
    pub(super) fn select(&mut self) {
        let frame = self.reads_continuously().then_some(self.output);
        self.serial.select(frame);
    }

    /// CS rises.
    pub(super) fn deselect(&mut self) {
        self.serial.reset();
    }

    /// One byte each way; `byte_ns` is how long it takes.
    pub(super) fn exchange(&mut self, byte_in: u8, byte_ns: u64) -> u8 {
        self.advance(byte_ns);
        if !self.listens() {
            return 0;
        }
        let continuous = self.reads_continuously();
        let (byte_out, request) =
            self.serial
                .exchange(byte_in, self.now_ns, &self.output, continuous);
        match request {
            None => {}
            Some(Request::Command(opcode)) => self.command(opcode),
            Some(Request::Read { address }) => return self.read_register(address),
            Some(Request::Write { address, value }) => self.write_register(address, value),
        }
        byte_out
    }

    /// A decoded one-byte command.
    fn command(&mut self, opcode: Opcode) {
        if self.standby && opcode != Opcode::Wakeup {
            return;
        }
        match opcode {
            Opcode::Wakeup if self.standby => {
                self.standby = false;
                self.restart();
            }
            Opcode::Standby => {
                self.standby = true;
                self.restart();
            }
            Opcode::Reset => self.reset(AFTER_RESET_OPCODE_NS),
            Opcode::Start => {
                self.started = true;
                // While conversions go on, START has no effect.
                if self.run.is_none() {
                    self.restart();
                }
            }
            Opcode::Stop => {
                self.started = false;
                if !self.start_pin {
                    self.restart();
                }
            }
            Opcode::ReadDataContinuous => self.continuous_read = true,
            Opcode::StopReadDataContinuous => self.continuous_read = false,
            // Offsets are zero here; the last three are the serial port's business.
            Opcode::Wakeup
            | Opcode::OffsetCalibration
            | Opcode::ReadData
            | Opcode::ReadRegisters(_)
            | Opcode::WriteRegisters(_) => {}
        }
    }

    /// What RREG reads at an address; zero beyond the last register.
    fn read_register(&self, address: u8) -> u8 {
        let index = usize::from(address);
        let flip = self.active.register_flips.get(index).copied();
        self.image().get(index).copied().unwrap_or_default() ^ flip.unwrap_or_default()
    }

    /// WREG of one register: fixed and read-only bits stay what they are.
    fn write_register(&mut self, address: u8, value: u8) {
        let Some(register) = Register::from_address(address) else {
            return;
        };
        if register == Register::Id {
            return;
        }
        let byte = value & register.writable_mask() | register.fixed_ones();
        if let Some(place) = self.registers.get_mut(usize::from(address)) {
            *place = byte;
        }
        self.registers_changed();
        if register == Register::Config1 {
            self.restart();
        }
    }

    /// The registers with their live bits.
    pub(super) fn image(&self) -> RegisterImage {
        let mut image = self.registers;
        image[usize::from(Register::LoffStat.address())] |= self.lead_off_status();
        let [gpio1, gpio2] = self.gpio_pins().map(u8::from);
        let gpio = &mut image[usize::from(Register::Gpio.address())];
        *gpio = *gpio & 0x0C | gpio2 << 1 | gpio1;
        image
    }

    fn lead_off_status(&self) -> u8 {
        self.analog
            .lead_off_status(self.active.disturbance.electrodes_off)
    }

    fn gpio_pins(&self) -> [bool; 2] {
        let gpio = Register::Gpio.byte_in(&self.registers);
        let level = |n: usize| {
            if gpio & (0x04 << n) == 0 {
                gpio & (0x01 << n) != 0
            } else {
                self.gpio_levels[n]
            }
        };
        [level(0), level(1)]
    }

    fn registers_changed(&mut self) {
        self.analog = Analog::new(&self.registers, self.external_reference_uv);
    }

    /// Starts conversions anew, or stops them, as pins and registers say.
    fn restart(&mut self) {
        let wanted = (self.start_pin || self.started)
            && !self.standby
            && self.reset_pin
            && self.supplied
            && !self.source_ended;
        // A reserved data rate converts nothing.
        let config1 = Config1::decode(Register::Config1.byte_in(&self.registers));
        self.run = match config1 {
            Ok(Config1 { mode, rate }) if wanted => Some(Run {
                next_ns: self
                    .now_ns
                    .max(self.ready_at_ns)
                    .saturating_add(rate.settling_ns()),
                period_ns: rate.period_ns() * u64::from(100 + self.active.slow_percent) / 100,
                single: mode == ConversionMode::SingleShot,
            }),
            _ => None,
        };
    }
}

fn reset_image(model: ChipModel) -> RegisterImage {
    Register::ALL.map(|register| register.reset_value().unwrap_or(model.id()))
}
