//! Where samples come from: the live chip, a recorded trace, or the simulated chip, all driven by
//! the same driver and counted by the same [`Acquisition`].

mod background;
mod clock;
mod counter;
pub mod doctor;
mod engine;
mod error;
mod event;
mod live;
mod paced;
mod queued;
mod realtime;
mod recording;
mod recovery;
mod replay;
mod ring;
mod simulated;
pub mod trace;

use std::time::Duration;

use crate::ads1292::{ChipModel, LeadOff};
use crate::time::{ClockRelation, MonotonicNs};

pub use background::{BackgroundFile, BackgroundSink, background_file};
pub use clock::{Clock, SystemClock};
pub use engine::Acquisition;
pub use error::{AcquisitionError, ReplayMismatch};
pub use event::{
    CHIP, CHIP_RESTARTED, Episode, Event, Gap, GapCause, RESTART_FAILED, chip_trouble,
};
pub use live::{GpioAbi, GpioChoice, Live, LiveDriver, LiveOptions, connect_live, open_live};
pub use paced::Paced;
pub use queued::QueuedSource;
pub use realtime::{Realtime, RealtimeGranted};
pub use recording::{Recorder, RecordingDrdy, RecordingPin, RecordingSpi, Session};
pub use recovery::Care;
pub use replay::{Replay, ReplayHandle, open_replay, replay};
pub use ring::{Inbox, Outbox, RingGauge, RingLevel, Taken, ring};
pub use simulated::{
    CarriedAnnotations, RecordExcerpt, RecordSignal, RecordSimulation, Simulated, SimulatedDriver,
    SimulationReport, SyntheticEcg, connect_simulated, open_simulated, simulate_record,
};

/// A source of samples, gaps and events, in order of time.
pub trait FrameSource {
    /// What the source says about itself.
    fn info(&self) -> &SourceInfo;

    /// What comes next, waiting for it if need be; `None` when there is no more.
    ///
    /// # Errors
    /// [`AcquisitionError`]; the source cannot go on after one.
    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError>;

    /// Whether [`FrameSource::next`] would have to wait.
    fn pace(&mut self) -> Pace {
        Pace::Live
    }

    /// Tells the device to stop; nothing is asked of the source afterwards.
    ///
    /// # Errors
    /// [`AcquisitionError`] where the chip cannot be told.
    fn close(&mut self) -> Result<(), AcquisitionError> {
        Ok(())
    }
}

/// How fast a source is, seen from its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// What comes next has not happened yet.
    Live,
    /// The reader is behind: what comes next has happened and waits.
    Behind,
    /// Everything has happened long ago.
    Recorded,
}

impl<S: FrameSource + ?Sized> FrameSource for Box<S> {
    fn info(&self) -> &SourceInfo {
        (**self).info()
    }

    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        (**self).next()
    }

    fn pace(&mut self) -> Pace {
        (**self).pace()
    }

    fn close(&mut self) -> Result<(), AcquisitionError> {
        (**self).close()
    }
}

/// How to read a source's samples.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceInfo {
    /// The part.
    pub chip: ChipModel,
    /// Samples per second and channel, nominal.
    pub sample_rate_hz: f64,
    /// Microvolts per code, per channel.
    pub uv_per_code: [f64; 2],
    /// The session's start on both clocks, before the chip was set up.
    pub start: ClockRelation,
    /// Names of the leads, empty where unknown.
    pub leads: [String; 2],
    /// Free text: source, attribution, licence.
    pub description: String,
    /// How lost edges are found.
    pub edge_numbers: EdgeNumbers,
}

/// What a source hands out.
#[derive(Debug, Clone, PartialEq)]
pub enum Acquired {
    /// A sample.
    Sample(RawSample),
    /// Samples that are missing; the next sample's index lies behind them.
    Gap(Gap),
    /// Something worth a line in the log.
    Event(Event),
    /// Nothing for a while, so that the reader can look whether it is to stop.
    Idle,
}

/// One conversion of both channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawSample {
    /// Counted from the first sample; missing samples count.
    pub index: u64,
    /// Time of the DRDY edge.
    pub time: MonotonicNs,
    /// The converter's codes.
    pub codes: [i32; 2],
    /// Electrodes found off.
    pub lead_off: LeadOff,
}

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

#[cfg(test)]
pub(crate) use queued::tests as queued_tests;
#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod tests;
