//! How a chain is set up.

use std::sync::Arc;

#[cfg(feature = "serde")]
use serde::{Deserialize, Serialize};

use super::CHANNEL_COUNT;
use super::conditioner::Mains;
use super::detector::DetectorWeights;
use super::rate::SampleRate;

/// Which channel beats are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(Serialize, Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum ChannelChoice {
    /// The first, unless the other is clearly better.
    #[default]
    Auto,
    /// This one, counted from 0.
    Fixed(usize),
}

/// Where the R peaks come from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BeatSource {
    /// The chain's own detector.
    #[default]
    Detector,
    /// Known R peaks as input indices in order of time: the annotated ones of a database. Beats are
    /// cut there and nowhere else, and everything else (rhythm, quality, gaps) is as always. An R
    /// peak where there is no signal gives no beat.
    Known(Arc<[u64]>),
}

/// How the samples are to be read; [`ChainConfig::new`] has what is usual.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChainConfig {
    /// Rate of the input.
    pub rate: SampleRate,
    /// Channels of the input, 1 or 2.
    pub channel_count: usize,
    /// Mains frequency to remove.
    pub mains: Mains,
    /// Where beats are taken from.
    pub channel: ChannelChoice,
    /// Where the R peaks come from.
    pub beats: BeatSource,
    /// The converter's limit on both sides of zero, µV, per channel; `None` where unknown, and
    /// clipping is not looked for.
    pub full_scale_uv: [Option<f32>; CHANNEL_COUNT],
    /// What the QRS detector was fitted on.
    pub detector_weights: DetectorWeights,
}

impl ChainConfig {
    /// Two channels at `rate`, 50 Hz mains, automatic choice, full scale unknown.
    #[must_use]
    pub fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            channel_count: CHANNEL_COUNT,
            mains: Mains::default(),
            channel: ChannelChoice::default(),
            beats: BeatSource::default(),
            full_scale_uv: [None; CHANNEL_COUNT],
            detector_weights: DetectorWeights::default(),
        }
    }

    /// With another [`ChainConfig::channel_count`].
    #[must_use]
    pub const fn channel_count(mut self, count: usize) -> Self {
        self.channel_count = count;
        self
    }

    /// With another [`ChainConfig::mains`].
    #[must_use]
    pub const fn mains(mut self, mains: Mains) -> Self {
        self.mains = mains;
        self
    }

    /// With another [`ChainConfig::channel`].
    #[must_use]
    pub const fn channel(mut self, choice: ChannelChoice) -> Self {
        self.channel = choice;
        self
    }

    /// With R peaks from elsewhere.
    #[must_use]
    pub fn beats(mut self, source: BeatSource) -> Self {
        self.beats = source;
        self
    }

    /// With a known [`ChainConfig::full_scale_uv`].
    #[must_use]
    pub const fn full_scale_uv(mut self, limits: [Option<f32>; CHANNEL_COUNT]) -> Self {
        self.full_scale_uv = limits;
        self
    }

    /// With other weights of the QRS detector.
    #[must_use]
    pub fn detector_weights(mut self, weights: DetectorWeights) -> Self {
        self.detector_weights = weights;
        self
    }
}
