//! The streaming signal chain: samples at any rate in, beats out.
//!
//! Every sample is brought to [`CHAIN_RATE_HZ`] and conditioned (baseline, mains and muscle noise
//! removed). Sample `j` of the conditioned signal belongs to exactly `j / 250` seconds after input
//! sample 0, whatever the filters' delays and however many samples are missing in between.

mod conditioner;
mod error;
mod filter;
mod kaiser;
mod quality;
mod rate;
mod resample;
mod ring;

pub use conditioner::{ConditionedSample, Conditioner, Mains};
pub use error::SignalError;
pub use quality::SignalQuality;
pub use rate::SampleRate;

/// Rate of the conditioned signal, Hz.
pub const CHAIN_RATE_HZ: u32 = 250;
