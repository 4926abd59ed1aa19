//! Reading a header's text (`header(5)`).

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::WfdbError;
use super::format::SignalFormat;
use super::header::{Header, NO_FILE, Segment, SignalSpec};

/// Sampling frequency where the header names none.
const DEFAULT_RATE_HZ: f64 = 250.0;
/// Codes per physical unit where the header names none, or 0.
const DEFAULT_GAIN: f64 = 200.0;

/// Most samples of one signal in a frame; the WFDB library's own limit is lower.
const MOST_SAMPLES_PER_FRAME: u32 = 1 << 14;
/// Largest skew, frames.
const LARGEST_SKEW: u32 = 1 << 20;
/// Characters of a field that an error repeats.
const LONGEST_FOUND: usize = 60;
/// Highest sampling frequency; the fastest recordings of the body's signals have a tenth of it.
const HIGHEST_RATE_HZ: f64 = 1e6;
/// Most signals of a record.
const MOST_SIGNALS: usize = 1_024;
/// Most segments of a record.
const MOST_SEGMENTS: usize = 1 << 15;
/// Most samples of all signals in a frame: as much memory is taken several times.
const MOST_SAMPLES_OF_A_FRAME: u64 = 1 << 18;
/// Most samples that are held back because signals are skewed against each other.
const MOST_SKEWED_SAMPLES: u64 = 1 << 24;
/// Most frames of all stretches in which nothing was measured: 99 days at 125 Hz. Nothing but the
/// header's word limits them, and each is walked through.
pub(super) const MOST_UNMEASURED_FRAMES: u64 = 1 << 30;

/// No header is longer, bytes: all the signals and segments that are read fit into this.
const MOST_HEADER_BYTES: u64 = 1 << 20;

impl Header {
    /// Reads `path`, with or without the `.hea` ending.
    ///
    /// # Errors
    /// [`WfdbError::Io`], also for what is no regular file and for one over 1 MiB;
    /// [`WfdbError::Header`].
    pub fn read(path: &Path) -> Result<Self, WfdbError> {
        Self::read_sized(path).map(|(header, _)| header)
    }

    /// As [`Self::read`], with the file's length.
    pub(super) fn read_sized(path: &Path) -> Result<(Self, usize), WfdbError> {
        let path = header_path(path);
        let bytes =
            ecg_files::read_regular(&path, MOST_HEADER_BYTES).map_err(WfdbError::io(&path))?;
        Ok((Self::parse_bytes(&bytes, &path)?, bytes.len()))
    }

