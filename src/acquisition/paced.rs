//! A simulated source at the pace of real time.

use std::time::Duration;

use ecg_chain::{Episode, MonotonicNs};

use super::clock::{Clock, SystemClock};
use super::error::AcquisitionError;
use super::source::{Acquired, FrameSource, SourceInfo};

/// Hands out what `source` has when its time has come: a recording or a simulation as the live chip
/// would deliver it. The first sample comes at once and sets the pace; a reader that is late gets
/// what it missed without waiting. All times are the machine's.
#[derive(Debug)]
pub struct Paced<S> {
    source: S,
    /// The first time in the source, and the machine's at that moment.
    origin: Option<(MonotonicNs, MonotonicNs)>,
    hang_after: Option<Duration>,
    /// Signal time that passes in a second.
    speed: f64,
}

impl<S: FrameSource> Paced<S> {
    /// `source` in real time.
    #[must_use]
    pub fn new(source: S) -> Self {
        Self {
            source,
            origin: None,
            hang_after: None,
            speed: 1.0,
        }
    }

    /// So many times as fast as real time; `speed` must be above 0.
    #[must_use]
    pub fn at_speed(self, speed: f64) -> Self {
        Self { speed, ..self }
    }

    /// The thread that reads never comes back after this much signal: what a watchdog is for.
    #[must_use]
    pub fn hanging_after(self, signal: Duration) -> Self {
        Self {
            hang_after: Some(signal),
            ..self
        }
    }
}

impl<S: FrameSource> FrameSource for Paced<S> {
    fn info(&self) -> &SourceInfo {
        self.source.info()
    }

    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        let mut acquired = self.source.next()?;
        match &mut acquired {
            Some(Acquired::Sample(sample)) => {
                sample.time = self.shifted(sample.time);
                self.wait_until(sample.time);
            }
            Some(Acquired::Gap(gap)) => gap.time = self.shifted(gap.time),
            Some(Acquired::Event(event)) => {
                event.time = self.shifted(event.time);
                if let Episode::Ends { began, .. } = &mut event.episode {
                    *began = self.shifted(*began);
                }
            }
            // Virtual time passes without a wait; the next sample waits for all of it.
            Some(Acquired::Idle) => std::thread::sleep(IDLE),
            None => {}
        }
        Ok(acquired)
    }

    fn close(&mut self) -> Result<(), AcquisitionError> {
        self.source.close()
    }
}

/// Pause of an idle turn, so that a silent chip does not take a whole processor.
const IDLE: Duration = Duration::from_millis(10);

impl<S> Paced<S> {
    /// A time of the source on the machine's clock.
    fn shifted(&mut self, time: MonotonicNs) -> MonotonicNs {
        let now = SystemClock.now();
        let (first, began) = *self.origin.get_or_insert((time, now));
        MonotonicNs(began.0.saturating_add(time.0).saturating_sub(first.0))
    }

    fn wait_until(&mut self, time: MonotonicNs) {
        let began = self.origin.map_or(time, |(_, began)| began);
        let since = Duration::from_nanos(time.since(began));
        if self.hang_after.is_some_and(|after| since >= after) {
            tracing::warn!("the acquisition thread hangs, as asked for");
            loop {
                std::thread::park();
            }
        }
        let elapsed = Duration::from_nanos(SystemClock.now().since(began));
        let due =
            Duration::try_from_secs_f64(since.as_secs_f64() / self.speed).unwrap_or(Duration::MAX);
        if let Some(early) = due.checked_sub(elapsed) {
            std::thread::sleep(early);
        }
    }
}

#[cfg(test)]
mod tests {
    use ads1292::ChipConfig;
    use ads1292::simulator::BoardOptions;
    use ecg_chain::{ClockRelation, WallUs};

    use super::*;
    use crate::acquisition::{Session, SyntheticEcg, open_simulated};

    #[test]
    fn a_second_of_signal_takes_a_second() {
        let session = Session {
            start: ClockRelation {
                monotonic: MonotonicNs(0),
                wall: WallUs(0),
            },
            start_by_pin: false,
            leads: Default::default(),
            description: String::new(),
        };
        let simulated = open_simulated(
            &BoardOptions::default(),
            ChipConfig::default(),
            SyntheticEcg::new(70.0, Some(1.0)),
            session,
            None,
        )
        .unwrap();
        let mut source = Paced::new(simulated);
        let began = SystemClock.now();
        let mut samples = 0_u32;
        loop {
            match source.next() {
                Ok(Some(Acquired::Sample(_))) => samples += 1,
                Ok(Some(_)) => {}
                Ok(None) | Err(AcquisitionError::SourceEnded) => break,
                Err(error) => panic!("{error}"),
            }
        }
        let took_ns = SystemClock.now().0 - began.0;
        assert!(samples >= 499, "{samples}");
        assert!(
            took_ns >= 990_000_000,
            "{took_ns} ns for a second of signal"
        );
    }
}
