//! The detector where leads, rates, amplitudes and hearts are others than those it was fitted on: the
//! recorded demo traces, and the MIT-BIH Arrhythmia Database (Moody and Mark 2001, DOI
//! 10.13026/C2F305) where it is at hand, in `$ECG_MITDB` or beside the project in
//! `../shared/data/mitdb`.

use std::path::Path;

use ecg_evaluate::{Change, Comparison, Pair, Reference, match_beats};
use ecg_gateway::acquisition::{Acquired, FrameSource, open_replay};
use ecg_signal::{Chain, ChainConfig, ChainEvent, ChannelChoice, Mains, Sample, SampleRate};
use wfdb_io::{Annotation, Record, read_annotations};

use super::common::mitdb;

/// Two channels and where the beats are.
struct Excerpt {
    rate_hz: f64,
    channels_uv: [Vec<f32>; 2],
    annotations: Vec<Annotation>,
}

/// Matched, missed and extra beats.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    matched: usize,
    missed: usize,
    extra: usize,
}

impl Counts {
    fn se(self) -> f64 {
        100.0 * self.matched as f64 / (self.matched + self.missed) as f64
    }

    fn ppv(self) -> f64 {
        100.0 * self.matched as f64 / (self.matched + self.extra) as f64
    }
}

/// A row of the table: what is done to the recording, which channel is looked at, and the least Se
/// and +P on the demo traces and on the database, percent.
struct Row {
    name: &'static str,
    change: Change,
    channel: ChannelChoice,
    demo: (f64, f64),
    database: (f64, f64),
}

fn rows() -> Vec<Row> {
    let first = ChannelChoice::Fixed(0);
    let row = |name, change, channel, demo, database| Row {
        name,
        change,
        channel,
        demo,
        database,
    };
    vec![
        row("as it is", Change::NONE, first, (99.0, 99.0), (99.5, 99.5)),
        row(
            "both channels",
            Change::NONE,
            ChannelChoice::Auto,
            (99.0, 99.0),
            (99.5, 99.5),
        ),
        row(
            "second channel",
            Change::NONE,
            ChannelChoice::Fixed(1),
            (95.0, 95.0),
            (97.0, 97.0),
        ),
        row(
            "upside down",
            Change::gain(-1.0),
            first,
            (99.0, 99.0),
            (99.5, 99.5),
        ),
        row(
            "a tenth",
            Change::gain(0.1),
            first,
            (99.0, 99.0),
            (99.5, 99.5),
        ),
        row(
            "five times",
            Change::gain(5.0),
            first,
            (99.0, 99.0),
            (99.5, 99.5),
        ),
        row(
            "128 Hz",
            Change::rate(128.0),
            first,
            (99.0, 99.0),
            (99.5, 99.5),
        ),
        row(
            "257 Hz",
            Change::rate(257.0),
            first,
            (99.0, 99.0),
            (99.5, 99.5),
        ),
        row(
            "500 Hz",
            Change::rate(500.0),
            first,
            (99.0, 99.0),
            (99.5, 99.5),
        ),
        row(
            "0.7 times as fast",
            Change::tempo(0.7),
            first,
            (98.5, 98.5),
            (99.3, 99.3),
        ),
        row(
            "1.4 times as fast",
            Change::tempo(1.4),
            first,
            (98.5, 98.5),
            (99.2, 99.3),
        ),
    ]
}

fn count(excerpt: &Excerpt, row: &Row) -> Counts {
    let change = row.change;
    let rate_hz = change.new_rate_hz(excerpt.rate_hz);
    let channels = excerpt.channels_uv.each_ref();
    let [first, second] = channels.map(|uv| change.apply(uv, excerpt.rate_hz));
    let config = ChainConfig::new(SampleRate::from_hz(rate_hz).unwrap())
        .mains(Mains::Hz60)
        .channel(row.channel);
    let mut chain = Chain::new(&config).unwrap();
    let mut found = Vec::new();
    let mut keep = |event| {
        if let ChainEvent::Beat(beat) = event {
            found.push(beat.r_sample);
        }
    };
    for ((index, &a), &b) in (0..).zip(&first).zip(&second) {
        let sample = Sample {
            index,
            uv: [a, b],
            lead_off: [false; 2],
        };
        chain.push(&sample, &mut keep);
    }
    chain.finish(&mut keep);
    let mut annotations = excerpt.annotations.clone();
    for annotation in &mut annotations {
        annotation.sample = change.index(annotation.sample, excerpt.rate_hz);
    }
    let reference = Reference::from_annotations(&annotations);
    let mut counts = Counts::default();
    for pair in match_beats(&reference, &found, &Comparison::standard(rate_hz, 0.0)) {
        match pair {
            Pair::Matched { .. } => counts.matched += 1,
            Pair::Missed { .. } => counts.missed += 1,
            Pair::Extra { .. } => counts.extra += 1,
        }
    }
    counts
}

