//! Retention: what is deleted, what is kept, and that the file gives the room back.

use std::path::Path;
use std::time::Duration;

use ecg_chain::PipelineEvent;
use ecg_chain::WallUs;
use rusqlite::Connection;

use super::super::retention::{Deleted, Leave};
use super::super::{Retention, RowFilter, StoreOptions, StoreReader};
use super::{beat, block, event, fill, gap, options, place, put, session_info, start, writer};

const HOUR_S: u64 = 3_600;
const HOUR: Duration = Duration::from_secs(HOUR_S);

/// An hour's session at each of these hours: 20 beats, a gap, an event, 10 blocks of noise.
fn filled(path: &Path, hours: &[u64]) {
    let written = writer(path);
    for hour in hours {
        let info = session_info(hour * HOUR_S);
        written.begin_session(&info).unwrap();
        for k in 0..20 {
            put(&written, PipelineEvent::Beat(beat(&info, k)));
        }
        put(&written, PipelineEvent::Gap(gap(&info, 9_000, 1)));
        put(&written, PipelineEvent::Event(event(&info, 9_001)));
        let mut state = 1_u32;
        for k in 0..10 {
            let mut block = block(&info, 10_000 * k, 10_000);
            for codes in &mut block.codes {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *codes = [i32::from_ne_bytes(state.to_ne_bytes()) >> 8; 2];
            }
            put(&written, PipelineEvent::Ecg(block));
        }
        written.end_session(info.start, "stopped").unwrap();
    }
    written.close().unwrap();
}

fn count(path: &Path, table: &str) -> i64 {
    Connection::open(path)
        .unwrap()
        .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
            row.get(0)
        })
        .unwrap()
}

fn work(path: &Path, retention: Retention, now: WallUs) -> Deleted {
    let mut connection = Connection::open(path).unwrap();
    let mut all = Deleted::default();
    for _ in 0..1_000 {
        let leave = Leave {
            now,
            by_age: true,
            for_space: false,
        };
        let deleted = retention.step(&mut connection, &leave).unwrap();
        all.blocks += deleted.blocks;
        all.rows += deleted.rows;
        if !deleted.more {
            return all;
        }
    }
    panic!("retention never ends");
}

fn now(hours: u64) -> WallUs {
    session_info(hours * HOUR_S).start.wall
}

#[test]
fn age_takes_the_oldest_and_the_counts_stay() {
    let (_folder, path) = place("beats.db");
    filled(&path, &[0, 1, 2, 3]);
    let totals = StoreReader::open(&path).unwrap().totals().unwrap();
    let retention = Retention {
        rows: Some(HOUR * 3),
        ecg: Some(HOUR),
        ..Retention::default()
    };
    assert!(!retention.keeps_everything());
    let deleted = work(&path, retention, now(3));
    assert_eq!((deleted.blocks, deleted.rows), (20, 0)); // hours 0 and 1, whose first blocks are older
    let deleted = work(&path, retention, now(4));
    assert_eq!((deleted.blocks, deleted.rows), (10, 22)); // hour 2's ECG; hour 0's rows
    let reader = StoreReader::open(&path).unwrap();
    assert_eq!(reader.totals().unwrap(), totals);
    let beats = reader.beats(&RowFilter::default()).unwrap();
    assert_eq!((beats[0].id, beats.len()), (21, 60));
    assert_eq!(count(&path, "sessions"), 4);
    assert_eq!(work(&path, retention, now(4)), Deleted::default());
}

#[test]
fn a_wall_clock_set_back_deletes_nothing_that_came_later() {
    let (_folder, path) = place("beats.db");
    filled(&path, &[100, 0]); // the clock was wrong at first
    let retention = Retention {
        rows: Some(HOUR),
        ecg: Some(HOUR),
        ..Retention::default()
    };
    assert_eq!(work(&path, retention, now(1)), Deleted::default());
}

#[test]
fn size_takes_raw_ecg_first_and_the_file_shrinks() {
    let (_folder, path) = place("beats.db");
    filled(&path, &[0, 1, 2, 3, 4, 5]);
    let before = std::fs::metadata(&path).unwrap().len();
    assert!(before > 3 << 20, "{before}");
    let retention = Retention {
        most_bytes: Some(1 << 20),
        ..Retention::default()
    };
    let deleted = work(&path, retention, now(6));
    assert!(deleted.blocks > 0);
    assert_eq!(deleted.rows, 0);
    let after = std::fs::metadata(&path).unwrap().len();
    assert!(after <= (2 << 20) + 4_096, "{before} became {after}");
    // with a limit that even the rows break, the oldest rows go as well
    let retention = Retention {
        most_bytes: Some(1),
        ..Retention::default()
    };
    let deleted = work(&path, retention, now(6));
    assert_eq!(count(&path, "ecg_blocks"), 0);
    assert_eq!((deleted.rows, count(&path, "beats")), (6 * 22, 0));
    let integrity: String = Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok");
}

#[test]
fn the_writer_does_it_between_commits() {
    let (_folder, path) = place("beats.db");
    filled(&path, &[0, 1]);
    let written = start(
        &path,
        StoreOptions {
            retention: Retention {
                ecg: Some(HOUR),
                ..Retention::default()
            },
            ..options()
        },
    );
    fill(&written, 10 * HOUR_S, 1);
    let info = session_info(20 * HOUR_S);
    written.begin_session(&info).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while written.monitor().status().blocks_deleted < 20 {
        assert!(std::time::Instant::now() < deadline, "nothing is deleted");
        put(&written, PipelineEvent::Beat(beat(&info, 0)));
        std::thread::sleep(Duration::from_millis(20));
    }
    written.close().unwrap();
    assert_eq!(count(&path, "ecg_blocks"), 0);
}
