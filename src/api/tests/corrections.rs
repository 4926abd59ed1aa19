//! `/v1/corrections` over a real socket.

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use ecg_chain::MonotonicNs;
use serde_json::{Value, json};

use super::client::{Answer, connect, fetch, get, request};
use super::http;
use super::live::Page;
use super::web::Open;
use super::{House, START_WALL_US, eventually};
use crate::store::{Outage, StoreOptions};

/// Sends bytes and reads until the connection ends.
fn raw(socket: &Path, text: &str) -> Answer {
    let mut stream = connect(socket);
    let _ = stream.write_all(text.as_bytes()); // the server may have hung up already
    let mut bytes = Vec::new();
    // a body that is refused unread may reset the connection behind the answer
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (status, head, body) = http::split(&text);
    Answer {
        status,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

fn request_with(body: &str, headers: &str) -> String {
    format!(
        "POST /v1/corrections HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

const JSON: &str = "connection: close\r\ncontent-type: application/json\r\n";

pub(super) fn post(socket: &Path, body: &str) -> Answer {
    raw(socket, &request_with(body, JSON))
}

/// A correction that must be stored.
fn stored(house: &House, body: &Value) -> Value {
    let answer = post(house.socket(), &body.to_string());
    assert_eq!(answer.status, 201, "{body}: {}", answer.body);
    answer.json()
}

/// Name and detail of a refusal.
fn refused(answer: &Answer) -> (u16, String, String) {
    let problem = answer.json();
    let name = problem["type"].as_str().unwrap().rsplit(':').next();
    let detail = problem["detail"].as_str().unwrap();
    (answer.status, name.unwrap().to_owned(), detail.to_owned())
}

fn us(sample: i64) -> i64 {
    START_WALL_US + 2_000 * sample
}

/// What decides about the nine beats: the correction, and its class or `-` of an artefact.
fn decided(house: &House) -> String {
    let beats = fetch(house.socket(), "/v1/beats");
    let told = beats["beats"].as_array().unwrap().iter().map(|beat| {
        let class = match (&beat["artefact"], &beat["corrected_class"]) {
            (Value::Bool(true), Value::Null) => "-",
            (Value::Bool(false), Value::String(class)) => class,
            (Value::Bool(false), Value::Null) => "",
            other => panic!("{other:?}"),
        };
        let id = beat["correction"].as_i64();
        id.map_or(".".to_owned(), |id| format!("{id}{class}"))
    });
    told.collect::<Vec<_>>().join(" ")
}

#[test]
fn beats_clusters_and_stretches_are_corrected_and_undone() {
    let house = House::new();
    house.furnish(); // nine beats, N L R A V N L R A, R peaks at 400, 800 ...
    assert_eq!(decided(&house), ". . . . . . . . .");
    let label = json!({"session": 1, "kind": "label", "target": "beat", "beats": [1], "class": "V",
        "note": "wide QRS\nno P wave"});
    let first = stored(&house, &label);
    let uid = rustix::process::geteuid().as_raw();
    let expected = json!({
        "id": 1, "session": 1, "kind": "label", "target": "beat", "beats": [1],
        "from_sample": null, "from_time": null, "from_time_us": null,
        "to_sample": null, "to_time": null, "to_time_us": null,
        "class": "V", "note": "wide QRS\nno P wave", "author": format!("uid {uid}"),
        "origin": "person", "supersedes": null, "superseded_by": null,
        "time": first["time"], "time_us": first["time_us"],
    });
    assert_eq!(first, expected);
    assert!(first["time_us"].as_i64() > Some(START_WALL_US));
    // of two corrections of a beat the later one counts
    let again =
        json!({"session": 1, "kind": "label", "target": "beat", "beats": [1], "class": "F"});
    assert_eq!(stored(&house, &again)["id"], 2);
    assert_eq!(decided(&house), "2F . . . . . . . .");
    let cluster = json!({"session": 1, "kind": "label", "target": "beats", "beats": [5, 1, 3],
        "class": "Q", "supersedes": null});
    assert_eq!(stored(&house, &cluster)["beats"], json!([1, 3, 5]));
    assert_eq!(decided(&house), "3Q . 3Q . 3Q . . . .");
    // from the second R peak until before the fourth
    let stretch = json!({"session": 1, "kind": "artefact", "target": "stretch",
        "from_us": us(800), "to_us": us(1_600)});
    let stretch = stored(&house, &stretch);
    let places = ["from_sample", "from_time_us", "to_sample", "to_time_us"];
    let places = places.map(|name| stretch[name].as_i64().unwrap());
    assert_eq!(places, [800, us(800), 1_600, us(1_600)]);
    assert_eq!(stretch["from_time"], "2023-11-14T22:13:21.600000Z");
    assert_eq!(decided(&house), "3Q 4 4 . 3Q . . . .".replace('4', "4-"));
    let undo = |supersedes: i64| json!({"kind": "undo", "supersedes": supersedes});
    let undone = stored(&house, &undo(4));
    assert_eq!(
        (&undone["target"], &undone["session"]),
        (&Value::Null, &json!(1))
    );
    assert_eq!(decided(&house), "3Q . 3Q . 3Q . . . .");
    assert_eq!(stored(&house, &undo(5))["supersedes"], 5);
    assert_eq!(decided(&house), "3Q 4- 4- . 3Q . . . .", "an undo undone");
    stored(&house, &undo(3));
    assert_eq!(decided(&house), "2F 4- 4- . . . . . .");
    let (status, name, detail) = refused(&post(house.socket(), &undo(3).to_string()));
    assert_eq!((status, &*name), (409, "not-in-force"));
    assert!(detail.contains('3') && detail.contains('7'), "{detail}");
    // the model's label stays as it is
    let beat = fetch(house.socket(), "/v1/beats/1");
    assert_eq!(
        (&beat["class"], &beat["corrected_class"]),
        (&json!("N"), &json!("F"))
    );

    let list = fetch(house.socket(), "/v1/corrections?limit=5");
    let of = |list: &Value, name: &str| -> Vec<Value> {
        let rows = list["corrections"].as_array().unwrap().iter();
        rows.map(|row| row[name].clone()).collect()
    };
    assert_eq!(of(&list, "id"), [1, 2, 3, 4, 5]);
    let by = [json!(null), json!(null), json!(7), json!(null), json!(6)];
    assert_eq!(of(&list, "superseded_by"), by);
    let cursor = list["next_cursor"].as_str().unwrap();
    let rest = fetch(
        house.socket(),
        &format!("/v1/corrections?limit=5&cursor={cursor}"),
    );
    assert_eq!(
        (of(&rest, "id"), &rest["next_cursor"]),
        (vec![json!(6), json!(7)], &Value::Null)
    );
    let newest = fetch(house.socket(), "/v1/corrections?order=desc&limit=1");
    assert_eq!(of(&newest, "id"), [7]);
    // overlap: the cluster from beat 1 to 5, and the stretch and its undos
    let within = format!(
        "/v1/corrections?from={}&to={}&session=1",
        us(1_000),
        us(1_200)
    );
    assert_eq!(of(&fetch(house.socket(), &within), "id"), [3, 4, 5, 6, 7]);
    assert_eq!(
        of(&fetch(house.socket(), "/v1/corrections?session=2"), "id"),
        [0; 0]
    );

    assert_eq!(
        fetch(house.socket(), "/v1/status")["totals"]["corrections"],
        7
    );
    let metrics = get(house.socket(), "/v1/metrics").body;
    assert!(
        metrics.contains("ecg_gateway_store_corrections_total 7\n"),
        "{metrics}"
    );
    eventually("a note for the audit", || {
        house.event(5_000);
        let audit = fetch(house.socket(), "/v1/audit?order=desc");
        let notes = audit["audit"].as_array().unwrap();
        notes.iter().any(|note| {
            note["kind"] == "changed" && note["what"] == "correct" && note["outcome"] == "done"
        })
    });
}

#[test]
fn lists_and_minutes_count_labels_as_they_were_corrected() {
    let house = House::new();
    house.furnish();
    for (beats, class) in [(json!([1]), "V"), (json!([2, 3]), "F")] {
        let target = if beats.as_array().unwrap().len() == 1 {
            "beat"
        } else {
            "beats"
        };
        stored(
            &house,
            &json!({"session": 1, "kind": "label", "target": target, "beats": beats, "class": class}),
        );
    }
    stored(
        &house,
        &json!({"session": 1, "kind": "artefact", "target": "beat", "beats": [9]}),
    );
    let ids = |query: &str| -> Vec<i64> {
        let beats = fetch(house.socket(), &format!("/v1/beats?{query}"));
        let rows = beats["beats"].as_array().unwrap().iter();
        rows.map(|row| row["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(ids("class=V"), [5]);
    assert_eq!(ids("class=V&labels=machine"), [5]);
    assert_eq!(ids("class=V&labels=corrected"), [1, 5]);
    assert_eq!(ids("class=f,s&labels=corrected"), [2, 3, 4]);
    assert_eq!(ids("class=s"), [4, 9]);
    assert_eq!(ids("labels=corrected").len(), 9);
    assert_eq!(ids("class=V&labels=corrected&order=desc&limit=1"), [5]);
    for (query, words) in [
        ("class=F", "expected N, L, R, A, S or V"),
        (
            "class=X&labels=corrected",
            "expected N, L, R, A, S, V, F or Q",
        ),
        (
            "labels=both",
            "labels: found \\\"both\\\", expected machine or corrected",
        ),
    ] {
        let answer = get(house.socket(), &format!("/v1/beats?{query}"));
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(words), "{}", answer.body);
    }
    let minute =
        |query: &str| fetch(house.socket(), &format!("/v1/minutes{query}"))["minutes"][0].clone();
    let machine = minute("");
    assert_eq!(
        (
            &machine["beats"],
            &machine["beats_by_class"],
            &machine["beats_unclassifiable"]
        ),
        (
            &json!(9),
            &json!({"N": 2, "L": 2, "R": 2, "A": 2, "V": 1}),
            &json!(1)
        )
    );
    assert_eq!(minute("?labels=machine"), machine);
    let corrected = minute("?labels=corrected");
    assert_eq!(
        (&corrected["beats"], &corrected["beats_by_class"]),
        (
            &json!(8),
            &json!({"N": 1, "L": 1, "R": 1, "A": 1, "V": 2, "F": 2, "Q": 0})
        )
    );
    // a beat that somebody has named is clear
    stored(
        &house,
        &json!({"session": 1, "kind": "label", "target": "beat", "beats": [5], "class": "V"}),
    );
    assert_eq!(minute("?labels=corrected")["beats_unclassifiable"], 0);
}

/// 5000 ids of 13 digits take 70000 bytes.
#[test]
fn as_many_beats_as_one_may_have_fit_into_a_body() {
    let house = House::new();
    house.furnish();
    let beats: Vec<i64> = (0..5_000).map(|k| 1_000_000_000_000 + k).collect();
    let body =
        json!({"session": 1, "kind": "label", "target": "beats", "beats": beats, "class": "V"});
    let answer = post(house.socket(), &body.to_string());
    assert_eq!(refused(&answer).0, 404, "{}", answer.body);
}

#[test]
fn what_a_body_must_say_is_said() {
    let house = House::new();
    house.furnish();
    let begun = house.writer.begin_session(&house.info).unwrap();
    assert_eq!(begun, Some(2));
    let many: Vec<i64> = (1..=5_001).collect();
    let label = |more: Value| {
        let mut body =
            json!({"session": 1, "kind": "label", "target": "beat", "beats": [1], "class": "V"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    let note = "x".repeat(2_001);
    let rows = [
        (
            label(json!({"class": "X"})),
            400,
            "invalid-parameter",
            "class: found \"X\", expected N, L, R, A, V, F or Q",
        ),
        (
            label(json!({"class": null})),
            400,
            "invalid-parameter",
            "class: found \"nothing\"",
        ),
        (
            label(json!({"class": "VV"})),
            400,
            "invalid-parameter",
            "class: found \"VV\"",
        ),
        (
            label(json!({"kind": "artefact"})),
            400,
            "invalid-parameter",
            "class: found \"V\"",
        ),
        (
            label(json!({"kind": "guess"})),
            400,
            "invalid-parameter",
            "kind: found \"guess\", expected label, artefact, note or undo",
        ),
        (
            label(json!({"kind": null})),
            400,
            "invalid-parameter",
            "kind: found \"nothing\"",
        ),
        (
            label(json!({"kind": 1})),
            400,
            "invalid-parameter",
            "kind: found \"1\"",
        ),
        (
            label(json!({"beats": [99]})),
            404,
            "no-such-beat",
            "beat 99",
        ),
        (
            label(json!({"beats": [1, 2]})),
            400,
            "invalid-parameter",
            "beats: found \"[1,2]\", expected the id of one beat",
        ),
        (
            label(json!({"beats": []})),
            400,
            "invalid-parameter",
            "beats: found \"[]\"",
        ),
        (
            label(json!({"beats": ["1"]})),
            400,
            "invalid-parameter",
            "beats: found",
        ),
        (
            label(json!({"beats": [0]})),
            400,
            "invalid-parameter",
            "beats: found",
        ),
        (
            label(json!({"beats": 1})),
            400,
            "invalid-parameter",
            "beats: found \"1\"",
        ),
        (
            label(json!({"beats": many, "target": "beats"})),
            400,
            "invalid-parameter",
            "expected 1 to 5000 ids",
        ),
        (
            label(json!({"session": 2})),
            400,
            "invalid-parameter",
            "beat 1 is of session 1, expected session 2",
        ),
        (
            label(json!({"session": 7})),
            404,
            "no-such-session",
            "session 7",
        ),
        (
            label(json!({"session": null})),
            400,
            "invalid-parameter",
            "session: found \"nothing\"",
        ),
        (
            label(json!({"session": "1"})),
            400,
            "invalid-parameter",
            "session: found \"1\"",
        ),
        (
            label(json!({"target": "moment", "beats": null})),
            400,
            "invalid-parameter",
            "target: found \"moment\", expected beat, beats or stretch",
        ),
        (
            label(json!({"target": null})),
            400,
            "invalid-parameter",
            "target: found \"nothing\"",
        ),
        (
            label(json!({"from_us": 5})),
            400,
            "invalid-parameter",
            "from_us: found \"5\"",
        ),
        (
            label(json!({"supersedes": 1})),
            400,
            "invalid-parameter",
            "supersedes: found \"1\"",
        ),
        (
            label(json!({"note": note})),
            400,
            "invalid-parameter",
            "note: found",
        ),
        (
            label(json!({"note": ""})),
            400,
            "invalid-parameter",
            "1 to 2000 characters",
        ),
        (
            label(json!({"note": "a\u{1b}[2J"})),
            400,
            "invalid-parameter",
            "control characters",
        ),
        (
            label(json!({"colour": "red"})),
            400,
            "unknown-parameter",
            "\"colour\": the body takes session, kind",
        ),
        (
            r#"{"kind":"note","target":"beat","session":1,"beats":[1]}"#.to_owned(),
            400,
            "invalid-parameter",
            "note: found \"nothing\"",
        ),
        (
            r#"{"kind":"undo"}"#.to_owned(),
            400,
            "invalid-parameter",
            "supersedes: found \"nothing\"",
        ),
        (
            r#"{"kind":"undo","supersedes":5}"#.to_owned(),
            404,
            "no-such-correction",
            "correction 5",
        ),
        (
            r#"{"kind":"undo","supersedes":5,"beats":[1]}"#.to_owned(),
            400,
            "invalid-parameter",
            "beats: found \"[1]\"",
        ),
        (
            label(json!({"target": "stretch"})),
            400,
            "invalid-parameter",
            "beats: found \"[1]\"",
        ),
        (
            label(json!({"target": "stretch", "beats": null})),
            400,
            "invalid-parameter",
            "from_us: found \"nothing\"",
        ),
        (
            label(json!({"target": "stretch", "beats": null, "from_us": us(9), "to_us": us(9)})),
            400,
            "invalid-parameter",
            "expected a time after from_us",
        ),
        (
            label(json!({"target": "stretch", "beats": null, "from_us": 5, "to_us": 9})),
            400,
            "invalid-parameter",
            "from_us: found \"5\", expected a time within session 1",
        ),
        (
            json!({"kind": "note", "target": "moment", "session": 1}).to_string(),
            400,
            "invalid-parameter",
            "from_us: found \"nothing\"",
        ),
        (
            json!({"kind": "note", "target": "moment", "session": 1, "from_us": 5}).to_string(),
            400,
            "invalid-parameter",
            "a time within session 1",
        ),
        (
            json!({"kind": "note", "target": "moment", "from_us": 5}).to_string(),
            400,
            "invalid-parameter",
            "session: found \"nothing\"",
        ),
        (
            format!("{{\"{}\": 1}}", "x".repeat(100)),
            400,
            "unknown-parameter",
            &format!("\"{}...\": the body takes", "x".repeat(60)),
        ),
        ("[1]".to_owned(), 400, "invalid-parameter", "body: "),
        ("{".to_owned(), 400, "invalid-parameter", "body: "),
        (String::new(), 400, "invalid-parameter", "body: "),
        (
            "\"".to_owned() + &"x".repeat(131_072),
            413,
            "body-too-large",
            "send at most 131072 bytes",
        ),
    ];
    let mut failures = Vec::new();
    for (body, status, name, words) in rows {
        let answer = post(house.socket(), &body);
        let found = refused(&answer);
        let told: String = body.chars().take(100).collect();
        if (found.0, &*found.1) != (status, name) || !found.2.contains(words) {
            failures.push(format!("{told}: {found:?}, expected {words}"));
        }
    }
    let good = label(json!({}));
    let plain = "connection: close\r\ncontent-type: text/plain\r\n";
    let chunked =
        "connection: close\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n";
    for (text, status, name) in [
        (request_with(&good, plain), 415, "not-json"),
        (
            request_with(&good, "connection: close\r\n"),
            415,
            "not-json",
        ),
        (
            format!(
                "POST /v1/corrections HTTP/1.1\r\nhost: x\r\n{chunked}\r\n2\r\n{{}}\r\n0\r\n\r\n"
            ),
            413,
            "body-not-taken",
        ),
        (
            format!("POST /v1/corrections?x=1 HTTP/1.1\r\nhost: x\r\n{JSON}\r\n"),
            400,
            "unknown-parameter",
        ),
        (
            request_with(&good, JSON).replacen("POST", "GET", 1),
            413,
            "body-not-taken",
        ),
    ] {
        let found = refused(&raw(house.socket(), &text));
        if (found.0, &*found.1) != (status, name) {
            failures.push(format!("{text}: {found:?}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    let answer = request(house.socket(), "DELETE", "/v1/corrections");
    assert_eq!(answer.status, 405);
    assert!(
        answer.head.contains("allow: get, head, post"),
        "{}",
        answer.head
    );
    assert!(
        answer.body.contains("use GET, HEAD or POST"),
        "{}",
        answer.body
    );
    assert_eq!(
        fetch(house.socket(), "/v1/status")["totals"]["corrections"],
        0
    );
    // and the same with every character that JSON has a short name for
    let answer = post(house.socket(), &label(json!({"note": "\"\\\t\u{e4}"})));
    assert_eq!(
        (answer.status, &answer.json()["note"]),
        (201, &json!("\"\\\t\u{e4}"))
    );
}

#[test]
fn a_moment_is_marked_now_or_then() {
    let house = House::new();
    house.furnish();
    let mark = json!({"kind": "note", "target": "moment"});
    house.live.update(|live| {
        live.newest_sample = Some(MonotonicNs(9_000_000_000));
        live.newest_position = 4_500;
    });
    let row = stored(&house, &mark);
    let expected = (
        &json!("mark"),
        &json!(1),
        &json!(4_500),
        &json!(us(4_500)),
        &json!(null),
    );
    let found = (
        &row["origin"],
        &row["session"],
        &row["from_sample"],
        &row["from_time_us"],
        &row["to_time_us"],
    );
    assert_eq!(found, expected);
    assert_eq!((&row["note"], &row["beats"]), (&Value::Null, &Value::Null));
    let then = json!({"kind": "note", "target": "moment", "session": 1, "from_us": us(1_234) - 500,
        "note": "patient coughs"});
    let row = stored(&house, &then);
    let found = (&row["origin"], &row["from_sample"], &row["from_time_us"]);
    assert_eq!(found, (&json!("person"), &json!(1_234), &json!(us(1_234))));
    // what is not stored of the running session yet can be marked, too
    let late = json!({"kind": "note", "target": "moment", "session": 1, "from_us": us(4_499), "note": "x"});
    assert_eq!(stored(&house, &late)["from_sample"], 4_499);
    let stretch = json!({"session": 1, "kind": "artefact", "target": "stretch",
        "from_us": us(4_400), "to_us": us(9_999)});
    let row = stored(&house, &stretch);
    assert_eq!(
        (&row["from_sample"], &row["to_sample"]),
        (&json!(4_400), &json!(4_501))
    );
    // the row that the session had in a database that was replaced meanwhile does not matter
    house.live.begin_session(&house.info, Some(99));
    assert_eq!(stored(&house, &mark)["session"], row["session"]);
    house.live.end_session();
    let answer = post(house.socket(), &mark.to_string());
    assert_eq!(refused(&answer).1, "no-open-session");
    assert_eq!(answer.status, 409);
}

#[test]
fn whoever_watches_is_told_after_the_commit() {
    let house = House::new();
    house.furnish();
    let mut page = Page::open(&house, "/v1/live");
    page.text("session");
    let body =
        json!({"session": 1, "kind": "label", "target": "beats", "beats": [1, 2], "class": "L"});
    let mut row = stored(&house, &body);
    let message = page.text("correction");
    row.as_object_mut()
        .unwrap()
        .insert("type".to_owned(), json!("correction"));
    assert_eq!(message, row);
    // beats that are stored later say that nobody has corrected them
    house.beat(9);
    let beat = loop {
        let beat = page.text("beat");
        if beat["committed"] == true {
            break beat;
        }
    };
    assert_eq!(
        (&beat["correction"], &beat["artefact"]),
        (&Value::Null, &json!(false))
    );
}

#[test]
fn while_the_store_is_out_of_reach_nothing_is_half_done() {
    let house = House::with_store(|options: &mut StoreOptions| {
        options.busy_timeout = Duration::from_millis(5);
        options.outage = Outage::Bridge {
            longest: Duration::from_secs(600),
            most_bytes: 64 << 20,
        };
    });
    house.furnish();
    let other = rusqlite::Connection::open(house.at("beats.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = json!({"session": 1, "kind": "label", "target": "beat", "beats": [1], "class": "V"});
    for outage in [false, true] {
        let found = refused(&post(house.socket(), &body.to_string()));
        assert_eq!((found.0, &*found.1), (503, "store-unavailable"));
        assert!(found.2.contains("locked"), "{outage}: {}", found.2);
        house.beat(9);
        eventually("an outage", || {
            fetch(house.socket(), "/v1/status")["store"]["state"] == "retrying"
        });
    }
    other.execute_batch("ROLLBACK").unwrap();
    eventually("it is written again", || {
        fetch(house.socket(), "/v1/status")["store"]["state"] == "ok"
    });
    assert_eq!(
        fetch(house.socket(), "/v1/corrections")["corrections"],
        json!([])
    );
    assert_eq!(stored(&house, &body)["id"], 1);
}

#[test]
fn a_browser_needs_the_permission_to_control_and_signs_with_its_token() {
    let open = Open::new();
    let body = r#"{"session":1,"kind":"label","target":"beat","beats":[1],"class":"V"}"#;
    let page = open.same_origin();
    let reader = open.ask(
        "POST",
        "/v1/corrections",
        &(page.clone() + &open.sign_in("reader")),
        body,
    );
    assert_eq!((reader.status, &*reader.problem()), (403, "not-permitted"));
    assert!(
        reader.body.contains("token reader may read, not correct"),
        "{}",
        reader.body
    );
    let writer = open.sign_in("writer");
    let answer = open.ask("POST", "/v1/corrections", &(page.clone() + &writer), body);
    assert_eq!(answer.status, 201, "{}", answer.body);
    let row: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(row["author"], "writer");
    // not without what says that the page itself asks, nor as a form
    let bare = open.ask("POST", "/v1/corrections", &writer, body);
    assert_eq!((bare.status, &*bare.problem()), (403, "other-origin"));
    let form = page.replace("application/json", "text/plain") + &writer;
    let form = open.ask("POST", "/v1/corrections", &form, body);
    assert_eq!((form.status, &*form.problem()), (415, "not-json"));
    let list = open.ask("GET", "/v1/corrections", &open.sign_in("reader"), "");
    let list: Value = serde_json::from_str(&list.body).unwrap();
    assert_eq!(list["corrections"], json!([row]));
}

#[test]
fn a_body_may_come_in_pieces_or_when_it_is_asked_for_and_the_next_request_follows() {
    let house = House::new();
    house.furnish();
    let body = r#"{"session":1,"kind":"artefact","target":"beat","beats":[1]}"#;
    let json = "content-type: application/json\r\n";
    let next = "GET /v1/corrections?limit=1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let text = request_with(body, json);
    let mut rows = 0;
    for cut in [0, 20, text.len() - body.len(), text.len() - 3, text.len()] {
        let mut stream = connect(house.socket());
        stream.write_all(&text.as_bytes()[..cut]).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        let rest = [&text.as_bytes()[cut..], next.as_bytes()].concat();
        stream.write_all(&rest).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        rows += 1;
        assert!(answers.starts_with("HTTP/1.1 201"), "{cut}: {answers}");
        assert!(
            answers.contains(&format!("\"id\":{rows},")),
            "{cut}: {answers}"
        );
        assert!(answers.contains("HTTP/1.1 200"), "{cut}: {answers}");
    }
    // as curl does with a longer one
    let head = text.strip_suffix(body).unwrap();
    let head = head.replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    let mut stream = connect(house.socket());
    stream.write_all(head.as_bytes()).unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).unwrap();
    stream.write_all(next.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert!(answers.starts_with("HTTP/1.1 201"), "{answers}");
    assert!(answers.contains("HTTP/1.1 200"), "{answers}");
    // one that never comes
    let house = House::with(|options| options.request_timeout = Duration::from_millis(300));
    let answer = raw(house.socket(), &text[..text.len() - 3]);
    assert_eq!(answer.status, 408);
    let connections = fetch(house.socket(), "/v1/status")["connections"].clone();
    assert_eq!(connections["dropped_slow_request"], 1);
}
