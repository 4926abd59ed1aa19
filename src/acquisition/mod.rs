//! Where samples come from: the live chip, a recorded trace, or the simulated chip, all driven by
//! the same driver and counted by the same [`Acquisition`].

mod background;
mod clock;
mod counter;
pub mod doctor;
mod drdy;
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
mod source;
pub mod trace;
mod whole;

pub use background::{BackgroundFile, BackgroundSink, background_file};
pub use clock::{Clock, SystemClock};
pub use drdy::{DataReady, DrdyEdge, EdgeNumbers, WaitError};
pub use engine::Acquisition;
pub use error::AcquisitionError;
pub use event::CHIP;
pub use live::{GpioAbi, Live, LiveDriver, LiveOptions, connect_live, open_live};
pub use paced::Paced;
pub use queued::QueuedSource;
pub use realtime::{Realtime, RealtimeGranted};
pub use recording::{RecordedDriver, Recorder, RecordingDrdy, RecordingPin, RecordingSpi};
pub use recovery::RecoveryPolicy;
pub use replay::{Replay, ReplayHandle, open_replay, replay};
pub use ring::{Received, RingConsumer, RingGauge, RingLevel, RingProducer, ring};
pub use simulated::{
    CarriedAnnotations, RecordExcerpt, RecordSignal, RecordSimulation, Simulated, SimulatedDriver,
    SimulationReport, SyntheticEcg, connect_simulated, open_simulated, simulate_record,
};
pub use source::{Acquired, FrameSource, Pace, Session, SourceInfo};

#[cfg(test)]
pub(crate) use queued::tests as queued_tests;
#[cfg(test)]
mod recovery_tests;
#[cfg(test)]
mod tests;
