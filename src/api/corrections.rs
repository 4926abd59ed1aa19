//! `/v1/corrections`: what people say about beats, stretches and moments.

use std::time::Duration;

use axum::http::StatusCode;
use ecg_chain::WallUs;
use serde_json::Value;
use tokio::sync::oneshot;

use super::body::{Fields, id};
use super::endpoint::{Call, Reply, to_json};
use super::pools::Pool;
use super::problem::Problem;
use super::session_of::session_of;
use super::shared::Shared;
use crate::store::{
    CORRECTED_CLASSES, Change, CorrectionError, MOST_CORRECTED_BEATS, NewCorrection, Place, Says,
    StoreReader, StoredCorrection, Target,
};

/// The fields of a body.
pub(super) const BODY: &str =
    "session, kind, target, beats, from_us, to_us, class, note, supersedes";
/// Longest note.
const MOST_NOTE_CHARS: usize = 2_000;
/// The writer must have begun within this.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A moment lies at the sample it names; that is found by the clock to within less than this.
const MOMENT_WITHIN_US: i64 = 1_000_000;

const SESSION: &str = "the id of a session";
const NOT_OF_BEATS: &str = "nothing: it goes with target beat or beats";
const US: &str = "whole microseconds since 1970-01-01T00:00:00Z";

pub(super) async fn list(call: Call) -> Reply {
    call.part(StoreReader::corrections, |row| row.id).await
}

pub(super) async fn correct(call: Call) -> Reply {
    let asked = Asked::read(&call.body)?;
    let (change, origin) = asked.change(&call.shared).await?;
    let correction = NewCorrection {
        change,
        note: note(&call.body)?,
        author: call.peer.author(),
        origin,
    };
    let stored = store(&call.shared, correction).await?;
    let mut answer = to_json(&stored);
    *answer.status_mut() = StatusCode::CREATED;
    Ok(answer)
}

/// Hands it to the writer and waits until it is committed.
async fn store(shared: &Shared, correction: NewCorrection) -> Result<StoredCorrection, Problem> {
    let out_of_reach = |detail: &str| CorrectionError::OutOfReach(detail.to_owned());
    let writer = shared.deps.writer.as_ref();
    let writer = writer.ok_or_else(|| out_of_reach("this database is only read here"))?;
    let (sender, mut receiver) = oneshot::channel();
    let claim = writer.correct(correction, |outcome| drop(sender.send(outcome)))?;
    let answered = match tokio::time::timeout(LONGEST_WAIT, &mut receiver).await {
        Ok(answered) => answered,
        // it will not begin any more
        Err(_) if claim.is_first() => {
            let detail = "the store's writer was too busy: nothing is stored, ask again later";
            return Err(out_of_reach(detail).into());
        }
        // it has begun, and only it knows how it ends
        Err(_) => receiver.await,
    };
    let ended = |_| out_of_reach("the store's writer has ended");
    Ok(answered.map_err(ended)??)
}

/// What a body asks for, every field looked at.
enum Asked {
    Undo {
        session: Option<i64>,
        supersedes: i64,
    },
    Beats {
        session: i64,
        says: Says,
        target: Target,
    },
    Stretch {
        session: i64,
        says: Says,
        from: WallUs,
        until: WallUs,
    },
    Moment {
        session: i64,
        at: WallUs,
    },
    /// The newest sample of the session that is recorded.
    Now,
}

impl Asked {
    fn read(body: &Fields) -> Result<Self, Problem> {
        let kinds = "label, artefact, note or undo";
        let kind = body.needed("kind", kinds, |value| {
            let known = ["label", "artefact", "note", "undo"];
            value.as_str().filter(|kind| known.contains(kind))
        })?;
        if kind != "label" {
            body.without(&["class"], "nothing: it goes with kind label alone")?;
        }
        if kind == "undo" {
            let expected = "nothing: an undo is about what it supersedes";
            body.without(&["target", "beats", "from_us", "to_us"], expected)?;
            return Ok(Self::Undo {
                session: body.value("session", SESSION, id)?,
                supersedes: body.needed("supersedes", "the id of a correction", id)?,
            });
        }
        body.without(&["supersedes"], "nothing: it goes with kind undo alone")?;
        let (says, targets) = match kind {
            "label" => (Says::Label(class(body)?), "beat, beats or stretch"),
            "artefact" => (Says::Artefact, "beat, beats or stretch"),
            _ => (Says::Note, "beat, beats, stretch or moment"),
        };
        let target = body.needed("target", targets, Value::as_str)?;
        if says == Says::Note && target != "moment" {
            body.needed("note", "a text", Value::as_str)?;
        }
        match (target, says) {
            ("beat" | "beats", _) => Self::beats(body, says, target == "beat"),
            ("stretch", _) => Self::stretch(body, says),
            ("moment", Says::Note) => Self::moment(body),
            _ => Err(body.refuse("target", targets)),
        }
    }

    fn beats(body: &Fields, says: Says, is_one: bool) -> Result<Self, Problem> {
        let expected = "nothing: it goes with target stretch or moment";
        body.without(&["from_us", "to_us"], expected)?;
        let (most, expected) = if is_one {
            (1, "the id of one beat in brackets".to_owned())
        } else {
            let most = MOST_CORRECTED_BEATS;
            (most, format!("1 to {most} ids of beats in brackets"))
        };
        let beats: Vec<i64> = body.needed("beats", &expected, |value| {
            let list = value.as_array()?;
            let counts = (1..=most).contains(&list.len());
            counts.then(|| list.iter().map(id).collect()).flatten()
        })?;
        let target = match beats[..] {
            [beat] if is_one => Target::Beat(beat),
            _ => Target::Beats(beats),
        };
        Ok(Self::Beats {
            session: body.needed("session", SESSION, id)?,
            says,
            target,
        })
    }

