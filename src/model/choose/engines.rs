//! The engines of one model, chosen at start and shared by everything that classifies.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thiserror::Error;

use super::chosen::ChosenEngine;
use super::exam::{Exam, ExamError};
use super::notice::EngineNotice;
use super::report::{CandidateState, EngineReport};
use super::second::{Makings, Second, State};
use super::shared::{ACCELERATOR_BATCH, CPU_BATCH, Preference, Shared};
use super::worker::{Ready, Refusal};
use super::{AcceleratorSource, Unavailable, cpu};
use crate::model::{Classifier, ClassifyError, Model};

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
    /// The weights fail the self-test: other weights are needed.
    #[error(transparent)]
    Weights(#[from] ExamError),
}

/// How long the GPU may take at the start where it was asked for.
const GPU_PATIENCE: Duration = Duration::from_secs(120);

/// The engines of one model; clones share them.
#[derive(Clone)]
pub struct Engines {
    shared: Arc<Shared>,
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
    /// [`ChooseError::Gpu`] only where the GPU was asked for; [`ChooseError::Weights`] for weights with
    /// which no engine gives sensible answers.
    pub fn choose(
        model: Arc<Model>,
        choice: EngineChoice,
        source: Option<Arc<dyn AcceleratorSource>>,
        options: &ChooseOptions,
    ) -> Result<Self, ChooseError> {
        let int8 = model.description().int8;
        let missing = if int8 {
            "int8 variants run on the CPU only"
        } else {
            "this program was built without GPU support"
        };
        let source = source.filter(|_| !int8);
        let exam = Arc::new(Exam::new(&model)?);
        let mut notices = Vec::new();
        let cpu = cpu::examined(&model, &exam, &mut notices)?;
        let prefer = |ready: &Ready| Preference::of(choice, &ready.figures, &cpu.figures);
        let second = match (choice, source) {
            (EngineChoice::Cpu, _) => None,
            (EngineChoice::Gpu, None) => {
                return Err(ChooseError::Gpu {
                    reason: missing.to_owned(),
                });
            }
            (EngineChoice::Auto, None) => Some(Second::none(
                CandidateState::Absent,
                missing.to_owned(),
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
