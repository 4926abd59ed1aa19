//! A record: its header, its segments, its files.

use std::path::{Path, PathBuf};

use super::error::WfdbError;
use super::frames::{FrameReader, SegmentPlan};
use super::header::{Header, NO_FILE};
use super::header_parser::{MOST_UNMEASURED_FRAMES, header_path};

/// With fewer frames a second, signals with several samples a frame are read at their full rate.
const LEAST_FRAMES_HZ: f64 = 100.0;

/// Bytes of all headers of a record's segments.
const MOST_SEGMENT_HEADER_BYTES: usize = 1 << 26;
/// Signals of all segments.
const MOST_SEGMENT_SIGNALS: usize = 1 << 20;

/// A record: its header and where its files are.
#[derive(Debug, Clone)]
pub struct Record {
    header: Header,
    header_path: PathBuf,
    segments: Vec<SegmentPlan>,
}

impl Record {
    /// Reads the header of the record at `path`, with or without `.hea`, and those of its segments.
    /// A record of several segments takes its signals from the first, and its length from all.
    ///
    /// # Errors
    /// [`WfdbError::Io`] or [`WfdbError::Header`].
    pub fn open(path: &Path) -> Result<Self, WfdbError> {
        let mut header = Header::read(path)?;
        let header_path = header_path(path);
        let segments = if header.segments.is_empty() {
            vec![SegmentPlan {
                header: Some((header.clone(), header_path.clone())),
                frames: header.frames,
                by_name: false,
            }]
        } else {
            open_segments(&mut header, &header_path)?
        };
        let record = Self {
            header,
            header_path,
            segments,
        };
        record.check_unmeasured()?;
        Ok(record)
    }

    /// Refuses more frames of signals that lie in no file than any recording has: nothing but the
    /// header's word limits them.
    fn check_unmeasured(&self) -> Result<(), WfdbError> {
        let lies_in_no_file = |plan: &&SegmentPlan| {
            plan.header.as_ref().is_none_or(|(header, _)| {
                let mut signals = header.signals.iter();
                signals.all(|signal| signal.file_name == NO_FILE)
            })
        };
        let plans = self.segments.iter().filter(lies_in_no_file);
        let frames = plans.fold(0_u64, |sum, plan| {
            sum.saturating_add(plan.frames.unwrap_or(0))
        });
        let handed_out = frames.saturating_mul(self.parts() as u64);
        // Of a record without any signals nothing is read.
        if self.header.signals.is_empty() || handed_out <= MOST_UNMEASURED_FRAMES {
            return Ok(());
        }
        Err(WfdbError::header(
            (&self.header_path, 1),
            "number of samples",
            handed_out,
            format_args!("at most {MOST_UNMEASURED_FRAMES} of signals that lie in no file"),
        ))
    }

    /// The header; of a record of several segments with the first one's signals.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the header lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.header_path
    }

    /// Frames per second as [`Record::frames`] hands them out: the header's, unless these are fewer
    /// than 100 and a signal has several samples in each; then the fastest signal's samples.
    #[must_use]
    pub fn rate_hz(&self) -> f64 {
        self.header.rate_hz * self.parts() as f64
    }

    /// Frames handed out for each of the header's.
    fn parts(&self) -> usize {
        if self.header.rate_hz >= LEAST_FRAMES_HZ {
            return 1;
        }
        let signals = self.header.signals.iter();
        let most = signals.map(|signal| signal.samples_per_frame).max();
        usize::try_from(most.unwrap_or(1)).unwrap_or(1).max(1)
    }

    /// The file of this record with another ending, e.g. the annotations `atr`.
    #[must_use]
    pub fn file_with_ending(&self, ending: &str) -> PathBuf {
        self.header_path.with_extension(ending)
    }

    /// Whether `path` is one of this record's own files: its headers, its signals or the
    /// annotations `annotator`. What is written must not be one of them.
    #[must_use]
    pub fn owns(&self, path: &Path, annotator: &str) -> bool {
        let Ok(path) = path.canonicalize() else {
            return false;
        };
        let headers = self.segments.iter().filter_map(|plan| plan.header.as_ref());
        headers
            .flat_map(|(header, header_path)| {
                let signals = header.signals.iter();
                signals
                    .map(|signal| header_path.with_file_name(&signal.file_name))
                    .chain([header_path.clone()])
            })
            .chain([self.header_path.clone(), self.file_with_ending(annotator)])
            .filter_map(|own| own.canonicalize().ok())
            .any(|own| own == path)
    }

    /// Opens the signal files at their first frame.
    ///
    /// # Errors
    /// [`WfdbError::Io`], or [`WfdbError::Header`] where signals of one file differ in format or are
    /// not listed together.
    pub fn frames(&self) -> Result<FrameReader, WfdbError> {
        FrameReader::open(&self.header.signals, self.segments.clone(), self.parts())
    }
}

