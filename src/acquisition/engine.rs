//! One driver, one DRDY line: samples with exact positions.

use std::collections::VecDeque;
use std::time::Duration;

use ads1292::{Ads1292, ChipConfig, Error as ChipError, Inspection};
use ecg_chain::{EventKind, Gap, GapCause, LeadOff, MonotonicNs, RawSample};
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;

use super::counter::{Position, SampleCounter};
use super::drdy::{DataReady, DrdyEdge, WaitError};
use super::error::AcquisitionError;
use super::recovery::{Action, Recovery, RecoveryPolicy};
use super::source::{Acquired, FrameSource, Pace, Session, SourceInfo};

/// Silence on DRDY after which the chip is set up again: 31 periods at the slowest rate, longer
/// than any settling time.
const DRDY_TIMEOUT: Duration = Duration::from_millis(250);

/// Reads frames from a chip and counts them.
///
/// Missing samples keep their indices: an edge whose number or time shows that others were missed,
/// a frame that is none, and the time the chip needs to be set up again after its frames turned bad
/// or DRDY fell silent (a brown-out, a loose wire) all come out as [`Gap`]s with exact positions.
#[derive(Debug)]
pub struct Acquisition<SPI, PIN, DELAY, DRDY> {
    driver: Ads1292<SPI, PIN, PIN, DELAY>,
    drdy: DRDY,
    config: ChipConfig,
    info: SourceInfo,
    counter: SampleCounter,
    /// Why samples before the next edge are missing.
    cause: GapCause,
    /// Handed out before the next edge is waited for.
    pending: VecDeque<Acquired>,
    recovery: Recovery,
    /// First of the bad frames in a row.
    bad_since: Option<(u64, MonotonicNs)>,
    ended: bool,
    failure: Option<AcquisitionError>,
}

