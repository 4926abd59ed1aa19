//! The simulated chip in real time, its pins on the lines of gpio-sim.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ads1292::simulator::{BoardOptions, SimulatedBoard, SimulatedDrdy, SimulatedPin, SimulatedSpi};
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::{Operation, SpiDevice};

use crate::ecg::Heart;

/// How late a falling DRDY may be.
const TURN: Duration = Duration::from_micros(250);
/// Between two conversions it is not looked for until so long before the next.
const BEFORE_NEXT: Duration = Duration::from_micros(500);
/// Longer than any: that of 125 SPS on a slow clock.
const LONGEST_PERIOD_NS: u64 = 9_000_000;
/// A chip that converts nothing is looked at that often.
const STOPPED: Duration = Duration::from_millis(2);

/// The lines, as numbers on a gpio-sim chip.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Its folder in sysfs.
    pub(crate) chip: PathBuf,
    pub(crate) drdy: u32,
    pub(crate) start: u32,
    pub(crate) reset: u32,
}

impl Lines {
    fn file(&self, line: u32, attribute: &str) -> PathBuf {
        self.chip.join(format!("sim_gpio{line}")).join(attribute)
    }

    /// The level the program under test drives, or the pull's where it drives none.
    fn level(&self, line: u32) -> bool {
        fs::read_to_string(self.file(line, "value")).is_ok_and(|value| value.trim() == "1")
    }

    fn pull(&self, line: u32, to: &str) {
        if let Err(error) = fs::write(self.file(line, "pull"), to) {
            eprintln!("line {line}: {error}");
        }
    }
}

/// A powered chip.
#[derive(Debug)]
struct Powered {
    since: Instant,
    board: SimulatedBoard,
    spi: SimulatedSpi,
    start: SimulatedPin,
    reset: SimulatedPin,
    drdy: SimulatedDrdy,
    /// Time and number of the newest conversion, and the time between two.
    last: (u64, u64),
    period_ns: u64,
}

/// The bench: supply, chip, wires.
#[derive(Debug)]
pub(crate) struct Bench {
    lines: Lines,
    switches: PathBuf,
    heart: Heart,
    /// `None` without supply.
    chip: Option<Powered>,
}

impl Bench {
    pub(crate) fn new(lines: Lines, switches: PathBuf, heart: Heart) -> Self {
        // RESET has a pull-up on the board, START a pull-down.
        lines.pull(lines.reset, "pull-up");
        lines.pull(lines.start, "pull-down");
        Self {
            lines,
            switches,
            heart,
            chip: None,
        }
    }

    fn is_on(&self, switch: &str) -> bool {
        self.switches.join(switch).exists()
    }

    /// Brings the chip to this moment, supply and pins included.
    fn catch_up(&mut self) {
        if self.is_on("power-off") {
            self.chip = None;
            return;
        }
        let (start, reset) = (
            self.lines.level(self.lines.start),
            self.lines.level(self.lines.reset),
        );
        let chip = self
            .chip
            .get_or_insert_with(|| Powered::up(self.heart.clone()));
        let Ok(()) = chip.start.set_state(start.into());
        let Ok(()) = chip.reset.set_state(reset.into());
        let real_ns = u64::try_from(chip.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let behind_ns = real_ns.saturating_sub(chip.board.now_ns());
        chip.board.advance(Duration::from_nanos(behind_ns));
    }

    /// One selection of the chip.
    pub(crate) fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) {
        self.catch_up();
        let cut = self.is_on("mosi-cut");
        for operation in operations.iter_mut() {
            if let Operation::TransferInPlace(bytes) = operation
                && (cut || self.chip.is_none())
            {
                // What the chip hears; without supply also what it says.
                bytes.fill(0);
            }
        }
        if let Some(chip) = &mut self.chip {
            let Ok(()) = chip.spi.transaction(operations);
        }
    }

    /// Lets the line of DRDY fall if the chip's has; when to look again.
    fn drdy_turn(&mut self) -> Duration {
        self.catch_up();
        let cut = self.is_on("drdy-cut");
        let Some(chip) = &mut self.chip else {
            return STOPPED;
        };
        let Ok(edge) = chip.drdy.wait_falling(0) else {
            let silent_ns = chip.board.now_ns().saturating_sub(chip.last.0);
            return if silent_ns > 2 * chip.period_ns {
                STOPPED
            } else {
                TURN
            };
        };
        if !cut {
            self.lines.pull(self.lines.drdy, "pull-up");
            self.lines.pull(self.lines.drdy, "pull-down");
        }
        let (before_ns, before) = chip.last;
        let conversions = edge.sequence.saturating_sub(before).max(1);
        chip.period_ns = edge.time_ns.saturating_sub(before_ns) / conversions;
        chip.last = (edge.time_ns, edge.sequence);
        if chip.period_ns > LONGEST_PERIOD_NS {
            // It has only just been started.
            return TURN;
        }
        let next_ns = edge.time_ns.saturating_add(chip.period_ns);
        let until_next = Duration::from_nanos(next_ns.saturating_sub(chip.board.now_ns()));
        until_next.saturating_sub(BEFORE_NEXT).max(TURN)
    }
}

impl Powered {
    fn up(heart: Heart) -> Self {
        let board = SimulatedBoard::new(&BoardOptions::default(), heart);
        Self {
            since: Instant::now(),
            spi: board.spi(),
            start: board.start_pin(),
            reset: board.reset_pin(),
            drdy: board.drdy(),
            last: (0, 0),
            period_ns: 0,
            board,
        }
    }
}

/// Lets the line of DRDY fall whenever the chip's does, on a thread of its own.
pub(crate) fn drive_drdy(bench: Arc<Mutex<Bench>>) {
    std::thread::spawn(move || {
        loop {
            let pause = bench
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .drdy_turn();
            std::thread::sleep(pause);
        }
    });
}
