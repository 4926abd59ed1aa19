//! The engine of one session, and what all sessions of a model share.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::accelerator::{ACCELERATOR_BATCH, Loss, Ready, RemoteEngine};
use super::faulty::{DeviceFault, FaultyEngine};
use super::options::{ChooseOptions, EngineChoice};
use super::report::{
    CandidateState, EngineCandidate, EngineNotice, EngineReport, Figures, LossCause,
};
use super::self_test::{TOLERANCE, TestedCpu, differing};
use super::slot::{AcceleratorSlot, SlotState};
use crate::outcome::is_class_close;
use crate::{Classifier, ClassifyError, Model, Outputs};

/// One beat in this many, at least one per batch of a backlog, is compared with the CPU.
const SPOT_CHECK_EVERY: usize = 64;

/// A batch may take this many times what was measured, and the grace.
const SLOWEST: u32 = 20;

/// What the sessions of a model share: the engines' figures, the accelerator, and which batch goes
/// where.
pub(super) struct Shared {
    pub(super) model: Arc<Model>,
    pub(super) choice: EngineChoice,
    pub(super) options: ChooseOptions,
    pub(super) cpu: TestedCpu,
    /// Most beats classified together.
    pub(super) batch: usize,
    pub(super) slot: Mutex<AcceleratorSlot>,
    /// What happened before any session.
    pub(super) notices: Mutex<Vec<EngineNotice>>,
}

impl EngineChoice {
    /// Whether a batch of `beats` goes to the accelerator.
    fn prefers_accelerator(self, accelerator: &Figures, cpu: &Figures, beats: usize) -> bool {
        match self {
            Self::Cpu => false,
            Self::Gpu => true,
            Self::Auto => accelerator.expected(beats) < cpu.expected(beats),
        }
    }

    /// What the accelerator is used for; `None` for nothing.
    pub(super) fn used_for(self, accelerator: &Figures, cpu: &Figures) -> Option<&'static str> {
        let prefers = |beats| self.prefers_accelerator(accelerator, cpu, beats);
        match (prefers(1), prefers(ACCELERATOR_BATCH)) {
            (false, false) => None,
            (true, false) => Some("single beats"),
            (false, true) => Some("backlogs"),
            (true, true) => Some("single beats and backlogs"),
        }
    }
}

