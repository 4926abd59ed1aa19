//! The board under examination: what is asked of the chip.

use std::time::Duration;

use ads1292::{Ads1292, ChipConfig, ChipModel, Error as ChipError, Register};
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;

use super::super::drdy::{DataReady, DrdyEdge, WaitError};
use super::super::error::AcquisitionError;
use super::advice;
use super::collect::{Collected, Trouble};
use super::step::{BUS, REGISTERS, Step};

/// Longer than any settling time and than 31 periods of the slowest rate.
const SILENCE: Duration = Duration::from_millis(250);
/// How often the ID is read.
pub(super) const ID_READS: usize = 16;

/// The driver and its DRDY line.
pub(super) struct Board<'a, SPI, PIN, DELAY, DRDY> {
    pub(super) driver: &'a mut Ads1292<SPI, PIN, PIN, DELAY>,
    pub(super) drdy: &'a mut DRDY,
}

impl<SPI, PIN, DELAY, DRDY> Board<'_, SPI, PIN, DELAY, DRDY>
where
    SPI: SpiDevice<Error = AcquisitionError>,
    PIN: OutputPin,
    DELAY: DelayNs,
    DRDY: DataReady,
{
    /// Whether the part answers, and always the same.
    pub(super) fn bus(&mut self, expected: Option<ChipModel>) -> Step {
        let mut ids = Vec::with_capacity(ID_READS);
        let mut read = self.driver.reset_and_read_id();
        for _ in 0..ID_READS {
            match read {
                Ok(id) => ids.push(id),
                Err(error) => {
                    let error = AcquisitionError::from(error).to_string();
                    return Step::failed(BUS, error, advice::TRANSFER);
                }
            }
            read = self.driver.read_register(Register::Id);
        }
        let first = ids.first().copied().unwrap_or_default();
        if ids.iter().any(|id| *id != first) {
            let found = format!("the ID reads differently each time: {ids:02x?}");
            return Step::failed(BUS, found, advice::UNSTABLE);
        }
        match (ChipModel::from_id(first), first) {
            (Ok(model), _) if expected.is_some_and(|expected| expected != model) => {
                let found = format!("an {model} answers, the configuration asks for another part");
                Step::failed(BUS, found, advice::OTHER_PART)
            }
            (Ok(model), id) => {
                Step::passed(BUS, format!("{model} answers (ID {id:#04x})")).with("id", id.into())
            }
            (Err(_), 0x00) => Step::failed(BUS, "every bit reads 0".to_owned(), advice::ALL_ZERO),
            (Err(_), 0xFF) => Step::failed(BUS, "every bit reads 1".to_owned(), advice::ALL_ONE),
            (Err(error), _) => Step::failed(BUS, error.to_string(), advice::UNKNOWN_ID),
        }
    }

    /// Whether the registers take the set-up.
    pub(super) fn registers(&mut self, config: &ChipConfig) -> Step {
        match self.driver.initialise(config) {
            Ok(_) => Step::passed(REGISTERS, "all registers hold what was written".to_owned()),
            Err(error) => {
                let advice = match error {
                    ChipError::ReadBack { .. } => advice::READ_BACK,
                    _ => advice::TRANSFER,
                };
                Step::failed(REGISTERS, AcquisitionError::from(error).to_string(), advice)
            }
        }
    }

    /// Sets the chip up and reads it for this long.
    pub(super) fn collect(
        &mut self,
        config: &ChipConfig,
        length: Duration,
    ) -> Result<Collected, Trouble> {
        let failed = |error: AcquisitionError| Trouble {
            found: error.to_string(),
            advice: advice::TRANSFER,
        };
        let of_chip = |error: ChipError<_>| failed(error.into());
        self.driver.initialise(config).map_err(of_chip)?;
        self.drdy.forget().map_err(failed)?;
        let length_ns = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let mut collected = Collected::default();
        let mut first: Option<DrdyEdge> = None;
        loop {
            let edge = match self.drdy.wait(SILENCE) {
                Ok(edge) => edge,
                Err(WaitError::Timeout(_) | WaitError::Inspection) => {
                    let found = match collected.edges {
                        0 => format!("DRDY did not fall within {} ms", SILENCE.as_millis()),
                        edges => format!("DRDY stopped falling after {edges} edges"),
                    };
                    return Err(Trouble {
                        found,
                        advice: advice::SILENT,
                    });
                }
                Err(WaitError::Failed(error)) => return Err(failed(error)),
            };
            let first = *first.get_or_insert(edge);
            let since_ns = edge.time.since(first.time);
            let frame = match self.driver.read_frame() {
                Ok(frame) => Some(frame),
                Err(ChipError::Frame(_) | ChipError::SyncLost { .. }) => None,
                Err(error) => return Err(of_chip(error)),
            };
            let edges = u64::from(edge.sequence.wrapping_sub(first.sequence)) + 1;
            collected.add(edges, since_ns, frame);
            if since_ns >= length_ns {
                return Ok(collected);
            }
        }
    }
}
