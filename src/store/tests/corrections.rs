//! Corrections: what is in force, what is carried along, and what is never changed.

use std::time::Duration;

use ecg_chain::{PipelineEvent, WallUs};
use rusqlite::Connection;

use super::super::migrate::{SCHEMA_VERSION, STEPS};
use super::super::query::column;
use super::super::retention::Leave;
use super::super::{CorrectionError, Decision, Retention, RowFilter, StoreReader};
use super::hardship::{Recording, patient};
use super::{
    beat, block, correct, event, fill, filled, gap, label, number, options, place, put,
    session_info, start, stretch, undo, unguarded, until, writer,
};

/// Columns that the store itself changes, by table; `*` for all of them.
const CHANGING: [(&str, &[&str]); 5] = [
    (
        "sessions",
        &[
            "end_monotonic_ns",
            "end_wall_us",
            "end_reason",
            "samples",
            "beats_n",
            "beats_l",
            "beats_r",
            "beats_a",
            "beats_v",
            "gaps",
            "missing_samples",
            "events",
            "beats_unclassifiable",
            "patient_label",
            "label_salt",
            "label_digest",
            "deleted_wall_us",
            "deleted_by",
            "deleted_beats",
            "deleted_maps",
            "deleted_gaps",
            "deleted_events",
            "deleted_ecg_blocks",
            "deleted_corrections",
        ],
    ),
    (
        "chain_anchors",
        &["last_id", "row_count", "hash", "reason", "wall_us"],
    ),
    ("given_ids", &["*"]),
    ("retention_state", &["*"]),
    ("store_identity", &["*"]),
];

