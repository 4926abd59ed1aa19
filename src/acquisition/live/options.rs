//! How the chip is connected.

use std::path::PathBuf;

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
    /// Which of the kernel's GPIO interfaces to use, or fail; `None` takes v2 where the kernel has it.
    pub gpio_abi: Option<GpioAbi>,
}

/// One of the kernel's GPIO interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum GpioAbi {
    /// Edges without numbers.
    V1,
    /// Numbered edges.
    V2,
}
