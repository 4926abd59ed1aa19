//! Clusters of a synthetic ECG whose beats have known shapes.

use std::io::Write;

use arrhythmianet::{BeatClass, Unclassifiable};
use ecg_chain::{CHANNEL_COUNT, EcgBlock, LabelledBeat, PipelineEvent};
use ecg_signal::SignalQuality;
use serde_json::{Value, json};

use super::super::pools::Pool;
use super::client::{connect, fetch, get};
use super::questions::{Obstacle, metric};
use super::{House, START_WALL_US, eventually};

/// Samples from one R peak to the next.
const RR: u64 = 400;

fn bump(from_r: f64, centre: f64, width: f64, uv: f64) -> f64 {
    uv * (-((from_r - centre) / width).powi(2) / 2.0).exp()
}

fn narrow(from_r: f64) -> f64 {
    bump(from_r, 0.0, 5.0, 1_000.0) - bump(from_r, 14.0, 5.0, 250.0)
}

fn wide(from_r: f64) -> f64 {
    bump(from_r, 0.0, 24.0, 1_400.0) - bump(from_r, 110.0, 20.0, 700.0)
}

/// A session whose beat number k, with its R peak at sample 400 (k + 1), has a shape: microvolts at so many
/// samples from R. A code is 0.5 µV.
fn record<S: Fn(f64) -> f64>(house: &House, beats: u64, shape: impl Fn(u64) -> S) {
    let code = |sample: u64| {
        // The beat whose R peak is nearest.
        let k = (sample.saturating_sub(RR / 2) / RR).min(beats.saturating_sub(1));
        let uv = shape(k)(sample as f64 - (RR * (k + 1)) as f64);
        #[allow(clippy::cast_possible_truncation)]
        let code = (2.0 * uv) as i32;
        code
    };
    for first in (0..(beats + 2) * RR).step_by(4_000) {
        put(house, first, (first..first + 4_000).map(code));
    }
    house.writer.flush().unwrap();
}

/// The second channel is the first upside down.
fn put(house: &House, first_sample: u64, codes: impl Iterator<Item = i32>) {
    house.record(PipelineEvent::Ecg(EcgBlock {
        first_sample,
        first_time: house.time(first_sample),
        codes: codes.map(|code| [code, -code]).collect(),
    }));
}

fn labelled(house: &House, k: u64, class: BeatClass) -> LabelledBeat {
    LabelledBeat {
        r_sample: RR * (k + 1),
        r_time: house.time(RR * (k + 1)),
        rr_ms: Some(800.0),
        class,
        unclassifiable: None,
        probabilities: [0.2; 5],
        channel: 0,
        quality: SignalQuality::Good,
        window_complete: true,
        label_delay_ms: 600.0,
    }
}

fn add(house: &House, beat: LabelledBeat) {
    house.record(PipelineEvent::Beat(beat));
}

/// Every third beat is wide and called V.
fn bigeminy(house: &House, beats: u64) {
    let is_wide = |k: u64| k % 3 == 2;
    record(house, beats, |k| {
        move |from_r| {
            if is_wide(k) {
                wide(from_r)
            } else {
                narrow(from_r)
            }
        }
    });
    for k in 0..beats {
        let class = if is_wide(k) {
            BeatClass::V
        } else {
            BeatClass::N
        };
        add(house, labelled(house, k, class));
    }
    house.writer.flush().unwrap();
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn two_shapes_are_two_clusters() {
    let house = House::new();
    bigeminy(&house, 60);
    let answer = fetch(house.socket(), "/v1/clusters");
    assert_eq!(answer["session"], 1);
    assert_eq!(answer["method"], "running template correlation");
    assert_eq!(
        (&answer["beats_left_out"], &answer["left_out_reason"]),
        (&json!(0), &Value::Null)
    );
    let clusters = answer["clusters"].as_array().unwrap();
    let told = |cluster: &Value| {
        let of = |name: &str| cluster[name].clone();
        [
            of("cluster"),
            of("beats"),
            of("first_beat"),
            of("more_beats"),
        ]
    };
    assert_eq!(clusters.len(), 2, "{answer}");
    assert_eq!(
        told(&clusters[0]),
        [1, 40, 1, 0].map(|number| json!(number))
    );
    assert_eq!(
        told(&clusters[1]),
        [2, 20, 3, 0].map(|number| json!(number))
    );
    assert_eq!(
        clusters[0]["beats_by_class"],
        json!({"N": 40, "L": 0, "R": 0, "A": 0, "V": 0})
    );
    assert_eq!(clusters[1]["beats_by_class"]["V"], 20);
    let ids: Vec<u64> = (0..60).filter(|k| k % 3 == 2).map(|k| k + 1).collect();
    assert_eq!(clusters[1]["beat_ids"], json!(ids));
    for cluster in clusters {
        assert!(
            cluster["mean_correlation"].as_f64().unwrap() > 0.98,
            "{cluster}"
        );
        assert_eq!(
            (&cluster["channel_number"], &cluster["lead"]),
            (&json!(1), &json!("I"))
        );
        assert_eq!(cluster["sample_rate_hz"], 125);
        // The mean is the shape, with its peak where R is said to be, as far as the filters leave it there.
        let r = usize::try_from(cluster["before_samples"].as_u64().unwrap()).unwrap();
        let mean_uv = numbers(&cluster["mean_uv"]);
        let peak = (0..128).max_by(|&a, &b| mean_uv[a].total_cmp(&mean_uv[b]));
        assert!(peak.unwrap().abs_diff(r) <= 1, "{peak:?}");
        let examples = cluster["examples_uv"].as_array().unwrap();
        assert!((15..=30).contains(&examples.len()), "{}", examples.len());
        for example in examples {
            let example = numbers(example);
            let off = example.iter().zip(&mean_uv).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f64::max) < 150.0);
        }
    }
    let height_uv = |cluster: &Value| numbers(&cluster["mean_uv"])[55];
    assert!((700.0..1_100.0).contains(&height_uv(&clusters[0])));
    assert!((1_000.0..1_600.0).contains(&height_uv(&clusters[1])));
}

