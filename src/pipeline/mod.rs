//! Samples in, labelled beats out: the one path every source shares.

mod blocks;
mod event;
mod labeller;
mod record;
mod run;
mod timeline;

pub use event::{
    CHANNEL_COUNT, EcgBlock, Event, Gap, GapCause, LabelledBeat, PipelineEvent, SessionInfo,
};
pub use labeller::LabelError;
pub use record::{RecordError, RecordRun, SignalChoice, open_record, run_record};
pub use run::{Pipeline, PipelineConfig};
