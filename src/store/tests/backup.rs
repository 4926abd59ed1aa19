use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ecg_chain::{EcgBlock, PipelineEvent, SessionInfo};
use rusqlite::Connection;

use super::super::migrate::STEPS;
use super::super::{
    BackupError, BackupOptions, Contents, KeepFree, NumberedBackups, Restored, SCHEMA_VERSION,
    Store, StoreError, StoreReader, back_up, check_backup, restore,
};
use super::room::SmallMedium;
use super::{
    beat, block, correct, event, fill, gap, old_database, options, put, session_info, stretch,
    writer,
};

/// Whatever is free here, and as fast as can be.
const QUICK: BackupOptions = BackupOptions {
    overwrite: false,
    bytes_per_second: None,
    keep_free: KeepFree::Bytes(0),
};

fn back(database: &Path, target: &Path) -> Result<Contents, BackupError> {
    back_up(
        database,
        target,
        &QUICK,
        &AtomicBool::new(false),
        &mut |_, _| {},
    )
}

fn put_back(backup: &Path, database: &Path) -> Result<Restored, BackupError> {
    restore(backup, database, &AtomicBool::new(false), &mut |_, _| {})
}

/// Name and checksum of every file in the folder but those that come and go with a connection.
fn listing(folder: &Path) -> BTreeMap<String, u32> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| {
            ![".lock", "-wal", "-shm"]
                .iter()
                .any(|end| name.ends_with(end))
        })
        .filter(|name| folder.join(name).is_file())
        .map(|name| {
            (
                name.clone(),
                crc32fast::hash(&fs::read(folder.join(&name)).unwrap()),
            )
        })
        .collect()
}

/// ECG that cannot be compressed: 24 bits of noise, 12 kB.
fn noise(info: &SessionInfo, k: u64) -> EcgBlock {
    let mut state = k;
    let mut code = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i32::try_from(state >> 40).unwrap() - (1 << 23)
    };
    EcgBlock {
        codes: (0..2_000).map(|_| [code(), code()]).collect(),
        ..block(info, 2_000 * k, 0)
    }
}

/// A closed session with `count` of everything.
fn furnish(path: &Path, start_s: u64, count: u64) {
    let writer = writer(path);
    let info = session_info(start_s);
    let session = writer.begin_session(&info).unwrap().unwrap();
    for k in 0..count {
        for row in [
            PipelineEvent::Ecg(noise(&info, k)),
            PipelineEvent::Beat(beat(&info, k)),
            PipelineEvent::Gap(gap(&info, 400 * k, 2)),
            PipelineEvent::Event(event(&info, 400 * k)),
            PipelineEvent::Clock {
                relation: info.start,
                step_us: 5,
            },
        ] {
            writer.record(row).unwrap();
        }
        writer.flush().unwrap();
        let moment = stretch(&info, session, Some('V'), 400 * k..400 * k + 1);
        correct(&writer, moment).unwrap();
    }
    writer.end_session(info.start, "completed").unwrap();
    writer.close().unwrap();
}

/// Newest id of each table.
fn newest(path: &Path) -> BTreeMap<&'static str, i64> {
    let connection = Connection::open(path).unwrap();
    [
        "sessions",
        "beats",
        "gaps",
        "events",
        "ecg_blocks",
        "clock_relations",
        "corrections",
    ]
    .into_iter()
    .map(|table| {
        let sql = format!("SELECT coalesce(max(id), 0) FROM {table}");
        let id = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        (table, id)
    })
    .collect()
}

/// Oldest id of each table among those of the newest session.
fn oldest_of_last_session(path: &Path) -> BTreeMap<&'static str, i64> {
    let connection = Connection::open(path).unwrap();
    [
        "beats",
        "gaps",
        "events",
        "ecg_blocks",
        "clock_relations",
        "corrections",
    ]
    .into_iter()
    .map(|table| {
        let sql =
            format!("SELECT min(id) FROM {table} WHERE session = (SELECT max(id) FROM sessions)");
        let id = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        (table, id)
    })
    .collect()
}

