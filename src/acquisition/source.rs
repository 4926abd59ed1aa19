//! A source of samples, and what it hands out.

use ads1292::ChipModel;
use ecg_chain::{ClockRelation, Event, Gap, RawSample};

use super::drdy::EdgeNumbers;
use super::error::AcquisitionError;

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

/// What is known of a session before it starts, beyond the chip's set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The start on both clocks.
    pub start: ClockRelation,
    /// Whether conversions are started by the START pin.
    pub start_by_pin: bool,
    /// Names of the leads, empty where unknown.
    pub leads: [String; 2],
    /// Free text: source, attribution, licence.
    pub description: String,
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
