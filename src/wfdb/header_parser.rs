//! Reading a header's text (`header(5)`).

use std::path::Path;
use std::str::FromStr;

use super::error::WfdbError;
use super::format::SignalFormat;
use super::header::{Header, SignalSpec};

/// Sampling frequency where the header names none.
const DEFAULT_RATE_HZ: f64 = 250.0;
/// Codes per physical unit where the header names none, or 0.
const DEFAULT_GAIN: f64 = 200.0;

/// See [`Header::parse`].
pub(super) fn parse(text: &str, path: &Path) -> Result<Header, WfdbError> {
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
