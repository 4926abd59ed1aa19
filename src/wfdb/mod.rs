//! WFDB records and annotations.
//!
//! Headers after `header(5)`, signals after `signal(5)`, annotations after `annot(5)` of the WFDB
//! Applications Guide (PhysioNet). Records are read as a stream of frames (one code per signal) in
//! constant memory; nothing here panics on any bytes.

mod annotation;
mod annotation_reader;
mod annotation_writer;
mod error;
mod format;
mod header;
mod header_parser;
mod record;
mod writer;

pub use annotation::{Annotation, AnnotationCode, AnnotationFile};
pub use annotation_reader::{parse_annotations, read_annotations};
pub use annotation_writer::{encode_annotations, write_annotations};
pub use error::WfdbError;
pub use format::{MISSING_SAMPLE, SignalFormat};
pub use header::{Header, SignalSpec, UvConversion};
pub use record::{FrameReader, Record};
pub use writer::{RecordWriter, write_record};

#[cfg(test)]
mod tests;
