//! Reading a record frame by frame, segment after segment.

use std::collections::VecDeque;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::error::WfdbError;
use super::format::MISSING_SAMPLE;
use super::header::{Header, NO_FILE, SignalSpec};
use super::signal_file::SignalFile;

/// A record's frames in order; a frame is one code per signal.
///
/// Of a signal with several samples in a frame the mean of those measured is handed out, as the WFDB
/// library does; of a record whose frames are too few a second for an ECG, every sample of the
/// fastest signal, and the slower signals' samples repeated (see [`super::Record::rate_hz`]).
#[derive(Debug)]
pub struct FrameReader {
    /// Signals of the record, as its segments' codes are converted to.
    signals: Vec<SignalSpec>,
    waiting: VecDeque<SegmentPlan>,
    current: Option<Current>,
    frames_read: u64,
    /// The first segment whose sums are not those stated.
    mismatch: Option<Segment>,
    /// Frames handed out for each of the file's.
    parts: usize,
}

/// A segment that is yet to be read.
#[derive(Debug, Clone)]
pub(super) struct SegmentPlan {
    /// Its header, and where that lies; `None` for a stretch in which nothing was measured.
    pub(super) header: Option<(Header, PathBuf)>,
    /// Length in frames; `None` where nobody says.
    pub(super) frames: Option<u64>,
    /// Whether signals are found by name rather than by place.
    pub(super) by_name: bool,
}

#[derive(Debug)]
struct Current {
    segment: Segment,
    /// Where each signal of the record comes from: file and lane, and its conversion.
    sources: Vec<Option<Source>>,
    stated_frames: Option<u64>,
    frames: u64,
    /// Part of the present frame handed out next; 0 where the next frame must be read.
    part: usize,
}

#[derive(Debug, Default)]
struct Segment {
    header_path: PathBuf,
    files: Vec<SignalFile>,
    /// Of each signal that lies in a file, in order: its number in the header, and the sum stated there.
    stated_sums: Vec<(usize, Option<i16>)>,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    file: usize,
    lane: usize,
    /// From the segment's codes to the record's, where they differ: times, then plus.
    scale: Option<(f64, f64)>,
}

impl FrameReader {
    pub(super) fn open(
        signals: &[SignalSpec],
        segments: Vec<SegmentPlan>,
        parts: usize,
    ) -> Result<Self, WfdbError> {
        let mut reader = Self {
            signals: signals.to_vec(),
            waiting: segments.into(),
            current: None,
            frames_read: 0,
            mismatch: None,
            parts: parts.max(1),
        };
        reader.open_next()?;
        Ok(reader)
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
    /// [`WfdbError::ShortSignal`], [`WfdbError::Io`], [`WfdbError::FrameLength`], and at the start of
    /// a segment those of [`super::Record::frames`].
    pub fn next_frame(&mut self, frame: &mut [i32]) -> Result<bool, WfdbError> {
        WfdbError::check_frame(frame, self.signals.len())?;
        while let Some(current) = &mut self.current {
            if current.part == 0 && !current.read_frame()? {
                self.open_next()?;
                continue;
            }
            for (place, source) in frame.iter_mut().zip(&current.sources) {
                *place = source.map_or(MISSING_SAMPLE, |source| {
                    source.code(&current.segment, current.part, self.parts)
                });
            }
            current.part = (current.part + 1) % self.parts;
            self.frames_read += 1;
            return Ok(true);
        }
        Ok(false)
    }

    /// Compares the sums of all codes read with the headers', segment by segment; to be called at the
    /// end. Signals
    /// without a checksum pass.
    ///
    /// # Errors
    /// [`WfdbError::Checksum`] for the first signal that differs.
    pub fn verify_checksums(&self) -> Result<(), WfdbError> {
        let current = self.current.as_ref().map(|current| &current.segment);
        let segment = self.mismatch.as_ref().or(current);
        segment.and_then(Segment::mismatch).map_or(Ok(()), Err)
    }

    fn open_next(&mut self) -> Result<(), WfdbError> {
        if let Some(Current { segment, .. }) = self.current.take()
            && self.mismatch.is_none()
            && segment.mismatch().is_some()
        {
            self.mismatch = Some(segment);
        }
        if let Some(plan) = self.waiting.pop_front() {
            self.current = Some(Current::open(&self.signals, &plan)?);
        }
        Ok(())
    }
}

impl Current {
    fn open(signals: &[SignalSpec], plan: &SegmentPlan) -> Result<Self, WfdbError> {
        let (segment, sources) = match &plan.header {
            None => (Segment::default(), vec![None; signals.len()]),
            Some((header, path)) => {
                let (segment, places) = Segment::open(header, path)?;
                let source = |(index, signal): (usize, &SignalSpec)| {
                    let own = if plan.by_name {
                        let named = |own: &SignalSpec| own.description == signal.description;
                        header.signals.iter().position(named)?
                    } else {
                        index
                    };
                    let (file, lane) = (*places.get(own)?)?;
                    let scale = conversion(header.signals.get(own)?, signal);
                    Some(Source { file, lane, scale })
                };
                (segment, signals.iter().enumerate().map(source).collect())
            }
        };
        // Nothing but the plan limits a segment without files.
        let stated_frames = match plan.frames {
            None if segment.files.is_empty() => Some(0),
            stated => stated,
        };
        Ok(Self {
            segment,
            sources,
            stated_frames,
            frames: 0,
            part: 0,
        })
    }

