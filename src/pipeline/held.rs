//! What leaves the pipeline, held back in order behind beats that wait to be classified together.

use std::sync::Arc;

use super::detail::{BeatDetail, Details, Kept, SeenBeat, shares};
use super::event::{LabelledBeat, PipelineEvent};
use super::injection::Injection;
use super::labeller::{LabelError, Labeller};
use crate::acquisition::Event;
use crate::explain::ExplainError;
use crate::model::{BeatClass, CLASS_COUNT};
use crate::signal::{CutBeat, Waves};
use crate::time::MonotonicNs;

/// Events that are held back at most; then the beats before them are classified.
const MOST_HELD: usize = 1024;

enum Held {
    /// The next beat of the batch, without its label; whether its window can be read; what is kept of
    /// it where details are told.
    Beat(LabelledBeat, bool, Option<Box<Kept>>),
    Other(PipelineEvent),
}

/// The labeller and what waits behind it.
pub(super) struct Outlet {
    pub(super) labeller: Labeller,
    held: Vec<Held>,
    /// Engine of the newest labelled beat.
    engine: String,
    pub(super) injection: Option<(Arc<Injection>, MonotonicNs)>,
    details: Details,
}

/// A beat before its class is known.
pub(super) const UNDECIDED: (BeatClass, [f32; CLASS_COUNT]) = (BeatClass::N, [0.0; CLASS_COUNT]);

impl Outlet {
    pub(super) fn new(labeller: Labeller) -> Self {
        Self {
            engine: labeller.engine().to_owned(),
            // The beats of a batch and a few events between them.
            held: Vec::with_capacity((2 * labeller.capacity()).min(MOST_HELD)),
            labeller,
            injection: None,
            details: Details::default(),
        }
    }

    /// Tells `details` of the beats from here on.
    pub(super) fn tell(&mut self, details: Details) -> Result<(), ExplainError> {
        if let Some(policy) = details.explain {
            self.labeller.explain(policy)?;
        }
        self.details = details;
        Ok(())
    }

    /// Takes a beat ([`UNDECIDED`]) as it was cut; labels the batch it completes.
    pub(super) fn beat(
        &mut self,
        beat: LabelledBeat,
        cut: &CutBeat,
        sink: &mut impl FnMut(PipelineEvent),
    ) -> Result<(), LabelError> {
        self.labeller.push(cut)?;
        let kept = self.details.any().then(|| {
            Box::new(Kept {
                window_uv: cut.window_uv,
                rr_s: cut.rr.rr_s,
            })
        });
        self.held.push(Held::Beat(beat, cut.readable, kept));
        if self.labeller.is_full() {
            self.label(sink)?;
        }
        Ok(())
    }

    /// Hands `event` out in its turn.
    pub(super) fn other(
        &mut self,
        event: PipelineEvent,
        sink: &mut impl FnMut(PipelineEvent),
    ) -> Result<(), LabelError> {
        if self.held.is_empty() {
            sink(event);
            return Ok(());
        }
        self.held.push(Held::Other(event));
        if self.held.len() >= MOST_HELD {
            self.label(sink)?;
        }
        Ok(())
    }

    /// Whether a beat waits.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Classifies the beats that wait and hands out everything held back, in order. After an error
    /// the other events still come out; the beats are lost.
    pub(super) fn label(&mut self, sink: &mut impl FnMut(PipelineEvent)) -> Result<(), LabelError> {
        let beats = self.labeller.waiting();
        let times = || {
            self.held.iter().filter_map(|held| match held {
                Held::Beat(beat, ..) => Some((beat.r_sample, beat.r_time)),
                Held::Other(_) => None,
            })
        };
        let Some((first_sample, first_time)) = times().next() else {
            return Ok(());
        };
        let last = times().next_back();
        if let (Some((injection, start)), Some((_, last_time))) = (&self.injection, last)
            && injection.is_due(beats, last_time.0.saturating_sub(start.0))
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
        for held in self.held.drain(..) {
            match held {
                Held::Other(event) => sink(event),
                Held::Beat(mut beat, readable, kept) => {
                    if outcome.is_ok() {
                        let usable = readable && beat.quality.is_usable();
                        match self.labeller.verdict(number, usable) {
                            Ok((decision, unclassifiable)) => {
                                beat.unclassifiable = unclassifiable;
                                beat.class = decision.class;
                                beat.probabilities = decision.probabilities;
                                let detail =
                                    detail(&mut self.labeller, self.details, number, &beat, kept);
                                sink(PipelineEvent::Beat(beat));
                                match detail {
                                    Ok(None) => {}
                                    Ok(Some(detail)) => sink(PipelineEvent::Detail(detail)),
                                    Err(error) => outcome = Err(error.into()),
                                }
                            }
                            Err(error) => outcome = Err(error),
                        }
                    }
                    number += 1;
                }
            }
        }
        outcome
    }
}

/// What is to be told of beat `number` of the batch, if anything.
fn detail(
    labeller: &mut Labeller,
    details: Details,
    number: usize,
    beat: &LabelledBeat,
    kept: Option<Box<Kept>>,
) -> Result<Option<Box<BeatDetail>>, ExplainError> {
    let Some(kept) = kept else {
        return Ok(None);
    };
    let probability = beat.probabilities[beat.class.index()];
    let map = match details.explain {
        Some(policy) if policy.wants(beat.class, probability, beat.unclassifiable) => {
            labeller.map(number, policy.method, beat.class)?
        }
        _ => None,
    };
    if map.is_none() && !details.waves && !details.seen {
        return Ok(None);
    }
    let waves = Waves::find(&kept.window_uv, kept.rr_s);
    Ok(Some(Box::new(BeatDetail {
        r_sample: beat.r_sample,
        waves,
        shares: map.as_ref().and_then(|map| shares(map, &waves)),
        map,
        seen: details.seen.then(|| SeenBeat {
            window_uv: kept.window_uv,
            input: labeller.input(number).to_vec(),
        }),
    })))
}
