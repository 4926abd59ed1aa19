//! Another patient, and sessions that go, asked for over the socket.

use std::io::{Read, Write};

use serde_json::{Value, json};
use tungstenite::Message;

use super::client::{Answer, connect, fetch, get, request};
use super::documented::assert_documented;
use super::{House, eventually};
use crate::store::Totals;

/// A request with a body, over a connection that would go on.
fn send(house: &House, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let mut stream = connect(house.socket());
    let length = body.len();
    let _ = write!(
        stream,
        "{method} {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    let mut answer = Vec::new();
    let mut part = [0; 4_096];
    // up to the end of the problem or object, or of the connection
    while !answer.ends_with(b"}") {
        match stream.read(&mut part) {
            Ok(count) if count > 0 => answer.extend_from_slice(&part[..count]),
            _ => break,
        }
    }
    let answer = String::from_utf8(answer).unwrap();
    let (status, head, body) = super::http::split(&answer);
    Answer {
        status,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

fn problem(answer: &Answer) -> (u16, String) {
    let name = answer.json()["type"].as_str().unwrap_or("-").to_owned();
    let name = name.rsplit(':').next().unwrap_or_default().to_owned();
    (answer.status, name)
}

const JSON: &str = "content-type: application/json\r\n";

#[test]
fn another_patient_is_asked_for_with_a_label_or_without() {
    let house = House::new();
    let patient = house.live.patient();
    let ask = |body: &str| send(&house, "POST", "/v1/patient", JSON, body);
    let refused = ask(r#"{"label":null}"#);
    assert_eq!(problem(&refused), (409, "no-open-session".to_owned()));
    patient.allow(true);
    for (body, label) in [
        (r#"{"label":"Bed 4"}"#, Some("Bed 4".to_owned())),
        (r#"{"label":null}"#, None),
        (" {}\n", None),
        (
            &format!(r#"{{"label":"{}"}}"#, "ä".repeat(64)),
            Some("ä".repeat(64)),
        ),
    ] {
        let answer = ask(body);
        assert_eq!(
            (answer.status, &*answer.body),
            (202, r#"{"accepted":true}"#)
        );
        assert!(patient.asked().is_some());
        assert_eq!(patient.take_request(), Some(label));
    }
    let large = format!(r#"{{"label":"{}"}}"#, "x".repeat(131_072));
    let long = format!(r#"{{"label":"{}"}}"#, "x".repeat(65));
    let closing = "connection: close\r\n";
    for (headers, body, expected, detail) in [
        (JSON, "", (400, "invalid-parameter"), "body: EOF"),
        (JSON, "{\"label\":", (400, "invalid-parameter"), "body: EOF"),
        (
            JSON,
            r#"{"name":"x"}"#,
            (400, "unknown-parameter"),
            "the body takes label",
        ),
        (
            JSON,
            r#"{"label":7}"#,
            (400, "invalid-parameter"),
            "label: found \\\"7",
        ),
        (
            JSON,
            r#"{"label":""}"#,
            (400, "invalid-parameter"),
            "label: found \\\"\\\"",
        ),
        (
            JSON,
            &*long,
            (400, "invalid-parameter"),
            "expected 1 to 64 characters",
        ),
        (
            JSON,
            r#"{"label":"a\tb"}"#,
            (400, "invalid-parameter"),
            "without control",
        ),
        (JSON, &*large, (413, "body-too-large"), "131072"),
        ("", r#"{"label":null}"#, (415, "not-json"), "Content-Type"),
        (
            "content-type: text/plain\r\n",
            r#"{"label":null}"#,
            (415, "not-json"),
            "application/json",
        ),
    ] {
        let answer = send(&house, "POST", "/v1/patient", headers, body);
        let found = problem(&answer);
        assert_eq!((found.0, &*found.1), expected, "{body:.40}");
        assert!(answer.body.contains(detail), "{}", answer.body);
        let unread = expected.0 != 400;
        assert_eq!(answer.head.contains(closing.trim()), unread, "{body:.40}");
    }
    let mut chunked = connect(house.socket());
    write!(
        chunked,
        "POST /v1/patient HTTP/1.1\r\nhost: x\r\n{JSON}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    chunked.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(patient.asked(), None);
    let get = get(house.socket(), "/v1/patient");
    assert_eq!(get.status, 405);
    assert!(get.head.contains("allow: post\r\n"), "{}", get.head);
}

/// A body may come in pieces, and the connection goes on behind it.
#[test]
fn requests_with_bodies_follow_each_other_over_one_connection() {
    let house = House::new();
    house.live.patient().allow(true);
    let mut stream = connect(house.socket());
    let body = "{\n\n\"label\" : \"Bed 4\"\n\n}";
    let head = format!(
        "POST /v1/patient HTTP/1.1\r\nhost: x\r\n{JSON}content-length: {}\r\n\r\n",
        body.len()
    );
    let whole = format!("{head}{body}").repeat(2)
        + "GET /v1/gaps HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    for piece in whole.as_bytes().chunks(37) {
        stream.write_all(piece).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(
        answers.matches("HTTP/1.1 202 Accepted").count(),
        2,
        "{answers}"
    );
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 1, "{answers}");
    assert!(answers.contains("\"gaps\":[]"), "{answers}");
}

/// A body that does not come is waited for as long as for a head.
#[test]
fn a_body_that_stops_half_way_is_not_waited_for() {
    let house =
        House::with(|options| options.request_timeout = std::time::Duration::from_millis(200));
    house.live.patient().allow(true);
    let mut stream = connect(house.socket());
    write!(
        stream,
        "POST /v1/patient HTTP/1.1\r\nhost: x\r\n{JSON}content-length: 20\r\n\r\n{{\"label\""
    )
    .unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(house.live.patient().asked(), None);
}

#[test]
fn a_label_is_with_the_session_and_nowhere_else() {
    let mut house = House::new();
    let mut info = house.info.clone();
    info.patient_label = Some("Bed 4, Ängström".to_owned());
    info.mains = Some(ecg_signal::Mains::Hz50);
    house.info = info.clone();
    let id = house.writer.begin_session(&info).unwrap();
    house.live.begin_session(&info, id);
    house.furnish();
    let session = &fetch(house.socket(), "/v1/status")["session"];
    let listed = fetch(house.socket(), "/v1/sessions")["sessions"].clone();
    let header = fetch(house.socket(), "/v1/ecg");
    let stream = connect(house.socket());
    let (mut socket, _) = tungstenite::client("ws://localhost/v1/live", stream).unwrap();
    let Message::Text(live) = socket.read().unwrap() else {
        panic!("a session comes first")
    };
    let live: Value = serde_json::from_str(&live).unwrap();
    for (what, object) in [("status", session), ("list", &listed[1]), ("live", &live)] {
        assert_eq!(object["patient_label"], "Bed 4, Ängström", "{what}");
    }
    assert_eq!(listed[0]["patient_label"], Value::Null);
    assert_eq!(listed[0]["mains_hz"], Value::Null);
    for object in [session, &listed[1], &live, &header] {
        assert_eq!(object["mains_hz"], 50);
        assert_eq!(object["code_min"], -8_388_608);
        assert_eq!(object["code_max"], 8_388_607);
    }
    for target in [
        "/v1/metrics",
        "/v1/beats",
        "/v1/events",
        "/v1/ecg",
        "/v1/audit",
    ] {
        let answer = get(house.socket(), target);
        assert!(!answer.body.contains("Bed 4"), "{target}: {}", answer.body);
    }
}

#[test]
fn a_deleted_session_is_a_tombstone() {
    let house = House::new();
    house.furnish();
    let refused = request(house.socket(), "DELETE", "/v1/sessions/1");
    assert_eq!(problem(&refused), (409, "session-open".to_owned()));
    house
        .writer
        .end_session(house.info.start, "new_patient")
        .unwrap();
    house.writer.begin_session(&house.info).unwrap();
    for (target, expected) in [
        ("/v1/sessions/9", (404, "no-such-session")),
        ("/v1/sessions/x", (400, "invalid-parameter")),
        ("/v1/sessions/1?force=1", (400, "unknown-parameter")),
    ] {
        let found = problem(&request(house.socket(), "DELETE", target));
        assert_eq!((found.0, &*found.1), expected, "{target}");
    }
    let answer = get(house.socket(), "/v1/sessions/1");
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("allow: delete\r\n"), "{}", answer.head);
    let answer = request(house.socket(), "DELETE", "/v1/sessions/1");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let deleted = answer.json();
    assert_documented("DELETE /v1/sessions/{id}", &deleted, &[]);
    let rows = json!({
        "beats": 9, "maps": 1, "gaps": 1, "events": 1, "ecg_blocks": 1, "corrections": 0,
    });
    assert_eq!(
        (&deleted["session"], &deleted["deleted"]),
        (&json!(1), &rows)
    );
    let by = deleted["deleted_by"].as_str().unwrap();
    assert_eq!(by, format!("uid {}", rustix::process::getuid().as_raw()));
    // again: the same
    let again = request(house.socket(), "DELETE", "/v1/sessions/1");
    assert_eq!((again.status, again.json()), (200, deleted.clone()));
    let sessions = fetch(house.socket(), "/v1/sessions")["sessions"].clone();
    assert_eq!(sessions[0]["deleted_time_us"], deleted["deleted_time_us"]);
    assert_eq!(
        (&sessions[0]["beats"], &sessions[0]["samples"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(sessions[0]["end_reason"], "new_patient");
    assert_eq!(sessions[1]["deleted_time"], Value::Null);
    for list in ["beats", "gaps", "events"] {
        let found = fetch(house.socket(), &format!("/v1/{list}"));
        assert_eq!(found[list], json!([]), "{list}");
    }
    assert_eq!(fetch(house.socket(), "/v1/ecg?session=1")["points"], 0);
    assert_eq!(get(house.socket(), "/v1/beats/1").status, 404);
    assert_eq!(fetch(house.socket(), "/v1/status")["totals"]["sessions"], 2);
    // who it was is noted
    house.event(9_000);
    eventually("the note is stored", || {
        house.writer.flush().unwrap();
        let noted = fetch(house.socket(), "/v1/audit");
        let mut rows = noted["audit"].as_array().into_iter().flatten();
        rows.any(|row| {
            (&row["what"], &row["kind"], &row["outcome"])
                == (&json!("delete-session"), &json!("changed"), &json!("done"))
        })
    });
    let reader = crate::store::StoreReader::open(&house.at("beats.db")).unwrap();
    assert!(reader.verify(&[]).unwrap().is_sound());
    let Totals { counts, .. } = reader.totals().unwrap();
    assert_eq!((counts.beats(), counts.events), (0, 1));
}