    /// Reads a header file's bytes; `path` is named in errors. Lines that are no UTF-8 are taken for
    /// Latin-1, in which converters write the micro sign and names.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_bytes(bytes: &[u8], path: &Path) -> Result<Self, WfdbError> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let mut text = String::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            match std::str::from_utf8(line) {
                Ok(line) => text.push_str(line),
                // The first 256 characters of Unicode are those of Latin-1.
                Err(_) => text.extend(line.iter().copied().map(char::from)),
            }
        }
        Self::parse(&text, path)
    }

    /// Reads a header's text; `path` is named in errors. Fields nobody needs (dates, the counter, the
    /// converter's resolution, checksums ...) are left out where they are not as `header(5)` has
    /// them.
    ///
    /// # Errors
    /// [`WfdbError::Header`] naming line, field, found and expected: malformed fields, what this
    /// crate does not read (compressed formats), and numbers no record of an ECG has.
    pub fn parse(text: &str, path: &Path) -> Result<Self, WfdbError> {
        parse(text, path)
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

/// See [`Header::parse`].
fn parse(text: &str, path: &Path) -> Result<Header, WfdbError> {
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
    let mut next_line = |field, found: &dyn Display, expected: &dyn Display| match lines.next() {
        Some((line, text)) => Ok((Place { path, line }, text)),
        None => Err(WfdbError::header((path, last_line), field, found, expected)),
    };
    let (place, record_line) = next_line("record line", &"", &"a record line")?;
    let (mut header, segment_count, signal_count) = parse_record_line(&place, record_line)?;
    let mut unmeasured_frames = 0_u64;
    for number in 0..segment_count {
        let found = format_args!("end of file after {number} segments");
        let expected = format_args!("{segment_count} segment lines");
        let (place, text) = next_line("segment line", &found, &expected)?;
        let segment = parse_segment_line(&place, text)?;
        if segment.name.is_none() {
            unmeasured_frames = unmeasured_frames.saturating_add(segment.frames);
            place.require(
                unmeasured_frames <= MOST_UNMEASURED_FRAMES,
                "number of samples",
                segment.frames,
                format_args!("at most {MOST_UNMEASURED_FRAMES} in all segments without signals"),
            )?;
        }
        header.segments.push(segment);
    }
    if segment_count > 0 {
        header.comments = comments;
        return Ok(header);
    }
    for number in 0..signal_count {
        let found = format_args!("end of file after {number} signals");
        let expected = format_args!("{signal_count} signal lines");
        let (place, text) = next_line("signal line", &found, &expected)?;
        header.signals.push(parse_signal_line(&place, text)?);
    }
    check_frame(&place, &header.signals)?;
    header.comments = comments;
    Ok(header)
}

/// Refuses signals whose frames together would take more memory than any record needs.
fn check_frame(place: &Place<'_>, signals: &[SignalSpec]) -> Result<(), WfdbError> {
    let per_frame = |signal: &SignalSpec| u64::from(signal.samples_per_frame);
    let samples: u64 = signals.iter().map(per_frame).sum();
    place.require(
        samples <= MOST_SAMPLES_OF_A_FRAME,
        "samples per frame",
        samples,
        format_args!("at most {MOST_SAMPLES_OF_A_FRAME} of all signals in a frame"),
    )?;
    let skew = signals.iter().map(|signal| u64::from(signal.skew)).max();
    let skewed = samples * skew.unwrap_or(0);
    place.require(
        skewed <= MOST_SKEWED_SAMPLES,
        "skew",
        skewed,
        format_args!("at most {MOST_SKEWED_SAMPLES} samples of all signals held back"),
    )
}

/// Where a field stands, for errors.
struct Place<'a> {
    path: &'a Path,
    line: usize,
}

impl Place<'_> {
    fn error(&self, field: &'static str, found: impl Display, expected: impl Display) -> WfdbError {
        let found: String = found.to_string().chars().take(LONGEST_FOUND).collect();
        WfdbError::header((self.path, self.line), field, found, expected)
    }

    /// Refuses what stands there unless `holds`.
    fn require(
        &self,
        holds: bool,
        field: &'static str,
        found: impl Display,
        expected: impl Display,
    ) -> Result<(), WfdbError> {
        if holds {
            Ok(())
        } else {
            Err(self.error(field, found, expected))
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
        finite(found).ok_or_else(|| self.error(field, found, expected))
    }
}

/// What stands before a parenthesis, and what stands in it; the end of it may be missing.
fn split_parenthesis(text: &str) -> (&str, Option<&str>) {
    let (head, rest) = split_off(text, '(');
    (head, rest.map(|rest| split_off(rest, ')').0))
}

/// What stands before a mark and behind it.
fn split_off(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark)
        .map_or((text, None), |(head, rest)| (head, Some(rest)))
}

/// The header so far, the number of segments (0 for an ordinary record) and of signals.
fn parse_record_line(place: &Place<'_>, text: &str) -> Result<(Header, usize, usize), WfdbError> {
    let mut fields = text.split_ascii_whitespace();
    let name = fields.next().unwrap_or_default();
    let (name, segments) = split_off(name, '/');
    let mut segment_count = 0;
    if let Some(found) = segments {
        let (field, expected) = ("number of segments", "a whole number above 0");
        segment_count = place.parse(field, found, expected)?;
        place.require(segment_count > 0, field, found, expected)?;
        let expected = format_args!("at most {MOST_SEGMENTS}");
        place.require(segment_count <= MOST_SEGMENTS, field, found, expected)?;
    }
    let (field, found) = ("number of signals", fields.next().unwrap_or_default());
    let signal_count = place.parse(field, found, "a whole number")?;
    let expected = format_args!("at most {MOST_SIGNALS}");
    place.require(signal_count <= MOST_SIGNALS, field, found, expected)?;
    let mut header = Header::new(name, DEFAULT_RATE_HZ);
    if let Some(field) = fields.next() {
        let (rate, counter) = split_off(field, '/');
        // Seen in the wild without a counter frequency: `360(0)`.
        let (rate, early_base) = split_parenthesis(rate);
        let (field, expected) = (
            "sampling frequency",
            format!("a number above 0, at most {HIGHEST_RATE_HZ}"),
        );
        header.rate_hz = place.finite(field, rate, &expected)?;
        let possible = header.rate_hz > 0.0 && header.rate_hz <= HIGHEST_RATE_HZ;
        place.require(possible, field, rate, expected)?;
        let mut base = early_base;
        if let Some(counter) = counter {
            let (counter_hz, inner) = split_parenthesis(counter);
            header.counter_hz = finite(counter_hz);
            base = inner.or(base);
        }
        header.base_counter = base.and_then(finite);
    }
    let mut rest: Vec<&str> = fields.collect();
    if let Some(&field) = rest.first() {
        // A date where the length was left out; `2014-05-08`, too.
        let has_dash = field.get(1..).is_some_and(|tail| tail.contains('-'));
        if !has_dash && !field.contains([':', '/', '[']) {
            let frames: u64 = place.parse("number of samples", field, "a whole number")?;
            header.frames = (frames > 0).then_some(frames);
            rest.remove(0);
        }
    }
    (header.base_time, header.base_date) = base_time(&rest);
    Ok((header, segment_count, signal_count))
}

