//! A board with an ADS1292 for a machine that has none: a real character device `/dev/spidev0.0`,
//! answered by the simulated chip in real time, and its DRDY, START and RESET on the lines of a
//! kernel's `gpio-sim`. The program under test is the shipped one, with its own ioctls on its own
//! device nodes; `scripts/device-test` runs it in a virtual machine.
//!
//!     cuse_spidev --lines /sys/devices/platform/gpio-sim.0/gpiochip0 --switches /run/board [TRACE]
//!
//! The electrodes carry the ECG of a trace, over and over, or a synthetic rhythm. Files in the folder
//! of switches do what hands do at a bench: `power-off` takes the supply away while it is there,
//! `drdy-cut` cuts the wire of DRDY, `mosi-cut` the one of MOSI.

mod board;
mod ecg;
mod fuse;
mod spidev;

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use clap::Parser;

use board::{Bench, Lines};

#[derive(Debug, Parser)]
struct Arguments {
    /// ECG at the electrodes: an SPI trace; a synthetic rhythm without it.
    trace: Option<PathBuf>,
    /// Name of the device node below /dev.
    #[arg(long, default_value = "spidev0.0")]
    device: String,
    /// Folder of the gpio-sim chip in sysfs, which holds `sim_gpio0` and so on.
    #[arg(long)]
    lines: PathBuf,
    /// Line of DRDY.
    #[arg(long, default_value_t = 25)]
    drdy: u32,
    /// Line of START.
    #[arg(long, default_value_t = 24)]
    start: u32,
    /// Line of PWDN/RESET.
    #[arg(long, default_value_t = 23)]
    reset: u32,
    /// Folder of the switches.
    #[arg(long)]
    switches: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let lines = Lines {
        chip: arguments.lines,
        drdy: arguments.drdy,
        start: arguments.start,
        reset: arguments.reset,
    };
    let heart = ecg::Heart::open(arguments.trace.as_deref())?;
    let bench = Arc::new(Mutex::new(Bench::new(lines, arguments.switches, heart)));
    let device = fuse::Device::create(&arguments.device)?;
    board::drive_drdy(Arc::clone(&bench));
    let mut port = spidev::Port::new(bench);
    device.serve(|request| port.answer(request))?;
    Ok(())
}
