use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::super::migrate::{STEPS, migrate, version};
use super::super::{APPLICATION_ID, SCHEMA_VERSION, Store, StoreError, StoreOptions, StoreReader};
use super::{filled, old_database, options, place, writer};

/// Name and content of every file in the folder.
fn listing(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_new_database_is_marked_versioned_and_in_wal_mode() {
    let folder = tempfile::tempdir().unwrap();
    for (name, prepare) in [("absent.db", false), ("empty.db", true)] {
        let path = folder.path().join(name);
        if prepare {
            fs::write(&path, b"").unwrap();
        }
        let store = Store::open(&path, options()).unwrap();
        let pragma = |name: &str| -> String {
            store
                .connection_if_open()
                .unwrap()
                .query_row(&format!("PRAGMA {name}"), [], |row| {
                    row.get_ref(0).map(|value| match value {
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        other => other.as_str().unwrap().to_owned(),
                    })
                })
                .unwrap()
        };
        let found: Vec<_> = [
            "application_id",
            "user_version",
            "journal_mode",
            "auto_vacuum",
        ]
        .map(pragma)
        .into();
        let expected = [
            APPLICATION_ID.to_string(),
            SCHEMA_VERSION.to_string(),
            "wal".to_owned(),
            "2".to_owned(), // incremental
        ];
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn files_that_are_not_ours_are_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("text.db"), "These are my notes, not a database.").unwrap();
    fs::write(at("short.db"), "x").unwrap();
    Connection::open(at("other.db"))
        .unwrap()
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        .unwrap();
    drop(Store::open(&at("newer.db"), options()).unwrap());
    Connection::open(at("newer.db"))
        .unwrap()
        .pragma_update(None, "user_version", SCHEMA_VERSION + 1)
        .unwrap();
    fs::create_dir(at("folder.db")).unwrap();
    let files = || -> Vec<_> {
        fs::remove_dir(at("folder.db")).unwrap();
        let files = listing(folder.path());
        fs::create_dir(at("folder.db")).unwrap();
        files
    };
    let before = files();
    let mut failures = Vec::new();
    for (name, expected) in [
        ("text.db", "not an SQLite database, left untouched"),
        ("short.db", "not an SQLite database"),
        (
            "other.db",
            "of another application (application id 0x00000000",
        ),
        (
            "newer.db",
            &*format!(
                "schema version {}, this program knows versions 1 to {SCHEMA_VERSION}",
                SCHEMA_VERSION + 1
            ),
        ),
        ("folder.db", "not an SQLite database"),
    ] {
        for (who, outcome) in [
            ("store", Store::open(&at(name), options()).map(drop)),
            ("reader", StoreReader::open(&at(name)).map(drop)),
        ] {
            match outcome {
                Err(error) if error.to_string().contains(expected) => {}
                other => failures.push(format!("{who} {name}: {other:?}")),
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(
        files() == before,
        "a refused file or its folder has changed"
    );
}

#[test]
fn a_missing_folder_is_named() {
    let error = Store::open(Path::new("/nowhere/at/all.db"), options()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all.db"), "{error}");
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let (_folder, path) = place("beats.db");
    let first = writer(&path);
    match Store::open(&path, options()) {
        Err(error @ StoreError::InUse { .. }) => {
            let text = error.to_string();
            assert!(
                text.contains(&format!("process id {}", std::process::id())),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    first.close().unwrap();
    Store::open(&path, options()).unwrap();
}

#[test]
fn a_database_locked_by_another_program_is_a_clear_error() {
    let (_folder, path) = place("beats.db");
    drop(Store::open(&path, options()).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let impatient = StoreOptions {
        busy_timeout: Duration::from_millis(30),
        ..options()
    };
    match Store::open(&path, impatient.clone()) {
        Err(StoreError::Locked { waited_ms: 30, .. }) => {}
        other => panic!("{other:?}"),
    }
    other.execute_batch("ROLLBACK").unwrap();
    Store::open(&path, impatient).unwrap();
}

#[test]
fn migration_from_version_1_keeps_rows_and_happens_whole_or_not_at_all() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection, &STEPS[..1]).unwrap();
    assert_eq!(version(&connection).unwrap(), 1);
    connection.execute_batch(OLD_ROWS).unwrap();

    let broken = [
        STEPS,
        &["CREATE TABLE later (x); INSERT INTO nowhere VALUES (1)"],
    ]
    .concat();
    assert!(migrate(&mut connection, &broken).is_err());
    assert_eq!(version(&connection).unwrap(), 1);
    assert!(connection.prepare("SELECT * FROM later").is_err());

    let good = [STEPS, &["CREATE TABLE later (x)"]].concat();
    for _ in 0..2 {
        migrate(&mut connection, &good).unwrap();
    }
    assert_eq!(version(&connection).unwrap(), SCHEMA_VERSION + 1);
    let kept: i64 = connection
        .query_row(
            "SELECT count(*) FROM beats WHERE unclassifiable IS NULL",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(kept, 5);
}

/// A session of five beats as version 1 wrote it.
const OLD_ROWS: &str = "INSERT INTO deciders VALUES (1, 'v1', 'cpu-portable');
             INSERT INTO sessions (source, origin, chip, sample_rate_hz, uv_per_code_0,
                 uv_per_code_1, start_monotonic_ns, start_wall_us, decider)
                 VALUES ('replay', 'old.ecgt', 'ADS1292', 500, 1, 1, 0, 0, 1);
             WITH RECURSIVE k (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM k WHERE k < 5)
             INSERT INTO beats (session, r_sample, r_monotonic_ns, r_wall_us, rr_ms, class, p_n,
                 p_l, p_r, p_a, p_v, channel, quality, window_complete, label_delay_ms, decider)
                 SELECT 1, 400 * k, 800000000 * k, 800000 * k, 800, 'V', 0, 0, 0, 0, 1, 0, 'good',
                 1, 600, 1 FROM k";

#[test]
fn a_database_of_version_1_is_read_once_it_was_opened_for_writing() {
    let (_folder, path) = place("beats.db");
    old_database(&path, 1, OLD_ROWS);
    let error = StoreReader::open(&path).unwrap_err().to_string();
    let expected = format!("schema version 1, expected {SCHEMA_VERSION}");
    assert!(error.contains(&expected), "{error}");

    drop(Store::open(&path, options()).unwrap());
    let reader = StoreReader::open(&path).unwrap();
    let beats = reader.newest_beats(10).unwrap();
    assert_eq!(beats.len(), 5);
    assert!(beats.iter().all(|row| row.beat.unclassifiable.is_none()));
    assert!(beats.iter().all(|row| row.lead.is_none()));
    let info = reader.sessions(0, 1).unwrap().remove(0).info;
    assert_eq!(info.leads, ["", ""]);
    assert_eq!((info.mains, info.channel), (None, None));
    assert_eq!(reader.totals().unwrap().counts.unclassifiable, 0);
}

#[test]
fn a_truncated_database_is_an_error_not_a_panic() {
    let (_folder, path) = place("beats.db");
    filled(&path, 0, 500);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..5_000]).unwrap();
    let outcome = Store::open(&path, options()).and_then(|store| {
        let reader = store.reader()?;
        reader.newest_beats(10).map(drop)
    });
    assert!(
        matches!(outcome, Err(StoreError::Corrupt { .. })),
        "{outcome:?}"
    );
}