#[test]
fn a_backup_of_a_database_that_is_written_is_one_moment_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (database, copy) = (folder.path().join("ecg.db"), folder.path().join("copy.db"));
    let writer = writer(&database);
    let info = session_info(0);
    writer.begin_session(&info).unwrap();
    for k in 0..300 {
        put(&writer, PipelineEvent::Ecg(noise(&info, k)));
        put(&writer, PipelineEvent::Beat(beat(&info, k)));
    }
    writer.flush().unwrap();
    let over = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let busy = scope.spawn(|| {
            let mut k = 300;
            while !over.load(Ordering::Relaxed) {
                put(&writer, PipelineEvent::Beat(beat(&info, k)));
                writer.flush().unwrap();
                k += 1;
            }
            k
        });
        let before = StoreReader::open(&database)
            .unwrap()
            .newest_beat_id()
            .unwrap();
        // slow enough that hundreds of commits fall into it
        let slow = BackupOptions {
            bytes_per_second: Some(4 << 20),
            ..QUICK
        };
        let mut steps = Vec::new();
        let contents = back_up(
            &database,
            &copy,
            &slow,
            &AtomicBool::new(false),
            &mut |done, all| {
                // a copy that begins anew with every commit would never end while they come
                if steps.last().is_some_and(|(before, _)| done < *before) {
                    over.store(true, Ordering::Relaxed);
                }
                steps.push((done, all));
            },
        )
        .unwrap();
        let after = StoreReader::open(&database)
            .unwrap()
            .newest_beat_id()
            .unwrap();
        over.store(true, Ordering::Relaxed);
        let written = busy.join().unwrap();
        assert!(
            after > before + 10,
            "{before} to {after}: nothing was written meanwhile"
        );
        assert!(steps.len() > 3, "{steps:?}");
        assert!(
            steps.windows(2).all(|pair| pair[0].0 <= pair[1].0),
            "it began anew: {steps:?}"
        );
        let beats = i64::try_from(contents.rows["beats"]).unwrap();
        assert!(
            (before..=after).contains(&beats),
            "{before} {beats} {after}"
        );
        written
    });
    writer.close().unwrap();
    // All of one moment: the counts kept with the session are those of the rows.
    let reader = StoreReader::open(&copy);
    let reader = reader.unwrap();
    let session = reader.latest_session().unwrap().unwrap();
    let beats = check_backup(&copy).unwrap().rows["beats"];
    assert_eq!(session.counts.beats(), beats);
    assert_eq!(
        reader.epoch().unwrap(),
        StoreReader::open(&database).unwrap().epoch().unwrap()
    );
    drop(reader);
    // one file that stands alone, and the daemon's writing went on
    assert!(!folder.path().join("copy.db-wal").exists());
    assert!(!folder.path().join("copy.db.part").exists());
    let whole = check_backup(&database).unwrap();
    assert_eq!(whole.rows["beats"], written);
}

#[test]
fn a_backup_keeps_to_its_pace_and_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let (database, copy) = (folder.path().join("ecg.db"), folder.path().join("copy.db"));
    furnish(&database, 0, 200);
    let bytes = fs::metadata(&database).unwrap().len();
    let slow = BackupOptions {
        bytes_per_second: Some(bytes),
        ..QUICK
    };
    let began = Instant::now();
    back_up(
        &database,
        &copy,
        &slow,
        &AtomicBool::new(false),
        &mut |_, _| {},
    )
    .unwrap();
    // the last step is not waited for
    assert!(
        began.elapsed() > Duration::from_millis(300),
        "{:?}",
        began.elapsed()
    );
    fs::remove_file(&copy).unwrap();
    let before = listing(folder.path());
    let stop = AtomicBool::new(false);
    let outcome = back_up(&database, &copy, &slow, &stop, &mut |_, _| {
        stop.store(true, Ordering::Relaxed);
    });
    assert!(
        matches!(outcome, Err(BackupError::Stopped { .. })),
        "{outcome:?}"
    );
    assert_eq!(listing(folder.path()), before);
}

