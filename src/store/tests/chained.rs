//! The chain over committed rows: what is changed, deleted, added or moved is found and named.

use std::path::{Path, PathBuf};
use std::process::Command;

use ecg_chain::Episode;
use ecg_chain::{ClockRelation, MonotonicNs, WallUs};
use ecg_chain::{PipelineEvent, SessionInfo};
use rusqlite::Connection;
use tempfile::TempDir;

use super::super::chain::{HeadVerdict, Verification};
use super::super::retention::Leave;
use super::super::{ChainHead, Outage, Retention, Store, StoreOptions, StoreReader};
use super::{
    RATE_HZ, beat, block, correct, event, filled, gap, label, number, old_database, options, place,
    put, session_info, start, stretch, time_of, undo, unguarded, writer,
};

/// Two whole sessions and one that a crash left open: every kind of row, every column in use.
struct Chained {
    _folder: TempDir,
    path: PathBuf,
}

impl Chained {
    fn new() -> Self {
        let (folder, path) = place("beats.db");
        let written = writer(&path);
        for start_s in [0, 1_000, 2_000] {
            let mut info = session_info(start_s);
            info.patient_label = (start_s == 0).then(|| "Bed 4".to_owned());
            written.begin_session(&info).unwrap().unwrap();
            for k in 0..20 {
                written.record(PipelineEvent::Beat(beat(&info, k))).unwrap();
            }
            written
                .record(PipelineEvent::Gap(gap(&info, 9_000, 3)))
                .unwrap();
            written
                .record(PipelineEvent::Event(event(&info, 9_001)))
                .unwrap();
            written
                .record(PipelineEvent::Event(event(&info, 9_500).with_episode(
                    Episode::Ends {
                        subject: "in1p",
                        began_sample: 9_001,
                        began: time_of(&info, 9_001),
                    },
                )))
                .unwrap();
            let at = time_of(&info, 9_600);
            written
                .record(PipelineEvent::Clock {
                    relation: ClockRelation {
                        monotonic: at,
                        wall: WallUs(info.start.wall_at(at).0 + 500_000),
                    },
                    step_us: 500_000,
                })
                .unwrap();
            for k in 0..4 {
                written
                    .record(PipelineEvent::Ecg(block(&info, k * 2_500, 2_500)))
                    .unwrap();
            }
            written.flush().unwrap();
            let session = i64::try_from(start_s / 1_000).unwrap() + 1;
            let beats = [20 * session - 5, 20 * session - 3];
            let relabelled = correct(&written, label(session, &beats, 'F')).unwrap();
            correct(&written, stretch(&info, session, None, 2_000..4_000)).unwrap();
            correct(&written, undo(relabelled.id)).unwrap();
            if start_s < 2_000 {
                written.end_session(info.start, "stopped").unwrap();
            }
        }
        written.close().unwrap();
        Self {
            _folder: folder,
            path,
        }
    }

    /// A copy, changed by `sql`.
    fn changed(&self, sql: &str) -> PathBuf {
        let copy = self.path.with_extension("changed.db");
        std::fs::copy(&self.path, &copy).unwrap();
        unguarded(&copy)
            .execute_batch(&format!(
                "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; {sql}"
            ))
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        copy
    }

    fn number(&self, sql: &str) -> i64 {
        number(&self.path, sql)
    }
}

fn verify(path: &Path) -> Verification {
    StoreReader::open(path).unwrap().verify(&[]).unwrap()
}

fn named(verification: &Verification) -> Vec<(&'static str, i64)> {
    let findings = verification.findings.iter();
    findings
        .map(|finding| (finding.table, finding.id))
        .collect()
}

#[test]
fn what_was_written_is_sound() {
    let chained = Chained::new();
    let verification = verify(&chained.path);
    assert!(verification.is_sound(), "{verification:#?}");
    let links = 3 * (1 + 20 + 1 + 2 + 1 + 4 + 3) + 2;
    assert_eq!(verification.links, links);
    let tables = [
        "sessions",
        "beats",
        "gaps",
        "events",
        "clock_relations",
        "ecg_blocks",
        "corrections",
    ];
    for (table, rows) in tables.into_iter().zip([3, 60, 3, 6, 3, 12, 9]) {
        let found = verification.tables[table];
        assert_eq!((found.protected, found.unprotected), (rows, 0), "{table}");
    }
    // opened again, the open session is closed with its link
    drop(Store::open(&chained.path, options()).unwrap());
    let again = verify(&chained.path);
    assert!(again.is_sound(), "{again:#?}");
    assert_eq!(again.links, links + 1);
}

