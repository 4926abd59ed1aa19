//! An accelerator on a thread of its own, so that a driver that hangs holds up nobody.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::calibration::{Figures, measure};
use super::exam::Exam;
use super::notice::LossCause;
use super::report::AdapterReport;
use super::{Accelerator, AcceleratorSource, Unavailable};
use crate::model::{ClassifyError, Model, Outputs, Wanted};

/// How long the end of a thread is waited for; one that hangs in a driver is left behind.
const FAREWELL: Duration = Duration::from_secs(1);

/// A batch on its way to the engine. Its buffers come back with the [`Answer`].
struct Batch {
    input: Vec<f32>,
    outputs: Outputs,
    /// Take the device away while the batch is in flight.
    lose: bool,
}

struct Answer {
    input: Vec<f32>,
    outputs: Outputs,
    result: Result<(), ClassifyError>,
}

/// What an engine that passed is.
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
    spare: [Option<(Vec<f32>, Outputs)>; 3],
    max_batch: usize,
    model: Arc<Model>,
}

/// An engine being opened, checked and measured.
pub(super) struct Starting {
    worker: Worker,
    ready: Receiver<Result<Ready, Refusal>>,
    pub(super) since: Instant,
}

impl Starting {
    /// Begins; never waits.
    pub(super) fn begin(
        source: Arc<dyn AcceleratorSource>,
        model: Arc<Model>,
        exam: Arc<Exam>,
        max_batch: usize,
    ) -> std::io::Result<Self> {
        let (batches, inbox) = sync_channel::<Batch>(1);
        let (outbox, answers) = sync_channel::<Answer>(1);
        let (tell, ready) = sync_channel(1);
        let make_for = Arc::clone(&model);
        let thread = std::thread::Builder::new()
            .name("accelerator".to_owned())
            .spawn(
                move || match prepare(&*source, make_for, &exam, max_batch) {
                    Err(refusal) => drop(tell.send(Err(refusal))),
                    Ok((mut engine, ready)) => {
                        // Where nobody listens any more, nobody sends batches either.
                        let _ = tell.send(Ok(ready));
                        serve(&mut *engine, &inbox, &outbox);
                    }
                },
            )?;
        Ok(Self {
            worker: Worker {
                batches: Some(batches),
                answers,
                thread: Some(thread),
                spare: [None, None, None],
                max_batch,
                model,
            },
            ready,
            since: Instant::now(),
        })
    }

    /// The outcome, if it comes within `patience`; once.
    pub(super) fn wait(&self, patience: Duration) -> Option<Result<Ready, Refusal>> {
        let outcome = if patience.is_zero() {
            self.ready.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            })
        } else {
            self.ready.recv_timeout(patience)
        };
        match outcome {
            Ok(outcome) => Some(outcome),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(Refusal::Unavailable(Unavailable {
                reason: "its thread ended while it was being opened".to_owned(),
                no_device: false,
                others: Vec::new(),
            }))),
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

fn prepare(
    source: &dyn AcceleratorSource,
    model: Arc<Model>,
    exam: &Exam,
    max_batch: usize,
) -> Result<(Box<dyn Accelerator>, Ready), Refusal> {
    let mut engine = source
        .make(model, max_batch)
        .map_err(Refusal::Unavailable)?;
    let adapter = engine.adapter();
    if let Err(reason) = exam.check(&mut *engine) {
        return Err(Refusal::WrongNumbers {
            engine: engine.engine().to_owned(),
            adapter: adapter.to_string(),
            reason,
        });
    }
    let figures = measure(&mut *engine, exam.windows(), max_batch).map_err(|error| {
        Refusal::Unavailable(Unavailable {
            reason: error.to_string(),
            no_device: false,
            others: Vec::new(),
        })
    })?;
    let ready = Ready {
        engine: engine.engine().to_owned(),
        adapter,
        figures,
    };
    Ok((engine, ready))
}

/// Until nobody sends or nobody listens.
fn serve(engine: &mut dyn Accelerator, batches: &Receiver<Batch>, answers: &SyncSender<Answer>) {
    while let Ok(batch) = batches.recv() {
        let Batch {
            input,
            mut outputs,
            lose,
        } = batch;
        if lose {
            engine.lose(&input);
        }
        let result = engine.classify(&input, &mut outputs);
        let answer = Answer {
            input,
            outputs,
            result,
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

impl Worker {
    /// Classifies a batch that the caller has checked; `take` gets the results. After an error the
    /// worker is of no more use: [`Worker::abandon`].
    pub(super) fn classify<T>(
        &mut self,
        input: &[f32],
        wanted: Wanted,
        lose: bool,
        timeout: Duration,
        take: impl FnOnce(&Outputs) -> T,
    ) -> Result<T, Loss> {
        let gone = || Loss {
            cause: LossCause::Driver,
            reason: "its thread ended".to_owned(),
        };
        let (mut buffer, outputs) = self.spare[wanted as usize]
            .take()
            .unwrap_or_else(|| self.buffers(wanted));
        buffer.clear();
        buffer.extend_from_slice(input);
        let batch = Batch {
            input: buffer,
            outputs,
            lose,
        };
        self.batches
            .as_ref()
            .ok_or_else(gone)?
            .try_send(batch)
            .map_err(|_| gone())?;
        match self.answers.recv_timeout(timeout) {
            Ok(Answer {
                input,
                outputs,
                result,
            }) => {
                result.map_err(|error| Loss {
                    cause: LossCause::Driver,
                    reason: match error {
                        ClassifyError::Engine { reason, .. } => reason,
                        other => other.to_string(),
                    },
                })?;
                let taken = take(&outputs);
                self.spare[wanted as usize] = Some((input, outputs));
                Ok(taken)
            }
            Err(RecvTimeoutError::Timeout) => Err(Loss {
                cause: LossCause::TimeOut,
                reason: format!("no answer within {timeout:.1?}"),
            }),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }

    fn buffers(&self, wanted: Wanted) -> (Vec<f32>, Outputs) {
        let network = self.model.description();
        let outputs = Outputs::of(network, self.max_batch, wanted);
        (
            Vec::with_capacity(self.max_batch * network.input.len()),
            outputs,
        )
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
            if began.elapsed() > FAREWELL {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // A panic there has been reported by the panic hook.
        let _ = thread.join();
    }
}