#[test]
fn what_is_there_is_replaced_only_where_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    furnish(&at("ecg.db"), 0, 3);
    fs::write(at("notes"), "mine").unwrap();
    fs::create_dir(at("folder")).unwrap();
    std::os::unix::fs::symlink(at("notes"), at("link")).unwrap();
    std::os::unix::fs::symlink(at("ecg.db"), at("itself")).unwrap();
    fs::hard_link(at("ecg.db"), at("twin")).unwrap();
    let overwriting = BackupOptions {
        overwrite: true,
        ..QUICK
    };
    let ask = |target: &str, options: &BackupOptions| {
        back_up(
            &at("ecg.db"),
            &at(target),
            options,
            &AtomicBool::new(false),
            &mut |_, _| {},
        )
        .map_err(|error| error.to_string())
    };
    let mut failures = Vec::new();
    for (target, options, words) in [
        ("notes", &QUICK, "exists, left untouched"),
        ("link", &QUICK, "exists, left untouched"),
        ("folder", &overwriting, "exists, left untouched"),
        ("link", &overwriting, "exists, left untouched"),
        ("ecg.db", &overwriting, "is the database itself"),
        ("itself", &overwriting, "is the database itself"),
        ("twin", &overwriting, "is the database itself"),
    ] {
        match ask(target, options) {
            Err(error) if error.contains(words) => {}
            other => failures.push(format!("{target}: {other:?}")),
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(fs::read(at("notes")).unwrap(), b"mine");
    ask("notes", &overwriting).unwrap();
    assert_eq!(check_backup(&at("notes")).unwrap().rows["beats"], 3);
}

#[test]
fn a_full_medium_is_left_to_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let (database, copy) = (folder.path().join("ecg.db"), folder.path().join("copy.db"));
    furnish(&database, 0, 3);
    let greedy = BackupOptions {
        keep_free: KeepFree::Bytes(1 << 60),
        ..QUICK
    };
    let before = listing(folder.path());
    let outcome = back_up(
        &database,
        &copy,
        &greedy,
        &AtomicBool::new(false),
        &mut |_, _| {},
    );
    let Err(BackupError::NoRoom { keep_free, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(keep_free, 1 << 60);
    assert_eq!(listing(folder.path()), before);
}

/// What recording needs is never more than half of the medium, or a small one could have no backup at all.
#[test]
fn a_small_medium_has_room_for_a_backup() {
    let Some(medium) = SmallMedium::new("64m") else {
        return;
    };
    let (database, copy) = ["ecg.db", "copy.db"]
        .map(|name| medium.0.path().join(name))
        .into();
    furnish(&database, 0, 3);
    let options = BackupOptions {
        keep_free: KeepFree::WhatRecordingNeeds,
        ..QUICK
    };
    let stop = AtomicBool::new(false);
    back_up(&database, &copy, &options, &stop, &mut |_, _| {}).unwrap();
    fs::write(medium.0.path().join("film"), vec![1; 36 << 20]).unwrap();
    let other = medium.0.path().join("other.db");
    let refused = back_up(&database, &other, &options, &stop, &mut |_, _| {});
    assert!(matches!(
        refused,
        Err(BackupError::NoRoom { keep_free, .. }) if keep_free == 32 << 20
    ));
}

/// Nothing for others, and never more than the database itself grants.
#[test]
fn a_backup_is_nobody_elses_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    furnish(&at("ecg.db"), 0, 1);
    for (mode, expected) in [
        (0o644, 0o640),
        (0o600, 0o600),
        (0o660, 0o640),
        (0o666, 0o640),
    ] {
        fs::set_permissions(at("ecg.db"), fs::Permissions::from_mode(mode)).unwrap();
        let name = format!("{mode:o}");
        back(&at("ecg.db"), &at(&name)).unwrap();
        let found = fs::metadata(at(&name)).unwrap().mode() & 0o7777;
        assert_eq!(found, expected, "{mode:o} became {found:o}");
        let restored = at(&format!("{name}.db"));
        put_back(&at(&name), &restored).unwrap();
        assert_eq!(fs::metadata(&restored).unwrap().mode() & 0o7777, 0o640);
        put_back(&at(&name), &at("ecg.db")).unwrap();
        assert_eq!(
            fs::metadata(at("ecg.db")).unwrap().mode() & 0o7777,
            expected
        );
    }
}

/// Bytes in the middle of every third page.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    for page in bytes.chunks_mut(4_096).skip(2).step_by(3) {
        let length = page.len();
        page[length / 2..].fill(0x5a);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_database_makes_no_backup_and_a_damaged_backup_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    furnish(&at("ecg.db"), 0, 60);
    back(&at("ecg.db"), &at("good.db")).unwrap();

    fs::copy(at("good.db"), at("damaged.db")).unwrap();
    damage(&at("damaged.db"));
    fs::write(at("cut.db"), &fs::read(at("good.db")).unwrap()[..20_000]).unwrap();
    // whole pages and the right number of rows, but not what the schema allows
    fs::copy(at("good.db"), at("bent.db")).unwrap();
    Connection::open(at("bent.db"))
        .unwrap()
        .execute_batch(
            "DROP TRIGGER beats_stay; PRAGMA ignore_check_constraints = 1; UPDATE beats SET class = 'X' WHERE id = 7",
        )
        .unwrap();
    fs::write(at("text.db"), "notes").unwrap();
    fs::write(at("empty.db"), "").unwrap();
    Connection::open(at("other.db"))
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    fs::copy(at("good.db"), at("newer.db")).unwrap();
    Connection::open(at("newer.db"))
        .unwrap()
        .pragma_update(None, "user_version", SCHEMA_VERSION + 1)
        .unwrap();
    let before = listing(folder.path());
    let mut failures = Vec::new();
    for (name, words) in [
        ("damaged.db", "not a whole backup"),
        ("cut.db", "not a whole backup"),
        ("bent.db", "not a whole backup"),
        ("text.db", "not an SQLite database"),
        ("empty.db", "entity not found"),
        ("absent.db", "No such file"),
        ("other.db", "of another application"),
        ("newer.db", "this program knows versions"),
        ("ecg.db", "is the database itself"),
    ] {
        let check = check_backup(&at(name)).map(drop);
        let restored = put_back(&at(name), &at("ecg.db")).map(drop);
        let backup = back(&at(name), &at("copy.db")).map(drop);
        let own = name == "ecg.db";
        // opened for reading only, SQLite leaves out whether values are allowed
        let allowed = name == "bent.db";
        for (what, outcome) in [("check", check), ("restore", restored), ("backup", backup)] {
            match outcome {
                Err(error)
                    if error.to_string().contains(words) && error.to_string().contains(name) => {}
                Err(
                    BackupError::Store(StoreError::Corrupt { .. }) | BackupError::NotWhole { .. },
                ) if what == "backup" => {}
                Ok(()) if own && what != "restore" => {}
                Ok(()) if allowed && what == "check" => {}
                other => failures.push(format!("{what} {name}: {other:?}")),
            }
        }
        let _ = fs::remove_file(at("copy.db"));
    }
    assert!(failures.is_empty(), "{failures:#?}");
    let after = listing(folder.path());
    for (name, content) in &before {
        assert!(after.get(name) == Some(content), "{name} has changed");
    }
}

