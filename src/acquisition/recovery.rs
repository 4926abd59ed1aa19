//! What is to be done about a chip that does not deliver: a state machine that is told what happened and
//! answers with the next [`Action`]. It has the chip set up again, with growing pauses.

use std::time::Duration;

use ads1292::{DataRate, Inspection, frame_ns, inspection_ns};
use ecg_chain::{Episode, Event, EventKind, MonotonicNs};

use super::event::CHIP;

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
/// Where a look costs samples, it is done this many times less often.
const COSTLY_INSPECTIONS: u32 = 10;

/// How a chip that does not deliver is dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryPolicy {
    /// Set-ups in a row without a good frame after which the source fails; `None` never gives up.
    pub give_up_after: Option<u32>,
    /// Time between two looks at all registers; `None` looks only when something is wrong.
    pub inspect_every: Option<Duration>,
}

impl Default for RecoveryPolicy {
    /// Gives up after 20 set-ups (about 80 s), and trusts the registers of a chip that delivers.
    fn default() -> Self {
        Self {
            give_up_after: Some(20),
            inspect_every: None,
        }
    }
}

impl RecoveryPolicy {
    /// For a chip at the bedside: never gives up, and looks at the registers as often as asked where a
    /// sample's period has room for it beside the frame: up to 1000 SPS at an SCLK of 1 MHz, 2000 from
    /// 1.4 MHz on. At higher rates a look costs a few samples, which the signal chain bridges; there it
    /// is done ten times less often.
    #[must_use]
    pub fn bedside(rate: DataRate, sclk_hz: u32, inspect_every: Option<Duration>) -> Self {
        let needed_ns = frame_ns(sclk_hz) + inspection_ns(sclk_hz) + HOST_NS;
        Self {
            give_up_after: None,
            inspect_every: inspect_every.map(|every| {
                if needed_ns <= rate.period_ns() {
                    every
                } else {
                    every.saturating_mul(COSTLY_INSPECTIONS)
                }
            }),
        }
    }
}

/// What the acquisition is to do next about its chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Let time pass.
    Pause(Duration),
    /// Set the chip up again, and tell [`Recovery::set_up_succeeded`] or [`Recovery::set_up_failed`].
    SetUp,
    /// Set-ups in vain are enough.
    GiveUp {
        /// How often the chip was set up.
        restarts: u32,
        /// What was wrong the last time.
        last: String,
    },
}

/// Where the acquisition stands with its chip.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    pub(super) policy: RecoveryPolicy,
    /// The event with which something began to be wrong.
    trouble: Option<Event>,
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

impl Recovery {
    /// Whether something is wrong with the chip.
    pub(super) const fn in_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// What is to be done before the next edge; `None` while no set-up is due.
    pub(super) fn next_action(&mut self) -> Option<Action> {
        let wait = self.due?;
        if !wait.is_zero() {
            let turn = wait.min(TURN);
            self.due = Some(wait.saturating_sub(turn));
            return Some(Action::Pause(turn));
        }
        if self.restarts >= self.policy.give_up_after.unwrap_or(u32::MAX) {
            return Some(Action::GiveUp {
                restarts: self.restarts,
                last: std::mem::take(&mut self.last),
            });
        }
        self.restarts = self.restarts.saturating_add(1);
        Some(Action::SetUp)
    }

    /// Something is wrong since `at`; the event that says so. `found` is what the registers say.
    pub(super) fn begin_trouble(
        &mut self,
        kind: EventKind,
        (sample, time): (u64, MonotonicNs),
        why: &str,
        found: Option<Inspection>,
    ) -> Event {
        let kind = match found {
            Some(Inspection::Reset) => EventKind::BrownOut,
            Some(Inspection::Changed { .. }) => EventKind::RegisterChanged,
            Some(Inspection::NoAnswer { .. }) => EventKind::NoAnswer,
            Some(Inspection::AsSetUp) | None => kind,
        };
        let found = found.map(|found| found.to_string());
        let detail = match found {
            Some(found) if found != why => format!("{why}; {found}"),
            _ => why.to_owned(),
        };
        let begins = Event::momentary(sample, time, kind, detail)
            .with_episode(Episode::Begins { subject: CHIP });
        self.trouble.insert(begins).clone()
    }

    /// The chip must be set up again: at once the first time, then after growing pauses.
    pub(super) fn request_set_up(&mut self, why: String) {
        self.last = why;
        self.due = Some(match self.restarts {
            0 => Duration::ZERO,
            more => LONGEST_PAUSE.min(FIRST_PAUSE * 2_u32.pow((more - 1).min(8))),
        });
    }

    /// The chip is set up, the next sample to come at `at`; the event, if it is worth one. The first
    /// set-up is, and one after which frames had come; while none come only the second, fourth, eighth
    /// and so on are, because a chip may be silent for days.
    pub(super) fn set_up_succeeded(&mut self, (sample, time): (u64, MonotonicNs)) -> Option<Event> {
        self.due = None;
        self.set_ups += 1;
        let delivered = std::mem::take(&mut self.delivered);
        (delivered || self.set_ups.is_power_of_two()).then(|| {
            let again = match self.set_ups {
                1 => String::new(),
                more => format!(", {more} times by now"),
            };
            let detail = format!("{}; the chip was set up again{again}", self.last);
            Event::momentary(sample, time, EventKind::ChipRestarted, detail)
        })
    }

    /// The set-up failed and is tried again; the event, if it is worth one. The same failure again is
    /// not, and others are at growing distances: a wire that floats fails differently each time.
    pub(super) fn set_up_failed(
        &mut self,
        (sample, time): (u64, MonotonicNs),
        why: String,
    ) -> Option<Event> {
        self.request_set_up(why.clone());
        let failures = self.restarts - self.set_ups;
        (why != self.reported && failures.is_power_of_two()).then(|| {
            self.reported.clone_from(&why);
            Event::momentary(sample, time, EventKind::RestartFailed, why)
        })
    }

    /// Takes note of a good frame; the end of the trouble, once it is over.
    pub(super) fn good_frame(&mut self, at: (u64, MonotonicNs), right_rate: bool) -> Option<Event> {
        self.delivered = true;
        self.trouble.as_ref()?;
        if self.good == 0 {
            self.good_since = at;
        }
        self.good = if right_rate { self.good + 1 } else { 0 };
        if self.good < GOOD_FRAMES {
            return None;
        }
        let detail = self.summary();
        let began = self.trouble.take()?;
        (self.restarts, self.set_ups) = (0, 0);
        self.reported.clear();
        let (sample, time) = self.good_since;
        let ends = Episode::Ends {
            subject: CHIP,
            began_sample: began.sample,
            began: began.time,
        };
        Some(Event::momentary(sample, time, began.kind, detail).with_episode(ends))
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

    /// The good frames in a row end here.
    pub(super) fn bad_frame(&mut self) {
        self.good = 0;
    }

    /// Whether it is time to look at the registers.
    pub(super) fn inspection_due(&mut self, now: MonotonicNs) -> bool {
        let Some(every) = self.policy.inspect_every else {
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
