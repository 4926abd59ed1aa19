//! What the pipeline hands out.

use arrhythmianet::{BeatClass, CLASS_COUNT, Unclassifiable};
use ecg_signal::{ChannelChoice, Mains, SignalQuality};
#[cfg(feature = "serde")]
use serde::Serialize;

use super::detail::BeatDetail;
use super::source::{Event, Gap};
use super::time::{ClockRelation, MonotonicNs};

/// Channels of the ADS1292 and of every stored block.
pub const CHANNEL_COUNT: usize = 2;

/// Microvolts per code of each channel, as samples are scaled with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale([f32; CHANNEL_COUNT]);

impl Scale {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "f32 holds a scale to 7 digits"
    )]
    pub(super) fn new(uv_per_code: [f64; CHANNEL_COUNT]) -> Self {
        Self(uv_per_code.map(|scale| scale as f32))
    }

    /// Codes in microvolts.
    pub(super) fn microvolts(self, codes: [i32; CHANNEL_COUNT]) -> [f32; CHANNEL_COUNT] {
        std::array::from_fn(|channel| codes[channel] as f32 * self.0[channel])
    }
}

/// Where the samples of a session come from and how to read them.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(Serialize))]
pub struct SessionInfo {
    /// `live`, `replay`, `simulation`.
    pub source: String,
    /// Trace file, WFDB record or device node.
    pub origin: String,
    /// `ADS1292`, `ADS1292R`, or `WFDB` where no chip was in the way.
    pub chip: String,
    /// Samples per second and channel.
    pub sample_rate_hz: f64,
    /// Microvolts per code, per channel.
    pub uv_per_code: [f64; CHANNEL_COUNT],
    /// Names of the leads, empty where unknown.
    pub leads: [String; CHANNEL_COUNT],
    /// Mains filter of the signal chain; `None` where it was not kept.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub mains: Option<Mains>,
    /// Where the signal chain takes beats from; `None` where it was not kept.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub channel: Option<ChannelChoice>,
    /// Whom it is of, as the user names the patient: personal data. `None` where nobody said.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub patient_label: Option<String>,
    /// The session's start on both clocks.
    pub start: ClockRelation,
    /// Name of the model that labels the beats, e.g. `v1`.
    pub model: String,
    /// Engine that runs it, e.g. `cpu-reference`.
    pub engine: String,
}

/// One classified heartbeat.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledBeat {
    /// Index of the sample nearest the R peak, counted from the session's first sample at the
    /// session's sample rate; missing samples count, so a gap never shifts later indices.
    pub r_sample: u64,
    /// Monotonic time of the R peak.
    pub r_time: MonotonicNs,
    /// RR interval ending in this beat, milliseconds; `None` for the first beat after the start or
    /// after a gap.
    pub rr_ms: Option<f32>,
    /// The label: the class of the largest probability.
    pub class: BeatClass,
    /// Why the label is not to be trusted, if it is not.
    pub unclassifiable: Option<Unclassifiable>,
    /// Softmax of the logits, in the order N L R A V, sums to 1.
    pub probabilities: [f32; CLASS_COUNT],
    /// Channel the classified window was cut from, 0 or 1; shown as 1 or 2.
    pub channel: u8,
    /// Quality of that channel around the beat.
    pub quality: SignalQuality,
    /// False where the window was cut short by a gap or the end of the signal and padded.
    pub window_complete: bool,
    /// Signal time from the R peak to the newest sample the label needed, milliseconds.
    pub label_delay_ms: f32,
}

/// Consecutive raw samples as the converter gave them, for redrawing any beat later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcgBlock {
    /// Index of the first sample.
    pub first_sample: u64,
    /// Monotonic time of the first sample.
    pub first_time: MonotonicNs,
    /// Codes of both channels, without gaps.
    pub codes: Vec<[i32; CHANNEL_COUNT]>,
}

/// Everything that leaves the pipeline, in the order of signal time of its decision, except raw ECG,
/// which never waits for beats to be classified together.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PipelineEvent {
    /// A labelled beat.
    Beat(LabelledBeat),
    /// Details of the beat before this, where they are asked for.
    Detail(Box<BeatDetail>),
    /// Missing samples.
    Gap(Gap),
    /// A noteworthy event.
    Event(Event),
    /// Raw samples for the store.
    Ecg(EcgBlock),
    /// The wall clock was set; from here on it stands to the monotonic one like this.
    Clock {
        /// Both clocks after it.
        relation: ClockRelation,
        /// By how much it went forward, microseconds; negative where it went back.
        step_us: i64,
    },
    /// Beats from here on were decided by this engine.
    Engine(String),
}
