//! What is done about a chip that does not deliver: found out what is wrong, said so, set up again
//! with growing pauses.

use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;

use super::engine::Acquisition;
use super::event::{CHIP, CHIP_RESTARTED, RESTART_FAILED, chip_trouble};
use super::{Acquired, AcquisitionError, DataReady, Episode, Event, GapCause};
use crate::ads1292::{DataRate, Error as ChipError, Inspection, frame_ns, inspection_ns};
use crate::time::MonotonicNs;

/// The pause before the second set-up in a row; every further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause: a board that is plugged in again delivers at most this much later.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A pause is cut into turns of this length, after each of which the reader may stop.
const TURN: Duration = Duration::from_millis(100);
/// Good frames in a row after which the trouble is over.
const GOOD_FRAMES: u32 = 16;
/// What the host adds to a look at the registers, at most: three system calls on a busy machine.
const HOST_NS: u64 = 300_000;
/// Where a look costs samples, it is done that many times more seldom.
const COSTLY_LOOKS: u32 = 10;

/// How a chip that does not deliver is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Care {
    /// Set-ups in a row without a good frame after which the source fails; `None` never gives up.
    pub give_up_after: Option<u32>,
    /// Time between two looks at all registers; `None` looks only when something is wrong.
    pub inspect_every: Option<Duration>,
}

impl Default for Care {
    /// Gives up after 20 set-ups (about 80 s), and trusts the registers of a chip that delivers.
    fn default() -> Self {
        Self {
            give_up_after: Some(20),
            inspect_every: None,
        }
    }
}

impl Care {
    /// For a chip at the bedside: never gives up, and looks at the registers as often as asked where a
    /// sample's period has room for it beside the frame: up to 1000 SPS at an SCLK of 1 MHz, 2000 from
    /// 1.4 MHz on. At higher rates a look costs a few samples, which the signal chain bridges; there it
    /// is done ten times more seldom.
    #[must_use]
    pub fn bedside(rate: DataRate, sclk_hz: u32, inspect_every: Option<Duration>) -> Self {
        let needed_ns = frame_ns(sclk_hz) + inspection_ns(sclk_hz) + HOST_NS;
        Self {
            give_up_after: None,
            inspect_every: inspect_every.map(|every| {
                if needed_ns <= rate.period_ns() {
                    every
                } else {
                    every.saturating_mul(COSTLY_LOOKS)
                }
            }),
        }
    }
}

/// Where the acquisition stands with its chip.
#[derive(Debug)]
pub(super) struct Recovery {
    care: Care,
    /// What is wrong, since when.
    trouble: Option<Trouble>,
    /// Set-ups tried since the trouble began, and those of them that succeeded.
    restarts: u32,
    set_ups: u32,
    /// Whether a good frame came since the last set-up.
    delivered: bool,
    /// Whether the chip must be set up again, and how long not to try yet.
    due: Option<Duration>,
    /// Why the last set-up failed, or was needed.
    last: String,
    /// The failure that was reported last: the same one again is not news.
    reported: String,
    /// Good frames in a row while something is wrong, and where they began.
    good: u32,
    good_since: (u64, MonotonicNs),
    inspect_at: Option<MonotonicNs>,
}

#[derive(Debug, Clone, Copy)]
struct Trouble {
    kind: &'static str,
    sample: u64,
    time: MonotonicNs,
}

impl Recovery {
    pub(super) fn new(care: Care) -> Self {
        Self {
            care,
            trouble: None,
            restarts: 0,
            set_ups: 0,
            delivered: false,
            due: None,
            last: String::new(),
            reported: String::new(),
            good: 0,
            good_since: (0, MonotonicNs(0)),
            inspect_at: None,
        }
    }

    pub(super) fn set_care(&mut self, care: Care) {
        self.care = care;
    }

