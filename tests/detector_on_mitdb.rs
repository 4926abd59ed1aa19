//! The detector on the MIT-BIH Arrhythmia Database (Moody and Mark 2001, DOI 10.13026/C2F305), where
//! it is at hand: in `$ECG_MITDB` or beside the project in `../shared/data/mitdb`.

use std::path::Path;

use ecg_evaluate::{Comparison, Pair, Reference, match_beats};
use ecg_signal::{
    Chain, ChainConfig, ChainEvent, ChannelChoice, LARGEST_LABEL_DELAY_S, Mains, Sample, SampleRate,
};
use wfdb_io::{Record, read_annotations};

use super::common::mitdb;

/// The first ten minutes of each record.
const FRAMES: u64 = 216_000;

/// Matched, missed and extra beats of one record, and the largest label delay, seconds.
#[allow(clippy::cast_possible_truncation)]
fn detect(path: &Path) -> (usize, usize, usize, f64) {
    let record = Record::open(path).unwrap();
    let rate_hz = record.header().rate_hz;
    let conversion = record.header().signals[0].uv_conversion().unwrap();
    let config = ChainConfig::new(SampleRate::from_hz(rate_hz).unwrap())
        .mains(Mains::Hz60)
        .channel(ChannelChoice::Fixed(0));
    let mut chain = Chain::new(&config).unwrap();
    let (mut found, mut largest_delay) = (Vec::new(), 0);
    let mut keep = |event| {
        if let ChainEvent::Beat(beat) = event {
            found.push(beat.r_sample);
            largest_delay = largest_delay.max(beat.decided_at_sample - beat.r_sample);
        }
    };
    let mut frames = record.frames().unwrap();
    let mut frame = [0; 2];
    for index in 0..FRAMES {
        assert!(frames.next_frame(&mut frame).unwrap());
        let uv = frame.map(|code| conversion.to_uv(code).unwrap_or(0.0) as f32);
        let sample = Sample {
            index,
            uv,
            lead_off: [false; 2],
        };
        chain.push(&sample, &mut keep);
    }
    chain.finish(&mut keep);
    let mut annotations = read_annotations(&record.file_with_ending("atr"))
        .unwrap()
        .annotations;
    annotations.retain(|annotation| annotation.sample < FRAMES);
    let reference = Reference::from_annotations(&annotations);
    let pairs = match_beats(&reference, &found, &Comparison::standard(rate_hz, 0.0));
    let count = |kind: fn(&Pair) -> bool| pairs.iter().filter(|pair| kind(pair)).count();
    (
        count(|pair| matches!(pair, Pair::Matched { .. })),
        count(|pair| matches!(pair, Pair::Missed { .. })),
        count(|pair| matches!(pair, Pair::Extra { .. })),
        largest_delay as f64 / rate_hz,
    )
}

#[test]
fn sensitivity_and_predictivity_hold_on_real_records() {
    let Some(folder) = mitdb() else {
        return;
    };
    let (mut matched, mut missed, mut extra) = (0, 0, 0);
    for name in [
        "100", "105", "108", "119", "200", "203", "207", "208", "222", "228",
    ] {
        let (m, n, e, delay_s) = detect(&folder.join(name));
        println!("{name}: {m} matched, {n} missed, {e} extra");
        assert!(delay_s <= LARGEST_LABEL_DELAY_S, "{name}: {delay_s}");
        (matched, missed, extra) = (matched + m, missed + n, extra + e);
    }
    let se = matched as f64 / (matched + missed) as f64;
    let ppv = matched as f64 / (matched + extra) as f64;
    // The hard records among them keep these below the figures of the whole database.
    assert!(se >= 0.996 && ppv >= 0.996, "Se {se}, +P {ppv}");
}
