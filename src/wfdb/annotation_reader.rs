//! Reading annotation files (MIT format of `annot(5)`).

use std::path::Path;

use super::annotation::{Annotation, AnnotationCode, AnnotationFile, RESOLUTION_NOTE, pseudo};
use super::error::WfdbError;

/// Reads an annotation file.
///
/// # Errors
/// [`WfdbError::Io`]; [`WfdbError::Annotation`] for a file that is cut short or breaks the format.
pub fn read_annotations(path: &Path) -> Result<AnnotationFile, WfdbError> {
    let bytes = std::fs::read(path).map_err(|source| WfdbError::io(path, source))?;
    parse_annotations(&bytes, path)
}

/// Reads the bytes of an annotation file; `path` is named in errors.
///
/// # Errors
/// [`WfdbError::Annotation`].
pub fn parse_annotations(bytes: &[u8], path: &Path) -> Result<AnnotationFile, WfdbError> {
    let mut words = Words {
        bytes,
        offset: 0,
        path,
    };
    let mut file = AnnotationFile::default();
    let mut time: i64 = 0;
    let (mut chan, mut num) = (0_u8, 0_i8);
    loop {
        let offset = words.offset;
        let [low, high] = words.take()?;
        let word = u16::from_le_bytes([low, high]);
        let (kind, value) = (word >> 10, word & 0x3FF);
        // CHN and NUM hold until changed, SUB and AUX for the annotation before them.
        match kind {
            0 if value == 0 => break,
            pseudo::SKIP => {
                let [a, b] = words.take()?;
                let [c, d] = words.take()?;
                // High half first, each half low byte first.
                time = time.saturating_add(i64::from(i32::from_le_bytes([c, d, a, b])));
            }
            pseudo::NUM => {
                num = i8::from_le_bytes([low]);
                let last = file.annotations.last_mut();
                last.ok_or_else(|| words.orphan(offset))?.num = num;
            }
            pseudo::CHN => {
                chan = low;
                let last = file.annotations.last_mut();
                last.ok_or_else(|| words.orphan(offset))?.chan = chan;
            }
            pseudo::SUB => {
                let last = file.annotations.last_mut();
                last.ok_or_else(|| words.orphan(offset))?.subtype = i8::from_le_bytes([low]);
            }
            pseudo::AUX => {
                let text = words.take_text(usize::from(value))?;
                let last = file.annotations.last_mut();
                last.ok_or_else(|| words.orphan(offset))?.aux = Some(text);
            }
            _ => {
                time = time.saturating_add(i64::from(value));
                let sample = u64::try_from(time).map_err(|_| {
                    words.error(offset, "annotation before the start of the record")
                })?;
                let code = u8::try_from(kind).ok().and_then(AnnotationCode::new);
                file.annotations.push(Annotation {
                    chan,
                    num,
                    ..Annotation::new(sample, code.unwrap_or(AnnotationCode::NOT_QRS))
                });
            }
        }
    }
    take_resolution(&mut file);
    Ok(file)
}

/// Moves the resolution from its note at sample 0 to its field.
fn take_resolution(file: &mut AnnotationFile) {
    let leading = file.annotations.iter().take_while(|a| a.sample == 0);
    let found = leading.enumerate().find_map(|(index, annotation)| {
        let aux = annotation.aux.as_deref()?;
        let number = aux.strip_prefix(RESOLUTION_NOTE)?;
        let hz: f64 = number.trim().parse().ok()?;
        (annotation.code == AnnotationCode::NOTE && hz.is_finite() && hz > 0.0)
            .then_some((index, hz))
    });
    if let Some((index, hz)) = found {
        file.annotations.remove(index);
        file.resolution_hz = Some(hz);
        // The WFDB library ends its definitions with an empty annotation at sample 0.
        if let Some(index) = file
            .annotations
            .iter()
            .take_while(|a| a.sample == 0)
            .position(|a| a.code == AnnotationCode::NOT_QRS && a.aux.is_none())
        {
            file.annotations.remove(index);
        }
    }
}

struct Words<'a> {
    bytes: &'a [u8],
    offset: usize,
    path: &'a Path,
}

impl Words<'_> {
    fn take(&mut self) -> Result<[u8; 2], WfdbError> {
        let Some(&[low, high]) = self.bytes.get(self.offset..self.offset + 2) else {
            return Err(self.error(self.offset, "file ends without an end mark"));
        };
        self.offset += 2;
        Ok([low, high])
    }

    /// `length` bytes of text, padded to an even number.
    fn take_text(&mut self, length: usize) -> Result<String, WfdbError> {
        let Some(text) = self.bytes.get(self.offset..self.offset + length) else {
            return Err(self.error(self.offset, "file ends inside a text"));
        };
        self.offset += length.next_multiple_of(2);
        Ok(String::from_utf8_lossy(text)
            .trim_end_matches('\0')
            .to_owned())
    }

    fn orphan(&self, offset: usize) -> WfdbError {
        self.error(offset, "NUM, SUB, CHN or AUX before the first annotation")
    }

    fn error(&self, offset: usize, problem: &'static str) -> WfdbError {
        WfdbError::Annotation {
            path: self.path.to_owned(),
            offset,
            problem,
        }
    }
}
