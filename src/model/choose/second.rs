//! The accelerator's life: opened, in use, lost, tried again.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::AcceleratorSource;
use super::engines::ChooseOptions;
use super::exam::Exam;
use super::notice::EngineNotice;
use super::report::{AdapterReport, CandidateState, EngineCandidate};
use super::worker::{Loss, Ready, Refusal, Starting, Worker};
use crate::model::Model;

/// An accelerator that has worked this long is tried again soon after the next loss.
const STEADY: Duration = Duration::from_secs(600);

/// How long an accelerator may take to be opened, checked and measured (some drivers compile for
/// minutes) before it counts as hung.
const LONGEST_START: Duration = Duration::from_secs(120);

/// What an accelerator is made with.
pub(super) struct Makings {
    pub(super) source: Arc<dyn AcceleratorSource>,
    pub(super) model: Arc<Model>,
    pub(super) exam: Arc<Exam>,
    pub(super) max_batch: usize,
}

/// At most one accelerator.
pub(super) struct Second {
    makings: Option<Makings>,
    pub(super) state: State,
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

pub(super) enum State {
    /// Nothing to use, now and later: devices that were not taken, and why.
    None {
        state: CandidateState,
        reason: String,
        others: Vec<AdapterReport>,
    },
    Starting(Starting),
    Ready(Worker, Ready),
    Away {
        state: CandidateState,
        reason: String,
        again_at: Instant,
    },
}

impl Second {
    /// Nothing, for this reason.
    pub(super) fn none(state: CandidateState, reason: String, others: Vec<AdapterReport>) -> Self {
        Self {
            makings: None,
            state: State::None {
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
    pub(super) fn start(makings: Makings, options: &ChooseOptions) -> Self {
        let mut second = Self {
            options: options.clone(),
            pause: options.first_pause,
            ..Self::none(CandidateState::Starting, String::new(), Vec::new())
        };
        second.makings = Some(makings);
        second.open();
        second
    }

    fn open(&mut self) {
        let Some(makings) = &self.makings else { return };
        let begun = Starting::begin(
            Arc::clone(&makings.source),
            Arc::clone(&makings.model),
            Arc::clone(&makings.exam),
            makings.max_batch,
        );
        match begun {
            Ok(starting) => self.state = State::Starting(starting),
            Err(error) => {
                self.away(CandidateState::Lost, format!("no thread: {error}"));
            }
        }
    }

    /// The state; whoever takes it puts another in its place.
    fn take_state(&mut self) -> State {
        let placeholder = State::None {
            state: CandidateState::Absent,
            reason: String::new(),
            others: Vec::new(),
        };
        std::mem::replace(&mut self.state, placeholder)
    }

    fn away(&mut self, state: CandidateState, reason: String) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(self.options.longest_pause);
        self.state = State::Away {
            state,
            reason,
            again_at: Instant::now() + pause,
        };
        pause
    }

    /// Waits for one that is being opened. What went wrong comes back; the state is `Away` then.
    pub(super) fn wait(&mut self, patience: Duration) -> Result<(), Refusal> {
        let outcome = match &self.state {
            State::Starting(starting) => starting.wait(patience),
            _ => None,
        };
        match outcome {
            None => {}
            Some(Ok(ready)) => {
                if let State::Starting(starting) = self.take_state() {
                    self.known = Some(ready.clone());
                    self.ready_at = Some(Instant::now());
                    self.last_refusal = None;
                    self.state = State::Ready(starting.into_worker(), ready);
                }
            }
            Some(Err(refusal)) => {
                let (state, reason) = match &refusal {
                    Refusal::Unavailable(it) => (CandidateState::Lost, &it.reason),
                    Refusal::WrongNumbers { reason, .. } => (CandidateState::Refused, reason),
                };
                self.away(state, reason.clone());
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Moves on: tries again what is due, takes up what has become ready. Never waits.
    pub(super) fn poll(
        &mut self,
        used_for: impl Fn(&Ready) -> &'static str,
    ) -> Option<EngineNotice> {
        match &self.state {
            State::None { .. } | State::Ready(..) => None,
            State::Away { again_at, .. } => {
                self.stuck.retain(|thread| !thread.is_finished());
                // While a driver holds an earlier thread, another one would only hang with it.
                if Instant::now() >= *again_at && self.stuck.is_empty() {
                    self.open();
                }
                None
            }
            State::Starting(starting) if starting.since.elapsed() > LONGEST_START => {
                if let State::Starting(starting) = self.take_state() {
                    self.stuck.extend(starting.abandon());
                }
                let reason = format!("not open within {} s", LONGEST_START.as_secs());
                self.away(CandidateState::Lost, reason);
                None
            }
            State::Starting(_) => match self.wait(Duration::ZERO) {
                Ok(()) => self.taken_up(used_for),
                Err(Refusal::WrongNumbers { engine, reason, .. }) => self.refused(engine, reason),
                Err(Refusal::Unavailable(unavailable)) => {
                    tracing::info!(reason = unavailable.reason, "the accelerator is still away");
                    None
                }
            },
        }
    }

    fn taken_up(&mut self, used_for: impl Fn(&Ready) -> &'static str) -> Option<EngineNotice> {
        let State::Ready(_, ready) = &self.state else {
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

    /// Takes the accelerator out of use.
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
        if let State::Ready(worker, _) = self.take_state() {
            self.stuck.extend(worker.abandon());
        }
        self.away(CandidateState::Lost, reason)
    }

    /// Gives it up: it works, but nothing goes to it.
    pub(super) fn retire(&mut self, state: CandidateState, reason: String) {
        self.makings = None;
        self.state = State::None {
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
            State::None { others, reason, .. } if !others.is_empty() => others
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
            State::None { state, reason, .. } | State::Away { state, reason, .. } => {
                vec![entry(*state, Some(reason))]
            }
            State::Starting(_) => vec![entry(CandidateState::Starting, None)],
            State::Ready(..) => vec![entry(CandidateState::InUse, None)],
        }
    }
}