impl Shared {
    fn slot(&self) -> MutexGuard<'_, AcceleratorSlot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The accelerator; `None` while another session's batch is on it and the choice is free.
    fn slot_if_idle(&self) -> Option<MutexGuard<'_, AcceleratorSlot>> {
        match self.slot.try_lock() {
            Ok(slot) => Some(slot),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if self.choice == EngineChoice::Gpu => Some(self.slot()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Whether a batch of `beats` goes to the accelerator.
    fn prefers_accelerator(&self, ready: &Ready, beats: usize) -> bool {
        self.choice
            .prefers_accelerator(&ready.figures, &self.cpu.figures, beats)
    }

    /// What the accelerator is used for.
    fn used_for(&self, ready: &Ready) -> &'static str {
        let used_for = self.choice.used_for(&ready.figures, &self.cpu.figures);
        used_for.unwrap_or("nothing: the CPU is faster")
    }

    /// The accelerator's name, where a batch of `beats` goes there.
    fn accelerator_for(&self, slot: &AcceleratorSlot, beats: usize) -> Option<String> {
        match &slot.state {
            SlotState::Ready(_, ready) if self.prefers_accelerator(ready, beats) => {
                Some(ready.engine.clone())
            }
            _ => None,
        }
    }

    pub(super) fn report(&self) -> EngineReport {
        let slot = self.slot();
        let engine_for = |beats| {
            let accelerator = self.accelerator_for(&slot, beats);
            accelerator.unwrap_or_else(|| self.cpu.name.clone())
        };
        let (single, backlog) = (engine_for(1), engine_for(self.batch));
        let mut candidates = vec![EngineCandidate {
            engine: self.cpu.name.clone(),
            state: if single == self.cpu.name || backlog == self.cpu.name {
                CandidateState::InUse
            } else {
                CandidateState::Slower
            },
            detail: None,
            adapter: None,
            figures: Some(self.cpu.figures),
        }];
        if self.choice != EngineChoice::Cpu {
            candidates.extend(slot.candidates());
        }
        EngineReport {
            asked: self.choice.name(),
            reason: self.reason(&slot),
            single,
            backlog,
            backlog_batch: self.batch,
            losses: slot.losses,
            candidates,
        }
    }

    fn reason(&self, slot: &AcceleratorSlot) -> String {
        let cpu = &self.cpu.name;
        let gpu = match &slot.state {
            _ if self.choice == EngineChoice::Cpu => return "the CPU was asked for".to_owned(),
            SlotState::Ready(_, ready) => {
                let asked = if self.choice == EngineChoice::Gpu {
                    "asked for"
                } else {
                    "measured to be faster"
                };
                return format!("{}: {asked} for {}", ready.adapter, self.used_for(ready));
            }
            SlotState::Starting { .. } => {
                "the GPU is being opened, checked and measured".to_owned()
            }
            SlotState::Away { reason, .. } => format!("the GPU is tried again later ({reason})"),
            SlotState::Empty { reason, .. } => match &slot.known {
                Some(ready) => format!("{} is {reason}", ready.adapter),
                None => reason.clone(),
            },
        };
        format!("{cpu} is the fastest this processor has; {gpu}")
    }
}

/// The engine of one session. Where there is an accelerator, a batch goes to the faster engine, and
/// to the CPU whatever happens to the other one.
///
/// Made by [`super::Engines::session`], or from any engine, which is then used for everything.
pub struct SessionEngine {
    cpu: Box<dyn Classifier>,
    choice: Option<Choice>,
}

/// A session's view of the accelerator.
struct Choice {
    shared: Arc<Shared>,
    /// The CPU's result on single beats of an accelerator's batch.
    cpu_result: Outputs,
    /// The accelerator, where the last batch went there (or the first would).
    accelerator: Option<String>,
    notices: VecDeque<EngineNotice>,
    since_check: usize,
    /// Where the session's accelerator is to be lost on purpose.
    fault: Option<DeviceFault>,
}

impl From<Box<dyn Classifier>> for SessionEngine {
    fn from(engine: Box<dyn Classifier>) -> Self {
        Self {
            cpu: engine,
            choice: None,
        }
    }
}

impl SessionEngine {
    /// An engine for a session that begins with batches of `beats`.
    pub(super) fn new(shared: Arc<Shared>, beats: usize) -> Self {
        let notices = {
            let notices = shared.notices.lock();
            std::mem::take(&mut *notices.unwrap_or_else(PoisonError::into_inner))
        };
        let accelerator = shared.accelerator_for(&shared.slot(), beats);
        Self {
            cpu: shared.cpu.engine(&shared.model, shared.batch),
            choice: Some(Choice {
                cpu_result: Outputs::logits_only(shared.model.description(), 1),
                accelerator,
                notices: notices.into(),
                since_check: 0,
                fault: None,
                shared,
            }),
        }
    }

    /// Name of the engine that classified the last batch, or would the first.
    #[must_use]
    pub fn engine(&self) -> &str {
        let choice = self.choice.as_ref();
        choice
            .and_then(|choice| choice.accelerator.as_deref())
            .unwrap_or_else(|| self.cpu.engine())
    }

    /// Classifies one window of the last batch once more on the CPU; false, and `outputs` untouched,
    /// where that is what classified it.
    ///
    /// # Errors
    /// As [`Classifier::classify`].
    pub fn reconsider(
        &mut self,
        window: &[f32],
        outputs: &mut Outputs,
    ) -> Result<bool, ClassifyError> {
        let choice = self.choice.as_ref();
        if choice.is_none_or(|choice| choice.accelerator.is_none()) {
            return Ok(false);
        }
        self.cpu.classify(window, outputs)?;
        Ok(true)
    }

