//! Beat detection on a WFDB database: sensitivity and positive predictivity per record, and how far
//! the R peaks lie from the annotated ones.
//!
//! `cargo run --release --example qrs -- DATABASE_FOLDER [--help]`

mod common;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use ecg_gateway::evaluate::{Comparison, Pair, Reference, match_beats};
use ecg_gateway::signal::{
    Chain, ChainConfig, ChainEvent, ChannelChoice, Conditioner, Detector, Mains, Sample,
    SampleRate, SignalQuality,
};
use ecg_gateway::wfdb::Annotation;

use common::LoadedRecord;

/// Share of matched beats whose R peak is this far off its usual place counts as misplaced, ms.
const MISPLACED_MS: f64 = 28.0;
/// End of the learning period, s.
const LEARNING_S: f64 = 300.0;

/// Beat detection on a WFDB database.
#[derive(Parser)]
struct Arguments {
    /// Folder of the database.
    #[arg(default_value = "../shared/data/mitdb")]
    database: PathBuf,
    /// Channel: `auto`, 0 or 1.
    #[arg(long, default_value = "0")]
    channel: String,
    /// Record whose first two signals are added as noise, the noise-stress way: from minute 5 on,
    /// two minutes noisy, two clean.
    #[arg(long, requires = "snr_db")]
    noise: Option<PathBuf>,
    /// Signal-to-noise ratio of the noisy minutes, dB.
    #[arg(long, allow_negative_numbers = true)]
    snr_db: Option<f64>,
    /// Pretend the sampling rate is this many times the stated one: faster or slower hearts.
    #[arg(long, default_value_t = 1.0)]
    tempo: f64,
    /// Write the detector's judgements with the truth beside them to RECORD-*.csv here.
    #[arg(long)]
    judgements: Option<PathBuf>,
    /// List the errors of these records.
    #[arg(long, value_delimiter = ',')]
    errors: Vec<String>,
    /// Print the totals alone.
    #[arg(long)]
    brief: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let paths = common::record_paths(&arguments.database)?;
    let noise = match &arguments.noise {
        Some(path) => Some(common::load(path)?.channels_uv),
        None => None,
    };
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = report(path, &arguments, noise.as_deref());
                    if let Ok(mut reports) = reports.lock() {
                        reports
                            .push(report.map_err(|error| format!("{}: {error}", path.display())));
                    }
                }
            });
        }
    });
    let mut reports = reports
        .into_inner()?
        .into_iter()
        .collect::<Result<Vec<_>, String>>()?;
    reports.sort_by(|a, b| a.name.cmp(&b.name));
    print_reports(&reports, arguments.brief);
    Ok(())
}

#[derive(Default, Clone, Copy)]
struct Counts {
    matched: usize,
    missed: usize,
    extra: usize,
}

impl Counts {
    fn of(pairs: &[Pair]) -> Self {
        let mut counts = Self::default();
        for pair in pairs {
            match pair {
                Pair::Matched { .. } => counts.matched += 1,
                Pair::Missed { .. } => counts.missed += 1,
                Pair::Extra { .. } => counts.extra += 1,
            }
        }
        counts
    }

    fn add(&mut self, other: Self) {
        self.matched += other.matched;
        self.missed += other.missed;
        self.extra += other.extra;
    }

    fn text(self) -> String {
        let percent = |of: usize| 100.0 * self.matched as f64 / of.max(1) as f64;
        format!(
            "FN {:4} FP {:4} Se {:7.3} +P {:7.3}",
            self.missed,
            self.extra,
            percent(self.matched + self.missed),
            percent(self.matched + self.extra)
        )
    }
}

struct Report {
    name: String,
    whole: Counts,
    after_learning: Counts,
    /// Detected minus annotated R peak, ms, less its median, sorted.
    jitter_ms: Vec<f64>,
    median_ms: f64,
    longest_delay_ms: f64,
    bad_share: f64,
    seconds: f64,
}

