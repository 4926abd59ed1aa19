//! The pipeline itself.

use std::sync::Arc;

use super::blocks::BlockBuilder;
use super::detail::Details;
use super::episodes::{Episodes, channel_name};
use super::event::{CHANNEL_COUNT, LabelledBeat, PipelineEvent};
use super::held::{Outlet, UNDECIDED};
use super::injection::Injection;
use super::labeller::{LabelError, Labeller};
use super::timeline::Timeline;
use crate::acquisition::{Event, Gap, RawSample};
use crate::ads1292::{Electrode, LeadOff};
use crate::explain::ExplainError;
use crate::model::choose::EngineReport;
use crate::model::{Classifier, Rejection};
use crate::signal::{Chain, ChainConfig, ChainEvent, CutBeat, Sample, SignalError, SignalQuality};
use crate::time::MonotonicNs;

/// How a pipeline reads its samples.
#[derive(Debug, Clone)]
pub struct PipelineConfig {
    /// The signal chain's settings, the sample rate among them.
    pub chain: ChainConfig,
    /// Microvolts per code of each channel.
    pub uv_per_code: [f64; CHANNEL_COUNT],
    /// Samples per raw ECG block handed to the store; `None` keeps no raw ECG.
    pub ecg_block_samples: Option<usize>,
    /// When a beat is unclassifiable.
    pub rejection: Rejection,
}

/// Raw samples in, [`PipelineEvent`]s out: the same for the chip, a trace and an evaluation run.
///
/// Memory is bounded and nothing is allocated per sample. Beats wait until there are as many as the
/// engine takes at a time, or until [`Pipeline::label_held`]: call it before waiting for a sample.
pub struct Pipeline {
    chain: Chain,
    outlet: Outlet,
    timeline: Timeline,
    blocks: Option<BlockBuilder>,
    lead_off: LeadOff,
    episodes: Episodes,
    uv_per_code: [f32; CHANNEL_COUNT],
    sample_period_ms: f64,
}

