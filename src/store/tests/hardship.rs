//! The store while the medium, other programs or its own files are against it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ecg_chain::{GapCause, PipelineEvent, SessionInfo};
use rusqlite::Connection;
use tempfile::TempDir;

use super::super::{Outage, RowFilter, Store, StoreError, StoreOptions, StoreReader};
use super::{beat, block, event, gap, options, place, put, session_info, start, until};
use crate::store::StoreWriter;

fn bridging(longest: Duration, most_bytes: usize) -> StoreOptions {
    StoreOptions {
        busy_timeout: Duration::from_millis(5),
        commit_after: Duration::from_millis(5),
        ecg_commit_after: Duration::from_millis(5),
        outage: Outage::Bridge {
            longest,
            most_bytes,
        },
        ..options()
    }
}

pub(super) fn patient() -> StoreOptions {
    bridging(Duration::from_secs(600), 64 << 20)
}

/// A session being recorded into a database of its own.
pub(super) struct Recording {
    pub(super) folder: TempDir,
    pub(super) path: PathBuf,
    pub(super) info: SessionInfo,
    pub(super) written: StoreWriter,
}

impl Recording {
    pub(super) fn begin() -> Self {
        let (folder, path) = place("beats.db");
        let written = start(&path, patient());
        let info = session_info(0);
        written.begin_session(&info).unwrap();
        Self {
            folder,
            path,
            info,
            written,
        }
    }

    pub(super) fn beat(&self, k: u64) {
        record_beat(&self.written, &self.info, k);
    }
}

fn record_beat(written: &StoreWriter, info: &SessionInfo, k: u64) {
    written.record(PipelineEvent::Beat(beat(info, k))).unwrap();
}

fn record_block(written: &StoreWriter, info: &SessionInfo, first_sample: u64) {
    let block = block(info, first_sample, 400);
    written.record(PipelineEvent::Ecg(block)).unwrap();
}

pub(super) fn beat_ids(reader: &StoreReader) -> Vec<i64> {
    let beats = reader.beats(&RowFilter::default()).unwrap();
    beats.iter().map(|row| row.id).collect()
}

