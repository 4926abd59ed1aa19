//! Patients and sessions of the running daemon: another one, and one that is deleted.

use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use super::common;
use super::common::daemon::Home;
use super::common::{get, http, run};

const FIRST: &str = "Anna Ängström";
const SECOND: &str = "Bed 5, Berta";

fn sessions(home: &Home) -> Vec<Value> {
    let (_, answer) = get(&home.socket, "/v1/sessions");
    answer["sessions"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_new_patient_begins_anew_and_a_deleted_one_is_gone() {
    let folder = common::scratch();
    let home = Home::new(folder.path(), "batch_ms = 50\necg_block_seconds = 1", "");
    let daemon = home.start(&["--speed", "20", "--label", FIRST]);
    let beats = |session: u64| {
        move |status: &Value| {
            status["session"]["id"] == session && status["session"]["beats"].as_u64() > Some(20)
        }
    };
    home.until("beats of the first are stored", beats(1));
    let socket = home.socket.to_str().expect("UTF-8").to_owned();
    let ask = |label: &str| run(["new-patient", "--label", label, "--socket", &socket]);
    for wrong in ["", &"x".repeat(65), "a\nb"] {
        let refused = ask(wrong);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("1 to 64 characters"), "{refused:?}");
    }
    let asked = ask(SECOND);
    assert_eq!(asked.code, Some(0), "{asked:?}");
    home.until("beats of the second are stored", beats(2));
    let [first, second] = &sessions(&home)[..] else {
        panic!("{:?}", sessions(&home))
    };
    let told = |session: &Value| {
        let [label, reason] = ["patient_label", "end_reason"].map(|key| session[key].clone());
        (label, reason)
    };
    assert_eq!(told(first), (FIRST.into(), "new_patient".into()));
    assert_eq!(told(second), (SECOND.into(), "recording".into()));
    // not a sample is missing, and the second session's are its own
    assert_eq!((&first["gaps"], &second["gaps"]), (&0.into(), &0.into()));
    let (_, start) = get(&home.socket, "/v1/ecg?session=2&from=0&max_points=1");
    assert_eq!(start["first_sample"], 0);
    let metrics = http::exchange(&home.socket, "GET", "/v1/metrics").expect("an answer");
    assert!(metrics.contains("ecg_gateway_"), "{metrics}");

    let database = home.database.to_str().expect("UTF-8").to_owned();
    let delete = |session: &str, more: &[&str]| {
        let fixed = ["delete", "--database", &database, "--session", session];
        run(fixed.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let refused = delete("1", &["--yes"]);
    assert_eq!(refused.code, Some(50), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("-X DELETE http://localhost/v1/sessions/1"),
        "{refused:?}"
    );
    let answer = http::exchange(&home.socket, "DELETE", "/v1/sessions/1").expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(sessions(&home)[0]["deleted_time"].is_string());
    let verified = run(["verify", &database]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(
        verified.stdout.contains("session 1 was deleted by uid "),
        "{verified:?}"
    );
    // the third is nobody's
    let asked = run(["new-patient", "--socket", &socket]);
    assert_eq!(asked.code, Some(0), "{asked:?}");
    home.until("beats of the third are stored", beats(3));
    assert_eq!(sessions(&home)[2]["patient_label"], Value::Null);
    assert_eq!(daemon.terminate().0, Some(0), "{}", home.log());

    let gone = run(["new-patient", "--socket", &socket]);
    assert_eq!(gone.code, Some(1), "{gone:?}");
    let refused = delete("2", &[]);
    assert_eq!(refused.code, Some(2), "nobody to ask: {refused:?}");
    let refused = delete("7", &["--yes"]);
    assert_eq!(refused.code, Some(51), "{refused:?}");
    assert!(
        refused.stderr.contains("there is no session 7"),
        "{refused:?}"
    );
    let deleted = delete("2", &["--yes"]);
    assert_eq!(deleted.code, Some(0), "{deleted:?}");
    assert!(
        deleted.stdout.starts_with("session 2 is deleted: "),
        "{deleted:?}"
    );
    let missing = run([
        "delete",
        "--database",
        "/nowhere/x.db",
        "--session",
        "1",
        "--yes",
    ]);
    assert_eq!(missing.code, Some(51), "{missing:?}");
    let verified = run(["verify", &database, "--json"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let told = verified.json();
    assert_eq!(
        told["deletions"].as_array().map(Vec::len),
        Some(2),
        "{told}"
    );
    let connection = Connection::open(&home.database).expect("a database");
    let noted: i64 = connection
        .query_row(
            "SELECT count(*) FROM audit WHERE what = 'delete-session' AND uid IS NOT NULL \
             AND kind = 'changed' AND outcome IN ('done', 'no-such-session')",
            [],
            |row| row.get(0),
        )
        .expect("the audit");
    assert_eq!(noted, 3, "by the socket, and twice by the command");
    drop(connection);
    let rest = fs::read(&home.database).expect("the database");
    for label in [FIRST, SECOND] {
        let holds = |bytes: &[u8]| bytes.windows(label.len()).any(|it| it == label.as_bytes());
        assert!(!holds(&rest), "{label} is in the database");
        assert!(!holds(home.log().as_bytes()), "{label} is in the log");
        assert!(!metrics.contains(label) && !verified.stdout.contains(label));
    }
}

/// A kill in the middle: what was begun is completed by the next start.
#[test]
fn a_daemon_killed_while_it_deletes_goes_on_when_it_starts_again() {
    let folder = common::scratch();
    let home = Home::new(folder.path(), "batch_ms = 50\necg_block_seconds = 1", "");
    let daemon = home.start(&["--speed", "10000"]);
    home.until("an hour is stored", |status| {
        status["session"]["beats"].as_u64() > Some(4_000)
    });
    let socket = home.socket.to_str().expect("UTF-8").to_owned();
    assert_eq!(run(["new-patient", "--socket", &socket]).code, Some(0));
    home.until("the second runs", |status| status["session"]["id"] == 2);
    let asked = home.socket.clone();
    // killed before it answers, or soon after
    let client = std::thread::spawn(move || http::exchange(&asked, "DELETE", "/v1/sessions/1"));
    home.until("it has begun", |_| {
        sessions(&home)[0]["deleted_time"].is_string()
    });
    daemon.kill();
    let _ = client.join().expect("it only asks");
    let database = home.database.to_str().expect("UTF-8").to_owned();
    let between = run(["verify", &database]);
    assert_eq!(between.code, Some(0), "{between:?}");
    let daemon = home.start(&[]);
    let left = || -> i64 {
        Connection::open(&home.database)
            .and_then(|connection| {
                let sql = "SELECT (SELECT count(*) FROM beats WHERE session = 1) + \
                     (SELECT count(*) FROM ecg_blocks WHERE session = 1)";
                connection.query_row(sql, [], |row| row.get(0))
            })
            .expect("the database")
    };
    home.until("the rest is gone", |_| left() == 0);
    assert_eq!(daemon.terminate().0, Some(0), "{}", home.log());
    let verified = run(["verify", &database]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
}
