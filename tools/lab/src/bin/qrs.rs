//! Beat detection on a WFDB database: sensitivity and positive predictivity per record, and how far
//! the R peaks lie from the annotated ones.
//!
//! `cargo run --release --manifest-path tools/Cargo.toml --bin qrs -- DATABASE_FOLDER [--help]`

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use ecg_evaluate::{Change, Comparison, Pair, Reference, match_beats};
use ecg_lab::LoadedRecord;
use ecg_signal::{
    Chain, ChainConfig, ChainEvent, ChannelChoice, DetectorWeights, Mains, Sample, SampleRate,
    SignalQuality,
};

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
    /// Channel: `auto`, 1 or 2.
    #[arg(long, default_value = "1")]
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
    /// Resample the signals to this rate, Hz.
    #[arg(long)]
    rate_hz: Option<f64>,
    /// Use the noise from this second on.
    #[arg(long, default_value_t = 0.0)]
    noise_from_s: f64,
    /// Multiply the signals, e.g. -1 to turn them over.
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    gain: f32,
    /// Weights of the detector: `ds1`, a file, or a folder with one file a record.
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Only these records.
    #[arg(long, value_delimiter = ',')]
    records: Vec<String>,
    /// List the errors of these records.
    #[arg(long, value_delimiter = ',')]
    errors: Vec<String>,
    /// Print the totals alone.
    #[arg(long)]
    brief: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let mut paths = ecg_lab::record_paths(&arguments.database)?;
    if !arguments.records.is_empty() {
        paths.retain(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            arguments.records.iter().any(|record| *record == name)
        });
    }
    let noise = match &arguments.noise {
        Some(path) => {
            let noise = ecg_lab::load(path)?;
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the cast saturates, and a start behind the end leaves no noise"
            )]
            let from = (arguments.noise_from_s * noise.rate_hz) as usize;
            let channels = noise.channels_uv.iter();
            Some(
                channels
                    .map(|uv| uv.get(from..).unwrap_or_default().to_vec())
                    .collect::<Vec<_>>(),
            )
        }
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
    let mut record = ecg_lab::load(path)?;
    let reference = ecg_lab::reference(&record);
    if let (Some(noise), Some(snr_db)) = (noise, arguments.snr_db) {
        ecg_lab::add_noise(&mut record, &reference, noise, snr_db);
    }
    let change = Change {
        rate_hz: arguments.rate_hz,
        tempo: arguments.tempo,
        gain: arguments.gain,
    };
    for channel in &mut record.channels_uv {
        *channel = change.apply(channel, record.rate_hz);
    }
    for (sample, _) in &mut record.annotations {
        *sample = change.index(*sample, record.rate_hz);
    }
    record.rate_hz = change.new_rate_hz(record.rate_hz);
    let reference = ecg_lab::reference(&record);
    let weights = match &arguments.weights {
        Some(path) if path.as_os_str() == "ds1" => DetectorWeights::Ds1,
        Some(path) => ecg_lab::weights(path, &record.name)?,
        None => DetectorWeights::Shipped,
    };
    // A chosen channel is looked at alone.
    let mut channel = arguments.channel.clone();
    if let Ok(number) = channel.parse::<usize>() {
        let place = number.checked_sub(1).ok_or("--channel: counted from 1")?;
        let chosen = place.min(record.channels_uv.len() - 1);
        record.channels_uv = vec![record.channels_uv.swap_remove(chosen)];
        record.full_scale_uv = vec![record.full_scale_uv[chosen]];
        channel = "1".into();
    }
    let start = std::time::Instant::now();
    let (found, longest_delay, bad) = detect(&record, &channel, weights)?;
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

/// R peaks in samples of the record, the largest delay and the time that the first channel was not good, in
/// samples.
fn detect(
    record: &LoadedRecord,
    channel: &str,
    detector_weights: DetectorWeights,
) -> Result<(Vec<u64>, u64, u64), Box<dyn Error>> {
    let channel_count = record.channels_uv.len();
    let full_scale = |channel: usize| record.full_scale_uv.get(channel).copied().flatten();
    let channel = match channel {
        "auto" => ChannelChoice::Auto,
        number => {
            let place = number.parse::<usize>()?.saturating_sub(1);
            ChannelChoice::Fixed(place.min(channel_count - 1))
        }
    };
    let config = ChainConfig::new(SampleRate::from_hz(record.rate_hz)?)
        .channel_count(channel_count)
        .mains(Mains::Hz60)
        .channel(channel)
        .full_scale_uv([0, 1].map(full_scale))
        .detector_weights(detector_weights);
    let mut chain = Chain::new(&config)?;
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
        "longest delay {longest_delay_ms:.0} ms, {seconds:.2} s of one core, first channel not good {:.1} % of the time",
        100.0 * reports.iter().map(|report| report.bad_share).sum::<f64>()
            / reports.len().max(1) as f64
    );
}