/// Holds the database as another program would, until dropped.
fn lock(path: &Path) -> Connection {
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

pub(super) fn kinds(reader: &StoreReader) -> Vec<String> {
    let events = reader.events(&RowFilter::default()).unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

/// Positions covered by blocks and by gaps, in the order of the blocks' and gaps' starts.
fn covered(path: &Path) -> Vec<(u64, u64)> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT first_sample, samples FROM ecg_blocks \
             UNION ALL SELECT first_missing_sample, missing_samples FROM gaps ORDER BY 1",
        )
        .unwrap();
    statement
        .query_map([], |row| {
            let (first, length): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok((first.unsigned_abs(), length.unsigned_abs()))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

pub(super) fn quarantined_files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains(".damaged-"))
        .collect();
    found.sort();
    found
}

#[test]
fn an_outage_is_bridged_and_its_rows_are_written_in_order() {
    let recording = Recording::begin();
    let Recording {
        path,
        info,
        written,
        ..
    } = &recording;
    recording.beat(0);
    written.flush().unwrap();
    let other = lock(path);
    for k in 1..50 {
        recording.beat(k);
    }
    let gap = gap(info, 400, 3);
    written.record(PipelineEvent::Gap(gap)).unwrap();
    record_block(written, info, 0);
    until("the outage is told", || {
        written.monitor().status().rows_waiting >= 52 // with the event of the outage
    });
    let status = written.monitor().status();
    assert!(status.trouble.unwrap().contains("locked"));
    assert_eq!((status.outages, status.failure), (1, None));
    assert!(status.bytes_waiting > 1_000);
    other.execute_batch("ROLLBACK").unwrap();
    until("everything is written", || {
        let status = written.monitor().status();
        status.trouble.is_none() && status.rows_waiting == 0
    });
    let Recording { written, path, .. } = recording;
    written.close().unwrap();
    let reader = StoreReader::open(&path).unwrap();
    let beats = reader.beats(&RowFilter::default()).unwrap();
    let order: Vec<_> = beats
        .iter()
        .map(|row| (row.id, row.beat.r_sample))
        .collect();
    let expected: Vec<_> = (0..50_u32)
        .map(|k| (i64::from(k) + 1, 400 + 400 * u64::from(k)))
        .collect();
    assert_eq!(order, expected);
    assert_eq!(kinds(&reader), ["store_outage", "store_recovered"]);
    assert_eq!(covered(&path), [(0, 400), (400, 3)]);
}

#[test]
fn what_memory_cannot_hold_is_counted_in_stored_gaps() {
    let folder = tempfile::tempdir().unwrap();
    for (name, options) in [
        ("bytes", bridging(Duration::from_secs(600), 20_000)),
        ("time", bridging(Duration::from_millis(400), 64 << 20)),
    ] {
        let path = folder.path().join(format!("{name}.db"));
        let written = start(&path, options);
        let info = session_info(0);
        written.begin_session(&info).unwrap();
        record_block(&written, &info, 0);
        written.flush().unwrap();
        let other = lock(&path);
        for k in 1..100 {
            record_block(&written, &info, 400 * k);
            record_beat(&written, &info, k);
        }
        put(&written, PipelineEvent::Event(event(&info, 40_001)));
        until("rows are let go", || {
            written.monitor().status().rows_dropped > 0
        });
        record_block(&written, &info, 40_000);
        other.execute_batch("ROLLBACK").unwrap();
        written.flush().unwrap();
        let dropped = written.monitor().status().rows_dropped;
        written.close().unwrap();
        let reader = StoreReader::open(&path).unwrap();
        let gaps = reader.gaps(&RowFilter::default()).unwrap();
        assert!(!gaps.is_empty(), "{name}");
        assert!(gaps.iter().all(|row| row.gap.cause == GapCause::NotStored));
        let mut end = 0;
        for (first, samples) in covered(&path) {
            assert!(first <= end, "{name}: nothing tells of {end} to {first}");
            end = end.max(first + samples);
        }
        assert_eq!(end, 40_400, "{name}");
        let beats = reader.beats(&RowFilter::default()).unwrap();
        let session = reader.latest_session().unwrap().unwrap();
        assert_eq!(
            session.counts.missing_samples,
            gaps.iter().map(|row| row.gap.missing_samples).sum::<u64>()
        );
        // what is stored, and what was let go, is everything there was
        let blocks = session.counts.samples / 400;
        let own = kinds(&reader)
            .iter()
            .filter(|kind| *kind == "lead_off")
            .count();
        let stored = blocks + beats.len() as u64 + own as u64;
        assert!(stored < 201, "{name}: nothing was let go");
        assert!(stored + dropped >= 201, "{name}: {stored} and {dropped}");
        // One where the thread has time. A batch that is being written stays whole while what comes behind it is
        // dropped, and on a busy machine there are several of these; never one for each row that was dropped.
        assert!(gaps.len() <= 10, "{name}: {gaps:?}");
        // only the oldest go
        if let Some(first) = beats.first() {
            let gap = &gaps[0].gap;
            assert!(first.beat.r_sample + 1 >= gap.first_missing_sample);
            assert_eq!(beats.last().unwrap().beat.r_sample, 40_000);
        }
    }
}

#[test]
fn a_session_begins_in_memory_where_the_store_is_out_of_reach() {
    let (_folder, path) = place("beats.db");
    drop(Store::open(&path, options()).unwrap());
    let other = lock(&path);
    assert!(
        matches!(
            Store::open(
                &path,
                StoreOptions {
                    busy_timeout: Duration::from_millis(5),
                    ..options()
                }
            ),
            Err(StoreError::Locked { .. })
        ),
        "a replay does not start without a store"
    );
    let written = start(&path, patient());
    let info = session_info(0);
    assert_eq!(written.begin_session(&info).unwrap(), None);
    record_beat(&written, &info, 0);
    assert!(written.monitor().status().trouble.is_some());
    other.execute_batch("ROLLBACK").unwrap();
    written.flush().unwrap();
    assert_eq!(written.monitor().status().open_session, Some(1));
    written.end_session(info.start, "stopped").unwrap();
    written.close().unwrap();
    let reader = StoreReader::open(&path).unwrap();
    let session = reader.latest_session().unwrap().unwrap();
    assert_eq!(
        (session.counts.beats(), session.end.unwrap().reason.as_str()),
        (1, "stopped")
    );
}

#[test]
fn a_stop_during_an_outage_is_told_and_does_not_wait_long() {
    let recording = Recording::begin();
    let _other = lock(&recording.path);
    recording.beat(0);
    let began = Instant::now();
    let ended = recording
        .written
        .end_session(recording.info.start, "stopped");
    assert!(
        matches!(ended, Err(StoreError::WriterStopped { locked: true, .. })),
        "{ended:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(2));
}

/// A database with some beats in it, closed; the pages of `part` are then overwritten.
fn damaged(path: &Path, part: &str) {
    let written = start(path, patient());
    super::fill(&written, 0, 20);
    written.close().unwrap();
    let connection = Connection::open(path).unwrap();
    let page: u32 = connection
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?1",
            [part],
            |row| row.get(0),
        )
        .unwrap();
    drop(connection);
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[0xa5; 4_096], u64::from(page - 1) * 4_096)
        .unwrap();
}