/// Reads the segments' headers and completes the record's own.
fn open_segments(header: &mut Header, header_path: &Path) -> Result<Vec<SegmentPlan>, WfdbError> {
    let folder = header_path.parent().unwrap_or(Path::new(""));
    let variable = header
        .segments
        .first()
        .is_some_and(|first| first.frames == 0);
    let mut plans = Vec::with_capacity(header.segments.len());
    let mut signals = None;
    let (mut header_bytes, mut segment_signals) = (0_usize, 0_usize);
    for (number, segment) in header.segments.iter().enumerate() {
        let refuse = |found: String, expected: String| {
            let line = (header_path, number + 2);
            Err(WfdbError::header(line, "segment name", found, expected))
        };
        let mut own = None;
        if let Some(name) = &segment.name {
            let path = folder.join(format!("{name}.hea"));
            let (mut read, bytes) = Header::read_sized(&path)?;
            // One segment may be named again and again.
            header_bytes += bytes;
            segment_signals += read.signals.len();
            if header_bytes > MOST_SEGMENT_HEADER_BYTES || segment_signals > MOST_SEGMENT_SIGNALS {
                let expected = format!(
                    "segments of {MOST_SEGMENT_SIGNALS} signals and headers of \
                     {MOST_SEGMENT_HEADER_BYTES} bytes altogether at most"
                );
                return refuse(name.clone(), expected);
            }
            read.comments = Vec::new();
            if !read.segments.is_empty() {
                let expected = "a record of one segment".to_owned();
                return refuse(name.clone(), expected);
            }
            if (read.rate_hz - header.rate_hz).abs() > 1e-9 * header.rate_hz {
                let expected = format!("a segment at {} Hz", header.rate_hz);
                let found = format!("{name} at {} Hz", read.rate_hz);
                return refuse(found, expected);
            }
            let first = signals.get_or_insert_with(|| read.signals.clone());
            if !variable && first.len() != read.signals.len() {
                let expected = format!("a segment of {} signals", first.len());
                let found = format!("{name} of {}", read.signals.len());
                return refuse(found, expected);
            }
            own = Some((read, path));
        }
        if segment.frames > 0 {
            plans.push(SegmentPlan {
                header: own,
                frames: Some(segment.frames),
                by_name: variable,
            });
        }
    }
    header.signals = signals.unwrap_or_default();
    if variable {
        take_frame_sizes(header, &plans);
    }
    let frames = header.segments.iter().map(|segment| segment.frames);
    header.frames = Some(frames.fold(0, u64::saturating_add));
    Ok(plans)
}

/// A layout need not say how many samples a frame holds: the segments do.
fn take_frame_sizes(header: &mut Header, plans: &[SegmentPlan]) {
    for signal in &mut header.signals {
        let named = plans
            .iter()
            .filter_map(|plan| plan.header.as_ref())
            .flat_map(|(header, _)| &header.signals)
            .filter(|own| own.description == signal.description && own.file_name != NO_FILE);
        signal.samples_per_frame = named
            .map(|own| own.samples_per_frame)
            .max()
            .unwrap_or(1)
            .max(1);
    }
}
