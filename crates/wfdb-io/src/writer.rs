//! Writing a record frame by frame.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::WfdbError;
use super::format::{MISSING_SAMPLE, SignalFormat};
use super::header::Header;
use super::signal_file::low_half;

/// Writes the signal file of a record as frames come in, and the header at the end.
#[derive(Debug)]
pub struct RecordWriter {
    header: Header,
    header_path: PathBuf,
    signal_path: PathBuf,
    file: BufWriter<File>,
    pending: Vec<i32>,
    bytes: Vec<u8>,
    frames: u64,
    sums: Vec<i16>,
}

impl RecordWriter {
    /// Starts the record `header.name` in `folder`. All signals go into one file `NAME.dat` in the
    /// format of the first (16 instead of 8, which cannot follow a fast signal), one sample a frame;
    /// frames, checksums and initial values are filled in by the writer.
    ///
    /// # Errors
    /// [`WfdbError::Io`].
    pub fn create(folder: &Path, mut header: Header) -> Result<Self, WfdbError> {
        let file_name = format!("{}.dat", header.name);
        let format = match header.signals.first().map(|signal| signal.format) {
            Some(SignalFormat::F8) => Some(SignalFormat::F16),
            format => format,
        };
        header.segments.clear();
        for signal in &mut header.signals {
            file_name.clone_into(&mut signal.file_name);
            signal.byte_offset = 0;
            (signal.samples_per_frame, signal.skew) = (1, 0);
            signal.initial_value = None;
            if let Some(format) = format {
                signal.format = format;
            }
        }
        let signal_path = folder.join(&file_name);
        let file = File::create(&signal_path).map_err(WfdbError::io(&signal_path))?;
        Ok(Self {
            header_path: folder.join(format!("{}.hea", header.name)),
            signal_path,
            file: BufWriter::new(file),
            pending: Vec::new(),
            bytes: Vec::new(),
            frames: 0,
            sums: vec![0; header.signals.len()],
            header,
        })
    }

    /// Appends a frame, one code per signal; [`MISSING_SAMPLE`] is written as the format's mark.
    ///
    /// # Errors
    /// [`WfdbError::FrameLength`], [`WfdbError::SampleOutOfRange`], [`WfdbError::Io`]; after an
    /// error the record is not to be continued.
    pub fn write_frame(&mut self, frame: &[i32]) -> Result<(), WfdbError> {
        WfdbError::check_frame(frame, self.header.signals.len())?;
        let signals = self.header.signals.iter_mut().zip(&mut self.sums);
        for (index, (&code, (signal, sum))) in frame.iter().zip(signals).enumerate() {
            let (missing, max) = (signal.format.missing_code(), signal.format.max_code());
            let written = if code == MISSING_SAMPLE {
                missing
            } else {
                code
            };
            if code != MISSING_SAMPLE && !(missing < code && code <= max) {
                return Err(WfdbError::SampleOutOfRange {
                    path: self.signal_path.clone(),
                    signal: index,
                    code,
                    format: signal.format.number(),
                    min: missing + 1,
                    max,
                });
            }
            signal.initial_value.get_or_insert(written);
            *sum = sum.wrapping_add(low_half(written));
            self.pending.push(written);
        }
        self.frames += 1;
        if self.pending.len() >= 1_024 && self.pending.len().is_multiple_of(SignalFormat::GROUP) {
            self.flush_pending()?;
        }
        Ok(())
    }

    /// Writes what is left and the header, and returns it.
    ///
    /// # Errors
    /// [`WfdbError::Io`].
    pub fn finish(mut self) -> Result<Header, WfdbError> {
        self.flush_pending()?;
        self.file
            .flush()
            .map_err(WfdbError::io(&self.signal_path))?;
        self.header.frames = Some(self.frames);
        for (signal, &sum) in self.header.signals.iter_mut().zip(&self.sums) {
            signal.checksum = Some(sum);
        }
        std::fs::write(&self.header_path, self.header.to_string())
            .map_err(WfdbError::io(&self.header_path))?;
        Ok(self.header)
    }

    fn flush_pending(&mut self) -> Result<(), WfdbError> {
        if let Some(signal) = self.header.signals.first() {
            self.bytes.clear();
            signal.format.encode(&self.pending, &mut self.bytes);
            self.pending.clear();
            self.file
                .write_all(&self.bytes)
                .map_err(WfdbError::io(&self.signal_path))?;
        }
        Ok(())
    }
}

/// Writes a whole record into `folder`; see [`RecordWriter`].
///
/// # Errors
/// Those of [`RecordWriter`].
pub fn write_record<F: AsRef<[i32]>>(
    folder: &Path,
    header: Header,
    frames: impl IntoIterator<Item = F>,
) -> Result<Header, WfdbError> {
    let mut writer = RecordWriter::create(folder, header)?;
    for frame in frames {
        writer.write_frame(frame.as_ref())?;
    }
    writer.finish()
}
