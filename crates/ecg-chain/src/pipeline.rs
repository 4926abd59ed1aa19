//! The pipeline itself.

use std::sync::Arc;

use arrhythmianet::Rejection;
use arrhythmianet::choose::{EngineReport, SessionEngine};
use arrhythmianet::explain::ExplainError;
use ecg_signal::{Chain, ChainConfig, ChainEvent, Sample, SignalError, SignalQuality};

use super::blocks::BlockBuilder;
use super::detail::Details;
use super::episodes::{Episodes, channel_name};
use super::event::{CHANNEL_COUNT, PipelineEvent, Scale};
use super::injection::{Injection, SessionFault};
use super::kind::EventKind;
use super::labeller::{LabelError, Labeller};
use super::lead_off::{ELECTRODES, LeadOff};
use super::reorder::ReorderBuffer;
use super::source::{Event, Gap, RawSample};
use super::time::MonotonicNs;
use super::timeline::Timeline;

/// How a pipeline reads its samples.
#[derive(Debug, Clone)]
#[non_exhaustive]
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

impl PipelineConfig {
    /// Keeps no raw ECG; a beat is unclassifiable by the model's own limits.
    #[must_use]
    pub fn new(chain: ChainConfig, uv_per_code: [f64; CHANNEL_COUNT]) -> Self {
        Self {
            chain,
            uv_per_code,
            ecg_block_samples: None,
            rejection: Rejection::default(),
        }
    }

    /// With another [`PipelineConfig::ecg_block_samples`].
    #[must_use]
    pub const fn ecg_block_samples(mut self, samples: Option<usize>) -> Self {
        self.ecg_block_samples = samples;
        self
    }

    /// With another [`PipelineConfig::rejection`].
    #[must_use]
    pub const fn rejection(mut self, rejection: Rejection) -> Self {
        self.rejection = rejection;
        self
    }
}

/// Raw samples in, [`PipelineEvent`]s out: the same for the chip, a trace and an evaluation run.
///
/// Memory is bounded and nothing is allocated per sample. Beats wait until there are as many as the
/// engine takes at a time, or until [`Pipeline::label_pending`]: call it before waiting for a sample.
pub struct Pipeline {
    chain: Chain,
    reorder: ReorderBuffer,
    timeline: Timeline,
    blocks: Option<BlockBuilder>,
    lead_off: LeadOff,
    episodes: Episodes,
    scale: Scale,
    sample_period_ms: f64,
}

impl Pipeline {
    /// A pipeline that labels with `classifier`.
    ///
    /// # Errors
    /// [`SignalError`] for a sample rate or setting the signal chain cannot work with.
    pub fn new(
        config: &PipelineConfig,
        classifier: impl Into<SessionEngine>,
    ) -> Result<Self, SignalError> {
        let sample_rate_hz = config.chain.rate.hz();
        Ok(Self {
            chain: Chain::new(&config.chain)?,
            reorder: ReorderBuffer::new(Labeller::new(classifier.into(), config.rejection)),
            timeline: Timeline::new(sample_rate_hz),
            blocks: config.ecg_block_samples.map(BlockBuilder::new),
            lead_off: LeadOff::default(),
            episodes: Episodes::default(),
            scale: Scale::new(config.uv_per_code),
            sample_period_ms: 1e3 / sample_rate_hz,
        })
    }

