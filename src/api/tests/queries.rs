use std::collections::BTreeSet;

use ecg_chain::MonotonicNs;
use ecg_chain::{Episode, Event, EventKind, PipelineEvent};
use serde_json::{Value, json};

use super::super::problem::Kind;
use super::client::{fetch, get, request};
use super::{House, START_WALL_US};

fn ids(rows: &Value) -> Vec<i64> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_i64().unwrap())
        .collect()
}

#[test]
fn a_beat_says_everything_about_itself() {
    let house = House::new();
    house.furnish();
    let beats = fetch(house.socket(), "/v1/beats?limit=2");
    let expected = json!({
        "id": 2, "session": 1, "r_sample": 800,
        "r_time": "2023-11-14T22:13:21.600000Z", "r_time_us": START_WALL_US + 1_600_000,
        "r_monotonic_us": 1_600_000, "rr_ms": 800.0, "rr_reason": null,
        "class": "L", "aami_class": "N", "outcome": "classified", "unclassifiable_reason": null,
        "probabilities": {"N": 0.01, "L": 0.96, "R": 0.01, "A": 0.01, "V": 0.01},
        "channel": 0, "channel_number": 1, "lead": "I", "signal_quality": "good", "window_complete": true, "label_delay_ms": 600.0,
        "model": "v1", "engine": "cpu-reference",
        "corrected_class": null, "artefact": false, "correction": null,
    });
    let text = |value: &Value| serde_json::to_string(value).unwrap();
    assert_eq!(text(&beats["beats"][1]), text(&expected));
    assert_eq!(beats["beats"][0]["rr_ms"], Value::Null);
    assert_eq!(
        beats["beats"][0]["rr_reason"],
        "first_beat_after_start_or_gap"
    );
}

#[test]
fn events_of_kinds_that_are_named() {
    let house = House::new();
    house.furnish(); // lead_off
    for (sample, kind) in [
        (5_000, EventKind::DrdySilent),
        (5_010, EventKind::ClockStepped),
        (5_020, EventKind::DrdySilent),
    ] {
        let event = Event::momentary(sample, house.time(sample), kind, String::new());
        house.record(PipelineEvent::Event(event));
    }
    house.writer.flush().unwrap();
    let samples = |query: &str| -> Vec<u64> {
        let answer = fetch(house.socket(), &format!("/v1/events?{query}"));
        let events = answer["events"].as_array().unwrap().iter();
        events
            .map(|event| event["sample"].as_u64().unwrap())
            .collect()
    };
    for (query, expected) in [
        ("", &[4_003, 5_000, 5_010, 5_020][..]),
        ("kind=drdy_silent", &[5_000, 5_020]),
        ("kind=drdy_silent&order=desc&limit=1", &[5_020]),
        ("kind=lead_off,clock_stepped", &[4_003, 5_010]),
        ("kind=lead_off&kind=clock_stepped", &[4_003, 5_010]),
        ("kind=brown_out", &[]),
        ("kind=drdy_silent&session=2", &[]),
    ] {
        assert_eq!(samples(query), expected, "{query}");
    }
    // Page by page, as any list.
    let first = fetch(house.socket(), "/v1/events?kind=drdy_silent&limit=1");
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = format!("kind=drdy_silent&limit=1&cursor={cursor}");
    assert_eq!(samples(&second), [5_020]);

    for unknown in ["of_tomorrow", "drdy_silent,of_tomorrow", "", "LEAD_OFF"] {
        let answer = get(house.socket(), &format!("/v1/events?kind={unknown}"));
        let problem = answer.json();
        assert_eq!(answer.status, 400, "{unknown}");
        assert_eq!(
            problem["type"],
            "urn:problem-type:ecg-gateway:invalid-parameter"
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            EventKind::ALL
                .iter()
                .all(|kind| detail.contains(kind.name())),
            "{detail}"
        );
    }

    // What a later version wrote is told as it is.
    let database = rusqlite::Connection::open(house.at("beats.db")).unwrap();
    database.execute_batch("DROP TRIGGER events_stay").unwrap();
    let changed = "UPDATE events SET kind = 'of_tomorrow' WHERE sample = 5010";
    assert_eq!(database.execute(changed, []).unwrap(), 1);
    let all = fetch(house.socket(), "/v1/events");
    assert_eq!(all["events"][2]["kind"], "of_tomorrow");
    assert_eq!(samples("kind=lead_off,clock_stepped"), [4_003]);
}

