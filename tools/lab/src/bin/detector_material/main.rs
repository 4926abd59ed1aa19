//! Training material of the QRS detector: its own judgements of candidates in altered records, with
//! the truth beside them.
//!
//! `cargo run --release --manifest-path tools/Cargo.toml --bin detector_material -- DATABASE NOISE_FOLDER OUT [--help]`

mod vary;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use ecg_evaluate::NEVER_TRAINED;
use ecg_lab::LoadedRecord;
use ecg_signal::{
    CHAIN_RATE_HZ, Conditioner, Detector, DetectorWeights, Judgement, Mains, SampleRate,
};

use vary::{Noises, PAIRS, SINGLES};

/// Writes OUT/RECORD-VARIANT.f32: a row a judgement of truth, log odds and features (or, of pairs of
/// channels, what they are weighed with each other by), 32-bit floats.
/// Truth is 1 for the candidate with the most energy within 100 ms of an annotated beat, -1
/// (unknown) for any other within 150 ms or in a fibrillation, else 0.
#[derive(Parser)]
struct Arguments {
    /// Folder of the database.
    database: PathBuf,
    /// Folder of the noise records em, ma and bw.
    noise: PathBuf,
    /// Folder to write to.
    out: PathBuf,
    /// Noise from here on is never used, s.
    #[arg(long, default_value_t = 600.0)]
    noise_until_s: f64,
    /// Seed of the alterations.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Pairs of channels instead of single ones.
    #[arg(long)]
    pairs: bool,
    /// Weights of the detector: a file, or a folder with one file a record.
    #[arg(long)]
    weights: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let paths = ecg_lab::record_paths(&arguments.database)?;
    let noises = Noises::load(&arguments.noise, arguments.noise_until_s)?;
    std::fs::create_dir_all(&arguments.out)?;
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = write_all(path, &arguments, &noises)
                        && let Ok(mut failures) = failures.lock()
                    {
                        failures.push(format!("{}: {error}", path.display()));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner()?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n").into())
    }
}

fn write_all(path: &Path, arguments: &Arguments, noises: &Noises) -> Result<(), Box<dyn Error>> {
    let record = ecg_lab::load(path)?;
    if NEVER_TRAINED.contains(&record.name.as_str()) {
        println!("{}: never trained on, left out", record.name);
        return Ok(());
    }
    let weights = match &arguments.weights {
        Some(path) => ecg_lab::weights(path, &record.name)?,
        None => DetectorWeights::Shipped,
    };
    let variants = if arguments.pairs { PAIRS } else { SINGLES };
    for variant in variants {
        let altered = vary::alter(&record, variant, noises, arguments.seed);
        let rows = match &altered.channels_uv[..] {
            [first, second] => pair_rows(&altered, first, second, &weights)?,
            [first, ..] => single_rows(&altered, first, &weights)?,
            [] => Vec::new(),
        };
        let name = format!("{}-{}.f32", record.name, variant.name);
        std::fs::write(arguments.out.join(name), rows)?;
    }
    Ok(())
}

fn single_rows(
    record: &LoadedRecord,
    channel: &[f32],
    weights: &DetectorWeights,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut conditioner = Conditioner::new(SampleRate::from_hz(record.rate_hz)?, Mains::Hz60);
    let mut detector = Detector::new(weights.clone());
    detector.keep_judgements();
    for &uv in channel {
        conditioner.push(uv, &mut |sample| detector.push(sample.uv, &mut |_| {}));
    }
    let mut rows = Vec::new();
    let judgements = detector.judgements();
    for (judged, truth) in judgements.iter().zip(truths(judgements, record)?) {
        add_row(&mut rows, truth, judged.log_odds, &judged.features);
    }
    Ok(rows)
}

fn pair_rows(
    record: &LoadedRecord,
    first: &[f32],
    second: &[f32],
    weights: &DetectorWeights,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let rate = SampleRate::from_hz(record.rate_hz)?;
    let mut conditioners = [first, second].map(|_| Conditioner::new(rate, Mains::Hz60));
    let mut detectors = [first, second].map(|_| Detector::new(weights.clone()));
    detectors.iter_mut().for_each(Detector::keep_judgements);
    let [a, b] = &mut detectors;
    for (&first, &second) in first.iter().zip(second) {
        let [for_a, for_b] = &mut conditioners;
        for_a.push(first, &mut |sample| {
            a.push_beside(sample.uv, b, &mut |_| {});
        });
        for_b.push(second, &mut |sample| {
            b.push_beside(sample.uv, a, &mut |_| {});
        });
    }
    let mut rows = Vec::new();
    for detector in &detectors {
        let judgements = detector.judgements();
        for (judged, truth) in judgements.iter().zip(truths(judgements, record)?) {
            if let Some(beside) = judged.beside {
                add_row(&mut rows, truth, judged.log_odds, &beside);
            }
        }
    }
    Ok(rows)
}

fn add_row(rows: &mut Vec<u8>, truth: f32, log_odds: f32, values: &[f32]) {
    for value in [truth, log_odds].iter().chain(values) {
        rows.extend_from_slice(&value.to_le_bytes());
    }
}

fn truths(judgements: &[Judgement], record: &LoadedRecord) -> Result<Vec<f32>, Box<dyn Error>> {
    let reference = ecg_lab::reference(record);
    let rate = SampleRate::from_hz(record.rate_hz)?;
    let chain_rate = SampleRate::new(CHAIN_RATE_HZ, 1)?;
    let candidates: Vec<(u64, f32)> = judgements
        .iter()
        .map(|judged| (judged.index, judged.features[0]))
        .collect();
    let mut truths = vec![0.0; candidates.len()];
    for beat in &reference.beats {
        let beat = rate.convert_index(beat.sample, chain_rate);
        let from = candidates.partition_point(|&(index, _)| index + 37 < beat);
        let to = candidates.partition_point(|&(index, _)| index <= beat + 37);
        for truth in &mut truths[from..to] {
            if *truth == 0.0 {
                *truth = -1.0;
            }
        }
        let near = (from..to).filter(|&k| candidates[k].0.abs_diff(beat) <= 25);
        if let Some(best) = near.max_by(|&a, &b| candidates[a].1.total_cmp(&candidates[b].1)) {
            truths[best] = 1.0;
        }
    }
    for (truth, &(index, _)) in truths.iter_mut().zip(&candidates) {
        if reference.in_fibrillation(chain_rate.convert_index(index, rate)) {
            *truth = -1.0;
        }
    }
    Ok(truths)
}
