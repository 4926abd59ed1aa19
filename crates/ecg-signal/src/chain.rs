//! The chain: samples of one or two channels in, cut beats out.

use std::sync::Arc;

use super::CHANNEL_COUNT;
use super::beats::BeatKeeper;
use super::channel::{Channel, ChannelOutput};
use super::config::{BeatSource, ChainConfig, ChannelChoice};
use super::error::SignalError;
use super::event::{ChainEvent, Sample};
use super::known::KnownBeats;
use super::quality::SignalQuality;
use super::rate::whole;
use super::resample::Kernel;

/// A gap up to this long is bridged by a straight line, seconds: a single lost conversion must not
/// cost the filters' memory. Nothing shorter than half a QRS complex can hide in it.
pub const LONGEST_BRIDGED_GAP_S: f64 = 0.02;

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
            longest_bridge_samples: whole(LONGEST_BRIDGED_GAP_S * config.rate.hz()),
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
        self.process_sample(sample, sink);
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
                    beats.handle_output(number, newest.index, &output, sink);
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
    fn process_sample(&mut self, sample: &Sample, sink: &mut impl FnMut(ChainEvent)) {
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
                beats.handle_output(number, sample.index, &output, sink);
            });
            if let Some(age) = beat_age
                && let Some(quality) = other.and_then(|other| other.beat_elsewhere(age))
            {
                let output = ChannelOutput::Quality(quality);
                beats.handle_output(1 - number, sample.index, &output, sink);
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
        while let Some(beat) = known.next_complete(channel.history(), at_the_end) {
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
            self.process_sample(
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
