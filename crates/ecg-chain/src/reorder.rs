//! What leaves the pipeline, in order: events wait behind beats that are to be classified together.

use arrhythmianet::choose::EngineNotice;
use arrhythmianet::explain::{ExplainError, WaveShares};
use ecg_signal::{CutBeat, SignalQuality, WINDOW_SAMPLES, Waves};

use super::detail::{BeatDetail, Details, NetworkView};
use super::event::{LabelledBeat, PipelineEvent};
use super::injection::SessionFault;
use super::kind::EventKind;
use super::labeller::{LabelError, Labeller};
use super::source::Event;
use super::time::MonotonicNs;

/// At most this many wait; then the beats among them are classified.
const CAPACITY: usize = 1024;

/// A beat that was found and cut, before its class is known.
struct PendingBeat {
    r_sample: u64,
    r_time: MonotonicNs,
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

enum Waiting {
    /// The next beat of the labeller's batch.
    Beat(PendingBeat),
    Event(PipelineEvent),
}

/// The labeller, its pending beats and the events behind them.
pub(super) struct ReorderBuffer {
    pub(super) labeller: Labeller,
    waiting: Vec<Waiting>,
    /// Engine of the newest labelled beat.
    engine: String,
    pub(super) fault: Option<SessionFault>,
    details: Details,
}

impl ReorderBuffer {
    pub(super) fn new(labeller: Labeller) -> Self {
        Self {
            engine: labeller.classifier.engine().to_owned(),
            // The beats of a batch and a few events between them.
            waiting: Vec::with_capacity((2 * labeller.capacity()).min(CAPACITY)),
            labeller,
            fault: None,
            details: Details::default(),
        }
    }

    /// Hands out `details` of the beats from here on.
    pub(super) fn set_details(&mut self, details: Details) -> Result<(), ExplainError> {
        if let Some(policy) = details.explain {
            self.labeller.prepare_explanations(policy)?;
        }
        self.details = details;
        Ok(())
    }

    /// Adds a beat; labels the batch if it completes it.
    pub(super) fn push_beat(
        &mut self,
        cut: &CutBeat,
        r_time: MonotonicNs,
        sample_period_ms: f64,
        sink: &mut impl FnMut(PipelineEvent),
    ) -> Result<(), LabelError> {
        self.labeller.push(cut)?;
        let delay_samples = cut.decided_at_sample.saturating_sub(cut.r_sample);
        #[expect(clippy::cast_possible_truncation, reason = "a delay of about 1000 ms")]
        let label_delay_ms = (delay_samples as f64 * sample_period_ms) as f32;
        self.waiting.push(Waiting::Beat(PendingBeat {
            r_sample: cut.r_sample,
            r_time,
            rr_s: cut.rr.rr_s,
            channel: u8::from(cut.channel != 0),
            quality: cut.quality,
            window_complete: cut.window_complete,
            label_delay_ms,
            readable: cut.readable,
            window_uv: self.details.any().then(|| Box::new(cut.window_uv)),
        }));
        if self.labeller.is_full() {
            self.label_pending(sink)?;
        }
        Ok(())
    }

    /// Hands `event` out in its turn.
    pub(super) fn push_event(
        &mut self,
        event: PipelineEvent,
        sink: &mut impl FnMut(PipelineEvent),
    ) -> Result<(), LabelError> {
        if self.waiting.is_empty() {
            sink(event);
            return Ok(());
        }
        self.waiting.push(Waiting::Event(event));
        if self.waiting.len() >= CAPACITY {
            self.label_pending(sink)?;
        }
        Ok(())
    }