fn report(
    path: &Path,
    arguments: &Arguments,
    noise: Option<&[Vec<f32>]>,
) -> Result<Report, Box<dyn Error>> {
    let mut record = common::load(path)?;
    record.rate_hz *= arguments.tempo;
    let annotations: Vec<Annotation> = record
        .annotations
        .iter()
        .map(|&(sample, code)| Annotation {
            sample,
            code,
            subtype: 0,
            chan: 0,
            num: 0,
            aux: None,
        })
        .collect();
    let reference = Reference::from_annotations(&annotations);
    if let (Some(noise), Some(snr_db)) = (noise, arguments.snr_db) {
        common::add_noise(&mut record, &reference, noise, snr_db);
    }
    if let Some(folder) = &arguments.judgements {
        write_judgements(&record, &reference, arguments, folder)?;
    }
    let start = std::time::Instant::now();
    let (found, longest_delay, bad) = detect(&record, &arguments.channel)?;
    let seconds = start.elapsed().as_secs_f64();
    let whole = match_beats(
        &reference,
        &found,
        &Comparison::standard(record.rate_hz, 0.0),
    );
    let after_learning = match_beats(
        &reference,
        &found,
        &Comparison::standard(record.rate_hz, LEARNING_S),
    );
    let to_ms = 1000.0 / record.rate_hz;
    if arguments.errors.contains(&record.name) {
        for pair in &whole {
            match *pair {
                Pair::Missed { reference: r } => {
                    let beat = reference.beats[r];
                    println!(
                        "FN {:9.3} {}",
                        beat.sample as f64 * to_ms / 1000.0,
                        beat.code
                    );
                }
                Pair::Extra { found: f } => {
                    println!("FP {:9.3}", found[f] as f64 * to_ms / 1000.0);
                }
                Pair::Matched { .. } => {}
            }
        }
        print_jitter_by_code(&reference, &found, &whole, to_ms);
    }
    let mut jitter_ms: Vec<f64> = whole
        .iter()
        .filter_map(|pair| match *pair {
            Pair::Matched {
                reference: r,
                found: f,
            } => Some((found[f] as f64 - reference.beats[r].sample as f64) * to_ms),
            _ => None,
        })
        .collect();
    jitter_ms.sort_by(f64::total_cmp);
    let median_ms = percentile(&jitter_ms, 50.0);
    for jitter in &mut jitter_ms {
        *jitter -= median_ms;
    }
    Ok(Report {
        name: record.name,
        whole: Counts::of(&whole),
        after_learning: Counts::of(&after_learning),
        jitter_ms,
        median_ms,
        longest_delay_ms: longest_delay as f64 * to_ms,
        bad_share: bad as f64 / record.channels_uv[0].len() as f64,
        seconds,
    })
}

/// How far off the R peaks of each kind of beat are.
fn print_jitter_by_code(reference: &Reference, found: &[u64], pairs: &[Pair], to_ms: f64) {
    let mut by_code: std::collections::BTreeMap<String, Vec<f64>> =
        std::collections::BTreeMap::new();
    for pair in pairs {
        if let Pair::Matched {
            reference: r,
            found: f,
        } = *pair
        {
            let beat = reference.beats[r];
            let ms = (found[f] as f64 - beat.sample as f64) * to_ms;
            by_code.entry(beat.code.to_string()).or_default().push(ms);
        }
    }
    for (code, mut jitter_ms) in by_code {
        jitter_ms.sort_by(f64::total_cmp);
        let texts: Vec<String> = [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0]
            .iter()
            .map(|&percent| format!("{:+6.1}", percentile(&jitter_ms, percent)))
            .collect();
        println!(
            "   {code}: {:5} beats, ms: {}",
            jitter_ms.len(),
            texts.join(" ")
        );
    }
}

/// R peaks in samples of the record, the largest delay and the time that channel 0 was not good, in
/// samples.
fn detect(record: &LoadedRecord, channel: &str) -> Result<(Vec<u64>, u64, u64), Box<dyn Error>> {
    let channel_count = record.channels_uv.len();
    let full_scale = |channel: usize| record.full_scale_uv.get(channel).copied().flatten();
    let mut chain = Chain::new(&ChainConfig {
        channel_count,
        mains: Mains::Hz60,
        channel: match channel {
            "auto" => ChannelChoice::Auto,
            number => ChannelChoice::Fixed(number.parse::<usize>()?.min(channel_count - 1)),
        },
        full_scale_uv: [full_scale(0), full_scale(1)],
        ..ChainConfig::new(SampleRate::from_hz(record.rate_hz)?)
    })?;
    let (mut found, mut longest_delay) = (Vec::new(), 0);
    let (mut bad, mut bad_since) = (0, None);
    let mut keep = |event: ChainEvent| match event {
        ChainEvent::Beat(beat) => {
            longest_delay = longest_delay.max(beat.decided_at_sample - beat.r_sample);
            found.push(beat.r_sample);
        }
        ChainEvent::Quality {
            sample,
            channel: 0,
            quality,
        } => {
            bad += bad_since.take().map_or(0, |since| sample - since);
            bad_since = (quality != SignalQuality::Good).then_some(sample);
        }
        _ => {}
    };
    for (index, &first) in (0_u64..).zip(&record.channels_uv[0]) {
        let second = record
            .channels_uv
            .get(1)
            .map_or(0.0, |uv| uv[found_index(index)]);
        let sample = Sample {
            index,
            uv: [first, second],
            lead_off: [false; 2],
        };
        chain.push(&sample, &mut keep);
    }
    chain.finish(&mut keep);
    Ok((found, longest_delay, bad))
}

#[allow(clippy::cast_possible_truncation, reason = "records in memory")]
fn found_index(index: u64) -> usize {
    index as usize
}

