//! The DRDY line of a chip.

use std::time::Duration;

use ecg_chain::MonotonicNs;

use super::error::AcquisitionError;

/// A falling edge of DRDY: a conversion is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrdyEdge {
    /// When it fell.
    pub time: MonotonicNs,
    /// Running number of the edge, counted by whoever saw it first (the kernel); wraps at 2^32.
    /// A jump by more than one is edges nobody read the data of.
    pub sequence: u32,
}

/// The DRDY line.
pub trait DataReady {
    /// Waits for an edge not handed out yet. Where several have passed the newest is handed out,
    /// since the chip holds only the newest conversion; the sequence number shows the others.
    ///
    /// # Errors
    /// [`WaitError`].
    fn wait(&mut self, timeout: Duration) -> Result<DrdyEdge, WaitError>;

    /// Forgets edges not handed out yet: they are of conversions before the chip was set up.
    ///
    /// # Errors
    /// [`AcquisitionError`] where the line cannot be read.
    fn forget(&mut self) -> Result<(), AcquisitionError> {
        Ok(())
    }

    /// What the recording says the host did next: true where it looked at the registers, `None`
    /// where nothing is recorded and the host is free.
    fn recorded_inspection(&mut self) -> Option<bool> {
        None
    }

    /// Lets time pass, edges or not.
    fn pause(&mut self, _time: Duration) {}

    /// Who numbers the edges.
    fn numbers(&self) -> EdgeNumbers {
        EdgeNumbers::Kernel
    }

    /// Whether edges come as fast as they are asked for.
    fn is_recorded(&self) -> bool {
        false
    }
}

/// Who numbers the edges of the DRDY line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeNumbers {
    /// Whoever sees all of them: an edge nobody read shows in the numbers.
    Kernel,
    /// Whoever reads them: an edge that was lost shows only as a hole in the time stamps.
    Reader,
}

/// Why there is no edge.
#[derive(Debug)]
pub enum WaitError {
    /// None came within the time given, which ended at this moment.
    Timeout(MonotonicNs),
    /// The recorded host looked at the registers here.
    Inspection,
    /// The line cannot be waited on, or the source has ended
    /// ([`AcquisitionError::SourceEnded`]).
    Failed(AcquisitionError),
}

impl From<AcquisitionError> for WaitError {
    fn from(error: AcquisitionError) -> Self {
        Self::Failed(error)
    }
}