/// Time of day and date of sample 0, where they are written as `header(5)` has them, perhaps in
/// brackets. Nobody needs them, and people write them in many ways.
fn base_time(words: &[&str]) -> (Option<String>, Option<String>) {
    let words: Vec<&str> = words
        .iter()
        .map(|word| word.trim_matches(['[', ']']))
        .collect();
    let made_of = |word: &str, also: &[char]| {
        let is_part = |c: char| c.is_ascii_digit() || also.contains(&c);
        (!word.is_empty() && word.chars().all(is_part)).then(|| word.to_owned())
    };
    let (time, date) = match words.as_slice() {
        [time] => (made_of(time, &[':', '.']), None),
        [time, date] => (made_of(time, &[':', '.']), made_of(date, &['/'])),
        _ => (None, None),
    };
    match (time, date) {
        (None, _) => (None, None),
        // `14:03 PM`: half of it might say something else than the whole.
        (Some(_), None) if words.len() > 1 => (None, None),
        both => both,
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn parse_segment_line(place: &Place<'_>, text: &str) -> Result<Segment, WfdbError> {
    let mut fields = text.split_ascii_whitespace();
    let name = fields.next().unwrap_or_default();
    let stays = name == NO_FILE || !leaves_the_folder(name);
    place.require(
        stays,
        "segment name",
        name,
        "a record in the header's folder",
    )?;
    let field = fields.next().unwrap_or_default();
    Ok(Segment {
        name: (name != NO_FILE).then(|| name.to_owned()),
        frames: place.parse("number of samples", field, "a whole number")?,
    })
}

fn leaves_the_folder(name: &str) -> bool {
    name.contains(['/', '\\']) || matches!(name, "-" | "." | "..")
}

/// The fields of a signal line that are left; the description behind them holds blanks.
struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    /// The next field, if there is one that is `wanted`.
    fn next_if(&mut self, wanted: impl Fn(&str) -> bool) -> Option<&'a str> {
        let trimmed = self.0.trim_start();
        let end = trimmed.find(|c: char| c.is_ascii_whitespace());
        let (field, rest) = trimmed.split_at(end.unwrap_or(trimmed.len()));
        wanted(field).then(|| {
            self.0 = rest;
            field
        })
    }

    fn next(&mut self) -> Option<&'a str> {
        self.next_if(|field| !field.is_empty())
    }

    fn next_number(&mut self) -> Option<&'a str> {
        self.next_if(|field| finite(field).is_some())
    }
}

