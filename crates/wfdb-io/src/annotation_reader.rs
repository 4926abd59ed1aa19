//! Reading annotation files (MIT format of `annot(5)`).

use std::path::Path;

use super::annotation::{
    Annotation, AnnotationCode, AnnotationFile, AnnotationProblem, RESOLUTION_NOTE, pseudo,
};
use super::error::WfdbError;

/// Largest annotation file that is read, bytes: a month of beats. In memory it takes some twenty times that.
const MOST_BYTES: u64 = 1 << 24;
/// Resolutions that make sense, samples per second.
const RESOLUTIONS_HZ: std::ops::RangeInclusive<f64> = 1e-3..=1e6;
/// No record has more samples.
const LAST_SAMPLE: i64 = 1 << 53;

/// Reads an annotation file: all of it that can be read, see [`parse_annotations`].
///
/// # Errors
/// [`WfdbError::Io`], also for what is no regular file and for one over 16 MiB.
pub fn read_annotations(path: &Path) -> Result<AnnotationFile, WfdbError> {
    let bytes = ecg_files::read_regular(path, MOST_BYTES);
    let bytes = bytes.map_err(WfdbError::io(path))?;
    Ok(parse_annotations(&bytes))
}

/// Reads the bytes of an annotation file. A word that breaks the rules of `annot(5)` is left out; where
/// the place of the next word cannot be known, reading ends there. The first such word is told in
/// [`AnnotationFile::problem`]. The end mark may be missing. Annotations before the record's start are
/// left out and counted.
#[must_use]
pub fn parse_annotations(bytes: &[u8]) -> AnnotationFile {
    let mut reading = Reading {
        words: Words { bytes, offset: 0 },
        annotations: Vec::new(),
        time: 0,
        chan: 0,
        num: 0,
        problem: None,
    };
    if bytes.is_empty() {
        reading.trouble(0, "the file is empty");
    }
    while reading.next() {}
    reading.finish()
}

/// What has been read so far.
struct Reading<'a> {
    words: Words<'a>,
    /// With their times, which may lie before the record.
    annotations: Vec<(i64, Annotation)>,
    time: i64,
    chan: u8,
    num: i8,
    problem: Option<AnnotationProblem>,
}

impl Reading<'_> {
    /// Takes the next word and what belongs to it; `false` at the end.
    fn next(&mut self) -> bool {
        let offset = self.words.offset;
        let Some([low, high]) = self.words.next_word() else {
            if self.words.is_inside_a_word() {
                self.trouble(offset, "the file ends inside a word");
            }
            return false;
        };
        let word = u16::from_le_bytes([low, high]);
        let (kind, value) = (word >> 10, word & 0x3FF);
        // CHN and NUM hold until changed, SUB and AUX for the annotation before them.
        match kind {
            0 if value == 0 => return false,
            pseudo::SKIP => {
                let (Some([a, b]), Some([c, d])) = (self.words.next_word(), self.words.next_word())
                else {
                    self.trouble(offset, "the file ends inside a skip");
                    return false;
                };
                // High half first, each half low byte first.
                let skip = i32::from_le_bytes([c, d, a, b]);
                self.time = self.time.saturating_add(i64::from(skip));
            }
            pseudo::NUM => {
                self.num = i8::from_le_bytes([low]);
                if let Some((_, last)) = self.annotations.last_mut() {
                    last.num = self.num;
                }
            }
            pseudo::CHN => {
                self.chan = low;
                if let Some((_, last)) = self.annotations.last_mut() {
                    last.chan = low;
                }
            }
            pseudo::SUB => match self.annotations.last_mut() {
                Some((_, last)) => last.subtype = i8::from_le_bytes([low]),
                None => self.trouble(offset, "a subtype before the first annotation"),
            },
            pseudo::AUX => {
                let Some(text) = self.words.take_text(usize::from(value)) else {
                    self.trouble(offset, "the file ends inside a text");
                    return false;
                };
                match self.annotations.last_mut() {
                    Some((_, last)) => last.aux = Some(text),
                    None => self.trouble(offset, "a text before the first annotation"),
                }
            }
            _ => {
                self.time = self.time.saturating_add(i64::from(value));
                if self.time > LAST_SAMPLE {
                    self.trouble(offset, "an annotation later than any record lasts");
                    return false;
                }
                let code = u8::try_from(kind).ok().and_then(AnnotationCode::new);
                let annotation = Annotation {
                    chan: self.chan,
                    num: self.num,
                    ..Annotation::new(0, code.unwrap_or(AnnotationCode::NOT_QRS))
                };
                self.annotations.push((self.time, annotation));
            }
        }
        true
    }

    /// Keeps the first trouble.
    fn trouble(&mut self, offset: usize, what: &'static str) {
        self.problem
            .get_or_insert(AnnotationProblem { offset, what });
    }

    fn finish(self) -> AnnotationFile {
        let mut file = AnnotationFile {
            problem: self.problem,
            ..AnnotationFile::default()
        };
        for (time, annotation) in self.annotations {
            match u64::try_from(time) {
                Ok(sample) => file.annotations.push(Annotation {
                    sample,
                    ..annotation
                }),
                Err(_) => file.before_start += 1,
            }
        }
        // A skip may go back.
        file.annotations.sort_by_key(|annotation| annotation.sample);
        take_resolution(&mut file);
        file
    }
}

/// Moves the resolution from its note at sample 0 to its field.
fn take_resolution(file: &mut AnnotationFile) {
    let leading = file.annotations.iter().take_while(|a| a.sample == 0);
    let found = leading.enumerate().find_map(|(index, annotation)| {
        let aux = annotation.aux.as_deref()?;
        let number = aux.strip_prefix(RESOLUTION_NOTE)?;
        let hz: f64 = number.trim().parse().ok()?;
        (annotation.code == AnnotationCode::NOTE).then_some((index, hz))
    });
    if let Some((index, hz)) = found {
        if !RESOLUTIONS_HZ.contains(&hz) {
            let what = "a time resolution that makes no sense, the record's rate is taken";
            file.problem
                .get_or_insert(AnnotationProblem { offset: 0, what });
            return;
        }
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
}

impl Words<'_> {
    fn next_word(&mut self) -> Option<[u8; 2]> {
        let rest = self.bytes.get(self.offset..)?;
        let (&word, _) = rest.split_first_chunk()?;
        self.offset += 2;
        Some(word)
    }

    fn is_inside_a_word(&self) -> bool {
        self.offset < self.bytes.len()
    }

    /// `length` bytes of text, padded to an even number; `None` where the file ends before.
    fn take_text(&mut self, length: usize) -> Option<String> {
        let text = self.bytes.get(self.offset..self.offset + length)?;
        self.offset += length.next_multiple_of(2);
        Some(
            String::from_utf8_lossy(text)
                .trim_end_matches('\0')
                .to_owned(),
        )
    }
}
