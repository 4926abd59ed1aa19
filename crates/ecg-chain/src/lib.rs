//! ECG samples in, labelled and explained heartbeats out: the same for a chip, a recorded trace and a
//! WFDB record.
//!
//! A [`Pipeline`] takes [`RawSample`]s and [`Gap`]s. It finds beats ([`ecg_signal`]), classifies them
//! ([`arrhythmianet`]) and hands out [`PipelineEvent`]s in order: beats with their class, gaps, changes of
//! signal quality, electrodes that come off. It does no input or output and starts no thread.
//!
//! Half a minute of a synthetic ECG:
//!
//! ```
//! use std::sync::Arc;
//!
//! use arrhythmianet::{DEFAULT_MODEL, Model, best_cpu_engine};
//! use ecg_chain::{LeadOff, MonotonicNs, Pipeline, PipelineConfig, PipelineEvent, RawSample};
//! use ecg_signal::{ChainConfig, SampleRate};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let model = Arc::new(Model::load(DEFAULT_MODEL)?);
//! let config = PipelineConfig::new(ChainConfig::new(SampleRate::new(500, 1)?), [1.0; 2]);
//! // Up to 16 beats are classified together.
//! let mut pipeline = Pipeline::new(&config, best_cpu_engine(model, 16))?;
//! let mut beats = Vec::new();
//! let mut collect = |event| {
//!     if let PipelineEvent::Beat(beat) = event {
//!         beats.push(beat);
//!     }
//! };
//! for index in 0..30 * 500 {
//!     // 75 beats per minute; P, Q, R, S and T as Gaussians: time s, width s, height uV.
//!     let time_s = index as f64 / 500.0 % 0.8 - 0.4;
//!     let waves = [
//!         (-0.16, 0.025, 120.0),
//!         (-0.028, 0.008, -100.0),
//!         (0.0, 0.010, 1000.0),
//!         (0.028, 0.009, -180.0),
//!         (0.26, 0.045, 250.0),
//!     ];
//!     let uv: f64 = waves
//!         .iter()
//!         .map(|(centre, width, height)| height * (-((time_s - centre) / width).powi(2) / 2.0).exp())
//!         .sum();
//!     let sample = RawSample {
//!         index,
//!         time: MonotonicNs(index * 2_000_000),
//!         codes: [uv as i32; 2],
//!         lead_off: LeadOff::default(),
//!     };
//!     pipeline.push(&sample, &mut collect)?;
//! }
//! pipeline.finish(&mut collect)?;
//!
//! assert!(beats.len() > 30);
//! for beat in &beats {
//!     println!("{:.1} s: {:?} {:?}", beat.r_time.0 as f64 / 1e9, beat.class, beat.rr_ms);
//! }
//! # Ok(())
//! # }
//! ```

mod blocks;
mod clusters;
mod detail;
mod episodes;
mod event;
mod injection;
mod kind;
mod labeller;
mod lead_off;
mod pipeline;
mod reorder;
mod reprocess;
mod source;
mod time;
mod timeline;

pub use clusters::{
    BeatToCluster, Cluster, Clustering, Clusters, LeftOut, MOST_BEATS_NAMED, MOST_EXAMPLES,
};
pub use detail::{BeatDetail, Details, NetworkView};
pub use episodes::channel_of_subject;
pub use event::{CHANNEL_COUNT, EcgBlock, LabelledBeat, PipelineEvent, SessionInfo};
pub use injection::Injection;
pub use kind::EventKind;
pub use labeller::{LabelError, network_input};
pub use lead_off::{ELECTRODES, LeadOff};
pub use pipeline::{Pipeline, PipelineConfig};
pub use reprocess::{
    LARGEST_DIFFERENCE, PlacedCodes, RecordedBeat, ReprocessError, ReprocessedBeat, Reprocessor,
    Treatment,
};
pub use source::{Episode, Event, Gap, GapCause, RawSample};
pub use time::{ClockRelation, ClockWatch, MonotonicNs, WallUs};
