//! One signal file of a segment, frame by frame.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::WfdbError;
use super::format::{MISSING_SAMPLE, SignalFormat};
use super::header::SignalSpec;

/// Samples decoded at a time, about.
const BLOCK_SAMPLES: usize = 16_384;

/// A signal file, whose frames hold some samples of each of its signals in turn.
#[derive(Debug)]
pub(super) struct SignalFile {
    path: PathBuf,
    file: File,
    format: SignalFormat,
    pub(super) lanes: Vec<Lane>,
    bytes: Vec<u8>,
    samples: Vec<i32>,
    next: usize,
    samples_per_frame: usize,
    /// Frames read of the file so far, which is ahead of those handed out by the largest skew.
    frames_read: u64,
    largest_skew: u64,
}

/// One signal of a file.
#[derive(Debug)]
pub(super) struct Lane {
    /// The samples of the frame handed out last, [`MISSING_SAMPLE`] where not measured.
    pub(super) frame: Vec<i32>,
    /// Sum of all codes read, the low sixteen bits.
    pub(super) sum: i16,
    skew: u64,
    /// Samples read ahead, where a signal of the file is skewed.
    ahead: VecDeque<i32>,
    /// The last code, where the file holds differences.
    last: i32,
}

impl SignalFile {
    /// Opens the file of `signals`, which have one format and byte offset.
    pub(super) fn open(path: PathBuf, signals: &[SignalSpec]) -> Result<Self, WfdbError> {
        let mut file = ecg_files::open_regular(&path).map_err(WfdbError::io(&path))?;
        let (format, byte_offset) = signals.first().map_or((SignalFormat::F16, 0), |first| {
            (first.format, first.byte_offset)
        });
        if byte_offset > 0 {
            file.seek(SeekFrom::Start(byte_offset))
                .map_err(WfdbError::io(&path))?;
        }
        let lanes: Vec<Lane> = signals.iter().map(Lane::new).collect();
        let samples_per_frame: usize = lanes.iter().map(|lane| lane.frame.len()).sum();
        // Whole frames and whole groups of packed samples.
        let unit = samples_per_frame * SignalFormat::GROUP;
        let block_samples = unit * (BLOCK_SAMPLES / unit.max(1)).max(1);
        Ok(Self {
            path,
            file,
            format,
            bytes: vec![0; format.bytes_of_groups(block_samples)],
            samples: Vec::with_capacity(block_samples),
            next: 0,
            samples_per_frame,
            frames_read: 0,
            largest_skew: lanes.iter().map(|lane| lane.skew).max().unwrap_or(0),
            lanes,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Frames in the file up to where it was read.
    pub(super) fn frames_read(&self) -> u64 {
        self.frames_read
    }

    /// Puts frame `index`, which follows the one before, into the lanes. `false` where the file ends
    /// before it; what a skewed signal lacks at the end is missing.
    pub(super) fn advance(&mut self, index: u64) -> Result<bool, WfdbError> {
        while self.frames_read <= index.saturating_add(self.largest_skew) {
            if !self.read_frame()? {
                break;
            }
        }
        if self.frames_read <= index {
            return Ok(false);
        }
        if self.largest_skew > 0 {
            for lane in &mut self.lanes {
                for place in &mut lane.frame {
                    *place = lane.ahead.pop_front().unwrap_or(MISSING_SAMPLE);
                }
            }
        }
        Ok(true)
    }

    /// Reads the file's next frame; `false` where it holds no further complete one.
    fn read_frame(&mut self) -> Result<bool, WfdbError> {
        if self.next + self.samples_per_frame > self.samples.len() {
            self.refill()?;
        }
        let end = self.next + self.samples_per_frame;
        let Some(mut codes) = self.samples.get(self.next..end) else {
            return Ok(false);
        };
        self.next = end;
        let differences = self.format == SignalFormat::F8;
        let missing = self.format.missing_code();
        let skewed = self.largest_skew > 0;
        for lane in &mut self.lanes {
            let (own, rest) = codes.split_at(lane.frame.len());
            codes = rest;
            let precedes = self.frames_read < lane.skew;
            for (place, &code) in lane.frame.iter_mut().zip(own) {
                let code = if differences {
                    lane.last = lane.last.wrapping_add(code);
                    lane.last
                } else {
                    code
                };
                lane.sum = lane.sum.wrapping_add(low_half(code));
                let code = if code == missing {
                    MISSING_SAMPLE
                } else {
                    code
                };
                if !skewed {
                    *place = code;
                } else if !precedes {
                    lane.ahead.push_back(code);
                }
            }
        }
        self.frames_read += 1;
        Ok(true)
    }

    fn refill(&mut self) -> Result<(), WfdbError> {
        let mut filled = 0;
        while let Some(space @ [_, ..]) = self.bytes.get_mut(filled..) {
            match self.file.read(space) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(WfdbError::io(&self.path)(source)),
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

impl Lane {
    fn new(signal: &SignalSpec) -> Self {
        let samples = usize::try_from(signal.samples_per_frame)
            .unwrap_or(1)
            .max(1);
        Self {
            frame: vec![MISSING_SAMPLE; samples],
            sum: 0,
            skew: u64::from(signal.skew),
            ahead: VecDeque::new(),
            last: signal.initial_value.unwrap_or(signal.adc_zero),
        }
    }
}

/// The low sixteen bits, as the header's checksum counts them.
pub(super) fn low_half(code: i32) -> i16 {
    let [low, high, ..] = code.to_le_bytes();
    i16::from_le_bytes([low, high])
}
