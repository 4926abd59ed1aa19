//! `backup` and `restore`, around a daemon that records.

use std::fs;
use std::path::Path;

use ecg_gateway::store::{APPLICATION_ID, SCHEMA_VERSION};
use rusqlite::Connection;

use super::common;
use super::common::daemon::{Home, stream_after};
use super::common::{run, scratch};

/// The arguments as text.
fn arguments<'a>(parts: &[&'a str], paths: &[(&'a str, &Path)]) -> Vec<String> {
    let mut all: Vec<String> = parts.iter().map(|&part| part.to_owned()).collect();
    for (name, path) in paths {
        if !name.is_empty() {
            all.push((*name).to_owned());
        }
        all.push(path.display().to_string());
    }
    all
}

fn count(database: &Path, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    let database = Connection::open(database).unwrap();
    database.query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_daemon_is_backed_up_while_it_records_and_clients_are_told_of_the_restored_database() {
    let folder = scratch();
    let home = Home::new(folder.path(), "batch_ms = 20\necg_block_seconds = 5", "");
    let copy = folder.path().join("copy.db");
    let daemon = home.start(&["--speed", "20"]);
    home.until("it records", |status| {
        status["store"]["beats_committed"].as_u64() > Some(30)
    });
    let backup = |more: &[&str]| {
        let mut all = arguments(&["backup"], &[("", &copy), ("--db", &home.database)]);
        all.extend(more.iter().map(|&option| option.to_owned()));
        run(all)
    };
    let made = backup(&["--json", "--min-free-mib", "0"]).json();
    let beats = made["rows"]["beats"].as_i64().unwrap();
    assert!(beats > 30, "{made}");
    assert_eq!(made["schema_version"], SCHEMA_VERSION);
    let epoch = made["epoch"].as_str().unwrap().to_owned();
    assert_eq!(home.status()["store"]["epoch"], *epoch);
    let again = backup(&["--min-free-mib", "0"]);
    again
        .failed_with(2, &["copy.db", "exists, left untouched"])
        .unwrap();
    let text = backup(&["--min-free-mib", "0", "--overwrite"]);
    assert_eq!(
        (text.code, text.stdout.lines().count()),
        (Some(0), 1),
        "{text:?}"
    );

    // what a client of the daemon has seen by now
    let mut stream = stream_after(&home.socket, 0).unwrap();
    let seen = std::iter::from_fn(|| stream.next())
        .filter(|message| message.event == "beat")
        .map(|message| message.place().0)
        .find(|beat| *beat > beats + 10)
        .unwrap();
    drop(stream);
    let restore = || {
        run(arguments(
            &["restore", "--json"],
            &[("", &copy), ("--db", &home.database)],
        ))
    };
    restore()
        .failed_with(50, &["ecg.db", "in use by another ecg-gateway"])
        .unwrap();
    let status = home.status();
    assert_eq!(status["store"]["epoch"], *epoch);
    assert_eq!(status["store"]["outages"], 0);
    assert_eq!(status["totals"]["missing_samples"], 0);
    assert_eq!(daemon.terminate().0, Some(0), "{}", home.log());

    let before = count(&home.database, "beats");
    let restored = restore().json();
    assert_ne!(restored["epoch"], *epoch);
    assert_eq!(restored["ids_guessed"], false);
    let previous = Path::new(restored["previous"].as_str().unwrap());
    assert_eq!(count(previous, "beats"), before);

    let daemon = home.start(&["--speed", "20"]);
    home.until("it records again", |status| {
        status["store"]["beats_committed"].as_u64() > Some(5)
    });
    assert_eq!(home.status()["store"]["epoch"], restored["epoch"]);
    let mut late = stream_after(&home.socket, format!("{epoch}.{seen}.0.0")).unwrap();
    let first = late.next().unwrap();
    let data = first.json();
    assert_eq!(
        (&*first.event, &data["reason"]),
        ("reset", &"other_database".into())
    );
    assert_eq!(data["epoch"], restored["epoch"]);
    let next = std::iter::from_fn(|| late.next())
        .find(|message| message.event == "beat")
        .unwrap()
        .json();
    assert!(next["id"].as_i64() > Some(before), "{next}: given before");
    assert_eq!(daemon.terminate().0, Some(0), "{}", home.log());
}

#[test]
fn each_refusal_has_its_code_and_names_the_file() {
    let folder = scratch();
    let at = |name: &str| folder.path().join(name);
    let trace = common::demo_trace("231");
    let outcome = run(arguments(
        &["replay", "--json"],
        &[("", &trace), ("--db", &at("ecg.db"))],
    ));
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    let backup = |database: &str, target: &str, more: &[&str]| {
        let mut all = arguments(&["backup"], &[("", &at(target)), ("--db", &at(database))]);
        all.extend(more.iter().map(|&option| option.to_owned()));
        run(all)
    };
    let room = ["--min-free-mib", "0"];
    assert_eq!(backup("ecg.db", "good.db", &room).code, Some(0));
    let whole = fs::read(at("good.db")).unwrap();
    fs::write(at("cut.db"), &whole[..whole.len() / 2]).unwrap();
    fs::write(at("notes"), "notes").unwrap();
    let restore = |from: &str, more: &[&str]| {
        let mut all = arguments(&["restore"], &[("", &at(from)), ("--db", &at("ecg.db"))]);
        all.extend(more.iter().map(|&option| option.to_owned()));
        run(all)
    };
    let before = fs::read(at("ecg.db")).unwrap();
    let rows = [
        (backup("absent.db", "x.db", &room), 51, "absent.db"),
        (
            backup("notes", "x.db", &room),
            51,
            "notes: not an SQLite database",
        ),
        (
            backup("ecg.db", "ecg.db", &room),
            2,
            "is the database itself",
        ),
        (backup("ecg.db", "no/folder/x.db", &room), 51, "no/folder"),
        (
            backup("ecg.db", "x.db", &["--min-free-mib", "4000000000"]),
            51,
            "are to stay free",
        ),
        (
            backup("ecg.db", "x.db", &["--keep", "2"]),
            2,
            "not a folder",
        ),
        (restore("cut.db", &[]), 52, "cut.db: not a whole backup"),
        (
            restore("cut.db", &["--check"]),
            52,
            "cut.db: not a whole backup",
        ),
        (
            restore("notes", &[]),
            52,
            "notes: not a whole backup: not an SQLite database",
        ),
        (restore("absent.db", &[]), 51, "absent.db"),
        (restore("ecg.db", &[]), 2, "is the database itself"),
    ];
    let failures: Vec<String> = rows
        .iter()
        .filter_map(|(outcome, code, words)| outcome.failed_with(*code, &[*words]).err())
        .collect();
    common::report(&failures);
    assert!(!at("x.db").exists() && !at("x.db.part").exists());
    assert!(fs::read(at("ecg.db")).unwrap() == before);
    let checked = restore("good.db", &["--check", "--json"]).json();
    assert_eq!(checked["rows"]["beats"], count(&at("ecg.db"), "beats"));
    assert!(fs::read(at("ecg.db")).unwrap() == before);
}

#[test]
fn a_folder_keeps_the_newest_backups() {
    let folder = scratch();
    let database = folder.path().join("ecg.db");
    let backups = folder.path().join("backups");
    fs::create_dir(&backups).unwrap();
    let trace = common::demo_trace("231");
    run(arguments(
        &["replay", "--json"],
        &[("", &trace), ("--db", &database)],
    ));
    let mut names = Vec::new();
    for deleted in [0, 0, 1, 1] {
        let options = ["backup", "--json", "--keep", "2", "--min-free-mib", "0"];
        let made = run(arguments(&options, &[("", &backups), ("--db", &database)])).json();
        assert_eq!(made["deleted"].as_array().unwrap().len(), deleted, "{made}");
        names.push(made["backup"].as_str().unwrap().to_owned());
    }
    let left = names.iter().filter(|name| Path::new(name).exists()).count();
    assert_eq!(left, 2);
    assert!(
        Path::new(&names[3]).exists() && names[3].contains("ecg-backup-000004-"),
        "{names:?}"
    );
}

/// The way back from an update, and forward again: what version 4 of the schema made, by its own SQL.
#[test]
fn a_backup_of_schema_version_4_is_restored_and_recorded_into() {
    let folder = scratch();
    let home = Home::new(folder.path(), "batch_ms = 20", "");
    let old = folder.path().join("before-update.db");
    let database = Connection::open(&old).unwrap();
    let pragmas =
        format!("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = {APPLICATION_ID};");
    database.execute_batch(&pragmas).unwrap();
    for step in [
        include_str!("../src/store/schema/v1.sql"),
        include_str!("../src/store/schema/v2.sql"),
        include_str!("../src/store/schema/v3.sql"),
        include_str!("../src/store/schema/v4.sql"),
        "PRAGMA user_version = 4",
        "INSERT INTO deciders (model, engine) VALUES ('v1', 'cpu-reference')",
        "INSERT INTO sessions (source, origin, chip, sample_rate_hz, uv_per_code_0, uv_per_code_1, \
         start_monotonic_ns, start_wall_us, decider, beats_v) \
         VALUES ('live', '/dev/spidev0.0', 'ADS1292R', 500, 0.5, 0.5, 0, 0, 1, 2)",
        "INSERT INTO beats (session, r_sample, r_monotonic_ns, r_wall_us, class, p_n, p_l, p_r, p_a, \
         p_v, channel, quality, window_complete, label_delay_ms, decider) \
         VALUES (1, 400, 0, 0, 'V', 0, 0, 0, 0, 1, 0, 'good', 1, 600, 1), \
         (1, 800, 0, 0, 'V', 0, 0, 0, 0, 1, 0, 'good', 1, 600, 1)",
    ] {
        database.execute_batch(step).unwrap();
    }
    database.close().unwrap();
    let before = fs::read(&old).unwrap();
    let restored = run(arguments(
        &["restore", "--json"],
        &[("", &old), ("--db", &home.database)],
    ))
    .json();
    assert_eq!(restored["backup_schema_version"], 4);
    assert_eq!(restored["schema_version"], SCHEMA_VERSION);
    assert_eq!(restored["previous"], serde_json::Value::Null);
    assert!(fs::read(&old).unwrap() == before, "the backup has changed");
    let daemon = home.start(&["--speed", "20"]);
    home.until("it records into it", |status| {
        status["totals"]["beats"].as_u64() > Some(5)
    });
    let (_, session) = common::get(&home.socket, "/v1/sessions");
    assert_eq!(session["sessions"][0]["end_reason"], "interrupted");
    assert_eq!(session["sessions"][0]["beats_by_class"]["V"], 2);
    let (_, beats) = common::get(&home.socket, "/v1/beats?limit=3");
    let ids: Vec<_> = beats["beats"]
        .as_array()
        .unwrap()
        .iter()
        .map(|beat| &beat["id"])
        .collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(daemon.terminate().0, Some(0), "{}", home.log());
}
