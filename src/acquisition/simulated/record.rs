//! A WFDB record as the voltage at the electrodes.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ads1292::simulator::{SampleSource, SampleTime};
use wfdb_io::{
    Annotation, FrameReader, MISSING_SAMPLE, Record, UvConversion, WfdbError, read_annotations,
};

use super::super::error::AcquisitionError;
use super::super::whole::whole;
use super::interpolator::Kernel;

/// Which part of which record.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordExcerpt {
    /// The record, with or without `.hea`.
    pub record: PathBuf,
    /// Signals for channel 1 and 2, counted from 0; `None` takes the first two that are an ECG (see
    /// [`wfdb_io::Header::ecg_signals`]), and 0 µV where there is only one.
    pub signals: Option<[usize; 2]>,
    /// Start in the record, seconds.
    pub from_s: f64,
    /// End in the record, seconds; `None` is the end of the record.
    pub to_s: Option<f64>,
}

/// Rates a record may have, Hz: the interpolation of a faster one would take time without end, and of
/// a slower one a sample lasts as long as a beat.
const RATES_HZ: std::ops::RangeInclusive<f64> = 1.0..=100_000.0;

/// A record's annotations, as far as they can be read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CarriedAnnotations {
    /// Those that lie in the excerpt; `None` where there are none to carry over.
    pub annotations: Option<Vec<Annotation>>,
    /// What is wrong with the file.
    pub note: Option<String>,
}

/// The excerpt, resampled to whatever instants the chip converts at: instant 0 is the chip's first
/// conversion and the excerpt's start. Samples that were not measured keep the last measured value.
#[derive(Debug)]
pub struct RecordSignal {
    record: Record,
    reader: FrameReader,
    /// Channel to signal and its conversion.
    channels: [Option<(usize, UvConversion)>; 2],
    kernel: Kernel,
    excerpt: RecordExcerpt,
    frame: Vec<i32>,
    /// Microvolts of the samples from `first` on.
    window: VecDeque<[f64; 2]>,
    first: u64,
    last_measured_uv: [f64; 2],
    start_ns: Option<u64>,
    failure: ReadFailure,
}

/// Why the record could not be read to its end, known after the run.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadFailure(Arc<Mutex<Option<WfdbError>>>);

impl ReadFailure {
    /// What is known, which is then forgotten for `other`.
    pub(super) fn replace(&self, other: Option<WfdbError>) -> Option<WfdbError> {
        let mut failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *failure, other)
    }
}

impl RecordSignal {
    /// Opens the excerpt for a chip that converts at `chip_rate_hz`.
    ///
    /// # Errors
    /// [`AcquisitionError::Wfdb`]; [`AcquisitionError::Signal`] for a signal the record does not
    /// have, a unit that is no voltage, or an impossible excerpt.
    pub fn open(excerpt: RecordExcerpt, chip_rate_hz: f64) -> Result<Self, AcquisitionError> {
        let record = Record::open(&excerpt.record)?;
        let refuse = |problem| AcquisitionError::Signal {
            path: excerpt.record.clone(),
            problem,
        };
        let (from_s, to_s) = (excerpt.from_s, excerpt.to_s.unwrap_or(f64::INFINITY));
        if !(from_s >= 0.0 && from_s < to_s) {
            return Err(refuse(format!(
                "excerpt from {from_s} s to {to_s} s, expected 0 <= from < to"
            )));
        }
        if !RATES_HZ.contains(&record.rate_hz()) {
            return Err(refuse(format!(
                "sampling frequency is {} Hz, expected {} to {} Hz",
                record.rate_hz(),
                RATES_HZ.start(),
                RATES_HZ.end()
            )));
        }
        let header = record.header();
        let available = header.signals.len();
        if let Some(frames) = header.frames {
            let length_s = frames as f64 / header.rate_hz;
            if from_s >= length_s {
                return Err(refuse(format!(
                    "excerpt from {from_s} s, expected less than the record's {length_s} s"
                )));
            }
        }
        let wanted = match excerpt.signals {
            Some(signals) => signals.map(Some),
            None => {
                let ecg = header.ecg_signals().map_err(refuse)?.signals;
                [0, 1].map(|channel| ecg.get(channel).copied())
            }
        };
        let mut channels = [None; 2];
        for (channel, signal) in channels.iter_mut().zip(wanted) {
            let Some(signal) = signal else { continue };
            let spec = header.signals.get(signal).ok_or_else(|| {
                refuse(format!(
                    "no signal {}, the record has {available} (counted from 1)",
                    signal + 1
                ))
            })?;
            let conversion = spec.uv_conversion().ok_or_else(|| {
                refuse(format!(
                    "signal {} is in `{}`, expected V, mV, uV or nV",
                    signal + 1,
                    spec.units
                ))
            })?;
            *channel = Some((signal, conversion));
        }
        let kernel = Kernel::new(record.rate_hz(), chip_rate_hz);
        let mut signal = Self {
            reader: record.frames()?,
            channels,
            kernel,
            frame: vec![0; available],
            window: VecDeque::new(),
            first: 0,
            last_measured_uv: [0.0; 2],
            start_ns: None,
            failure: ReadFailure::default(),
            record,
            excerpt,
        };
        // Up to the first sample the kernel reaches, nothing is kept.
        let start = whole(signal.excerpt.from_s * signal.rate_hz());
        let reach = signal.kernel.half_width() as u64;
        while signal.first + reach < start && signal.read()? {
            signal.window.clear();
            signal.first += 1;
        }
        Ok(signal)
    }

