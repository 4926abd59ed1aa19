//! An accelerator on a thread of its own, so that a driver that hangs holds up nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::report::{AdapterReport, Figures, LossCause};
use super::self_test::{SelfTest, measure};
use crate::{Classifier, ClassifyError, Model, Outputs, Wanted};

/// How long the end of a thread is waited for; one that hangs in a driver is left behind.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// An engine on a device that may go away.
pub trait Accelerator: Classifier {
    /// The device.
    fn adapter(&self) -> AdapterReport;

    /// Takes the device away with a batch in flight, as a driver does that resets it: for
    /// demonstrations of what happens then. The next call of `classify` fails.
    fn lose(&mut self, input: &[f32]);
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
    fn for_now(reason: String) -> Self {
        Self {
            reason,
            no_device: false,
            others: Vec::new(),
        }
    }
}

/// Tells a [`FaultInjector`] to lose its device with the next batch.
#[derive(Debug, Clone, Default)]
pub(super) struct LossSwitch(Arc<AtomicBool>);

impl LossSwitch {
    pub(super) fn arm(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn fires(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// An accelerator that loses its device when told so.
struct FaultInjector {
    engine: Box<dyn Accelerator>,
    switch: LossSwitch,
}

impl Classifier for FaultInjector {
    fn engine(&self) -> &str {
        self.engine.engine()
    }

    fn model(&self) -> &Model {
        self.engine.model()
    }

    fn max_batch(&self) -> usize {
        self.engine.max_batch()
    }

    fn classify(&mut self, input: &[f32], outputs: &mut Outputs) -> Result<(), ClassifyError> {
        if self.switch.fires() {
            self.engine.lose(input);
        }
        self.engine.classify(input, outputs)
    }
}

/// What an accelerator is made with.
#[derive(Clone)]
pub(super) struct AcceleratorSpec {
    pub(super) source: Arc<dyn AcceleratorSource>,
    pub(super) model: Arc<Model>,
    pub(super) self_test: Arc<SelfTest>,
    pub(super) max_batch: usize,
    pub(super) switch: LossSwitch,
}

/// A batch on its way to the engine. Its buffers come back with the [`Answer`].
struct Batch {
    input: Vec<f32>,
    outputs: Outputs,
}

struct Answer {
    batch: Batch,
    result: Result<(), ClassifyError>,
}

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

/// The caller's side of the thread.
pub(super) struct Worker {
    batches: Option<SyncSender<Batch>>,
    answers: Receiver<Answer>,
    thread: Option<JoinHandle<()>>,
    /// Buffers for each of [`Wanted`].
    spare: [Option<Batch>; 3],
    max_batch: usize,
    model: Arc<Model>,
}

/// An engine being opened, tested and measured.
pub(super) struct Starting {
    worker: Worker,
    ready: Receiver<Result<Ready, Refusal>>,
    pub(super) since: Instant,
}

impl Starting {
    /// Begins; never waits.
    pub(super) fn begin(spec: &AcceleratorSpec) -> std::io::Result<Self> {
        let (batches, batches_in) = sync_channel::<Batch>(1);
        let (answers_out, answers) = sync_channel::<Answer>(1);
        let (ready_out, ready) = sync_channel(1);
        let to_make = spec.clone();
        let thread = std::thread::Builder::new()
            .name("accelerator".to_owned())
            .spawn(move || match prepare(to_make) {
                Err(refusal) => drop(ready_out.send(Err(refusal))),
                Ok((engine, ready)) => {
                    // Where nobody listens any more, nobody sends batches either.
                    let _ = ready_out.send(Ok(ready));
                    serve(engine, &batches_in, &answers_out);
                }
            })?;
        Ok(Self {
            worker: Worker {
                batches: Some(batches),
                answers,
                thread: Some(thread),
                spare: [None, None, None],
                max_batch: spec.max_batch,
                model: Arc::clone(&spec.model),
            },
            ready,
            since: Instant::now(),
        })
    }

    /// The outcome, if it comes within `timeout`; once.
    pub(super) fn wait(&self, timeout: Duration) -> Option<Result<Ready, Refusal>> {
        match self.ready.recv_timeout(timeout) {
            Ok(outcome) => Some(outcome),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                let reason = "its thread ended while it was being opened".to_owned();
                Some(Err(Refusal::Unavailable(Unavailable::for_now(reason))))
            }
        }
    }

    /// The worker, once the engine is ready.
    pub(super) fn into_worker(self) -> Worker {
        self.worker
    }

    /// Its thread, to be left behind.
    pub(super) fn abandon(self) -> Option<JoinHandle<()>> {
        self.worker.abandon()
    }
}

/// Opens, tests and measures an engine; the device can be taken from it afterwards only.
fn prepare(spec: AcceleratorSpec) -> Result<(FaultInjector, Ready), Refusal> {
    let mut engine = spec
        .source
        .make(spec.model, spec.max_batch)
        .map_err(Refusal::Unavailable)?;
    let adapter = engine.adapter();
    if let Err(reason) = spec.self_test.check(&mut *engine) {
        return Err(Refusal::WrongNumbers {
            engine: engine.engine().to_owned(),
            adapter: adapter.to_string(),
            reason,
        });
    }
    let figures = measure(&mut *engine, spec.self_test.windows(), spec.max_batch)
        .map_err(|error| Refusal::Unavailable(Unavailable::for_now(error.to_string())))?;
    let ready = Ready {
        engine: engine.engine().to_owned(),
        adapter,
        figures,
    };
    let switch = spec.switch;
    Ok((FaultInjector { engine, switch }, ready))
}

/// Until nobody sends or nobody listens.
fn serve(mut engine: impl Classifier, batches: &Receiver<Batch>, answers: &SyncSender<Answer>) {
    while let Ok(mut batch) = batches.recv() {
        let result = engine.classify(&batch.input, &mut batch.outputs);
        if answers.send(Answer { batch, result }).is_err() {
            return;
        }
    }
}

impl Worker {
    /// Classifies a batch that the caller has checked; `read` gets the results. After an error the
    /// worker is of no more use: [`Worker::abandon`].
    pub(super) fn classify<T>(
        &mut self,
        input: &[f32],
        wanted: Wanted,
        timeout: Duration,
        read: impl FnOnce(&Outputs) -> T,
    ) -> Result<T, Loss> {
        let driver = |reason| Loss {
            cause: LossCause::Driver,
            reason,
        };
        let ended = || driver("its thread ended".to_owned());
        let mut batch = self.spare[wanted as usize]
            .take()
            .unwrap_or_else(|| self.buffers(wanted));
        batch.input.clear();
        batch.input.extend_from_slice(input);
        self.batches
            .as_ref()
            .ok_or_else(ended)?
            .try_send(batch)
            .map_err(|_| ended())?;
        match self.answers.recv_timeout(timeout) {
            Ok(Answer { batch, result }) => {
                result.map_err(|error| {
                    driver(match error {
                        ClassifyError::Engine { reason, .. } => reason,
                        other => other.to_string(),
                    })
                })?;
                let found = read(&batch.outputs);
                self.spare[wanted as usize] = Some(batch);
                Ok(found)
            }
            Err(RecvTimeoutError::Timeout) => Err(Loss {
                cause: LossCause::TimeOut,
                reason: format!("no answer within {timeout:.1?}"),
            }),
            Err(RecvTimeoutError::Disconnected) => Err(ended()),
        }
    }

    fn buffers(&self, wanted: Wanted) -> Batch {
        let network = self.model.description();
        Batch {
            input: Vec::with_capacity(self.max_batch * network.input.len()),
            outputs: Outputs::with_wanted(network, self.max_batch, wanted),
        }
    }

    /// Tells the thread to end without waiting for it.
    pub(super) fn abandon(mut self) -> Option<JoinHandle<()>> {
        self.batches = None;
        self.thread.take()
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