impl<SPI, PIN, DELAY, DRDY> Acquisition<SPI, PIN, DELAY, DRDY>
where
    SPI: SpiDevice<Error = AcquisitionError>,
    PIN: OutputPin,
    DELAY: DelayNs,
    DRDY: DataReady,
{
    /// Sets up the chip and starts conversions. What `session` says is handed on in [`SourceInfo`].
    ///
    /// # Errors
    /// Those of the driver's set-up as [`AcquisitionError`].
    pub fn start(
        mut driver: Ads1292<SPI, PIN, PIN, DELAY>,
        mut drdy: DRDY,
        config: ChipConfig,
        session: Session,
    ) -> Result<Self, AcquisitionError> {
        let chip = driver.initialise(&config)?;
        drdy.forget()?;
        Ok(Self {
            driver,
            info: SourceInfo {
                chip,
                sample_rate_hz: f64::from(config.rate.hz()),
                uv_per_code: config.uv_per_code(),
                start: session.start,
                leads: session.leads,
                description: session.description,
                edge_numbers: drdy.numbers(),
            },
            drdy,
            counter: SampleCounter::new(config.rate.period_ns()),
            config,
            cause: GapCause::MissedDrdy,
            // The most at a time: a gap, an end, a sample, a beginning.
            pending: VecDeque::with_capacity(8),
            recovery: Recovery::default(),
            bad_since: None,
            ended: false,
            failure: None,
        })
    }

    /// Stops conversions and gives the driver back.
    ///
    /// # Errors
    /// [`AcquisitionError`] where the chip cannot be told to stop.
    pub fn stop(mut self) -> Result<Ads1292<SPI, PIN, PIN, DELAY>, AcquisitionError> {
        self.driver.stop()?;
        Ok(self.driver)
    }

    /// The chip's set-up.
    #[must_use]
    pub fn config(&self) -> &ChipConfig {
        &self.config
    }

    /// Deals with trouble of the chip this way from now on.
    #[must_use]
    pub fn with_recovery_policy(mut self, policy: RecoveryPolicy) -> Self {
        self.recovery.policy = policy;
        self
    }

    /// Where the next sample is to come, as far as is known.
    fn next_place(&self) -> (u64, MonotonicNs) {
        let time = self
            .counter
            .last_time()
            .unwrap_or(self.info.start.monotonic);
        (self.counter.next_index(), time)
    }

    /// Does what the recovery asks for, or waits for an edge; what follows from it becomes pending.
    fn step(&mut self) -> Result<(), AcquisitionError> {
        if let Some(action) = self.recovery.next_action() {
            return self.carry_out(action);
        }
        match self.drdy.wait(DRDY_TIMEOUT) {
            Ok(edge) => self.read_conversion(edge),
            Err(WaitError::Timeout(_)) => {
                let why = format!("DRDY silent for {} ms", DRDY_TIMEOUT.as_millis());
                self.fault(EventKind::DrdySilent, self.next_place(), why)
            }
            Err(WaitError::Inspection) => self.inspect(self.next_place()),
            Err(WaitError::Failed(error)) => Err(error),
        }
    }

    /// Reads the conversion that `edge` announces; what follows from it becomes pending.
    fn read_conversion(&mut self, edge: DrdyEdge) -> Result<(), AcquisitionError> {
        // Every edge is answered by a read, also one that turns out to be noise: what the host
        // says then does not depend on how edges are judged, and old traces replay for ever.
        let frame = self.driver.read_frame();
        let before = self.counter.last();
        let Some(position) = self.counter.place(edge) else {
            return Ok(());
        };
        let Position { index, skipped, .. } = position;
        let at = (index, edge.time);
        let mut gap = (skipped > 0).then_some(Gap {
            first_missing_sample: index - skipped,
            missing_samples: skipped,
            time: position.skipped_time,
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
                    lead_off: LeadOff::from_bits(frame.status.lead_off.bits()),
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
                    self.fault(EventKind::FramesBad, bad_since, error.to_string())?;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Something is wrong: finds out what, reports it, and has the chip set up again. `at` is where it
    /// began.
    fn fault(
        &mut self,
        kind: EventKind,
        at: (u64, MonotonicNs),
        why: String,
    ) -> Result<(), AcquisitionError> {
        self.recovery.bad_frame();
        if !self.recovery.in_trouble() {
            // Recordings made before there was a look at the registers have none.
            let found = if self.drdy.recorded_inspection().unwrap_or(true) {
                Some(self.driver.inspect()?)
            } else {
                None
            };
            let begins = self.recovery.begin_trouble(kind, at, &why, found);
            self.pending.push_back(Acquired::Event(begins));
        }
        self.request_set_up(why);
        Ok(())
    }

    /// A look at the registers of a chip that delivers.
    fn inspect(&mut self, at: (u64, MonotonicNs)) -> Result<(), AcquisitionError> {
        let found = self.driver.inspect()?;
        // What is missing before the next edge was not seen because of the look.
        self.cause = GapCause::RegisterCheck;
        if found != Inspection::AsSetUp {
            let (kind, why) = (EventKind::RegisterChanged, found.to_string());
            let begins = self.recovery.begin_trouble(kind, at, &why, Some(found));
            self.pending.push_back(Acquired::Event(begins));
            self.request_set_up(why);
        }
        Ok(())
    }

    /// Edges come at another rate. One set-up is tried; a rate that stays wrong after it is left as
    /// it is, because the times of the samples are right all the same.
    fn wrong_rate(
        &mut self,
        at: (u64, MonotonicNs),
        found_hz: f64,
    ) -> Result<(), AcquisitionError> {
        // Hosts that knew nothing of this recorded no look at the registers.
        if self.recovery.in_trouble() || self.drdy.recorded_inspection() == Some(false) {
            return Ok(());
        }
        let why = format!(
            "DRDY falls {found_hz:.1} times a second instead of {}",
            self.config.rate.hz()
        );
        self.fault(EventKind::DrdyRateWrong, at, why)
    }

    /// From now on, only time tells how many samples are missing.
    fn request_set_up(&mut self, why: String) {
        self.counter.stopped();
        self.cause = GapCause::ChipRestart;
        self.recovery.request_set_up(why);
    }

    /// Does what the recovery asks for.
    fn carry_out(&mut self, action: Action) -> Result<(), AcquisitionError> {
        // Events lie where the next sample is to come.
        let at = self.next_place();
        let event = match action {
            Action::Pause(time) => {
                self.drdy.pause(time);
                None
            }
            Action::GiveUp { restarts, last } => {
                return Err(AcquisitionError::ChipSilent { restarts, last });
            }
            Action::SetUp => match self.driver.initialise(&self.config) {
                Ok(_) => {
                    self.drdy.forget()?;
                    self.recovery.set_up_succeeded(at)
                }
                Err(error @ (ChipError::Id(_) | ChipError::ReadBack { .. })) => {
                    self.recovery.set_up_failed(at, error.to_string())
                }
                Err(error) => return Err(error.into()),
            },
        };
        let acquired = event.map_or(Acquired::Idle, Acquired::Event);
        self.pending.push_back(acquired);
        Ok(())
    }
}

impl<SPI, PIN, DELAY, DRDY> FrameSource for Acquisition<SPI, PIN, DELAY, DRDY>
where
    SPI: SpiDevice<Error = AcquisitionError>,
    PIN: OutputPin,
    DELAY: DelayNs,
    DRDY: DataReady,
{
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    #[inline]
    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        // What is pending comes out before the end, or the error that came with it.
        loop {
            if let Some(pending) = self.pending.pop_front() {
                return Ok(Some(pending));
            }
            if self.ended {
                return self.failure.take().map_or(Ok(None), Err);
            }
            if let Err(error) = self.step() {
                self.ended = true;
                if !matches!(error, AcquisitionError::SourceEnded) {
                    self.failure = Some(error);
                }
            }
        }
    }

    fn close(&mut self) -> Result<(), AcquisitionError> {
        // What was recorded ends with the last frame.
        if self.drdy.is_recorded() {
            return Ok(());
        }
        Ok(self.driver.stop()?)
    }

    fn pace(&mut self) -> Pace {
        if self.drdy.is_recorded() {
            Pace::Recorded
        } else {
            Pace::Live
        }
    }
}