    /// Names of the leads on both channels.
    #[must_use]
    pub fn leads(&self) -> [String; 2] {
        let signals = &self.record.header().signals;
        self.channels.map(|channel| {
            let spec = channel.and_then(|(signal, _)| signals.get(signal));
            spec.map_or_else(String::new, |spec| spec.description.clone())
        })
    }

    /// The record.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Whether nothing but the unit says that the signals are an ECG.
    #[must_use]
    pub fn is_guess(&self) -> bool {
        let ecg = self.record.header().ecg_signals();
        self.excerpt.signals.is_none() && ecg.is_ok_and(|ecg| ecg.guessed)
    }

    /// The record's annotations that lie in the excerpt, their samples counted at `chip_rate_hz`
    /// from the excerpt's start; none where the record has none with this ending, or none that can be
    /// read.
    #[must_use]
    pub fn annotations(&self, ending: &str, chip_rate_hz: f64) -> CarriedAnnotations {
        let path = self.record.file_with_ending(ending);
        if !path.exists() {
            return CarriedAnnotations::default();
        }
        let file = match read_annotations(&path) {
            Ok(file) => file,
            Err(error) => {
                return CarriedAnnotations {
                    annotations: None,
                    note: Some(error.to_string()),
                };
            }
        };
        let note = file.note();
        let rate_hz = file.resolution_hz.unwrap_or(self.record.header().rate_hz);
        let to_s = self.excerpt.to_s.unwrap_or(f64::INFINITY);
        let annotations = file.annotations.into_iter().filter_map(|annotation| {
            let time_s = annotation.sample as f64 / rate_hz;
            (self.excerpt.from_s <= time_s && time_s < to_s).then(|| Annotation {
                sample: whole(((time_s - self.excerpt.from_s) * chip_rate_hz).round()),
                ..annotation
            })
        });
        CarriedAnnotations {
            annotations: Some(annotations.collect()),
            note: note.map(|note| format!("{}: {note}", path.display())),
        }
    }

    pub(super) fn failure(&self) -> ReadFailure {
        self.failure.clone()
    }

    fn rate_hz(&self) -> f64 {
        self.record.rate_hz()
    }

    /// Appends the record's next sample to the window; `false` at its end.
    fn read(&mut self) -> Result<bool, WfdbError> {
        if !self.reader.next_frame(&mut self.frame)? {
            return Ok(false);
        }
        for (value, channel) in self.last_measured_uv.iter_mut().zip(self.channels) {
            if let Some((signal, conversion)) = channel {
                let code = self.frame.get(signal).copied().unwrap_or(MISSING_SAMPLE);
                *value = conversion.to_uv(code).unwrap_or(*value);
            }
        }
        self.window.push_back(self.last_measured_uv);
        Ok(true)
    }

    /// The voltage at a position counted in the record's samples; `None` behind the last.
    fn at(&mut self, position: f64) -> Result<Option<[f64; 2]>, WfdbError> {
        let centre = whole(position);
        let reach = self.kernel.half_width() as u64;
        while self.first + (self.window.len() as u64) <= centre + reach {
            if !self.read()? {
                break;
            }
        }
        while self.first + reach < centre && !self.window.is_empty() {
            self.window.pop_front();
            self.first += 1;
        }
        if self.first + (self.window.len() as u64) <= centre {
            return Ok(None);
        }
        // At the record's ends the kernel is cut and what is left of it scaled up to unit gain.
        let (mut sum, mut weights) = ([0.0; 2], 0.0);
        for (offset, uv) in self.window.iter().enumerate() {
            let weight = self
                .kernel
                .weight((self.first + offset as u64) as f64 - position);
            weights += weight;
            for (sum, uv) in sum.iter_mut().zip(uv) {
                *sum += weight * uv;
            }
        }
        Ok(Some(sum.map(|sum| sum / weights)))
    }
}

impl SampleSource for RecordSignal {
    fn sample_uv(&mut self, at: SampleTime) -> Option<[f64; 2]> {
        let start_ns = *self.start_ns.get_or_insert(at.time_ns);
        let time_s = self.excerpt.from_s + at.time_ns.saturating_sub(start_ns) as f64 / 1e9;
        if self.excerpt.to_s.is_some_and(|to_s| time_s >= to_s) {
            return None;
        }
        match self.at(time_s * self.rate_hz()) {
            Ok(uv) => uv,
            Err(error) => {
                self.failure.replace(Some(error));
                None
            }
        }
    }
}

/// The text for a trace's description: which part of which record, and the record's own comments.
pub(super) fn describe(signal: &RecordSignal, chip_rate_hz: f64) -> String {
    let header = signal.record().header();
    let from_s = signal.excerpt.from_s;
    let to = signal
        .excerpt
        .to_s
        .map_or_else(|| "the end".to_owned(), |to_s| format!("{to_s} s"));
    let mut text = format!(
        "Simulated ADS1292 fed from WFDB record {}, {from_s} s to {to}, resampled from {} Hz to \
         {chip_rate_hz} Hz.",
        header.name, header.rate_hz
    );
    for comment in &header.comments {
        text.push('\n');
        text.push_str(comment.trim());
    }
    text
}

/// Path of a file that goes with `path`, under another ending. Only the known endings of traces
/// are taken off.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let stem = [".ecgtrace.gz", ".ecgtrace"]
        .into_iter()
        .find_map(|known| name.strip_suffix(known))
        .unwrap_or(&name);
    path.with_file_name(format!("{stem}.{ending}"))
}
