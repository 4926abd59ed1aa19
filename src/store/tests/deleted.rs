//! Sessions that somebody had deleted, and whom they were of.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arrhythmianet::explain::{Method, SaliencyMap};
use ecg_chain::{BeatDetail, ClockRelation, PipelineEvent};
use ecg_signal::Waves;
use rusqlite::Connection;
use tempfile::TempDir;

use super::super::chain::Verification;
use super::super::error::Context;
use super::super::retention::Leave;
use super::super::session_deletion::{self, DELETED};
use super::super::{
    AuditKind, AuditRow, BackupOptions, DeletedRows, KeepFree, Outage, Retention, RowFilter, Store,
    StoreError, StoreOptions, StoreReader, StoreWriter, back_up, restore,
};
use super::{
    beat, block, correct, event, gap, label, number, old_database, options, place, put,
    session_info, stretch, time_of, undo, unguarded, until, writer,
};

const LABEL: &str = "Bed 4, Ängström";
/// Rows of the sessions here.
const ROWS: DeletedRows = DeletedRows {
    beats: 600,
    maps: 2,
    gaps: 3,
    events: 4,
    ecg_blocks: 70,
    corrections: 2,
};

/// A session with some of everything; left open where no end is asked for.
fn record(writer: &StoreWriter, start_s: u64, label: Option<&str>, ends: bool) -> i64 {
    let mut info = session_info(start_s);
    info.patient_label = label.map(str::to_owned);
    let id = writer.begin_session(&info).unwrap().unwrap();
    for k in 0..ROWS.ecg_blocks {
        put(writer, PipelineEvent::Ecg(block(&info, k * 100, 100)));
    }
    for k in 0..ROWS.beats {
        let beat = beat(&info, k);
        let class = beat.class;
        put(writer, PipelineEvent::Beat(beat));
        if k < ROWS.maps {
            put(
                writer,
                PipelineEvent::Detail(Box::new(BeatDetail {
                    r_sample: 400 + 400 * k,
                    waves: Waves::default(),
                    map: Some(SaliencyMap {
                        method: Method::GradCam,
                        class,
                        channels: vec![vec![1.0; 8]],
                        context: Vec::new(),
                        logit: 1.0,
                        base: 0.0,
                        samples: 128,
                    }),
                    shares: None,
                    network_view: None,
                })),
            );
        }
    }
    for k in 0..ROWS.gaps {
        put(writer, PipelineEvent::Gap(gap(&info, 9_000 + k, 1)));
    }
    for k in 0..ROWS.events {
        put(writer, PipelineEvent::Event(event(&info, 9_000 + k)));
    }
    put(
        writer,
        PipelineEvent::Clock {
            relation: info.start,
            step_us: 5,
        },
    );
    let corrected = correct(writer, stretch(&info, id, Some('V'), 0..500)).unwrap();
    correct(writer, undo(corrected.id)).unwrap();
    if ends {
        let at = time_of(&info, 400 * 700);
        let end = ClockRelation {
            monotonic: at,
            wall: info.start.wall_at(at),
        };
        writer.end_session(end, "stopped").unwrap();
    }
    id
}

/// Two sessions with labels that have ended, and a third one without.
fn three() -> (TempDir, PathBuf) {
    let (folder, path) = place("beats.db");
    let written = writer(&path);
    for (start_s, label) in [(0, Some(LABEL)), (10_000, Some("Bed 5")), (20_000, None)] {
        record(&written, start_s, label, true);
    }
    written.close().unwrap();
    (folder, path)
}

fn verify(path: &Path) -> Verification {
    StoreReader::open(path).unwrap().verify(&[]).unwrap()
}

fn change(path: &Path, sql: &str) {
    let connection = unguarded(path);
    connection
        .pragma_update(None, "foreign_keys", false)
        .unwrap();
    connection.execute_batch(sql).unwrap();
}

fn rows_of(path: &Path, session: i64) -> i64 {
    let of = |(table, _)| {
        let sql = format!("SELECT count(*) FROM {table} WHERE session = {session}");
        number(path, &sql)
    };
    DELETED.into_iter().map(of).sum()
}

