//! Room on the medium, waits before deleting, and the check in the background.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ecg_chain::{ClockRelation, WallUs};
use ecg_chain::{PipelineEvent, SessionInfo};
use rusqlite::Connection;

use super::super::checkup::check;
use super::super::deletion_delay::{DOUBT, DeletionDelay, Waits};
use super::super::housekeeping::{Housekeeping, Standing};
use super::super::{
    Checkup, MinFree, Retention, RowFilter, Space, SpaceSource, Store, StoreOptions, StoreReader,
    StoreWriter, WriterMonitor,
};
use super::{
    beat, block, filled, number, old_database, options, place, put, session_info, start, writer,
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const MIB: u64 = 1 << 20;

/// Signal so slow that a block of 100 samples is an hour of it.
fn slow(start_s: u64) -> SessionInfo {
    SessionInfo {
        sample_rate_hz: 100.0 / 3_600.0,
        ..session_info(start_s)
    }
}

fn record_hour(written: &StoreWriter, info: &SessionInfo, hour: u64) {
    written
        .record(PipelineEvent::Ecg(block(info, hour * 100, 100)))
        .unwrap();
    written
        .record(PipelineEvent::Beat(beat(info, hour)))
        .unwrap();
}

fn retention(bytes: u64) -> Retention {
    Retention {
        min_free: Some(MinFree { percent: 0, bytes }),
        ..Retention::default()
    }
}

/// Turns until there is nothing more to do at once.
fn turns(
    housekeeping: &mut Housekeeping,
    connection: &mut Connection,
    elapsed: Duration,
    free: u64,
) -> Standing {
    let space = Space {
        total: 1_000 * MIB,
        free,
    };
    let monitor = WriterMonitor::default();
    let mut elapsed = elapsed;
    for _ in 0..100 {
        let (more, standing) = housekeeping
            .look_and_delete(
                connection,
                WallUs(0),
                elapsed,
                Some((space, 100 * MIB)),
                &monitor,
            )
            .unwrap();
        elapsed = Duration::ZERO;
        if !more {
            return standing;
        }
    }
    panic!("it never ends");
}

#[test]
fn a_full_medium_takes_the_oldest_ecg_but_never_the_last_day_nor_beats() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    for session in 0..3 {
        let info = slow(session * 100_000);
        written.begin_session(&info).unwrap();
        for hour in 0..10 + 10 * session {
            record_hour(&written, &info, hour);
        }
        written.end_session(info.start, "stopped").unwrap();
    }
    written.close().unwrap();
    let mut housekeeping = Housekeeping::new(&StoreOptions {
        retention: retention(100 * MIB),
        ..options()
    });
    let mut connection = Connection::open(&path).unwrap();
    let quiet = turns(&mut housekeeping, &mut connection, HOUR, 100 * MIB);
    assert_eq!(quiet, Standing::default());
    assert_eq!(number(&path, "SELECT count(*) FROM ecg_blocks"), 60);
    let full = turns(&mut housekeeping, &mut connection, HOUR, 90 * MIB);
    // 24 whole hours and what the first of them begins in; the newest session alone has 30
    let left: Vec<i64> = connection
        .prepare("SELECT id FROM ecg_blocks ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(left, (37..=60).collect::<Vec<_>>());
    assert_eq!(number(&path, "SELECT count(*) FROM beats"), 60);
    let why = full.no_room.unwrap();
    assert!(
        why.contains("90 MiB of the medium are free, 100 are to stay free"),
        "{why}"
    );
    // once there is room, and a little more
    let barely = turns(&mut housekeeping, &mut connection, HOUR, 100 * MIB);
    assert!(barely.no_room.is_some());
    let enough = turns(&mut housekeeping, &mut connection, HOUR, 103 * MIB);
    assert_eq!(enough, Standing::default());
    drop(connection);
    let verification = StoreReader::open(&path).unwrap().verify(&[]).unwrap();
    assert!(verification.is_sound(), "{:#?}", verification.findings);
    assert_eq!(verification.tables["ecg_blocks"].deleted, 36);
}

#[test]
fn free_pages_of_the_file_count_as_room() {
    let (_folder, path) = place("beats.db");
    filled(&path, 0, 10);
    let mut connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE large (x BLOB); INSERT INTO large VALUES (zeroblob(2000000)); \
             DROP TABLE large",
        )
        .unwrap();
    let mut housekeeping = Housekeeping::new(&StoreOptions {
        retention: retention(100 * MIB),
        ..options()
    });
    let short = |standing: &Standing| standing.no_room.is_some();
    // nothing can be deleted, so it would be said at once
    let almost = turns(
        &mut housekeeping,
        &mut connection,
        HOUR,
        100 * MIB - 900_000,
    );
    assert!(!short(&almost), "{almost:?}");
    let missing = turns(&mut housekeeping, &mut connection, HOUR, 97 * MIB);
    assert!(short(&missing));
}