/// The chain of hashes holds, and says which ids were passed over.
fn assert_sound(path: &Path) {
    let verification = StoreReader::open(path).unwrap().verify(&[]).unwrap();
    assert!(verification.is_sound(), "{:?}", verification.findings);
    let passed_over = |table: &str| {
        let mut anchors = verification.anchors.iter();
        anchors.any(|anchor| anchor.reason == "restored" && anchor.what == table)
    };
    assert!(passed_over("beats") && passed_over("ecg_blocks"));
}

#[test]
fn a_restored_database_is_another_one_whose_ids_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    furnish(&at("ecg.db"), 0, 10);
    let made = back(&at("ecg.db"), &at("copy.db")).unwrap();
    furnish(&at("ecg.db"), 100, 20);
    furnish(&at("ecg.db"), 200, 5);
    // what retention deletes is given, too
    Connection::open(at("ecg.db"))
        .unwrap()
        .execute_batch(
            "DELETE FROM ecg_blocks WHERE id > 30; DELETE FROM clock_relations WHERE id > 30",
        )
        .unwrap();
    // for tables that SQLite does not count for: the store says how far they came
    Connection::open(at("ecg.db"))
        .unwrap()
        .execute_batch("UPDATE given_ids SET newest = 35")
        .unwrap();
    let old = StoreReader::open(&at("ecg.db")).unwrap();
    let old_epoch = old.epoch().unwrap();
    drop(old);
    assert_eq!(made.epoch, Some(old_epoch));

    let restored = put_back(&at("copy.db"), &at("ecg.db")).unwrap();
    assert!(!restored.ids_guessed);
    assert_ne!(restored.contents.epoch, Some(old_epoch));
    let (rows, made_rows) = (&restored.contents.rows, &made.rows);
    for table in [
        "sessions",
        "beats",
        "gaps",
        "events",
        "ecg_blocks",
        "clock_relations",
        "corrections",
    ] {
        assert_eq!(rows[table], made_rows[table], "{table}");
    }
    // ids that are passed over are no rows that were cut off
    assert_sound(&at("ecg.db"));
    // nothing was deleted
    let previous = restored.previous.unwrap();
    assert!(
        previous.to_string_lossy().contains("ecg.db.replaced-"),
        "{previous:?}"
    );
    assert_eq!(check_backup(&previous).unwrap().rows["beats"], 35);
    assert_eq!(check_backup(&at("copy.db")).unwrap(), made);

    // a second time is another epoch again
    let again = put_back(&at("copy.db"), &at("ecg.db")).unwrap();
    assert_ne!(again.contents.epoch, restored.contents.epoch);

    furnish(&at("ecg.db"), 300, 2);
    assert_sound(&at("ecg.db"));
    assert_eq!(newest(&at("ecg.db"))["sessions"], 4);
    let first = oldest_of_last_session(&at("ecg.db"));
    for table in ["beats", "gaps", "events", "corrections"] {
        assert_eq!(first[table], 36, "{table}");
    }
    let given = |name: &str| -> i64 {
        Connection::open(at("ecg.db"))
            .unwrap()
            .query_row(
                "SELECT newest FROM given_ids WHERE name = ?1",
                [name],
                |row| row.get(0),
            )
            .unwrap()
    };
    assert!(given("ecg_blocks") >= 35 && given("clock_relations") >= 35);
}