/// Whether these bytes stand in the database or its log.
fn holds(path: &Path, bytes: &[u8]) -> bool {
    let log = PathBuf::from(format!("{}-wal", path.display()));
    [path.to_owned(), log].iter().any(|file| {
        let content = std::fs::read(file).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[test]
fn a_label_is_kept_and_held_by_the_chain() {
    let (_folder, path) = three();
    let reader = StoreReader::open(&path).unwrap();
    let labels = || -> Vec<_> {
        let sessions = reader.sessions(0, 9).unwrap();
        let labels = sessions.into_iter().map(|row| row.info.patient_label);
        labels.collect()
    };
    assert_eq!(
        labels(),
        [Some(LABEL.to_owned()), Some("Bed 5".to_owned()), None]
    );
    assert!(verify(&path).is_sound());
    let whole = std::fs::read(&path).unwrap();
    for (sql, session, problem) in [
        (
            "UPDATE sessions SET patient_label = 'Bed 6' WHERE id = 2",
            2,
            "was changed",
        ),
        (
            "UPDATE sessions SET patient_label = NULL WHERE id = 2",
            2,
            "was removed",
        ),
        (
            "UPDATE sessions SET patient_label = NULL, label_salt = NULL WHERE id = 2",
            2,
            "was removed",
        ),
        (
            "UPDATE sessions SET patient_label = NULL, label_salt = NULL, label_digest = NULL \
             WHERE id = 2",
            2,
            "what is fixed from its start was changed",
        ),
        (
            "UPDATE sessions SET patient_label = 'Bed 6' WHERE id = 3",
            3,
            "was changed",
        ),
        (
            "UPDATE sessions AS s SET (patient_label, label_salt, label_digest) = (SELECT \
             patient_label, label_salt, label_digest FROM sessions WHERE id = 2) WHERE id = 3",
            3,
            "what is fixed from its start was changed",
        ),
    ] {
        let copy = path.with_extension("changed.db");
        std::fs::write(&copy, &whole).unwrap();
        change(&copy, sql);
        let found = verify(&copy);
        assert!(
            found
                .findings
                .iter()
                .any(|finding| finding.id == session && finding.problem.contains(problem)),
            "{sql}: {:?}",
            found.findings
        );
    }
}

#[test]
fn a_deleted_session_is_gone_but_for_who_and_when_while_another_is_recorded() {
    let (_folder, path) = three();
    let salt: Vec<u8> = Connection::open(&path)
        .unwrap()
        .query_row("SELECT label_salt FROM sessions WHERE id = 1", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert!(holds(&path, LABEL.as_bytes()) && holds(&path, &salt));
    let before = StoreReader::open(&path).unwrap().sessions(0, 9).unwrap();
    let written = writer(&path);
    let running = record(&written, 30_000, Some("Bed 7"), false);
    let deletion = written.delete_session(1, "night-shift".to_owned()).unwrap();
    assert_eq!((&*deletion.by, deletion.rows), ("night-shift", ROWS));
    assert!(!holds(&path, LABEL.as_bytes()) && !holds(&path, &salt));
    put(
        &written,
        PipelineEvent::Beat(beat(&session_info(30_000), 601)),
    );
    written.flush().unwrap();
    // again: what was deleted then
    let again = written.delete_session(1, "somebody else".to_owned());
    assert_eq!(again.unwrap(), deletion);
    let refused = written.delete_session(running, String::new());
    assert!(
        matches!(refused, Err(StoreError::SessionOpen { session: 4 })),
        "{refused:?}"
    );
    let refused = written.delete_session(9, String::new());
    assert!(
        matches!(refused, Err(StoreError::NoSuchSession { session: 9 })),
        "{refused:?}"
    );
    written.close().unwrap();
    assert_eq!(rows_of(&path, 1), 0);
    assert_eq!(
        number(&path, "SELECT count(*) FROM saliency"),
        3 * 2,
        "maps of the others"
    );
    let reader = StoreReader::open(&path).unwrap();
    let after = reader.sessions(0, 9).unwrap();
    assert_eq!(&after[1..3], &before[1..], "the others are as they were");
    let [tombstone, ..] = &*after else { panic!() };
    assert_eq!(tombstone.deletion.as_ref(), Some(&deletion));
    assert_eq!(tombstone.info.patient_label, None);
    assert_eq!(tombstone.counts, super::super::SessionCounts::default());
    assert_eq!(tombstone.end, before[0].end);
    assert_eq!(after[3].counts.beats(), ROWS.beats + 1);
    let verification = verify(&path);
    assert!(verification.is_sound(), "{:?}", verification.findings);
    let [deletion] = &*verification.deletions else {
        panic!("{:?}", verification.deletions)
    };
    assert_eq!((deletion.session, &*deletion.by), (1, "night-shift"));
    let told = |table| verification.tables[table].deleted_with_session;
    let told = ["beats", "gaps", "events", "ecg_blocks", "sessions"].map(told);
    assert_eq!(told, [600, 3, 4, 70, 0]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/chain-head");
    if let Ok(output) = Command::new("python3").arg(script).arg(&path).output() {
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.trim(), verification.head.unwrap().to_string());
    }
}

#[test]
fn what_somebody_removes_by_hand_is_found_with_tombstones_and_without() {
    let (_folder, path) = three();
    let whole = std::fs::read(&path).unwrap();
    let found = |by_hand: &str, deletes: bool, by_hand_later: &str| {
        let copy = path.with_extension("changed.db");
        std::fs::write(&copy, &whole).unwrap();
        change(&copy, by_hand);
        if deletes {
            let written = writer(&copy);
            written.delete_session(1, "ward".to_owned()).unwrap();
            written.close().unwrap();
        }
        change(&copy, by_hand_later);
        let found = verify(&copy).findings.into_iter();
        found
            .map(|finding| (finding.table, finding.id))
            .collect::<Vec<_>>()
    };
    let one = "DELETE FROM beats WHERE id = 7";
    assert_eq!(found(one, false, ""), [("beats", 7)]);
    // before the session was deleted: it had more rows than went with it
    assert_eq!(found(one, true, ""), [("beats", 0)]);
    // of another session
    assert_eq!(
        found("", true, "DELETE FROM gaps WHERE id = 5"),
        [("gaps", 5)]
    );
    // what a deleted session keeps
    assert_eq!(
        found("", true, "DELETE FROM clock_relations WHERE id = 1"),
        [("clock_relations", 1)]
    );
    assert_eq!(
        found("", true, "DELETE FROM sessions WHERE id = 1")[0],
        ("sessions", 1)
    );
    // a tombstone that was not written here, and one that was changed
    let tombstone = "DELETE FROM events WHERE session = 2; UPDATE sessions SET deleted_wall_us = 1, \
         deleted_by = 'ward', deleted_beats = 0, deleted_maps = 0, deleted_gaps = 0, \
         deleted_events = 9, deleted_ecg_blocks = 0, deleted_corrections = 0, \
         patient_label = NULL, label_salt = NULL WHERE id = 2";
    assert_eq!(found(tombstone, false, ""), [("sessions", 2)]);
    let changed = "UPDATE sessions SET deleted_by = 'nobody' WHERE id = 1";
    assert_eq!(found("", true, changed), [("sessions", 1)]);
    let again = "UPDATE sessions SET patient_label = 'Bed 1' WHERE id = 1";
    assert_eq!(found("", true, again), [("sessions", 1)]);
}

#[test]
fn a_deletion_that_was_cut_short_is_completed_by_the_next_writer() {
    for steps in [0, 1] {
        let (_folder, path) = three();
        let mut connection = Connection::open(&path).unwrap();
        connection
            .pragma_update(None, "foreign_keys", true)
            .unwrap();
        let context = Context::new(&path, Duration::ZERO);
        session_deletion::bury(&mut connection, &context, 2, "ward", true).unwrap();
        for _ in 0..steps {
            assert!(session_deletion::step(&mut connection, 2).unwrap());
        }
        drop(connection); // as after a kill
        let left = rows_of(&path, 2);
        assert_eq!(left, if steps == 0 { 679 } else { 100 + 6 });
        let meanwhile = verify(&path);
        assert!(meanwhile.is_sound(), "{:?}", meanwhile.findings);
        let written = writer(&path);
        until("the rest is gone", || rows_of(&path, 2) == 0);
        written.close().unwrap();
        assert_eq!((rows_of(&path, 1), rows_of(&path, 3)), (679, 679));
        assert!(!holds(&path, b"Bed 5"));
        let verification = verify(&path);
        assert!(verification.is_sound(), "{:?}", verification.findings);
        let told = verification.tables["beats"].deleted_with_session;
        assert_eq!(told, ROWS.beats);
    }
}

/// However much was corrected, one step stays small: recording waits for it.
#[test]
fn corrections_of_many_beats_go_in_small_steps() {
    let (_folder, path) = three();
    let written = writer(&path);
    let info = session_info(0);
    let beats: Vec<i64> = (1..=600).collect();
    for _ in 0..8 {
        let of_beats = correct(&written, label(1, &beats, 'V')).unwrap();
        correct(&written, undo(of_beats.id)).unwrap();
    }
    correct(&written, stretch(&info, 1, Some('V'), 0..65_536 * 2_500)).unwrap();
    written.close().unwrap();
    let mut connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    let context = Context::new(&path, Duration::ZERO);
    session_deletion::bury(&mut connection, &context, 1, "ward", true).unwrap();
    let tables = DELETED.map(|(table, _)| table);
    let rows = || -> i64 {
        let tables = tables.into_iter();
        tables
            .chain(["corrected_beats", "corrected_stretches"])
            .map(|table| number(&path, &format!("SELECT count(*) FROM {table}")))
            .sum()
    };
    let most = DELETED
        .iter()
        .map(|(_, most)| i64::from(*most))
        .sum::<i64>()
        + 2_000;
    let (mut before, mut steps) = (rows(), 0);
    while session_deletion::step(&mut connection, 1).unwrap() {
        let after = rows();
        assert!(before - after <= most, "{before} to {after} in one step");
        before = after;
        steps += 1;
    }
    assert!(steps >= 5, "{steps}");
    assert_eq!(rows_of(&path, 1), 0);
    assert_eq!(number(&path, "SELECT count(*) FROM corrected_beats"), 0);
    // the stretches of the two other sessions
    assert_eq!(number(&path, "SELECT count(*) FROM corrected_stretches"), 2);
    let verification = verify(&path);
    assert!(verification.is_sound(), "{:?}", verification.findings);
    let mut plan = connection
        .prepare("EXPLAIN QUERY PLAN DELETE FROM corrections WHERE id = 1")
        .unwrap();
    let plan: Vec<String> = plan
        .query_map([], |row| row.get("detail"))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(
        plan.iter().all(|line| line.starts_with("SEARCH")),
        "{plan:?}"
    );
}

/// Its rows may be in the file that was quarantined: nobody is told that they are gone.
#[test]
fn a_deletion_ends_with_an_error_where_its_database_is_replaced() {
    let (_folder, path) = place("beats.db");
    let first = writer(&path);
    record(&first, 0, None, true);
    first.close().unwrap();
    let older = std::fs::read(&path).unwrap();
    let second = writer(&path);
    record(&second, 10_000, None, true);
    second.close().unwrap();
    let written = super::start(
        &path,
        StoreOptions {
            outage: Outage::Bridge {
                longest: Duration::from_secs(60),
                most_bytes: 1 << 20,
            },
            ..options()
        },
    );
    let info = session_info(30_000);
    written.begin_session(&info).unwrap();
    put(&written, PipelineEvent::Beat(beat(&info, 0)));
    written.flush().unwrap();
    // keeps the log, so that the deletion does not come to its end
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("BEGIN; SELECT count(*) FROM beats")
        .unwrap();
    let (sender, answer) = std::sync::mpsc::channel();
    let asked = written
        .monitor()
        .delete_session(1, "ward".to_owned(), move |outcome| {
            sender.send(outcome).unwrap();
        });
    assert!(asked);
    until("its rows are gone", || rows_of(&path, 1) == 0);
    // as `cp` does
    std::fs::write(&path, older).unwrap();
    put(&written, PipelineEvent::Beat(beat(&info, 1)));
    written.flush().unwrap();
    assert_eq!(written.monitor().status().quarantined, 1);
    let outcome = answer.recv_timeout(Duration::from_secs(5)).unwrap();
    assert!(
        matches!(outcome, Err(StoreError::Replaced { .. })),
        "{outcome:?}"
    );
    drop(other);
    written.close().unwrap();
}

#[test]
fn retention_goes_on_over_a_deleted_session() {
    let (_folder, path) = three();
    let written = writer(&path);
    written.delete_session(2, "ward".to_owned()).unwrap();
    written.close().unwrap();
    let age = Some(Duration::from_secs(1));
    let retention = Retention {
        rows: age,
        ecg: age,
        ..Retention::default()
    };
    let mut connection = Connection::open(&path).unwrap();
    for now_s in [5_000, 15_000, 40_000] {
        let leave = Leave {
            now: session_info(now_s).start.wall,
            by_age: true,
            for_space: false,
        };
        while retention.step(&mut connection, &leave).unwrap().more {}
        let verification = verify(&path);
        assert!(verification.is_sound(), "{:?}", verification.findings);
    }
    // retention leaves what people corrected
    let left = [1, 2, 3].map(|session| rows_of(&path, session));
    assert_eq!(left, [2, 0, 2]);
    drop(connection);
    // deleted after retention: nothing else is left to go
    let written = writer(&path);
    let deletion = written.delete_session(3, "ward".to_owned()).unwrap();
    let left = DeletedRows {
        corrections: 2,
        ..DeletedRows::default()
    };
    assert_eq!(deletion.rows, left);
    written.close().unwrap();
    assert!(verify(&path).is_sound());
}

#[test]
fn a_backup_from_before_has_the_session_and_one_from_after_has_not() {
    let (folder, path) = three();
    let quick = BackupOptions {
        overwrite: false,
        bytes_per_second: None,
        keep_free: KeepFree::Bytes(0),
    };
    let go_on = AtomicBool::new(false);
    let [before, after] = ["before.db", "after.db"].map(|name| folder.path().join(name));
    back_up(&path, &before, &quick, &go_on, &mut |_, _| {}).unwrap();
    let written = writer(&path);
    written.delete_session(1, "ward".to_owned()).unwrap();
    written.close().unwrap();
    back_up(&path, &after, &quick, &go_on, &mut |_, _| {}).unwrap();
    for (backup, rows, has_label) in [(&before, 679, true), (&after, 0, false)] {
        restore(backup, &path, &go_on, &mut |_, _| {}).unwrap();
        let written = writer(&path);
        record(&written, 50_000, None, true);
        written.close().unwrap();
        assert_eq!(rows_of(&path, 1), rows);
        assert_eq!(holds(&path, LABEL.as_bytes()), has_label);
        let verification = verify(&path);
        assert!(verification.is_sound(), "{:?}", verification.findings);
    }
}

#[test]
fn a_database_of_version_9_gets_the_new_columns_and_its_sessions_can_be_deleted() {
    let (_folder, path) = place("beats.db");
    old_database(
        &path,
        9,
        "INSERT INTO deciders VALUES (1, 'v1', 'cpu');
         INSERT INTO sessions (source, origin, chip, sample_rate_hz, uv_per_code_0, uv_per_code_1,
             start_monotonic_ns, start_wall_us, decider, end_reason)
             VALUES ('replay', 'old.ecgt', 'ADS1292', 500, 1, 1, 0, 0, 1, 'stopped');
         INSERT INTO gaps (session, first_missing_sample, missing_samples, monotonic_ns, wall_us,
             cause, after_beat) VALUES (1, 5, 5, 0, 0, 'source', 0);
         INSERT INTO audit (wall_us, monotonic_ns, uid, gid, pid, kind, what, outcome, count)
             VALUES (1, 2, 3, 4, 5, 'read', 'beats', 'done', 6)",
    );
    let written = writer(&path);
    written.monitor().audit(AuditRow {
        wall: session_info(0).start.wall,
        time: session_info(0).start.monotonic,
        uid: None,
        gid: None,
        pid: None,
        kind: AuditKind::Changed,
        what: "delete-session",
        outcome: "done",
        count: 1,
        token: Some("night-shift".to_owned()),
    });
    let reader = StoreReader::open(&path).unwrap();
    let session = reader.session(1).unwrap().unwrap();
    assert_eq!((session.info.patient_label, session.deletion), (None, None));
    let deletion = written.delete_session(1, "uid 0".to_owned()).unwrap();
    assert_eq!(deletion.rows.gaps, 1);
    record(&written, 100, None, true);
    written.close().unwrap();
    let tokens: Vec<_> = reader
        .audit(&RowFilter::default())
        .unwrap()
        .into_iter()
        .map(|stored| stored.row.token)
        .collect();
    assert_eq!(tokens, [None, Some("night-shift".to_owned())]);
    assert_eq!(reader.session(1).unwrap().unwrap().deletion, Some(deletion));
}

/// A table that is new must say whether it goes with its session.
#[test]
fn every_table_of_a_session_goes_with_it_or_is_known_to_stay() {
    let (_folder, path) = place("beats.db");
    drop(Store::open(&path, options()).unwrap());
    let mut statement = Connection::open(&path).unwrap();
    let tables: Vec<String> = statement
        .transaction()
        .unwrap()
        .prepare(
            "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND c.name = 'session' ORDER BY m.name",
        )
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut known: Vec<_> = DELETED.iter().map(|(table, _)| *table).collect();
    known.extend(["chain", "clock_relations", "corrected_stretches"]);
    known.sort_unstable();
    assert_eq!(tables, known);
}

#[test]
fn a_store_out_of_reach_begins_no_deletion() {
    let (_folder, path) = three();
    let written = super::start(
        &path,
        StoreOptions {
            busy_timeout: Duration::from_millis(10),
            outage: Outage::Bridge {
                longest: Duration::from_secs(60),
                most_bytes: 1 << 20,
            },
            ..options()
        },
    );
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = written.delete_session(1, "ward".to_owned());
    assert!(
        matches!(refused, Err(StoreError::Locked { .. })),
        "{refused:?}"
    );
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(rows_of(&path, 1), 679);
    written.delete_session(1, "ward".to_owned()).unwrap();
    written.close().unwrap();
    assert_eq!(rows_of(&path, 1), 0);
}
