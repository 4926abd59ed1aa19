//! What goes into a chain and what comes out of it.

use super::quality::SignalQuality;
use super::rr::RrFeatures;
use super::{CHANNEL_COUNT, WINDOW_SAMPLES};

/// No beat is reported later than this after its R peak, at any rate from 125 to 8000 SPS, seconds
/// of signal: 0.8 s in which the detector may look ahead, 0.06 s of the low-pass and at most
/// 0.08 s of the resampler (at 125 SPS; 0.02 s at 500 SPS). A beat that is beyond doubt is
/// reported as soon as its window is complete, 0.576 s plus the same delays after R.
pub const LARGEST_LABEL_DELAY_S: f64 = 0.94;

/// One input sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Index at the input rate; missing samples count.
    pub index: u64,
    /// Value per channel, µV. The second is ignored in a chain of one channel.
    pub uv: [f32; CHANNEL_COUNT],
    /// Whether the front-end reports an electrode of the channel off.
    pub lead_off: [bool; CHANNEL_COUNT],
}

/// A beat with what is needed to label it.
#[derive(Debug, Clone, PartialEq)]
pub struct CutBeat {
    /// Input index nearest the R peak.
    pub r_sample: u64,
    /// Newest input index that was needed to report the beat.
    pub decided_at_sample: u64,
    /// Channel it was found in and cut from.
    pub channel: usize,
    /// Conditioned signal at 125 Hz, µV; index [`super::R_INDEX`] is the R peak.
    pub window_uv: [f32; WINDOW_SAMPLES],
    /// False if a part of the window lies outside the signal (start, gap, end); it repeats the
    /// nearest sample.
    pub window_complete: bool,
    /// False if too much of the window is missing to tell what beat it is: it begins before the signal
    /// (at the start, behind a gap or behind an electrode that was off), or it is cut so near R that a
    /// part of the QRS complex is missing.
    pub readable: bool,
    /// The usual beat of the channel before this one, laid out as the window: sample by sample the
    /// median of the last up to 64 complete windows, found anew after every eighth beat (each of
    /// the first eight). `None` for a channel's first beat.
    pub template_uv: Option<[f32; WINDOW_SAMPLES]>,
    /// The rhythm up to this beat.
    pub rr: RrFeatures,
    /// Quality of the channel when the beat was reported.
    pub quality: SignalQuality,
}

/// What the chain reports.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "a beat is handed over once and by value; boxing it would allocate"
)]
pub enum ChainEvent {
    /// A beat; beats come in order of time.
    Beat(CutBeat),
    /// The quality of a channel changed.
    Quality {
        /// Newest input index when it was noticed.
        sample: u64,
        /// The channel.
        channel: usize,
        /// Its quality from now on.
        quality: SignalQuality,
    },
    /// Beats are taken from another channel from now on.
    ChannelSwitched {
        /// Newest input index when it was decided.
        sample: u64,
        /// The channel they are taken from.
        channel: usize,
    },
}
