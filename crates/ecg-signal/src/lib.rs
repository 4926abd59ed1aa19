//! The streaming signal chain: samples at any rate in, beats out.
//!
//! Every sample is brought to [`CHAIN_RATE_HZ`] and conditioned (baseline, mains and muscle noise
//! removed). Sample `j` of the conditioned signal belongs to exactly `j / 250` seconds after input
//! sample 0, whatever the filters' delays and however many samples are missing in between.
//!
//! A beat a second, of one lead: QRS complexes as triangles of 1 mV and 80 ms.
//!
//! ```
//! use ecg_signal::{Chain, ChainConfig, ChainEvent, Sample, SampleRate};
//!
//! let rate = SampleRate::from_hz(250.0).unwrap();
//! let mut chain = Chain::new(&ChainConfig::new(rate).channel_count(1)).unwrap();
//! let mut r_samples = Vec::new();
//! let mut sink = |event| {
//!     if let ChainEvent::Beat(beat) = event {
//!         r_samples.push(beat.r_sample);
//!     }
//! };
//! for index in 0..5_000_u64 {
//!     let from_r = (index % 250).abs_diff(125) as f32;
//!     let uv = [(1_000.0 - 100.0 * from_r).max(0.0), 0.0];
//!     chain.push(&Sample { index, uv, lead_off: [false; 2] }, &mut sink);
//! }
//! chain.finish(&mut sink);
//! assert!(r_samples.len() >= 18, "{r_samples:?}");
//! assert!(r_samples.iter().all(|r| (r % 250).abs_diff(125) <= 2), "{r_samples:?}");
//! ```

mod beats;
mod chain;
mod channel;
mod conditioner;
mod config;
mod detector;
mod error;
mod event;
mod filter;
#[cfg(test)]
mod golden_tests;
mod groups;
mod kaiser;
mod known;
mod likeness;
mod monitor;
mod quality;
mod rate;
mod resample;
mod ring;
mod rr;
mod template;
mod waves;
mod windows;

pub use chain::{Chain, LONGEST_BRIDGED_GAP_S};
pub use conditioner::{ConditionedSample, Conditioner, Mains};
pub use config::{BeatSource, ChainConfig, ChannelChoice};
pub use detector::{
    Detection, Detector, DetectorWeights, FEATURE_COUNT, FEATURE_GROUPS, FUSION_COUNT, Judgement,
    Network,
};
pub use error::SignalError;
pub use event::{ChainEvent, CutBeat, LARGEST_LABEL_DELAY_S, Sample};
pub use groups::{BeatGroups, MOST_GROUPS, Placement, TemplateGroups};
pub use quality::SignalQuality;
pub use rate::SampleRate;
pub use rr::{CONTEXT_VALUES, RrFeatures};
pub use waves::{Wave, Waves};
pub use windows::BeatWindows;

#[cfg(test)]
mod tests;

/// Rate of the conditioned signal, Hz.
pub const CHAIN_RATE_HZ: u32 = 250;
/// Rate of a beat's window, Hz: every second conditioned sample.
pub const MODEL_RATE_HZ: u32 = 125;
/// Samples in a beat's window: 1.024 s.
pub const WINDOW_SAMPLES: usize = 128;
/// Place of the R peak in the window, which reaches from 0.440 s before it to 0.576 s after it.
pub const R_INDEX: usize = 55;
/// Most channels a chain takes.
pub const CHANNEL_COUNT: usize = 2;
