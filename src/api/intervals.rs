//! `/v1/rr`: the RR intervals of a session, as compact as JSON allows.

use serde::ser::SerializeMap;

use super::endpoint::{Call, Reply, WIDE_ROWS, to_json};
use super::json::{Fields, LARGEST_INTEGER, Object};
use super::pools::Pool;
use super::query::cursor_after;
use super::session_of::session_of;
use crate::store::{BriefBeat, RowFilter};

/// Most beats in a page, and as many where the client does not say.
pub(super) const MOST_INTERVALS: u32 = 50_000;
/// A beat of them: interval, time, class and id.
pub(super) const MOST_INTERVAL_BYTES: usize = 48;

/// A page: the same place in each list is the same beat.
struct Intervals {
    session: i64,
    beats: Vec<BriefBeat>,
    next_cursor: Option<String>,
}

impl Object for Intervals {
    fn fields<M: SerializeMap>(&self, to: &mut Fields<M>) {
        let beats = || self.beats.iter();
        let time_us = |beat: &BriefBeat| {
            let us = beat.r_wall.0;
            (-LARGEST_INTEGER..=LARGEST_INTEGER)
                .contains(&us)
                .then_some(us)
        };
        to.add("session", self.session);
        to.add("rr_ms", beats().map(|beat| beat.rr_ms).collect::<Vec<_>>());
        to.add("r_time_us", beats().map(time_us).collect::<Vec<_>>());
        to.add(
            "class",
            beats().map(|beat| beat.class.symbol()).collect::<String>(),
        );
        to.add("beat_ids", beats().map(|beat| beat.id).collect::<Vec<_>>());
        to.add("next_cursor", &self.next_cursor);
    }
}

pub(super) async fn intervals(call: Call) -> Reply {
    let name = call.endpoint.name;
    let most = MOST_INTERVALS;
    let asked = call.parameters.rows_at_most(name, most, most)?;
    let limit = asked.limit;
    let pool = if limit > WIDE_ROWS {
        Pool::Wide
    } else {
        Pool::Quick
    };
    let answer = call.shared.read(pool, move |reader| {
        let session = session_of(reader, asked.session)?.id;
        let mut beats = reader.brief_beats(&RowFilter {
            session: Some(session),
            // One beyond the page tells whether there is another.
            limit: limit + 1,
            ..asked
        })?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = beats.len() > limit;
        beats.truncate(limit);
        let last = beats.last().filter(|_| more);
        let next_cursor = last.map(|beat| cursor_after(name, beat.id));
        Ok(to_json(&Intervals {
            session,
            beats,
            next_cursor,
        }))
    });
    answer.await
}
