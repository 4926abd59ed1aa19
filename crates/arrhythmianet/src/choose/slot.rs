//! The place of an accelerator, a state machine: being started, in use, lost, tried again.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::accelerator::{AcceleratorSpec, Loss, Ready, Refusal, Unavailable, Worker};
use super::options::ChooseOptions;
use super::report::{AdapterReport, CandidateState, EngineCandidate, EngineNotice};

/// An accelerator that has worked this long is tried again soon after the next loss.
const STEADY: Duration = Duration::from_secs(600);

/// How long an accelerator may take to be opened, tested and measured (some drivers compile for
/// minutes) before it counts as hung.
const LONGEST_START: Duration = Duration::from_secs(120);

/// At most one accelerator.
pub(super) struct AcceleratorSlot {
    spec: Option<AcceleratorSpec>,
    pub(super) state: SlotState,
    options: ChooseOptions,
    /// The last one that worked.
    pub(super) known: Option<Ready>,
    /// Pause before the next try.
    pause: Duration,
    lost_at: Option<Instant>,
    ready_at: Option<Instant>,
    /// Threads that hang in a driver.
    stuck: Vec<JoinHandle<()>>,
    last_refusal: Option<String>,
    pub(super) losses: u64,
}

pub(super) enum SlotState {
    /// Nothing to use, now and later: devices that were not taken, and why.
    Empty {
        state: CandidateState,
        reason: String,
        others: Vec<AdapterReport>,
    },
    /// Being opened, tested and measured.
    Starting {
        worker: Worker,
        outcome: Receiver<Result<Ready, Refusal>>,
        since: Instant,
    },
    Ready(Worker, Ready),
    Away {
        state: CandidateState,
        reason: String,
        again_at: Instant,
    },
}

impl AcceleratorSlot {
    /// No accelerator, for this reason.
    pub(super) fn empty(state: CandidateState, reason: String, others: Vec<AdapterReport>) -> Self {
        Self {
            spec: None,
            state: SlotState::Empty {
                state,
                reason,
                others,
            },
            options: ChooseOptions::default(),
            known: None,
            pause: Duration::ZERO,
            lost_at: None,
            ready_at: None,
            stuck: Vec::new(),
            last_refusal: None,
            losses: 0,
        }
    }

    /// Begins to open one.
    pub(super) fn start(spec: AcceleratorSpec, options: &ChooseOptions) -> Self {
        let mut slot = Self {
            spec: Some(spec),
            options: options.clone(),
            pause: options.first_pause,
            ..Self::empty(CandidateState::Starting, String::new(), Vec::new())
        };
        slot.open();
        slot
    }

    fn open(&mut self) {
        let Some(spec) = &self.spec else { return };
        match Worker::start(spec) {
            Ok((worker, outcome)) => {
                self.state = SlotState::Starting {
                    worker,
                    outcome,
                    since: Instant::now(),
                };
            }
            Err(error) => {
                self.retry_later(CandidateState::Lost, format!("no thread: {error}"));
            }
        }
    }

    /// The state; whoever takes it puts another in its place.
    fn take_state(&mut self) -> SlotState {
        let placeholder = SlotState::Empty {
            state: CandidateState::Absent,
            reason: String::new(),
            others: Vec::new(),
        };
        std::mem::replace(&mut self.state, placeholder)
    }

    /// Leaves the thread behind, which may hang in a driver.
    fn abandon(&mut self) {
        if let SlotState::Starting { worker, .. } | SlotState::Ready(worker, _) = self.take_state()
        {
            self.stuck.extend(worker.abandon());
        }
    }