#[test]
fn ids_go_on_far_behind_where_the_database_tells_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    furnish(&at("ecg.db"), 0, 10);
    back(&at("ecg.db"), &at("copy.db")).unwrap();
    let ruin = b"the header, too".repeat(1_000);
    // the file beside it tells how far ids were reserved
    fs::write(at("ecg.db"), &ruin).unwrap();
    let restored = put_back(&at("copy.db"), &at("ecg.db")).unwrap();
    assert!(!restored.ids_guessed);
    furnish(&at("ecg.db"), 300, 1);
    let reserved = oldest_of_last_session(&at("ecg.db"));
    for table in ["beats", "gaps", "events"] {
        let id = reserved[table];
        assert!(id > 11 && id < 100_000, "{table}: {id}");
    }
    // nothing tells
    fs::write(at("ecg.db"), &ruin).unwrap();
    fs::remove_file(at("ecg.db.ids")).unwrap();
    let restored = put_back(&at("copy.db"), &at("ecg.db")).unwrap();
    assert!(restored.ids_guessed);
    assert_eq!(fs::read(restored.previous.unwrap()).unwrap(), ruin);
    furnish(&at("ecg.db"), 300, 1);
    let first = oldest_of_last_session(&at("ecg.db"));
    for table in ["beats", "gaps", "events"] {
        assert_eq!(first[table], (1 << 42) + 11, "{table}");
    }
    // without a lock file beside it that file is not ours
    fs::write(at("notes.db"), "notes").unwrap();
    let refused = put_back(&at("copy.db"), &at("notes.db"));
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("not an SQLite database")
    );
    assert_eq!(fs::read(at("notes.db")).unwrap(), b"notes");
    assert!(!at("notes.db.lock").exists());
}

