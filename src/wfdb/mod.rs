//! WFDB records and annotations.
//!
//! Headers after `header(5)`, signals after `signal(5)`, annotations after `annot(5)` of the WFDB
//! Applications Guide (PhysioNet). Records are read as a stream of frames (one code per signal) in
//! constant memory; nothing here panics on any bytes, and what would take memory or time without end
//! is refused when it is opened. Several samples per frame, skew, byte offsets and
//! records of several segments (fixed and variable layout) are read; compressed formats are not.

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