/// Changes every column of every chained table, in every way a byte can change it, and sees the row
/// named.
#[test]
fn a_changed_value_in_any_column_names_its_row() {
    let chained = Chained::new();
    let mut failures = Vec::new();
    let mut columns = 0;
    for (table, row) in [
        ("sessions", 1),
        ("sessions", 3), // not ended
        ("beats", 25),
        ("gaps", 2),
        ("events", 4),
        ("clock_relations", 2),
        ("ecg_blocks", 6),
        ("corrections", 4),
        ("corrections", 5),
        ("corrections", 6),
        ("chain", 40),
    ] {
        let names: Vec<(String, String)> = Connection::open(&chained.path)
            .unwrap()
            .prepare(&format!(
                "SELECT name, type FROM pragma_table_info('{table}')"
            ))
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for (column, kind) in names {
            if column == "id" {
                continue; // moved rows have a test of their own
            }
            columns += 1;
            let changed = match &*kind {
                "TEXT" => format!("coalesce({column}, '') || 'x'"),
                "BLOB" => format!("zeroblob(length({column}))"),
                _ => format!("coalesce({column}, 0) + 1"),
            };
            let sql = format!("UPDATE {table} SET {column} = {changed} WHERE id = {row}");
            let verification = verify(&chained.changed(&sql));
            // a session's columns that are not yet written to have no value to protect
            let found = named(&verification);
            let at_link = (table == "chain").then_some(("chain", row));
            if !found.contains(&(table, row)) && !at_link.is_some_and(|at| found.contains(&at)) {
                failures.push(format!(
                    "{table}.{column} of {row}: {:?}",
                    verification.findings
                ));
            }
        }
    }
    assert!(columns > 80, "{columns}");
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn deleted_added_moved_and_cut_rows_are_named() {
    let chained = Chained::new();
    let links = chained.number("SELECT max(id) FROM chain");
    let rows: [(&str, &str, (&str, i64)); 25] = [
        (
            "a beat deleted",
            "DELETE FROM beats WHERE id = 30",
            ("beats", 30),
        ),
        (
            "a block deleted",
            "DELETE FROM ecg_blocks WHERE id = 2",
            ("ecg_blocks", 2),
        ),
        (
            "a gap deleted",
            "DELETE FROM gaps WHERE id = 1",
            ("gaps", 1),
        ),
        (
            "the newest event deleted",
            "DELETE FROM events WHERE id = 6",
            ("events", 6),
        ),
        (
            "a correction deleted",
            "DELETE FROM corrections WHERE id = 2",
            ("corrections", 2),
        ),
        (
            "the newest correction deleted",
            "DELETE FROM corrections WHERE id = 9",
            ("corrections", 9),
        ),
        (
            "a correction added",
            "INSERT INTO corrections SELECT 10, session, kind, target, beats, from_sample, \
             from_wall_us, to_sample, to_wall_us, class, note, author, origin, supersedes, about, \
             wall_us FROM corrections WHERE id = 2",
            ("corrections", 10),
        ),
        (
            "a beat of a correction exchanged",
            "UPDATE corrected_beats SET beat = 16 WHERE beat = 15",
            ("corrected_beats", 15),
        ),
        (
            "a stretch made longer where it is looked for",
            "INSERT INTO corrected_stretches VALUES (1, 1, 2)",
            ("corrected_stretches", 2),
        ),
        (
            "a stretch that nobody finds",
            "DELETE FROM corrected_stretches WHERE correction = 5",
            ("corrected_stretches", 5),
        ),
        (
            "a session deleted",
            "DELETE FROM sessions WHERE id = 2",
            ("sessions", 2),
        ),
        (
            "a beat added in a hole",
            "UPDATE beats SET id = 1000 WHERE id = 30; \
             INSERT INTO beats SELECT 30, session, r_sample, r_monotonic_ns, r_wall_us, rr_ms, class, \
             p_n, p_l, p_r, p_a, p_v, channel, quality, window_complete, label_delay_ms, decider, \
             unclassifiable FROM beats WHERE id = 29",
            ("beats", 30),
        ),
        (
            "a gap added at the end",
            "INSERT INTO gaps SELECT 4, session, first_missing_sample, missing_samples, \
             monotonic_ns, wall_us, cause, after_beat FROM gaps WHERE id = 3",
            ("gaps", 4),
        ),
        (
            "a session added",
            "INSERT INTO sessions SELECT 4, source, origin, chip, sample_rate_hz, uv_per_code_0, \
             uv_per_code_1, start_monotonic_ns, start_wall_us, decider, end_monotonic_ns, \
             end_wall_us, end_reason, samples, beats_n, beats_l, beats_r, beats_a, beats_v, gaps, \
             missing_samples, events, beats_unclassifiable, lead_0, lead_1, \
             mains_filter, channel_choice, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
             NULL, NULL FROM sessions WHERE id = 1",
            ("sessions", 4),
        ),
        (
            "two beats swapped",
            "UPDATE beats SET id = -1 WHERE id = 7; UPDATE beats SET id = 7 WHERE id = 9; \
             UPDATE beats SET id = 9 WHERE id = -1",
            ("beats", 7),
        ),
        (
            "two links swapped",
            "UPDATE chain SET id = -1 WHERE id = 7; UPDATE chain SET id = 7 WHERE id = 9; \
             UPDATE chain SET id = 9 WHERE id = -1",
            ("chain", 7),
        ),
        (
            "a link deleted",
            "DELETE FROM chain WHERE id = 12",
            ("chain", 12),
        ),
        (
            "the first link deleted",
            "DELETE FROM chain WHERE id = 1",
            ("chain", 1),
        ),
        (
            "a beat changed with its digest",
            "UPDATE beats SET class = 'V' WHERE id = 3; \
             UPDATE chain SET digest = zeroblob(32) WHERE kind = 'beat' AND row_id = 3",
            ("beats", 3),
        ),
        (
            "who labelled them",
            "UPDATE deciders SET model = 'other'",
            ("beats", 1),
        ),
        (
            "the end of an ended session taken away",
            "UPDATE sessions SET end_reason = NULL WHERE id = 1",
            ("sessions", 1),
        ),
        (
            "the end link of the last ended session cut with all after it",
            "DELETE FROM chain WHERE id >= (SELECT id FROM chain WHERE kind = 'end' AND row_id = 2); \
             DELETE FROM beats WHERE session = 3; DELETE FROM gaps WHERE session = 3; \
             DELETE FROM events WHERE session = 3; DELETE FROM clock_relations WHERE session = 3; \
             DELETE FROM ecg_blocks WHERE session = 3; DELETE FROM sessions WHERE id = 3; \
             DELETE FROM sqlite_sequence",
            ("sessions", 2),
        ),
        (
            "newest beats and their links cut off the end",
            "DELETE FROM chain WHERE id >= (SELECT id FROM chain WHERE kind = 'beat' AND row_id = 59); \
             DELETE FROM beats WHERE id >= 59; DELETE FROM ecg_blocks WHERE session = 3; \
             DELETE FROM gaps WHERE session = 3; DELETE FROM events WHERE session = 3; \
             DELETE FROM clock_relations WHERE session = 3",
            ("beats", 59),
        ),
        (
            "an anchor that allows what was deleted",
            "DELETE FROM beats WHERE id <= 20; INSERT INTO chain_anchors (what, first_id, last_id, \
             row_count, reason, wall_us) VALUES ('beats', 1, 20, 20, 'age', 0)",
            ("chain_anchors", 1),
        ),
        (
            "an anchor that makes an added row one of before",
            "UPDATE sqlite_sequence SET seq = 60; INSERT INTO chain_anchors (what, first_id, last_id, \
             row_count, reason, wall_us) VALUES ('gaps', 1, 4, 4, 'migration', 0); \
             INSERT INTO gaps SELECT 4, session, first_missing_sample, missing_samples, \
             monotonic_ns, wall_us, cause, after_beat FROM gaps WHERE id = 3",
            ("chain_anchors", 1),
        ),
    ];
    let mut failures = Vec::new();
    for (what, sql, expected) in rows {
        let verification = verify(&chained.changed(sql));
        if !named(&verification).contains(&expected) || verification.is_sound() {
            failures.push(format!("{what}: {:?}", verification.findings));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(links > 80);
}

#[test]
fn a_head_shows_a_chain_that_was_computed_anew_or_cut() {
    let chained = Chained::new();
    let head = verify(&chained.path).head.unwrap();
    assert_eq!(head.to_string().parse(), Ok(head));
    assert_eq!(head.session, 3);
    let ask = |path: &Path, head: ChainHead| {
        let verification = StoreReader::open(path).unwrap().verify(&[head]).unwrap();
        (verification.heads[0].verdict, verification.is_sound())
    };
    assert_eq!(ask(&chained.path, head), (HeadVerdict::Holds, true));
    let other = ChainHead {
        hash: [7; 32],
        ..head
    };
    assert_eq!(ask(&chained.path, other), (HeadVerdict::Differs, false));
    let earlier = ChainHead { session: 2, ..head };
    assert_eq!(ask(&chained.path, earlier), (HeadVerdict::Differs, false));
    // everything of the last session cut away, ids given included: the rest is sound by itself
    let cut = chained.changed(
        "DELETE FROM chain WHERE session = 3; DELETE FROM beats WHERE session = 3; \
         DELETE FROM gaps WHERE session = 3; DELETE FROM events WHERE session = 3; \
         DELETE FROM clock_relations WHERE session = 3; DELETE FROM ecg_blocks WHERE session = 3; \
         PRAGMA foreign_keys = ON; DELETE FROM corrections WHERE session = 3; \
         DELETE FROM sessions WHERE id = 3; DELETE FROM sqlite_sequence; DELETE FROM given_ids",
    );
    assert!(verify(&cut).is_sound());
    assert_eq!(ask(&cut, head), (HeadVerdict::Missing, false));
    for text in [
        "",
        "1:2",
        "1:2:ff",
        "0:1:00",
        &format!("1:0:{}", "0".repeat(64)),
    ] {
        assert!(text.parse::<ChainHead>().is_err(), "{text}");
    }
}

/// Deletes the oldest as `retention` says, until nothing is left to do.
fn retain(path: &Path, retention: Retention, now: WallUs) {
    let mut connection = Connection::open(path).unwrap();
    let leave = Leave {
        now,
        by_age: true,
        for_space: false,
    };
    for _ in 0..1_000 {
        if !retention.step(&mut connection, &leave).unwrap().more {
            return;
        }
    }
    panic!("retention never ends");
}

#[test]
fn verification_goes_on_after_retention() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    let hour = 3_600;
    for session in 0..6 {
        let info = session_info(session * hour);
        written.begin_session(&info).unwrap();
        for k in 0..500 {
            put(&written, PipelineEvent::Beat(beat(&info, k)));
            if k % 10 == 0 {
                put(&written, PipelineEvent::Ecg(block(&info, k * 400, 400)));
            }
        }
        let at = time_of(&info, 500 * 400);
        let end = ClockRelation {
            monotonic: at,
            wall: info.start.wall_at(at),
        };
        written.end_session(end, "stopped").unwrap();
    }
    written.close().unwrap();
    let before = verify(&path);
    let head_of = |link| {
        Connection::open(&path)
            .unwrap()
            .query_row(
                "SELECT session, id, hash FROM chain WHERE id = ?1",
                [link],
                |row| {
                    Ok(ChainHead {
                        session: row.get(0)?,
                        link: row.get(1)?,
                        hash: row.get(2)?,
                    })
                },
            )
            .unwrap()
    };
    let (early, late) = (head_of(100), before.head.unwrap());
    let ages = |rows: u64, ecg: u64| Retention {
        rows: Some(std::time::Duration::from_secs(rows * hour)),
        ecg: Some(std::time::Duration::from_secs(ecg * hour)),
        ..Retention::default()
    };
    // ECG first: its links lie between those of beats that are still there
    retain(&path, ages(100, 3), session_info(6 * hour).start.wall);
    let verification = verify(&path);
    assert!(verification.is_sound(), "{:#?}", verification.findings);
    assert_eq!(verification.tables["ecg_blocks"].deleted, 150);
    assert_eq!(verification.links, before.links + 3, "a link for each step");
    // then beats: links that nothing needs any more go with them
    for now in [4, 5, 6] {
        retain(&path, ages(3, 3), session_info(now * hour).start.wall);
        let verification = verify(&path);
        assert!(verification.is_sound(), "{:#?}", verification.findings);
    }
    let verification = StoreReader::open(&path)
        .unwrap()
        .verify(&[early, late])
        .unwrap();
    assert_eq!(verification.heads[0].verdict, HeadVerdict::Removed);
    assert_eq!(verification.heads[1].verdict, HeadVerdict::Holds);
    assert!(verification.is_sound(), "{:#?}", verification.findings);
    assert!(
        verification.links < before.links * 6 / 10,
        "{}",
        verification.links
    );
    assert_eq!(verification.tables["beats"].protected, 1_500);
    // and what is done to the rest is still found
    for (sql, expected) in [
        (
            "UPDATE beats SET class = 'L' WHERE id = 2000",
            ("beats", 2_000),
        ),
        (
            "UPDATE sessions SET origin = '' WHERE id = 1",
            ("sessions", 1),
        ),
        (
            "UPDATE chain_anchors SET last_id = last_id + 1 WHERE what = 'beats'",
            ("chain_anchors", 2),
        ),
        (
            "UPDATE chain_anchors SET hash = zeroblob(32) WHERE what = 'chain'",
            ("chain_anchors", 3),
        ),
        ("DELETE FROM beats WHERE id <= 1501", ("beats", 1_501)),
        (
            "INSERT INTO beats SELECT 1, session, r_sample, r_monotonic_ns, r_wall_us, rr_ms, \
             class, p_n, p_l, p_r, p_a, p_v, channel, quality, window_complete, label_delay_ms, \
             decider, unclassifiable FROM beats WHERE id = 2000",
            ("beats", 1),
        ),
    ] {
        let copy = path.with_extension("changed.db");
        std::fs::copy(&path, &copy).unwrap();
        unguarded(&copy).execute_batch(sql).unwrap();
        let found = verify(&copy);
        assert!(
            named(&found).contains(&expected),
            "{sql}: {:?}",
            found.findings
        );
    }
}

/// Computed from docs/database.md by another program: sessions from before schema version 9 keep theirs.
#[test]
fn the_digest_of_a_session_has_its_treatment_only_where_it_is_known() {
    let info = session_info(0);
    let before = SessionInfo {
        mains: None,
        channel: None,
        ..info.clone()
    };
    for (info, expected) in [
        (
            before,
            "2082495a351eef4dde353cbb069b2a7086d6bcc11a14432067852ad47c01258e",
        ),
        (
            info,
            "2fa6fcda4905c1ceb18c940db17aee18cead5c49e8b3bb154bb2427f7da910bd",
        ),
    ] {
        let (_folder, path) = place("beats.db");
        drop(Store::open(&path, options()).unwrap());
        let connection = Connection::open(&path).unwrap();
        let before = "INSERT INTO sqlite_sequence (name, seq) VALUES ('sessions', 6)";
        connection.execute_batch(before).unwrap();
        drop(connection);
        let written = writer(&path);
        assert_eq!(written.begin_session(&info).unwrap(), Some(7));
        written.close().unwrap();
        let digest: String = Connection::open(&path)
            .unwrap()
            .query_row("SELECT lower(hex(digest)) FROM chain", [], |row| row.get(0))
            .unwrap();
        assert_eq!(digest, expected);
        assert!(verify(&path).is_sound());
    }
}

#[test]
fn rows_of_before_the_chain_are_counted_and_no_more_can_be_added() {
    let (_folder, path) = place("beats.db");
    old_database(
        &path,
        4,
        "INSERT INTO deciders VALUES (1, 'v1', 'cpu');
             INSERT INTO sessions (source, origin, chip, sample_rate_hz, uv_per_code_0,
                 uv_per_code_1, start_monotonic_ns, start_wall_us, decider)
                 VALUES ('replay', 'old.ecgt', 'ADS1292', 500, 1, 1, 0, 0, 1);
             WITH RECURSIVE k (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM k WHERE k < 9)
             INSERT INTO beats (session, r_sample, r_monotonic_ns, r_wall_us, rr_ms, class, p_n,
                 p_l, p_r, p_a, p_v, channel, quality, window_complete, label_delay_ms, decider)
                 SELECT 1, 400 * k, 800000000 * k, 800000 * k, 800, 'V', 0, 0, 0, 0, 1, 0, 'good',
                 1, 600, 1 FROM k;
             DELETE FROM beats WHERE id IN (2, 3);
             INSERT INTO ecg_blocks VALUES (1, 1, 0, 3, 0, x'010302020400020404')",
    );
    drop(Store::open(&path, options()).unwrap()); // closes the old session: a gap and its end
    let migrated = verify(&path);
    assert!(migrated.is_sound(), "{:#?}", migrated.findings);
    filled(&path, 1_000, 5);
    let verification = verify(&path);
    assert!(verification.is_sound(), "{:#?}", verification.findings);
    let counts = |table| {
        let found = verification.tables[table];
        (found.protected, found.unprotected)
    };
    assert_eq!(counts("beats"), (5, 7));
    assert_eq!(counts("sessions"), (1, 1));
    assert_eq!(counts("gaps"), (1, 0));
    assert_eq!(counts("ecg_blocks"), (0, 1));
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("DROP TRIGGER beats_stay; UPDATE beats SET class = 'N' WHERE id = 1")
        .unwrap();
    assert!(verify(&path).is_sound(), "rows of before are not protected");
    connection
        .execute(
            "INSERT INTO beats SELECT 2, session, r_sample, r_monotonic_ns, r_wall_us, rr_ms, class, \
             p_n, p_l, p_r, p_a, p_v, channel, quality, window_complete, label_delay_ms, decider, \
             unclassifiable FROM beats WHERE id = 1",
            [],
        )
        .unwrap();
    assert_eq!(named(&verify(&path)), [("beats", 0)]);
}

#[test]
fn what_the_store_tells_after_a_sessions_end_is_in_its_counts() {
    let (_folder, path) = place("beats.db");
    let written = start(
        &path,
        StoreOptions {
            busy_timeout: std::time::Duration::from_millis(5),
            outage: Outage::GiveUpAfter(std::time::Duration::from_secs(30)),
            ..options()
        },
    );
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| written.end_session(info.start, "stopped").unwrap());
        // told once it has lasted more than a second
        while written.monitor().status().rows_waiting == 0 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        other.execute_batch("ROLLBACK").unwrap();
    });
    written.close().unwrap();
    let verification = verify(&path);
    assert!(verification.is_sound(), "{:#?}", verification.findings);
    assert_eq!(
        verification.tables["events"].protected, 2,
        "the outage was told"
    );
    let ends = number(&path, "SELECT count(*) FROM chain WHERE kind = 'end'");
    assert_eq!(ends, 2);
}