/// The database and what it had reserved were removed by hand; what was quarantined before still tells.
#[test]
fn ids_go_on_after_those_of_a_quarantined_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    furnish(&at("ecg.db"), 0, 3);
    back(&at("ecg.db"), &at("copy.db")).unwrap();
    furnish(&at("ecg.db"), 100, 7);
    fs::rename(at("ecg.db"), at("ecg.db.damaged-20261123T034500Z")).unwrap();
    fs::remove_file(at("ecg.db.ids")).unwrap();
    let restored = put_back(&at("copy.db"), &at("ecg.db")).unwrap();
    assert_eq!((restored.previous, restored.ids_guessed), (None, false));
    furnish(&at("ecg.db"), 300, 1);
    let first = oldest_of_last_session(&at("ecg.db"));
    for table in ["beats", "gaps", "events", "ecg_blocks"] {
        assert_eq!(first[table], 11, "{table}");
    }
    assert_sound(&at("ecg.db"));
}

#[test]
fn a_database_in_use_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let running = writer(&at("ecg.db"));
    fill(&running, 0, 5);
    back(&at("ecg.db"), &at("copy.db")).unwrap();
    let before = listing(folder.path());
    let outcome = put_back(&at("copy.db"), &at("ecg.db"));
    assert!(
        matches!(outcome, Err(BackupError::Store(StoreError::InUse { .. }))),
        "{outcome:?}"
    );
    assert_eq!(listing(folder.path()), before);
    running.close().unwrap();
    put_back(&at("copy.db"), &at("ecg.db")).unwrap();
}

/// What a crash left in the log is part of the database that is replaced.
#[test]
fn the_log_of_the_replaced_database_is_kept_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let living = writer(&at("living.db"));
    fill(&living, 0, 4);
    back(&at("living.db"), &at("copy.db")).unwrap();
    fill(&living, 100, 30);
    for suffix in ["", "-wal", ".lock"] {
        let from = at(&format!("living.db{suffix}"));
        fs::copy(from, at(&format!("ecg.db{suffix}"))).unwrap();
    }
    assert!(fs::metadata(at("ecg.db-wal")).unwrap().len() > 0);
    living.close().unwrap();
    let previous = put_back(&at("copy.db"), &at("ecg.db"))
        .unwrap()
        .previous
        .unwrap();
    assert_eq!(check_backup(&previous).unwrap().rows["beats"], 34);
    assert!(
        !at("ecg.db-wal").exists(),
        "an old log must not meet a fresh file"
    );
    assert_eq!(check_backup(&at("ecg.db")).unwrap().rows["beats"], 4);
}

/// A database as version `version` made it, with a session and 7 beats.
fn of_version(path: &Path, version: usize) {
    old_database(
        path,
        version,
        "PRAGMA journal_mode = WAL; \
             INSERT INTO deciders (model, engine) VALUES ('v1', 'cpu'); \
             INSERT INTO sessions (source, origin, chip, sample_rate_hz, uv_per_code_0, \
              uv_per_code_1, start_monotonic_ns, start_wall_us, decider) \
              VALUES ('live', 'x', 'ADS1292R', 500, 0.5, 0.5, 0, 0, 1); \
             WITH RECURSIVE k (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM k WHERE k < 7) \
             INSERT INTO beats (session, r_sample, r_monotonic_ns, r_wall_us, class, p_n, p_l, p_r, \
              p_a, p_v, channel, quality, window_complete, label_delay_ms, decider) \
              SELECT 1, 400 * k, 0, 0, 'N', 1, 0, 0, 0, 0, 0, 'good', 1, 600, 1 FROM k; \
             UPDATE sessions SET beats_n = 7",
    );
}