    fn stretch(body: &Fields, says: Says) -> Result<Self, Problem> {
        body.without(&["beats"], NOT_OF_BEATS)?;
        let from = body.needed("from_us", US, Value::as_i64)?;
        let until = body.needed("to_us", US, Value::as_i64)?;
        if from >= until {
            return Err(body.refuse("to_us", "a time after from_us"));
        }
        Ok(Self::Stretch {
            session: body.needed("session", SESSION, id)?,
            says,
            from: WallUs(from),
            until: WallUs(until),
        })
    }

    fn moment(body: &Fields) -> Result<Self, Problem> {
        body.without(&["beats"], NOT_OF_BEATS)?;
        body.without(&["to_us"], "nothing: it goes with target stretch")?;
        if !body.has("session") && !body.has("from_us") {
            return Ok(Self::Now);
        }
        Ok(Self::Moment {
            session: body.needed("session", SESSION, id)?,
            at: WallUs(body.needed("from_us", US, Value::as_i64)?),
        })
    }

    /// What is to be stored, and where it comes from.
    async fn change(self, shared: &Shared) -> Result<(Change, &'static str), Problem> {
        let of = |session, says, target| Change::Correct {
            session,
            says,
            target,
        };
        let change = match self {
            Self::Undo {
                session,
                supersedes,
            } => Change::Undo {
                session,
                supersedes,
            },
            Self::Beats {
                session,
                says,
                target,
            } => of(Some(session), says, target),
            Self::Stretch {
                session,
                says,
                from,
                until,
            } => {
                let [from, until] = places(shared, session, from, Some(until)).await?;
                of(Some(session), says, Target::Stretch(from, until))
            }
            Self::Moment { session, at } => {
                let [place, _] = places(shared, session, at, None).await?;
                if (i128::from(place.wall.0) - i128::from(at.0)).abs() > MOMENT_WITHIN_US.into() {
                    return Err(outside(session, at));
                }
                of(Some(session), Says::Note, Target::Moment(place))
            }
            Self::Now => {
                // Whatever row the open session has by then: it gets another one where its database was replaced.
                let place = now(shared)?;
                return Ok((of(None, Says::Note, Target::Moment(place)), "mark"));
            }
        };
        Ok((change, "person"))
    }
}

fn class(body: &Fields) -> Result<char, Problem> {
    body.needed("class", "N, L, R, A, V, F or Q", |value| {
        let text = value.as_str()?;
        let mut classes = CORRECTED_CLASSES.into_iter();
        classes.find(|class| text.chars().eq([*class]))
    })
}

/// A note: whatever a person writes, in lines.
fn note(body: &Fields) -> Result<Option<String>, Problem> {
    let expected =
        format!("a text of 1 to {MOST_NOTE_CHARS} characters without control characters");
    body.value("note", &expected, |value| {
        let text = value.as_str()?;
        let is_plain = |letter: char| !letter.is_control() || letter == '\n' || letter == '\t';
        let counts = (1..=MOST_NOTE_CHARS).contains(&text.chars().count());
        (counts && text.chars().all(is_plain)).then(|| text.to_owned())
    })
}

fn outside(session: i64, at: WallUs) -> Problem {
    let expected = format!("a time within session {session}");
    Problem::invalid("from_us", &at.0.to_string(), &expected)
}

/// Where a stretch begins and ends.
async fn places(
    shared: &Shared,
    session: i64,
    from: WallUs,
    until: Option<WallUs>,
) -> Result<[Place; 2], Problem> {
    let live = shared.deps.live.hub().session();
    let is_live = live.is_some_and(|live| live.open && live.id == Some(session));
    let newest = if is_live {
        shared.deps.live.snapshot().newest_position
    } else {
        0
    };
    let found = shared.read(Pool::Quick, move |reader| {
        let stored = session_of(reader, Some(session))?;
        Ok(reader.places_between(&stored, from, until, newest)?)
    });
    found.await?.ok_or_else(|| outside(session, from))
}

/// The newest sample of the session that is recorded.
fn now(shared: &Shared) -> Result<Place, Problem> {
    let session = shared.deps.live.hub().session().filter(|live| live.open);
    let live = shared.deps.live.snapshot();
    let (Some(_), Some(clock)) = (session, live.clock) else {
        return Err(CorrectionError::NoOpenSession.into());
    };
    let newest = live.newest_sample.unwrap_or(clock.monotonic);
    Ok(Place {
        sample: live.newest_position,
        wall: clock.wall_at(newest),
    })
}

/// Reads `bytes` as a body; for `fuzz/`.
#[cfg(fuzzing)]
pub fn fuzz_body(bytes: &[u8]) {
    let Ok(body) = Fields::parse(bytes, BODY) else {
        return;
    };
    if let Ok(Some(note)) = note(&body) {
        assert!((1..=MOST_NOTE_CHARS).contains(&note.chars().count()));
    }
    match Asked::read(&body) {
        Ok(Asked::Beats {
            target: Target::Beats(beats),
            ..
        }) => assert!((1..=MOST_CORRECTED_BEATS).contains(&beats.len())),
        Ok(Asked::Stretch { from, until, .. }) => assert!(from < until),
        _ => {}
    }
}
