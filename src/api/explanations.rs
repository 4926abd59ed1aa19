//! Explanations made on request: each once for all who ask, and remembered for a while.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrhythmianet::BeatClass;
use arrhythmianet::explain::Method;

use super::counters::count;
use super::desk::Desk;
use super::locked::locked;
use super::pools::{Pool, Pools};
use super::problem::{Kind, Problem};
use super::ticket::Ticket;
use super::together::Together;
use crate::reprocess::BeatExplainError;
use crate::store::{StoredBeat, StoredSaliency, WriterMonitor};

/// Outcomes remembered.
const MOST_REMEMBERED: usize = 256;
/// How long a map is remembered: the writer has stored it by then, unless it had to drop it.
const MAP_KEPT: Duration = Duration::from_secs(120);
/// How long it is remembered that a beat cannot be explained. The ECG of a new beat may be stored a
/// little later.
const FAILURE_KEPT: Duration = Duration::from_secs(300);
const NOT_STORED_KEPT: Duration = Duration::from_secs(10);

/// What is asked for; numbers of beats mean nothing in another database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// Databases exchanged before.
    pub(super) exchanged: u64,
    pub(super) beat: i64,
    pub(super) method: Method,
    pub(super) class: BeatClass,
}

/// A map made on request, and how far the probabilities found are from the stored ones.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) saliency: StoredSaliency,
    pub(super) difference: f32,
}

type Outcome = Result<Arc<Made>, Problem>;

/// Explanations being made and made lately.
#[derive(Debug, Default)]
pub(super) struct Explanations {
    together: Together<Asked, Arc<Made>>,
    remembered: Arc<Mutex<Memory>>,
    pub(super) made: Arc<AtomicU64>,
    pub(super) failed: Arc<AtomicU64>,
    pub(super) from_memory: AtomicU64,
}

/// Outcomes, the one asked for last at the end.
#[derive(Debug, Default)]
struct Memory {
    outcomes: VecDeque<(Asked, Outcome, Instant)>,
}

impl Memory {
    fn find(&mut self, asked: &Asked) -> Option<Outcome> {
        let now = Instant::now();
        self.outcomes.retain(|(.., until)| *until > now);
        let place = self.outcomes.iter().position(|(of, ..)| of == asked)?;
        let found = self.outcomes.remove(place)?;
        let outcome = found.1.clone();
        self.outcomes.push_back(found);
        Some(outcome)
    }

    fn keep(&mut self, asked: Asked, outcome: Outcome) {
        let kept = match &outcome {
            Ok(_) => MAP_KEPT,
            Err(problem) => match problem.kind {
                Kind::EcgNotStored => NOT_STORED_KEPT,
                Kind::NotReproduced | Kind::NotExplainable | Kind::ModelUnavailable => FAILURE_KEPT,
                _ => return, // of the store: may pass at any time
            },
        };
        // those of a database that was quarantined go, too
        self.outcomes
            .retain(|(of, ..)| *of != asked && of.exchanged >= asked.exchanged);
        while self.outcomes.len() >= MOST_REMEMBERED {
            self.outcomes.pop_front();
        }
        let until = Instant::now() + kept;
        self.outcomes.push_back((asked, outcome, until));
    }
}

impl Explanations {
    /// Who joined others that asked for the same.
    pub(super) fn joined(&self) -> u64 {
        self.together.joined()
    }

    /// The outcome from memory, of others who ask for the same, or of the signal chain.
    pub(super) async fn outcome(
        &self,
        (pools, writer): (&Pools, Option<WriterMonitor>),
        asked: Asked,
        beat: StoredBeat,
    ) -> Outcome {
        if let Some(outcome) = locked(&self.remembered).find(&asked) {
            count(&self.from_memory);
            return outcome;
        }
        let remembered = Arc::clone(&self.remembered);
        let (made, failed) = (Arc::clone(&self.made), Arc::clone(&self.failed));
        let work = move |desk: &mut Desk, ticket: &Ticket| {
            let outcome = explain(desk, ticket, &asked, &beat, writer.as_ref());
            if !ticket.is_given_up() {
                count(if outcome.is_ok() { &made } else { &failed });
                locked(&remembered).keep(asked, outcome.clone());
            }
            outcome
        };
        self.together
            .ask(pools, Pool::Explain, asked, |_| true, work)
            .await
    }
}

fn explain(
    desk: &mut Desk,
    ticket: &Ticket,
    asked: &Asked,
    beat: &StoredBeat,
    writer: Option<&WriterMonitor>,
) -> Outcome {
    let (saliency, difference) = desk.explain(ticket, beat, asked.method, asked.class)?;
    // in a database begun meanwhile the number is another beat's
    if desk.exchanged() != asked.exchanged {
        let detail = "the database was exchanged meanwhile";
        return Err(Problem::new(Kind::StoreUnavailable, detail));
    }
    if let Some(writer) = writer {
        writer.keep(saliency.clone(), asked.exchanged);
    }
    Ok(Arc::new(Made {
        saliency,
        difference,
    }))
}

impl From<BeatExplainError> for Problem {
    fn from(error: BeatExplainError) -> Self {
        let kind = match error {
            BeatExplainError::Store(error) => return error.into(),
            BeatExplainError::NotStored { .. } => Kind::EcgNotStored,
            BeatExplainError::NotReproduced { .. } | BeatExplainError::Signal(_) => {
                Kind::NotReproduced
            }
            BeatExplainError::Explain(_) => Kind::NotExplainable,
            BeatExplainError::Model { .. } => Kind::ModelUnavailable,
            BeatExplainError::GivenUp { .. } => Kind::Overdue, // nobody is there to be told
        };
        Self::new(kind, error.to_string())
    }
}
