//! The engines of one model, chosen at start and shared by everything that classifies.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thiserror::Error;

use super::accelerator::{
    ACCELERATOR_BATCH, AcceleratorSource, AcceleratorSpec, Refusal, Unavailable,
};
use super::options::{ChooseOptions, EngineChoice};
use super::report::{CandidateState, EngineNotice, EngineReport};
use super::self_test::{CPU_BATCH, SelfTest, SelfTestError, TestedCpu};
use super::session::{SessionEngine, Shared};
use super::slot::{AcceleratorSlot, SlotState};
use crate::{ClassifyError, Model};

/// Why there is no engine as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
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
    Weights(#[from] SelfTestError),
}

/// How long the GPU may take at the start where it was asked for.
const GPU_START_TIMEOUT: Duration = Duration::from_secs(120);

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
        let self_test = Arc::new(SelfTest::new(&model)?);
        let cpu = TestedCpu::find(&model, &self_test)?;
        let mut notices = Vec::from_iter(cpu.refusal.clone());
        let empty = |reason: &str| {
            AcceleratorSlot::empty(CandidateState::Absent, reason.to_owned(), Vec::new())
        };
        let slot = match (choice, source) {
            (EngineChoice::Cpu, _) => empty(""),
            (EngineChoice::Gpu, None) => {
                return Err(ChooseError::Gpu {
                    reason: missing.to_owned(),
                });
            }
            (EngineChoice::Auto, None) => empty(missing),
            (_, Some(source)) => {
                let spec = AcceleratorSpec {
                    source,
                    model: Arc::clone(&model),
                    self_test,
                };
                let mut slot = AcceleratorSlot::start(spec, options);
                wait_for_start(choice, options, &mut slot, &mut notices)?;
                if let SlotState::Ready(_, ready) = &slot.state
                    && choice.used_for(&ready.figures, &cpu.figures).is_none()
                {
                    let reason = "slower than the CPU for single beats and for backlogs";
                    slot.retire(CandidateState::Slower, reason.to_owned());
                }
                slot
            }
        };
        let batch = if matches!(slot.state, SlotState::Empty { .. }) {
            CPU_BATCH
        } else {
            ACCELERATOR_BATCH
        };
        Ok(Self {
            shared: Arc::new(Shared {
                model,
                choice,
                options: options.clone(),
                cpu,
                batch,
                slot: Mutex::new(slot),
                notices: Mutex::new(notices),
            }),
        })
    }

    /// An engine for one session. `backlog`: whether it begins with a backlog or with single
    /// beats, which decides the name it has before its first batch.
    #[must_use]
    pub fn session(&self, backlog: bool) -> SessionEngine {
        let beats = if backlog { self.shared.batch } else { 1 };
        SessionEngine::new(Arc::clone(&self.shared), beats)
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
fn wait_for_start(
    choice: EngineChoice,
    options: &ChooseOptions,
    slot: &mut AcceleratorSlot,
    notices: &mut Vec<EngineNotice>,
) -> Result<(), ChooseError> {
    let asked = choice == EngineChoice::Gpu;
    let timeout = if asked {
        GPU_START_TIMEOUT
    } else {
        options.start_timeout
    };
    let refused = |reason| Err(ChooseError::Gpu { reason });
    match slot.wait(timeout) {
        Ok(()) if asked && matches!(slot.state, SlotState::Starting { .. }) => refused(format!(
            "the driver does not answer within {} s",
            timeout.as_secs()
        )),
        Ok(()) => Ok(()),
        Err(refusal) if asked => refused(match refusal {
            Refusal::Unavailable(Unavailable { reason, .. }) => reason,
            Refusal::WrongNumbers {
                adapter, reason, ..
            } => format!("{adapter}: self-check failed: {reason}"),
        }),
        Err(Refusal::Unavailable(Unavailable {
            reason,
            no_device: true,
            others,
        })) => {
            *slot = AcceleratorSlot::empty(CandidateState::Absent, reason, others);
            Ok(())
        }
        Err(Refusal::Unavailable(Unavailable { reason, .. })) => {
            tracing::warn!(
                reason,
                "the GPU cannot be used now and is tried again later"
            );
            Ok(())
        }
        Err(Refusal::WrongNumbers { engine, reason, .. }) => {
            tracing::error!(engine, reason, "self-check failed");
            notices.extend(slot.refused(engine, reason));
            Ok(())
        }
    }
}
