//! Conditioned signals of a WFDB database for training the networks on exactly what the chain sees.
//!
//! `cargo run --release --example prepare -- DATABASE_FOLDER OUTPUT_FOLDER [none|50|60]`
//!
//! Writes `OUTPUT_FOLDER/RECORD.safetensors` per record, mains notch 60 Hz unless told otherwise:
//!
//! | tensor | type | shape | |
//! | --- | --- | --- | --- |
//! | `conditioned` | f32 | [channels (1 or 2), n] | µV at 250 Hz; sample j at exactly j / 250 s |
//! | `annotation_sample` | i64 | [m] | annotated beats, nearest index at 250 Hz |
//! | `annotation_symbol` | u8 | [m] | their MIT mnemonics, ASCII |
//! | `detected_sample` | i64 | [k] | R peaks the detector finds, index at 250 Hz |
//! | `detected_channel` | u8 | [k] | the channel each was found in: all of channel 0, then of 1 |

mod common;

use std::error::Error;
use std::path::{Path, PathBuf};

use ecg_gateway::signal::{
    CHAIN_RATE_HZ, ConditionedSample, Conditioner, Detection, Detector, Mains, SampleRate,
};
use safetensors::{Dtype, tensor::TensorView};

use common::LoadedRecord;

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
    for path in common::record_paths(Path::new(database))? {
        let record = common::load(&path)?;
        let target = PathBuf::from(output).join(format!("{}.safetensors", record.name));
        let (samples, beats) = write_record(&record, mains, &target)?;
        println!(
            "{}: {samples} samples, {beats} annotated beats",
            record.name
        );
    }
    Ok(())
}

/// Returns the number of conditioned samples and of annotated beats.
fn write_record(
    record: &LoadedRecord,
    mains: Mains,
    target: &Path,
) -> Result<(usize, usize), Box<dyn Error>> {
    let rate = SampleRate::from_hz(record.rate_hz)?;
    let chain_rate = SampleRate::new(CHAIN_RATE_HZ, 1)?;
    let mut conditioned = Vec::new();
    let (mut detected_sample, mut detected_channel) = (Vec::new(), Vec::new());
    for (number, channel) in (0_u8..).zip(&record.channels_uv) {
        let mut conditioner = Conditioner::new(rate, mains);
        let mut detector = Detector::new();
        let mut found = |beat: Detection| {
            detected_sample.extend_from_slice(&beat.index.to_le_bytes());
            detected_channel.push(number);
        };
        let mut keep = |sample: ConditionedSample| {
            conditioned.extend_from_slice(&sample.uv.to_le_bytes());
            detector.push(sample.uv, &mut found);
        };
        for &uv in channel {
            conditioner.push(uv, &mut keep);
        }
        conditioner.flush(&mut keep);
        detector.finish(&mut found);
    }
    let samples = conditioned.len() / 4 / record.channels_uv.len();
    let mut annotation_sample = Vec::new();
    let mut annotation_symbol = Vec::new();
    for &(sample, code) in record.annotations.iter().filter(|(_, code)| code.is_beat()) {
        let index = i64::try_from(rate.convert_index(sample, chain_rate))?;
        annotation_sample.extend_from_slice(&index.to_le_bytes());
        let mnemonic = code.mnemonic().and_then(|text| text.bytes().next());
        annotation_symbol.push(mnemonic.unwrap_or(b'?'));
    }
    let beats = annotation_symbol.len();
    let tensors = [
        (
            "conditioned",
            TensorView::new(
                Dtype::F32,
                vec![record.channels_uv.len(), samples],
                &conditioned,
            )?,
        ),
        (
            "annotation_sample",
            TensorView::new(Dtype::I64, vec![beats], &annotation_sample)?,
        ),
        (
            "annotation_symbol",
            TensorView::new(Dtype::U8, vec![beats], &annotation_symbol)?,
        ),
        (
            "detected_sample",
            TensorView::new(Dtype::I64, vec![detected_channel.len()], &detected_sample)?,
        ),
        (
            "detected_channel",
            TensorView::new(Dtype::U8, vec![detected_channel.len()], &detected_channel)?,
        ),
    ];
    safetensors::serialize_to_file(tensors, None, target)?;
    Ok((samples, beats))
}
