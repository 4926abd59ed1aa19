//! One driver, one DRDY line: samples with exact positions.

use std::fmt::Display;
use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;

use crate::acquisition::{Event, Gap, GapCause};
use crate::ads1292::{Ads1292, ChipConfig, Error as ChipError};
use crate::time::{ClockRelation, MonotonicNs};

use super::counter::{Position, SampleCounter};
use super::event::CHIP_RESTARTED;
use super::{
    Acquired, AcquisitionError, DataReady, DrdyEdge, FrameSource, Pace, RawSample, SourceInfo,
    WaitError,
};

/// Silence on DRDY after which the chip is set up again: 31 periods at the slowest rate, longer
/// than any settling time.
const DRDY_TIMEOUT: Duration = Duration::from_millis(250);
/// Restarts in a row without a good frame after which the acquisition gives up: about 8 s, a
/// restart taking 0.2 s and the wait for its first edge as long as the time above.
const MAX_RESTARTS: u32 = 20;

/// Reads frames from a chip and counts them.
///
/// Missing samples keep their indices: an edge whose number or time shows that others were missed,
/// a frame that is none, and the time the chip needs to be set up again after its frames turned bad
/// or DRDY fell silent (a brown-out, a loose wire) all come out as [`Gap`]s with exact positions.
#[derive(Debug)]
pub struct Acquisition<SPI, START, RESET, DELAY, DRDY> {
    driver: Ads1292<SPI, START, RESET, DELAY>,
    drdy: DRDY,
    config: ChipConfig,
    info: SourceInfo,
    counter: SampleCounter,
    /// Why samples before the next edge are missing.
    cause: GapCause,
    /// Handed out before the next edge is waited for.
    pending: Option<Acquired>,
    restarts: u32,
    ended: bool,
}

