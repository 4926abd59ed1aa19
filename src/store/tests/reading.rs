use arrhythmianet::{BeatClass, Unclassifiable};
use ecg_chain::PipelineEvent;
use ecg_chain::{ClockRelation, WallUs};
use rusqlite::Connection;

use super::super::beat_query;
use super::super::{RowFilter, StoreError, StoreReader, StoredBeat, WaveformRange};
use super::{
    START_WALL_US, beat, block, event, fill, filled, gap, place, put, session_info, writer,
};

/// Three sessions of 100, 0 and 60 beats; the third starts 40 s before the first on the wall clock.
fn three_sessions(path: &std::path::Path) -> StoreReader {
    let written = writer(path);
    fill(&written, 1_000, 100);
    fill(&written, 2_000, 0);
    fill(&written, 960, 60);
    written.close().unwrap();
    StoreReader::open(path).unwrap()
}

fn all_pages(reader: &StoreReader, filter: &RowFilter) -> Vec<StoredBeat> {
    let mut filter = filter.clone();
    let mut all = Vec::new();
    loop {
        let page = reader.beats(&filter).unwrap();
        assert!(page.len() <= usize::try_from(filter.limit).unwrap());
        let Some(last) = page.last() else {
            return all;
        };
        filter.after_id = last.id;
        all.extend(page);
    }
}

