//! A beat that was found and cut, before its class is known.

use arrhythmianet::{Decision, Unclassifiable};
use ecg_signal::{CutBeat, SignalQuality, WINDOW_SAMPLES};

use super::event::LabelledBeat;
use super::time::MonotonicNs;

/// What is known of a beat before it is classified.
pub(super) struct PendingBeat {
    pub(super) r_sample: u64,
    pub(super) r_time: MonotonicNs,
    rr_s: Option<f32>,
    channel: u8,
    quality: SignalQuality,
    window_complete: bool,
    label_delay_ms: f32,
    /// Whether its window can be read.
    readable: bool,
    /// Its window, µV, where details are wanted.
    window_uv: Option<Box<[f32; WINDOW_SAMPLES]>>,
}

/// A beat with its class, and what its details are computed from.
pub(super) struct ClassifiedBeat {
    pub(super) beat: LabelledBeat,
    pub(super) rr_s: Option<f32>,
    pub(super) window_uv: Option<Box<[f32; WINDOW_SAMPLES]>>,
}

impl PendingBeat {
    /// The window is kept only where details are wanted.
    pub(super) fn new(
        cut: &CutBeat,
        r_time: MonotonicNs,
        sample_period_ms: f64,
        keep_window: bool,
    ) -> Self {
        let delay_samples = cut.decided_at_sample.saturating_sub(cut.r_sample);
        #[expect(clippy::cast_possible_truncation, reason = "a delay of about 1000 ms")]
        let label_delay_ms = (delay_samples as f64 * sample_period_ms) as f32;
        Self {
            r_sample: cut.r_sample,
            r_time,
            rr_s: cut.rr.rr_s,
            channel: u8::from(cut.channel != 0),
            quality: cut.quality,
            window_complete: cut.window_complete,
            label_delay_ms,
            readable: cut.readable,
            window_uv: keep_window.then(|| Box::new(cut.window_uv)),
        }
    }

    /// Whether the signal is good enough for the class to be trusted.
    pub(super) fn signal_usable(&self) -> bool {
        self.readable && self.quality.is_usable()
    }

    /// The beat with its class.
    pub(super) fn classified(
        self,
        decision: Decision,
        unclassifiable: Option<Unclassifiable>,
    ) -> ClassifiedBeat {
        ClassifiedBeat {
            beat: LabelledBeat {
                r_sample: self.r_sample,
                r_time: self.r_time,
                rr_ms: self.rr_s.map(|rr_s| rr_s * 1e3),
                class: decision.class,
                unclassifiable,
                probabilities: decision.probabilities,
                channel: self.channel,
                quality: self.quality,
                window_complete: self.window_complete,
                label_delay_ms: self.label_delay_ms,
            },
            rr_s: self.rr_s,
            window_uv: self.window_uv,
        }
    }
}
