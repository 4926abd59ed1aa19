//! What leaves the pipeline, in order: events wait behind beats that are to be classified together.

use std::sync::Arc;

use arrhythmianet::explain::ExplainError;
use ecg_signal::{CutBeat, Waves};

use super::detail::{BeatDetail, Details, NetworkView, shares};
use super::event::PipelineEvent;
use super::injection::Injection;
use super::labeller::{LabelError, Labeller};
use super::pending::{ClassifiedBeat, PendingBeat};
use super::source::Event;
use super::time::MonotonicNs;

/// At most this many wait; then the beats among them are classified.
const CAPACITY: usize = 1024;

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
    pub(super) injection: Option<(Arc<Injection>, MonotonicNs)>,
    details: Details,
}

impl ReorderBuffer {
    pub(super) fn new(labeller: Labeller) -> Self {
        Self {
            engine: labeller.engine().to_owned(),
            // The beats of a batch and a few events between them.
            waiting: Vec::with_capacity((2 * labeller.capacity()).min(CAPACITY)),
            labeller,
            injection: None,
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
        let beat = PendingBeat::new(cut, r_time, sample_period_ms, self.details.any());
        self.waiting.push(Waiting::Beat(beat));
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
        if let Some((injection, start)) = &self.injection
            && injection.is_due(self.labeller.pending(), last_time.since(*start))
        {
            self.labeller.lose_device();
        }
        let mut outcome = self.labeller.classify();
        while let Some(notice) = self.labeller.notice() {
            sink(PipelineEvent::Event(Event::momentary(
                first_sample,
                first_time,
                notice.kind(),
                notice.to_string(),
            )));
        }
        if outcome.is_ok() && self.engine != self.labeller.engine() {
            self.engine.clear();
            self.engine.push_str(self.labeller.engine());
            sink(PipelineEvent::Engine(self.engine.clone()));
        }
        let mut number = 0;
        for waiting in self.waiting.drain(..) {
            match waiting {
                Waiting::Event(event) => sink(event),
                Waiting::Beat(beat) => {
                    if outcome.is_ok() {
                        outcome = label(&mut self.labeller, self.details, number, beat, sink);
                    }
                    number += 1;
                }
            }
        }
        outcome
    }
}

/// Hands out beat `number` of the batch with its label, and its details if any are wanted.
fn label(
    labeller: &mut Labeller,
    details: Details,
    number: usize,
    pending: PendingBeat,
    sink: &mut impl FnMut(PipelineEvent),
) -> Result<(), LabelError> {
    let (decision, unclassifiable) = labeller.label(number, pending.signal_usable())?;
    let classified = pending.classified(decision, unclassifiable);
    let detail = detail(labeller, details, number, &classified);
    sink(PipelineEvent::Beat(classified.beat));
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
    classified: &ClassifiedBeat,
) -> Result<Option<Box<BeatDetail>>, ExplainError> {
    let ClassifiedBeat {
        beat,
        rr_s,
        window_uv: Some(window_uv),
    } = classified
    else {
        return Ok(None);
    };
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
    let waves = Waves::find(window_uv, *rr_s);
    Ok(Some(Box::new(BeatDetail {
        r_sample: beat.r_sample,
        waves,
        shares: map.as_ref().and_then(|map| shares(map, &waves)),
        map,
        network_view: details.network_view.then(|| NetworkView {
            window_uv: **window_uv,
            input: labeller.input(number).to_vec(),
        }),
    })))
}