    /// Whether a set-up is waited for or due.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_some()
    }

    /// Takes note of a good frame; the end of the trouble, once it is over.
    pub(super) fn good_frame(&mut self, at: (u64, MonotonicNs), right_rate: bool) -> Option<Event> {
        self.delivered = true;
        let trouble = self.trouble?;
        if self.good == 0 {
            self.good_since = at;
        }
        self.good = if right_rate { self.good + 1 } else { 0 };
        if self.good < GOOD_FRAMES {
            return None;
        }
        let detail = self.summary();
        self.trouble = None;
        (self.restarts, self.set_ups) = (0, 0);
        self.reported.clear();
        let (sample, time) = self.good_since;
        Some(Event {
            sample,
            time,
            kind: trouble.kind,
            detail,
            episode: Episode::Ends {
                subject: CHIP,
                began_sample: trouble.sample,
                began: trouble.time,
            },
        })
    }

    /// What it took: the set-ups that left no event of their own are counted here.
    fn summary(&self) -> String {
        let times = |count: u32| match count {
            1 => "once".to_owned(),
            more => format!("{more} times"),
        };
        let failed = self.restarts - self.set_ups;
        let tried = match failed {
            0 => String::new(),
            failed => format!(", tried in vain {}", times(failed)),
        };
        format!(
            "the chip delivers again; it was set up {}{tried}",
            times(self.set_ups)
        )
    }

    /// Takes note of a set-up that succeeded; whether it is worth an event. The first one is, and
    /// one after which frames had come; while none come only the second, fourth, eighth and so on
    /// are, for a chip may be silent for days.
    fn note_set_up(&mut self) -> bool {
        self.set_ups += 1;
        std::mem::take(&mut self.delivered) || self.set_ups.is_power_of_two()
    }

    /// Takes note of a set-up that failed; whether it is worth an event. The same failure again is
    /// not, and others are at growing distances: a wire that floats fails differently each time.
    fn note_failure(&mut self, why: &str) -> bool {
        let failures = self.restarts - self.set_ups;
        let news = why != self.reported && failures.is_power_of_two();
        if news {
            why.clone_into(&mut self.reported);
        }
        news
    }

    pub(super) fn bad_frame(&mut self) {
        self.good = 0;
    }

    /// Whether it is time to look at the registers.
    pub(super) fn inspection_due(&mut self, now: MonotonicNs) -> bool {
        let Some(every) = self.care.inspect_every else {
            return false;
        };
        let every_ns = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        let due = self.inspect_at.is_some_and(|at| now >= at);
        if due || self.inspect_at.is_none() {
            self.inspect_at = Some(now.plus_ns(every_ns));
        }
        due
    }
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
    /// Something is wrong: finds out what, says so, and has the chip set up again. `at` is where it
    /// began.
    pub(super) fn fault(
        &mut self,
        kind: &'static str,
        at: (u64, MonotonicNs),
        why: String,
    ) -> Result<(), AcquisitionError> {
        let recovery = &mut self.recovery;
        recovery.good = 0;
        if recovery.trouble.is_none() {
            // Recordings made before there was a look at the registers have none.
            let look = self.drdy.recorded_inspection().unwrap_or(true);
            let found = if look {
                Some(self.driver.inspect().map_err(AcquisitionError::from_chip)?)
            } else {
                None
            };
            self.begin_trouble(kind, at, &why, found);
        }
        self.set_up_again(why);
        Ok(())
    }

    /// A look at the registers of a chip that delivers.
    pub(super) fn inspect(&mut self, at: (u64, MonotonicNs)) -> Result<(), AcquisitionError> {
        let found = self.driver.inspect().map_err(AcquisitionError::from_chip)?;
        // What is missing before the next edge was not seen for looking.
        self.cause = GapCause::RegisterCheck;
        if found == Inspection::AsSetUp {
            return Ok(());
        }
        let why = found.to_string();
        self.begin_trouble(chip_trouble::REGISTER_CHANGED, at, &why, Some(found));
        self.set_up_again(why);
        Ok(())
    }

    /// Edges come at another rate. One set-up is tried; a rate that stays wrong after it is left as
    /// it is, for the times of the samples are right all the same.
    pub(super) fn wrong_rate(
        &mut self,
        at: (u64, MonotonicNs),
        found_hz: f64,
    ) -> Result<(), AcquisitionError> {
        // Hosts that knew nothing of this recorded no look at the registers.
        if self.recovery.trouble.is_some() || self.drdy.recorded_inspection() == Some(false) {
            return Ok(());
        }
        let why = format!(
            "DRDY falls {found_hz:.1} times a second instead of {}",
            self.config().rate.hz()
        );
        self.fault(chip_trouble::DRDY_RATE_WRONG, at, why)
    }

    fn begin_trouble(
        &mut self,
        kind: &'static str,
        (sample, time): (u64, MonotonicNs),
        why: &str,
        found: Option<Inspection>,
    ) {
        let kind = match found {
            Some(Inspection::Reset) => chip_trouble::BROWN_OUT,
            Some(Inspection::Changed { .. }) => chip_trouble::REGISTER_CHANGED,
            Some(Inspection::NoAnswer { .. }) => chip_trouble::NO_ANSWER,
            Some(Inspection::AsSetUp) | None => kind,
        };
        let found = found.map(|found| found.to_string());
        let detail = match found {
            Some(found) if found != why => format!("{why}; {found}"),
            _ => why.to_owned(),
        };
        self.recovery.trouble = Some(Trouble { kind, sample, time });
        self.pending.push_back(Acquired::Event(Event {
            sample,
            time,
            kind,
            detail,
            episode: Episode::Begins { subject: CHIP },
        }));
    }

    /// From now on, only time tells how many samples are missing.
    fn set_up_again(&mut self, why: String) {
        self.counter.stopped();
        self.cause = GapCause::ChipRestart;
        let recovery = &mut self.recovery;
        recovery.last = why;
        recovery.due = Some(match recovery.restarts {
            0 => Duration::ZERO,
            more => LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.pow((more - 1).min(8))),
        });
    }

    /// A turn of the wait for the next set-up, or that set-up.
    pub(super) fn recover(&mut self) -> Result<Acquired, AcquisitionError> {
        let wait = self.recovery.due.unwrap_or_default();
        if !wait.is_zero() {
            let turn = wait.min(TURN);
            self.drdy.pause(turn);
            self.recovery.due = Some(wait.saturating_sub(turn));
            return Ok(Acquired::Idle);
        }
        let limit = self.recovery.care.give_up_after.unwrap_or(u32::MAX);
        if self.recovery.restarts >= limit {
            return Err(AcquisitionError::ChipSilent {
                restarts: self.recovery.restarts,
                last: std::mem::take(&mut self.recovery.last),
            });
        }
        self.recovery.restarts = self.recovery.restarts.saturating_add(1);
        let why = match self.driver.initialise(&self.config) {
            Ok(_) => {
                self.drdy.forget()?;
                self.recovery.due = None;
                if !self.recovery.note_set_up() {
                    return Ok(Acquired::Idle);
                }
                let again = match self.recovery.set_ups {
                    1 => String::new(),
                    more => format!(", {more} times by now"),
                };
                let detail = format!("{}; the chip was set up again{again}", self.recovery.last);
                return Ok(self.momentary(CHIP_RESTARTED, detail));
            }
            Err(ChipError::Id(error)) => error.to_string(),
            Err(error @ ChipError::ReadBack { .. }) => {
                AcquisitionError::from_chip(error).to_string()
            }
            Err(error) => return Err(AcquisitionError::from_chip(error)),
        };
        self.set_up_again(why.clone());
        if self.recovery.note_failure(&why) {
            Ok(self.momentary(RESTART_FAILED, why))
        } else {
            Ok(Acquired::Idle)
        }
    }

    /// An event where the next sample is to come.
    fn momentary(&self, kind: &'static str, detail: String) -> Acquired {
        let (sample, time) = self.next_place();
        Acquired::Event(Event::momentary(sample, time, kind, detail))
    }
}
