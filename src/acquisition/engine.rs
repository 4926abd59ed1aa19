//! One driver, one DRDY line: samples with exact positions.

use std::collections::VecDeque;
use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;

use crate::acquisition::{Gap, GapCause};
use crate::ads1292::{Ads1292, ChipConfig, Error as ChipError};
use crate::time::{ClockRelation, MonotonicNs};

use super::counter::{Position, SampleCounter};
use super::event::chip_trouble;
use super::recovery::{Care, Recovery};
use super::{
    Acquired, AcquisitionError, DataReady, DrdyEdge, FrameSource, Pace, RawSample, SourceInfo,
    WaitError,
};

/// Silence on DRDY after which the chip is set up again: 31 periods at the slowest rate, longer
/// than any settling time.
const DRDY_TIMEOUT: Duration = Duration::from_millis(250);

/// Reads frames from a chip and counts them.
///
/// Missing samples keep their indices: an edge whose number or time shows that others were missed,
/// a frame that is none, and the time the chip needs to be set up again after its frames turned bad
/// or DRDY fell silent (a brown-out, a loose wire) all come out as [`Gap`]s with exact positions.
#[derive(Debug)]
pub struct Acquisition<SPI, START, RESET, DELAY, DRDY> {
    pub(super) driver: Ads1292<SPI, START, RESET, DELAY>,
    pub(super) drdy: DRDY,
    pub(super) config: ChipConfig,
    info: SourceInfo,
    pub(super) counter: SampleCounter,
    /// Why samples before the next edge are missing.
    pub(super) cause: GapCause,
    /// Handed out before the next edge is waited for.
    pub(super) pending: VecDeque<Acquired>,
    pub(super) recovery: Recovery,
    /// First of the bad frames in a row.
    bad_since: Option<(u64, MonotonicNs)>,
    ended: bool,
    failure: Option<AcquisitionError>,
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
            // The most at a time: a gap, an end, a sample, a beginning.
            pending: VecDeque::with_capacity(8),
            recovery: Recovery::new(Care::default()),
            bad_since: None,
            ended: false,
            failure: None,
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

    /// Deals with trouble of the chip this way from now on.
    #[must_use]
    pub fn with_care(mut self, care: Care) -> Self {
        self.recovery.set_care(care);
        self
    }

    /// Where the next sample is to come, as far as is known.
    pub(super) fn next_place(&self) -> (u64, MonotonicNs) {
        let time = self
            .counter
            .last_time()
            .unwrap_or(self.info.start.monotonic);
        (self.counter.next_index(), time)
    }

    fn step(&mut self) -> Result<Acquired, AcquisitionError> {
        loop {
            if let Some(pending) = self.pending.pop_front() {
                return Ok(pending);
            }
            if self.recovery.is_due() {
                return self.recover();
            }
            match self.drdy.wait(DRDY_TIMEOUT) {
                Ok(edge) => self.take(edge)?,
                Err(WaitError::Timeout(_)) => {
                    let why = format!("DRDY silent for {} ms", DRDY_TIMEOUT.as_millis());
                    self.fault(chip_trouble::DRDY_SILENT, self.next_place(), why)?;
                }
                Err(WaitError::Inspection) => self.inspect(self.next_place())?,
                Err(WaitError::Failed(error)) => return Err(error),
            }
        }
    }

    /// Reads the conversion `edge` tells of; what follows from it pends.
    fn take(&mut self, edge: DrdyEdge) -> Result<(), AcquisitionError> {
        // Every edge is answered by a read, also one that turns out to be noise: what the host
        // says then does not depend on how edges are judged, and old traces replay for ever.
        let frame = self.driver.read_frame();
        let before = self.counter.last();
        let Position::At {
            index,
            skipped,
            skipped_time,
        } = self.counter.place(edge)
        else {
            return Ok(());
        };
        let at = (index, edge.time);
        let mut gap = (skipped > 0).then_some(Gap {
            first_missing_sample: index - skipped,
            missing_samples: skipped,
            time: skipped_time,
            cause: self.cause,
        });
        self.cause = GapCause::MissedDrdy;
        let other_rate_hz = before.and_then(|before| self.counter.other_rate_hz(edge, before));
        match frame {
            Ok(frame) => {
                self.bad_since = None;
                self.pending.extend(gap.map(Acquired::Gap));
                let over = self.recovery.good_frame(at, self.counter.is_at_rate());
                self.pending.extend(over.map(Acquired::Event));
                self.pending.push_back(Acquired::Sample(RawSample {
                    index,
                    time: edge.time,
                    codes: frame.codes,
                    lead_off: frame.status.lead_off,
                }));
                if let Some(found_hz) = other_rate_hz {
                    self.wrong_rate(self.next_place(), found_hz)?;
                } else if self.recovery.inspection_due(edge.time) {
                    // Between this edge and the next.
                    self.inspect(self.next_place())?;
                }
                Ok(())
            }
            Err(error @ (ChipError::Frame(_) | ChipError::SyncLost { .. })) => {
                self.recovery.bad_frame();
                let bad_since = *self.bad_since.get_or_insert(at);
                match &mut gap {
                    Some(gap) => gap.missing_samples += 1,
                    None => {
                        gap = Some(Gap {
                            first_missing_sample: index,
                            missing_samples: 1,
                            time: edge.time,
                            cause: GapCause::BadFrame,
                        });
                    }
                }
                self.pending.extend(gap.map(Acquired::Gap));
                if matches!(error, ChipError::SyncLost { .. }) {
                    self.bad_since = None;
                    self.fault(chip_trouble::FRAMES_BAD, bad_since, error.to_string())?;
                }
                Ok(())
            }
            Err(error) => Err(AcquisitionError::from_chip(error)),
        }
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
        // What pends comes out before the end, or the error that came with it.
        if self.ended && self.pending.is_empty() {
            return self.failure.take().map_or(Ok(None), Err);
        }
        if let Some(pending) = self.pending.pop_front() {
            return Ok(Some(pending));
        }
        match self.step() {
            Ok(acquired) => Ok(Some(acquired)),
            Err(error) => {
                self.ended = true;
                if !matches!(error, AcquisitionError::SourceEnded) {
                    self.failure = Some(error);
                }
                match self.pending.pop_front() {
                    Some(pending) => Ok(Some(pending)),
                    None => self.failure.take().map_or(Ok(None), Err),
                }
            }
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