/// Every table there is, so that a new one is thought of.
#[test]
fn what_is_committed_cannot_be_updated() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    put(&written, PipelineEvent::Beat(beat(&info, 0)));
    put(&written, PipelineEvent::Gap(gap(&info, 900, 3)));
    put(&written, PipelineEvent::Event(event(&info, 901)));
    put(&written, PipelineEvent::Ecg(block(&info, 0, 100)));
    let relation = info.start;
    put(
        &written,
        PipelineEvent::Clock {
            relation,
            step_us: 5,
        },
    );
    written.flush().unwrap();
    correct(&written, label(1, &[1], 'V')).unwrap();
    correct(&written, stretch(&info, 1, None, 0..100)).unwrap();
    written.close().unwrap();
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "INSERT INTO saliency (beat, method, class, map) VALUES (1, 'shap', 'N', x'00'); \
             INSERT INTO audit (wall_us, monotonic_ns, kind, what, outcome, count) \
             VALUES (1, 2, 'read', 'beats', 'done', 1); \
             INSERT INTO chain_anchors (what, first_id, last_id, row_count, reason, wall_us) \
             VALUES ('gaps', 1, 1, 1, 'age', 0); \
             INSERT INTO retention_state VALUES ('x', 1)",
        )
        .unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let tables: Vec<String> = column(&connection, tables, []).unwrap();
    let (mut failures, mut held) = (Vec::new(), 0);
    for table in tables {
        let changing = CHANGING.iter().find(|(name, _)| *name == table);
        let names = "SELECT name FROM pragma_table_info(?1)";
        let names: Vec<String> = column(&connection, names, [&table]).unwrap();
        for name in names {
            let changes = changing
                .is_some_and(|(_, columns)| columns.contains(&&*name) || columns.contains(&"*"));
            let sql = format!("UPDATE {table} SET {name} = {name}");
            match connection.execute(&sql, []) {
                Ok(rows) if changes => assert!(rows > 0, "{table} has no row"),
                Err(error) if !changes && error.to_string().contains("never changed") => held += 1,
                other => failures.push(format!("{table}.{name}: {other:?}")),
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(held > 100, "{held}");
    // retention deletes as before
    connection
        .execute_batch(
            "PRAGMA foreign_keys = ON; DELETE FROM beats; DELETE FROM gaps; DELETE FROM events",
        )
        .unwrap();
}

/// What decides about each of the first beats: the correction, and its class or `-` of an artefact.
fn decided(reader: &StoreReader, beats: usize) -> String {
    let rows = reader.beats(&RowFilter::default()).unwrap();
    let told = |decision: Option<Decision>| match decision {
        None => ".".to_owned(),
        Some(Decision { id, class }) => format!("{id}{}", class.unwrap_or('-')),
    };
    let told: Vec<_> = rows[..beats].iter().map(|row| told(row.decision)).collect();
    told.join(" ")
}

#[test]
fn the_last_correction_that_is_not_undone_decides() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    assert_eq!(fill(&written, 0, 8), 1);
    let reader = StoreReader::open(&path).unwrap();
    let info = session_info(0);
    let now = || decided(&reader, 6);
    assert_eq!(now(), ". . . . . .");
    let mine = correct(&written, label(1, &[2], 'V')).unwrap();
    assert_eq!((mine.id, mine.beats), (1, Some(vec![2])));
    assert_eq!((mine.from.sample, mine.to.sample), (800, 801));
    assert_eq!(now(), ". 1V . . . .");
    // a cluster, in any order and with one beat twice; the model's label stays
    let cluster = correct(&written, label(1, &[4, 2, 3, 2], 'F')).unwrap();
    assert_eq!(cluster.beats, Some(vec![2, 3, 4]));
    assert_eq!(now(), ". 2F 2F 2F . .");
    let labels = "SELECT group_concat(class, '') FROM (SELECT class FROM beats ORDER BY id)";
    let label_of = |sql: &str| -> String {
        let connection = Connection::open(&path).unwrap();
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(label_of(labels), "NNNNLRAV");
    // R peaks at 400, 800, 1200 ...: the end is not part of a stretch
    correct(&written, stretch(&info, 1, None, 1_200..2_000)).unwrap();
    assert_eq!(now(), ". 2F 3- 3- . .");
    correct(&written, stretch(&info, 1, Some('Q'), 2_000..2_001)).unwrap();
    assert_eq!(now(), ". 2F 3- 3- 4Q .");
    assert_eq!(correct(&written, undo(3)).unwrap().id, 5);
    assert_eq!(now(), ". 2F 2F 2F 4Q .");
    correct(&written, undo(5)).unwrap();
    assert_eq!(now(), ". 2F 3- 3- 4Q .", "an undo undone");
    correct(&written, undo(2)).unwrap();
    assert_eq!(now(), ". 1V 3- 3- 4Q .", "the one before counts again");
    correct(&written, undo(6)).unwrap();
    assert_eq!(now(), ". 1V . . 4Q .", "an undo of an undo of an undo");
    let (rows, more) = reader.corrections(&RowFilter::default()).unwrap();
    let chain: Vec<_> = rows
        .iter()
        .map(|row| (row.id, row.supersedes, row.superseded_by))
        .collect();
    assert_eq!(
        chain,
        [
            (1, None, None),
            (2, None, Some(7)),
            (3, None, Some(8)),
            (4, None, None),
            (5, Some(3), Some(6)),
            (6, Some(5), Some(8)),
            (7, Some(2), None),
            (8, Some(6), None),
        ]
    );
    assert!(!more);
    // of the undos about a row the newest alone can be undone
    for (id, by) in [(2, 7), (3, 8), (5, 6), (6, 8)] {
        match correct(&written, undo(id)) {
            Err(CorrectionError::NotInForce { id: of, by: found }) => {
                assert_eq!((of, found), (id, by));
            }
            other => panic!("{id}: {other:?}"),
        }
    }
    correct(&written, undo(8)).unwrap();
    correct(&written, undo(3)).unwrap();
    match correct(&written, undo(8)) {
        Err(CorrectionError::NotInForce { by: 9, .. }) => {}
        other => panic!("{other:?}"),
    }
    let told = reader.totals().unwrap().corrections;
    assert_eq!((told, written.monitor().status().corrections), (10, 10));
    written.close().unwrap();
    let found = reader.verify(&[]).unwrap();
    assert!(found.is_sound(), "{:#?}", found.findings);
    assert_eq!(found.tables["corrections"].protected, 10);
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    fill(&written, 0, 4);
    fill(&written, 100, 4);
    let refused = |correction| correct(&written, correction).unwrap_err().to_string();
    for (correction, expected) in [
        (label(1, &[1, 99], 'V'), "beat 99 is not in this database"),
        (
            label(1, &[4, 5], 'V'),
            "beat 5 is of session 2, expected session 1",
        ),
        (label(9, &[1], 'V'), "session 9 is not in this database"),
        (undo(1), "correction 1 is not in this database"),
    ] {
        assert_eq!(refused(correction), expected);
    }
    let mut of_other = undo(correct(&written, label(2, &[5], 'V')).unwrap().id);
    of_other.change = super::Change::Undo {
        session: Some(1),
        supersedes: 1,
    };
    assert_eq!(
        refused(of_other),
        "correction 1 is of session 2, expected session 1"
    );
    let mut marked = label(1, &[1], 'V');
    marked.change = super::Change::Correct {
        session: None,
        says: super::Says::Artefact,
        target: super::Target::Beat(5),
    };
    assert_eq!(refused(marked), "no session is recorded now");
    let rows = "SELECT (SELECT count(*) FROM corrections) + (SELECT count(*) FROM corrected_beats)";
    assert_eq!(number(&path, rows), 2);
    // a refusal takes no id
    assert_eq!(correct(&written, label(1, &[1], 'L')).unwrap().id, 2);
    written.close().unwrap();
}

#[test]
fn beats_and_minutes_are_found_by_their_corrected_class() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    // N N N N L R A V in turn; a minute has 75 of them
    fill(&written, 0, 160);
    fill(&written, 1_000, 16);
    let info = session_info(0);
    correct(&written, label(1, &[1, 2], 'V')).unwrap();
    correct(&written, label(1, &[8], 'N')).unwrap();
    correct(&written, label(1, &[16], 'F')).unwrap();
    correct(&written, stretch(&info, 1, None, 9_600..12_800)).unwrap(); // beats 24 to 31
    let reader = StoreReader::open(&path).unwrap();
    let ids = |classes: &str, filter: RowFilter| -> Vec<i64> {
        let filter = RowFilter {
            corrected_classes: classes.chars().collect(),
            limit: u32::MAX,
            ..filter
        };
        let rows = reader.beats(&filter).unwrap();
        rows.iter().map(|row| row.id).collect()
    };
    let all = || RowFilter::default();
    let machine: Vec<i64> = (1..=22).map(|k| 8 * k).collect();
    // 8 is N now, 16 is F, 24 an artefact
    let kept = |id: &i64| ![8, 16, 24].contains(id);
    let expected: Vec<i64> = [1, 2]
        .into_iter()
        .chain(machine.iter().copied().filter(kept))
        .collect();
    assert_eq!(ids("V", all()), expected);
    assert_eq!(ids("FQ", all()), [16]);
    // page by page, either way round
    let mut pages = Vec::new();
    let mut after_id = 0;
    loop {
        let filter = RowFilter {
            corrected_classes: vec!['V'],
            after_id,
            limit: 3,
            newest_first: true,
            ..RowFilter::default()
        };
        let rows = reader.beats(&filter).unwrap();
        let Some(last) = rows.last() else { break };
        after_id = last.id;
        pages.extend(rows.iter().map(|row| row.id));
    }
    pages.reverse();
    assert_eq!(pages, expected);
    let second = RowFilter {
        session: Some(2),
        ..RowFilter::default()
    };
    assert_eq!(ids("V", second.clone()), [168, 176]);
    assert_eq!(ids("F", second), [0; 0]);

    let session = reader.session(1).unwrap().unwrap();
    let minutes = |corrected| reader.minutes(&session, &(0..60_000), corrected).unwrap();
    let (machine, corrected) = (minutes(false), minutes(true));
    // beats 1 to 74 have their R peak in the first minute
    assert_eq!(machine[0].beats_by_class, [38, 9, 9, 9, 9]);
    assert_eq!((machine[0].corrected, machine[0].beats()), (None, 74));
    // two N became V and one V N; of the stretch's eight beats none counts
    assert_eq!(
        corrected[0].beats_by_class,
        [38 - 2 + 1 - 4, 8, 8, 8, 9 + 2 - 2 - 1]
    );
    assert_eq!(
        (corrected[0].corrected, corrected[0].beats()),
        (Some([1, 0]), 66)
    );
    assert!(corrected[0].unclassifiable < machine[0].unclassifiable);
    assert_eq!(corrected[1].beats_by_class, machine[1].beats_by_class);
    assert_eq!(corrected[1].corrected, Some([0, 0]));
    written.close().unwrap();
}

/// A beat that is stored after a stretch was corrected lies in it all the same.
#[test]
fn a_beat_that_comes_late_lies_in_its_stretch() {
    let (_folder, path) = place("beats.db");
    let (sender, commits) = std::sync::mpsc::channel();
    let written = super::super::Store::open(&path, options())
        .unwrap()
        .into_writer(move |commit| drop(sender.send(commit.clone())))
        .unwrap();
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    correct(&written, stretch(&info, 1, Some('V'), 0..500)).unwrap();
    put(&written, PipelineEvent::Beat(beat(&info, 0)));
    put(&written, PipelineEvent::Beat(beat(&info, 1)));
    written.flush().unwrap();
    let decisions: Vec<_> = commits
        .try_iter()
        .flat_map(|commit| commit.rows)
        .map(|row| match row {
            super::super::CommittedRow::Beat(beat) => format!("{:?}", beat.decision),
            super::super::CommittedRow::Correction(row) => row.kind,
            other => panic!("{other:?}"),
        })
        .collect();
    let decision = Decision {
        id: 1,
        class: Some('V'),
    };
    let expected = [
        "label".to_owned(),
        format!("{:?}", Some(decision)),
        "None".to_owned(),
    ];
    assert_eq!(decisions, expected);
    written.close().unwrap();
}

#[test]
fn retention_of_rows_leaves_their_corrections() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    fill(&written, 0, 100);
    correct(&written, label(1, &[1, 100], 'V')).unwrap();
    written.close().unwrap();
    let retention = Retention {
        rows: Some(Duration::from_secs(1)),
        ..Retention::default()
    };
    let leave = Leave {
        now: WallUs(i64::MAX),
        by_age: true,
        for_space: false,
    };
    let mut connection = Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    retention.step(&mut connection, &leave).unwrap();
    drop(connection);
    assert_eq!(number(&path, "SELECT count(*) FROM beats"), 0);
    let reader = StoreReader::open(&path).unwrap();
    let (rows, _) = reader.corrections(&RowFilter::default()).unwrap();
    assert_eq!(rows[0].beats, Some(vec![1, 100]));
    let found = reader.verify(&[]).unwrap();
    assert!(found.is_sound(), "{:#?}", found.findings);
}

