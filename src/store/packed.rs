//! Maps in 8 bits, compressed: what the store keeps.
//!
//! ```text
//! byte 0      format: 1, the body as it is; 2, the body as a raw deflate stream
//! byte 1      method: 0 gradcam, 1 gradcam-fine, 2 shap
//! byte 2      class: 0 to 4 in the order N L R A V
//! byte 3      rows of waveform, 1 to 8
//! 4, 5        values of a row, unsigned, little-endian
//! 6, 7        values of the context
//! 8 to 19     float32: step (value of one unit), logit, base
//! 20, 21      samples of the window
//! from 22     body: one signed byte per value, rows one after the other, then the context
//! ```

use std::io::{Read, Write};

use arrhythmianet::BeatClass;
use arrhythmianet::explain::{Method, SaliencyMap};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

const PLAIN: u8 = 1;
const DEFLATED: u8 = 2;
const HEAD: usize = 22;
const MOST_ROWS: usize = 8;
/// Most samples of a window, as in [`arrhythmianet::InputDescription`].
const MOST_SAMPLES: usize = 4096;
const MOST_CONTEXT: usize = 64;

/// Why stored bytes are no map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("saliency map: {0}")]
pub(crate) struct PackedError(&'static str);

/// The bytes of a map, each value rounded to 1/127 of the largest.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded and at most 127 in size; lengths are bounded by the networks' descriptions"
)]
pub(crate) fn pack(map: &SaliencyMap) -> Vec<u8> {
    let values = || map.channels.iter().flatten().chain(&map.context);
    let largest = values().fold(0.0_f32, |most, value| most.max(value.abs()));
    let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
    let body: Vec<u8> = values()
        .map(|value| ((value / step).round().clamp(-127.0, 127.0) as i8).cast_unsigned())
        .collect();
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let deflated = encoder
        .write_all(&body)
        .and_then(|()| encoder.finish())
        .ok()
        .filter(|deflated| deflated.len() < body.len());
    let method = Method::ALL.iter().position(|&of| of == map.method);
    let row = map.channels.first().map_or(0, Vec::len);
    let mut bytes = vec![
        if deflated.is_some() { DEFLATED } else { PLAIN },
        method.unwrap_or_default() as u8,
        map.class.index() as u8,
        map.channels.len() as u8,
    ];
    bytes.extend((row as u16).to_le_bytes());
    bytes.extend((map.context.len() as u16).to_le_bytes());
    for number in [step, map.logit, map.base] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend((map.samples as u16).to_le_bytes());
    bytes.extend(deflated.as_deref().unwrap_or(&body));
    bytes
}