#[test]
fn a_stretch_has_its_own_beats_alone() {
    let house = House::new();
    bigeminy(&house, 60);
    let us = |k: i64| START_WALL_US + (k + 1) * 800_000;
    let target = format!("/v1/clusters?session=1&from={}&to={}", us(30), us(42));
    let answer = fetch(house.socket(), &target);
    let clusters = answer["clusters"].as_array().unwrap();
    let beats: Vec<_> = clusters.iter().map(|cluster| &cluster["beats"]).collect();
    assert_eq!(beats, [8, 4]);
    assert_eq!(clusters[1]["beat_ids"], json!([33, 36, 39, 42]));
    assert_eq!(
        answer["beats_left_out"], 0,
        "the ECG around the stretch is used"
    );
}

#[test]
fn beats_without_usable_ecg_are_counted_by_reason() {
    let house = House::new();
    record(&house, 8, |_| narrow);
    // Behind the first block nothing is stored for 2.4 s.
    let codes = |from: u64| {
        move |sample: u64| {
            #[allow(clippy::cast_possible_truncation)]
            let code = (2.0 * narrow(((sample - from) % RR) as f64 - 200.0)) as i32;
            code
        }
    };
    let again = 5_200;
    put(&house, again, (again..again + 4_000).map(codes(again)));
    let mut beat = labelled(&house, 0, BeatClass::N);
    for k in 0..8 {
        beat.r_sample = RR * (k + 1);
        add(&house, beat.clone());
    }
    // In the gap, beside it, and behind it.
    for r_sample in [4_800, 5_400, 5_800, 6_200] {
        add(
            &house,
            LabelledBeat {
                r_sample,
                ..beat.clone()
            },
        );
    }
    for (r_sample, quality, unclassifiable) in [
        (6_600, SignalQuality::Clipped, None),
        (7_000, SignalQuality::Good, Some(Unclassifiable::PoorSignal)),
        (
            7_400,
            SignalQuality::Clipped,
            Some(Unclassifiable::PoorSignal),
        ),
        // Not sure of its class, but its shape is there.
        (
            7_800,
            SignalQuality::Noisy,
            Some(Unclassifiable::LowConfidence),
        ),
    ] {
        add(
            &house,
            LabelledBeat {
                r_sample,
                quality,
                unclassifiable,
                ..beat.clone()
            },
        );
    }
    house.writer.flush().unwrap();
    let answer = fetch(house.socket(), "/v1/clusters");
    assert_eq!(
        answer["beats_left_out_by_reason"],
        json!({"gap_or_not_stored": 2, "clipped": 2, "poor_signal": 1}),
        "{answer}"
    );
    assert_eq!(answer["beats_left_out"], 5);
    assert_eq!(answer["left_out_reason"], "gap_or_not_stored");
    let clusters = answer["clusters"].as_array().unwrap();
    assert_eq!((clusters.len(), &clusters[0]["beats"]), (1, &json!(11)));
    assert_eq!(clusters[0]["beats_unclassifiable"], 1);
}