fn parse_signal_line(place: &Place<'_>, text: &str) -> Result<SignalSpec, WfdbError> {
    let mut fields = Fields(text);
    let file_name = fields.next().unwrap_or_default();
    let stays = !leaves_the_folder(file_name);
    place.require(
        stays,
        "file name",
        file_name,
        "a file in the header's folder",
    )?;
    let mut signal = SignalSpec::new(file_name, SignalFormat::F16, DEFAULT_GAIN, "");
    parse_format(place, fields.next().unwrap_or_default(), &mut signal)?;
    let mut baseline = None;
    if let Some(field) = fields.next() {
        let (numbers, units) = split_off(field, '/');
        let (gain, inner) = split_parenthesis(numbers);
        let gain = place.finite("ADC gain", gain, "a number")?;
        if gain != 0.0 {
            signal.gain = gain;
        }
        if let Some(inner) = inner {
            baseline = Some(whole(place, "baseline", inner)?);
        }
        if let Some(units) = units.filter(|units| !units.is_empty()) {
            units.clone_into(&mut signal.units);
        }
    }
    // From here on, what is no number begins the description: fields may be left out.
    let resolution = fields.next_number().and_then(optional_whole::<u32>);
    signal.adc_resolution_bits = resolution.filter(|&bits| bits > 0);
    if let Some(field) = fields.next_number() {
        // Where the baseline is given, nothing depends on it.
        signal.adc_zero = match whole(place, "ADC zero", field) {
            Err(error) if baseline.is_none() => return Err(error),
            result => result.unwrap_or(0),
        };
    }
    if let Some(field) = fields.next_number() {
        signal.initial_value = match whole(place, "initial value", field) {
            // All that follows are differences from it.
            Err(error) if signal.format == SignalFormat::F8 => return Err(error),
            result => result.ok(),
        };
    }
    // Written signed or unsigned by different programs: the same sixteen bits.
    let sum = fields.next_number().and_then(optional_whole::<i64>);
    signal.checksum = sum.and_then(|sum| {
        let signed = i16::try_from(sum);
        signed
            .or_else(|_| u16::try_from(sum).map(u16::cast_signed))
            .ok()
    });
    signal.block_size = fields.next_number().and_then(optional_whole).unwrap_or(0);
    fields.0.trim().clone_into(&mut signal.description);
    signal.baseline = baseline.unwrap_or(signal.adc_zero);
    Ok(signal)
}

/// A whole number; some programs write it as `-0.0` or `512.0`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be a whole number in range"
)]
fn whole(place: &Place<'_>, field: &'static str, found: &str) -> Result<i32, WfdbError> {
    if let Ok(number) = found.parse() {
        return Ok(number);
    }
    let number = place.finite(field, found, "a whole number")?;
    let range = f64::from(i32::MIN)..=f64::from(i32::MAX);
    let is_whole = number.fract().abs() <= 0.0 && range.contains(&number);
    place.require(is_whole, field, found, "a whole number")?;
    Ok(number as i32)
}

/// A whole number nobody needs: `None` where it is none.
fn optional_whole<T: FromStr + TryFrom<i64>>(field: &str) -> Option<T> {
    let as_real = || {
        let number = finite(field).filter(|number| number.fract().abs() <= 0.0)?;
        // Beyond 2^53 a number with a point is not exact, and no such number is meant.
        let in_range = number.abs() <= 9e15;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be a whole number in range"
        )]
        in_range.then_some(number as i64)
    };
    field.parse().ok().or_else(|| T::try_from(as_real()?).ok())
}

/// `format[xsamples per frame][:skew][+byte offset]`; a signal that lies in no file may have format 0.
fn parse_format(place: &Place<'_>, field: &str, signal: &mut SignalSpec) -> Result<(), WfdbError> {
    let (front, offset) = field.split_once('+').unwrap_or((field, "0"));
    signal.byte_offset = place.parse("byte offset", offset, "a whole number")?;
    let (front, skew) = front.split_once(':').unwrap_or((front, "0"));
    signal.skew = place.parse("skew", skew, "a whole number of frames")?;
    let expected = format_args!("0 to {LARGEST_SKEW} frames");
    place.require(signal.skew <= LARGEST_SKEW, "skew", skew, expected)?;
    let (number, per_frame) = front.split_once('x').unwrap_or((front, "1"));
    let (field, expected) = (
        "samples per frame",
        format_args!("1 to {MOST_SAMPLES_PER_FRAME}"),
    );
    signal.samples_per_frame = place.parse(field, per_frame, "a whole number")?;
    let possible = (1..=MOST_SAMPLES_PER_FRAME).contains(&signal.samples_per_frame);
    place.require(possible, field, per_frame, expected)?;
    if signal.file_name == NO_FILE && number == "0" {
        return Ok(());
    }
    let format = number.parse().ok().and_then(SignalFormat::from_number);
    signal.format = format.ok_or_else(|| {
        let known = SignalFormat::ALL.map(|format| format.number().to_string());
        place.error(
            "format",
            number,
            format_args!("one of {}", known.join(", ")),
        )
    })?;
    Ok(())
}
