//! Stretches of ECG, against the codes that were stored.

use std::io::{Read, Write};

use ecg_chain::{CHANNEL_COUNT, ClockRelation, PipelineEvent, WallUs};
use serde_json::Value;

use super::client::{connect, fetch, get};
use super::{House, START_WALL_US};
use crate::store::MISSING_CODE;

/// Header and codes of an answer in the binary form.
fn binary(house: &House, target: &str) -> (Value, Vec<i32>) {
    let mut stream = connect(house.socket());
    write!(
        stream,
        "GET {target} HTTP/1.0\r\nhost: x\r\naccept: application/vnd.ecg-gateway.ecg\r\n\r\n"
    )
    .unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let head = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let (head, body) = bytes.split_at(head + 4);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    assert!(head.contains("200 ok"), "{head}");
    assert!(
        head.contains("content-type: application/vnd.ecg-gateway.ecg"),
        "{head}"
    );
    assert!(body.starts_with(b"ECG1"));
    let length = u32::from_le_bytes(body[4..8].try_into().unwrap());
    let (header, codes) = body[8..].split_at(usize::try_from(length).unwrap());
    let codes = codes
        .chunks(4)
        .map(|four| i32::from_le_bytes(four.try_into().unwrap()));
    (serde_json::from_slice(header).unwrap(), codes.collect())
}

/// 1000 samples, 3 missing, 500 more.
fn with_a_gap() -> House {
    let house = House::new();
    house.ecg(0, 1_000);
    house.gap(1_000);
    house.ecg(1_003, 500);
    house.writer.flush().unwrap();
    house
}

fn us_of(sample: i64) -> i64 {
    START_WALL_US + sample * 2_000
}

#[test]
fn a_stretch_is_what_was_stored_and_a_gap_is_null() {
    let house = with_a_gap();
    let target = format!("/v1/ecg?from={}&to={}", us_of(998), us_of(1_006));
    let answer = fetch(house.socket(), &target);
    assert_eq!(answer["first_sample"], 998);
    assert_eq!(answer["points"], 8);
    assert_eq!(answer["samples_per_point"], 1);
    assert_eq!(answer["start_time_us"], us_of(998));
    let null = Value::Null;
    let uv = |values: [Option<f64>; 8]| serde_json::to_value(values).unwrap();
    let first = [
        Some(499.0),
        Some(499.5),
        None,
        None,
        None,
        Some(0.0),
        Some(0.5),
        Some(1.0),
    ];
    assert_eq!(answer["channels"][0]["uv"], uv(first));
    let second = first.map(|value| value.map(|value: f64| if value == 0.0 { 0.0 } else { -value }));
    assert_eq!(answer["channels"][1]["uv"], uv(second));
    assert_eq!(answer["channels"][1]["lead"], "II");
    assert_eq!(answer["channels"][1]["channel_number"], 2);
    assert_eq!(
        answer["gaps"],
        serde_json::json!([{"first_missing_sample": 1_000, "missing_samples": 3, "cause": "bad_frame"}])
    );
    assert_eq!(answer["next_time_us"], null);
    // the same as codes
    let (header, codes) = binary(&house, &target);
    assert_eq!(header["points"], 8);
    assert_eq!(header["channels"][0]["uv_per_code"], 0.5);
    let m = MISSING_CODE;
    let expected = [998, -998, 999, -999, m, m, m, m, m, m, 0, 0, 1, -1, 2, -2];
    assert_eq!(codes, expected);
    let (_, codes) = binary(&house, &format!("{target}&channel_number=2"));
    assert_eq!(codes, [-998, -999, m, m, m, 0, -1, -2]);
}

#[test]
fn the_whole_session_comes_in_pieces_without_a_seam() {
    let house = House::new();
    let mut expected = Vec::new();
    for block in 0..120_u64 {
        house.ecg(block * 2_500, 2_500);
        expected.extend((0..2_500).flat_map(|k| [k, -k]));
    }
    house.writer.flush().unwrap();
    let (header, codes) = binary(&house, "/v1/ecg?from=0");
    assert_eq!(header["points"], 300_000);
    assert!(codes == expected);
    // as JSON it is cut and says where to go on
    let first = fetch(house.socket(), "/v1/ecg?from=0");
    assert_eq!(first["points"], 60_000);
    assert_eq!(first["next_time_us"], us_of(60_000));
    let second = fetch(
        house.socket(),
        &format!("/v1/ecg?from={}", first["next_time_us"]),
    );
    assert_eq!(second["first_sample"], 60_000);
}