impl<SPI, START, RESET, DELAY, DRDY> Acquisition<SPI, START, RESET, DELAY, DRDY>
where
    SPI: SpiDevice,
    SPI::Error: Into<AcquisitionError>,
    START: OutputPin,
    RESET: OutputPin,
    DELAY: DelayNs,
    DRDY: DataReady,
{
    /// Sets up the chip and starts conversions. `start` is the time before; `leads` and
    /// `description` are handed on in [`SourceInfo`].
    ///
    /// # Errors
    /// Those of the driver's set-up as [`AcquisitionError`].
    pub fn start(
        mut driver: Ads1292<SPI, START, RESET, DELAY>,
        mut drdy: DRDY,
        config: ChipConfig,
        start: ClockRelation,
        (leads, description): ([String; 2], String),
    ) -> Result<Self, AcquisitionError> {
        let chip = driver
            .initialise(&config)
            .map_err(AcquisitionError::from_chip)?;
        drdy.forget()?;
        Ok(Self {
            driver,
            info: SourceInfo {
                chip,
                sample_rate_hz: f64::from(config.rate.hz()),
                uv_per_code: config.uv_per_code(),
                start,
                leads,
                description,
                edge_numbers: drdy.numbers(),
            },
            drdy,
            counter: SampleCounter::new(config.rate.period_ns()),
            config,
            cause: GapCause::MissedDrdy,
            pending: None,
            restarts: 0,
            ended: false,
        })
    }

    /// Stops conversions and gives the driver back.
    ///
    /// # Errors
    /// [`AcquisitionError`] where the chip cannot be told to stop.
    pub fn stop(mut self) -> Result<Ads1292<SPI, START, RESET, DELAY>, AcquisitionError> {
        self.driver.stop().map_err(AcquisitionError::from_chip)?;
        Ok(self.driver)
    }

    /// The chip's set-up.
    #[must_use]
    pub fn config(&self) -> &ChipConfig {
        &self.config
    }

    fn step(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        loop {
            let edge = match self.drdy.wait(DRDY_TIMEOUT) {
                Ok(edge) => edge,
                Err(WaitError::Timeout(time)) => {
                    let why = format!("DRDY silent for {} ms", DRDY_TIMEOUT.as_millis());
                    return self.restart(time, &why).map(Some);
                }
                Err(WaitError::Failed(error)) => return Err(error),
            };
            // Every edge is answered by a read, also one that turns out to be noise: what the host
            // says then does not depend on how edges are judged, and old traces replay for ever.
            let frame = self.driver.read_frame();
            let Position::At {
                index,
                skipped,
                skipped_time,
            } = self.counter.place(edge)
            else {
                continue;
            };
            let gap = (skipped > 0).then(|| {
                Acquired::Gap(Gap {
                    first_missing_sample: index - skipped,
                    missing_samples: skipped,
                    time: skipped_time,
                    cause: self.cause,
                })
            });
            self.cause = GapCause::MissedDrdy;
            let next = match frame {
                Ok(frame) => {
                    self.restarts = 0;
                    Acquired::Sample(RawSample {
                        index,
                        time: edge.time,
                        codes: frame.codes,
                        lead_off: frame.status.lead_off,
                    })
                }
                Err(error @ (ChipError::Frame(_) | ChipError::SyncLost { .. })) => {
                    self.bad_frame(index, edge, &error)?
                }
                Err(error) => return Err(AcquisitionError::from_chip(error)),
            };
            let Some(gap) = gap else {
                return Ok(Some(next));
            };
            // A restart pends behind the bad frame, which pends behind the gap.
            if self.pending.is_some() {
                return Ok(Some(merge(gap, next)));
            }
            self.pending = Some(next);
            return Ok(Some(gap));
        }
    }

    fn bad_frame<E>(
        &mut self,
        index: u64,
        edge: DrdyEdge,
        error: &ChipError<E>,
    ) -> Result<Acquired, AcquisitionError>
    where
        E: std::fmt::Debug,
        ChipError<E>: Display,
    {
        if matches!(error, ChipError::SyncLost { .. }) {
            let event = self.restart(edge.time, &error.to_string())?;
            self.pending = Some(event);
        }
        Ok(Acquired::Gap(Gap {
            first_missing_sample: index,
            missing_samples: 1,
            time: edge.time,
            cause: GapCause::BadFrame,
        }))
    }

    /// Sets the chip up again after `why` at `time`.
    fn restart(&mut self, time: MonotonicNs, why: &str) -> Result<Acquired, AcquisitionError> {
        let mut last = why.to_owned();
        self.counter.stopped();
        self.cause = GapCause::ChipRestart;
        while self.restarts < MAX_RESTARTS {
            self.restarts += 1;
            match self.driver.initialise(&self.config) {
                Ok(_) => {
                    self.drdy.forget()?;
                    return Ok(Acquired::Event(Event::momentary(
                        self.counter.next_index(),
                        self.counter.last_time().unwrap_or(time),
                        CHIP_RESTARTED,
                        format!("{last}; the chip was set up again"),
                    )));
                }
                Err(ChipError::Id(error)) => last = error.to_string(),
                Err(error @ ChipError::ReadBack { .. }) => {
                    last = AcquisitionError::from_chip(error).to_string();
                }
                Err(error) => return Err(AcquisitionError::from_chip(error)),
            }
        }
        Err(AcquisitionError::ChipSilent {
            restarts: self.restarts,
            last,
        })
    }
}

/// A gap and the bad frame right behind it as one; anything else stays the gap.
fn merge(gap: Acquired, next: Acquired) -> Acquired {
    match (gap, next) {
        (Acquired::Gap(gap), Acquired::Gap(bad)) => Acquired::Gap(Gap {
            missing_samples: gap.missing_samples + bad.missing_samples,
            ..gap
        }),
        (gap, _) => gap,
    }
}

impl<SPI, START, RESET, DELAY, DRDY> FrameSource for Acquisition<SPI, START, RESET, DELAY, DRDY>
where
    SPI: SpiDevice,
    SPI::Error: Into<AcquisitionError>,
    START: OutputPin,
    RESET: OutputPin,
    DELAY: DelayNs,
    DRDY: DataReady,
{
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    #[inline]
    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        if let Some(pending) = self.pending.take() {
            return Ok(Some(pending));
        }
        if self.ended {
            return Ok(None);
        }
        match self.step() {
            Err(AcquisitionError::SourceEnded) => {
                self.ended = true;
                Ok(None)
            }
            Err(error) => {
                self.ended = true;
                Err(error)
            }
            next => next,
        }
    }

    fn close(&mut self) -> Result<(), AcquisitionError> {
        // What was recorded ends with the last frame.
        if self.drdy.is_recorded() {
            return Ok(());
        }
        self.driver.stop().map_err(AcquisitionError::from_chip)
    }

    fn pace(&mut self) -> Pace {
        if self.drdy.is_recorded() {
            Pace::Recorded
        } else {
            Pace::Live
        }
    }
}
