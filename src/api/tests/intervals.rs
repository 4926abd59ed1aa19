//! RR intervals, against the beats they are of.

use serde_json::{Value, json};

use super::client::{fetch, get};
use super::{House, START_WALL_US};

fn with_beats(count: u64) -> House {
    let house = House::new();
    for k in 0..count {
        house.beat(k);
    }
    house.writer.flush().unwrap();
    house
}

#[test]
fn every_list_has_the_same_beats() {
    let house = with_beats(7);
    let time_us = |k: i64| START_WALL_US + (k + 1) * 800_000;
    let answer = fetch(house.socket(), "/v1/rr");
    assert_eq!(
        answer,
        json!({
            "session": 1,
            "rr_ms": [null, 800.0, 800.0, 800.0, 800.0, 800.0, 800.0],
            "r_time_us": (0..7).map(time_us).collect::<Vec<_>>(),
            "class": "NLRAVNL",
            "beat_ids": [1, 2, 3, 4, 5, 6, 7],
            "next_cursor": null,
        })
    );
    let target = format!("/v1/rr?session=1&from={}&to={}", time_us(2), time_us(4));
    let stretch = fetch(house.socket(), &target);
    assert_eq!(
        (&stretch["class"], &stretch["beat_ids"]),
        (&json!("RA"), &json!([3, 4]))
    );
}

#[test]
fn pages_hold_every_beat_once() {
    let house = with_beats(25);
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = fetch(house.socket(), &format!("/v1/rr?limit=10{cursor}"));
        ids.extend(page["beat_ids"].as_array().unwrap().iter().cloned());
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    assert_eq!(json!(ids), json!((1..=25).collect::<Vec<_>>()));
    for refused in ["limit=50001", "limit=0", "cursor=b1", "order=desc"] {
        assert_eq!(
            get(house.socket(), &format!("/v1/rr?{refused}")).status,
            400,
            "{refused}"
        );
    }
}

#[test]
fn a_session_without_beats_has_none_and_one_that_is_not_there_is_said_to_be() {
    let house = House::new();
    house.writer.flush().unwrap();
    let answer = fetch(house.socket(), "/v1/rr");
    assert_eq!(
        (&answer["rr_ms"], &answer["class"]),
        (&json!([]), &json!(""))
    );
    let missing = get(house.socket(), "/v1/rr?session=9");
    assert_eq!(missing.status, 404);
    assert_eq!(
        missing.json()["type"],
        "urn:problem-type:ecg-gateway:no-such-session"
    );
}
