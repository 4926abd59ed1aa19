//! Details of a beat beyond its label: its waves, a saliency map, what the network read.

use arrhythmianet::explain::{ExplainPolicy, ExplainWhich, SaliencyMap, WaveShares};
use ecg_signal::{WINDOW_SAMPLES, Waves};

/// Which details a pipeline hands out.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Details {
    /// Which beats get a map; `None` for no beat.
    pub explain: Option<ExplainPolicy>,
    /// Whether the waves of every beat are looked for; those of a beat with a map always are.
    pub waves: bool,
    /// Whether every beat's window and network input are handed out.
    pub network_view: bool,
}

/// Details of a beat; follows the beat.
#[derive(Debug, Clone, PartialEq)]
pub struct BeatDetail {
    /// The beat's [`LabelledBeat::r_sample`](crate::LabelledBeat::r_sample).
    pub r_sample: u64,
    /// Its waves.
    pub waves: Waves,
    /// Why it has its class, where the policy asks for it.
    pub map: Option<SaliencyMap>,
    /// Where the map's weight lies; `None` without a map or where nothing in it is positive.
    pub shares: Option<WaveShares>,
    /// What the network read, where that is asked for.
    pub network_view: Option<NetworkView>,
}

/// What the network read of a beat.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkView {
    /// The window, µV, as [`ecg_signal::CutBeat::window_uv`].
    pub window_uv: [f32; WINDOW_SAMPLES],
    /// The network's input.
    pub input: Vec<f32>,
}

impl Details {
    /// No details.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            explain: None,
            waves: false,
            network_view: false,
        }
    }

    /// Maps for the beats that `policy` takes, and nothing else.
    #[must_use]
    pub fn explaining(policy: ExplainPolicy) -> Self {
        Self {
            explain: (policy.which != ExplainWhich::OnRequest).then_some(policy),
            ..Self::new()
        }
    }

    /// With the waves of every beat, or of those with a map alone.
    #[must_use]
    pub const fn waves(mut self, every: bool) -> Self {
        self.waves = every;
        self
    }

    /// With what the network read of every beat, or without.
    #[must_use]
    pub const fn network_view(mut self, every: bool) -> Self {
        self.network_view = every;
        self
    }

    /// Whether there are any details to hand out.
    pub(super) const fn any(&self) -> bool {
        self.waves || self.network_view || self.explain.is_some()
    }
}
