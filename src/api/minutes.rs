//! `/v1/minutes`: what a session recorded, minute by minute.

use serde::ser::SerializeMap;

use super::endpoint::{Call, Reply, to_json};
use super::json::{Fields, Object, by_class, integer, list};
use super::pools::Pool;
use super::session_of::session_of;
use crate::store::Minute;

struct Minutes {
    session: i64,
    minutes: Vec<Minute>,
}

impl Object for Minutes {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        to.add("session", self.session);
        to.add("minutes", list(&self.minutes));
    }
}

impl Object for Minute {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        // To a tenth: a rate of 60000 per RR interval in milliseconds.
        let rate = |rr_ms: f64| (rr_ms > 0.0).then(|| (600_000.0 / rr_ms).round() / 10.0);
        let [fastest, mean, slowest] = match self.rr_ms {
            Some(rr_ms) => rr_ms.map(rate),
            None => [None; 3],
        };
        let beats = self.beats();
        let share = self.good_quality as f64 / beats as f64;
        to.add("minute", integer(self.minute));
        to.time("time", Some(self.wall));
        to.add("first_sample", integer(self.first_sample));
        to.add("beats", integer(beats));
        let mut beats_by_class = by_class(self.beats_by_class);
        if let Some(corrected) = self.corrected {
            beats_by_class.extend(['F', 'Q'].into_iter().zip(corrected));
        }
        to.add("beats_by_class", beats_by_class);
        to.add("beats_unclassifiable", integer(self.unclassifiable));
        to.add("heart_rate_min_bpm", slowest);
        to.add("heart_rate_mean_bpm", mean);
        to.add("heart_rate_max_bpm", fastest);
        to.add("good_quality_share", (beats > 0).then_some(share));
        to.add("gaps", integer(self.gaps));
        to.add("missing_samples", integer(self.missing_samples));
        to.add("events", integer(self.events));
    }
}

pub(super) async fn minutes(call: Call) -> Reply {
    let session = call.parameters.id("session")?;
    let from = call.parameters.time("from")?;
    let until = call.parameters.time("to")?;
    let corrected = call.parameters.corrected()?;
    let answer = call.shared.read(Pool::Wide, move |reader| {
        let session = session_of(reader, session)?;
        let range = reader.samples_between(&session, from, until)?;
        let minutes = reader.minutes(&session, &range, corrected)?;
        Ok(to_json(&Minutes {
            session: session.id,
            minutes,
        }))
    });
    answer.await
}