impl Pipeline {
    /// A pipeline that labels with `classifier`.
    ///
    /// # Errors
    /// [`SignalError`] for a sample rate or setting the signal chain cannot work with.
    pub fn new(
        config: &PipelineConfig,
        classifier: Box<dyn Classifier>,
    ) -> Result<Self, SignalError> {
        let sample_rate_hz = config.chain.rate.hz();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "f32 holds a scale to 7 digits"
        )]
        let uv_per_code = config.uv_per_code.map(|scale| scale as f32);
        Ok(Self {
            chain: Chain::new(&config.chain)?,
            outlet: Outlet::new(Labeller::new(classifier, config.rejection)),
            timeline: Timeline::new(sample_rate_hz),
            blocks: config.ecg_block_samples.map(BlockBuilder::new),
            lead_off: LeadOff::default(),
            episodes: Episodes::default(),
            uv_per_code,
            sample_period_ms: 1e3 / sample_rate_hz,
        })
    }

    /// Takes the next sample; `sink` gets what follows from it.
    ///
    /// # Errors
    /// [`LabelError`] if the engine failed; the beat's place is known from the error's context
    /// only, so the caller should stop or change the engine.
    pub fn push(
        &mut self,
        sample: &RawSample,
        sink: &mut impl FnMut(PipelineEvent),
    ) -> Result<(), LabelError> {
        self.timeline.push(sample.index, sample.time);
        if sample.lead_off != self.lead_off {
            self.report_lead_off(sample, sink)?;
        }
        if let Some(blocks) = &mut self.blocks
            && let Some(block) = blocks.push(sample.index, sample.time, sample.codes)
        {
            sink(PipelineEvent::Ecg(block));
        }
        let mut uv = [0.0; CHANNEL_COUNT];
        for ((uv, code), scale) in uv.iter_mut().zip(sample.codes).zip(self.uv_per_code) {
            *uv = code as f32 * scale;
        }
        let sample = Sample {
            index: sample.index,
            uv,
            lead_off: sample.lead_off.channels(),
        };
        self.through_chain(sink, |chain, mut on_event| {
            chain.push(&sample, &mut on_event);
        })
    }

    /// Tells the pipeline that samples are missing before the next one.
    ///
    /// # Errors
    /// As [`Pipeline::push`]: beats still pending before the gap are labelled now.
    pub fn gap(
        &mut self,
        gap: &Gap,
        sink: &mut impl FnMut(PipelineEvent),
    ) -> Result<(), LabelError> {
        let next_index = gap.first_missing_sample.saturating_add(gap.missing_samples);
        let outcome = self.through_chain(sink, |chain, mut on_event| {
            chain.gap(next_index, &mut on_event);
        });
        self.flush_block(sink);
        let outcome = outcome.and(self.outlet.other(PipelineEvent::Gap(*gap), sink));
        // Raw ECG does not wait for beats to be labelled. Did the gap, a database could end with a block
        // from behind it and nothing to say what is missing before that.
        outcome.and(self.outlet.label(sink))
    }

    /// Passes an event of the source on, in order.
    ///
    /// # Errors
    /// As [`Pipeline::push`].
    pub fn event(
        &mut self,
        event: Event,
        sink: &mut impl FnMut(PipelineEvent),
    ) -> Result<(), LabelError> {
        self.outlet.other(PipelineEvent::Event(event), sink)
    }

    /// Whether beats wait to be classified together.
    #[must_use]
    pub fn holds_beats(&self) -> bool {
        self.outlet.holds()
    }

    /// Labels the beats that wait.
    ///
    /// # Errors
    /// As [`Pipeline::push`].
    pub fn label_held(&mut self, sink: &mut impl FnMut(PipelineEvent)) -> Result<(), LabelError> {
        self.outlet.label(sink)
    }

    /// What classifies, and why; `None` where there was no choice.
    #[must_use]
    pub fn engine_report(&self) -> Option<EngineReport> {
        self.outlet.labeller.report()
    }

    /// Has the device that classifies go away at a time, for demonstrations.
    /// The time is counted from `start`.
    pub fn inject(&mut self, injection: Arc<Injection>, start: MonotonicNs) {
        self.outlet.injection = Some((injection, start));
    }

    /// Tells `details` of the beats from here on.
    ///
    /// # Errors
    /// [`ExplainError::Layer`] where the model cannot be explained so; nothing is changed then.
    pub fn tell(&mut self, details: Details) -> Result<(), ExplainError> {
        self.outlet.tell(details)
    }

    /// Signal quality per channel at present.
    #[must_use]
    pub fn signal_quality(&self) -> [SignalQuality; CHANNEL_COUNT] {
        std::array::from_fn(|channel| self.chain.quality(channel).unwrap_or_default())
    }

    /// The source has ended: labels what is pending and hands out the last raw ECG.
    ///
    /// # Errors
    /// As [`Pipeline::push`].
    pub fn finish(&mut self, sink: &mut impl FnMut(PipelineEvent)) -> Result<(), LabelError> {
        let outcome = self.through_chain(sink, |chain, mut on_event| chain.finish(&mut on_event));
        let outcome = outcome.and(self.outlet.label(sink));
        self.flush_block(sink);
        outcome
    }

    fn flush_block(&mut self, sink: &mut impl FnMut(PipelineEvent)) {
        if let Some(block) = self.blocks.as_mut().and_then(BlockBuilder::take) {
            sink(PipelineEvent::Ecg(block));
        }
    }

    /// Runs one step of the chain and turns its events into the pipeline's. After an engine's
    /// error the step's other events still come through; the first error is returned.
    fn through_chain(
        &mut self,
        sink: &mut impl FnMut(PipelineEvent),
        step: impl FnOnce(&mut Chain, &mut dyn FnMut(ChainEvent)),
    ) -> Result<(), LabelError> {
        let Self {
            chain,
            outlet,
            timeline,
            sample_period_ms,
            episodes,
            ..
        } = self;
        let mut outcome = Ok(());
        step(chain, &mut |event| {
            let handed_on = match event {
                ChainEvent::Beat(cut) => {
                    let (class, probabilities) = UNDECIDED;
                    let beat = LabelledBeat {
                        r_sample: cut.r_sample,
                        r_time: timeline.time_of(cut.r_sample),
                        rr_ms: cut.rr.rr_s.map(|rr_s| rr_s * 1e3),
                        class,
                        unclassifiable: None,
                        probabilities,
                        channel: u8::from(cut.channel != 0),
                        quality: cut.quality,
                        window_complete: cut.window_complete,
                        label_delay_ms: delay_ms(&cut, *sample_period_ms),
                    };
                    outlet.beat(beat, &cut, sink)
                }
                ChainEvent::Quality {
                    sample,
                    channel,
                    quality,
                } => {
                    let time = timeline.time_of(sample);
                    let mut handed_on = Ok(());
                    for episode in episodes.quality(channel, quality, sample, time) {
                        let outcome = outlet.other(PipelineEvent::Event(episode), sink);
                        handed_on = handed_on.and(outcome);
                    }
                    let name = channel_name(channel);
                    let event = Event::momentary_of(
                        name,
                        (sample, time),
                        "quality_changed",
                        format!("{name}: {}", describe(quality)),
                    );
                    handed_on.and(outlet.other(PipelineEvent::Event(event), sink))
                }
                ChainEvent::ChannelSwitched { sample, channel } => {
                    let name = channel_name(channel);
                    let event = Event::momentary_of(
                        name,
                        (sample, timeline.time_of(sample)),
                        "channel_switched",
                        format!("beats are taken from {name}"),
                    );
                    outlet.other(PipelineEvent::Event(event), sink)
                }
            };
            if outcome.is_ok() {
                outcome = handed_on;
            }
        });
        outcome
    }

    fn report_lead_off(
        &mut self,
        sample: &RawSample,
        sink: &mut impl FnMut(PipelineEvent),
    ) -> Result<(), LabelError> {
        let before = std::mem::replace(&mut self.lead_off, sample.lead_off);
        let mut outcome = Ok(());
        for electrode in Electrode::ALL {
            let now = sample.lead_off.is_off(electrode);
            if before.is_off(electrode) != now {
                let event = self.episodes.electrode(electrode, now, sample);
                outcome = outcome.and(self.outlet.other(PipelineEvent::Event(event), sink));
            }
        }
        outcome
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a delay of about 1000 ms")]
fn delay_ms(cut: &CutBeat, sample_period_ms: f64) -> f32 {
    (cut.decided_at_sample.saturating_sub(cut.r_sample) as f64 * sample_period_ms) as f32
}

fn describe(quality: SignalQuality) -> &'static str {
    match quality {
        SignalQuality::Good => "good",
        SignalQuality::Noisy => "noisy",
        SignalQuality::Clipped => "clipped at the converter's limits",
        SignalQuality::Flat => "flat",
        SignalQuality::LeadOff => "lead off",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::acquisition::{Acquired, FrameSource, GapCause, open_replay};
    use crate::model::{Model, Unclassifiable, best_cpu_engine};
    use crate::signal::SampleRate;

    /// The demo's trace of record 214 begins 0.16 s before an R peak.
    #[test]
    fn a_beat_that_begins_before_the_signal_is_unclassifiable() {
        let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/214.ecgtrace.gz");
        let (mut source, _) = open_replay(&trace).unwrap();
        let from = source.info().clone();
        let config = PipelineConfig {
            chain: ChainConfig::new(SampleRate::from_hz(from.sample_rate_hz).unwrap()),
            uv_per_code: from.uv_per_code,
            ecg_block_samples: None,
            rejection: Rejection::default(),
        };
        // v1 has no limits of its own: nothing but the signal makes its beats unclassifiable.
        let model = Arc::new(Model::load("v1").unwrap());
        let mut pipeline = Pipeline::new(&config, best_cpu_engine(model, 8)).unwrap();
        let mut beats = Vec::new();
        let mut sink = |event| {
            if let PipelineEvent::Beat(beat) = event {
                beats.push(beat);
            }
        };
        // A gap that ends 0.2 s before an R peak, and the end 0.09 s behind one.
        let (gap, end) = (5_000..5_777, 8_697);
        while let Some(acquired) = source.next().unwrap() {
            let Acquired::Sample(sample) = acquired else {
                continue;
            };
            if sample.index == end {
                break;
            }
            if !gap.contains(&sample.index) {
                pipeline.push(&sample, &mut sink).unwrap();
            }
        }
        pipeline.finish(&mut sink).unwrap();
        let poor: Vec<u64> = beats
            .iter()
            .filter(|beat| beat.unclassifiable == Some(Unclassifiable::PoorSignal))
            .map(|beat| beat.r_sample)
            .collect();
        let near = |(found, expected): (&u64, u64)| found.abs_diff(expected) <= 2;
        assert!(
            poor.len() == 3 && poor.iter().zip([81, 5_877, 8_652]).all(near),
            "{poor:?}"
        );
        assert!(beats.len() > 15, "{}", beats.len());
    }

    /// Beats that wait to be classified together hold no gap back: the raw ECG behind it does not wait.
    #[test]
    fn a_gap_comes_before_the_raw_ecg_behind_it() {
        let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/200.ecgtrace.gz");
        let (mut source, _) = open_replay(&trace).unwrap();
        let from = source.info().clone();
        let config = PipelineConfig {
            chain: ChainConfig::new(SampleRate::from_hz(from.sample_rate_hz).unwrap()),
            uv_per_code: from.uv_per_code,
            ecg_block_samples: Some(100),
            rejection: Rejection::default(),
        };
        let model = Arc::new(Model::load("v1").unwrap());
        let mut pipeline = Pipeline::new(&config, best_cpu_engine(model, 512)).unwrap();
        let mut events = Vec::new();
        let mut missing = 0;
        while let Some(acquired) = source.next().unwrap() {
            let Acquired::Sample(mut sample) = acquired else {
                continue;
            };
            let mut sink = |event| events.push(event);
            if sample.index == 10_000 {
                let gap = Gap {
                    first_missing_sample: sample.index,
                    missing_samples: 500,
                    time: sample.time,
                    cause: GapCause::MissedDrdy,
                };
                pipeline.gap(&gap, &mut sink).unwrap();
                missing = gap.missing_samples;
            }
            if sample.index == 12_000 {
                break;
            }
            sample.index += missing;
            pipeline.push(&sample, &mut sink).unwrap();
        }
        let gap = events
            .iter()
            .position(|event| matches!(event, PipelineEvent::Gap(_)));
        let behind = events.iter().position(
            |event| matches!(event, PipelineEvent::Ecg(block) if block.first_sample >= 10_000),
        );
        let (gap, behind) = (
            gap.expect("the gap is told"),
            behind.expect("ECG follows it"),
        );
        assert!(
            gap < behind,
            "the gap is event {gap}, ECG from behind it event {behind}"
        );
    }
}