#[test]
fn each_beat_is_seen_in_its_own_channel() {
    let house = House::new();
    record(&house, 20, |_| narrow);
    for k in 0..20 {
        let channel = u8::from(k >= 12);
        add(
            &house,
            LabelledBeat {
                channel,
                ..labelled(&house, k, BeatClass::N)
            },
        );
    }
    house.writer.flush().unwrap();
    let answer = fetch(house.socket(), "/v1/clusters");
    let clusters = answer["clusters"].as_array().unwrap();
    let told = |cluster: &Value| {
        let height_uv = numbers(&cluster["mean_uv"])[55];
        (
            cluster["channel_number"].clone(),
            cluster["beats"].clone(),
            height_uv > 0.0,
        )
    };
    let told: Vec<_> = clusters.iter().map(told).collect();
    assert_eq!(
        told,
        [(json!(1), json!(12), true), (json!(2), json!(8), false)]
    );
    assert_eq!(clusters[1]["lead"], "II");
    assert_eq!(CHANNEL_COUNT, 2);
}

#[test]
fn shapes_that_had_to_make_room_are_the_others() {
    let house = House::new();
    // Six deflections per beat, up or down as its number says: 40 shapes, then five beats of the last one.
    record(&house, 45, |k| {
        move |from_r: f64| {
            let bits = k.min(39);
            let places = (0..6_u32).map(|place| (place, f64::from(place) * 22.0 - 50.0));
            places
                .map(|(place, centre)| {
                    let sign = if bits >> place & 1 == 1 { 1.0 } else { -1.0 };
                    bump(from_r, centre, 5.0, sign * 600.0)
                })
                .sum()
        }
    });
    for k in 0..45 {
        add(&house, labelled(&house, k, BeatClass::N));
    }
    house.writer.flush().unwrap();
    let answer = fetch(house.socket(), "/v1/clusters");
    let clusters = answer["clusters"].as_array().unwrap();
    assert_eq!(clusters.len(), 33, "{answer}");
    assert_eq!(
        (&clusters[0]["beats"], &clusters[0]["first_beat"]),
        (&json!(6), &json!(40))
    );
    assert!(clusters[1..32].iter().all(|cluster| cluster["beats"] == 1));
    let others = &clusters[32];
    assert_eq!(
        (&others["cluster"], &others["beats"]),
        (&json!(0), &json!(8))
    );
    assert_eq!(others["beat_ids"], json!([1, 2, 3, 4, 5, 6, 7, 8]));
    for field in ["channel_number", "lead", "mean_uv", "mean_correlation"] {
        assert_eq!(others[field], Value::Null, "{field}");
    }
    assert_eq!(others["examples_uv"].as_array().unwrap().len(), 8);
}

#[test]
fn a_session_without_beats_has_no_clusters_and_one_that_is_not_there_is_said_to_be() {
    let house = House::new();
    house.writer.flush().unwrap();
    let answer = fetch(house.socket(), "/v1/clusters");
    assert_eq!(answer["clusters"], json!([]));
    assert_eq!(
        (&answer["beats_left_out"], &answer["left_out_reason"]),
        (&json!(0), &Value::Null)
    );
    let missing = get(house.socket(), "/v1/clusters?session=9");
    assert_eq!(missing.status, 404);
    assert_eq!(
        missing.json()["type"],
        "urn:problem-type:ecg-gateway:no-such-session"
    );
}

#[test]
fn a_stretch_that_takes_too_long_is_refused_with_what_is_allowed() {
    let house = House::new();
    record(&house, 2, |_| narrow);
    let beat = labelled(&house, 0, BeatClass::N);
    let later = LabelledBeat {
        r_sample: 60_000_401,
        r_time: house.time(60_000_401),
        ..beat.clone()
    };
    add(&house, beat);
    add(&house, later);
    house.writer.flush().unwrap();
    let answer = get(house.socket(), "/v1/clusters");
    assert_eq!(answer.status, 400, "{}", answer.body);
    let problem = answer.json();
    assert_eq!(
        problem["type"],
        "urn:problem-type:ecg-gateway:invalid-parameter"
    );
    assert_eq!(
        problem["detail"],
        "from, to: found \"33.3 h of beats, 60000001 samples\", expected a stretch of at most \
         60000000 samples, which are 33.3 h here"
    );
    let until = START_WALL_US + 3_600_000_000;
    let target = format!("/v1/clusters?to={until}");
    assert_eq!(fetch(house.socket(), &target)["clusters"][0]["beats"], 1);
}

#[test]
fn a_client_that_hangs_up_gives_its_clusters_up() {
    let house = House::new();
    bigeminy(&house, 6);
    let cancelled = "ecg_gateway_questions_cancelled_total{pool=\"wide\"}";
    let obstacle = Obstacle::put(&house.server.pools, Pool::Wide);
    let mut stream = connect(house.socket());
    write!(stream, "GET /v1/clusters HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let waiting = "ecg_gateway_questions_waiting{pool=\"wide\"}";
    eventually("it waits", || metric(&house, waiting) == 1);
    drop(stream);
    eventually("it is given up", || metric(&house, cancelled) == 1);
    drop(obstacle);
}
