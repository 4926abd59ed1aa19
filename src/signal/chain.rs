//! The chain: samples of one or two channels in, cut beats out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::beats::BeatKeeper;
use super::channel::{Channel, ChannelOutput};
use super::known::KnownBeats;
use super::resample::Kernel;
use super::{
    CHANNEL_COUNT, DetectorWeights, Mains, RrFeatures, SampleRate, SignalError, SignalQuality,
    WINDOW_SAMPLES,
};

/// No beat is reported later than this after its R peak, at any rate from 125 to 8000 SPS, seconds
/// of signal: 0.8 s in which the detector may look ahead, 0.06 s of the low-pass and at most
/// 0.08 s of the resampler (at 125 SPS; 0.02 s at 500 SPS). A beat that is beyond doubt is
/// reported as soon as its window is complete, 0.576 s plus the same delays after R.
pub const LARGEST_LABEL_DELAY_S: f64 = 0.94;

/// A gap up to this long is bridged by a straight line, seconds: a single lost conversion must not
/// cost the filters' memory. Nothing shorter than half a QRS complex can hide in it.
pub const LONGEST_BRIDGED_GAP_S: f64 = 0.02;

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

/// Which channel beats are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// How the samples are to be read.
#[derive(Debug, Clone, PartialEq)]
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

/// The streaming chain. All memory is allocated by [`Chain::new`].
#[derive(Debug, Clone)]
pub struct Chain {
    channels: Vec<Channel>,
    beats: BeatKeeper,
    known: Option<KnownBeats>,
    /// Whether the channels hear each other.
    fused: bool,
    longest_bridge_samples: u64,
    newest: Option<Sample>,
}

