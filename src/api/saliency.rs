//! Why beats were called what they were: `/v1/beats/{id}/saliency` and `/v1/saliency/summary`.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::Uri;
use serde::Serialize;

use super::counters::count;
use super::desk::Desk;
use super::pools::{Pool, Ticket};
use super::problem::{Kind, Problem};
use super::query::{Parameters, parse_id};
use super::routes::note_order;
use super::server::Shared;
use super::together::Together;
use crate::explain::{GlobalMap, Method, WaveShares};
use crate::model::BeatClass;
use crate::revisit::RevisitError;
use crate::signal::{MODEL_RATE_HZ, R_INDEX, Wave, Waves};
use crate::store::{SaliencyFilter, StoredBeat, StoredSaliency, WriterMonitor};

/// Newest maps of a class that a summary looks at.
pub(super) const MOST_SUMMED: u32 = 5_000;
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
struct Asked {
    /// Databases exchanged before.
    exchanged: u64,
    beat: i64,
    method: Method,
    class: BeatClass,
}

/// A map made on request, and how far the probabilities found are from the stored ones.
#[derive(Debug)]
struct Made {
    saliency: StoredSaliency,
    difference: f32,
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

fn locked(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Explanations {
    /// Who joined others that asked for the same.
    pub(super) fn joined(&self) -> u64 {
        self.together.joined()
    }

    /// The outcome from memory, of others who ask for the same, or of the signal chain.
    async fn of(&self, shared: &Shared, asked: Asked, beat: StoredBeat) -> Outcome {
        if let Some(outcome) = locked(&self.remembered).find(&asked) {
            count(&self.from_memory);
            return outcome;
        }
        let writer = shared.deps.writer.clone();
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
        let (outcome, order) = self
            .together
            .ask(&shared.pools, Pool::Explain, asked, |_| true, work)
            .await;
        note_order(order);
        outcome
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

#[derive(Serialize)]
pub(super) struct Saliency {
    beat: i64,
    session: i64,
    model: String,
    method: &'static str,
    class: char,
    called: char,
    source: &'static str,
    probability_difference: Option<f32>,
    logit: f32,
    base: f32,
    sample_rate_hz: u32,
    r_index: usize,
    map: Vec<f32>,
    context: Vec<f32>,
    shares: Option<Shares>,
    waves: WavesJson,
}

#[derive(Serialize)]
struct Shares {
    p: f64,
    qrs: f64,
    st_t: f64,
    outside: f64,
}

#[derive(Serialize)]
struct WavesJson {
    p: Option<WaveJson>,
    qrs: Option<WaveJson>,
    t: Option<WaveJson>,
}

#[derive(Serialize)]
struct WaveJson {
    onset_ms: f32,
    end_ms: Option<f32>,
}

#[derive(Serialize)]
pub(super) struct Summary {
    method: &'static str,
    sample_rate_hz: u32,
    r_index: usize,
    classes: Vec<ClassSummary>,
}

#[derive(Serialize)]
struct ClassSummary {
    class: char,
    maps: u64,
    mean: Vec<f64>,
    spread: Vec<f64>,
    shares: Option<Shares>,
}

/// The map of one beat: the stored one, or one made now and handed to the writer to be kept.
pub(super) async fn of_beat(
    shared: &Arc<Shared>,
    id: &str,
    uri: &Uri,
) -> Result<Saliency, Problem> {
    let parameters = Parameters::parse(uri, &["method", "class"])?;
    let (method, class) = (parameters.method()?, parameters.class()?);
    let id = parse_id("id", id)?;
    let ask = move |desk: &mut Desk, ticket: &Ticket| {
        let (beat, class, stored) = desk.read(ticket, |reader| {
            let beat = reader.beat(id)?.ok_or_else(|| Problem::no_such_beat(id))?;
            let class = class.unwrap_or(beat.beat.class);
            let stored = reader.saliency(id, method, class)?;
            Ok((beat, class, stored))
        })?;
        let asked = Asked {
            exchanged: desk.exchanged(),
            beat: id,
            method,
            class,
        };
        Ok((asked, beat, stored))
    };
    let (found, order) = shared.pools.ask(Pool::Quick, ask).await;
    note_order(order);
    let (asked, beat, stored) = found?;
    if let Some(stored) = stored {
        return Ok(Saliency::new(&beat, &stored, None));
    }
    let made = shared.explanations.of(shared, asked, beat.clone()).await?;
    Ok(Saliency::new(&beat, &made.saliency, Some(made.difference)))
}

/// Mean and spread of the stored maps of each class.
pub(super) async fn summary(shared: &Arc<Shared>, uri: &Uri) -> Result<Summary, Problem> {
    let parameters = Parameters::parse(uri, &["session", "method", "class"])?;
    let filter = SaliencyFilter {
        session: parameters.id("session")?,
        method: parameters.method()?,
        class: parameters.class()?,
        limit: MOST_SUMMED,
    };
    shared
        .read(Pool::Wide, move |reader| {
            let mut classes: Vec<(BeatClass, GlobalMap)> = Vec::new();
            for row in reader.saliencies(&filter)? {
                let class = row.map.class;
                if classes.last().is_none_or(|(last, _)| *last != class) {
                    classes.push((class, GlobalMap::default()));
                }
                if let Some((_, global)) = classes.last_mut() {
                    global.add(&row.map, row.shares);
                }
            }
            Ok(Summary {
                method: filter.method.name(),
                sample_rate_hz: MODEL_RATE_HZ,
                r_index: R_INDEX,
                classes: classes.iter().map(ClassSummary::new).collect(),
            })
        })
        .await
}

impl Saliency {
    fn new(beat: &StoredBeat, row: &StoredSaliency, made: Option<f32>) -> Self {
        Self {
            beat: beat.id,
            session: beat.session,
            model: beat.model.to_string(),
            method: row.map.method.name(),
            class: row.map.class.symbol(),
            called: beat.beat.class.symbol(),
            source: if made.is_none() { "stored" } else { "computed" },
            probability_difference: made,
            logit: row.map.logit,
            base: row.map.base,
            sample_rate_hz: MODEL_RATE_HZ,
            r_index: R_INDEX,
            map: row.map.waveform(),
            context: row.map.context.clone(),
            shares: row.shares.map(Shares::from),
            waves: row.waves.into(),
        }
    }
}

impl ClassSummary {
    fn new((class, global): &(BeatClass, GlobalMap)) -> Self {
        Self {
            class: class.symbol(),
            maps: global.maps(),
            mean: global.mean(),
            spread: global.spread(),
            shares: global.shares().map(Shares::from),
        }
    }
}

impl From<WaveShares> for Shares {
    fn from(of: WaveShares) -> Self {
        Self::from([of.p, of.qrs, of.t].map(f64::from))
    }
}

impl From<[f64; 3]> for Shares {
    fn from([p, qrs, st_t]: [f64; 3]) -> Self {
        Self {
            p,
            qrs,
            st_t,
            outside: (1.0 - p - qrs - st_t).max(0.0),
        }
    }
}

impl From<Waves> for WavesJson {
    fn from(waves: Waves) -> Self {
        let json = |wave: Option<Wave>| {
            wave.map(|wave| WaveJson {
                onset_ms: wave.onset_ms,
                end_ms: wave.end_ms,
            })
        };
        Self {
            p: json(waves.p),
            qrs: json(waves.qrs),
            t: json(waves.t),
        }
    }
}

impl From<RevisitError> for Problem {
    fn from(error: RevisitError) -> Self {
        let kind = match error {
            RevisitError::Store(error) => return error.into(),
            RevisitError::NotStored { .. } => Kind::EcgNotStored,
            RevisitError::NotReproduced { .. } | RevisitError::Signal(_) => Kind::NotReproduced,
            RevisitError::Explain(_) => Kind::NotExplainable,
            RevisitError::Model { .. } => Kind::ModelUnavailable,
            RevisitError::GivenUp { .. } => Kind::Overdue, // nobody is there to be told
        };
        Self::new(kind, error.to_string())
    }
}
