//! Maps in the database: what they take, what comes back, what goes with its beat.

use std::time::Duration;

use arrhythmianet::explain::{Method, SaliencyMap, WaveShares};
use arrhythmianet::{BeatClass, SplitMix64};
use ecg_chain::ClockRelation;
use ecg_chain::{BeatDetail, PipelineEvent};
use ecg_signal::{Wave, Waves};

use super::{beat, options, place, put, session_info, start, time_of, until, writer};
use crate::store::{Outage, SaliencyFilter, Store, StoreOptions, StoreReader, StoredSaliency};

/// Most bytes per beat that a Grad-CAM map may add to the database, on average.
const MOST_BYTES: u64 = 250;

/// A map whose values have nothing in common with those of other beats.
fn map(k: u64, method: Method, values: usize, class: BeatClass) -> SaliencyMap {
    let mut random = SplitMix64::new(k);
    let mut value = || f32::from(u16::try_from(random.next_u64() >> 48).unwrap()) / 1e4 - 2.0;
    SaliencyMap {
        method,
        class,
        channels: vec![(0..values).map(|_| value()).collect()],
        context: Vec::new(),
        logit: value(),
        base: value(),
        samples: 128,
    }
}

fn waves() -> Waves {
    let wave = |onset_ms, end_ms| {
        Some(Wave {
            onset_ms,
            peak_ms: onset_ms,
            end_ms,
        })
    };
    Waves {
        p: wave(-212.0, Some(-104.0)),
        qrs: wave(-44.0, Some(52.0)),
        t: wave(148.0, None),
    }
}

fn detail(k: u64, class: BeatClass) -> PipelineEvent {
    PipelineEvent::Detail(Box::new(BeatDetail {
        r_sample: 400 + 400 * k,
        waves: waves(),
        map: Some(map(k, Method::GradCam, 8, class)),
        shares: Some(WaveShares {
            p: 0.125,
            qrs: 0.5,
            t: 0.25,
        }),
        network_view: None,
    }))
}

/// Bytes of a database of so many beats, with maps or without.
fn bytes(beats: u64, with_maps: bool) -> u64 {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    let info = session_info(10);
    written.begin_session(&info).unwrap();
    for k in 0..beats {
        let labelled = beat(&info, k);
        let class = labelled.class;
        put(&written, PipelineEvent::Beat(labelled));
        if with_maps {
            written.record(detail(k, class)).unwrap();
        }
    }
    let at = ClockRelation {
        monotonic: time_of(&info, 400 * (beats + 2)),
        wall: info.start.wall,
    };
    written.end_session(at, "completed").unwrap();
    written.close().unwrap();
    std::fs::metadata(&path).unwrap().len()
}

#[test]
fn a_grad_cam_map_takes_at_most_250_bytes() {
    const BEATS: u64 = 4_000;
    let each = (bytes(BEATS, true) - bytes(BEATS, false)) / BEATS;
    println!("{each} bytes a map");
    assert!((20..=MOST_BYTES).contains(&each), "{each} bytes a beat");
}

#[test]
fn maps_come_back_and_go_with_their_beats() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    let info = session_info(10);
    written.begin_session(&info).unwrap();
    for k in 0..16 {
        let labelled = beat(&info, k);
        let class = labelled.class;
        put(&written, PipelineEvent::Beat(labelled));
        written.record(detail(k, class)).unwrap();
    }
    written.flush().unwrap();
    // Made later: of another method, of a beat that is there and of one that is not.
    let later = |beat: i64| StoredSaliency {
        beat,
        map: map(99, Method::Shap, 128, BeatClass::V),
        shares: None,
        waves: Waves::default(),
    };
    assert!(written.monitor().keep(later(3), 0) && written.monitor().keep(later(777), 0));
    let monitor = written.monitor();
    written.close().unwrap();
    assert!(!monitor.keep(later(4), 0), "the writer is gone");

    let reader = StoreReader::open(&path).unwrap();
    let row = reader
        .saliency(8, Method::GradCam, BeatClass::V)
        .unwrap()
        .unwrap();
    let expected = map(7, Method::GradCam, 8, BeatClass::V);
    let pairs = row.map.channels[0].iter().zip(&expected.channels[0]);
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 0.03));
    assert_eq!(row.waves, waves());
    assert!((row.shares.unwrap().qrs - 0.5).abs() < 1e-6);
    assert_eq!(
        reader.saliency(8, Method::GradCam, BeatClass::N).unwrap(),
        None
    );
    let shap = reader
        .saliency(3, Method::Shap, BeatClass::V)
        .unwrap()
        .unwrap();
    assert_eq!((shap.shares, shap.waves), (None, Waves::default()));
    assert_eq!(
        reader.saliency(777, Method::Shap, BeatClass::V).unwrap(),
        None
    );
    let filter = |class, limit| SaliencyFilter {
        session: Some(1),
        method: Method::GradCam,
        class,
        limit,
    };
    assert_eq!(reader.saliencies(&filter(None, 100)).unwrap().len(), 16);
    let newest = reader.saliencies(&filter(Some(BeatClass::V), 1)).unwrap();
    assert_eq!(newest.iter().map(|row| row.beat).collect::<Vec<_>>(), [16]);
    drop(reader);

    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .pragma_update(None, "foreign_keys", true)
        .unwrap();
    connection
        .execute("DELETE FROM beats WHERE id <= 8", [])
        .unwrap();
    let left: i64 = connection
        .query_row("SELECT count(*) FROM saliency", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 8, "maps of pruned beats are gone");
    connection
        .execute_batch(
            "DROP TRIGGER saliency_stays; UPDATE saliency SET map = x'0102' WHERE beat = 9",
        )
        .unwrap();
    let reader = StoreReader::open(&path).unwrap();
    let error = reader
        .saliency(9, Method::GradCam, BeatClass::N)
        .unwrap_err();
    assert!(error.to_string().contains("saliency.map"), "{error}");
}

