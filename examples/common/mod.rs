//! Reading WFDB records for the examples.

#![allow(dead_code, reason = "each example uses its own part")]

use std::error::Error;
use std::path::{Path, PathBuf};

use ecg_gateway::wfdb::{AnnotationCode, Record, read_annotations};

/// A record in memory.
pub(crate) struct LoadedRecord {
    pub(crate) name: String,
    pub(crate) rate_hz: f64,
    /// One vector per channel (at most the first two signals), µV; missing samples repeat the one
    /// before.
    pub(crate) channels_uv: Vec<Vec<f32>>,
    /// The converter's limits per channel, µV from its middle, where the header tells them.
    pub(crate) full_scale_uv: Vec<Option<f32>>,
    /// The reference annotations in samples of the record; empty without an `.atr` file.
    pub(crate) annotations: Vec<(u64, AnnotationCode)>,
}

/// The headers of all records in `folder`, in order of their names.
pub(crate) fn record_paths(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "hea"));
    paths.sort();
    Ok(paths)
}

pub(crate) fn load(path: &Path) -> Result<LoadedRecord, Box<dyn Error>> {
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
        let scale = file.resolution_hz.map_or(1.0, |hz| header.rate_hz / hz);
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
        rate_hz: header.rate_hz,
        channels_uv,
        full_scale_uv,
        annotations,
    })
}