#[test]
fn paging_under_any_filter_covers_exactly_the_matching_rows_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let reader = three_sessions(&folder.path().join("beats.db"));
    let everything = all_pages(&reader, &RowFilter::default());
    assert_eq!(everything.len(), 160);
    let wall = |second: i64| Some(WallUs(START_WALL_US + second * 1_000_000));
    let mut failures = Vec::new();
    let mut matched = 0;
    for session in [None, Some(1), Some(2), Some(3), Some(4)] {
        for classes in [
            vec![],
            vec![BeatClass::V],
            vec![BeatClass::A, BeatClass::V, BeatClass::A],
            BeatClass::ALL.to_vec(),
        ] {
            for (from, until) in [
                (None, None),
                (wall(1_010), None),
                (None, wall(1_010)),
                (wall(1_000), wall(1_004)),
                (wall(5_000), wall(6_000)),
                (wall(1_004), wall(1_000)),
            ] {
                let orders = [false, true].into_iter();
                for (newest_first, limit) in
                    orders.flat_map(|order| [1, 7, 1_000].map(|limit| (order, limit)))
                {
                    let filter = RowFilter {
                        session,
                        classes: classes.clone(),
                        corrected_classes: Vec::new(),
                        unclassifiable: None,
                        kinds: Vec::new(),
                        from,
                        until,
                        after_id: 0,
                        newest_first,
                        limit,
                    };
                    let mut expected: Vec<_> = everything
                        .iter()
                        .filter(|row| session.is_none_or(|session| row.session == session))
                        .filter(|row| classes.is_empty() || classes.contains(&row.beat.class))
                        .filter(|row| from.is_none_or(|from| row.r_wall >= from))
                        .filter(|row| until.is_none_or(|until| row.r_wall < until))
                        .cloned()
                        .collect();
                    if newest_first {
                        expected.reverse();
                    }
                    matched += expected.len();
                    if all_pages(&reader, &filter) != expected {
                        failures.push(filter);
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(matched > 1_000, "the filters match too little: {matched}");
}

/// Sessions while the wall clock is set back and forth: `(beat, seconds)` says before which beat by how
/// much. Every third pair of beats is labelled the wrong way round, also at a step.
fn stepping_sessions(path: &std::path::Path, sessions: &[(u64, Vec<(u64, i64)>)]) -> StoreReader {
    let written = writer(path);
    let mut start_s = 1_000;
    for (beats, steps) in sessions {
        let info = session_info(start_s);
        written.begin_session(&info).unwrap();
        let mut wall_offset_us = 0;
        let mut order: Vec<u64> = (0..*beats).collect();
        for pair in order.chunks_exact_mut(2).step_by(3) {
            pair.swap(0, 1);
        }
        for k in order {
            for (_, seconds) in steps.iter().filter(|(at, _)| *at == k) {
                wall_offset_us += seconds * 1_000_000;
                let monotonic = beat(&info, k).r_time;
                let expected = info.start.wall_at(monotonic).0;
                let relation = ClockRelation {
                    monotonic,
                    wall: WallUs(expected + wall_offset_us),
                };
                let step_us = seconds * 1_000_000;
                written
                    .record(PipelineEvent::Clock { relation, step_us })
                    .unwrap();
            }
            put(&written, PipelineEvent::Beat(beat(&info, k)));
            if k % 10 == 0 {
                let sample = 400 + 400 * k;
                put(&written, PipelineEvent::Event(event(&info, sample)));
                put(&written, PipelineEvent::Gap(gap(&info, sample, 1)));
            }
        }
        start_s += beats;
    }
    written.close().unwrap();
    StoreReader::open(path).unwrap()
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
    /// What the wall clock does may change which rows lie in a range, never whether one is found.
    #[test]
    fn every_row_in_a_time_range_is_found_whatever_the_clock_did(
        sessions in proptest::collection::vec(
            (
                0_u64..300,
                proptest::collection::vec(
                    (0_u64..300, proptest::prop_oneof![
                        -300_i64..300,
                        -100_000_i64..100_000,
                        proptest::strategy::Just(-400 * 86_400),
                        proptest::strategy::Just(50 * 365 * 86_400),
                    ]),
                    0..5,
                ),
            ),
            1..4,
        ),
        chosen in proptest::collection::vec(
            (0_usize..10_000, 0_i64..200_000_000, 0_usize..4, 1_u32..40),
            12,
        ),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let reader = stepping_sessions(&folder.path().join("beats.db"), &sessions);
        let beats = all_pages(&reader, &RowFilter::default());
        let every = RowFilter { limit: u32::MAX, ..RowFilter::default() };
        let events = reader.events(&every).unwrap();
        let gaps = reader.gaps(&every).unwrap();
        for (from, length, classes, limit) in chosen {
            let Some(row) = beats.get(from % beats.len().max(1)) else { continue };
            let from = row.r_wall;
            let until = WallUs(from.0 + length);
            let within = |wall: WallUs| from <= wall && wall < until;
            let classes = vec![vec![], vec![BeatClass::N], vec![BeatClass::A, BeatClass::V], vec![]]
                .swap_remove(classes);
            let expected: Vec<_> = beats
                .iter()
                .filter(|row| within(row.r_wall))
                .filter(|row| classes.is_empty() || classes.contains(&row.beat.class))
                .map(|row| row.id)
                .collect();
            let range = RowFilter {
                classes,
                from: Some(from),
                until: Some(until),
                limit,
                ..RowFilter::default()
            };
            let found = all_pages(&reader, &range);
            let ids: Vec<_> = found.iter().map(|row| row.id).collect();
            proptest::prop_assert_eq!(ids, expected);
            let range = RowFilter {
                from: Some(from),
                until: Some(until),
                ..every.clone()
            };
            let expected: Vec<_> = events.iter().filter(|row| within(row.wall)).cloned().collect();
            proptest::prop_assert_eq!(reader.events(&range).unwrap(), expected);
            let expected: Vec<_> = gaps.iter().filter(|row| within(row.wall)).cloned().collect();
            proptest::prop_assert_eq!(reader.gaps(&range).unwrap(), expected);
        }
    }
}

/// One session, the clock set back in its middle: the measured case, and one in which it comes to stand
/// before the session's start, so that the latest beats of a range have the smallest ids.
#[test]
fn a_clock_that_goes_back_hides_no_beat() {
    for (count, step, length_s) in [(160, (80, -30), 2), (300, (200, -170), 30)] {
        let (_folder, path) = place("beats.db");
        let reader = stepping_sessions(&path, &[(count, vec![step])]);
        let beats = all_pages(&reader, &RowFilter::default());
        let mut wrong = 0;
        for row in &beats {
            let until = WallUs(row.r_wall.0 + length_s * 1_000_000);
            let range = RowFilter {
                from: Some(row.r_wall),
                until: Some(until),
                ..RowFilter::default()
            };
            let expected = beats
                .iter()
                .filter(|other| row.r_wall <= other.r_wall && other.r_wall < until);
            wrong += u32::from(!all_pages(&reader, &range).iter().eq(expected));
        }
        assert_eq!((beats.len() as u64, wrong), (count, 0), "{step:?}");
    }
}

#[test]
fn a_page_of_beats_never_sorts_or_scans_the_table() {
    let (_folder, path) = place("beats.db");
    let reader = three_sessions(&path);
    let connection = Connection::open(&path).unwrap();
    let plan = |sql: &str| -> String {
        connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap()
            .raw_query()
            .mapped(|row| row.get::<_, String>(3))
            .map(Result::unwrap)
            .collect::<Vec<_>>()
            .join("; ")
    };
    let mut failures = Vec::new();
    for (classes, unclassifiable, expected) in [
        (
            0,
            None,
            "SEARCH b USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        ),
        (1, None, "beats_by_class (class=? AND rowid>? AND rowid<?)"),
        (
            2,
            Some(false),
            "beats_by_class (class=? AND rowid>? AND rowid<?)",
        ),
        (0, Some(true), "beats_unclassifiable (id>? AND id<?)"),
        (2, Some(true), "beats_unclassifiable (id>? AND id<?)"),
        (
            0,
            Some(false),
            "SEARCH b USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        ),
    ] {
        let filter = RowFilter {
            unclassifiable,
            ..RowFilter::default()
        };
        let plan = plan(&beat_query::sql(
            classes,
            &filter,
            &beat_query::whole_beats(),
        ));
        if !plan.contains(expected) || plan.contains("SCAN b") || plan.contains("TEMP B-TREE") {
            failures.push(plan);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    drop(reader);
}

#[test]
fn unclassifiable_beats_are_found_and_left_out() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    let session = fill(&written, 0, 64);
    written.close().unwrap();
    let reader = StoreReader::open(&path).unwrap();
    let ids = |classes: &[BeatClass], unclassifiable, session| -> Vec<i64> {
        let filter = RowFilter {
            classes: classes.to_vec(),
            unclassifiable,
            session,
            ..RowFilter::default()
        };
        let beats = reader.beats(&filter).unwrap();
        for row in &beats {
            let reason = (row.id % 16 == 8).then_some(Unclassifiable::LowConfidence);
            assert_eq!(row.beat.unclassifiable, reason, "beat {}", row.id);
        }
        beats.iter().map(|row| row.id).collect()
    };
    for session in [None, Some(session)] {
        assert_eq!(ids(&[], Some(true), session), [8, 24, 40, 56]);
        assert_eq!(ids(&[BeatClass::V], Some(true), session), [8, 24, 40, 56]);
        assert_eq!(ids(&[BeatClass::V], Some(false), session), [16, 32, 48, 64]);
        assert!(ids(&[BeatClass::N], Some(true), session).is_empty());
        assert_eq!(ids(&[], Some(false), session).len(), 60);
    }
    assert_eq!(
        reader
            .latest_session()
            .unwrap()
            .unwrap()
            .counts
            .unclassifiable,
        4
    );
}

#[test]
fn gaps_and_events_pass_the_same_filters() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    for start_s in [0, 100] {
        let info = session_info(start_s);
        written.begin_session(&info).unwrap();
        for k in 0..10 {
            put(&written, PipelineEvent::Beat(beat(&info, k)));
            put(&written, PipelineEvent::Gap(gap(&info, 500 * k, 2)));
            put(&written, PipelineEvent::Event(event(&info, 500 * k)));
        }
    }
    written.close().unwrap();
    let reader = StoreReader::open(&path).unwrap();
    let base = RowFilter::default();
    let second = |second: i64| Some(WallUs(START_WALL_US + second * 1_000_000));
    let table = [
        ("all", base.clone(), (1..=20).collect::<Vec<i64>>()),
        (
            "after",
            RowFilter {
                after_id: 18,
                ..base.clone()
            },
            vec![19, 20],
        ),
        (
            "limit",
            RowFilter {
                limit: 2,
                ..base.clone()
            },
            vec![1, 2],
        ),
        (
            "session",
            RowFilter {
                session: Some(2),
                limit: 1,
                ..base.clone()
            },
            vec![11],
        ),
        (
            "from",
            RowFilter {
                from: second(109),
                ..base.clone()
            },
            vec![20],
        ),
        (
            "until",
            RowFilter {
                until: second(1),
                ..base
            },
            vec![1],
        ),
    ];
    let mut failures = Vec::new();
    for (name, filter, expected) in table {
        let gaps: Vec<_> = reader
            .gaps(&filter)
            .unwrap()
            .iter()
            .map(|row| row.id)
            .collect();
        let events: Vec<_> = reader
            .events(&filter)
            .unwrap()
            .iter()
            .map(|row| row.id)
            .collect();
        if gaps != expected || events != expected {
            failures.push(format!("{name}: gaps {gaps:?}, events {events:?}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    let before = [0, 1, 2, 20, 100].map(|beat| reader.newest_rows_before(beat).unwrap());
    assert_eq!(before, [(0, 0), (0, 0), (1, 1), (19, 19), (20, 20)]);
    let mark = reader.mark().unwrap();
    assert_eq!((mark.beat, mark.gap, mark.event), (20, 20, 20));
    assert_eq!(reader.epoch().unwrap(), mark.epoch);
}

#[test]
fn a_waveform_shows_what_is_stored_and_null_where_nothing_is() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    // samples 0..450 and 470..2000: 20 missing
    for (first, samples) in [(0, 300), (300, 150), (470, 30), (500, 1_500)] {
        put(&written, PipelineEvent::Ecg(block(&info, first, samples)));
    }
    written.record(PipelineEvent::Beat(beat(&info, 0))).unwrap(); // R at 400
    let mut early = beat(&info, 0);
    early.r_sample = 10;
    put(&written, PipelineEvent::Beat(early));
    let mut late = beat(&info, 0);
    late.r_sample = 1_990;
    put(&written, PipelineEvent::Beat(late));
    written.close().unwrap();
    let reader = StoreReader::open(&path).unwrap();
    let shown = |id| {
        let beat = reader.beat(id).unwrap().unwrap();
        reader.waveform(&beat, WaveformRange::default()).unwrap()
    };

    let middle = shown(1);
    assert_eq!(middle.first_sample, 400 - 220); // 440 ms at 500 SPS
    assert_eq!(middle.r_offset_samples, 220);
    assert_eq!(middle.uv[0].len(), 220 + 288 + 1); // 576 ms at 500 SPS
    assert_eq!(middle.missing_samples(), 20);
    for (offset, (first, second)) in middle.uv[0].iter().zip(&middle.uv[1]).enumerate() {
        let sample = 180 + offset;
        let stored = !(450..470).contains(&sample);
        let expected = |uv_per_code: f64| stored.then_some(sample as f64 * uv_per_code);
        assert_eq!(
            (*first, *second),
            (expected(0.5), expected(-0.25)),
            "{sample}"
        );
    }
    let early = shown(2);
    assert_eq!((early.first_sample, early.missing_samples()), (-210, 210));
    let late = shown(3);
    assert_eq!((late.first_sample, late.missing_samples()), (1_770, 279));

    let beat = reader.beat(1).unwrap().unwrap();
    let range = WaveformRange {
        before_ms: -5.0,
        after_ms: 4.0,
    };
    let narrow = reader.waveform(&beat, range).unwrap();
    assert_eq!(narrow.uv[0], [Some(200.0), Some(200.5), Some(201.0)]);
}

#[test]
fn a_damaged_block_is_named_and_spares_the_other_blocks() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    for k in 0..4 {
        put(&written, PipelineEvent::Ecg(block(&info, 1_000 * k, 1_000)));
        let mut beat = beat(&info, k);
        beat.r_sample = 1_000 * k + 500;
        put(&written, PipelineEvent::Beat(beat));
    }
    written.close().unwrap();
    let damage = Connection::open(&path).unwrap();
    damage
        .execute_batch("DROP TRIGGER ecg_blocks_stay")
        .unwrap();
    for sql in [
        "UPDATE ecg_blocks SET codes = substr(codes, 1, length(codes) - 9) WHERE id = 1",
        "UPDATE ecg_blocks SET codes = x'0905' WHERE id = 2",
        "UPDATE ecg_blocks SET samples = 999 WHERE id = 3",
    ] {
        damage.execute(sql, []).unwrap();
    }
    let reader = StoreReader::open(&path).unwrap();
    let outcomes: Vec<_> = (1..=4)
        .map(|id| {
            let beat = reader.beat(id).unwrap().unwrap();
            match reader.waveform(
                &beat,
                WaveformRange {
                    before_ms: 100.0,
                    after_ms: 100.0,
                },
            ) {
                Ok(waveform) => format!("{} missing", waveform.missing_samples()),
                Err(error @ (StoreError::Block { .. } | StoreError::Value { .. })) => {
                    error.to_string()
                }
                Err(other) => panic!("{other:?}"),
            }
        })
        .collect();
    assert!(
        outcomes[0].starts_with("ECG block of session 1 at sample 0: "),
        "{outcomes:?}"
    );
    assert!(
        outcomes[1].contains("at sample 1000: encoding 9"),
        "{outcomes:?}"
    );
    assert!(
        outcomes[2].contains("ecg_blocks.samples: found 999"),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[3], "0 missing");
}

#[test]
fn values_no_program_of_ours_writes_are_errors() {
    let (_folder, path) = place("beats.db");
    filled(&path, 0, 1);
    let damage = Connection::open(&path).unwrap();
    damage.execute_batch("DROP TRIGGER beats_stay").unwrap();
    let reader = StoreReader::open(&path).unwrap();
    let mut failures = Vec::new();
    for (set, reset, expected) in [
        (
            "quality = 'superb'",
            "quality = 'good'",
            "beats.quality: found superb",
        ),
        (
            "r_sample = -1",
            "r_sample = 1",
            "beats.r_sample: found -1, expected at least 0",
        ),
        ("channel = 300", "channel = 0", "reading: "),
    ] {
        damage
            .execute(&format!("UPDATE beats SET {set}"), [])
            .unwrap();
        match reader.beat(1) {
            Err(error) if error.to_string().contains(expected) => {}
            other => failures.push(format!("{set}: {other:?}")),
        }
        damage
            .execute(&format!("UPDATE beats SET {reset}"), [])
            .unwrap();
    }
    assert!(failures.is_empty(), "{failures:#?}");
    reader.beat(1).unwrap().unwrap();
}

/// A file that is not ours may have the largest id there is.
#[test]
fn beats_of_the_session_with_the_largest_id_are_read() {
    let (_folder, path) = place("beats.db");
    filled(&path, 0, 3);
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "PRAGMA foreign_keys = OFF; DROP TRIGGER sessions_stay; DROP TRIGGER beats_stay; \
             UPDATE sessions SET id = 9223372036854775807; \
             UPDATE beats SET session = 9223372036854775807",
        )
        .unwrap();
    let filter = RowFilter {
        session: Some(i64::MAX),
        ..RowFilter::default()
    };
    let reader = StoreReader::open(&path).unwrap();
    assert_eq!(reader.beats(&filter).unwrap().len(), 3);
}

#[test]
fn a_read_in_progress_is_ended_from_another_thread() {
    let (_folder, path) = place("beats.db");
    let written = writer(&path);
    fill(&written, 10, 3);
    let reader = StoreReader::open(&path).unwrap();
    let interrupter = reader.interrupter();
    // takes many seconds and gives no row
    let long = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000000) \
                SELECT x FROM n WHERE x < 0";
    let begun = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let reader = reader;
            begun.wait();
            let outcome = reader.rows(long, [], |row| Ok(row.get::<_, i64>(0)?));
            (outcome, reader)
        });
        begun.wait();
        while !reading.is_finished() {
            interrupter.interrupt();
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let (outcome, reader) = reading.join().unwrap();
        assert!(
            matches!(outcome, Err(StoreError::Interrupted)),
            "{outcome:?}"
        );
        // what comes next is ended, too, until reading is taken up again
        let next = reader.beats(&RowFilter::default());
        assert!(matches!(next, Err(StoreError::Interrupted)), "{next:?}");
        reader.resume();
        assert_eq!(reader.beats(&RowFilter::default()).unwrap().len(), 3);
    });
}
