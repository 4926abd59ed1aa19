//! From the detections of all channels to one row of cut beats.

use super::channel::ChannelOutput;
use super::detector::{Detection, History, REFRACTORY_SAMPLES};
use super::rr::RrHistory;
use super::template::RunningTemplate;
use super::{
    CHAIN_RATE_HZ, CHANNEL_COUNT, ChainConfig, ChainEvent, ChannelChoice, CutBeat, R_INDEX,
    SampleRate, SignalQuality, WINDOW_SAMPLES,
};

/// Conditioned samples from one sample of a window to the next.
const WINDOW_STEP: u64 = 2;
/// The first channel must have been no worse than the other for this long to be taken again, s.
const RETURN_AFTER_S: f64 = 10.0;

/// Chooses the channel, keeps the rhythm and cuts the windows.
#[derive(Debug, Clone)]
pub(super) struct BeatKeeper {
    rate: SampleRate,
    may_switch: bool,
    active: usize,
    qualities: [SignalQuality; CHANNEL_COUNT],
    return_after_samples: u64,
    /// Input index since when the first channel has been no worse than the active one.
    first_no_worse_since: Option<u64>,
    rr: RrHistory,
    /// The usual beat of each channel.
    templates: [RunningTemplate; CHANNEL_COUNT],
    /// Index of the last reported R peak at the chain's rate.
    last_r: Option<u64>,
}

impl BeatKeeper {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are between 100 and 10,000 Hz"
    )]
    pub(super) fn new(config: &ChainConfig) -> Self {
        let rate = config.rate;
        let active = match config.channel {
            ChannelChoice::Auto => 0,
            ChannelChoice::Fixed(channel) => channel,
        };
        Self {
            rate,
            may_switch: config.channel == ChannelChoice::Auto && config.channel_count > 1,
            active,
            qualities: [SignalQuality::Good; CHANNEL_COUNT],
            return_after_samples: (RETURN_AFTER_S * rate.hz()) as u64,
            first_no_worse_since: None,
            rr: RrHistory::new(),
            templates: std::array::from_fn(|_| RunningTemplate::new()),
            last_r: None,
        }
    }

    pub(super) fn active_channel(&self) -> usize {
        self.active
    }

    pub(super) fn break_interval(&mut self) {
        self.rr.break_interval();
    }

    /// Take what `channel` says after input sample `newest`.
    pub(super) fn take(
        &mut self,
        channel: usize,
        newest: u64,
        output: &ChannelOutput<'_>,
        sink: &mut impl FnMut(ChainEvent),
    ) {
        match *output {
            ChannelOutput::Quality(quality) => {
                self.qualities[channel] = quality;
                sink(ChainEvent::Quality {
                    sample: newest,
                    channel,
                    quality,
                });
                self.choose(newest, sink);
                if badness(self.qualities[self.active]) == UNUSABLE {
                    self.rr.break_interval();
                }
            }
            ChannelOutput::Beat(beat, history, quality) => {
                if self.active != 0 {
                    self.choose(newest, sink);
                }
                // A beat may stand a little earlier or later in the other channel.
                let is_new = self
                    .last_r
                    .is_none_or(|last| beat.index >= last + REFRACTORY_SAMPLES);
                if channel == self.active && is_new {
                    sink(ChainEvent::Beat(self.cut(newest, beat, history, quality)));
                }
            }
        }
    }

    fn choose(&mut self, newest: u64, sink: &mut impl FnMut(ChainEvent)) {
        if !self.may_switch {
            return;
        }
        let rank = |channel: usize| badness(self.qualities[channel]);
        let other = 1 - self.active;
        let chosen = if rank(other) < rank(self.active) {
            self.first_no_worse_since = None;
            other
        } else if self.active != 0 && rank(0) <= rank(self.active) {
            let since = *self.first_no_worse_since.get_or_insert(newest);
            if newest - since < self.return_after_samples {
                return;
            }
            0
        } else {
            self.first_no_worse_since = None;
            return;
        };
        self.active = chosen;
        self.first_no_worse_since = None;
        sink(ChainEvent::ChannelSwitched {
            sample: newest,
            channel: chosen,
        });
    }

    fn cut(
        &mut self,
        newest: u64,
        beat: Detection,
        history: &History,
        quality: SignalQuality,
    ) -> CutBeat {
        let chain_rate_hz = f64::from(CHAIN_RATE_HZ);
        let r_s = (beat.index as f64 + f64::from(beat.offset)) / chain_rate_hz;
        let before = WINDOW_STEP * R_INDEX as u64;
        let after = WINDOW_STEP * (WINDOW_SAMPLES - 1 - R_INDEX) as u64;
        let mut window_uv = [0.0; WINDOW_SAMPLES];
        for (value, step) in window_uv.iter_mut().zip(0_u64..) {
            *value = history.at((beat.index + WINDOW_STEP * step).saturating_sub(before));
        }
        self.last_r = Some(beat.index);
        let window_complete =
            beat.index >= history.first() + before && beat.index + after < history.end();
        let template = &mut self.templates[self.active];
        let template_uv = template.get();
        if window_complete {
            template.take(&window_uv);
        }
        CutBeat {
            r_sample: nearest(r_s * self.rate.hz()).min(newest),
            decided_at_sample: newest,
            channel: self.active,
            window_uv,
            window_complete,
            template_uv,
            rr: self.rr.add(r_s),
            quality,
        }
    }
}

/// Badness of a channel in which no beat can be found.
const UNUSABLE: u8 = 2;

/// How little a channel is worth, 0 for nothing against it.
fn badness(quality: SignalQuality) -> u8 {
    match quality {
        SignalQuality::Good => 0,
        SignalQuality::Noisy | SignalQuality::Clipped => 1,
        SignalQuality::Flat | SignalQuality::LeadOff => UNUSABLE,
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sample indices are positive and below 2^53"
)]
fn nearest(index: f64) -> u64 {
    index.round().max(0.0) as u64
}
