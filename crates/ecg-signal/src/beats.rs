//! From the detections of all channels to one row of cut beats.

use super::channel::ChannelOutput;
use super::config::{ChainConfig, ChannelChoice};
use super::detector::{Detection, History, REFRACTORY_SAMPLES};
use super::event::{ChainEvent, CutBeat, LARGEST_LABEL_DELAY_S};
use super::quality::SignalQuality;
use super::rate::{SampleRate, whole};
use super::rr::RrHistory;
use super::template::RunningTemplate;
use super::{CHAIN_RATE_HZ, CHANNEL_COUNT, R_INDEX, WINDOW_SAMPLES};

/// Conditioned samples from one sample of a window to the next.
const WINDOW_STEP: u64 = 2;
/// Conditioned samples behind an R peak that a QRS complex may reach, wide ones too (120 ms).
const QRS_AFTER_R: u64 = CHAIN_RATE_HZ as u64 * 120 / 1_000;
/// The first channel must have been no worse than the other for this long to be taken again, s.
const RETURN_AFTER_S: f64 = 10.0;

/// A beat as its channel has it.
#[derive(Debug, Clone)]
struct Cut {
    channel: usize,
    /// Index of its R peak at the chain's rate, and the time, seconds.
    r: u64,
    r_s: f64,
    window_uv: [f32; WINDOW_SAMPLES],
    window_complete: bool,
    readable: bool,
    quality: SignalQuality,
}

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
    /// The newest beat of the channel that is not active. A channel may report a beat early while it
    /// is inactive, and the other the same beat late when it is no longer active.
    spare: Option<Cut>,
    latest_report_samples: u64,
    /// Index of the last reported R peak at the chain's rate.
    last_r: Option<u64>,
}

