//! The simulated chip behind the traits of the acquisition.

use std::time::Duration;

use ads1292::simulator::{
    BoardOptions, DrdyWaitError, SampleSource, SimulatedBoard, SimulatedDelay, SimulatedDrdy,
    SimulatedPin, SimulatedSpi,
};
use ads1292::{ChipConfig, StartControl};
use ecg_chain::MonotonicNs;

use super::super::clock::Clock;
use super::super::drdy::{DataReady, DrdyEdge, WaitError};
use super::super::engine::Acquisition;
use super::super::error::AcquisitionError;
use super::super::recording::{
    RecordedDriver, Recorder, RecordingDrdy, RecordingPin, RecordingSpi, recorded,
};
use super::super::source::Session;

/// The acquisition over the simulated chip.
pub type Simulated = Acquisition<
    RecordingSpi<SimulatedSpi, BoardClock>,
    RecordingPin<SimulatedPin, BoardClock>,
    SimulatedDelay,
    RecordingDrdy<BoardDrdy>,
>;

/// The driver over the simulated chip.
pub type SimulatedDriver = RecordedDriver<SimulatedSpi, SimulatedPin, SimulatedDelay, BoardClock>;

/// Powers up a simulated board whose electrodes carry `source`; nothing is sent yet.
pub fn connect_simulated(
    options: &BoardOptions,
    source: impl SampleSource + Send + 'static,
    session: &Session,
    recorder: Option<&Recorder>,
) -> (SimulatedDriver, RecordingDrdy<BoardDrdy>, SimulatedBoard) {
    let board = SimulatedBoard::new(options, source);
    let origin = session.start.monotonic;
    let clock = BoardClock {
        board: board.clone(),
        origin,
    };
    let pins = [board.start_pin(), board.reset_pin()].map(Some);
    let drdy = BoardDrdy {
        drdy: board.drdy(),
        clock: clock.clone(),
    };
    let start_control = StartControl::by_pin(session.start_by_pin);
    let (driver, drdy) = recorded(board.spi(), pins, board.delay(), drdy, &clock, recorder);
    (driver.with_start_control(start_control), drdy, board)
}

/// Powers up a simulated board whose electrodes carry `source`, and sets it up. Monotonic time is
/// the board's virtual time and begins at `session.start.monotonic`.
///
/// # Errors
/// Those of the driver's set-up.
pub fn open_simulated(
    options: &BoardOptions,
    config: ChipConfig,
    source: impl SampleSource + Send + 'static,
    session: Session,
    recorder: Option<&Recorder>,
) -> Result<Simulated, AcquisitionError> {
    let (driver, drdy, _) = connect_simulated(options, source, &session, recorder);
    Acquisition::start(driver, drdy, config, session)
}

/// A board's virtual time.
#[derive(Debug, Clone)]
pub struct BoardClock {
    board: SimulatedBoard,
    origin: MonotonicNs,
}

impl Clock for BoardClock {
    fn now(&self) -> MonotonicNs {
        self.origin.plus_ns(self.board.now_ns())
    }
}

/// A board's DRDY line.
#[derive(Debug)]
pub struct BoardDrdy {
    drdy: SimulatedDrdy,
    clock: BoardClock,
}

impl DataReady for BoardDrdy {
    fn wait(&mut self, timeout: Duration) -> Result<DrdyEdge, WaitError> {
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        match self.drdy.wait_falling(timeout_ns) {
            Ok(edge) => {
                let [a, b, c, d, ..] = edge.sequence.to_le_bytes();
                Ok(DrdyEdge {
                    time: self.clock.origin.plus_ns(edge.time_ns),
                    sequence: u32::from_le_bytes([a, b, c, d]),
                })
            }
            Err(DrdyWaitError::SourceEnded) => Err(AcquisitionError::SourceEnded.into()),
            Err(_) => Err(WaitError::Timeout(self.clock.now())),
        }
    }

    fn forget(&mut self) -> Result<(), AcquisitionError> {
        // Without waiting, the newest edge is all there is to forget.
        let _ = self.drdy.wait_falling(0);
        Ok(())
    }

    fn pause(&mut self, time: Duration) {
        self.clock.board.advance(time);
    }

    fn is_recorded(&self) -> bool {
        true
    }
}