    /// Takes the next sample; `sink` gets what follows from it.
    ///
    /// # Errors
    /// [`LabelError`] if the engine failed; pending beats are lost then, so the caller should stop or
    /// change the engine.
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
        let sample = Sample {
            index: sample.index,
            uv: self.scale.microvolts(sample.codes),
            lead_off: sample.lead_off.channels(),
        };
        self.through_chain(sink, |chain, mut on_event| {
            chain.push(&sample, &mut on_event);
        })
    }

    /// Samples are missing before the next one.
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
        let outcome = outcome.and(self.reorder.push_event(PipelineEvent::Gap(*gap), sink));
        // Raw ECG does not wait for beats to be labelled. If the gap waited, a database could end with a
        // block from after it and nothing to say what is missing before that block.
        outcome.and(self.reorder.label_pending(sink))
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
        self.reorder.push_event(PipelineEvent::Event(event), sink)
    }

    /// Whether beats are pending: found, but not yet classified.
    #[must_use]
    pub fn has_pending_beats(&self) -> bool {
        !self.reorder.is_empty()
    }

    /// Labels the pending beats.
    ///
    /// # Errors
    /// As [`Pipeline::push`].
    pub fn label_pending(
        &mut self,
        sink: &mut impl FnMut(PipelineEvent),
    ) -> Result<(), LabelError> {
        self.reorder.label_pending(sink)
    }

    /// What classifies, and why; `None` where there was no choice.
    #[must_use]
    pub fn engine_report(&self) -> Option<EngineReport> {
        self.reorder.labeller.classifier.report()
    }

    /// Lets the device that classifies fail at a time counted from `start`, for demonstrations.
    pub fn inject(&mut self, injection: Arc<Injection>, start: MonotonicNs) {
        self.reorder.fault = Some(SessionFault {
            injection,
            start,
            device: self.reorder.labeller.classifier.inject_faults(),
        });
    }

    /// Hands out `details` of the beats from here on.
    ///
    /// # Errors
    /// [`ExplainError::Layer`] where the model cannot be explained so; nothing is changed then.
    pub fn set_details(&mut self, details: Details) -> Result<(), ExplainError> {
        self.reorder.set_details(details)
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
        let outcome = outcome.and(self.reorder.label_pending(sink));
        self.flush_block(sink);
        outcome
    }

    fn flush_block(&mut self, sink: &mut impl FnMut(PipelineEvent)) {
        if let Some(block) = self.blocks.as_mut().and_then(BlockBuilder::flush) {
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
            reorder,
            timeline,
            sample_period_ms,
            episodes,
            ..
        } = self;
        let mut outcome = Ok(());
        step(chain, &mut |event| {
            let pushed = match event {
                ChainEvent::Beat(cut) => {
                    let r_time = timeline.time_of(cut.r_sample);
                    reorder.push_beat(&cut, r_time, *sample_period_ms, sink)
                }
                ChainEvent::Quality {
                    sample,
                    channel,
                    quality,
                } => {
                    let time = timeline.time_of(sample);
                    let mut pushed = Ok(());
                    for episode in episodes.quality(channel, quality, sample, time) {
                        let outcome = reorder.push_event(PipelineEvent::Event(episode), sink);
                        pushed = pushed.and(outcome);
                    }
                    let name = channel_name(channel);
                    let event = Event::momentary_for(
                        name,
                        (sample, time),
                        EventKind::QualityChanged,
                        format!("{name}: {}", describe(quality)),
                    );
                    pushed.and(reorder.push_event(PipelineEvent::Event(event), sink))
                }
                ChainEvent::ChannelSwitched { sample, channel } => {
                    let name = channel_name(channel);
                    let event = Event::momentary_for(
                        name,
                        (sample, timeline.time_of(sample)),
                        EventKind::ChannelSwitched,
                        format!("beats are taken from {name}"),
                    );
                    reorder.push_event(PipelineEvent::Event(event), sink)
                }
                // A kind that the chain has gained since: a pipeline has no event for it.
                _ => Ok(()),
            };
            if outcome.is_ok() {
                outcome = pushed;
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
        for electrode in 0..ELECTRODES.len() {
            let now = sample.lead_off.is_off(electrode);
            if before.is_off(electrode) != now {
                let event = self.episodes.electrode(electrode, now, sample);
                outcome = outcome.and(self.reorder.push_event(PipelineEvent::Event(event), sink));
            }
        }
        outcome
    }
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
