//! Conditioned signals of a WFDB database for training the networks on exactly what the chain sees.
//!
//! `cargo run --release --manifest-path tools/Cargo.toml --bin prepare -- DATABASE_FOLDER OUTPUT_FOLDER [none|50|60]`
//!
//! Writes `OUTPUT_FOLDER/RECORD.safetensors` per record, mains notch 60 Hz unless told otherwise:
//!
//! | tensor | type | shape | |
//! | --- | --- | --- | --- |
//! | `conditioned` | f32 | [channels (1 or 2), n] | µV at 250 Hz; sample j at exactly j / 250 s |
//! | `annotation_sample` | i64 | [m] | annotated beats in order of time, nearest index at 250 Hz |
//! | `annotation_s` | f64 | [m] | their times, seconds: RR intervals are differences of these |
//! | `annotation_symbol` | u8 | [m] | their MIT mnemonics, ASCII |
//! | `detected_sample` | i64 | [k] | R peaks the detector finds, index at 250 Hz |
//! | `detected_s` | f64 | [k] | their times with the detector's part of a sample, seconds |
//! | `detected_channel` | u8 | [k] | the channel each was found in, 0 or 1: all of channel 1, then of 2 |
//! | `detected_symbol` | u8 | [k] | mnemonic of the annotated beat it pairs with (150 ms), 0 if none |
//!
//! All annotated beats are there, also those of classes the networks do not know: an RR interval
//! ends in whatever beat there is.

use std::error::Error;
use std::path::{Path, PathBuf};

use ecg_evaluate::{Comparison, NEVER_TRAINED, Pair, Reference, ReferenceBeat, match_beats};
use ecg_lab::LoadedRecord;
use ecg_signal::{
    CHAIN_RATE_HZ, ConditionedSample, Conditioner, Detection, Detector, DetectorWeights, Mains,
    SampleRate,
};
use safetensors::{Dtype, tensor::TensorView};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(database), Some(output)) = (arguments.first(), arguments.get(1)) else {
        return Err("usage: prepare DATABASE_FOLDER OUTPUT_FOLDER [none|50|60]".into());
    };
    let mains = match arguments.get(2).map(String::as_str) {
        None | Some("60") => Mains::Hz60,
        Some("50") => Mains::Hz50,
        Some("none") => Mains::None,
        Some(other) => return Err(format!("mains: found {other}, expected none, 50 or 60").into()),
    };
    std::fs::create_dir_all(output)?;
    for path in ecg_lab::record_paths(Path::new(database))? {
        let record = ecg_lab::load(&path)?;
        if NEVER_TRAINED.contains(&record.name.as_str()) {
            println!("{}: never trained on, left out", record.name);
            continue;
        }
        let target = PathBuf::from(output).join(format!("{}.safetensors", record.name));
        let (samples, beats) = write_record(&record, mains, &target)?;
        println!(
            "{}: {samples} samples, {beats} annotated beats",
            record.name
        );
    }
    Ok(())
}

/// R peaks of one detector or of the annotators, in order of time.
#[derive(Default)]
struct Peaks {
    /// Nearest indices at 250 Hz.
    samples: Vec<u64>,
    seconds: Vec<f64>,
    /// Mnemonics, 0 where there is none.
    symbols: Vec<u8>,
}

