//! A scripted loss of the device that classifies, for demonstrations of what happens then.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::ads1292::simulator::{Fault, FaultScript, parse_time_ns};

/// When the device goes away. Fires once, whatever number of pipelines share it.
#[derive(Debug)]
pub struct Injection {
    when: When,
    beats: AtomicU64,
    fired: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// With the batch that reaches this time since the session began.
    TimeNs(u64),
    /// With the batch that holds this beat, counted from 1 over all sessions.
    Beat(u64),
}

/// A text that is no injection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "found {found}, expected gpu-lost@TIME such as gpu-lost@90s, or gpu-lost@BEAT such as gpu-lost@5000"
)]
pub struct InjectionError {
    found: String,
}

impl FromStr for Injection {
    type Err = InjectionError;

    fn from_str(text: &str) -> Result<Self, InjectionError> {
        let wrong = || InjectionError {
            found: text.to_owned(),
        };
        let when = text.strip_prefix("gpu-lost@").ok_or_else(wrong)?;
        let when = match when.parse() {
            Ok(0) => return Err(wrong()),
            Ok(beat) => When::Beat(beat),
            Err(_) => When::TimeNs(parse_time_ns(when).map_err(|_| wrong())?),
        };
        Ok(Self::at(when))
    }
}

impl Injection {
    /// The first loss of a GPU in a fault script.
    #[must_use]
    pub fn scripted(script: &FaultScript) -> Option<Self> {
        let losses = script
            .faults()
            .iter()
            .filter(|it| it.fault == Fault::GpuLost);
        losses
            .map(|it| it.at_ns)
            .min()
            .map(|at_ns| Self::at(When::TimeNs(at_ns)))
    }

    fn at(when: When) -> Self {
        Self {
            when,
            beats: AtomicU64::new(0),
            fired: AtomicBool::new(false),
        }
    }

    /// Counts a batch of `beats`, the last of which is `last_ns` after the session's start; true for
    /// the one batch that loses its device.
    pub(super) fn is_due(&self, beats: usize, last_ns: u64) -> bool {
        let counted = self.beats.fetch_add(beats as u64, Ordering::Relaxed) + beats as u64;
        let reached = match self.when {
            When::TimeNs(time_ns) => last_ns >= time_ns,
            When::Beat(beat) => counted >= beat,
        };
        reached && !self.fired.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fires_once_with_the_batch_that_reaches_it() {
        let beat: Injection = "gpu-lost@100".parse().unwrap();
        let due: Vec<bool> = [64, 35, 1, 64].map(|beats| beat.is_due(beats, 0)).into();
        assert_eq!(due, [false, false, true, false]);
        let time: Injection = "gpu-lost@1.5s".parse().unwrap();
        let due: Vec<bool> = [1_400_000_000, 1_500_000_000, 1_600_000_000]
            .map(|ns| time.is_due(1, ns))
            .into();
        assert_eq!(due, [false, true, false]);
    }

    #[test]
    fn a_fault_script_may_hold_it() {
        let script: FaultScript = "at 1s lead-off rld\nat 3s gpu-lost\nat 2s gpu-lost"
            .parse()
            .unwrap();
        let injection = Injection::scripted(&script).unwrap();
        assert!(!injection.is_due(1, 1_999_999_999));
        assert!(injection.is_due(1, 2_000_000_000));
        assert!(Injection::scripted(&FaultScript::default()).is_none());
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in [
            "",
            "gpu-lost",
            "gpu-lost@",
            "gpu-lost@0",
            "gpu-lost@soon",
            "lead-off@1s",
            "gpu-lost@-1s",
        ] {
            let error = text.parse::<Injection>().unwrap_err().to_string();
            assert!(error.contains("gpu-lost@90s"), "{text}: {error}");
        }
    }
}