#[test]
fn points_are_the_extremes_of_their_samples() {
    let house = with_a_gap();
    for max_points in [1, 2, 7, 100, 1_502, 1_503, 60_000] {
        let target = format!("/v1/ecg?from=0&max_points={max_points}");
        let answer = fetch(house.socket(), &target);
        let per_point = answer["samples_per_point"].as_u64().unwrap();
        let points = answer["points"].as_u64().unwrap();
        assert!(
            points <= max_points && points * per_point >= 1_503,
            "{answer}"
        );
        if per_point == 1 {
            continue;
        }
        let (header, codes) = binary(&house, &target);
        assert_eq!(header["samples_per_point"], per_point);
        let all: Vec<i32> = (0..1_000).chain([MISSING_CODE; 3]).chain(0..500).collect();
        let expected: Vec<i32> = all
            .chunks(usize::try_from(per_point).unwrap())
            .flat_map(|samples| {
                let stored = samples.iter().filter(|code| **code != MISSING_CODE);
                let min = stored.clone().min().copied().unwrap_or(MISSING_CODE);
                let max = stored.max().copied().unwrap_or(MISSING_CODE);
                [min, max]
            })
            .collect();
        let (_, only) = binary(&house, &format!("{target}&channel_number=1"));
        assert_eq!(only, expected, "{max_points}");
        assert_eq!(codes.len(), expected.len() * CHANNEL_COUNT);
        let min_uv: Vec<Option<f64>> =
            serde_json::from_value(answer["channels"][0]["min_uv"].clone()).unwrap();
        let uv = |code: &i32| (*code != MISSING_CODE).then(|| f64::from(*code) * 0.5);
        let mins: Vec<_> = expected.iter().step_by(2).map(uv).collect();
        assert_eq!(min_uv, mins);
    }
}

#[test]
fn neighbouring_thinned_stretches_fit_together() {
    let house = with_a_gap();
    let target = |from, to| {
        format!(
            "/v1/ecg?from={}&to={}&max_points=10&channel_number=1",
            us_of(from),
            us_of(to)
        )
    };
    let (header, _) = binary(&house, &target(103, 203));
    assert_eq!(header["samples_per_point"], 10);
    assert_eq!(header["first_sample"], 100);
}

#[test]
fn a_stepped_wall_clock_hides_nothing() {
    let house = House::new();
    house.ecg(0, 1_000);
    // an hour back at sample 1000
    house.record(PipelineEvent::Clock {
        relation: ClockRelation {
            monotonic: house.time(1_000),
            wall: WallUs(us_of(1_000) - 3_600_000_000),
        },
        step_us: -3_600_000_000,
    });
    house.ecg(1_000, 1_000);
    house.writer.flush().unwrap();
    let first_of = |from: i64, to: i64| {
        let answer = fetch(house.socket(), &format!("/v1/ecg?from={from}&to={to}"));
        (
            answer["first_sample"].as_u64().unwrap(),
            answer["points"].as_u64().unwrap(),
        )
    };
    assert_eq!(first_of(us_of(10), us_of(20)), (10, 10));
    let hour = 3_600_000_000;
    assert_eq!(
        first_of(us_of(1_010) - hour, us_of(1_020) - hour),
        (1_010, 10)
    );
    // the same times twice, and what lies between
    assert_eq!(first_of(us_of(990) - hour, us_of(1_000)), (0, 2_000));
    let answer = fetch(
        house.socket(),
        &format!("/v1/ecg?from={}&to={}", us_of(990), us_of(1_000)),
    );
    assert_eq!(answer["first_sample"], 990);
    assert_eq!(answer["start_time_us"], us_of(990));
    // the last ten seconds are all of it
    assert_eq!(fetch(house.socket(), "/v1/ecg")["points"], 2_000);
}

#[test]
fn what_is_not_there_or_wrong_is_said() {
    let house = House::new();
    let answer = get(house.socket(), "/v1/ecg?session=77");
    assert_eq!(
        (answer.status, answer.json()["type"].as_str()),
        (404, Some("urn:problem-type:ecg-gateway:no-such-session"))
    );
    // a session without a sample
    let answer = fetch(house.socket(), "/v1/ecg");
    assert_eq!(answer["points"], 0);
    for (query, named) in [
        ("channel_number=0", "1 or 2"),
        ("max_points=0", "1 to 60000"),
        ("max_points=60001", "1 to 60000"),
        ("from=yesterday", "RFC 3339"),
        ("before_ms=3", "this path takes"),
    ] {
        let answer = get(house.socket(), &format!("/v1/ecg?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.body.contains(named), "{}", answer.body);
    }
    house.ecg(0, 100);
    house.writer.flush().unwrap();
    for outside in [
        format!("from={}", us_of(1_000)),
        format!("to={}", us_of(-5)),
        format!("from={}&to={}", us_of(50), us_of(40)),
        format!("from={}&to={}", i64::MAX, i64::MIN),
    ] {
        let answer = fetch(house.socket(), &format!("/v1/ecg?{outside}"));
        assert_eq!(answer["points"], 0, "{outside}");
    }
}
