//! The engines of one model, chosen at start and shared by everything that classifies.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;

use super::calibration::{Figures, measure};
use super::chosen::ChosenEngine;
use super::exam::Exam;
use super::notice::EngineNotice;
use super::report::{CandidateState, EngineCandidate, EngineReport};
use super::second::{Makings, Second, State};
use super::worker::{Ready, Refusal};
use super::{AcceleratorSource, Unavailable};
use crate::model::{Classifier, ClassifyError, CpuReference, Model, best_cpu_engine};

/// What is to classify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineChoice {
    /// Whatever is faster, for single beats and for backlogs.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU, also a software one; the CPU only while the GPU is lost.
    Gpu,
}

impl EngineChoice {
    /// As in the configuration: `auto`, `cpu` or `gpu`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }
}

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChooseOptions {
    /// How long `auto` waits for an accelerator at the start; one that takes longer is taken up
    /// when it is ready.
    pub patience: Duration,
    /// Pause before a lost accelerator is tried again; doubled with every further try.
    pub first_pause: Duration,
    /// Longest such pause.
    pub longest_pause: Duration,
    /// Time a batch may take beyond what was measured; a live label is late by no more when a
    /// device hangs.
    pub grace: Duration,
}

impl Default for ChooseOptions {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
            first_pause: Duration::from_secs(5),
            longest_pause: Duration::from_secs(600),
            grace: Duration::from_secs(1),
        }
    }
}

/// Why there is no engine as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChooseError {
    /// The GPU was asked for and cannot be used: ask for `auto` to go on without.
    #[error("engine \"gpu\": {reason}; \"auto\" goes on without a GPU")]
    Gpu {
        /// What is missing.
        reason: String,
    },
    /// The CPU engine failed: the model cannot be run at all.
    #[error(transparent)]
    Cpu(#[from] ClassifyError),
}

/// Beats a backlog is classified in at a time on the CPU.
const CPU_BATCH: usize = 64;
/// And where there is an accelerator: enough to be worth the way there on a card, and answered
/// within a second by a slow one.
const ACCELERATOR_BATCH: usize = 512;
/// How long the GPU may take at the start where it was asked for.
const GPU_PATIENCE: Duration = Duration::from_secs(120);

/// The engines of one model; clones share them.
#[derive(Clone)]
pub struct Engines {
    shared: Arc<Shared>,
}

/// What all [`ChosenEngine`]s share.
pub(super) struct Shared {
    pub(super) model: Arc<Model>,
    pub(super) choice: EngineChoice,
    pub(super) options: ChooseOptions,
    pub(super) cpu: Cpu,
    pub(super) batch: usize,
    second: Mutex<Second>,
    /// What happened before any session.
    notices: Mutex<Vec<EngineNotice>>,
}

/// The CPU engine that passed.
pub(super) struct Cpu {
    pub(super) name: String,
    pub(super) figures: Figures,
    /// Whether the vector engine gave wrong numbers.
    plain: bool,
}

impl Cpu {
    pub(super) fn engine(&self, model: &Arc<Model>, max_batch: usize) -> Box<dyn Classifier> {
        if self.plain {
            Box::new(CpuReference::new(Arc::clone(model), max_batch))
        } else {
            best_cpu_engine(Arc::clone(model), max_batch)
        }
    }
}

impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engines")
            .field("choice", &self.shared.choice)
            .finish_non_exhaustive()
    }
}

impl Engines {
    /// Checks and measures the engines of `model` and takes the better ones. `source` is where
    /// accelerators come from, `None` where this program has none.
    ///
    /// # Errors
    /// [`ChooseError::Gpu`] only where the GPU was asked for.
    pub fn choose(
        model: Arc<Model>,
        choice: EngineChoice,
        source: Option<Arc<dyn AcceleratorSource>>,
        options: &ChooseOptions,
    ) -> Result<Self, ChooseError> {
        let exam = Arc::new(Exam::new(&model)?);
        let mut notices = Vec::new();
        let cpu = cpu(&model, &exam, &mut notices)?;
        let prefer = |ready: &Ready| Preference::of(choice, &ready.figures, &cpu.figures);
        let second = match (choice, source) {
            (EngineChoice::Cpu, _) => None,
            (EngineChoice::Gpu, None) => {
                return Err(ChooseError::Gpu {
                    reason: "this program was built without GPU support".to_owned(),
                });
            }
            (EngineChoice::Auto, None) => Some(Second::none(
                CandidateState::Absent,
                "this program was built without GPU support".to_owned(),
                Vec::new(),
            )),
            (_, Some(source)) => {
                let makings = Makings {
                    source,
                    model: Arc::clone(&model),
                    exam,
                    max_batch: ACCELERATOR_BATCH,
                };
                let mut second = Second::start(makings, options);
                open(choice, options, &mut second, &mut notices)?;
                if let State::Ready(_, ready) = &second.state
                    && prefer(ready) == Preference::Nothing
                {
                    let reason = "slower than the CPU for single beats and for backlogs";
                    second.retire(CandidateState::Slower, reason.to_owned());
                }
                Some(second)
            }
        };
        let waiting = second
            .as_ref()
            .is_some_and(|second| !matches!(second.state, State::None { .. }));
        Ok(Self {
            shared: Arc::new(Shared {
                model,
                choice,
                options: options.clone(),
                cpu,
                batch: if waiting {
                    ACCELERATOR_BATCH
                } else {
                    CPU_BATCH
                },
                second: Mutex::new(second.unwrap_or_else(|| {
                    Second::none(CandidateState::Absent, String::new(), Vec::new())
                })),
                notices: Mutex::new(notices),
            }),
        })
    }

