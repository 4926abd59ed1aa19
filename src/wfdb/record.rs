//! Reading a record frame by frame.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::WfdbError;
use super::format::{MISSING_SAMPLE, SignalFormat};
use super::header::{Header, header_path};

/// Samples decoded at a time per signal file, about.
const BLOCK_SAMPLES: usize = 16_384;

/// A record: its header and where its files are.
#[derive(Debug, Clone)]
pub struct Record {
    header: Header,
    header_path: PathBuf,
}

impl Record {
    /// Reads the header of the record at `path`, with or without `.hea`.
    ///
    /// # Errors
    /// [`WfdbError::Io`] or [`WfdbError::Header`].
    pub fn open(path: &Path) -> Result<Self, WfdbError> {
        Ok(Self {
            header: Header::read(path)?,
            header_path: header_path(path),
        })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Frames per second as [`Record::frames`] hands them out.
    #[must_use]
    pub fn rate_hz(&self) -> f64 {
        self.header.rate_hz
    }

    /// The file of this record with another ending, e.g. the annotations `atr`.
    #[must_use]
    pub fn file_with_ending(&self, ending: &str) -> PathBuf {
        self.header_path.with_extension(ending)
    }

    /// Whether `path` is one of this record's own files: its header, its signals or the
    /// annotations `annotator`. What is written must not be one of them.
    #[must_use]
    pub fn owns(&self, path: &Path, annotator: &str) -> bool {
        let Ok(path) = path.canonicalize() else {
            return false;
        };
        let signals = self.header.signals.iter();
        signals
            .map(|signal| self.header_path.with_file_name(&signal.file_name))
            .chain([self.header_path.clone(), self.file_with_ending(annotator)])
            .filter_map(|own| own.canonicalize().ok())
            .any(|own| own == path)
    }

    /// Opens the signal files at their first frame.
    ///
    /// # Errors
    /// [`WfdbError::Io`], or [`WfdbError::Header`] where signals of one file differ in format or
    /// byte offset, or are not listed together.
    pub fn frames(&self) -> Result<FrameReader, WfdbError> {
        FrameReader::open(&self.header, &self.header_path)
    }
}

/// A record's frames in order; a frame is one code per signal.
#[derive(Debug)]
pub struct FrameReader {
    header_path: PathBuf,
    files: Vec<SignalFile>,
    signal_count: usize,
    stated_frames: Option<u64>,
    frames_read: u64,
    sums: Vec<i16>,
    stated_sums: Vec<Option<i16>>,
}

/// One signal file, whose frames hold `signals` interleaved codes.
#[derive(Debug)]
struct SignalFile {
    path: PathBuf,
    file: File,
    format: SignalFormat,
    signals: usize,
    bytes: Vec<u8>,
    samples: Vec<i32>,
    next: usize,
}

impl FrameReader {
    fn open(header: &Header, header_path: &Path) -> Result<Self, WfdbError> {
        let folder = header_path.parent().unwrap_or(Path::new(""));
        let mut files: Vec<SignalFile> = Vec::new();
        for group in header.signals.chunk_by(|a, b| a.file_name == b.file_name) {
            let Some(first) = group.first() else { continue };
            let path = folder.join(&first.file_name);
            let refuse = |field, found: String, expected: &str| WfdbError::Header {
                path: header_path.to_owned(),
                line: 1,
                field,
                found,
                expected: expected.to_owned(),
            };
            if files.iter().any(|file| file.path == path) {
                let name = first.file_name.clone();
                return Err(refuse(
                    "file name",
                    name,
                    "signals of one file listed together",
                ));
            }
            if let Some(other) = group.iter().find(|signal| signal.format != first.format) {
                let number = other.format.number().to_string();
                return Err(refuse(
                    "format",
                    number,
                    "one format for all signals of a file",
                ));
            }
            files.push(SignalFile::open(
                path,
                first.format,
                first.byte_offset,
                group.len(),
            )?);
        }
        Ok(Self {
            header_path: header_path.to_owned(),
            files,
            signal_count: header.signals.len(),
            stated_frames: header.frames,
            frames_read: 0,
            sums: vec![0; header.signals.len()],
            stated_sums: header
                .signals
                .iter()
                .map(|signal| signal.checksum)
                .collect(),
        })
    }

