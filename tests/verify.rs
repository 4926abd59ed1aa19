//! `verify` as a person uses it: on a database a daemon has written, with the heads of its log.

use std::fs;

use super::common;
use super::common::daemon::Home;
use super::common::run;
use rusqlite::Connection;

#[test]
fn a_database_is_verified_against_the_heads_of_the_log() {
    let folder = common::scratch();
    let home = Home::new(folder.path(), "batch_ms = 50\necg_block_seconds = 1", "");
    let daemon = home.start(&["--speed", "50"]);
    home.until("beats are stored", |status| {
        status["store"]["beats_committed"].as_u64() > Some(20)
    });
    // while it is being written
    let database = home.database.to_str().expect("UTF-8");
    let outcome = run(["verify", database, "--json"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.json()["sound"], true);
    let shown = home.status()["store"]["chain_head"].clone();
    assert!(shown.is_string(), "{shown}");
    assert_eq!(daemon.terminate().0, Some(0), "{}", home.log());
    let log = home.log();
    let (_, head) = log
        .split_once("chain head ")
        .expect("the session's end has a head");
    let head = head.split_whitespace().next().expect("a head").to_owned();
    let shown = shown.as_str().expect("text").to_owned();
    let outcome = run(["verify", database, "--head", &head, "--head", &shown]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert!(outcome.stdout.ends_with("sound\n"), "{}", outcome.stdout);

    // recomputed: another database, sound by itself, is not the one that was logged
    let copy = folder.path().join("copy.db");
    let mut failures = Vec::new();
    for (what, sql, words) in [
        (
            "a label",
            "DROP TRIGGER beats_stay; UPDATE beats SET class = 'V' WHERE id = 3",
            &["beats 3"][..],
        ),
        (
            "the end cut off",
            "DELETE FROM chain WHERE id > 10; DELETE FROM sqlite_sequence",
            &["its end was cut off"],
        ),
        (
            "nothing left",
            "DELETE FROM chain; DELETE FROM beats; DELETE FROM gaps; DELETE FROM events; \
             DELETE FROM ecg_blocks; DELETE FROM clock_relations; DELETE FROM sessions; \
             DELETE FROM sqlite_sequence; DELETE FROM given_ids",
            &["its end was cut off", "no links"],
        ),
    ] {
        fs::copy(&home.database, &copy).expect("a copy");
        Connection::open(&copy)
            .and_then(|connection| connection.execute_batch(sql))
            .expect("changed");
        let outcome = run(["verify", copy.to_str().expect("UTF-8"), "--head", &head]);
        let said = words.iter().all(|words| outcome.stdout.contains(words));
        if outcome.code != Some(53) || !said || !outcome.stderr.contains("copy.db") {
            failures.push(format!("{what}: {outcome:?}"));
        }
    }
    // damage below SQL
    fs::copy(&home.database, &copy).expect("a copy");
    let mut bytes = fs::read(&copy).expect("read");
    let at = bytes.len() / 2 / 4096 * 4096;
    bytes[at..at + 200].fill(0xa5);
    fs::write(&copy, bytes).expect("written");
    let outcome = run(["verify", copy.to_str().expect("UTF-8"), "--json"]);
    let said = common::one_json_line(&outcome.stdout);
    if outcome.code != Some(53) || !said.is_ok_and(|said| said["sound"] == false) {
        failures.push(format!("damage: {outcome:?}"));
    }
    let missing = run(["verify", "/nowhere/at/all.db"]);
    if missing.code != Some(51) {
        failures.push(format!("a missing file: {missing:?}"));
    }
    common::report(&failures);
}