/// The way back after an update: the backup that was made before it, restored by whichever program.
#[test]
fn a_backup_of_any_older_schema_is_migrated_on_the_way() {
    let folder = tempfile::tempdir().unwrap();
    for version in 1..STEPS.len() {
        let at = |name: &str| folder.path().join(format!("{version}-{name}"));
        of_version(&at("old.db"), version);
        let made = back(&at("old.db"), &at("copy.db")).unwrap();
        assert_eq!(made.schema_version, i64::try_from(version).unwrap());
        assert_eq!(made.epoch.is_some(), version >= 5, "{version}");
        furnish(&at("ecg.db"), 0, 20);
        let restored = put_back(&at("copy.db"), &at("ecg.db")).unwrap();
        assert_eq!(restored.backup_schema_version, made.schema_version);
        assert_eq!(restored.contents.schema_version, SCHEMA_VERSION);
        let reader = StoreReader::open(&at("ecg.db")).unwrap();
        assert_eq!(reader.totals().unwrap().counts.beats(), 7);
        assert_eq!(reader.newest_beat_id().unwrap(), 20);
        assert_eq!(Some(reader.epoch().unwrap()), restored.contents.epoch);
        drop(reader);
        drop(Store::open(&at("ecg.db"), options()).unwrap());
    }
}

/// A program that went back to an older version replaces what the newer one made.
#[test]
fn a_database_of_a_later_version_can_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    furnish(&at("ecg.db"), 0, 3);
    back(&at("ecg.db"), &at("copy.db")).unwrap();
    furnish(&at("ecg.db"), 100, 6);
    Connection::open(at("ecg.db"))
        .unwrap()
        .pragma_update(None, "user_version", SCHEMA_VERSION + 1)
        .unwrap();
    let restored = put_back(&at("copy.db"), &at("ecg.db")).unwrap();
    assert!(!restored.ids_guessed);
    assert_eq!(
        StoreReader::open(&at("ecg.db"))
            .unwrap()
            .newest_beat_id()
            .unwrap(),
        9
    );
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("medium")).unwrap();
    furnish(&at("medium/ecg.db"), 0, 3);
    back(&at("medium/ecg.db"), &at("copy.db")).unwrap();
    std::os::unix::fs::symlink("medium/ecg.db", at("ecg.db")).unwrap();
    std::os::unix::fs::symlink("medium/nothing.db", at("dangling.db")).unwrap();
    let restored = put_back(&at("copy.db"), &at("ecg.db")).unwrap();
    assert!(fs::symlink_metadata(at("ecg.db")).unwrap().is_symlink());
    let medium: PathBuf = fs::canonicalize(at("medium")).unwrap();
    assert_eq!(restored.previous.unwrap().parent(), Some(&*medium));
    put_back(&at("copy.db"), &at("dangling.db")).unwrap_err();
    assert!(
        fs::symlink_metadata(at("dangling.db"))
            .unwrap()
            .is_symlink()
    );
    let fresh = put_back(&at("copy.db"), &at("medium/fresh.db")).unwrap();
    assert_eq!((fresh.previous, fresh.ids_guessed), (None, false));
}

#[test]
fn numbered_backups_are_counted_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    furnish(&at("ecg.db"), 0, 1);
    fs::create_dir(at("b")).unwrap();
    // an earlier one of 1970, somebody else's file of such a name, and names that only look alike
    back(
        &at("ecg.db"),
        &at("b/ecg-backup-000007-19700101T000000Z.db"),
    )
    .unwrap();
    fs::write(at("b/ecg-backup-000003-20200101T000000Z.db"), "mine").unwrap();
    fs::write(at("b/ecg-backup-notes.db"), "mine").unwrap();
    let mut names = Vec::new();
    for expected in 8..=11 {
        let backups = NumberedBackups::look(&at("b"), &at("ecg.db")).unwrap();
        let next = backups.next();
        back(&at("ecg.db"), &next).unwrap();
        let name = next.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(
            name.starts_with(&format!("ecg-backup-0000{expected:02}-20")),
            "{name}"
        );
        let deleted = backups.prune(&next, 3).unwrap();
        assert_eq!(deleted.len(), usize::from(expected >= 10), "{deleted:?}");
        names.push(name);
    }
    let mut left: Vec<_> = listing(&at("b")).into_keys().collect();
    left.retain(|name| names.contains(name));
    assert_eq!(left, names[1..]);
    for kept in [
        "b/ecg-backup-000003-20200101T000000Z.db",
        "b/ecg-backup-notes.db",
    ] {
        assert_eq!(fs::read(at(kept)).unwrap(), b"mine");
    }
}