    /// Whether no beat is pending: events wait only behind a beat.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Classifies the pending beats and hands out everything that waits, in order. After an error
    /// the events still come out; the beats are lost.
    pub(super) fn label_pending(
        &mut self,
        sink: &mut impl FnMut(PipelineEvent),
    ) -> Result<(), LabelError> {
        let mut pending = self.waiting.iter().filter_map(|waiting| match waiting {
            Waiting::Beat(beat) => Some((beat.r_sample, beat.r_time)),
            Waiting::Event(_) => None,
        });
        let Some((first_sample, first_time)) = pending.next() else {
            return Ok(());
        };
        let (_, last_time) = pending.next_back().unwrap_or((first_sample, first_time));
        if let Some(fault) = &self.fault {
            fault.before_batch(self.labeller.pending, last_time);
        }
        let mut outcome = self.labeller.classify();
        while let Some(notice) = self.labeller.classifier.notice() {
            let detail = notice.to_string();
            if let Some(kind) = kind_of(&notice) {
                let event = Event::momentary(first_sample, first_time, kind, detail);
                sink(PipelineEvent::Event(event));
            }
        }
        let engine = self.labeller.classifier.engine();
        if outcome.is_ok() && self.engine != engine {
            engine.clone_into(&mut self.engine);
            sink(PipelineEvent::Engine(self.engine.clone()));
        }
        let mut number = 0;
        for waiting in self.waiting.drain(..) {
            match waiting {
                Waiting::Event(event) => sink(event),
                Waiting::Beat(beat) => {
                    if outcome.is_ok() {
                        outcome = label(&mut self.labeller, self.details, number, &beat, sink);
                    }
                    number += 1;
                }
            }
        }
        outcome
    }
}

/// The kind of event that tells a notice of the engines; `None` for one that they have gained since.
const fn kind_of(notice: &EngineNotice) -> Option<EventKind> {
    Some(match notice {
        EngineNotice::Lost { .. } => EventKind::EngineLost,
        EngineNotice::Recovered { .. } => EventKind::EngineRecovered,
        EngineNotice::Refused { .. } => EventKind::EngineRefused,
        _ => return None,
    })
}

/// Hands out beat `number` of the batch with its label, and its details if any are wanted.
fn label(
    labeller: &mut Labeller,
    details: Details,
    number: usize,
    pending: &PendingBeat,
    sink: &mut impl FnMut(PipelineEvent),
) -> Result<(), LabelError> {
    // Whether the signal is good enough for the class to be trusted.
    let signal_usable = pending.readable && pending.quality.is_usable();
    let (decision, unclassifiable) = labeller.label(number, signal_usable)?;
    let beat = LabelledBeat {
        r_sample: pending.r_sample,
        r_time: pending.r_time,
        rr_ms: pending.rr_s.map(|rr_s| rr_s * 1e3),
        class: decision.class,
        unclassifiable,
        probabilities: decision.probabilities,
        channel: pending.channel,
        quality: pending.quality,
        window_complete: pending.window_complete,
        label_delay_ms: pending.label_delay_ms,
    };
    let detail = match &pending.window_uv {
        Some(window_uv) => detail(labeller, details, number, &beat, (window_uv, pending.rr_s)),
        None => Ok(None),
    };
    sink(PipelineEvent::Beat(beat));
    if let Some(detail) = detail? {
        sink(PipelineEvent::Detail(detail));
    }
    Ok(())
}

/// The details of beat `number` of the batch, if any are wanted.
fn detail(
    labeller: &mut Labeller,
    details: Details,
    number: usize,
    beat: &LabelledBeat,
    (window_uv, rr_s): (&[f32; WINDOW_SAMPLES], Option<f32>),
) -> Result<Option<Box<BeatDetail>>, ExplainError> {
    let probability = beat.probabilities[beat.class.index()];
    let map = match details.explain {
        Some(policy) if policy.wants(beat.class, probability, beat.unclassifiable) => {
            labeller.saliency_map(number, policy.method, beat.class)?
        }
        _ => None,
    };
    if map.is_none() && !details.waves && !details.network_view {
        return Ok(None);
    }
    let waves = Waves::find(window_uv, rr_s);
    Ok(Some(Box::new(BeatDetail {
        r_sample: beat.r_sample,
        waves,
        shares: map
            .as_ref()
            .and_then(|map| WaveShares::new(map, waves.ranges())),
        map,
        network_view: details.network_view.then(|| NetworkView {
            window_uv: *window_uv,
            input: labeller.input(number).to_vec(),
        }),
    })))
}
