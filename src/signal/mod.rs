//! The streaming signal chain: samples at any rate in, beats out.
//!
//! Every sample is brought to [`CHAIN_RATE_HZ`] and conditioned (baseline, mains and muscle noise
//! removed). Sample `j` of the conditioned signal belongs to exactly `j / 250` seconds after input
//! sample 0, whatever the filters' delays and however many samples are missing in between.

mod beats;
mod chain;
mod channel;
mod conditioner;
mod detector;
mod error;
mod filter;
#[cfg(test)]
mod golden_tests;
mod kaiser;
mod known;
mod monitor;
mod quality;
mod rate;
mod resample;
mod ring;
mod rr;
mod template;
mod waves;

pub use chain::{
    BeatSource, Chain, ChainConfig, ChainEvent, ChannelChoice, CutBeat, LARGEST_LABEL_DELAY_S,
    LONGEST_BRIDGED_GAP_S, Sample,
};
pub use conditioner::{ConditionedSample, Conditioner, Mains};
pub use detector::{
    Detection, Detector, DetectorWeights, FEATURE_COUNT, FEATURE_GROUPS, FUSION_COUNT, Judgement,
    Network,
};
pub use error::SignalError;
pub use quality::SignalQuality;
pub use rate::SampleRate;
pub use rr::{CONTEXT_VALUES, RrFeatures};
pub use waves::{Wave, Waves};

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