#[test]
fn a_list_ends_where_its_rows_are_long_and_time_finds_what_it_overlaps() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    fill(&written, 0, 5_000);
    let all: Vec<i64> = (1..=5_000).collect();
    for _ in 0..12 {
        correct(&written, label(1, &all, 'N')).unwrap();
    }
    let info = session_info(0);
    correct(&written, stretch(&info, 1, None, 5_000..10_000)).unwrap();
    let reader = StoreReader::open(&path).unwrap();
    let (mut seen, mut after_id, mut pages) = (Vec::new(), 0, 0);
    loop {
        let filter = RowFilter {
            after_id,
            ..RowFilter::default()
        };
        let (rows, more) = reader.corrections(&filter).unwrap();
        seen.extend(rows.iter().map(|row| row.id));
        pages += 1;
        after_id = rows.last().unwrap().id;
        if !more {
            break;
        }
    }
    assert_eq!(seen, (1..=13).collect::<Vec<i64>>());
    assert!(pages > 1, "40 kB each");
    let us = |sample: u64| WallUs(info.start.wall.0 + i64::try_from(sample).unwrap() * 2_000);
    let found = |from: u64, until: u64| {
        let filter = RowFilter {
            from: Some(us(from)),
            until: Some(us(until)),
            after_id: 12,
            ..RowFilter::default()
        };
        reader.corrections(&filter).unwrap().0.len()
    };
    let outcomes = [(0, 5_000), (0, 5_001), (9_999, 20_000), (10_000, 20_000)];
    assert_eq!(
        outcomes.map(|(from, until)| found(from, until)),
        [0, 1, 1, 0]
    );
    written.close().unwrap();
}