#[test]
fn channels_are_told_by_number_and_lead() {
    let house = House::new();
    house.furnish();
    for (sample, subject) in [(5_000, "ch2"), (5_010, "in1p"), (5_020, "rld")] {
        house.record(PipelineEvent::Event(
            Event::momentary(
                sample,
                house.time(sample),
                EventKind::InputFlat,
                String::new(),
            )
            .with_episode(Episode::Begins { subject }),
        ));
    }
    let switched = Event::momentary_for(
        "ch2",
        (5_030, house.time(5_030)),
        EventKind::InputFlat,
        String::new(),
    );
    house.record(PipelineEvent::Event(switched));
    house.writer.flush().unwrap();

    let events = fetch(house.socket(), "/v1/events?limit=100");
    let told: Vec<Value> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "input_flat")
        .map(|event| {
            json!([
                event["subject"],
                event["phase"],
                event["channel_number"],
                event["lead"]
            ])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!(["ch2", "begin", 2, "II"]),
            json!(["in1p", "begin", 1, "I"]),
            json!(["rld", "begin", null, null]),
            json!(["ch2", null, 2, "II"]),
        ]
    );
    let status = fetch(house.socket(), "/v1/status");
    let conditions = status["conditions"].as_array().unwrap();
    let told: Vec<_> = conditions
        .iter()
        .filter(|condition| condition["kind"] == "input_flat")
        .map(|condition| (&condition["subject"], &condition["channel_number"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("ch2"), &json!(2)),
            (&json!("in1p"), &json!(1)),
            (&json!("rld"), &Value::Null),
        ],
        "what happened is no condition"
    );
    let channels = json!([
        {"channel_number": 1, "lead": "I"},
        {"channel_number": 2, "lead": "II"},
    ]);
    assert_eq!(status["session"]["channels"], channels);
}