impl BeatKeeper {
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
            return_after_samples: whole(RETURN_AFTER_S * rate.hz()),
            first_no_worse_since: None,
            rr: RrHistory::new(),
            templates: std::array::from_fn(|_| RunningTemplate::new()),
            spare: None,
            latest_report_samples: whole(LARGEST_LABEL_DELAY_S * rate.hz()),
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
    pub(super) fn handle_output(
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
                let cut = Cut::new(channel, beat, history, quality);
                if channel == self.active {
                    self.report(newest, &cut, sink);
                } else if self.may_switch {
                    self.spare = Some(cut);
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
        if let Some(spare) = self.spare.take() {
            self.report(newest, &spare, sink);
        }
    }

    /// Input index nearest the R peak.
    fn r_sample(&self, newest: u64, cut: &Cut) -> u64 {
        whole((cut.r_s * self.rate.hz()).round()).min(newest)
    }

    /// Report a beat of the active channel unless it was already, or is too late.
    fn report(&mut self, newest: u64, cut: &Cut, sink: &mut impl FnMut(ChainEvent)) {
        let r_sample = self.r_sample(newest, cut);
        // A beat may stand a little earlier or later in the other channel.
        let is_new = self
            .last_r
            .is_none_or(|last| cut.r >= last + REFRACTORY_SAMPLES);
        if is_new && newest - r_sample <= self.latest_report_samples {
            self.emit(newest, cut, sink);
        }
    }

    /// Report a beat that is known from elsewhere, cut out of the active channel's samples.
    pub(super) fn report_known(
        &mut self,
        newest: u64,
        beat: Detection,
        history: &History,
        quality: SignalQuality,
        sink: &mut impl FnMut(ChainEvent),
    ) {
        let cut = Cut::new(self.active, beat, history, quality);
        self.emit(newest, &cut, sink);
    }

    fn emit(&mut self, newest: u64, cut: &Cut, sink: &mut impl FnMut(ChainEvent)) {
        let r_sample = self.r_sample(newest, cut);
        self.last_r = Some(cut.r);
        let template = &mut self.templates[cut.channel];
        let template_uv = template.get();
        if cut.window_complete {
            template.add_window(&cut.window_uv);
        }
        sink(ChainEvent::Beat(CutBeat {
            r_sample,
            decided_at_sample: newest,
            channel: cut.channel,
            window_uv: cut.window_uv,
            window_complete: cut.window_complete,
            readable: cut.readable,
            template_uv,
            rr: self.rr.add(cut.r_s),
            quality: cut.quality,
        }));
    }
}

impl Cut {
    fn new(channel: usize, beat: Detection, history: &History, quality: SignalQuality) -> Self {
        let begins_inside = begins_inside(history, beat.index);
        Self {
            channel,
            r: beat.index,
            r_s: (beat.index as f64 + f64::from(beat.offset)) / f64::from(CHAIN_RATE_HZ),
            window_uv: window_around(history, beat.index),
            window_complete: is_complete(history, beat.index),
            readable: begins_inside && beat.index + QRS_AFTER_R < history.end(),
            quality,
        }
    }
}

/// Conditioned samples of a window before and behind its R peak.
const BEFORE_R: u64 = WINDOW_STEP * R_INDEX as u64;
const AFTER_R: u64 = WINDOW_STEP * (WINDOW_SAMPLES - 1 - R_INDEX) as u64;

/// The window of a beat with its R peak at index `r`; where it leaves the history it repeats the nearest
/// sample.
pub(super) fn window_around(history: &History, r: u64) -> [f32; WINDOW_SAMPLES] {
    let mut window_uv = [0.0; WINDOW_SAMPLES];
    for (value, step) in window_uv.iter_mut().zip(0_u64..) {
        *value = history.at((r + WINDOW_STEP * step).saturating_sub(BEFORE_R));
    }
    window_uv
}

fn begins_inside(history: &History, r: u64) -> bool {
    r >= history.first() + BEFORE_R
}

/// Whether the history holds the whole window.
pub(super) fn is_complete(history: &History, r: u64) -> bool {
    begins_inside(history, r) && ends_inside(history, r)
}

/// Whether the end of the window is known by now.
pub(super) fn ends_inside(history: &History, r: u64) -> bool {
    r + AFTER_R < history.end()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// R peaks as reported, of beats told in this order: channel and index of R, or the channel an
    /// electrode falls off of.
    fn reported(story: &[Result<(usize, u64), usize>]) -> Vec<(usize, u64)> {
        let config = ChainConfig::new(SampleRate::new(CHAIN_RATE_HZ, 1).unwrap());
        let mut beats = BeatKeeper::new(&config);
        let mut history = History::new();
        for _ in 0..1_200 {
            history.push(0.0);
        }
        let mut reported = Vec::new();
        for told in story {
            let (channel, output) = match *told {
                Ok((channel, index)) => {
                    let beat = Detection { index, offset: 0.0 };
                    let output = ChannelOutput::Beat(beat, &history, SignalQuality::Good);
                    (channel, output)
                }
                Err(channel) => (channel, ChannelOutput::Quality(SignalQuality::LeadOff)),
            };
            beats.handle_output(channel, 1_199, &output, &mut |event| {
                if let ChainEvent::Beat(beat) = event {
                    reported.push((beat.channel, beat.r_sample));
                }
            });
        }
        reported
    }

    #[test]
    fn a_beat_told_early_by_one_channel_and_late_by_the_other_survives_a_switch() {
        type Row<'a> = (
            &'a str,
            &'a [Result<(usize, u64), usize>],
            &'a [(usize, u64)],
        );
        let rows: [Row<'_>; 4] = [
            (
                "early in the inactive channel, late in the one that is off by then",
                &[Ok((1, 1_000)), Err(0), Ok((0, 1_002))],
                &[(1, 1_000)],
            ),
            (
                "told by both before the switch",
                &[Ok((1, 1_000)), Ok((0, 1_002)), Err(0)],
                &[(0, 1_002)],
            ),
            (
                "told by both behind the switch",
                &[Err(0), Ok((0, 1_002)), Ok((1, 1_000))],
                &[(1, 1_000)],
            ),
            (
                "too old to keep the largest delay",
                &[Ok((1, 900)), Err(0), Ok((1, 1_100))],
                &[(1, 1_100)],
            ),
        ];
        for (name, story, expected) in rows {
            assert_eq!(reported(story), expected, "{name}");
        }
    }
}
