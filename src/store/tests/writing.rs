use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use arrhythmianet::BeatClass;
use ecg_chain::{ClockRelation, WallUs};
use ecg_chain::{Episode, EventKind, LabelledBeat, PipelineEvent, SessionInfo};
use rusqlite::Connection;

use super::super::{CommittedRow, Outage, RowFilter, Store, StoreError, StoreOptions, StoreReader};
use super::{beat, block, event, fill, gap, options, place, put, session_info, start, writer};

#[test]
fn the_channels_have_the_names_of_their_session() {
    let (_folder, path) = place("beats.db");
    let (told, heard) = mpsc::channel();
    let written = Store::open(&path, options())
        .unwrap()
        .into_writer(move |commit| {
            for row in &commit.rows {
                let lead = match row {
                    CommittedRow::Beat(row) => row.lead.clone(),
                    CommittedRow::Event(row) => row.lead.clone(),
                    CommittedRow::Gap(_) | CommittedRow::Correction(_) => continue,
                };
                told.send(lead).unwrap();
            }
        })
        .unwrap();
    let leads = [["V5", "MLII"], ["", "resp"]];
    for (number, names) in (0..).zip(leads) {
        let info = SessionInfo {
            leads: names.map(str::to_owned),
            ..session_info(7 + 100 * number)
        };
        written.begin_session(&info).unwrap().unwrap();
        for channel in [0, 1] {
            let beat = LabelledBeat {
                channel,
                ..beat(&info, 1 + u64::from(channel))
            };
            put(&written, PipelineEvent::Beat(beat));
        }
        for subject in ["ch1", "in2n", "chip"] {
            let event = event(&info, 4_100).with_episode(Episode::Begins { subject });
            put(&written, PipelineEvent::Event(event));
        }
    }
    written.close().unwrap();
    let reader = StoreReader::open(&path).unwrap();
    let found: Vec<_> = reader.sessions(0, 9).unwrap();
    let found: Vec<_> = found.iter().map(|row| row.info.leads.clone()).collect();
    assert_eq!(found, leads.map(|names| names.map(str::to_owned)));
    let name = |lead: &str| (!lead.is_empty()).then(|| Arc::<str>::from(lead));
    let (mut beats, mut events, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for [first, second] in leads {
        beats.extend([name(first), name(second)]);
        events.extend([name(first), name(second), None]);
        all.extend([name(first), name(second), name(first), name(second), None]);
    }
    let read = reader.beats(&RowFilter::default()).unwrap();
    assert_eq!(
        read.into_iter().map(|row| row.lead).collect::<Vec<_>>(),
        beats
    );
    let read = reader.events(&RowFilter::default()).unwrap();
    assert_eq!(
        read.into_iter().map(|row| row.lead).collect::<Vec<_>>(),
        events
    );
    assert_eq!(heard.iter().collect::<Vec<_>>(), all);
}

#[test]
fn everything_recorded_is_read_back() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    let info = session_info(7);
    let session = written.begin_session(&info).unwrap().unwrap();
    let (first, second) = (beat(&info, 0), beat(&info, 7));
    put(&written, PipelineEvent::Beat(first.clone()));
    put(&written, PipelineEvent::Engine("cpu-simd".to_owned()));
    put(&written, PipelineEvent::Beat(second.clone()));
    put(&written, PipelineEvent::Gap(gap(&info, 4_000, 25)));
    put(&written, PipelineEvent::Event(event(&info, 4_100)));
    put(&written, PipelineEvent::Ecg(block(&info, 0, 4_000)));
    written.end_session(info.start, "stopped").unwrap();
    written.close().unwrap();

    let reader = StoreReader::open(&path).unwrap();
    let beats = reader.beats(&RowFilter::default()).unwrap();
    assert_eq!(beats.iter().map(|row| row.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(beats[0].beat, first);
    assert_eq!(beats[1].beat, second);
    assert_eq!(beats[0].r_wall, info.start.wall_at(first.r_time));
    let deciders: Vec<_> = beats
        .iter()
        .map(|row| (&*row.model, &*row.engine))
        .collect();
    assert_eq!(deciders, [("v1", "cpu-reference"), ("v1", "cpu-simd")]);
    assert_eq!(reader.beat(2).unwrap().as_ref(), beats.get(1));
    assert_eq!(reader.beat(3).unwrap(), None);

    let gaps = reader.gaps(&RowFilter::default()).unwrap();
    assert_eq!(gaps[0].gap, gap(&info, 4_000, 25));
    assert_eq!((gaps[0].session, gaps[0].after_beat), (session, 2));
    let events = reader.events(&RowFilter::default()).unwrap();
    let expected = event(&info, 4_100);
    assert_eq!(
        (
            events[0].sample,
            events[0].time,
            &*events[0].kind,
            &events[0].detail
        ),
        (
            expected.sample,
            expected.time,
            expected.kind.name(),
            &expected.detail
        )
    );

    let stored = reader.latest_session().unwrap().unwrap();
    assert_eq!(stored.info, info);
    let end = stored.end.unwrap();
    assert_eq!((end.at, &*end.reason), (Some(info.start), "stopped"));
    assert_eq!(stored.counts.beats_by_class, [1, 0, 0, 0, 1]);
    assert_eq!((stored.counts.gaps, stored.counts.missing_samples), (1, 25));
    assert_eq!((stored.counts.events, stored.counts.samples), (1, 4_000));
    assert_eq!(reader.totals().unwrap().counts, stored.counts);
}

#[test]
fn the_same_input_gives_the_same_beat_rows() {
    let dump = |path: &Path| {
        let written = writer(path);
        fill(&written, 0, 100);
        written.close().unwrap();
        StoreReader::open(path)
            .unwrap()
            .beats(&RowFilter::default())
            .unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let first = dump(&folder.path().join("a.db"));
    assert_eq!(first, dump(&folder.path().join("b.db")));
    let ids: Vec<_> = first.iter().map(|row| row.id).collect();
    assert_eq!(ids, (1..=100).collect::<Vec<_>>());
}

#[test]
fn the_hook_hears_of_rows_in_order_and_only_once_they_are_committed() {
    let (_folder, path) = place("beats.db");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (hears, reads) = (Arc::clone(&heard), path.clone());
    let written = Store::open(&path, options())
        .unwrap()
        .into_writer(move |commit| {
            // another connection already sees every announced beat
            let reader = StoreReader::open(&reads).unwrap();
            for row in &commit.rows {
                hears.lock().unwrap().push(match row {
                    CommittedRow::Beat(row) => {
                        assert_eq!(reader.beat(row.id).unwrap().as_ref(), Some(row));
                        format!("beat {}", row.id)
                    }
                    CommittedRow::Gap(row) => format!("gap {} after {}", row.id, row.after_beat),
                    CommittedRow::Event(row) => {
                        format!("event {} after {}", row.id, row.after_beat)
                    }
                    CommittedRow::Correction(row) => format!("correction {}", row.id),
                });
            }
        })
        .unwrap();
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    put(&written, PipelineEvent::Event(event(&info, 1)));
    put(&written, PipelineEvent::Beat(beat(&info, 0)));
    put(&written, PipelineEvent::Gap(gap(&info, 500, 1)));
    written.flush().unwrap();
    put(&written, PipelineEvent::Beat(beat(&info, 1)));
    written.close().unwrap();
    assert_eq!(
        *heard.lock().unwrap(),
        ["event 1 after 0", "beat 1", "gap 1 after 1", "beat 2"]
    );
}

#[test]
fn a_beat_is_committed_in_time_without_a_flush() {
    let folder = tempfile::tempdir().unwrap();
    let (tells, told) = mpsc::channel();
    let written = Store::open(&folder.path().join("beats.db"), options())
        .unwrap()
        .into_writer(move |_| tells.send(Instant::now()).unwrap())
        .unwrap();
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    let sent = Instant::now();
    put(&written, PipelineEvent::Beat(beat(&info, 0)));
    let committed = told.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(
        committed - sent >= options().commit_after / 2,
        "commits are batched"
    );
}

#[test]
fn rows_without_a_session_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let written = writer(&folder.path().join("beats.db"));
    let info = session_info(0);
    let record = || written.record(PipelineEvent::Beat(beat(&info, 0)));
    assert!(matches!(record(), Err(StoreError::NoSession)));
    written.begin_session(&info).unwrap();
    record().unwrap();
    written.end_session(info.start, "stopped").unwrap();
    assert!(matches!(record(), Err(StoreError::NoSession)));
    assert_eq!(written.monitor().status().beats_committed, 1);
}

#[test]
fn a_new_session_ends_the_open_one() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    for start_s in [0, 50] {
        assert_eq!(
            written
                .begin_session(&session_info(start_s))
                .unwrap()
                .unwrap(),
            if start_s == 0 { 1 } else { 2 }
        );
    }
    let sessions = StoreReader::open(&path).unwrap().sessions(0, 10).unwrap();
    assert_eq!(sessions[0].end.as_ref().unwrap().reason, "superseded");
    assert_eq!(
        sessions[0].end.as_ref().unwrap().at,
        Some(session_info(50).start)
    );
    assert_eq!(sessions[1].end, None);
}

/// As after a power cut or `kill -9`: the files as they are at some moment, nothing closed.
#[test]
fn committed_rows_survive_a_kill() {
    let (folder, path) = place("beats.db");
    let written = writer(&path);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    for k in 0..300 {
        put(&written, PipelineEvent::Beat(beat(&info, k)));
    }
    written.flush().unwrap();
    let wal = folder.path().join("beats.db-wal");
    let whole_wal = fs::read(&wal).unwrap();
    let mut found = Vec::new();
    for (case, wal_bytes) in [("whole", whole_wal.len()), ("torn", whole_wal.len() - 100)] {
        let copy = folder.path().join(format!("{case}.db"));
        fs::copy(&path, &copy).unwrap();
        fs::write(
            folder.path().join(format!("{case}.db-wal")),
            &whole_wal[..wal_bytes],
        )
        .unwrap();
        let store = Store::open(&copy, options()).unwrap();
        let integrity: String = store
            .connection_if_open()
            .unwrap()
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        let reader = store.reader().unwrap();
        let session = reader.latest_session().unwrap().unwrap();
        found.push((
            case,
            integrity,
            reader.beats(&RowFilter::default()).unwrap().len(),
            session.counts.beats(),
            session.end.map(|end| (end.at, end.reason)),
        ));
    }
    let interrupted = Some((None, "interrupted".to_owned()));
    let ok = || "ok".to_owned();
    assert_eq!(
        found,
        [
            ("whole", ok(), 300, 300, interrupted.clone()),
            ("torn", ok(), 0, 0, interrupted), // the one torn transaction is gone as a whole
        ]
    );
}

/// Beats are committed sooner than the block of ECG they lie in.
#[test]
fn what_a_crash_took_of_the_ecg_is_a_gap() {
    let (folder, path) = place("beats.db");
    let written = writer(&path);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    put(&written, PipelineEvent::Ecg(block(&info, 0, 1_000)));
    for k in 0..5 {
        put(&written, PipelineEvent::Beat(beat(&info, k)));
    }
    written.flush().unwrap();
    // the files as a crash leaves them
    for suffix in ["", "-wal"] {
        let from = folder.path().join(format!("beats.db{suffix}"));
        fs::copy(from, folder.path().join(format!("copy.db{suffix}"))).unwrap();
    }
    let copy = folder.path().join("copy.db");
    for _ in 0..2 {
        drop(Store::open(&copy, options()).unwrap());
        let reader = StoreReader::open(&copy).unwrap();
        let gaps = reader.gaps(&RowFilter::default()).unwrap();
        let last_beat = 400 + 400 * 4;
        let expected = ecg_chain::Gap {
            cause: ecg_chain::GapCause::Interrupted,
            ..gap(&info, 1_000, last_beat + 1 - 1_000)
        };
        assert_eq!(gaps.len(), 1, "only once");
        assert_eq!((&gaps[0].gap, gaps[0].after_beat), (&expected, 5));
        assert_eq!(gaps[0].wall, info.start.wall_at(expected.time));
        let session = reader.latest_session().unwrap().unwrap();
        assert_eq!(
            (session.counts.gaps, session.counts.missing_samples),
            (1, expected.missing_samples)
        );
    }
}

/// While raw ECG is left out for lack of room a crash takes none of it. After that it does, from there on.
#[test]
fn ecg_left_out_before_a_crash_is_no_gap_of_the_crash() {
    for (over, expected) in [(false, None), (true, Some((1_500, 501)))] {
        let folder = tempfile::tempdir().unwrap();
        let written = writer(&folder.path().join("beats.db"));
        let info = session_info(0);
        written.begin_session(&info).unwrap();
        let record = |event| written.record(event).unwrap();
        record(PipelineEvent::Ecg(block(&info, 0, 500)));
        let told = |sample, episode| {
            let mut event = event(&info, sample).with_episode(episode);
            event.kind = EventKind::EcgNotStored;
            PipelineEvent::Event(event)
        };
        record(told(500, Episode::Begins { subject: "store" }));
        if over {
            let ends = Episode::Ends {
                subject: "store",
                began_sample: 500,
                began: info.start.monotonic,
            };
            record(told(1_500, ends));
        }
        for k in 0..5 {
            record(PipelineEvent::Beat(beat(&info, k)));
        }
        written.flush().unwrap();
        let copy = crashed(folder.path(), &["", "-wal"]);
        drop(Store::open(&copy, options()).unwrap());
        let reader = StoreReader::open(&copy).unwrap();
        let gaps = reader.gaps(&RowFilter::default()).unwrap();
        let gap = gaps.first().map(|stored| stored.gap);
        let range = gap.map(|gap| (gap.first_missing_sample, gap.missing_samples));
        assert_eq!(range, expected);
        assert_eq!(
            reader.latest_session().unwrap().unwrap().counts.gaps,
            gaps.len() as u64
        );
        assert!(reader.verify(&[]).unwrap().is_sound());
    }
}

/// What was acquired last is known by its sample, not by a wall clock that may have gone back: the
/// newest gap, event and beat all have an earlier wall time than those before them.
#[test]
fn a_crash_after_the_clock_went_back_leaves_its_gap_too() {
    let (folder, path) = place("beats.db");
    let written = writer(&path);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    put(&written, PipelineEvent::Ecg(block(&info, 0, 1_000)));
    let record = |event| written.record(event).unwrap();
    for k in 0..3 {
        record(PipelineEvent::Beat(beat(&info, k)));
    }
    record(PipelineEvent::Gap(gap(&info, 1_000, 5)));
    record(PipelineEvent::Event(event(&info, 1_020)));
    let back_us = -3_600_000_000;
    let monotonic = beat(&info, 3).r_time;
    let relation = ClockRelation {
        monotonic,
        wall: WallUs(info.start.wall_at(monotonic).0 + back_us),
    };
    record(PipelineEvent::Clock {
        relation,
        step_us: back_us,
    });
    record(PipelineEvent::Gap(gap(&info, 1_700, 50)));
    for k in 3..5 {
        record(PipelineEvent::Beat(beat(&info, k)));
    }
    record(PipelineEvent::Event(event(&info, 2_900)));
    written.flush().unwrap();
    let copy = crashed(folder.path(), &["", "-wal"]);
    drop(Store::open(&copy, options()).unwrap());
    let gaps = StoreReader::open(&copy)
        .unwrap()
        .gaps(&RowFilter::default())
        .unwrap();
    let newest = &gaps.last().unwrap();
    let expected = ecg_chain::Gap {
        cause: ecg_chain::GapCause::Interrupted,
        ..gap(&info, 1_750, 2_900 - 1_750)
    };
    assert_eq!((gaps.len(), newest.gap), (3, expected));
    // by the clock as it stood then
    assert_eq!(newest.wall, relation.wall_at(expected.time));
}

/// Copies the database's files as a crash leaves them.
fn crashed(folder: &Path, suffixes: &[&str]) -> PathBuf {
    for suffix in suffixes {
        let from = folder.join(format!("beats.db{suffix}"));
        fs::copy(from, folder.join(format!("copy.db{suffix}"))).unwrap();
    }
    folder.join("copy.db")
}

#[test]
fn ids_are_never_given_twice_even_after_rows_are_deleted() {
    let (_folder, path) = place("beats.db");
    let record_one_of_each = |start_s| {
        let written = writer(&path);
        let info = session_info(start_s);
        written.begin_session(&info).unwrap();
        for event in [
            PipelineEvent::Beat(beat(&info, 0)),
            PipelineEvent::Gap(gap(&info, 500, 2)),
            PipelineEvent::Event(event(&info, 600)),
            PipelineEvent::Ecg(block(&info, 0, 500)),
            PipelineEvent::Clock {
                relation: info.start,
                step_us: 1,
            },
        ] {
            written.record(event).unwrap();
        }
        written.close().unwrap();
    };
    let tables = ["beats", "gaps", "events", "ecg_blocks", "clock_relations"];
    let newest = |table: &str| -> i64 {
        let sql = format!("SELECT max(id) FROM {table}");
        let connection = Connection::open(&path).unwrap();
        connection.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    for round in 0..3 {
        record_one_of_each(100 * round);
    }
    let before = tables.map(newest);
    for table in tables {
        let connection = Connection::open(&path).unwrap();
        connection
            .execute(&format!("DELETE FROM {table}"), [])
            .unwrap();
    }
    record_one_of_each(400);
    let after = tables.map(newest);
    for ((before, after), table) in before.iter().zip(after).zip(tables) {
        assert_eq!(after, before + 1, "{table}");
    }
}

#[test]
fn a_passing_lock_is_waited_out_and_nothing_is_lost() {
    let (_folder, path) = place("beats.db");
    let impatient = StoreOptions {
        busy_timeout: Duration::from_millis(5),
        commit_after: Duration::from_millis(5),
        ..options()
    };
    let written = start(&path, impatient);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    put(&written, PipelineEvent::Beat(beat(&info, 0)));
    let deadline = Instant::now() + Duration::from_secs(20);
    while written.monitor().status().trouble.is_none() {
        assert!(Instant::now() < deadline, "the trouble never showed");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(
        written
            .monitor()
            .status()
            .trouble
            .unwrap()
            .contains("locked")
    );
    other.execute_batch("ROLLBACK").unwrap();
    written.flush().unwrap();
    let status = written.monitor().status();
    assert_eq!(
        (status.trouble, status.failure, status.beats_committed),
        (None, None, 1)
    );
}

#[test]
fn a_lasting_failure_stops_the_writer_and_is_told_to_every_sender() {
    let (_folder, path) = place("beats.db");
    let hopeless = StoreOptions {
        busy_timeout: Duration::from_millis(5),
        outage: Outage::GiveUpAfter(Duration::from_millis(1)),
        ..options()
    };
    let written = start(&path, hopeless);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    put(&written, PipelineEvent::Beat(beat(&info, 0)));
    let stopped = |outcome: Result<(), StoreError>| match outcome {
        Err(StoreError::WriterStopped {
            first,
            locked: true,
        }) => assert!(first.contains("locked"), "{first}"),
        other => panic!("{other:?}"),
    };
    stopped(written.flush());
    stopped(written.flush());
    assert!(
        written
            .monitor()
            .status()
            .failure
            .unwrap()
            .contains("locked")
    );
    stopped(written.close());
}

#[test]
fn dropping_the_writer_commits_what_is_queued() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    for k in 0..5_000 {
        put(&written, PipelineEvent::Beat(beat(&info, k)));
    }
    drop(written);
    let reader = StoreReader::open(&path).unwrap();
    assert_eq!(reader.totals().unwrap().counts.beats(), 5_000);
}

#[test]
fn after_closing_the_file_alone_holds_everything_even_with_readers() {
    let (folder, path) = place("beats.db");
    let written = writer(&path);
    let reader = StoreReader::open(&path).unwrap();
    reader.totals().unwrap();
    fill(&written, 0, 10);
    written.close().unwrap();
    let copy = folder.path().join("copy.db");
    fs::copy(&path, &copy).unwrap();
    let copied = StoreReader::open(&copy).unwrap().totals().unwrap();
    assert_eq!(copied.counts.beats(), 10);
    assert_eq!(copied, reader.totals().unwrap());
}

#[test]
fn wall_times_follow_the_relation_of_the_session() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    // the wall clock was set back by 100 s between the sessions: order by id stays order of signal
    fill(&written, 200, 3);
    fill(&written, 100, 3);
    written.close().unwrap();
    let reader = StoreReader::open(&path).unwrap();
    let beats = reader.beats(&RowFilter::default()).unwrap();
    assert_eq!(
        beats.iter().map(|row| row.session).collect::<Vec<_>>(),
        [1, 1, 1, 2, 2, 2]
    );
    assert!(beats[3].r_wall < beats[0].r_wall);
    assert_eq!(beats[0].r_wall, WallUs(super::START_WALL_US + 200_800_000));
    assert_eq!(beats[0].beat.class, BeatClass::N);
}