/// What `docs/database.md` says is all a stranger needs.
#[test]
fn a_script_with_nothing_but_a_hash_library_gets_the_same_head() {
    let chained = Chained::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/chain-head");
    let output = match Command::new("python3")
        .arg(script)
        .arg(&chained.path)
        .output()
    {
        Ok(output) => output,
        Err(error) => {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "CI must have python3: {error}"
            );
            println!("SKIPPED: no python3 here: {error}");
            return;
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{wrong}");
    assert_eq!(said.trim(), verify(&chained.path).head.unwrap().to_string());
    let changed = chained.changed("UPDATE events SET detail = 'nothing' WHERE id = 2");
    let output = Command::new("python3")
        .arg(script)
        .arg(changed)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(wrong.contains("events 2"), "{wrong}");
}

#[test]
fn numbers_that_sqlite_stores_otherwise_are_hashed_as_it_stores_them() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    for rr_ms in [
        Some(-0.0),
        Some(0.0),
        Some(1e30),
        Some(f32::NAN),
        Some(0.1),
        None,
    ] {
        let mut beat = beat(&info, 1);
        beat.rr_ms = rr_ms;
        beat.probabilities = [0.0, -0.0, 1.0, f32::MIN_POSITIVE, 1.0 / 3.0];
        beat.r_time = MonotonicNs(u64::try_from(i64::MAX).unwrap());
        beat.r_sample = RATE_HZ;
        put(&written, PipelineEvent::Beat(beat));
    }
    written.close().unwrap();
    let verification = verify(&path);
    assert!(verification.is_sound(), "{:#?}", verification.findings);
    assert_eq!(verification.tables["beats"].protected, 6);
}