/// Every row that is below its limits.
fn failures(excerpts: &[Excerpt], limits: fn(&Row) -> (f64, f64)) -> Vec<String> {
    let mut failures = Vec::new();
    for row in rows() {
        let mut sum = Counts::default();
        for excerpt in excerpts {
            let counts = count(excerpt, &row);
            sum.matched += counts.matched;
            sum.missed += counts.missed;
            sum.extra += counts.extra;
        }
        let text = format!(
            "{:20} missed {:3} extra {:3} Se {:.2} +P {:.2}",
            row.name,
            sum.missed,
            sum.extra,
            sum.se(),
            sum.ppv()
        );
        println!("{text}");
        let (se, ppv) = limits(&row);
        if sum.se() < se || sum.ppv() < ppv {
            failures.push(format!("{text}, not {se} and {ppv}"));
        }
    }
    failures
}

fn demo(record: &str) -> Excerpt {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
    let (mut source, _) = open_replay(&folder.join(format!("{record}.ecgtrace.gz"))).unwrap();
    let info = source.info().clone();
    let mut channels_uv = [Vec::new(), Vec::new()];
    while let Some(acquired) = source.next().unwrap() {
        if let Acquired::Sample(sample) = acquired {
            for ((channel, code), scale) in channels_uv
                .iter_mut()
                .zip(sample.codes)
                .zip(info.uv_per_code)
            {
                #[allow(clippy::cast_possible_truncation)]
                channel.push((f64::from(code) * scale) as f32);
            }
        }
    }
    let file = read_annotations(&folder.join(format!("{record}.atr"))).unwrap();
    Excerpt {
        rate_hz: info.sample_rate_hz,
        channels_uv,
        annotations: file.annotations,
    }
}

/// The first five minutes of a record.
fn database(folder: &Path, record: &str) -> Excerpt {
    const FRAMES: u64 = 108_000;
    let record = Record::open(&folder.join(record)).unwrap();
    let header = record.header();
    let conversions: Vec<_> = header
        .signals
        .iter()
        .map(|s| s.uv_conversion().unwrap())
        .collect();
    let mut frames = record.frames().unwrap();
    let mut frame = [0; 2];
    let mut channels_uv = [Vec::new(), Vec::new()];
    for _ in 0..FRAMES {
        assert!(frames.next_frame(&mut frame).unwrap());
        for ((channel, conversion), code) in channels_uv.iter_mut().zip(&conversions).zip(frame) {
            #[allow(clippy::cast_possible_truncation)]
            channel.push(conversion.to_uv(code).unwrap_or(0.0) as f32);
        }
    }
    let file = read_annotations(&record.file_with_ending("atr")).unwrap();
    let mut annotations = file.annotations;
    annotations.retain(|annotation| annotation.sample < FRAMES);
    Excerpt {
        rate_hz: header.rate_hz,
        channels_uv,
        annotations,
    }
}

#[test]
fn the_demo_traces_keep_their_beats_however_they_are_recorded() {
    let excerpts = ["200", "214", "231", "232"].map(demo);
    let failures = failures(&excerpts, |row| row.demo);
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn real_records_keep_their_beats_however_they_are_recorded() {
    let Some(folder) = mitdb() else {
        return;
    };
    let records = ["100", "105", "119", "203", "207", "209", "221", "222"];
    let excerpts = records.map(|record| database(&folder, record));
    let failures = failures(&excerpts, |row| row.database);
    assert!(failures.is_empty(), "{failures:#?}");
}