    /// Tries again after a pause, which is given back.
    fn retry_later(&mut self, state: CandidateState, reason: String) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(self.options.longest_pause);
        self.state = SlotState::Away {
            state,
            reason,
            again_at: Instant::now() + pause,
        };
        pause
    }

    /// Waits for one that is being opened. What went wrong comes back; the state is `Away` then.
    pub(super) fn wait(&mut self, timeout: Duration) -> Result<(), Refusal> {
        let SlotState::Starting { outcome, .. } = &self.state else {
            return Ok(());
        };
        let outcome = match outcome.recv_timeout(timeout) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                let reason = "its thread ended while it was being opened".to_owned();
                Err(Refusal::Unavailable(Unavailable::for_now(reason)))
            }
        };
        match outcome {
            Ok(ready) => {
                if let SlotState::Starting { worker, .. } = self.take_state() {
                    self.known = Some(ready.clone());
                    self.ready_at = Some(Instant::now());
                    self.last_refusal = None;
                    self.state = SlotState::Ready(worker, ready);
                }
                Ok(())
            }
            Err(refusal) => {
                let (state, reason) = match &refusal {
                    Refusal::Unavailable(it) => (CandidateState::Lost, &it.reason),
                    Refusal::WrongNumbers { reason, .. } => (CandidateState::Refused, reason),
                };
                self.retry_later(state, reason.clone());
                Err(refusal)
            }
        }
    }

    /// Moves on: tries again what is due, uses what has become ready. Never waits.
    pub(super) fn poll(
        &mut self,
        used_for: impl Fn(&Ready) -> &'static str,
    ) -> Option<EngineNotice> {
        match &self.state {
            SlotState::Empty { .. } | SlotState::Ready(..) => None,
            SlotState::Away { again_at, .. } => {
                self.stuck.retain(|thread| !thread.is_finished());
                // While a driver holds an earlier thread, another one would only hang with it.
                if Instant::now() >= *again_at && self.stuck.is_empty() {
                    self.open();
                }
                None
            }
            SlotState::Starting { since, .. } if since.elapsed() > LONGEST_START => {
                self.abandon();
                let reason = format!("not open within {} s", LONGEST_START.as_secs());
                self.retry_later(CandidateState::Lost, reason);
                None
            }
            SlotState::Starting { .. } => match self.wait(Duration::ZERO) {
                Ok(()) => self.recovered(used_for),
                Err(Refusal::WrongNumbers { engine, reason, .. }) => self.refused(engine, reason),
                Err(Refusal::Unavailable(unavailable)) => {
                    tracing::info!(reason = unavailable.reason, "the accelerator is still away");
                    None
                }
            },
        }
    }

    fn recovered(&mut self, used_for: impl Fn(&Ready) -> &'static str) -> Option<EngineNotice> {
        let SlotState::Ready(_, ready) = &self.state else {
            return None;
        };
        tracing::info!(engine = ready.engine, adapter = %ready.adapter, "the accelerator works");
        let away = self.lost_at.take()?.elapsed();
        Some(EngineNotice::Recovered {
            engine: ready.engine.clone(),
            away,
            used_for: used_for(ready),
        })
    }

    /// The notice of a failed self-check, once for the same reason.
    pub(super) fn refused(&mut self, engine: String, reason: String) -> Option<EngineNotice> {
        if self.last_refusal.as_ref() == Some(&reason) {
            return None;
        }
        self.last_refusal = Some(reason.clone());
        self.lost_at.get_or_insert_with(Instant::now);
        Some(EngineNotice::Refused { engine, reason })
    }

    /// Takes the accelerator out of use; how long until it is tried again.
    pub(super) fn lose(&mut self, loss: &Loss) -> Duration {
        if self
            .ready_at
            .take()
            .is_some_and(|since| since.elapsed() >= STEADY)
        {
            self.pause = self.options.first_pause;
        }
        self.losses += 1;
        self.lost_at.get_or_insert_with(Instant::now);
        let reason = format!("{}: {}", loss.cause.words(), loss.reason);
        self.abandon();
        self.retry_later(CandidateState::Lost, reason)
    }

    /// Gives it up: it works, but nothing goes to it.
    pub(super) fn retire(&mut self, state: CandidateState, reason: String) {
        self.spec = None;
        self.state = SlotState::Empty {
            state,
            reason,
            others: Vec::new(),
        };
    }

    /// For the status page.
    pub(super) fn candidates(&self) -> Vec<EngineCandidate> {
        let entry = |state, detail: Option<&String>| EngineCandidate {
            engine: self
                .known
                .as_ref()
                .map_or_else(|| "gpu".to_owned(), |ready| ready.engine.clone()),
            state,
            detail: detail.filter(|detail| !detail.is_empty()).cloned(),
            adapter: self.known.as_ref().map(|ready| ready.adapter.clone()),
            figures: self.known.as_ref().map(|ready| ready.figures),
        };
        match &self.state {
            SlotState::Empty { others, reason, .. } if !others.is_empty() => others
                .iter()
                .map(|adapter| EngineCandidate {
                    engine: format!("gpu-{}", adapter.backend),
                    state: if adapter.device_type == AdapterReport::SOFTWARE {
                        CandidateState::Software
                    } else {
                        CandidateState::Absent
                    },
                    detail: Some(reason.clone()),
                    adapter: Some(adapter.clone()),
                    figures: None,
                })
                .collect(),
            SlotState::Empty { state, reason, .. } | SlotState::Away { state, reason, .. } => {
                vec![entry(*state, Some(reason))]
            }
            SlotState::Starting { .. } => vec![entry(CandidateState::Starting, None)],
            SlotState::Ready(..) => vec![entry(CandidateState::InUse, None)],
        }
    }
}
