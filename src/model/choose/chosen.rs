//! One pipeline's view of the engines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::exam::{TOLERANCE, differing};
use super::notice::{EngineNotice, LossCause};
use super::report::EngineReport;
use super::second::State;
use super::shared::Shared;
use super::worker::Loss;
use crate::model::{CLASS_COUNT, Classifier, ClassifyError, Model, Outputs};

/// A beat whose two largest logits are closer than this is decided by the CPU: engines may differ
/// by [`super::exam::TOLERANCE`] in each logit, and a label must not depend on the engine.
const CLOSE_CALL: f32 = 5e-3;

/// One beat in this many, at least one a batch of a backlog, is compared with the CPU.
const SPOT_CHECK_EVERY: usize = 64;

/// A batch may take this many times what was measured, and the grace.
const SLOWEST: u32 = 20;

/// Classifies on the faster engine, and on the CPU whatever the other one does.
pub(super) struct ChosenEngine {
    shared: Arc<Shared>,
    cpu: Box<dyn Classifier>,
    /// The CPU's word on single beats of another engine's batch.
    second_opinion: Outputs,
    current: String,
    notices: VecDeque<EngineNotice>,
    since_check: usize,
    lose_next: bool,
}

impl ChosenEngine {
    pub(super) fn new(shared: Arc<Shared>, current: String) -> Self {
        Self {
            cpu: shared.cpu.engine(&shared.model, shared.batch),
            second_opinion: Outputs::logits_only(shared.model.description(), 1),
            current,
            notices: shared.earlier_notices().into(),
            since_check: 0,
            lose_next: false,
            shared,
        }
    }

    /// Classifies on the accelerator where it is there and preferred; false where the CPU has to.
    fn on_second(&mut self, input: &[f32], outputs: &mut Outputs) -> Result<bool, ClassifyError> {
        let shared = Arc::clone(&self.shared);
        let Some(mut second) = shared.second_if_idle() else {
            return Ok(false);
        };
        let notice = second.poll(|ready| shared.used_for(ready));
        self.notices.extend(notice);
        let beats = input.len() / shared.model.description().input.len();
        let (worker, ready) = match &mut second.state {
            State::Ready(worker, ready) if shared.prefers_second(ready, beats) => (worker, ready),
            _ => return Ok(false),
        };
        let engine = ready.engine.clone();
        let timeout = time_limit(ready.figures.expected(beats), shared.options.grace);
        let lose = std::mem::take(&mut self.lose_next);
        let wanted = outputs.wanted();
        let result = worker
            .classify(input, wanted, lose, timeout, |found| {
                copy(found, input, &shared.model, outputs)
            })
            .and_then(|copied| {
                if let Err(error) = copied {
                    return Ok(Err(error)); // the caller's mistake, not the device's
                }
                Ok(Ok(self.examine(input, outputs)?))
            });
        match result {
            Ok(done) => {
                done?;
                if self.current != engine {
                    self.current = engine;
                }
                Ok(true)
            }
            Err(loss) => {
                let again_in = second.lose(&loss);
                self.since_check = 0;
                self.notices.push_back(EngineNotice::Lost {
                    engine,
                    cause: loss.cause,
                    reason: loss.reason,
                    beats_again: beats,
                    fallback: shared.cpu.name.clone(),
                    again_in,
                });
                Ok(false)
            }
        }
    }

    /// Refuses numbers that are none, compares some beats with the CPU, and lets the CPU decide
    /// where rounding could.
    fn examine(&mut self, input: &[f32], outputs: &mut Outputs) -> Result<(), Loss> {
        let wrong = |reason| Loss {
            cause: LossCause::WrongNumbers,
            reason,
        };
        let beats = outputs.batch();
        self.since_check += beats;
        let checked = (self.since_check >= SPOT_CHECK_EVERY).then(|| self.since_check % beats);
        if checked.is_some() {
            self.since_check = 0;
        }
        let window = input.len() / beats;
        for beat in 0..beats {
            let logits = outputs.logits()[beat];
            if let Some(class) = logits.iter().position(|logit| !logit.is_finite()) {
                return Err(wrong(format!("logit {class} is {}", logits[class])));
            }
            if checked != Some(beat) && margin(&logits) >= CLOSE_CALL {
                continue;
            }
            let alone = &input[beat * window..(beat + 1) * window];
            self.cpu
                .classify(alone, &mut self.second_opinion)
                .map_err(|error| wrong(error.to_string()))?;
            let expected = self.second_opinion.logits()[0];
            if let Some(difference) = differing(&logits, &expected, TOLERANCE) {
                return Err(wrong(difference));
            }
            outputs.set_logits(beat, expected);
        }
        Ok(())
    }
}

impl Classifier for ChosenEngine {
    fn engine(&self) -> &str {
        &self.current
    }

    fn model(&self) -> &Model {
        &self.shared.model
    }

    fn max_batch(&self) -> usize {
        self.shared.batch
    }

    fn classify(&mut self, input: &[f32], outputs: &mut Outputs) -> Result<(), ClassifyError> {
        // The caller's mistakes, before they are taken for the device's.
        outputs.begin(self.shared.model.description(), self.shared.batch, input)?;
        if self.on_second(input, outputs)? {
            return Ok(());
        }
        if self.current != self.shared.cpu.name {
            self.current.clone_from(&self.shared.cpu.name);
        }
        self.cpu.classify(input, outputs)
    }

    fn reconsider(&mut self, window: &[f32], outputs: &mut Outputs) -> Result<bool, ClassifyError> {
        if self.current == self.shared.cpu.name {
            return Ok(false);
        }
        self.cpu.classify(window, outputs)?;
        Ok(true)
    }

    fn notice(&mut self) -> Option<EngineNotice> {
        self.notices.pop_front()
    }

    fn report(&self) -> Option<EngineReport> {
        Some(self.shared.report())
    }

    fn lose_device(&mut self) {
        self.lose_next = true;
    }
}

fn time_limit(expected: Duration, grace: Duration) -> Duration {
    expected.saturating_mul(SLOWEST).saturating_add(grace)
}

/// The results of another engine's batch.
fn copy(
    found: &Outputs,
    input: &[f32],
    model: &Model,
    outputs: &mut Outputs,
) -> Result<(), ClassifyError> {
    let into = outputs.begin(model.description(), found.batch(), input)?;
    into.logits.copy_from_slice(found.logits());
    let channels = found.map_shape().channels;
    for (beat, to) in into.pooled.chunks_exact_mut(channels.max(1)).enumerate() {
        if let Some(from) = found.pooled(beat) {
            to.copy_from_slice(from);
        }
    }
    let map = found.map_shape().len();
    for (beat, to) in into.feature_maps.chunks_exact_mut(map.max(1)).enumerate() {
        if let Some(from) = found.feature_maps(beat) {
            to.copy_from_slice(from);
        }
    }
    Ok(())
}

/// How far the largest logit is from the next.
fn margin(logits: &[f32; CLASS_COUNT]) -> f32 {
    let mut sorted = *logits;
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    sorted[0] - sorted[1]
}
