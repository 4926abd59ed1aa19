//! Samples in, labelled beats out: the one path every source shares.

mod blocks;
mod event;
mod labeller;
mod run;
mod timeline;

pub use event::{
    CHANNEL_COUNT, EcgBlock, Event, Gap, GapCause, LabelledBeat, PipelineEvent, SessionInfo,
};
pub use labeller::LabelError;
pub use run::{Pipeline, PipelineConfig};
