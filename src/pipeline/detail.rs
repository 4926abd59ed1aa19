//! What is told of a beat beyond its label: its waves, why it was called what it was, what was seen.

use crate::explain::{ExplainPolicy, ExplainWhich, SaliencyMap, WaveShares};
use crate::signal::{WINDOW_SAMPLES, Waves};

/// Which details a pipeline tells.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Details {
    /// Which beats get a map; `None` for no beat.
    pub explain: Option<ExplainPolicy>,
    /// Whether the waves of every beat are looked for; those of a beat with a map always are.
    pub waves: bool,
    /// Whether every beat's window and input are handed out.
    pub seen: bool,
}

/// Details of a beat; follows the beat.
#[derive(Debug, Clone, PartialEq)]
pub struct BeatDetail {
    /// The beat's [`super::LabelledBeat::r_sample`].
    pub r_sample: u64,
    /// Its waves.
    pub waves: Waves,
    /// Why it was called what it was, where the policy asks for it.
    pub map: Option<SaliencyMap>,
    /// Where the map's weight lies; `None` without a map or where nothing in it is positive.
    pub shares: Option<WaveShares>,
    /// What was seen of it, where that is asked for.
    pub seen: Option<SeenBeat>,
}

/// What a beat was labelled by.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenBeat {
    /// The window, µV, as [`crate::signal::CutBeat::window_uv`].
    pub window_uv: [f32; WINDOW_SAMPLES],
    /// The network's input.
    pub input: Vec<f32>,
}

impl Details {
    /// Maps for the beats that `policy` takes, and nothing else.
    #[must_use]
    pub fn explaining(policy: ExplainPolicy) -> Self {
        Self {
            explain: (policy.which != ExplainWhich::OnRequest).then_some(policy),
            ..Self::default()
        }
    }

    /// Whether anything is told at all.
    pub(super) const fn any(&self) -> bool {
        self.waves || self.seen || self.explain.is_some()
    }
}

/// What is kept of a beat until it is labelled.
pub(super) struct Kept {
    pub(super) window_uv: [f32; WINDOW_SAMPLES],
    pub(super) rr_s: Option<f32>,
}

/// A map with where its weight lies.
pub(super) fn shares(map: &SaliencyMap, waves: &Waves) -> Option<WaveShares> {
    WaveShares::new(map, waves.ranges())
}