/// The map of [`pack`]'s bytes, values as rounded.
///
/// # Errors
/// [`PackedError`] for anything [`pack`] does not write.
pub(crate) fn unpack(bytes: &[u8]) -> Result<SaliencyMap, PackedError> {
    let Some((head, body)) = bytes.split_first_chunk::<HEAD>() else {
        return Err(PackedError("shorter than its head"));
    };
    let short = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let float =
        |at: usize| f32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let method = Method::ALL.get(usize::from(head[1]));
    let &method = method.ok_or(PackedError("unknown method"))?;
    let class = BeatClass::from_index(usize::from(head[2])).ok_or(PackedError("unknown class"))?;
    let (rows, row, context) = (usize::from(head[3]), short(4), short(6));
    let (step, logit, base, samples) = (float(8), float(12), float(16), short(20));
    if rows == 0
        || rows > MOST_ROWS
        || row == 0
        || row > samples
        || samples > MOST_SAMPLES
        || context > MOST_CONTEXT
    {
        return Err(PackedError("impossible extent"));
    }
    if ![step, logit, base].iter().all(|number| number.is_finite()) || step <= 0.0 {
        return Err(PackedError("a number that is none"));
    }
    let expected = rows * row + context;
    let body = match head[0] {
        PLAIN => body.to_vec(),
        DEFLATED => {
            let mut inflated = Vec::with_capacity(expected + 1);
            DeflateDecoder::new(body)
                .take(expected as u64 + 1)
                .read_to_end(&mut inflated)
                .map_err(|_| PackedError("a damaged deflate stream"))?;
            inflated
        }
        _ => return Err(PackedError("unknown format")),
    };
    if body.len() != expected {
        return Err(PackedError("another length than its head says"));
    }
    let values: Vec<f32> = body
        .iter()
        .map(|&byte| f32::from(byte.cast_signed()) * step)
        .collect();
    let (waveform, context) = values.split_at(rows * row);
    Ok(SaliencyMap {
        method,
        class,
        channels: waveform.chunks_exact(row).map(<[f32]>::to_vec).collect(),
        context: context.to_vec(),
        logit,
        base,
        samples,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrhythmianet::explain::Explainer;
    use arrhythmianet::{Model, builtin_models};

    use super::*;

    fn map(rows: usize, row: usize, context: usize) -> SaliencyMap {
        let value =
            |k: usize| ((k as f32) * 0.37).sin() * if k.is_multiple_of(9) { 3.0 } else { 0.2 };
        SaliencyMap {
            method: Method::Shap,
            class: BeatClass::V,
            channels: (0..rows)
                .map(|r| (0..row).map(|k| value(k + 31 * r)).collect())
                .collect(),
            context: (0..context).map(value).collect(),
            logit: 4.25,
            base: -1.5,
            samples: 128,
        }
    }

    #[test]
    fn maps_come_back_within_half_a_step() {
        for map in [map(1, 8, 0), map(1, 128, 0), map(2, 128, 16)] {
            let found = unpack(&pack(&map)).unwrap();
            let step = 3.0 / 127.0;
            let pairs = found
                .channels
                .iter()
                .flatten()
                .zip(map.channels.iter().flatten());
            for (found, expected) in pairs.chain(found.context.iter().zip(&map.context)) {
                assert!(
                    (found - expected).abs() <= step * 0.51,
                    "{found} {expected}"
                );
            }
            assert_eq!(found.channels.len(), map.channels.len());
            let meta = |m: &SaliencyMap| (m.method, m.class, m.logit.to_bits(), m.samples);
            assert_eq!(meta(&found), meta(&map));
        }
        let mut flat = map(1, 8, 0);
        flat.channels[0].fill(0.0);
        assert_eq!(unpack(&pack(&flat)).unwrap().channels, flat.channels);
    }

    #[test]
    fn a_flat_stretch_is_compressed() {
        let mut map = map(2, 128, 16);
        map.channels[1].fill(0.0);
        assert!(pack(&map).len() < 22 + 200);
    }

    #[test]
    fn maps_of_real_beats_stay_complete() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in builtin_models() {
            let bytes = std::fs::read(root.join(format!("models/golden/{name}.safetensors")));
            let bytes = bytes.unwrap();
            let golden = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let input = golden.tensor("input").unwrap();
            let values = input.data().as_chunks().0;
            let values: Vec<f32> = values
                .iter()
                .map(|&value| f32::from_le_bytes(value))
                .collect();
            let model = Arc::new(Model::load(name).unwrap());
            let len = model.description().input.len();
            let mut explainer = Explainer::new(model);
            for input in values.chunks_exact(len).step_by(5) {
                for method in [Method::GradCam, Method::Shap] {
                    let map = explainer.explain(method, input, BeatClass::V).unwrap();
                    let packed = unpack(&pack(&map)).unwrap();
                    let missing = packed.incompleteness().unwrap();
                    assert!(missing <= 0.05, "{name} {method:?}: {missing}");
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_map_or_an_error(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = unpack(&bytes);
        }

        #[test]
        fn changed_maps_are_a_map_or_an_error(at in 0_usize..60, to in proptest::num::u8::ANY) {
            let mut bytes = pack(&map(1, 128, 16));
            bytes[at] = to;
            let _ = unpack(&bytes);
        }
    }
}
