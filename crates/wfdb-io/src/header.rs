//! Record headers (`header(5)`).

use std::fmt::{self, Write as _};

use super::format::{MISSING_SAMPLE, SignalFormat};
use super::units::uv_per_unit;

/// File name of a signal, or record name of a segment, that is not there.
pub(super) const NO_FILE: &str = "~";

/// A record's header.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// The record's name.
    pub name: String,
    /// Frames per second.
    pub rate_hz: f64,
    /// Counter frequency, where the record line has one (`360/100`).
    pub counter_hz: Option<f64>,
    /// Counter value of sample 0 (`360/100(7)`).
    pub base_counter: Option<f64>,
    /// Number of frames; `None` where the header does not say.
    pub frames: Option<u64>,
    /// Time of day of sample 0, as written (`HH:MM:SS[.sss]`); `None` where it is written in another
    /// way than `header(5)` knows.
    pub base_time: Option<String>,
    /// Date of sample 0, as written (`DD/MM/YYYY`); `None` as above.
    pub base_date: Option<String>,
    /// The segments of a record made of several, in order; empty for an ordinary record. The header
    /// then names no signals: [`super::Record::open`] takes them from the first segment.
    pub segments: Vec<Segment>,
    /// The signals, in frame order.
    pub signals: Vec<SignalSpec>,
    /// Comment lines after the signals, without the `#`.
    pub comments: Vec<String>,
}

/// One segment of a record made of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The record it is; `None` for a stretch in which nothing was measured.
    pub name: Option<String>,
    /// Its length in frames; 0 for a layout, which only says how the signals are arranged.
    pub frames: u64,
}

/// One signal of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalSpec {
    /// Name of the signal file, in the header's folder.
    pub file_name: String,
    /// How its samples are packed.
    pub format: SignalFormat,
    /// Samples in each frame, at least 1.
    pub samples_per_frame: u32,
    /// Frames by which this signal lies later in the file than the others.
    pub skew: u32,
    /// Bytes before the first sample.
    pub byte_offset: u64,
    /// Codes per physical unit; never 0.
    pub gain: f64,
    /// Code of physical zero.
    pub baseline: i32,
    /// Physical unit, `mV` where the header names none.
    pub units: String,
    /// Resolution of the converter in bits, where it is a whole number.
    pub adc_resolution_bits: Option<u32>,
    /// Code in the middle of the converter's range.
    pub adc_zero: i32,
    /// First code, where known.
    pub initial_value: Option<i32>,
    /// Sum of all codes modulo 2^16, where it is a number of 16 bits.
    pub checksum: Option<i16>,
    /// Block size for special files; 0 is none.
    pub block_size: i32,
    /// Free text, usually the lead, e.g. `MLII`; empty where the header has none.
    pub description: String,
}

/// Codes to microvolts for one signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UvConversion {
    /// Code of 0 µV.
    pub baseline: i32,
    /// Microvolts per code.
    pub uv_per_code: f64,
}

impl UvConversion {
    /// Microvolts of a code as a [`super::FrameReader`] hands it out; `None` if it was not measured.
    #[must_use]
    pub fn to_uv(&self, code: i32) -> Option<f64> {
        (code != MISSING_SAMPLE)
            .then(|| (f64::from(code) - f64::from(self.baseline)) * self.uv_per_code)
    }
}

impl SignalSpec {
    /// A signal of `format` with gain in codes per mV, baseline and ADC zero 0.
    #[must_use]
    pub fn new(file_name: &str, format: SignalFormat, gain_per_mv: f64, description: &str) -> Self {
        Self {
            file_name: file_name.to_owned(),
            format,
            samples_per_frame: 1,
            skew: 0,
            byte_offset: 0,
            gain: gain_per_mv,
            baseline: 0,
            units: "mV".to_owned(),
            adc_resolution_bits: None,
            adc_zero: 0,
            initial_value: None,
            checksum: None,
            block_size: 0,
            description: description.to_owned(),
        }
    }

    /// The way to microvolts, (code - baseline) / gain; `None` where the unit is none of V, mV, uV
    /// and nV, as a symbol or a word, in any case (`MV` is a millivolt).
    #[must_use]
    pub fn uv_conversion(&self) -> Option<UvConversion> {
        Some(UvConversion {
            baseline: self.baseline,
            uv_per_code: uv_per_unit(&self.units)? / self.gain,
        })
    }
}

impl Header {
    /// A header without signals of this rate; everything else is unknown.
    #[must_use]
    pub fn new(name: &str, rate_hz: f64) -> Self {
        Self {
            name: name.to_owned(),
            rate_hz,
            counter_hz: None,
            base_counter: None,
            frames: None,
            base_time: None,
            base_date: None,
            segments: Vec::new(),
            signals: Vec::new(),
            comments: Vec::new(),
        }
    }
}

impl fmt::Display for Header {
    /// The header file's text, lines ended by a bare line feed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.segments.is_empty() {
            write!(f, "/{}", self.segments.len())?;
        }
        write!(f, " {} {}", self.signals.len(), self.rate_hz)?;
        if let Some(counter_hz) = self.counter_hz {
            write!(f, "/{counter_hz}")?;
            if let Some(base_counter) = self.base_counter {
                write!(f, "({base_counter})")?;
            }
        }
        // The time of day needs a length before it; 0 stands for unknown.
        if self.frames.is_some() || self.base_time.is_some() {
            write!(f, " {}", self.frames.unwrap_or(0))?;
        }
        if let Some(time) = &self.base_time {
            write!(f, " {time}")?;
            if let Some(date) = &self.base_date {
                write!(f, " {date}")?;
            }
        }
        f.write_char('\n')?;
        for segment in &self.segments {
            let name = segment.name.as_deref().unwrap_or(NO_FILE);
            writeln!(f, "{name} {}", segment.frames)?;
        }
        if self.segments.is_empty() {
            for signal in &self.signals {
                writeln!(f, "{signal}")?;
            }
        }
        for comment in &self.comments {
            writeln!(f, "#{}", comment.replace(['\n', '\r'], " "))?;
        }
        Ok(())
    }
}

impl fmt::Display for SignalSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.file_name, self.format.number())?;
        if self.samples_per_frame != 1 {
            write!(f, "x{}", self.samples_per_frame)?;
        }
        if self.skew != 0 {
            write!(f, ":{}", self.skew)?;
        }
        if self.byte_offset != 0 {
            write!(f, "+{}", self.byte_offset)?;
        }
        write!(
            f,
            " {}({})/{} {} {} {} {} {} {}",
            self.gain,
            self.baseline,
            self.units,
            self.adc_resolution_bits.unwrap_or(0),
            self.adc_zero,
            self.initial_value.unwrap_or(self.adc_zero),
            self.checksum.unwrap_or(0),
            self.block_size,
            self.description.replace(['\n', '\r'], " "),
        )
    }
}
