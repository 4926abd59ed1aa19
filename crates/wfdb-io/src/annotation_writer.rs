//! Writing annotation files (MIT format of `annot(5)`).

use std::path::Path;

use super::annotation::{Annotation, AnnotationCode, RESOLUTION_NOTE, pseudo};
use super::error::WfdbError;

/// Writes `annotations`, which must be in time order; the file gets its name when it is whole. With
/// `resolution_hz` the file states that samples count in that rate; without, the record's rate holds.
///
/// # Errors
/// [`WfdbError::UnwritableAnnotation`], [`WfdbError::Io`].
pub fn write_annotations(
    path: &Path,
    annotations: &[Annotation],
    resolution_hz: Option<f64>,
) -> Result<(), WfdbError> {
    let bytes = encode_annotations(annotations, resolution_hz, path)?;
    ecg_files::write_whole(path, bytes).map_err(WfdbError::io(path))
}

/// The bytes of an annotation file; `path` is named in errors.
///
/// # Errors
/// [`WfdbError::UnwritableAnnotation`]: out of order, code 0, or text above 255 bytes.
pub fn encode_annotations(
    annotations: &[Annotation],
    resolution_hz: Option<f64>,
    path: &Path,
) -> Result<Vec<u8>, WfdbError> {
    let mut bytes = Vec::with_capacity(annotations.len() * 2 + 64);
    if let Some(hz) = resolution_hz {
        push_word(&mut bytes, AnnotationCode::NOTE.number().into(), 0);
        push_text(&mut bytes, format!("{RESOLUTION_NOTE}{hz}").as_bytes());
    }
    let mut time = 0_u64;
    let (mut chan, mut num) = (0_u8, 0_i8);
    for (index, annotation) in annotations.iter().enumerate() {
        let refuse = |problem| WfdbError::UnwritableAnnotation {
            path: path.to_owned(),
            index,
            sample: annotation.sample,
            problem,
        };
        if annotation.code == AnnotationCode::NOT_QRS {
            return Err(refuse("code 0 is the format's end mark"));
        }
        let mut step = annotation
            .sample
            .checked_sub(time)
            .ok_or_else(|| refuse("annotations are not in time order"))?;
        time = annotation.sample;
        if step > 0x3FF {
            push_skips(&mut bytes, step);
            step = 0;
        }
        let code = annotation.code.number().into();
        push_word(&mut bytes, code, u16::try_from(step).unwrap_or(0));
        if annotation.subtype != 0 {
            let subtype = i16::from(annotation.subtype).cast_unsigned();
            push_word(&mut bytes, pseudo::SUB, subtype);
        }
        if annotation.chan != chan {
            chan = annotation.chan;
            push_word(&mut bytes, pseudo::CHN, chan.into());
        }
        if annotation.num != num {
            num = annotation.num;
            push_word(&mut bytes, pseudo::NUM, i16::from(num).cast_unsigned());
        }
        if let Some(aux) = &annotation.aux {
            if aux.len() > 255 {
                return Err(refuse("text is longer than 255 bytes"));
            }
            push_text(&mut bytes, aux.as_bytes());
        }
    }
    bytes.extend([0, 0]);
    Ok(bytes)
}

fn push_word(bytes: &mut Vec<u8>, kind: u16, value: u16) {
    bytes.extend(((kind << 10) | (value & 0x3FF)).to_le_bytes());
}

fn push_skips(bytes: &mut Vec<u8>, mut step: u64) {
    while step > 0 {
        let part = u32::try_from(step).unwrap_or(u32::MAX).min(0x7FFF_FFFF);
        step -= u64::from(part);
        push_word(bytes, pseudo::SKIP, 0);
        let [a, b, c, d] = part.to_le_bytes();
        bytes.extend([c, d, a, b]);
    }
}

/// `text` has at most 255 bytes.
fn push_text(bytes: &mut Vec<u8>, text: &[u8]) {
    push_word(bytes, pseudo::AUX, u16::try_from(text.len()).unwrap_or(0));
    bytes.extend(text);
    if !text.len().is_multiple_of(2) {
        bytes.push(0);
    }
}