/// Returns the number of conditioned samples and of annotated beats.
fn write_record(
    record: &LoadedRecord,
    mains: Mains,
    target: &Path,
) -> Result<(usize, usize), Box<dyn Error>> {
    let rate = SampleRate::from_hz(record.rate_hz)?;
    let (annotated, reference) = annotated(record, rate)?;
    let mut conditioned = Vec::new();
    let mut detected = Peaks::default();
    let mut detected_channel = Vec::new();
    for (number, channel) in (0_u8..).zip(&record.channels_uv) {
        let (signal, mut peaks) = condition_and_detect(channel, rate, mains);
        peaks.symbols = paired_symbols(&peaks.samples, &reference, &annotated.symbols);
        conditioned.extend(signal);
        detected_channel.resize(detected_channel.len() + peaks.samples.len(), number);
        detected.samples.extend(peaks.samples);
        detected.seconds.extend(peaks.seconds);
        detected.symbols.extend(peaks.symbols);
    }
    let channels = record.channels_uv.len();
    let samples = conditioned.len() / channels;
    let (beats, found) = (annotated.samples.len(), detected.samples.len());
    let (f32s, f64s, i64s) = (Dtype::F32, Dtype::F64, Dtype::I64);
    let tensors = [
        (
            "conditioned",
            f32s,
            vec![channels, samples],
            bytes(&conditioned, f32::to_le_bytes),
        ),
        (
            "annotation_sample",
            i64s,
            vec![beats],
            bytes(&annotated.samples, u64::to_le_bytes),
        ),
        (
            "annotation_s",
            f64s,
            vec![beats],
            bytes(&annotated.seconds, f64::to_le_bytes),
        ),
        (
            "annotation_symbol",
            Dtype::U8,
            vec![beats],
            annotated.symbols,
        ),
        (
            "detected_sample",
            i64s,
            vec![found],
            bytes(&detected.samples, u64::to_le_bytes),
        ),
        (
            "detected_s",
            f64s,
            vec![found],
            bytes(&detected.seconds, f64::to_le_bytes),
        ),
        ("detected_channel", Dtype::U8, vec![found], detected_channel),
        ("detected_symbol", Dtype::U8, vec![found], detected.symbols),
    ];
    let views = tensors
        .iter()
        .map(|(name, kind, shape, data)| Ok((*name, TensorView::new(*kind, shape.clone(), data)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    safetensors::serialize_to_file(views, None, target)?;
    Ok((samples, beats))
}

/// The annotated beats, and the same as indices at 250 Hz to pair with.
fn annotated(
    record: &LoadedRecord,
    rate: SampleRate,
) -> Result<(Peaks, Reference), Box<dyn Error>> {
    let chain_rate = SampleRate::new(CHAIN_RATE_HZ, 1)?;
    let mut peaks = Peaks::default();
    let mut reference = Reference::default();
    for &(sample, code) in record.annotations.iter().filter(|(_, code)| code.is_beat()) {
        let index = rate.convert_index(sample, chain_rate);
        let mnemonic = code.mnemonic().and_then(|text| text.bytes().next());
        peaks.samples.push(index);
        peaks.seconds.push(sample as f64 / rate.hz());
        peaks.symbols.push(mnemonic.unwrap_or(b'?'));
        reference.beats.push(ReferenceBeat {
            sample: index,
            code,
        });
    }
    Ok((peaks, reference))
}

/// The conditioned signal of one channel and the R peaks found in it.
fn condition_and_detect(channel: &[f32], rate: SampleRate, mains: Mains) -> (Vec<f32>, Peaks) {
    let mut conditioned = Vec::new();
    let mut peaks = Peaks::default();
    let mut conditioner = Conditioner::new(rate, mains);
    let mut detector = Detector::new(DetectorWeights::default());
    let mut found = |beat: Detection| {
        peaks.samples.push(beat.index);
        peaks
            .seconds
            .push((beat.index as f64 + f64::from(beat.offset)) / f64::from(CHAIN_RATE_HZ));
    };
    let mut keep = |sample: ConditionedSample| {
        conditioned.push(sample.uv);
        detector.push(sample.uv, &mut found);
    };
    for &uv in channel {
        conditioner.push(uv, &mut keep);
    }
    conditioner.flush(&mut keep);
    detector.finish(&mut found);
    (conditioned, peaks)
}

/// The symbol of the annotated beat each detection pairs with by the rules of EC57, 0 if none.
fn paired_symbols(detected: &[u64], reference: &Reference, symbols: &[u8]) -> Vec<u8> {
    let mut paired = vec![0; detected.len()];
    let comparison = Comparison::standard(f64::from(CHAIN_RATE_HZ), 0.0);
    for pair in match_beats(reference, detected, &comparison) {
        if let Pair::Matched { reference, found } = pair {
            paired[found] = symbols[reference];
        }
    }
    paired
}

fn bytes<T: Copy, const N: usize>(values: &[T], to_bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| to_bytes(value)).collect()
}
