//! Record headers (`header(5)`).

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::WfdbError;
use super::format::{MISSING_SAMPLE, SignalFormat};

/// Sampling frequency where the header names none.
pub(super) const DEFAULT_RATE_HZ: f64 = 250.0;
/// Codes per physical unit where the header names none, or 0.
const DEFAULT_GAIN: f64 = 200.0;

/// A single-segment record's header.
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
    /// Time of day of sample 0, as written (`HH:MM:SS[.sss]`).
    pub base_time: Option<String>,
    /// Date of sample 0, as written (`DD/MM/YYYY`).
    pub base_date: Option<String>,
    /// The signals, in frame order.
    pub signals: Vec<SignalSpec>,
    /// Comment lines after the signals, without the `#`.
    pub comments: Vec<String>,
}

/// One signal of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalSpec {
    /// Name of the signal file, in the header's folder.
    pub file_name: String,
    /// How its samples are packed.
    pub format: SignalFormat,
    /// Bytes before the first sample.
    pub byte_offset: u64,
    /// Codes per physical unit; never 0.
    pub gain: f64,
    /// Code of physical zero.
    pub baseline: i32,
    /// Physical unit, `mV` where the header names none.
    pub units: String,
    /// Resolution of the converter in bits, where known.
    pub adc_resolution_bits: Option<u32>,
    /// Code in the middle of the converter's range.
    pub adc_zero: i32,
    /// First code, where known.
    pub initial_value: Option<i32>,
    /// Sum of all codes modulo 2^16, where known.
    pub checksum: Option<i16>,
    /// Block size for special files; 0 is none.
    pub block_size: u32,
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

    /// The way to microvolts, (code - baseline) / gain; `None` where the unit is not one of V, mV,
    /// uV, µV, nV.
    #[must_use]
    pub fn uv_conversion(&self) -> Option<UvConversion> {
        let uv_per_unit = match self.units.as_str() {
            "V" | "v" => 1e6,
            "mV" | "mv" => 1e3,
            "uV" | "uv" | "µV" | "μV" => 1.0,
            "nV" | "nv" => 1e-3,
            _ => return None,
        };
        Some(UvConversion {
            baseline: self.baseline,
            uv_per_code: uv_per_unit / self.gain,
        })
    }
}

impl Header {
    /// Reads `path`, with or without the `.hea` ending.
    ///
    /// # Errors
    /// [`WfdbError::Io`] or [`WfdbError::Header`].
    pub fn read(path: &Path) -> Result<Self, WfdbError> {
        let path = header_path(path);
        let bytes = std::fs::read(&path).map_err(|source| WfdbError::io(&path, source))?;
        Self::parse(&String::from_utf8_lossy(&bytes), &path)
    }

    /// Reads a header's text; `path` is named in errors.
    ///
    /// # Errors
    /// [`WfdbError::Header`] naming line, field, found and expected: malformed fields, and what this
    /// crate does not read (several segments, several samples per frame, skew, other formats).
    pub fn parse(text: &str, path: &Path) -> Result<Self, WfdbError> {
        let mut comments = Vec::new();
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if let Some(comment) = line.strip_prefix('#') {
                // Comments before the record line are for the header's keeper, not for the reader.
                if !lines.is_empty() {
                    comments.push(comment.to_owned());
                }
            } else if !line.is_empty() {
                lines.push((index + 1, line));
            }
        }
        let last_line = text.lines().count().max(1);
        let mut lines = lines.into_iter();
        let (line, record_line) = lines.next().ok_or_else(|| {
            Place {
                path,
                line: last_line,
            }
            .error("record line", "", "a record line")
        })?;
        let (mut header, signal_count) = parse_record_line(&Place { path, line }, record_line)?;
        for number in 0..signal_count {
            let Some((line, text)) = lines.next() else {
                return Err(Place {
                    path,
                    line: last_line,
                }
                .error(
                    "signal line",
                    &format!("end of file after {number} signals"),
                    &format!("{signal_count} signal lines"),
                ));
            };
            header
                .signals
                .push(parse_signal_line(&Place { path, line }, text)?);
        }
        header.comments = comments;
        Ok(header)
    }
}

