//! What all pipelines share: the engines' figures, the accelerator, and which batch goes where.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::calibration::Figures;
use super::cpu::Cpu;
use super::engines::{ChooseOptions, EngineChoice};
use super::notice::EngineNotice;
use super::report::{CandidateState, EngineCandidate, EngineReport};
use super::second::{Second, State};
use super::worker::Ready;
use crate::model::Model;

/// Beats a backlog is classified in at a time on the CPU.
pub(super) const CPU_BATCH: usize = 64;
/// And where there is an accelerator: enough to be worth the way there on a card, and answered
/// within a second by a slow one.
pub(super) const ACCELERATOR_BATCH: usize = 512;
/// What all [`super::chosen::ChosenEngine`]s share.
pub(super) struct Shared {
    pub(super) model: Arc<Model>,
    pub(super) choice: EngineChoice,
    pub(super) options: ChooseOptions,
    pub(super) cpu: Cpu,
    pub(super) batch: usize,
    pub(super) second: Mutex<Second>,
    /// What happened before any session.
    pub(super) notices: Mutex<Vec<EngineNotice>>,
}

/// What an accelerator is better for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preference {
    Nothing,
    Singles,
    Backlogs,
    Everything,
}

impl Preference {
    pub(super) fn of(choice: EngineChoice, accelerator: &Figures, cpu: &Figures) -> Self {
        let faster = |beats| accelerator.expected(beats) < cpu.expected(beats);
        match (choice, faster(1), faster(ACCELERATOR_BATCH)) {
            (EngineChoice::Cpu, ..) | (EngineChoice::Auto, false, false) => Self::Nothing,
            (EngineChoice::Gpu, ..) | (EngineChoice::Auto, true, true) => Self::Everything,
            (EngineChoice::Auto, true, false) => Self::Singles,
            (EngineChoice::Auto, false, true) => Self::Backlogs,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Nothing => "nothing: the CPU is faster",
            Self::Singles => "single beats",
            Self::Backlogs => "backlogs",
            Self::Everything => "single beats and backlogs",
        }
    }
}

impl Shared {
    pub(super) fn second(&self) -> MutexGuard<'_, Second> {
        self.second.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The accelerator; `None` while another pipeline's batch is on it and the choice is free.
    pub(super) fn second_if_idle(&self) -> Option<MutexGuard<'_, Second>> {
        match self.second.try_lock() {
            Ok(second) => Some(second),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if self.choice == EngineChoice::Gpu => {
                Some(self.second())
            }
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(super) fn earlier_notices(&self) -> Vec<EngineNotice> {
        std::mem::take(&mut self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a batch of `beats` goes to the accelerator.
    pub(super) fn prefers_second(&self, ready: &Ready, beats: usize) -> bool {
        match self.choice {
            EngineChoice::Cpu => false,
            EngineChoice::Gpu => true,
            EngineChoice::Auto => ready.figures.expected(beats) < self.cpu.figures.expected(beats),
        }
    }

    /// What the accelerator is used for.
    pub(super) fn used_for(&self, ready: &Ready) -> &'static str {
        Preference::of(self.choice, &ready.figures, &self.cpu.figures).words()
    }

    pub(super) fn name_for(&self, second: &Second, beats: usize) -> String {
        match &second.state {
            State::Ready(_, ready) if self.prefers_second(ready, beats) => ready.engine.clone(),
            _ => self.cpu.name.clone(),
        }
    }

    pub(super) fn report(&self) -> EngineReport {
        let second = self.second();
        let single = self.name_for(&second, 1);
        let backlog = self.name_for(&second, self.batch);
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
            candidates.extend(second.candidates());
        }
        EngineReport {
            asked: self.choice.name(),
            reason: self.reason(&second),
            single,
            backlog,
            backlog_batch: self.batch,
            losses: second.losses,
            candidates,
        }
    }

    fn reason(&self, second: &Second) -> String {
        let cpu = &self.cpu.name;
        let gpu = match &second.state {
            _ if self.choice == EngineChoice::Cpu => return "the CPU was asked for".to_owned(),
            State::Ready(_, ready) => {
                let asked = if self.choice == EngineChoice::Gpu {
                    "asked for"
                } else {
                    "measured to be faster"
                };
                return format!("{}: {asked} for {}", ready.adapter, self.used_for(ready));
            }
            State::Starting(_) => "the GPU is being opened, checked and measured".to_owned(),
            State::Away { reason, .. } => format!("the GPU is tried again later ({reason})"),
            State::None { reason, .. } => match &second.known {
                Some(ready) => format!("{} is {reason}", ready.adapter),
                None => reason.clone(),
            },
        };
        format!("{cpu} is the fastest this processor has; {gpu}")
    }
}
