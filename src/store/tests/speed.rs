//! Prints rates; asserts none. `cargo test --release --lib store::tests::speed -- --ignored --nocapture`

use std::time::Instant;

use super::super::codec::tests::ecg_like;
use super::super::{BeatFilter, BlockEncoder, StoreReader, decode};
use super::{START_WALL_US, beat, session_info, writer};
use crate::pipeline::PipelineEvent;
use crate::time::WallUs;

#[test]
#[ignore = "a measurement of the release build: .ci/run runs it there"]
fn codec() {
    let codes = ecg_like(5_000);
    for level in [0, 1, 2, 3, 4, 6, 9] {
        let mut encoder = BlockEncoder::new(level);
        let blob = encoder.encode(&codes).unwrap();
        let rounds = 200;
        let start = Instant::now();
        for _ in 0..rounds {
            std::hint::black_box(encoder.encode(std::hint::black_box(&codes)).unwrap());
        }
        let encode = start.elapsed();
        let start = Instant::now();
        for _ in 0..rounds {
            std::hint::black_box(decode(std::hint::black_box(&blob)).unwrap());
        }
        let decode = start.elapsed();
        let values = f64::from(rounds) * 2.0 * codes.len() as f64;
        println!(
            "level {level}: {:.2} bytes, {:.1} ns to encode, {:.1} ns to decode per channel sample",
            blob.len() as f64 / (2.0 * codes.len() as f64),
            encode.as_secs_f64() * 1e9 / values,
            decode.as_secs_f64() * 1e9 / values,
        );
    }
}

#[test]
#[ignore = "a measurement of the release build: .ci/run runs it there"]
fn rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("beats.db");
    let written = writer(&path);
    let info = session_info(0);
    written.begin_session(&info).unwrap();
    let count = 500_000;
    let start = Instant::now();
    for k in 0..count {
        written.record(PipelineEvent::Beat(beat(&info, k))).unwrap();
    }
    written.flush().unwrap();
    println!(
        "{:.0} beats/s committed",
        count as f64 / start.elapsed().as_secs_f64()
    );
    let reader = StoreReader::open(&path).unwrap();
    let hour = BeatFilter {
        from: Some(WallUs(START_WALL_US + 200_000 * 1_000_000)),
        until: Some(WallUs(START_WALL_US + 203_600 * 1_000_000)),
        limit: 10_000,
        ..BeatFilter::default()
    };
    let start = Instant::now();
    let found = reader.beats(&hour).unwrap().len();
    println!("{found} beats of one hour read in {:?}", start.elapsed());
    println!(
        "{:.0} bytes a beat",
        reader.size_bytes().unwrap() as f64 / count as f64
    );
}