    /// Reads the segment's next frame; `false` at its end.
    fn read_frame(&mut self) -> Result<bool, WfdbError> {
        if self.stated_frames == Some(self.frames) {
            return Ok(false);
        }
        for file in &mut self.segment.files {
            if file.advance(self.frames)? {
                continue;
            }
            return match self.stated_frames {
                None => Ok(false),
                Some(expected_frames) => Err(WfdbError::ShortSignal {
                    path: file.path().to_owned(),
                    expected_frames,
                    found_frames: file.frames_read(),
                }),
            };
        }
        self.frames += 1;
        Ok(true)
    }
}

/// File and lane of a signal; `None` for one that lies in no file.
type Place = Option<(usize, usize)>;

impl Segment {
    /// Opens the files of a segment, and tells where each of its signals lies.
    fn open(header: &Header, header_path: &Path) -> Result<(Self, Vec<Place>), WfdbError> {
        let folder = header_path.parent().unwrap_or(Path::new(""));
        let mut segment = Self {
            header_path: header_path.to_owned(),
            files: Vec::new(),
            stated_sums: header
                .signals
                .iter()
                .enumerate()
                .filter(|(_, signal)| signal.file_name != NO_FILE)
                .map(|(number, signal)| (number, signal.checksum))
                .collect(),
        };
        let mut places = Vec::with_capacity(header.signals.len());
        for group in header.signals.chunk_by(|a, b| a.file_name == b.file_name) {
            let Some(first) = group.first() else { continue };
            if first.file_name == NO_FILE {
                places.extend(group.iter().map(|_| None));
                continue;
            }
            let path = folder.join(&first.file_name);
            let refuse = |field, found: &dyn Display, expected| {
                Err(WfdbError::header((header_path, 1), field, found, expected))
            };
            if segment.files.iter().any(|file| file.path() == path) {
                let expected = "signals of one file listed together";
                return refuse("file name", &first.file_name, expected);
            }
            if let Some(other) = group.iter().find(|signal| signal.format != first.format) {
                let expected = "one format for all signals of a file";
                return refuse("format", &other.format.number(), expected);
            }
            let file = segment.files.len();
            places.extend((0..group.len()).map(|lane| Some((file, lane))));
            segment.files.push(SignalFile::open(path, group)?);
        }
        Ok((segment, places))
    }

    fn mismatch(&self) -> Option<WfdbError> {
        let sums = self.files.iter().flat_map(|file| &file.lanes);
        let mut compared = sums.zip(&self.stated_sums);
        compared.find_map(|(lane, &(signal, stated))| {
            let expected = stated.filter(|&expected| expected != lane.sum)?;
            Some(WfdbError::Checksum {
                path: self.header_path.clone(),
                signal,
                expected,
                found: lane.sum,
            })
        })
    }
}

impl Source {
    fn code(self, segment: &Segment, part: usize, parts: usize) -> i32 {
        let lane = segment
            .files
            .get(self.file)
            .and_then(|file| file.lanes.get(self.lane));
        let samples = lane.map(|lane| lane.frame.as_slice()).unwrap_or_default();
        let code = match samples {
            [] => MISSING_SAMPLE,
            [only] => *only,
            several if parts == 1 => mean(several),
            several => several
                .get(part * several.len() / parts)
                .copied()
                .unwrap_or(MISSING_SAMPLE),
        };
        match self.scale {
            Some((times, plus)) if code != MISSING_SAMPLE => {
                rounded(f64::from(code) * times + plus)
            }
            _ => code,
        }
    }
}

/// Mean of the samples that were measured.
fn mean(samples: &[i32]) -> i32 {
    let measured = samples.iter().filter(|&&code| code != MISSING_SAMPLE);
    let (count, sum) = measured.fold((0_i64, 0_i64), |(count, sum), &code| {
        (count + 1, sum + i64::from(code))
    });
    if count == 0 {
        return MISSING_SAMPLE;
    }
    rounded(sum as f64 / count as f64)
}

#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn rounded(code: f64) -> i32 {
    (code.round() as i32).max(MISSING_SAMPLE + 1)
}

/// From `own` codes to those of `signal`, where gain or baseline differ.
fn conversion(own: &SignalSpec, signal: &SignalSpec) -> Option<(f64, f64)> {
    let equal = own.baseline == signal.baseline && (own.gain - signal.gain).abs() <= 0.0;
    let times = signal.gain / own.gain;
    (!equal).then(|| {
        (
            times,
            f64::from(signal.baseline) - f64::from(own.baseline) * times,
        )
    })
}