#[test]
fn ecg_that_is_not_stored_is_told_and_goes_on_once_there_is_room() {
    let (_folder, path) = place("beats.db");
    let free = Arc::new(AtomicU64::new(500 * MIB));
    let told = Arc::clone(&free);
    let written = start(
        &path,
        StoreOptions {
            retention: retention(100 * MIB),
            space: SpaceSource::new(move |_| {
                Ok(Space {
                    total: 1_000 * MIB,
                    free: told.load(Ordering::Relaxed),
                })
            }),
            ..options()
        },
    );
    let monitor = written.monitor();
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < deadline, "never: {what}");
            assert!(monitor.confirm_retention()); // looks again at once
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let shown = || -> Vec<&'static str> {
        let conditions = monitor.status().conditions;
        conditions
            .iter()
            .map(|condition| condition.kind.name())
            .collect()
    };
    let info = slow(0);
    written.begin_session(&info).unwrap();
    for hour in 0..5 {
        record_hour(&written, &info, hour);
    }
    written.flush().unwrap(); // all looked at with room enough
    free.store(50 * MIB, Ordering::Relaxed);
    until("it is told", &|| shown() == ["ecg_not_stored"]);
    for hour in 5..10 {
        record_hour(&written, &info, hour);
    }
    written.flush().unwrap();
    assert_eq!(monitor.status().blocks_not_stored, 5);
    assert_eq!(monitor.status().free_bytes_wanted, Some(100 * MIB));
    // another session begins with it
    written.end_session(info.start, "stopped").unwrap();
    let info = slow(100_000);
    written.begin_session(&info).unwrap();
    free.store(500 * MIB, Ordering::Relaxed);
    until("it is over", &|| shown().is_empty());
    record_hour(&written, &info, 1);
    written.close().unwrap();
    assert_eq!(number(&path, "SELECT count(*) FROM ecg_blocks"), 6);
    assert_eq!(number(&path, "SELECT count(*) FROM beats"), 11);
    let reader = StoreReader::open(&path).unwrap();
    let events = reader.events(&RowFilter::default()).unwrap();
    let seen: Vec<_> = events
        .iter()
        .map(|event| (event.session, &*event.kind, event.phase.as_deref().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            (1, "ecg_not_stored", "begin"),
            (2, "ecg_not_stored", "begin"),
            (2, "ecg_not_stored", "end"),
        ]
    );
    assert_eq!(
        events[2].began.unwrap().0,
        0,
        "the end knows its beginning in this session"
    );
    assert_eq!(events[2].detail, "ecg_not_stored: over");
}

/// A tmpfs of this size, unmounted when dropped; `None`, with a word about it, where none may be mounted.
pub(super) struct SmallMedium(pub(super) tempfile::TempDir);

impl SmallMedium {
    pub(super) fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={size}"))
            .arg("tmpfs")
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            other => {
                assert!(
                    std::env::var("CI").as_deref() != Ok("true"),
                    "CI must be able to mount: {other:?}"
                );
                println!("SKIPPED: no small medium here: {other:?}");
                None
            }
        }
    }
}

