//! Why beats were called what they were: `/v1/beats/{id}/saliency` and `/v1/saliency/summary`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::Uri;
use serde::Serialize;

use super::problem::{Kind, Problem};
use super::query::{Parameters, parse_id};
use super::server::Shared;
use crate::explain::{GlobalMap, Method, WaveShares};
use crate::model::BeatClass;
use crate::revisit::{RevisitError, Revisitor};
use crate::signal::{MODEL_RATE_HZ, R_INDEX, Wave, Waves};
use crate::store::{SaliencyFilter, StoreReader, StoredBeat, StoredSaliency};

/// Models kept ready; a database rarely has more than one.
const MOST_MODELS: usize = 4;
/// Newest maps of a class that a summary looks at.
pub(super) const MOST_SUMMED: u32 = 5_000;

/// What explains stored beats, by the name of the model. One request at a time: another waits for its
/// turn in a thread of its own.
#[derive(Debug, Default)]
pub(super) struct Revisitors(Mutex<HashMap<String, Revisitor>>);

impl Revisitors {
    /// What they know is of a database that was set aside: sessions have other numbers now.
    pub(super) fn forget(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn explain(
        &self,
        reader: &StoreReader,
        beat: &StoredBeat,
        method: Method,
        class: BeatClass,
    ) -> Result<(StoredSaliency, f32), RevisitError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut revisitor = match kept.remove(&*beat.model) {
            Some(revisitor) => revisitor,
            None => Revisitor::of(beat)?,
        };
        let explained = revisitor.explain(reader, beat, method, class);
        if kept.len() >= MOST_MODELS {
            kept.clear();
        }
        kept.insert(beat.model.to_string(), revisitor);
        explained.map(|(saliency, seen)| (saliency, seen.difference))
    }
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
    let me = Arc::clone(shared);
    shared
        .read(move |reader| {
            let beat = reader.beat(id)?.ok_or_else(|| Problem::no_such_beat(id))?;
            let class = class.unwrap_or(beat.beat.class);
            if let Some(stored) = reader.saliency(id, method, class)? {
                return Ok(Saliency::new(&beat, &stored, None));
            }
            let set_aside = || {
                me.deps
                    .writer
                    .as_ref()
                    .map(|writer| writer.status().set_aside)
            };
            let before = set_aside();
            let (made, difference) = me.revisitors.explain(reader, &beat, method, class)?;
            // in a database begun meanwhile the number is another beat's
            if let Some(writer) = me.deps.writer.as_ref().filter(|_| before == set_aside()) {
                writer.keep(made.clone());
            }
            Ok(Saliency::new(&beat, &made, Some(difference)))
        })
        .await
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
        .read(move |reader| {
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
        };
        Self::new(kind, error.to_string())
    }
}
