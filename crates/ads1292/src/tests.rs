//! The driver against the simulated chip.

mod bring_up;
mod faults;
mod signals;

use super::simulator::{
    BoardOptions, DrdyWaitError, SampleSource, SampleTime, SimulatedBoard, SimulatedDelay,
    SimulatedDrdy, SimulatedPin, SimulatedSpi,
};
use super::*;

type Driver = Ads1292<SimulatedSpi, SimulatedPin, SimulatedPin, SimulatedDelay>;

/// Longer than any conversion takes to come.
const TIMEOUT_NS: u64 = 50_000_000;

fn rig(
    options: &BoardOptions,
    source: impl SampleSource + Send + 'static,
) -> (SimulatedBoard, Driver, SimulatedDrdy) {
    let board = SimulatedBoard::new(options, source);
    let driver = Ads1292::new(
        board.spi(),
        board.start_pin(),
        board.reset_pin(),
        board.delay(),
    );
    let drdy = board.drdy();
    (board, driver, drdy)
}

fn constant(uv: [f64; 2]) -> impl SampleSource + Send + 'static {
    move |_: SampleTime| Some(uv)
}

fn scripted(faults: &str) -> BoardOptions {
    BoardOptions::new().faults(faults.parse().unwrap())
}

fn model(model: ChipModel) -> BoardOptions {
    BoardOptions::new().model(model)
}

/// The next frame, waited for.
fn next(driver: &mut Driver, drdy: &mut SimulatedDrdy) -> (u64, Frame) {
    let edge = drdy.wait_falling(TIMEOUT_NS).unwrap();
    (edge.time_ns, driver.read_frame().unwrap())
}