impl fmt::Display for Header {
    /// The header file's text, lines ended by a bare line feed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.signals.len(), self.rate_hz)?;
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
        for signal in &self.signals {
            writeln!(f, "{signal}")?;
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

/// The header file of a record given with or without `.hea`.
pub(super) fn header_path(path: &Path) -> PathBuf {
    if path.extension().is_some_and(|ending| ending == "hea") {
        return path.to_owned();
    }
    // Not `with_extension`: record names may hold dots.
    let mut name = path.as_os_str().to_owned();
    name.push(".hea");
    PathBuf::from(name)
}

/// Where a field stands, for errors.
struct Place<'a> {
    path: &'a Path,
    line: usize,
}

impl Place<'_> {
    fn error(&self, field: &'static str, found: &str, expected: &str) -> WfdbError {
        WfdbError::Header {
            path: self.path.to_owned(),
            line: self.line,
            field,
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }

    fn parse<T: FromStr>(
        &self,
        field: &'static str,
        found: &str,
        expected: &str,
    ) -> Result<T, WfdbError> {
        found
            .parse()
            .map_err(|_| self.error(field, found, expected))
    }

    fn finite(&self, field: &'static str, found: &str, expected: &str) -> Result<f64, WfdbError> {
        let number: f64 = self.parse(field, found, expected)?;
        if number.is_finite() {
            Ok(number)
        } else {
            Err(self.error(field, found, expected))
        }
    }
}

/// Splits `head(inner)tail`; both later parts are empty where there is no parenthesis.
fn split_parenthesis(text: &str) -> (&str, Option<&str>, &str) {
    match text.split_once('(') {
        Some((head, rest)) => match rest.split_once(')') {
            Some((inner, tail)) => (head, Some(inner), tail),
            None => (head, Some(rest), ""),
        },
        None => (text, None, ""),
    }
}

fn parse_record_line(place: &Place<'_>, text: &str) -> Result<(Header, usize), WfdbError> {
    let mut fields = text.split_ascii_whitespace();
    let name = fields.next().unwrap_or_default();
    if let Some((_, segments)) = name.split_once('/') {
        return Err(place.error(
            "number of segments",
            segments,
            "a record of one segment; read the segments one by one",
        ));
    }
    let count = fields.next().unwrap_or_default();
    let signal_count = place.parse("number of signals", count, "a whole number")?;
    let mut header = Header {
        name: name.to_owned(),
        rate_hz: DEFAULT_RATE_HZ,
        counter_hz: None,
        base_counter: None,
        frames: None,
        base_time: None,
        base_date: None,
        signals: Vec::new(),
        comments: Vec::new(),
    };
    if let Some(field) = fields.next() {
        let (rate, counter) = match field.split_once('/') {
            Some((rate, counter)) => (rate, Some(counter)),
            None => (field, None),
        };
        // Seen in the wild without a counter frequency: `360(0)`.
        let (rate, early_base, _) = split_parenthesis(rate);
        header.rate_hz = place.finite("sampling frequency", rate, "a number above 0")?;
        if header.rate_hz <= 0.0 {
            return Err(place.error("sampling frequency", rate, "a number above 0"));
        }
        let mut base = early_base;
        if let Some(counter) = counter {
            let (counter_hz, inner, _) = split_parenthesis(counter);
            header.counter_hz = Some(place.finite("counter frequency", counter_hz, "a number")?);
            base = inner.or(base);
        }
        if let Some(base) = base {
            header.base_counter = Some(place.finite("base counter value", base, "a number")?);
        }
    }
    if let Some(field) = fields.next() {
        let frames: u64 = place.parse("number of samples", field, "a whole number")?;
        header.frames = (frames > 0).then_some(frames);
    }
    if let Some(field) = fields.next() {
        if !field
            .chars()
            .all(|c| c.is_ascii_digit() || c == ':' || c == '.')
        {
            return Err(place.error("base time", field, "HH:MM:SS"));
        }
        header.base_time = Some(field.to_owned());
    }
    if let Some(field) = fields.next() {
        if !field.chars().all(|c| c.is_ascii_digit() || c == '/') {
            return Err(place.error("base date", field, "DD/MM/YYYY"));
        }
        header.base_date = Some(field.to_owned());
    }
    Ok((header, signal_count))
}

fn parse_signal_line(place: &Place<'_>, text: &str) -> Result<SignalSpec, WfdbError> {
    let mut rest = text;
    let mut next = || {
        let trimmed = rest.trim_start();
        let end = trimmed
            .find(|c: char| c.is_ascii_whitespace())
            .unwrap_or(trimmed.len());
        let (field, after) = trimmed.split_at(end);
        rest = after;
        (!field.is_empty()).then_some(field)
    };
    let file_name = next().unwrap_or_default();
    if file_name.contains(['/', '\\']) || matches!(file_name, "-" | "~" | "." | "..") {
        return Err(place.error("file name", file_name, "a file in the header's folder"));
    }
    let (format, byte_offset) = parse_format(place, next().unwrap_or_default())?;
    let mut signal = SignalSpec {
        byte_offset,
        ..SignalSpec::new(file_name, format, DEFAULT_GAIN, "")
    };
    let mut baseline = None;
    if let Some(field) = next() {
        let (numbers, units) = match field.split_once('/') {
            Some((numbers, units)) => (numbers, Some(units)),
            None => (field, None),
        };
        let (gain, inner, _) = split_parenthesis(numbers);
        let gain = place.finite("ADC gain", gain, "a number")?;
        if gain != 0.0 {
            signal.gain = gain;
        }
        if let Some(inner) = inner {
            baseline = Some(place.parse("baseline", inner, "a whole number")?);
        }
        if let Some(units) = units.filter(|units| !units.is_empty()) {
            units.clone_into(&mut signal.units);
        }
    }
    if let Some(field) = next() {
        let bits: u32 = place.parse("ADC resolution", field, "a number of bits")?;
        signal.adc_resolution_bits = (bits > 0).then_some(bits);
    }
    if let Some(field) = next() {
        signal.adc_zero = place.parse("ADC zero", field, "a whole number")?;
    }
    if let Some(field) = next() {
        signal.initial_value = Some(place.parse("initial value", field, "a whole number")?);
    }
    if let Some(field) = next() {
        let sum: i64 = place.parse("checksum", field, "a 16-bit number")?;
        // Written signed or unsigned by different programs: the same sixteen bits.
        signal.checksum = Some(
            i16::try_from(sum)
                .or_else(|_| u16::try_from(sum).map(u16::cast_signed))
                .map_err(|_| place.error("checksum", field, "a 16-bit number"))?,
        );
    }
    if let Some(field) = next() {
        signal.block_size = place.parse("block size", field, "a whole number")?;
    }
    rest.trim().clone_into(&mut signal.description);
    signal.baseline = baseline.unwrap_or(signal.adc_zero);
    Ok(signal)
}

/// `format[xsamples per frame][:skew][+byte offset]`
fn parse_format(place: &Place<'_>, field: &str) -> Result<(SignalFormat, u64), WfdbError> {
    let (front, offset) = match field.split_once('+') {
        Some((front, offset)) => (front, place.parse("byte offset", offset, "a whole number")?),
        None => (field, 0),
    };
    let (front, skew) = front.split_once(':').unwrap_or((front, "0"));
    if skew.parse() != Ok(0) {
        return Err(place.error("skew", skew, "0 (skewed signals are not read)"));
    }
    let (number, per_frame) = front.split_once('x').unwrap_or((front, "1"));
    if per_frame.parse() != Ok(1) {
        return Err(place.error(
            "samples per frame",
            per_frame,
            "1 (signals of several rates are not read)",
        ));
    }
    let format = number.parse().ok().and_then(SignalFormat::from_number);
    let format = format.ok_or_else(|| {
        let known: Vec<_> = SignalFormat::ALL
            .iter()
            .map(|f| f.number().to_string())
            .collect();
        place.error("format", number, &format!("one of {}", known.join(", ")))
    })?;
    Ok((format, offset))
}