impl Drop for SmallMedium {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_small_medium_is_never_filled() {
    let Some(medium) = SmallMedium::new("48m") else {
        return;
    };
    let path: PathBuf = medium.0.path().join("beats.db");
    let written = start(
        &path,
        StoreOptions {
            retention: retention(16 * MIB),
            ..options()
        },
    );
    let info = SessionInfo {
        sample_rate_hz: 0.1, // a block of 10,000 samples is more than a day
        ..session_info(0)
    };
    written.begin_session(&info).unwrap();
    let mut state = 1_u32;
    let space = || SpaceSource::default().at(&path).unwrap().free;
    let mut least = u64::MAX;
    for k in 0..800 {
        let mut block = block(&info, 10_000 * k, 10_000);
        for codes in &mut block.codes {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *codes = [i32::from_ne_bytes(state.to_ne_bytes()) >> 8; 2];
        }
        put(&written, PipelineEvent::Ecg(block));
        put(&written, PipelineEvent::Beat(beat(&info, k)));
        written.flush().unwrap();
        if k % 20 == 19 {
            least = least.min(space());
            // as many looks as the minutes would bring in which so much ECG comes
            for _ in 0..3 {
                assert!(written.monitor().confirm_retention());
                written.flush().unwrap();
            }
        }
    }
    let status = written.monitor().status();
    written.close().unwrap();
    assert!(status.blocks_deleted > 100, "{status:#?}");
    assert_eq!(status.failure, None);
    assert_eq!(number(&path, "SELECT count(*) FROM beats"), 800);
    // between two looks 20 blocks of 70 kB came, and the log takes some
    assert!(least > 4 * MIB, "{least} bytes were left at the least");
    let verification = StoreReader::open(&path).unwrap().verify(&[]).unwrap();
    assert!(verification.is_sound(), "{:#?}", verification.findings);
    assert!(space() + 2 * MIB > 16 * MIB, "{} bytes are free", space());
}

/// A database whose sessions of ten minutes begin on these days.
fn on_days(path: &Path, days: &[i64]) {
    let written = writer(path);
    for (k, day) in (0..).zip(days) {
        let mut info = session_info(k * 1_000);
        info.start.wall = WallUs(info.start.wall.0 + day * 86_400_000_000);
        written.begin_session(&info).unwrap();
        for k in 0..5 {
            put(&written, PipelineEvent::Beat(beat(&info, k)));
        }
        put(&written, PipelineEvent::Ecg(block(&info, 0, 5_000)));
        let end = info.start.monotonic.plus_ns(600_000_000_000);
        let at = ClockRelation {
            monotonic: end,
            wall: info.start.wall_at(end),
        };
        written.end_session(at, "stopped").unwrap();
    }
    written.close().unwrap();
}

/// Days from the usual start back to 1970.
const TO_1970: i64 = -19_675;

#[test]
fn one_wrong_clock_does_not_delete_everything() {
    for (what, days, told) in [
        (
            "a session at +400 days",
            &[0, 1, 2, 402][..],
            "400.0 days after",
        ),
        (
            "sessions at 1970, then the right time",
            &[TO_1970, TO_1970, 3],
            "days after",
        ),
        ("the time went back", &[40, 41, 2], "days before"),
    ] {
        let (_folder, path) = place("beats.db");
        on_days(&path, days);
        let sessions = i64::try_from(days.len()).unwrap();
        let newest = *days.last().unwrap();
        let now = WallUs(super::START_WALL_US + newest * 86_400_000_000);
        let ages = StoreOptions {
            retention: Retention {
                rows: Some(DAY * 3),
                ecg: Some(DAY),
                ..Retention::default()
            },
            ..options()
        };
        let mut connection = Connection::open(&path).unwrap();
        let mut step = |housekeeping: &mut Housekeeping, elapsed| loop {
            let (more, standing) = housekeeping
                .look_and_delete(
                    &mut connection,
                    now,
                    elapsed,
                    None,
                    &WriterMonitor::default(),
                )
                .unwrap();
            if !more {
                break standing;
            }
        };
        let whole = || {
            number(&path, "SELECT count(*) FROM beats") == 5 * sessions
                && number(&path, "SELECT count(*) FROM ecg_blocks") == sessions
        };
        let mut housekeeping = Housekeeping::new(&ages);
        for elapsed in [Duration::ZERO, HOUR, HOUR * 10] {
            let doubt = step(&mut housekeeping, elapsed).age_doubt.expect(what);
            assert!(doubt.contains(told), "{what}: {doubt}");
            assert!(whole(), "{what}");
        }
        // a restart goes on with the wait
        let mut housekeeping = Housekeeping::new(&ages);
        assert!(
            step(&mut housekeeping, HOUR * 12).age_doubt.is_some(),
            "{what}"
        );
        assert!(whole(), "{what}");
        // and after a day of running the clock is believed
        assert_eq!(
            step(&mut housekeeping, HOUR * 2),
            Standing::default(),
            "{what}"
        );
        let gone = 5 * sessions - number(&path, "SELECT count(*) FROM beats");
        if newest > days[0] {
            assert!(gone > 0, "{what}");
        }
        // in a second life nothing is doubted again
        let mut housekeeping = Housekeeping::new(&ages);
        assert_eq!(
            step(&mut housekeeping, Duration::ZERO),
            Standing::default(),
            "{what}"
        );
    }
}

/// Of a session that a crash ended without a beat only the beginning is known: a later time says nothing.
#[test]
fn an_end_that_nobody_knows_raises_no_doubt() {
    for (days, told) in [(&[0, 1, 6], None), (&[0, 2, 1], Some("before"))] {
        let (_folder, path) = place("beats.db");
        on_days(&path, days);
        let mut connection = Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "UPDATE sessions SET end_reason = 'interrupted', end_monotonic_ns = NULL, \
                 end_wall_us = NULL WHERE id = 2; DELETE FROM beats WHERE session = 2",
            )
            .unwrap();
        let waits = DeletionDelay::new(Some(DAY * 3)).turn(&mut connection, HOUR);
        let doubt = waits.unwrap().doubt.map(|(_, why)| why);
        assert_eq!(doubt.is_some(), told.is_some(), "{doubt:?}");
        assert!(doubt.is_none_or(|why| why.contains(told.unwrap())));
    }
}

