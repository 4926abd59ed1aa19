//! The DRDY pin.

use core::fmt;

use super::chip::DrdyEdge;
use super::shared::SharedChip;

/// DRDY has not fallen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DrdyWaitError {
    /// Not within the time given; the chip may be stopped, in standby or reset.
    TimedOut {
        /// The time given.
        timeout_ns: u64,
    },
    /// Never again: the sample source has ended.
    SourceEnded,
}

impl fmt::Display for DrdyWaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { timeout_ns } => write!(f, "DRDY did not fall within {timeout_ns} ns"),
            Self::SourceEnded => f.write_str("the sample source has ended"),
        }
    }
}

impl core::error::Error for DrdyWaitError {}

/// The DRDY pin, waited on. Each handle remembers the edge it has reported last.
#[derive(Debug)]
pub struct SimulatedDrdy {
    chip: SharedChip,
    reported: u64,
}

impl SimulatedDrdy {
    pub(super) const fn new(chip: SharedChip) -> Self {
        Self { chip, reported: 0 }
    }

    /// Waits for an edge not reported yet, at most `timeout_ns` of virtual time.
    ///
    /// Where edges have passed since the last call, the newest is reported at once and the others
    /// are lost, as their conversions are.
    ///
    /// # Errors
    /// [`DrdyWaitError`].
    pub fn wait_falling(&mut self, timeout_ns: u64) -> Result<DrdyEdge, DrdyWaitError> {
        let mut chip = self.chip.lock();
        let deadline_ns = chip.now_ns.saturating_add(timeout_ns);
        loop {
            if let Some(edge) = chip.newest_edge
                && edge.sequence > self.reported
            {
                self.reported = edge.sequence;
                return Ok(edge);
            }
            if chip.source_ended {
                return Err(DrdyWaitError::SourceEnded);
            }
            match chip.next_event_ns() {
                Some(next_ns) if next_ns <= deadline_ns => chip.advance_to(next_ns),
                _ => {
                    chip.advance_to(deadline_ns);
                    return Err(DrdyWaitError::TimedOut { timeout_ns });
                }
            }
        }
    }

    /// Forgets an edge that has passed and was not reported. Like a kernel's queue of edges, this
    /// pin remembers an edge across a reset of the chip: discard after initialising anew.
    pub fn discard(&mut self) {
        if let Some(edge) = self.chip.lock().newest_edge {
            self.reported = edge.sequence;
        }
    }
}
