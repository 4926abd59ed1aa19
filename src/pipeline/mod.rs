//! Samples in, labelled beats out.

mod event;

pub use event::{
    CHANNEL_COUNT, EcgBlock, Event, Gap, GapCause, LabelledBeat, PipelineEvent, SessionInfo,
};