#[test]
fn a_person_ends_the_wait_and_a_new_doubt_begins_it_anew() {
    let (_folder, path) = place("beats.db");
    on_days(&path, &[0, 400]);
    let mut connection = Connection::open(&path).unwrap();
    let mut delay = DeletionDelay::new(Some(DAY * 3));
    let left = |waits: Waits| waits.doubt.map(|(left, _)| left);
    assert_eq!(
        left(delay.turn(&mut connection, HOUR).unwrap()),
        Some(DOUBT)
    );
    assert_eq!(
        left(delay.turn(&mut connection, HOUR).unwrap()),
        Some(DOUBT - HOUR)
    );
    on_days(&path, &[1]);
    assert_eq!(
        left(delay.turn(&mut connection, HOUR).unwrap()),
        Some(DOUBT)
    );
    delay.confirm(&mut connection).unwrap();
    assert_eq!(left(delay.turn(&mut connection, HOUR).unwrap()), None);
    assert_eq!(
        left(
            DeletionDelay::new(Some(DAY * 3))
                .turn(&mut connection, HOUR)
                .unwrap()
        ),
        None
    );
    // a step within a session, too, but no small one
    for (step_us, doubted) in [(1_000_000, false), (-400 * 86_400_000_000_i64, true)] {
        let relation = "INSERT INTO clock_relations (session, monotonic_ns, wall_us, step_us) \
                        VALUES (1, 0, 0, ?1)";
        connection.execute(relation, [step_us]).unwrap();
        let waits = delay.turn(&mut connection, HOUR).unwrap();
        assert_eq!(waits.doubt.is_some(), doubted, "{step_us}");
    }
}

#[test]
fn times_that_nobody_need_doubt_are_not_doubted() {
    let (_folder, path) = place("beats.db");
    on_days(&path, &[0, 0, 1, 2, 4]); // over night, and a weekend
    let mut connection = Connection::open(&path).unwrap();
    let waits = DeletionDelay::new(Some(DAY * 3))
        .turn(&mut connection, HOUR)
        .unwrap();
    assert_eq!(waits, Waits::default());
    // but where a day is all that is kept, a leap of a day would take everything
    let waits = DeletionDelay::new(Some(DAY))
        .turn(&mut connection, HOUR)
        .unwrap();
    assert!(waits.doubt.is_some());
}

