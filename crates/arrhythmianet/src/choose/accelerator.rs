//! An accelerator on a thread of its own, so that a driver that hangs holds up nobody.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::report::{AdapterReport, Figures, LossCause};
use super::self_test::{SelfTest, measure};
use crate::{Classifier, ClassifyError, Model, Outputs};

/// Beats a backlog is classified in at a time where there is an accelerator: enough to be worth the
/// transfer to a card, and answered within a second by a slow one.
pub(super) const ACCELERATOR_BATCH: usize = 512;

/// How long the end of a thread is waited for; one that hangs in a driver is left behind.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// An engine on a device that may go away.
pub trait Accelerator: Classifier {
    /// The device.
    fn adapter(&self) -> AdapterReport;
}

/// Where accelerators come from.
pub trait AcceleratorSource: Send + Sync {
    /// An engine for `model` and batches of `max_batch` windows on a device opened anew. Called on
    /// a thread of its own, where it may take seconds, or hang.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn make(
        &self,
        model: Arc<Model>,
        max_batch: usize,
    ) -> Result<Box<dyn Accelerator>, Unavailable>;
}

/// Why there is no accelerator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// What is missing or failed.
    pub reason: String,
    /// Whether there is no device at all, so that trying again is of no use.
    pub no_device: bool,
    /// Devices that are there and were not taken.
    pub others: Vec<AdapterReport>,
}

impl Unavailable {
    /// A failure that may pass.
    pub(super) fn for_now(reason: String) -> Self {
        Self {
            reason,
            no_device: false,
            others: Vec::new(),
        }
    }
}

/// What an accelerator is made with.
#[derive(Clone)]
pub(super) struct AcceleratorSpec {
    pub(super) source: Arc<dyn AcceleratorSource>,
    pub(super) model: Arc<Model>,
    pub(super) self_test: Arc<SelfTest>,
}

/// A batch on its way to the engine and back.
struct Batch {
    input: Vec<f32>,
    outputs: Outputs,
}

type Answer = (Batch, Result<(), ClassifyError>);

/// What an engine that passed its self-test is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ready {
    pub(super) engine: String,
    pub(super) adapter: AdapterReport,
    pub(super) figures: Figures,
}

/// Why an engine is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It could not be opened.
    Unavailable(Unavailable),
    /// It answers, and wrongly.
    WrongNumbers {
        engine: String,
        adapter: String,
        reason: String,
    },
}

/// A batch that was not classified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) cause: LossCause,
    pub(super) reason: String,
}

/// An engine elsewhere, which may fail, or never answer.
pub(super) trait RemoteEngine {
    /// Classifies a batch that the caller has checked. After an error the engine is of no more use, and
    /// `outputs` is of no meaning.
    fn classify(
        &mut self,
        input: &[f32],
        outputs: &mut Outputs,
        timeout: Duration,
    ) -> Result<(), Loss>;
}

/// The caller's side of the thread; of no more use after an error ([`Worker::abandon`]).
pub(super) struct Worker {
    batches: Option<SyncSender<Batch>>,
    answers: Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
    /// Room for the input of a batch.
    input: Vec<f32>,
}

/// Opens, tests and measures an engine.
fn prepare(spec: AcceleratorSpec) -> Result<(Box<dyn Accelerator>, Ready), Refusal> {
    let mut engine = spec
        .source
        .make(spec.model, ACCELERATOR_BATCH)
        .map_err(Refusal::Unavailable)?;
    let adapter = engine.adapter();
    if let Err(reason) = spec.self_test.check(&mut *engine) {
        return Err(Refusal::WrongNumbers {
            engine: engine.engine().to_owned(),
            adapter: adapter.to_string(),
            reason,
        });
    }
    let figures = measure(&mut *engine, spec.self_test.windows(), ACCELERATOR_BATCH)
        .map_err(|error| Refusal::Unavailable(Unavailable::for_now(error.to_string())))?;
    let ready = Ready {
        engine: engine.engine().to_owned(),
        adapter,
        figures,
    };
    Ok((engine, ready))
}

/// Until nobody sends or nobody listens.
fn serve(
    mut engine: Box<dyn Accelerator>,
    batches: &Receiver<Batch>,
    answers: &SyncSender<Answer>,
) {
    while let Ok(mut batch) = batches.recv() {
        let result = engine.classify(&batch.input, &mut batch.outputs);
        if answers.send((batch, result)).is_err() {
            return;
        }
    }
}

impl Worker {
    /// Begins to open, test and measure an engine; never waits. What comes of it is received later, and
    /// batches are classified only after that.
    pub(super) fn start(
        spec: &AcceleratorSpec,
    ) -> std::io::Result<(Self, Receiver<Result<Ready, Refusal>>)> {
        let (batches, batches_in) = sync_channel(1);
        let (answers_out, answers) = sync_channel(1);
        let (outcome_out, outcome) = sync_channel(1);
        let to_make = spec.clone();
        let thread = std::thread::Builder::new()
            .name("accelerator".to_owned())
            .spawn(move || match prepare(to_make) {
                Err(refusal) => drop(outcome_out.send(Err(refusal))),
                Ok((engine, ready)) => {
                    // Where nobody listens any more, nobody sends batches either.
                    let _ = outcome_out.send(Ok(ready));
                    serve(engine, &batches_in, &answers_out);
                }
            })?;
        let worker = Self {
            batches: Some(batches),
            answers,
            thread: Some(thread),
            input: Vec::new(),
        };
        Ok((worker, outcome))
    }

    /// Tells the thread to end without waiting for it.
    pub(super) fn abandon(mut self) -> Option<JoinHandle<()>> {
        self.batches = None;
        self.thread.take()
    }
}

impl RemoteEngine for Worker {
    fn classify(
        &mut self,
        input: &[f32],
        outputs: &mut Outputs,
        timeout: Duration,
    ) -> Result<(), Loss> {
        let driver = |reason| Loss {
            cause: LossCause::Driver,
            reason,
        };
        self.input.clear();
        self.input.extend_from_slice(input);
        // The thread gets the caller's own outputs; one that hangs keeps them.
        let (room, none) = (outputs.max_batch(), outputs.resized(0));
        let batch = Batch {
            input: std::mem::take(&mut self.input),
            outputs: std::mem::replace(outputs, none),
        };
        let batches = self.batches.as_ref();
        let answer = if batches.is_some_and(|batches| batches.try_send(batch).is_ok()) {
            self.answers.recv_timeout(timeout)
        } else {
            Err(RecvTimeoutError::Disconnected)
        };
        match answer {
            Ok((batch, result)) => {
                (self.input, *outputs) = (batch.input, batch.outputs);
                result.map_err(|error| {
                    driver(match error {
                        ClassifyError::Engine { reason, .. } => reason,
                        other => other.to_string(),
                    })
                })
            }
            Err(error) => {
                *outputs = outputs.resized(room);
                Err(match error {
                    RecvTimeoutError::Timeout => Loss {
                        cause: LossCause::TimeOut,
                        reason: format!("no answer within {timeout:.1?}"),
                    },
                    RecvTimeoutError::Disconnected => driver("its thread ended".to_owned()),
                })
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.batches = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        let began = Instant::now();
        while !thread.is_finished() {
            if began.elapsed() > SHUTDOWN_GRACE {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // A panic there has been reported by the panic hook.
        let _ = thread.join();
    }
}
