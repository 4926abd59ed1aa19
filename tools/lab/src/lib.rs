//! Reading WFDB records for the tools around the signal chain.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ecg_evaluate::Reference;
use ecg_signal::{DetectorWeights, Network};
use wfdb_io::{Annotation, AnnotationCode, Record, read_annotations};

/// A record in memory.
#[derive(Clone)]
pub struct LoadedRecord {
    pub name: String,
    pub rate_hz: f64,
    /// One vector per channel (at most the first two signals), µV; missing samples repeat the one
    /// before.
    pub channels_uv: Vec<Vec<f32>>,
    /// The converter's limits per channel, µV from its middle, where the header tells them.
    pub full_scale_uv: Vec<Option<f32>>,
    /// The reference annotations in samples of the record; empty without an `.atr` file.
    pub annotations: Vec<(u64, AnnotationCode)>,
}

/// The headers of all records in `folder`, in order of their names.
pub fn record_paths(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "hea"));
    paths.sort();
    Ok(paths)
}

pub fn load(path: &Path) -> Result<LoadedRecord, Box<dyn Error>> {
    let record = Record::open(path)?;
    let header = record.header();
    let signals: Vec<_> = header.signals.iter().take(2).collect();
    let mut channels_uv = vec![Vec::new(); signals.len()];
    let conversions = signals
        .iter()
        .map(|signal| signal.uv_conversion().ok_or("a signal is not in volts"))
        .collect::<Result<Vec<_>, _>>()?;
    let mut reader = record.frames()?;
    let mut frame = vec![0; header.signals.len()];
    while reader.next_frame(&mut frame)? {
        for ((channel, conversion), &code) in channels_uv.iter_mut().zip(&conversions).zip(&frame) {
            let before = channel.last().copied().unwrap_or(0.0);
            #[allow(clippy::cast_possible_truncation)]
            channel.push(conversion.to_uv(code).map_or(before, |uv| uv as f32));
        }
    }
    let full_scale_uv = signals
        .iter()
        .zip(&conversions)
        .map(|(signal, conversion)| {
            let codes = f64::from(signal.adc_resolution_bits?).exp2() / 2.0;
            #[allow(clippy::cast_possible_truncation)]
            Some((codes * conversion.uv_per_code.abs()) as f32)
        })
        .collect();
    let annotation_path = record.file_with_ending("atr");
    let annotations = if annotation_path.exists() {
        let file = read_annotations(&annotation_path)?;
        let scale = record.rate_hz() / file.resolution_hz.unwrap_or(header.rate_hz);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let to_record = |sample: u64| (sample as f64 * scale).round() as u64;
        file.annotations
            .iter()
            .map(|annotation| (to_record(annotation.sample), annotation.code))
            .collect()
    } else {
        Vec::new()
    };
    Ok(LoadedRecord {
        name: header.name.clone(),
        rate_hz: record.rate_hz(),
        channels_uv,
        full_scale_uv,
        annotations,
    })
}

/// Adds recorded noise as PhysioNet's noise stress test does: from minute 5 on, two minutes noisy,
/// two clean.
pub fn add_noise(
    record: &mut LoadedRecord,
    reference: &Reference,
    noise: &[Vec<f32>],
    snr_db: f64,
) {
    let rate_hz = record.rate_hz;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let samples = |seconds: f64| (seconds * rate_hz) as usize;
    for (channel, noise) in record.channels_uv.iter_mut().zip(noise) {
        let gain = noise_gain(channel, rate_hz, reference, noise, snr_db);
        let start = samples(300.0).min(channel.len());
        let noisy = (0..)
            .zip(&mut channel[start..])
            .filter(|(index, _)| index / samples(120.0) % 2 == 0);
        for ((_, value), uv) in noisy.zip(noise.iter().cycle()) {
            *value += gain * uv;
        }
    }
}

/// What recorded noise is multiplied with for a signal-to-noise ratio. Signal power is the squared
/// mean peak-to-peak amplitude of the QRS complexes over 8, noise power the mean over one-second
/// pieces, both without the highest and lowest 5 %.
pub fn noise_gain(
    channel: &[f32],
    rate_hz: f64,
    reference: &Reference,
    noise: &[f32],
    snr_db: f64,
) -> f32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let samples = |seconds: f64| (seconds * rate_hz) as usize;
    let around = samples(0.05);
    let amplitudes = reference.beats.iter().take(300).filter_map(|beat| {
        let at = usize::try_from(beat.sample).ok()?;
        let complex = channel.get(at.saturating_sub(around)..at + around)?;
        let highest = complex.iter().copied().fold(f32::MIN, f32::max);
        Some(f64::from(
            highest - complex.iter().copied().fold(f32::MAX, f32::min),
        ))
    });
    let signal_power = trimmed_mean(amplitudes.collect()).powi(2) / 8.0;
    let powers = noise.chunks_exact(samples(1.0)).map(|piece| {
        let mean = piece.iter().sum::<f32>() / piece.len() as f32;
        let squares = piece.iter().map(|uv| f64::from(uv - mean).powi(2));
        squares.sum::<f64>() / piece.len() as f64
    });
    let noise_power = trimmed_mean(powers.collect());
    #[allow(clippy::cast_possible_truncation)]
    let gain = (signal_power / (noise_power * 10_f64.powf(snr_db / 10.0))).sqrt() as f32;
    gain
}

/// The annotations as a list of beats.
pub fn reference(record: &LoadedRecord) -> Reference {
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
    Reference::from_annotations(&annotations)
}

/// The detector's weights for a record: FOLDER/RECORD.txt, or the file itself.
pub fn weights(path: &Path, record: &str) -> Result<DetectorWeights, Box<dyn Error>> {
    let path = if path.is_dir() {
        path.join(format!("{record}.txt"))
    } else {
        path.to_path_buf()
    };
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let numbers = text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<Vec<f32>, _>>()?;
    let network = Network::from_weights(&numbers).ok_or_else(|| {
        format!(
            "{}: {} weights instead of {}",
            path.display(),
            numbers.len(),
            Network::WEIGHT_COUNT
        )
    })?;
    Ok(DetectorWeights::Fitted(Arc::new(network)))
}

fn trimmed_mean(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 20;
    let kept = &values[cut..values.len() - cut];
    kept.iter().sum::<f64>() / kept.len().max(1) as f64
}