#[test]
fn an_upgraded_database_warns_for_a_day_of_running_before_it_deletes() {
    let (folder, path) = place("beats.db");
    old_database(
        &path,
        4,
        "INSERT INTO deciders VALUES (1, 'v1', 'cpu');
             INSERT INTO sessions (source, origin, chip, sample_rate_hz, uv_per_code_0,
                 uv_per_code_1, start_monotonic_ns, start_wall_us, decider, end_reason)
                 VALUES ('live', 'x', 'ADS1292', 1, 1, 1, 0, 0, 1, 'stopped');
             WITH RECURSIVE k (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM k WHERE k < 47)
             INSERT INTO ecg_blocks (session, first_sample, samples, first_monotonic_ns, codes)
                 SELECT 1, 3600 * k, 3600, 3600000000000 * k, x'00' FROM k;",
    );
    drop(Store::open(&path, options()).unwrap());
    let options = StoreOptions {
        retention: retention(100 * MIB),
        ..options()
    };
    let mut connection = Connection::open(&path).unwrap();
    let blocks = || number(&path, "SELECT count(*) FROM ecg_blocks");
    let mut housekeeping = Housekeeping::new(&options);
    let first = turns(&mut housekeeping, &mut connection, Duration::ZERO, 50 * MIB);
    let warning = first.warning.unwrap();
    assert!(warning.starts_with("in 24.0 h of running"), "{warning}");
    assert_eq!(first.no_room, None, "nothing was kept free before, either");
    for _ in 0..3 {
        // each life is seven hours, and what is not yet stored of it is lost
        housekeeping = Housekeeping::new(&options);
        let waits = turns(&mut housekeeping, &mut connection, HOUR * 7, 50 * MIB);
        assert!(waits.warning.is_some());
        turns(
            &mut housekeeping,
            &mut connection,
            Duration::from_secs(599),
            50 * MIB,
        );
    }
    assert_eq!(blocks(), 48);
    housekeeping = Housekeeping::new(&options);
    let waits = turns(&mut housekeeping, &mut connection, HOUR * 2, 50 * MIB);
    assert!(waits.warning.unwrap().starts_with("in 1.0 h"));
    let over = turns(&mut housekeeping, &mut connection, HOUR, 50 * MIB);
    assert_eq!(over.warning, None);
    assert_eq!(blocks(), 24);
    // a fresh database has nothing to warn of
    let fresh = folder.path().join("fresh.db");
    drop(Store::open(&fresh, StoreOptions::default()).unwrap());
    assert_eq!(number(&fresh, "SELECT count(*) FROM retention_state"), 0);
}

fn damage_gaps(path: &Path) {
    let page = number(
        path,
        "SELECT rootpage FROM sqlite_schema WHERE name = 'gaps_by_time'",
    );
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let at = (page.unsigned_abs() - 1) * 4_096;
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xa5; 4_096], at).unwrap();
}

#[test]
fn a_table_too_large_to_be_checked_leaves_the_others_to_be_checked() {
    let (_folder, path) = place("beats.db");
    filled(&path, 0, 1);
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "WITH RECURSIVE k (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM k WHERE k < 300000) \
             INSERT INTO ecg_blocks SELECT k, 1, 3 * k, 3, 0, x'010302020400020404' FROM k",
        )
        .unwrap();
    drop(connection);
    damage_gaps(&path);
    let (monitor, stop) = (WriterMonitor::default(), Arc::new(AtomicBool::new(false)));
    let checked = check(&path, &monitor, &stop, Duration::from_millis(50));
    let checked = checked.unwrap().unwrap();
    let (findings, left_out) = (checked.findings, checked.left_out);
    assert!(
        left_out.iter().any(|table| table == "ecg_blocks"),
        "{left_out:?}"
    );
    assert!(
        findings.iter().any(|found| found.starts_with("gaps")),
        "{findings:?}"
    );
}

#[test]
fn damage_in_a_page_nobody_reads_is_found_and_told_and_nothing_else_is_done() {
    let folder = tempfile::tempdir().unwrap();
    for damaged in [false, true] {
        let path = folder.path().join(format!("{damaged}.db"));
        filled(&path, 0, 2_000);
        if damaged {
            damage_gaps(&path);
        }
        let written = start(
            &path,
            StoreOptions {
                checkup: Some(Checkup {
                    first: Duration::ZERO,
                    every: HOUR,
                }),
                ..options()
            },
        );
        let info = session_info(10_000);
        written.begin_session(&info).unwrap();
        let monitor = written.monitor();
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut k = 0;
        while monitor.status().checkup.finished == 0 {
            assert!(Instant::now() < deadline, "it is never checked");
            put(&written, PipelineEvent::Beat(beat(&info, k)));
            written.flush().unwrap(); // commits do not wait for the check
            k += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        while damaged && monitor.status().conditions.is_empty() {
            assert!(Instant::now() < deadline, "it is never told");
            std::thread::sleep(Duration::from_millis(20));
        }
        written.end_session(info.start, "stopped").unwrap();
        let status = monitor.status();
        written.close().unwrap();
        assert_eq!(status.checkup.damaged, u64::from(damaged));
        assert_eq!(status.failure, None);
        assert_eq!(status.quarantined, 0);
        let reader = StoreReader::open(&path).unwrap();
        let events = reader.events(&RowFilter::default()).unwrap();
        let kinds: Vec<_> = events.iter().map(|event| &*event.kind).collect();
        if damaged {
            let damage = status.checkup.damage.unwrap();
            assert!(damage.starts_with("gaps"), "{damage}");
            assert_eq!(kinds, ["store_damaged"]);
            assert!(!reader.verify(&[]).unwrap().is_sound());
        } else {
            assert!(kinds.is_empty());
        }
    }
}
