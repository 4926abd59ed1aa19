//! What can be wrong with a record.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// Why a record or an annotation file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WfdbError {
    /// The operating system refused a file; the caller can check path and permissions.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A header line holds something this reader cannot use.
    #[error("{path}, line {line}: {field} is `{found}`, expected {expected}")]
    Header {
        /// The header file.
        path: PathBuf,
        /// Line number, counted from 1.
        line: usize,
        /// The field's name in `header(5)`.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
    /// A signal file ends before the number of frames its header states.
    #[error("{path}: signal file ends after {found_frames} of {expected_frames} frames")]
    ShortSignal {
        /// The signal file.
        path: PathBuf,
        /// Frames stated by the header.
        expected_frames: u64,
        /// Complete frames in the file.
        found_frames: u64,
    },
    /// The samples do not add up to the header's checksum: header or signal file is damaged.
    #[error(
        "{path}: checksum of signal {number} is {found}, its header says {expected}",
        number = signal + 1
    )]
    Checksum {
        /// The header file.
        path: PathBuf,
        /// Signal index, counted from 0.
        signal: usize,
        /// The header's checksum.
        expected: i16,
        /// The sum of the samples read, modulo 2^16.
        found: i16,
    },
    /// A frame slice of the wrong length was handed in.
    #[error("a frame of this record has {expected} codes, the caller's slice has {found}")]
    FrameLength {
        /// Signals of the record.
        expected: usize,
        /// Length of the slice.
        found: usize,
    },
    /// A sample does not fit the format it is to be written in.
    #[error(
        "{path}: sample {code} of signal {number} does not fit format {format} ({min} to {max})",
        number = signal + 1
    )]
    SampleOutOfRange {
        /// The signal file.
        path: PathBuf,
        /// Signal index, counted from 0.
        signal: usize,
        /// The code.
        code: i32,
        /// Number of the format.
        format: u16,
        /// Smallest code the format holds.
        min: i32,
        /// Largest code the format holds.
        max: i32,
    },
    /// An annotation cannot be written.
    #[error("{path}: annotation {index} at sample {sample}: {problem}")]
    UnwritableAnnotation {
        /// The annotation file.
        path: PathBuf,
        /// Index in the caller's slice.
        index: usize,
        /// Its sample.
        sample: u64,
        /// What is wrong.
        problem: &'static str,
    },
}

impl WfdbError {
    /// Why the file at `path` cannot be used.
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Refuses a slice that is no frame of so many signals.
    pub(super) fn check_frame(frame: &[i32], signals: usize) -> Result<(), Self> {
        if frame.len() == signals {
            return Ok(());
        }
        Err(Self::FrameLength {
            expected: signals,
            found: frame.len(),
        })
    }

    /// What a header line holds that cannot be.
    pub(super) fn header(
        (path, line): (&Path, usize),
        field: &'static str,
        found: impl Display,
        expected: impl Display,
    ) -> Self {
        Self::Header {
            path: path.to_owned(),
            line,
            field,
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }
}