/// Text of the schema, but for what SQLite makes by itself.
fn schema(path: &std::path::Path) -> Vec<String> {
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' \
               ORDER BY type, name";
    column(&Connection::open(path).unwrap(), sql, []).unwrap()
}

#[test]
fn a_database_of_schema_version_9_takes_corrections_and_its_chain_goes_on() {
    let (folder, path) = place("beats.db");
    filled(&path, 0, 20);
    let fresh = schema(&path);
    // made one of version 9 again
    unguarded(&path)
        .execute_batch(
            "DROP TABLE corrected_beats; DROP TABLE corrected_stretches; DROP TABLE corrections; PRAGMA writable_schema = ON; \
             UPDATE sqlite_schema SET sql = replace(replace(sql, ', ''correction''', ''), \
             ', ''corrections''', ''); PRAGMA writable_schema = RESET; PRAGMA user_version = 9; \
             ALTER TABLE sessions DROP COLUMN patient_label; ALTER TABLE sessions DROP COLUMN label_salt; \
             ALTER TABLE sessions DROP COLUMN label_digest; ALTER TABLE sessions DROP COLUMN deleted_wall_us; \
             ALTER TABLE sessions DROP COLUMN deleted_by; ALTER TABLE sessions DROP COLUMN deleted_beats; \
             ALTER TABLE sessions DROP COLUMN deleted_maps; ALTER TABLE sessions DROP COLUMN deleted_gaps; \
             ALTER TABLE sessions DROP COLUMN deleted_events; ALTER TABLE sessions DROP COLUMN deleted_ecg_blocks; \
             ALTER TABLE sessions DROP COLUMN deleted_corrections; ALTER TABLE audit DROP COLUMN token",
        )
        .unwrap();
    let old = folder.path().join("old.db");
    super::old_database(&old, 9, "");
    assert_eq!(schema(&path), schema(&old));
    assert!(StoreReader::open(&path).is_err());
    let links = number(&path, "SELECT count(*) FROM chain");

    let written = writer(&path);
    correct(&written, label(1, &[3], 'Q')).unwrap();
    fill(&written, 1_000, 3);
    written.close().unwrap();
    assert_eq!(number(&path, "PRAGMA user_version"), SCHEMA_VERSION);
    assert_eq!(SCHEMA_VERSION, i64::try_from(STEPS.len()).unwrap());
    assert_eq!(schema(&path), fresh);
    let found = StoreReader::open(&path).unwrap().verify(&[]).unwrap();
    assert!(found.is_sound(), "{found:#?}");
    assert_eq!(found.tables["corrections"].protected, 1);
    assert!(found.links > u64::try_from(links).unwrap() + 4);
    // and no link of a kind that is none
    let other =
        "INSERT INTO chain SELECT 9999, session, 'other', row_id, digest, hash FROM chain LIMIT 1";
    let error = Connection::open(&path).unwrap().execute_batch(other);
    assert!(error.unwrap_err().to_string().contains("CHECK"));
}