    /// The oldest event of the engines that was not yet given out.
    pub fn notice(&mut self) -> Option<EngineNotice> {
        self.choice.as_mut()?.notices.pop_front()
    }

    /// What was chosen and why, where there was a choice.
    #[must_use]
    pub fn report(&self) -> Option<EngineReport> {
        Some(self.choice.as_ref()?.shared.report())
    }

    /// A handle that takes the accelerator away from this session, and from no other; where there is
    /// none, the handle does nothing.
    pub fn inject_faults(&mut self) -> DeviceFault {
        match &mut self.choice {
            Some(choice) => choice.fault.get_or_insert_default().clone(),
            None => DeviceFault::default(),
        }
    }
}

impl Classifier for SessionEngine {
    fn engine(&self) -> &str {
        Self::engine(self)
    }

    fn model(&self) -> &Model {
        self.cpu.model()
    }

    fn max_batch(&self) -> usize {
        self.cpu.max_batch()
    }

    fn classify(&mut self, input: &[f32], outputs: &mut Outputs) -> Result<(), ClassifyError> {
        if let Some(choice) = &mut self.choice {
            // The caller's mistakes, before they are taken for the device's.
            outputs.begin(self.cpu.model().description(), self.cpu.max_batch(), input)?;
            if choice.on_accelerator(&mut *self.cpu, input, outputs) {
                return Ok(());
            }
            choice.accelerator = None;
        }
        self.cpu.classify(input, outputs)
    }
}

impl Choice {
    /// Classifies on the accelerator where it is there and preferred; false where the CPU has to.
    fn on_accelerator(
        &mut self,
        cpu: &mut dyn Classifier,
        input: &[f32],
        outputs: &mut Outputs,
    ) -> bool {
        let shared = Arc::clone(&self.shared);
        let Some(mut slot) = shared.slot_if_idle() else {
            return false;
        };
        let notice = slot.poll(|ready| shared.used_for(ready));
        self.notices.extend(notice);
        let beats = input.len() / shared.model.description().input.len();
        let (worker, ready) = match &mut slot.state {
            SlotState::Ready(worker, ready) if shared.prefers_accelerator(ready, beats) => {
                (worker, ready)
            }
            _ => return false,
        };
        let engine = ready.engine.clone();
        let expected = ready.figures.expected(beats);
        let timeout = expected
            .saturating_mul(SLOWEST)
            .saturating_add(shared.options.batch_grace);
        let result = match &self.fault {
            None => worker.classify(input, outputs, timeout),
            Some(fault) => FaultyEngine::new(worker, fault).classify(input, outputs, timeout),
        };
        let result = result.and_then(|()| self.verify(cpu, input, outputs));
        match result {
            Ok(()) => {
                if self.accelerator.as_ref() != Some(&engine) {
                    self.accelerator = Some(engine);
                }
                true
            }
            Err(loss) => {
                let again_in = slot.lose(&loss);
                self.since_check = 0;
                self.notices.push_back(EngineNotice::Lost {
                    engine,
                    cause: loss.cause,
                    reason: loss.reason,
                    beats_again: beats,
                    fallback: shared.cpu.name.clone(),
                    again_in,
                });
                false
            }
        }
    }

    /// Refuses logits that are no numbers, compares some beats with the CPU, and lets the CPU decide
    /// where rounding could.
    fn verify(
        &mut self,
        cpu: &mut dyn Classifier,
        input: &[f32],
        outputs: &mut Outputs,
    ) -> Result<(), Loss> {
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
            if checked != Some(beat) && !is_class_close(&logits) {
                continue;
            }
            let alone = &input[beat * window..(beat + 1) * window];
            cpu.classify(alone, &mut self.cpu_result)
                .map_err(|error| wrong(error.to_string()))?;
            let expected = self.cpu_result.logits()[0];
            if let Some(difference) = differing(&logits, &expected, TOLERANCE) {
                return Err(wrong(difference));
            }
            outputs.set_logits(beat, expected);
        }
        Ok(())
    }
}