#[test]
fn a_damaged_database_is_quarantined_and_a_fresh_one_begun() {
    let folder = tempfile::tempdir().unwrap();
    // one is noticed when the file is opened, the other when a beat is written
    for part in ["sessions", "beats_by_class"] {
        let home = folder.path().join(part);
        fs::create_dir(&home).unwrap();
        let path = home.join("beats.db");
        damaged(&path, part);
        let before = fs::read(&path).unwrap();
        let info = session_info(1_000);
        if part == "sessions" {
            let refused = Store::open(&path, options()).map(drop);
            assert!(matches!(refused, Err(StoreError::Corrupt { .. })));
            assert!(
                quarantined_files(&home).is_empty(),
                "a replay leaves it where it is"
            );
        }
        let written = start(&path, patient());
        written.begin_session(&info).unwrap().unwrap();
        for k in 0..3 {
            record_beat(&written, &info, k);
        }
        written.flush().unwrap();
        assert_eq!(written.monitor().status().quarantined, 1, "{part}");
        written.end_session(info.start, "stopped").unwrap();
        written.close().unwrap();
        let files = quarantined_files(&home);
        assert_eq!(fs::read(&files[0]).unwrap().len(), before.len(), "{part}");
        let reader = StoreReader::open(&path).unwrap();
        let beats = reader.beats(&RowFilter::default()).unwrap();
        // ids go on, so that no client takes these for the old ones: after those that are known to have
        // been given, or after all that may have been
        let ids = beat_ids(&reader);
        let expected = match part {
            "sessions" => ids[0]..ids[0] + 3,
            _ => 21..24,
        };
        assert!(
            ids[0] > 20 && ids.iter().copied().eq(expected),
            "{part}: {ids:?}"
        );
        assert_eq!(
            beats[0].session,
            reader.latest_session().unwrap().unwrap().id
        );
        let events = reader.events(&RowFilter::default()).unwrap();
        assert_eq!(events[0].kind, "store_set_aside", "{part}");
        assert!(events[0].detail.contains("damaged"), "{}", events[0].detail);
    }
}

#[test]
fn a_file_without_a_header_is_quarantined_only_where_it_was_ours() {
    let (folder, path) = place("beats.db");
    let garbage = vec![0x5a; 10_000];
    fs::write(&path, &garbage).unwrap();
    let refused = Store::open(&path, patient()).map(drop);
    assert!(matches!(refused, Err(StoreError::NotADatabase { .. })));
    assert_eq!(fs::read(&path).unwrap(), garbage);
    fs::write(folder.path().join("beats.db.lock"), "1234\n").unwrap();
    let written = start(&path, patient());
    written.begin_session(&session_info(0)).unwrap().unwrap();
    written.close().unwrap();
    let files = quarantined_files(folder.path());
    assert_eq!(fs::read(&files[0]).unwrap(), garbage);
    StoreReader::open(&path).unwrap().totals().unwrap();
}

#[test]
fn a_lock_while_a_session_ends_is_waited_out() {
    let recording = Recording::begin();
    recording.beat(0);
    let Recording {
        folder: _folder,
        path,
        info,
        written,
    } = recording;
    written.flush().unwrap();
    let other = lock(&path);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            written.end_session(info.start, "stopped").unwrap();
        });
        until("it is tried", || {
            written.monitor().status().trouble.is_some()
        });
        other.execute_batch("ROLLBACK").unwrap();
    });
    // longer than the pause before the next try would be
    std::thread::sleep(Duration::from_millis(300));
    super::fill(&written, 100, 1);
    assert_eq!(written.monitor().status().failure, None);
    written.close().unwrap();
    let sessions = StoreReader::open(&path).unwrap().sessions(0, 10).unwrap();
    let ends: Vec<_> = sessions
        .into_iter()
        .map(|session| session.end.unwrap().reason)
        .collect();
    assert_eq!(ends, ["stopped", "completed"]);
}