    /// An engine for one pipeline. `backlog`: whether it begins with a backlog or with single
    /// beats, which decides the name it has before its first batch.
    #[must_use]
    pub fn classifier(&self, backlog: bool) -> Box<dyn Classifier> {
        let beats = if backlog { self.shared.batch } else { 1 };
        let name = self.shared.name_for(&self.shared.second(), beats);
        Box::new(ChosenEngine::new(Arc::clone(&self.shared), name))
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.shared.model
    }

    /// What is in use now, and why.
    #[must_use]
    pub fn report(&self) -> EngineReport {
        self.shared.report()
    }
}

/// What an accelerator is better for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preference {
    Nothing,
    Singles,
    Backlogs,
    Everything,
}

impl Preference {
    fn of(choice: EngineChoice, accelerator: &Figures, cpu: &Figures) -> Self {
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

/// The vector engine where it passes the exam, the plain one otherwise.
fn cpu(
    model: &Arc<Model>,
    exam: &Exam,
    notices: &mut Vec<EngineNotice>,
) -> Result<Cpu, ClassifyError> {
    let mut cpu = Cpu {
        name: String::new(),
        figures: Figures {
            single_ns: 0,
            batch: CPU_BATCH,
            batch_ns_per_beat: 0,
        },
        plain: false,
    };
    let mut engine = cpu.engine(model, CPU_BATCH);
    if let Err(reason) = exam.check(&mut *engine) {
        tracing::error!(engine = engine.engine(), reason, "self-check failed");
        notices.push(EngineNotice::Refused {
            engine: engine.engine().to_owned(),
            reason,
        });
        cpu.plain = true;
        engine = cpu.engine(model, CPU_BATCH);
    }
    cpu.figures = measure(&mut *engine, exam.windows(), CPU_BATCH)?;
    cpu.name = engine.engine().to_owned();
    Ok(cpu)
}

/// Waits for the accelerator at the start.
fn open(
    choice: EngineChoice,
    options: &ChooseOptions,
    second: &mut Second,
    notices: &mut Vec<EngineNotice>,
) -> Result<(), ChooseError> {
    let asked = choice == EngineChoice::Gpu;
    let patience = if asked {
        GPU_PATIENCE
    } else {
        options.patience
    };
    let refusal = match second.wait(patience) {
        Ok(()) if asked && matches!(second.state, State::Starting(_)) => {
            return Err(ChooseError::Gpu {
                reason: format!("the driver does not answer within {} s", patience.as_secs()),
            });
        }
        Ok(()) => return Ok(()),
        Err(refusal) => refusal,
    };
    match refusal {
        Refusal::Unavailable(Unavailable { reason, .. }) if asked => {
            Err(ChooseError::Gpu { reason })
        }
        Refusal::WrongNumbers {
            adapter, reason, ..
        } if asked => Err(ChooseError::Gpu {
            reason: format!("{adapter}: self-check failed: {reason}"),
        }),
        Refusal::Unavailable(Unavailable {
            reason,
            no_device: true,
            others,
        }) => {
            *second = Second::none(CandidateState::Absent, reason, others);
            Ok(())
        }
        Refusal::Unavailable(Unavailable { reason, .. }) => {
            tracing::warn!(
                reason,
                "the GPU cannot be used now and is tried again later"
            );
            Ok(())
        }
        Refusal::WrongNumbers { engine, reason, .. } => {
            tracing::error!(engine, reason, "self-check failed");
            notices.extend(second.refused(engine, reason));
            Ok(())
        }
    }
}

impl Shared {
    pub(super) fn second(&self) -> MutexGuard<'_, Second> {
        self.second.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The accelerator; `None` while another pipeline's batch is on it and the choice is free.
    pub(super) fn second_if_idle(&self) -> Option<MutexGuard<'_, Second>> {
        use std::sync::TryLockError;
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