    /// Frames handed out so far, which is also the index of the next.
    #[must_use]
    pub fn frames_read(&self) -> u64 {
        self.frames_read
    }

    /// Puts the next frame into `frame`, one code per signal, [`MISSING_SAMPLE`] where it was not
    /// measured. `false` at the end: after the header's number of frames, or where the header names
    /// none, after the last complete frame.
    ///
    /// # Errors
    /// [`WfdbError::ShortSignal`], [`WfdbError::Io`], [`WfdbError::FrameLength`].
    pub fn next_frame(&mut self, frame: &mut [i32]) -> Result<bool, WfdbError> {
        if frame.len() != self.signal_count {
            return Err(WfdbError::FrameLength {
                expected: self.signal_count,
                found: frame.len(),
            });
        }
        if self.files.is_empty() || self.stated_frames == Some(self.frames_read) {
            return Ok(false);
        }
        let mut rest = &mut *frame;
        let mut sums = self.sums.as_mut_slice();
        for file in &mut self.files {
            let missing = file.format.missing_code();
            let Some(codes) = file.next_codes()? else {
                return match self.stated_frames {
                    None => Ok(false),
                    Some(expected_frames) => Err(WfdbError::ShortSignal {
                        path: file.path.clone(),
                        expected_frames,
                        found_frames: self.frames_read,
                    }),
                };
            };
            let (here, after) = rest.split_at_mut(codes.len());
            let (sums_here, sums_after) = sums.split_at_mut(codes.len());
            for ((place, sum), &code) in here.iter_mut().zip(sums_here).zip(codes) {
                *place = if code == missing {
                    MISSING_SAMPLE
                } else {
                    code
                };
                *sum = sum.wrapping_add(low_half(code));
            }
            (rest, sums) = (after, sums_after);
        }
        self.frames_read += 1;
        Ok(true)
    }

    /// Compares the sums of all codes handed out with the header's; to be called at the end. Signals
    /// without a checksum pass.
    ///
    /// # Errors
    /// [`WfdbError::Checksum`] for the first signal that differs.
    pub fn verify_checksums(&self) -> Result<(), WfdbError> {
        for (signal, (&found, stated)) in self.sums.iter().zip(&self.stated_sums).enumerate() {
            if let Some(expected) = stated.filter(|&expected| expected != found) {
                return Err(WfdbError::Checksum {
                    path: self.header_path.clone(),
                    signal,
                    expected,
                    found,
                });
            }
        }
        Ok(())
    }
}

impl SignalFile {
    fn open(
        path: PathBuf,
        format: SignalFormat,
        byte_offset: u64,
        signals: usize,
    ) -> Result<Self, WfdbError> {
        let mut file = File::open(&path).map_err(|source| WfdbError::io(&path, source))?;
        if byte_offset > 0 {
            file.seek(SeekFrom::Start(byte_offset))
                .map_err(|source| WfdbError::io(&path, source))?;
        }
        // Whole frames and whole byte groups of format 212.
        let block_samples = signals * 2 * (BLOCK_SAMPLES / (signals * 2)).max(1);
        Ok(Self {
            path,
            file,
            format,
            signals,
            bytes: vec![0; format.bytes_of_even(block_samples)],
            samples: Vec::with_capacity(block_samples),
            next: 0,
        })
    }

    /// The codes of the next frame; `None` where the file holds no further complete one.
    fn next_codes(&mut self) -> Result<Option<&[i32]>, WfdbError> {
        if self.next + self.signals > self.samples.len() {
            self.refill()?;
        }
        let start = self.next;
        self.next += self.signals;
        Ok(self.samples.get(start..start + self.signals))
    }

    fn refill(&mut self) -> Result<(), WfdbError> {
        let mut filled = 0;
        while let Some(space @ [_, ..]) = self.bytes.get_mut(filled..) {
            match self.file.read(space) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(WfdbError::io(&self.path, source)),
            }
        }
        self.samples.clear();
        self.next = 0;
        self.format.decode(
            self.bytes.get(..filled).unwrap_or_default(),
            &mut self.samples,
        );
        Ok(())
    }
}

/// The low sixteen bits, as the header's checksum counts them.
pub(super) fn low_half(code: i32) -> i16 {
    let [low, high, ..] = code.to_le_bytes();
    i16::from_le_bytes([low, high])
}
