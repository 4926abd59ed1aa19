//! Samples in, labelled beats out: the one path every source shares.

mod blocks;
mod detail;
mod episodes;
mod event;
mod held;
mod injection;
mod labeller;
mod record;
mod run;
mod timeline;

pub use crate::acquisition::{Episode, Event, Gap, GapCause};
pub use detail::{BeatDetail, Details, SeenBeat};
pub use episodes::channel_of_subject;
pub use event::{CHANNEL_COUNT, EcgBlock, LabelledBeat, PipelineEvent, SessionInfo};
pub use injection::{Injection, InjectionError};
pub use labeller::LabelError;
pub use record::{
    RecordError, RecordRun, RecordSettings, SignalChoice, chosen_signals, open_record, run_record,
};
pub use run::{Pipeline, PipelineConfig};