#[test]
fn while_nothing_can_be_written_a_correction_is_refused() {
    let recording = Recording::begin();
    recording.beat(0);
    let Recording { path, written, .. } = &recording;
    written.flush().unwrap();
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // the first finds it out, the others are told what is known
    match correct(written, label(1, &[1], 'V')) {
        Err(CorrectionError::Store(error)) => assert!(error.is_transient(), "{error}"),
        other => panic!("{other:?}"),
    }
    recording.beat(1);
    until("an outage", || written.monitor().status().trouble.is_some());
    match correct(written, label(1, &[1], 'V')) {
        Err(CorrectionError::OutOfReach(why)) => assert!(why.contains("locked"), "{why}"),
        other => panic!("{other:?}"),
    }
    other.execute_batch("ROLLBACK").unwrap();
    until("it is written", || {
        written.monitor().status().trouble.is_none()
    });
    assert_eq!(number(path, "SELECT count(*) FROM corrections"), 0);
    assert_eq!(correct(written, label(1, &[1], 'V')).unwrap().id, 1);
}

#[test]
fn a_correction_that_was_given_up_is_not_stored() {
    let (_folder, path) = place("beats.db");
    let written = start(
        &path,
        super::super::StoreOptions {
            busy_timeout: Duration::from_secs(20),
            ..patient()
        },
    );
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    put(&written, PipelineEvent::Beat(beat(&info, 0)));
    written.flush().unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    put(&written, PipelineEvent::Beat(beat(&info, 1)));
    let monitor = written.monitor();
    until("the writer waits for the lock", || {
        let turns = monitor.liveness().turns();
        std::thread::sleep(Duration::from_millis(100));
        monitor.liveness().turns() == turns
    });
    let (sender, answers) = std::sync::mpsc::channel();
    let claim = written
        .monitor()
        .correct(label(1, &[1], 'V'), move |outcome| {
            sender.send(outcome).unwrap();
        })
        .unwrap();
    assert!(claim.is_first() && !claim.is_first());
    other.execute_batch("ROLLBACK").unwrap();
    written.flush().unwrap();
    assert!(answers.recv().is_err(), "nobody waits for an answer");
    assert_eq!(number(&path, "SELECT count(*) FROM corrections"), 0);
    assert_eq!(number(&path, "SELECT count(*) FROM beats"), 2);
}

#[test]
fn corrections_are_carried_out_of_a_database_that_is_removed() {
    let recording = Recording::begin();
    recording.beat(0);
    let Recording { path, written, .. } = &recording;
    written.flush().unwrap();
    correct(written, label(1, &[1], 'V')).unwrap();
    std::fs::remove_file(path).unwrap();
    // what was found the next commit mends
    assert!(matches!(
        correct(written, label(1, &[1], 'L')),
        Err(CorrectionError::Store(_))
    ));
    recording.beat(1);
    written.flush().unwrap();
    assert_eq!(correct(written, undo(1)).unwrap().id, 2);
    let reader = StoreReader::open(path).unwrap();
    assert_eq!(
        reader.corrections(&RowFilter::default()).unwrap().0.len(),
        2
    );
    let found = reader.verify(&[]).unwrap();
    assert!(found.is_sound(), "{found:#?}");
}