#[test]
fn filters_select_and_combine() {
    let house = House::new();
    house.furnish();
    let us = |ms: i64| START_WALL_US + ms * 1_000;
    let table = [
        ("".to_owned(), vec![1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("?class=V".to_owned(), vec![5]),
        ("?outcome=unclassifiable".to_owned(), vec![5]),
        ("?class=V&outcome=classified".to_owned(), vec![]),
        (
            "?outcome=classified&session=1".to_owned(),
            vec![1, 2, 3, 4, 6, 7, 8, 9],
        ),
        ("?class=N,A".to_owned(), vec![1, 4, 6, 9]),
        ("?class=N&class=A&limit=5000".to_owned(), vec![1, 4, 6, 9]),
        ("?session=1&class=L".to_owned(), vec![2, 7]),
        ("?session=2".to_owned(), vec![]),
        (format!("?from={}&to={}", us(800), us(2_400)), vec![1, 2]),
        ("?from=2023-11-14T22:13:26.4Z".to_owned(), vec![8, 9]),
        // an offset whose plus sign was not percent-encoded, and one that was
        ("?from=2023-11-14T23:13:27.2+01:00".to_owned(), vec![9]),
        ("?to=2023-11-15T00:13:20.801%2B02:00".to_owned(), vec![1]),
        ("?from=-1&to=0".to_owned(), vec![]),
    ];
    let failures: Vec<_> = table
        .iter()
        .filter_map(|(query, expected)| {
            let found = ids(&fetch(house.socket(), &format!("/v1/beats{query}"))["beats"]);
            (found != *expected).then(|| format!("{query}: {found:?}"))
        })
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn pages_cover_every_row_once() {
    let house = House::new();
    for k in 0..23 {
        house.beat(k);
        house.gap(400 * k);
        house.event(400 * k);
    }
    house.writer.flush().unwrap();
    for _ in 0..22 {
        house.writer.begin_session(&house.info).unwrap();
    }
    for (path, list) in [
        ("/v1/beats?class=N,L,V,R,A", "beats"),
        ("/v1/beats?from=0", "beats"),
        ("/v1/gaps?session=1", "gaps"),
        ("/v1/events?to=2100-01-01T00:00:00Z", "events"),
        ("/v1/sessions?", "sessions"),
    ] {
        for limit in [1, 7, 23, 24] {
            let mut found = Vec::new();
            let mut cursor = String::new();
            loop {
                let page = fetch(house.socket(), &format!("{path}&limit={limit}{cursor}"));
                found.extend(ids(&page[list]));
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
                assert!(found.len() <= 23, "{path} does not end");
            }
            assert_eq!(found, (1..=23).collect::<Vec<_>>(), "{path} by {limit}");
        }
    }
}

#[test]
fn a_beat_comes_with_its_waveform() {
    let house = House::new();
    house.furnish();
    let beat = fetch(house.socket(), "/v1/beats/1?before_ms=4&after_ms=6");
    assert_eq!(beat["id"], 1);
    assert_eq!(
        beat["waveform"],
        json!({
            "sample_rate_hz": 500.0, "first_sample": 398, "r_offset_samples": 2,
            "missing_samples": 0, "missing_reason": null,
            "channels_uv": [
                [199.0, 199.5, 200.0, 200.5, 201.0, 201.5],
                [-199.0, -199.5, -200.0, -200.5, -201.0, -201.5]
            ],
        })
    );
    // beat 9 is at sample 3600, the ECG ends with sample 3999
    let late = fetch(house.socket(), "/v1/beats/9?before_ms=0&after_ms=1000");
    assert_eq!(late["waveform"]["missing_samples"], 101);
    assert_eq!(late["waveform"]["missing_reason"], "gap_or_not_stored");
    assert_eq!(late["waveform"]["channels_uv"][1][399], -1_999.5);
    assert_eq!(late["waveform"]["channels_uv"][1][400], Value::Null);
}

#[test]
fn every_bad_request_is_a_problem_that_says_what_was_expected() {
    let house = House::new();
    house.furnish();
    let cursor_of_beats = fetch(house.socket(), "/v1/beats?limit=1")["next_cursor"].clone();
    let foreign_cursor = format!("/v1/gaps?cursor={}", cursor_of_beats.as_str().unwrap());
    let table = [
        ("GET", "/", "unknown-path", 404, "/v1/status"),
        ("GET", "/v1/beat", "unknown-path", 404, "/v1/beats"),
        ("GET", "/v1/beats/", "unknown-path", 404, "/v1/beats"),
        ("POST", "/v1/beats", "method-not-allowed", 405, "GET"),
        ("DELETE", "/v1/beats/1", "method-not-allowed", 405, "GET"),
        (
            "GET",
            "/v1/status?verbose=1",
            "unknown-parameter",
            400,
            "\"verbose\": this path takes no",
        ),
        (
            "GET",
            "/v1/beats?klass=V",
            "unknown-parameter",
            400,
            "\"klass\": this path takes from, to, class",
        ),
        (
            "GET",
            "/v1/beats/1?class=V",
            "unknown-parameter",
            400,
            "before_ms, after_ms",
        ),
        (
            "GET",
            "/v1/beats?class=X",
            "invalid-parameter",
            400,
            "class: found \"X\", expected N, L, R, A, S or V",
        ),
        (
            "GET",
            "/v1/beats?class=NV",
            "invalid-parameter",
            400,
            "several separated by commas",
        ),
        ("GET", "/v1/beats?class=", "invalid-parameter", 400, "class"),
        (
            "GET",
            "/v1/beats?outcome=bad",
            "invalid-parameter",
            400,
            "classified or unclassifiable",
        ),
        (
            "GET",
            "/v1/beats?limit=0",
            "invalid-parameter",
            400,
            "1 to 5000",
        ),
        (
            "GET",
            "/v1/beats?limit=5001",
            "invalid-parameter",
            400,
            "1 to 5000",
        ),
        (
            "GET",
            "/v1/beats?limit=1&limit=2",
            "invalid-parameter",
            400,
            "only once",
        ),
        (
            "GET",
            "/v1/beats?from=yesterday",
            "invalid-parameter",
            400,
            "RFC 3339",
        ),
        (
            "GET",
            "/v1/beats?from=2026-13-01T00:00:00Z",
            "invalid-parameter",
            400,
            "RFC 3339",
        ),
        (
            "GET",
            "/v1/beats?to=99999999999999999999",
            "invalid-parameter",
            400,
            "RFC 3339",
        ),
        (
            "GET",
            "/v1/beats?session=-1",
            "invalid-parameter",
            400,
            "session: found \"-1\"",
        ),
        (
            "GET",
            "/v1/beats?cursor=zzz",
            "invalid-parameter",
            400,
            "next_cursor",
        ),
        (
            "GET",
            "/v1/beats?cursor=b%C3%A9",
            "invalid-parameter",
            400,
            "next_cursor",
        ),
        (
            "GET",
            &foreign_cursor,
            "invalid-parameter",
            400,
            "next_cursor",
        ),
        (
            "GET",
            "/v1/beats/one",
            "invalid-parameter",
            400,
            "id: found \"one\"",
        ),
        (
            "GET",
            "/v1/beats/0",
            "invalid-parameter",
            400,
            "a whole number from 1",
        ),
        (
            "GET",
            "/v1/beats/99999999999999999999",
            "invalid-parameter",
            400,
            "id",
        ),
        (
            "GET",
            "/v1/beats/1?before_ms=-1",
            "invalid-parameter",
            400,
            "0 to 10000",
        ),
        (
            "GET",
            "/v1/beats/1?after_ms=NaN",
            "invalid-parameter",
            400,
            "0 to 10000",
        ),
        (
            "GET",
            "/v1/beats/10",
            "no-such-beat",
            404,
            "beat 10 is not in this database",
        ),
        (
            "GET",
            "/v1/stream?last_event_id=-4",
            "invalid-parameter",
            400,
            "Last-Event-ID",
        ),
        (
            "GET",
            "/v1/stream?last_event_id=0123456789abcdef0123456789abcdef.1.2",
            "invalid-parameter",
            400,
            "an id of this stream, the id of a beat, or 0",
        ),
        (
            "GET",
            "/v1/events?class=N",
            "unknown-parameter",
            400,
            "from, to, session",
        ),
    ];
    let mut failures = Vec::new();
    for (method, target, name, status, detail) in table {
        let answer = request(house.socket(), method, target);
        let body = answer.json();
        let right = answer.status == status
            && answer
                .head
                .contains("content-type: application/problem+json")
            && (status != 405 || answer.head.contains("allow: get, head"))
            && body["type"] == format!("urn:problem-type:ecg-gateway:{name}")
            && body["status"] == status
            && body["instance"] == target
            && body["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
            && body["detail"]
                .as_str()
                .is_some_and(|text| text.contains(detail));
        if !right {
            failures.push(format!(
                "{method} {target}: {} {}",
                answer.status, answer.body
            ));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_damaged_or_missing_database_is_a_problem_and_status_still_answers() {
    let house = House::new();
    house.furnish();
    let damage = rusqlite::Connection::open(house.at("beats.db")).unwrap();
    damage
        .execute_batch("DROP TRIGGER ecg_blocks_stay; UPDATE ecg_blocks SET codes = x'02ff'")
        .unwrap();
    let answer = get(house.socket(), "/v1/beats/1");
    assert_eq!(answer.status, Kind::StoreDamaged.status());
    assert!(
        answer.body.contains("ECG block of session 1 at sample 0"),
        "{}",
        answer.body
    );
    fetch(house.socket(), "/v1/beats");

    let socket = house.at("elsewhere.sock");
    let deps = super::ApiDeps {
        database: house.at("absent.db"),
        hub: house.hub.clone(),
        live: house.live.clone(),
        writer: None,
        reload: None,
    };
    let _server = super::ApiServer::bind(&super::ApiOptions::at(&socket), deps).unwrap();
    let answer = get(&socket, "/v1/beats");
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.json()["type"],
        "urn:problem-type:ecg-gateway:store-unavailable"
    );
    let status = fetch(&socket, "/v1/status");
    assert_eq!(status["store"]["state"], "unreadable");
    assert!(
        status["store"]["detail"]
            .as_str()
            .unwrap()
            .contains("absent.db")
    );
    assert_eq!(
        (&status["session"], &status["session_reason"]),
        (&Value::Null, &json!("store_unavailable"))
    );
    // what is live does not come from the database
    assert_eq!(status["heart_rate_bpm"], 75.0);
    assert_eq!(status["live"]["beats"], 9);
    assert_eq!(status["totals"], Value::Null);
}

#[test]
fn status_counts_and_gives_a_rate_or_a_reason() {
    let house = House::new();
    let fresh = fetch(house.socket(), "/v1/status");
    assert_eq!(fresh["heart_rate_bpm"], Value::Null);
    assert_eq!(fresh["heart_rate_reason"], "no_beat_yet");
    assert_eq!(fresh["last_beat"], Value::Null);
    assert_eq!(fresh["state"], "starting");

    house.furnish();
    house.live.update(|live| {
        live.state = super::super::ServiceState::Recording;
        live.engine = Some("cpu-reference".to_owned());
        live.newest_sample = Some(MonotonicNs(8_000_000_000));
        live.samples_received = 4_000;
    });
    let status = fetch(house.socket(), "/v1/status");
    assert_eq!(status["heart_rate_bpm"], 75.0);
    assert_eq!(status["heart_rate_reason"], Value::Null);
    assert_eq!(status["last_beat"]["id"], 9);
    assert_eq!(
        status["totals"]["beats_by_class"],
        json!({"N": 2, "L": 2, "R": 2, "A": 2, "V": 1})
    );
    assert_eq!(
        (
            &status["totals"]["gaps"],
            &status["totals"]["missing_samples"]
        ),
        (&json!(1), &json!(3))
    );
    assert_eq!(status["session"]["end_reason"], "recording");
    assert_eq!(status["session"]["samples"], 4_000);
    assert_eq!(status["store"]["state"], "ok");
    assert_eq!(status["store"]["beats_committed"], 9);
    assert_eq!(status["engine"], "cpu-reference");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert!(
        status["disclaimer"]
            .as_str()
            .unwrap()
            .contains("not a certified medical device")
    );

    house
        .live
        .update(|live| live.newest_sample = Some(MonotonicNs(60_000_000_000)));
    let later = fetch(house.socket(), "/v1/status");
    assert_eq!(later["heart_rate_bpm"], Value::Null);
    assert_eq!(later["heart_rate_reason"], "no_recent_beat");
}

#[test]
fn head_is_answered_without_a_body() {
    let house = House::new();
    let answer = request(house.socket(), "HEAD", "/v1/status");
    assert_eq!((answer.status, &*answer.body), (200, ""));
}

/// Walks every number of an answer.
fn largest_integer(value: &Value) -> u64 {
    match value {
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| number.as_u64().unwrap_or(0), i64::unsigned_abs),
        Value::Array(values) => values.iter().map(largest_integer).max().unwrap_or(0),
        Value::Object(fields) => fields.values().map(largest_integer).max().unwrap_or(0),
        _ => 0,
    }
}

#[test]
fn no_integer_passes_two_to_the_53rd_and_absurd_times_are_null() {
    let house = House::new();
    house.furnish();
    rusqlite::Connection::open(house.at("beats.db"))
        .unwrap()
        .execute_batch(
            "DROP TRIGGER beats_stay; DROP TRIGGER gaps_stay;
             UPDATE beats SET r_sample = 9223372036854775807, r_wall_us = 9223372036854775806, \
             r_monotonic_ns = 9223372036854775807;
             UPDATE gaps SET missing_samples = 9223372036854775807",
        )
        .unwrap();
    let mut seen = BTreeSet::new();
    for path in ["/v1/beats", "/v1/gaps", "/v1/status", "/v1/beats/1"] {
        let answer = fetch(house.socket(), path);
        let largest = largest_integer(&answer);
        assert!(largest <= 1 << 53, "{path}: {largest}");
        seen.insert(largest);
    }
    assert!(seen.contains(&(1 << 53)), "{seen:?}");
    let beats = fetch(house.socket(), "/v1/beats");
    assert_eq!(beats["beats"][0]["r_time"], Value::Null);
    assert_eq!(beats["beats"][0]["r_time_us"], Value::Null);
}

#[test]
fn the_newest_rows_come_first_when_asked_for() {
    let house = House::new();
    house.furnish();
    for k in 9..30 {
        house.beat(k);
    }
    house.writer.flush().unwrap();
    let ids = |target: &str| -> Vec<i64> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let answer = fetch(house.socket(), &format!("{target}{cursor}"));
            let rows = answer["beats"].as_array().unwrap();
            all.extend(rows.iter().map(|row| row["id"].as_i64().unwrap()));
            match answer["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    };
    let descending: Vec<i64> = (1..=30).rev().collect();
    assert_eq!(ids("/v1/beats?order=desc&limit=7"), descending);
    assert_eq!(ids("/v1/beats?order=desc&limit=7&session=1"), descending);
    assert_eq!(
        ids("/v1/beats?order=desc&limit=7&from=0&class=N,L,R,A,V"),
        descending
    );
    let only: Vec<i64> = descending
        .iter()
        .copied()
        .filter(|id| id % 5 == 4)
        .collect();
    assert_eq!(ids("/v1/beats?order=desc&limit=2&class=s&session=1"), only);
    let first = fetch(house.socket(), "/v1/beats?order=desc&limit=1");
    assert_eq!(first["beats"][0]["id"], 30);
    let events = fetch(house.socket(), "/v1/events?order=desc&limit=1");
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
    let answer = get(house.socket(), "/v1/beats?order=newest");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("asc or desc"), "{}", answer.body);
}

#[test]
fn minutes_hold_everything_once() {
    let house = House::new();
    for block in 0..20 {
        house.ecg(block * 3_500, 3_500);
    }
    // a beat every 0.8 s: 75 per minute
    for k in 0..170 {
        house.beat(k);
    }
    house.gap(30_000);
    house.event(69_999);
    house.writer.flush().unwrap();
    let answer = fetch(house.socket(), "/v1/minutes");
    let minutes = answer["minutes"].as_array().unwrap();
    assert_eq!(minutes.len(), 3);
    let beats: Vec<_> = minutes
        .iter()
        .map(|minute| minute["beats"].as_u64().unwrap())
        .collect();
    // R peaks at 400, 800, ... samples: one at 30000 is of the second minute
    assert_eq!(beats, [74, 75, 21]);
    assert_eq!(minutes[1]["heart_rate_mean_bpm"], 75.0);
    assert_eq!(minutes[1]["first_sample"], 30_000);
    assert_eq!(minutes[1]["time_us"], START_WALL_US + 60_000_000);
    assert_eq!(
        (&minutes[1]["gaps"], &minutes[1]["missing_samples"]),
        (&1.into(), &3.into())
    );
    assert_eq!(minutes[2]["events"], 1);
    assert_eq!(minutes[0]["good_quality_share"], 1.0);
    let of_class: u64 = minutes
        .iter()
        .map(|minute| minute["beats_by_class"]["V"].as_u64().unwrap())
        .sum();
    assert_eq!(of_class, 34);
    let from = START_WALL_US + 61_000_000;
    let answer = fetch(
        house.socket(),
        &format!("/v1/minutes?session=1&from={from}"),
    );
    assert_eq!(answer["minutes"][0]["minute"], 1);
    assert_eq!(answer["minutes"].as_array().unwrap().len(), 2);
}
