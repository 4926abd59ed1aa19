//! Why beats were called what they were: `/v1/beats/{id}/saliency` and `/v1/saliency/summary`.

use arrhythmianet::BeatClass;
use arrhythmianet::explain::{GlobalMap, Method};
use axum::response::Response;
use ecg_signal::{MODEL_RATE_HZ, R_INDEX, Wave, Waves};
use serde::ser::SerializeMap;

use super::desk::Desk;
use super::endpoint::{Call, to_json};
use super::explanations::Asked;
use super::json::{Fields, Json, Object, list};
use super::pools::Pool;
use super::problem::Problem;
use super::ticket::Ticket;
use crate::store::{SaliencyFilter, StoredBeat, StoredSaliency};

/// Newest maps of a class that a summary looks at.
pub(super) const MOST_SUMMED: u32 = 5_000;

struct Saliency<'a> {
    beat: &'a StoredBeat,
    row: &'a StoredSaliency,
    /// Of a map made now, how far the probabilities found are from the stored ones.
    difference: Option<f32>,
}

struct Summary {
    method: Method,
    classes: Vec<(BeatClass, GlobalMap)>,
}

/// Shares of P wave, QRS complex, and ST segment with T wave.
struct Shares([f64; 3]);

/// The map of one beat: the stored one, or one made now and handed to the writer to be kept.
pub(super) async fn of_beat(call: Call) -> Result<Response, Problem> {
    let (method, class) = (call.parameters.method()?, call.parameters.class()?);
    let id = call.id()?;
    let shared = &call.shared;
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
    let (asked, beat, stored) = shared.pools.ask(Pool::Quick, ask).await?;
    let answer = |row, difference| {
        let beat = &beat;
        let map = Saliency {
            beat,
            row,
            difference,
        };
        Ok(to_json(&map))
    };
    if let Some(stored) = stored {
        return answer(&stored, None);
    }
    let places = (&*shared.pools, shared.deps.writer.clone());
    let made = shared
        .explanations
        .outcome(places, asked, beat.clone())
        .await?;
    answer(&made.saliency, Some(made.difference))
}

/// Mean and spread of the stored maps of each class.
pub(super) async fn summary(call: Call) -> Result<Response, Problem> {
    let filter = SaliencyFilter {
        session: call.parameters.id("session")?,
        method: call.parameters.method()?,
        class: call.parameters.class()?,
        limit: MOST_SUMMED,
    };
    let read = call.shared.read(Pool::Wide, move |reader| {
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
        let method = filter.method;
        Ok(to_json(&Summary { method, classes }))
    });
    read.await
}

impl Object for Saliency<'_> {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let (beat, map) = (self.beat, &self.row.map);
        let is_stored = self.difference.is_none();
        let shares = self.row.shares;
        let shares = shares.map(|of| Shares([of.p, of.qrs, of.t].map(f64::from)));
        to.add("beat", beat.id);
        to.add("session", beat.session);
        to.add("model", &*beat.model);
        to.add("method", map.method.name());
        to.add("class", map.class.symbol());
        to.add("called", beat.beat.class.symbol());
        to.add("source", if is_stored { "stored" } else { "computed" });
        to.add("probability_difference", self.difference);
        to.add("logit", map.logit);
        to.add("base", map.base);
        to.add("sample_rate_hz", MODEL_RATE_HZ);
        to.add("r_index", R_INDEX);
        to.add("map", map.waveform());
        to.add("context", &map.context);
        to.add("shares", shares.as_ref().map(Json));
        to.add("waves", Json(&self.row.waves));
    }
}

impl Object for Summary {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        to.add("method", self.method.name());
        to.add("sample_rate_hz", MODEL_RATE_HZ);
        to.add("r_index", R_INDEX);
        to.add("classes", list(&self.classes));
    }
}

impl Object for (BeatClass, GlobalMap) {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let (class, global) = self;
        let shares = global.shares().map(Shares);
        to.add("class", class.symbol());
        to.add("maps", global.maps());
        to.add("mean", global.mean());
        to.add("spread", global.spread());
        to.add("shares", shares.as_ref().map(Json));
    }
}

impl Object for Shares {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let [p, qrs, st_t] = self.0;
        to.add("p", p);
        to.add("qrs", qrs);
        to.add("st_t", st_t);
        to.add("outside", (1.0 - p - qrs - st_t).max(0.0));
    }
}

impl Object for Waves {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        to.add("p", self.p.as_ref().map(Json));
        to.add("qrs", self.qrs.as_ref().map(Json));
        to.add("t", self.t.as_ref().map(Json));
    }
}

impl Object for Wave {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        to.add("onset_ms", self.onset_ms);
        to.add("end_ms", self.end_ms);
    }
}
