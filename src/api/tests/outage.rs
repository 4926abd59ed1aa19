//! What is told of now while nothing can be stored.

use std::time::Duration;

use ecg_chain::MonotonicNs;
use serde_json::{Value, json};

use super::client::fetch;
use super::{House, eventually};
use crate::store::{Outage, StoreOptions};

fn bridging(options: &mut StoreOptions) {
    options.busy_timeout = Duration::from_millis(5);
    options.outage = Outage::Bridge {
        longest: Duration::from_secs(600),
        most_bytes: 64 << 20,
    };
}

#[test]
fn what_is_told_of_now_does_not_wait_for_the_store() {
    let house = House::with_store(bridging);
    house.beat(0);
    house.writer.flush().unwrap();
    let other = rusqlite::Connection::open(house.at("beats.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for k in 1..9 {
        house.beat(k);
    }
    house.gap(4_000);
    house.live.update(|live| {
        live.state = super::super::ServiceState::Recording;
        live.newest_sample = Some(MonotonicNs(8_000_000_000));
    });
    eventually("writing fails", || {
        fetch(house.socket(), "/v1/status")["store"]["state"] == "retrying"
    });
    let status = fetch(house.socket(), "/v1/status");
    // what is stored, and says that it is
    assert_eq!(status["last_beat"]["id"], 1);
    assert_eq!(status["totals"]["beats"], 1);
    assert!(status["store"]["rows_waiting"].as_u64() > Some(0));
    // what is
    assert_eq!(
        (&status["heart_rate_bpm"], &status["heart_rate_reason"]),
        (&json!(75.0), &Value::Null)
    );
    let live = &status["live"];
    assert_eq!((&live["beats"], &live["gaps"]), (&json!(9), &json!(1)));
    assert_eq!(
        live["beats_by_class"],
        json!({"N": 2, "L": 2, "R": 2, "A": 2, "V": 1})
    );
    assert_eq!(live["newest_beat"]["r_sample"], 3_600);
    assert_eq!(live["newest_beat"]["r_time"], "2023-11-14T22:13:27.200000Z");

    drop(other);
    eventually("it is stored", || {
        fetch(house.socket(), "/v1/status")["last_beat"]["id"] == 9
    });
}

#[test]
fn a_session_that_is_not_stored_yet_is_not_the_last_one_stored() {
    let house = House::with_store(bridging);
    house.beat(0);
    house
        .writer
        .end_session(house.info.start, "completed")
        .unwrap();
    house.live.update(super::super::LiveStatus::end_session);
    let status = fetch(house.socket(), "/v1/status");
    assert_eq!(
        (&status["session"]["id"], &status["session_reason"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(status["heart_rate_reason"], "no_open_session");
    assert_eq!(
        (&status["live"]["session_open"], &status["live"]["beats"]),
        (&json!(false), &json!(1))
    );

    let other = rusqlite::Connection::open(house.at("beats.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(house.writer.begin_session(&house.info).unwrap(), None);
    house
        .live
        .update(|live| live.begin_session(house.info.start));
    let status = fetch(house.socket(), "/v1/status");
    assert_eq!(
        (&status["session"], &status["session_reason"]),
        (&Value::Null, &json!("not_stored_yet"))
    );
    assert_eq!(status["heart_rate_reason"], "no_beat_yet");
    assert_eq!(
        (&status["live"]["session_open"], &status["live"]["beats"]),
        (&json!(true), &json!(0))
    );
    drop(other);
    eventually("it is stored", || {
        let status = fetch(house.socket(), "/v1/status");
        status["session"]["id"] == 2 && status["session_reason"].is_null()
    });
}

#[test]
fn a_database_that_cannot_be_read_takes_nothing_live_away() {
    let house = House::new();
    for k in 0..9 {
        house.beat(k);
    }
    house.writer.flush().unwrap();
    let path = house.at("beats.db");
    std::fs::rename(&path, house.at("elsewhere.db")).unwrap();
    std::fs::write(&path, vec![b'x'; 8_192]).unwrap();
    // nobody has asked for anything yet: the reading thread opens what lies there now
    let status = fetch(house.socket(), "/v1/status");
    assert_eq!(status["store"]["state"], "unreadable", "{status}");
    assert_eq!(status["session_reason"], "store_unavailable");
    assert_eq!(status["heart_rate_bpm"], 75.0);
    assert_eq!(status["live"]["newest_beat"]["class"], "A");
}
