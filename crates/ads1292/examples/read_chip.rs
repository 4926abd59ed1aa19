//! Reads ten frames of an ADS1292: `cargo run -p ads1292 --example read_chip --features simulator`.
//!
//! On a board, `spi`, the pins and `delay` come from its `embedded-hal` crate (on Linux
//! `linux-embedded-hal`), and DRDY is an input that is waited on. Here they are a simulated chip's.

use std::error::Error;

use ads1292::simulator::{BoardOptions, SampleTime, SimulatedBoard};
use ads1292::{Ads1292, ChipConfig, Frame};
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;

/// Longer than any conversion takes, nanoseconds.
const DRDY_TIMEOUT_NS: u64 = 50_000_000;

/// Sets up the chip and reads frames, each after `wait_for_drdy`: the same on any host.
fn read_frames<SPI: SpiDevice>(
    chip: &mut Ads1292<SPI, impl OutputPin, impl OutputPin, impl DelayNs>,
    config: &ChipConfig,
    mut wait_for_drdy: impl FnMut() -> Result<(), Box<dyn Error>>,
    count: usize,
) -> Result<Vec<Frame>, Box<dyn Error>>
where
    SPI::Error: 'static,
{
    let model = chip.initialise(config)?;
    println!("{model} at {} samples per second", config.rate.hz());
    let mut frames = Vec::with_capacity(count);
    for _ in 0..count {
        wait_for_drdy()?;
        frames.push(chip.read_frame()?);
    }
    chip.stop()?;
    Ok(frames)
}

fn main() -> Result<(), Box<dyn Error>> {
    let electrodes_uv = |at: SampleTime| Some([at.index as f64, 500.0]);
    let board = SimulatedBoard::new(&BoardOptions::default(), electrodes_uv);
    let (start, reset) = (board.start_pin(), board.reset_pin());
    let mut chip = Ads1292::new(board.spi(), start, reset, board.delay());
    let mut drdy = board.drdy();
    let config = ChipConfig::default();
    let wait = || Ok(drdy.wait_falling(DRDY_TIMEOUT_NS).map(|_| ())?);
    for frame in read_frames(&mut chip, &config, wait, 10)? {
        let [ch1_uv, ch2_uv] = frame.microvolts(config.uv_per_code());
        let off = frame.status.lead_off.any();
        println!("{ch1_uv:9.2} uV {ch2_uv:9.2} uV, electrodes off: {off}");
    }
    Ok(())
}

#[test]
fn ten_frames_are_read() {
    main().unwrap();
}