/// A map made on request.
fn later(beat: i64) -> StoredSaliency {
    StoredSaliency {
        beat,
        map: map(beat.unsigned_abs(), Method::Shap, 128, BeatClass::V),
        shares: None,
        waves: Waves::default(),
    }
}

fn stored_maps(path: &std::path::Path) -> i64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    let count = connection.query_row("SELECT count(*) FROM saliency", [], |row| row.get(0));
    count.unwrap()
}

#[test]
fn maps_made_on_request_wait_for_a_commit_that_is_due_anyway() {
    const BEATS: i64 = 205;
    let (_folder, path) = place("beats.db");
    let patient = StoreOptions {
        commit_after: Duration::from_secs(3_600),
        ecg_commit_after: Duration::from_secs(3_600),
        maps_commit_after: Duration::from_secs(3_600),
        ..options()
    };
    let written = start(&path, patient);
    let info = session_info(10);
    written.begin_session(&info).unwrap();
    let record = |k| put(&written, PipelineEvent::Beat(beat(&info, k)));
    (0..BEATS.unsigned_abs()).for_each(record);
    written.flush().unwrap();
    let monitor = written.monitor();
    let before = monitor.status().commits;
    // 63 wait, the 64th makes a commit due: a bound in memory, not a commit each
    for id in 1..=BEATS {
        assert!(monitor.keep(later(id), 0));
        let taken = |status: &crate::store::WriterStatus| {
            status.maps_stored + status.maps_waiting as u64 == id.unsigned_abs()
        };
        until("the writer has it", || taken(&monitor.status()));
    }
    let status = monitor.status();
    assert_eq!(status.commits - before, 3, "205 maps, 64 at a time");
    assert_eq!((status.maps_waiting, status.maps_stored), (13, 192));
    // the rest goes with the next commit of rows, which is not one more
    record(BEATS.unsigned_abs());
    written.flush().unwrap();
    let status = monitor.status();
    assert_eq!(status.commits - before, 4);
    assert_eq!((status.maps_waiting, status.maps_stored), (0, 205));
    assert_eq!((status.maps_dropped, stored_maps(&path)), (0, 205));
    // nothing due at all: at the latest after a while, also without a session
    let at = ClockRelation {
        monotonic: time_of(&info, 100_000),
        wall: info.start.wall,
    };
    written.end_session(at, "completed").unwrap();
    assert!(monitor.keep(later(7), 0));
    written.close().unwrap();
    assert_eq!(monitor.status().maps_stored, 206);

    let soon = StoreOptions {
        maps_commit_after: Duration::from_millis(20),
        ..options()
    };
    let written = start(&path, soon);
    let monitor = written.monitor();
    assert!(monitor.keep(later(9), 0));
    until("it is stored", || monitor.status().maps_stored == 1);
    assert_eq!(monitor.status().commits, 1);
}

#[test]
fn maps_of_another_database_and_too_many_are_dropped_and_counted() {
    let (folder, path) = place("beats.db");
    let bridging = StoreOptions {
        busy_timeout: Duration::from_millis(5),
        commit_after: Duration::from_millis(5),
        outage: Outage::Bridge {
            longest: Duration::from_secs(600),
            most_bytes: 64 << 20,
        },
        ..options()
    };
    let written = start(&path, bridging);
    let info = session_info(10);
    written.begin_session(&info).unwrap();
    let record = |k| put(&written, PipelineEvent::Beat(beat(&info, k)));
    (0..100).for_each(record);
    written.flush().unwrap();
    let monitor = written.monitor();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    record(100);
    until("writing fails", || monitor.status().trouble.is_some());
    for id in 1..=100 {
        assert!(monitor.keep(later(id), 0));
    }
    until("the oldest go", || monitor.status().maps_dropped == 36);
    assert_eq!(monitor.status().maps_waiting, 64);
    other.execute_batch("ROLLBACK").unwrap();
    until("the others are stored", || {
        monitor.status().maps_stored == 64
    });
    drop(other);

    // made of a database that is quarantined before they are written
    assert!(monitor.keep(later(3), 0));
    until("it waits", || monitor.status().maps_waiting == 1);
    // another one is copied over it: the rows are not saved, as those of a removed one would be
    let another = folder.path().join("other.db");
    drop(Store::open(&another, options()).unwrap());
    std::fs::copy(&another, &path).unwrap();
    record(101);
    until("a fresh one is begun", || monitor.status().quarantined == 1);
    until("its map is dropped", || monitor.status().maps_waiting == 0);
    assert_eq!(monitor.status().maps_dropped, 37);
    assert!(monitor.keep(later(4), 0), "made before");
    until("so is one that comes late", || {
        monitor.status().maps_dropped == 38
    });
    written.close().unwrap();
    assert_eq!(stored_maps(&path), 0);
}
