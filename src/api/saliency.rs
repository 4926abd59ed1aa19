//! Why beats were called what they were: `/v1/beats/{id}/saliency` and `/v1/saliency/summary`.

use std::sync::Arc;

use arrhythmianet::BeatClass;
use arrhythmianet::explain::{GlobalMap, WaveShares};
use axum::http::Uri;
use ecg_signal::{MODEL_RATE_HZ, R_INDEX, Wave, Waves};
use serde::Serialize;

use super::desk::Desk;
use super::explanations::Asked;
use super::order::note_order;
use super::pools::Pool;
use super::problem::Problem;
use super::query::{Parameters, parse_id};
use super::shared::Shared;
use super::ticket::Ticket;
use crate::store::{SaliencyFilter, StoredBeat, StoredSaliency};

/// Newest maps of a class that a summary looks at.
pub(super) const MOST_SUMMED: u32 = 5_000;
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
    let made = shared
        .explanations
        .of(
            (&shared.pools, shared.deps.writer.clone()),
            asked,
            beat.clone(),
        )
        .await?;
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
