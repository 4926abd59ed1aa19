//! Training material of the QRS detector: its own judgements of candidates in altered records, with
//! the truth beside them.
//!
//! `cargo run --release --example detector_material -- DATABASE NOISE_FOLDER OUT [--help]`

#[path = "../common/mod.rs"]
mod common;
mod vary;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use ecg_gateway::evaluate::Reference;
use ecg_gateway::signal::{
    CHAIN_RATE_HZ, Conditioner, Detector, DetectorWeights, Mains, SampleRate,
};

use common::LoadedRecord;
use vary::{Noises, VARIANTS};

/// Writes OUT/RECORD-VARIANT.f32: a row a judgement of truth, log odds and features, 32-bit floats.
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
    /// Weights of the detector: a file, or a folder with one file a record.
    #[arg(long)]
    weights: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let paths = common::record_paths(&arguments.database)?;
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
    let record = common::load(path)?;
    let weights = match &arguments.weights {
        Some(path) => common::weights(path, &record.name)?,
        None => DetectorWeights::Shipped,
    };
    for variant in VARIANTS {
        let altered = vary::alter(&record, variant, noises, arguments.seed);
        let rows = judgements(&altered, &weights)?;
        let name = format!("{}-{}.f32", record.name, variant.name);
        std::fs::write(arguments.out.join(name), rows)?;
    }
    Ok(())
}

/// The rows of the record's first channel.
fn judgements(record: &LoadedRecord, weights: &DetectorWeights) -> Result<Vec<u8>, Box<dyn Error>> {
    let reference = common::reference(record);
    let rate = SampleRate::from_hz(record.rate_hz)?;
    let chain_rate = SampleRate::new(CHAIN_RATE_HZ, 1)?;
    let mut conditioner = Conditioner::new(rate, Mains::Hz60);
    let mut detector = Detector::new(weights.clone());
    detector.keep_judgements();
    for &uv in &record.channels_uv[0] {
        conditioner.push(uv, &mut |sample| detector.push(sample.uv, &mut |_| {}));
    }
    let judgements = detector.judgements();
    let mut rows = Vec::new();
    let truths = truths(
        detector
            .judgements()
            .iter()
            .map(|judged| (judged.index, judged.features[0]))
            .collect(),
        &reference,
        rate,
        chain_rate,
    );
    for (judged, truth) in judgements.iter().zip(truths) {
        let values = [truth, judged.log_odds];
        for value in values.iter().chain(&judged.features) {
            rows.extend_from_slice(&value.to_le_bytes());
        }
    }
    Ok(rows)
}

fn truths(
    candidates: Vec<(u64, f32)>,
    reference: &Reference,
    rate: SampleRate,
    chain_rate: SampleRate,
) -> Vec<f32> {
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
    truths
}