impl Chain {
    /// A chain that has seen nothing; the first sample may have any index.
    ///
    /// # Errors
    /// [`SignalError::ChannelCount`], [`SignalError::Channel`].
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are between 100 and 10,000 Hz"
    )]
    pub fn new(config: &ChainConfig) -> Result<Self, SignalError> {
        let channels = config.channel_count;
        if !(1..=CHANNEL_COUNT).contains(&channels) {
            return Err(SignalError::ChannelCount { found: channels });
        }
        if let ChannelChoice::Fixed(found) = config.channel
            && found >= channels
        {
            return Err(SignalError::Channel { found, channels });
        }
        let kernel = Arc::new(Kernel::new(config.rate));
        let channel = |&full_scale_uv: &Option<f32>| {
            Channel::new(
                config.rate,
                Arc::clone(&kernel),
                config.mains,
                full_scale_uv,
                config.detector_weights.clone(),
            )
        };
        Ok(Self {
            channels: config
                .full_scale_uv
                .iter()
                .take(channels)
                .map(channel)
                .collect(),
            beats: BeatKeeper::new(config),
            known: match &config.beats {
                BeatSource::Detector => None,
                BeatSource::Known(r_samples) => {
                    Some(KnownBeats::new(config.rate, Arc::clone(r_samples)))
                }
            },
            fused: config.channel == ChannelChoice::Auto,
            longest_bridge_samples: (LONGEST_BRIDGED_GAP_S * config.rate.hz()) as u64,
            newest: None,
        })
    }

    /// The channel beats are taken from at present.
    #[must_use]
    pub fn active_channel(&self) -> usize {
        self.beats.active_channel()
    }

    /// The present quality of a channel, `None` if there is no such channel.
    #[must_use]
    pub fn quality(&self, channel: usize) -> Option<SignalQuality> {
        self.channels.get(channel).map(Channel::quality)
    }

    /// Take a sample. Indices that were skipped are a gap, see [`Chain::gap`]; an index that is not
    /// after the newest is ignored.
    #[inline]
    pub fn push(&mut self, sample: &Sample, sink: &mut impl FnMut(ChainEvent)) {
        match self.newest {
            Some(newest) if sample.index == newest.index + 1 => {}
            Some(newest) if sample.index <= newest.index => return,
            Some(newest) if sample.index - newest.index - 1 <= self.longest_bridge_samples => {
                self.bridge(&newest, sample, sink);
            }
            Some(_) => {
                self.gap(sample.index, sink);
                self.restart(sample.index);
            }
            None => self.restart(sample.index),
        }
        self.take(sample, sink);
    }

    /// Say that the next sample will have index `next_index`: what waits is decided with what is
    /// known, and the filters start anew. A gap of up to [`LONGEST_BRIDGED_GAP_S`] is bridged
    /// instead as soon as the next sample is there. Time stamps behind a gap are not shifted.
    pub fn gap(&mut self, next_index: u64, sink: &mut impl FnMut(ChainEvent)) {
        let Some(newest) = self.newest else {
            return;
        };
        if next_index <= newest.index + 1 + self.longest_bridge_samples {
            return;
        }
        self.finish(sink);
        // No sample is the newest now: the next one, whichever it is, starts the channels anew.
    }

    /// Decide what waits at the end of the signal.
    pub fn finish(&mut self, sink: &mut impl FnMut(ChainEvent)) {
        let Some(newest) = self.newest else {
            return;
        };
        for (number, channel) in self.channels.iter_mut().enumerate() {
            let beats = &mut self.beats;
            let is_known = self.known.is_some();
            channel.finish(&mut |output| {
                if !(is_known && matches!(output, ChannelOutput::Beat(..))) {
                    beats.take(number, newest.index, &output, sink);
                }
            });
        }
        self.cut_known(newest.index, true, sink);
        self.beats.break_interval();
        self.newest = None;
    }

    fn restart(&mut self, next_index: u64) {
        for channel in &mut self.channels {
            channel.restart(next_index);
        }
    }

    #[inline]
    fn take(&mut self, sample: &Sample, sink: &mut impl FnMut(ChainEvent)) {
        self.newest = Some(*sample);
        for number in 0..self.channels.len() {
            let (left, right) = self.channels.split_at_mut(number);
            let Some((channel, right)) = right.split_first_mut() else {
                return;
            };
            let other = left.first_mut().or(right.first_mut());
            let heard = other.as_deref().filter(|_| self.fused);
            let beats = &mut self.beats;
            let is_known = self.known.is_some();
            let (uv, lead_off) = (sample.uv[number], sample.lead_off[number]);
            let mut beat_age = None;
            channel.push(sample.index, uv, lead_off, heard, &mut |output| {
                if let ChannelOutput::Beat(beat, history, _) = &output {
                    if is_known {
                        return;
                    }
                    beat_age = Some(history.end() - 1 - beat.index);
                }
                beats.take(number, sample.index, &output, sink);
            });
            if let Some(age) = beat_age
                && let Some(quality) = other.and_then(|other| other.beat_elsewhere(age))
            {
                let output = ChannelOutput::Quality(quality);
                beats.take(1 - number, sample.index, &output, sink);
            }
        }
        if self.known.is_some() {
            self.cut_known(sample.index, false, sink);
        }
    }

    /// Cut the known beats that can be by now, out of the active channel.
    fn cut_known(&mut self, newest: u64, at_the_end: bool, sink: &mut impl FnMut(ChainEvent)) {
        let Some(known) = &mut self.known else {
            return;
        };
        let channel = &self.channels[self.beats.active_channel()];
        while let Some(beat) = known.take(channel.history(), at_the_end) {
            let (history, quality) = (channel.history(), channel.quality());
            self.beats
                .report_known(newest, beat, history, quality, sink);
        }
    }

    /// Put a straight line between two samples.
    fn bridge(&mut self, from: &Sample, to: &Sample, sink: &mut impl FnMut(ChainEvent)) {
        let length = (to.index - from.index) as f32;
        for index in from.index + 1..to.index {
            let part = (index - from.index) as f32 / length;
            let mut uv = from.uv;
            for (value, end) in uv.iter_mut().zip(to.uv) {
                *value += (end - *value) * part;
            }
            let lead_off = from.lead_off;
            self.take(
                &Sample {
                    index,
                    uv,
                    lead_off,
                },
                sink,
            );
        }
    }
}
