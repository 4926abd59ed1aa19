//! WFDB records and annotations.
//!
//! Headers after `header(5)`, signals after `signal(5)`, annotations after `annot(5)` of the WFDB
//! Applications Guide (PhysioNet). Records are read as a stream of frames (one code per signal) in
//! constant memory; nothing here panics on any bytes, and what would take memory or time without end
//! is refused when it is opened. Several samples per frame, skew, byte offsets and
//! records of several segments (fixed and variable layout) are read; compressed formats are not.
//!
//! ```
//! use std::path::Path;
//!
//! use wfdb_io::{Header, Record, write_record};
//!
//! let folder = tempfile::tempdir().unwrap();
//! let text = "mine 1 250 0\nmine.dat 16 200/mV 16 0 0 0 0 MLII\n";
//! let header = Header::parse(text, Path::new("mine.hea")).unwrap();
//! write_record(folder.path(), header, [[0], [200], [-100]]).unwrap();
//!
//! let record = Record::open(&folder.path().join("mine")).unwrap();
//! let conversion = record.header().signals[0].uv_conversion().unwrap();
//! let (mut frames, mut frame, mut uv) = (record.frames().unwrap(), [0], Vec::new());
//! while frames.next_frame(&mut frame).unwrap() {
//!     uv.push(f64::from(frame[0] - conversion.baseline) * conversion.uv_per_code);
//! }
//! assert_eq!(uv, [0.0, 1_000.0, -500.0]);
//! ```

mod annotation;
mod annotation_reader;
mod annotation_writer;
mod error;
mod format;
mod frames;
mod header;
mod header_parser;
mod kind;
mod record;
mod signal_file;
mod units;
mod writer;

pub use annotation::{Annotation, AnnotationCode, AnnotationFile, AnnotationProblem};
pub use annotation_reader::{parse_annotations, read_annotations};
pub use annotation_writer::{encode_annotations, write_annotations};
pub use error::WfdbError;
pub use format::{MISSING_SAMPLE, SignalFormat};
pub use frames::FrameReader;
pub use header::{Header, Segment, SignalSpec, UvConversion};
pub use kind::{EcgSignals, SignalKind};
pub use record::Record;
pub use writer::{RecordWriter, write_record};

#[cfg(test)]
mod layout_tests;
#[cfg(test)]
mod tests;
