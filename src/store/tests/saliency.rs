//! Maps in the database: what they take, what comes back, what goes with its beat.

use super::{beat, session_info, time_of, writer};
use crate::explain::{Method, SaliencyMap, WaveShares};
use crate::model::BeatClass;
use crate::pipeline::{BeatDetail, PipelineEvent};
use crate::signal::{Wave, Waves};
use crate::store::{SaliencyFilter, StoreReader, StoredSaliency};
use crate::time::ClockRelation;

/// Most bytes a beat that a Grad-CAM map may add to the database, on average.
const MOST_BYTES: u64 = 250;

/// A map whose values have nothing in common with those of other beats.
fn map(k: u64, method: Method, values: usize, class: BeatClass) -> SaliencyMap {
    let mut state = k.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut value = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f32::from(u16::try_from(state >> 48).unwrap()) / 1e4 - 2.0
    };
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
        seen: None,
    }))
}

/// Bytes of a database of so many beats, with maps or without.
fn bytes(beats: u64, with_maps: bool) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beats.db");
    let written = writer(&path);
    let info = session_info(10);
    written.begin_session(&info).unwrap();
    for k in 0..beats {
        let labelled = beat(&info, k);
        let class = labelled.class;
        written.record(PipelineEvent::Beat(labelled)).unwrap();
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
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beats.db");
    let written = writer(&path);
    let info = session_info(10);
    written.begin_session(&info).unwrap();
    for k in 0..16 {
        let labelled = beat(&info, k);
        let class = labelled.class;
        written.record(PipelineEvent::Beat(labelled)).unwrap();
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
    assert!(written.monitor().keep(later(3)) && written.monitor().keep(later(777)));
    let monitor = written.monitor();
    written.close().unwrap();
    assert!(!monitor.keep(later(4)), "the writer is gone");

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
        .execute("UPDATE saliency SET map = x'0102' WHERE beat = 9", [])
        .unwrap();
    let reader = StoreReader::open(&path).unwrap();
    let error = reader
        .saliency(9, Method::GradCam, BeatClass::N)
        .unwrap_err();
    assert!(error.to_string().contains("saliency.map"), "{error}");
}