/// One line per judged candidate: truth, verdict, index, features. Truth is 1 for the candidate
/// with the most energy within 100 ms of an annotated beat, -1 (unknown) for any other within 150 ms
/// or in a fibrillation, else 0.
fn write_judgements(
    record: &LoadedRecord,
    reference: &Reference,
    arguments: &Arguments,
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    let rate = SampleRate::from_hz(record.rate_hz)?;
    let chain_rate = SampleRate::new(ecg_gateway::signal::CHAIN_RATE_HZ, 1)?;
    let number: usize = arguments.channel.parse()?;
    let channel = &record.channels_uv[number.min(record.channels_uv.len() - 1)];
    let mut conditioner = Conditioner::new(rate, Mains::Hz60);
    let mut detector = Detector::new();
    detector.keep_judgements();
    for &uv in channel {
        conditioner.push(uv, &mut |sample| detector.push(sample.uv, &mut |_| {}));
    }
    let judgements = detector.judgements();
    let mut truth = vec![0_i32; judgements.len()];
    let beats: Vec<u64> = reference
        .beats
        .iter()
        .map(|beat| rate.convert_index(beat.sample, chain_rate))
        .collect();
    for beat in beats {
        let from = judgements.partition_point(|judged| judged.index + 37 < beat);
        let to = judgements.partition_point(|judged| judged.index <= beat + 37);
        truth[from..to]
            .iter_mut()
            .filter(|t| **t == 0)
            .for_each(|t| *t = -1);
        let near = (from..to).filter(|&k| judgements[k].index.abs_diff(beat) <= 25);
        let energy = |k: usize| judgements[k].features[0];
        if let Some(best) = near.max_by(|&a, &b| energy(a).total_cmp(&energy(b))) {
            truth[best] = 1;
        }
    }
    let mut text = String::new();
    for (judged, truth) in judgements.iter().zip(truth) {
        let sample = chain_rate.convert_index(judged.index, rate);
        let truth = if reference.in_fibrillation(sample) {
            -1
        } else {
            truth
        };
        let verdict = i32::from(judged.accepted);
        text += &format!("{truth},{verdict},{}", judged.index);
        for feature in judged.features {
            text += &format!(",{feature:.4}");
        }
        text += "\n";
    }
    std::fs::create_dir_all(folder)?;
    let noise = arguments.noise.as_ref().and_then(|path| path.file_stem());
    let noise = noise.map_or("clean".into(), |name| name.to_string_lossy());
    let snr_db = arguments.snr_db.unwrap_or(99.0);
    let name = format!(
        "{}-{number}-{noise}-{snr_db}-{}.csv",
        record.name, arguments.tempo
    );
    std::fs::write(folder.join(name), text)?;
    Ok(())
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index into a list in memory"
)]
fn percentile(sorted: &[f64], percent: f64) -> f64 {
    let place = (sorted.len().max(1) - 1) as f64 * percent / 100.0;
    sorted
        .get(place.round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

fn print_reports(reports: &[Report], brief: bool) {
    let (mut whole, mut after_learning) = (Counts::default(), Counts::default());
    let mut jitter_ms = Vec::new();
    let (mut longest_delay_ms, mut seconds) = (0.0_f64, 0.0);
    for report in reports {
        whole.add(report.whole);
        after_learning.add(report.after_learning);
        jitter_ms.extend_from_slice(&report.jitter_ms);
        longest_delay_ms = longest_delay_ms.max(report.longest_delay_ms);
        seconds += report.seconds;
        let misplaced = report.jitter_ms.iter().filter(|ms| ms.abs() > MISPLACED_MS);
        if !brief {
            println!(
                "{:8} {} | after 5 min {} | R median {:+6.1} ms, 5 % {:+6.1}, 95 % {:+6.1}, misplaced {:5.2} %, not good {:5.1} %",
                report.name,
                report.whole.text(),
                report.after_learning.text(),
                report.median_ms,
                percentile(&report.jitter_ms, 5.0),
                percentile(&report.jitter_ms, 95.0),
                100.0 * misplaced.count() as f64 / report.jitter_ms.len().max(1) as f64,
                100.0 * report.bad_share
            );
        }
    }
    println!(
        "gross    {} | after 5 min {}",
        whole.text(),
        after_learning.text()
    );
    jitter_ms.sort_by(f64::total_cmp);
    let percentiles = [0.5, 1.0, 2.5, 5.0, 25.0, 50.0, 75.0, 95.0, 97.5, 99.0, 99.5];
    let texts: Vec<String> = percentiles
        .iter()
        .map(|&percent| format!("{percent} %: {:+.1}", percentile(&jitter_ms, percent)))
        .collect();
    println!("R jitter (ms, medians removed): {}", texts.join(", "));
    println!(
        "longest delay {longest_delay_ms:.0} ms, {seconds:.2} s of one core, channel 0 not good {:.1} % of the time",
        100.0 * reports.iter().map(|report| report.bad_share).sum::<f64>()
            / reports.len().max(1) as f64
    );
}
