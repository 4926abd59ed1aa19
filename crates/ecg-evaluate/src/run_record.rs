//! A WFDB record through the pipeline: the same path as the chip's samples, without a chip.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrhythmianet::Rejection;
use arrhythmianet::choose::SessionEngine;
use ecg_chain::LeadOff;
use ecg_chain::MonotonicNs;
use ecg_chain::{
    BeatDetail, CHANNEL_COUNT, Details, LabelledBeat, Pipeline, PipelineConfig, PipelineEvent,
};
use ecg_chain::{Gap, GapCause, RawSample};
use ecg_signal::{BeatSource, ChainConfig, DetectorWeights, Mains, SampleRate};
use wfdb_io::{Header, MISSING_SAMPLE, Record, UvConversion};

use super::degrade::Degradation;
use super::error::RecordError;
use super::whole::whole;

/// Frames between two looks at [`RecordSettings::stop`].
const FRAMES_PER_LOOK: u64 = 4_096;

/// Which of a record's signals are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignalChoice {
    /// Lead II where the record names one, else the first ECG signal that is not aVR, aVL or III; the
    /// next best stands in while the first is bad. What an ECG signal is tells
    /// [`Header::ecg_signals`].
    #[default]
    Auto,
    /// This signal alone, counted from 0.
    Fixed(usize),
}

/// How a record is run; [`RecordSettings::new`] has what is usual.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RecordSettings {
    /// Signals to read.
    pub signals: SignalChoice,
    /// Mains frequency to take out.
    pub mains: Mains,
    /// Where the R peaks come from.
    pub beats: BeatSource,
    /// What is done to the samples before the chain sees them.
    pub degradation: Degradation,
    /// When a beat is unclassifiable.
    pub rejection: Rejection,
    /// Weights of the QRS detector.
    pub detector: DetectorWeights,
    /// What is told of the beats beyond their labels.
    pub details: Details,
    /// Raised, it ends the run with [`RecordError::Stopped`].
    pub stop: Option<Arc<AtomicBool>>,
}

impl RecordSettings {
    /// The best signals as they are, 50 Hz mains, beats that the chain finds, nothing beyond their labels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With another [`RecordSettings::signals`].
    #[must_use]
    pub const fn signals(mut self, choice: SignalChoice) -> Self {
        self.signals = choice;
        self
    }

    /// With another [`RecordSettings::mains`].
    #[must_use]
    pub const fn mains(mut self, mains: Mains) -> Self {
        self.mains = mains;
        self
    }

    /// With R peaks from elsewhere.
    #[must_use]
    pub fn beats(mut self, source: BeatSource) -> Self {
        self.beats = source;
        self
    }

    /// With another [`RecordSettings::rejection`].
    #[must_use]
    pub const fn rejection(mut self, rejection: Rejection) -> Self {
        self.rejection = rejection;
        self
    }

    /// With other weights of the QRS detector.
    #[must_use]
    pub fn detector(mut self, weights: DetectorWeights) -> Self {
        self.detector = weights;
        self
    }

    /// With another [`RecordSettings::details`].
    #[must_use]
    pub const fn details(mut self, details: Details) -> Self {
        self.details = details;
        self
    }

    /// Ends early once `stop` is raised: see [`RecordSettings::stop`].
    #[must_use]
    pub fn stop(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Whether the run is to end early.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        let raised = |stop: &Arc<AtomicBool>| stop.load(Ordering::Relaxed);
        self.stop.as_ref().is_some_and(raised)
    }
}

/// What a record's run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordRun {
    /// Samples per second.
    pub rate_hz: f64,
    /// Length in samples.
    pub samples: u64,
    /// Samples not measured in any signal that was read: those the record marks so, and dropped ones.
    pub missing_samples: u64,
    /// Those of them that were dropped on request.
    pub dropped_samples: u64,
    /// Signals that were read, counted from 0; [`LabelledBeat::channel`] is an index into this.
    pub signals: Vec<usize>,
    /// The beats, in order of time.
    pub beats: Vec<LabelledBeat>,
    /// What is told of them, in the same order; of beats nothing is told of nothing is here.
    pub details: Vec<BeatDetail>,
}

/// Runs all samples of `record`.
///
/// # Errors
/// [`RecordError`].
pub fn run_record(
    record: &Record,
    mut settings: RecordSettings,
    classifier: impl Into<SessionEngine>,
) -> Result<RecordRun, RecordError> {
    let path = || record.path().to_owned();
    let header = record.header();
    let signals = chosen_signals(record, settings.signals)?;
    let conversions: Vec<UvConversion> = signals
        .iter()
        .filter_map(|&signal| header.signals[signal].uv_conversion())
        .collect();
    let signal_error = |source| RecordError::Signal {
        path: path(),
        source,
    };
    let label_error = |source| RecordError::Label {
        path: path(),
        source,
    };
    let rate = SampleRate::from_hz(record.rate_hz()).map_err(signal_error)?;
    let mut uv_per_code = [1.0; CHANNEL_COUNT];
    for (scale, conversion) in uv_per_code.iter_mut().zip(&conversions) {
        *scale = conversion.uv_per_code;
    }
    // Full scale stays unknown: headers of real databases carry defaults where the converter's
    // resolution should be.
    let chain = ChainConfig::new(rate)
        .mains(settings.mains)
        .beats(settings.beats.clone())
        .channel_count(signals.len())
        .detector_weights(settings.detector.clone());
    let config = PipelineConfig::new(chain, uv_per_code).rejection(settings.rejection);
    let mut pipeline = Pipeline::new(&config, classifier).map_err(signal_error)?;
    pipeline
        .set_details(settings.details)
        .map_err(|error| label_error(error.into()))?;
    let mut run = RecordRun {
        rate_hz: record.rate_hz(),
        samples: 0,
        missing_samples: 0,
        dropped_samples: 0,
        signals,
        beats: Vec::new(),
        details: Vec::new(),
    };
    let (beats, told) = (&mut run.beats, &mut run.details);
    let mut sink = |event| match event {
        PipelineEvent::Beat(beat) => beats.push(beat),
        PipelineEvent::Detail(detail) => told.push(*detail),
        _ => {}
    };
    let mut frames = record.frames()?;
    let mut frame = vec![0; header.signals.len()];
    let period_ns = 1e9 / record.rate_hz();
    let at = |index: u64| MonotonicNs(whole(index as f64 * period_ns));
    let mut gap_start = None;
    while frames.next_frame(&mut frame)? {
        let index = run.samples;
        if index.is_multiple_of(FRAMES_PER_LOOK) && settings.is_stopped() {
            return Err(RecordError::Stopped {
                path: path(),
                samples: index,
            });
        }
        run.samples += 1;
        let mut codes = [0; CHANNEL_COUNT];
        let mut measured = [false; CHANNEL_COUNT];
        for (channel, (&signal, conversion)) in run.signals.iter().zip(&conversions).enumerate() {
            measured[channel] = frame[signal] != MISSING_SAMPLE;
            codes[channel] = frame[signal].saturating_sub(conversion.baseline);
        }
        settings.degradation.apply(index, &mut codes, &mut measured);
        if measured == [false; CHANNEL_COUNT] {
            gap_start.get_or_insert(index);
            run.missing_samples += 1;
            continue;
        }
        if let Some(first) = gap_start.take() {
            let gap = Gap {
                first_missing_sample: first,
                missing_samples: index - first,
                time: at(first),
                cause: GapCause::Source,
            };
            pipeline.gap(&gap, &mut sink).map_err(label_error)?;
        }
        let sample = RawSample {
            index,
            time: at(index),
            codes,
            // A signal not measured is to the chain what a loose electrode is.
            lead_off: LeadOff::from_channels(measured.map(|measured| !measured)),
        };
        pipeline.push(&sample, &mut sink).map_err(label_error)?;
    }
    pipeline.finish(&mut sink).map_err(label_error)?;
    run.dropped_samples = settings.degradation.dropped();
    Ok(run)
}

/// The signals of `record` that are read, counted from 0: the main one and perhaps its stand-in.
///
/// # Errors
/// [`RecordError::Missing`].
pub fn chosen_signals(record: &Record, choice: SignalChoice) -> Result<Vec<usize>, RecordError> {
    choose(record.header(), choice).map_err(|problem| RecordError::Missing {
        path: record.path().to_owned(),
        problem,
    })
}

/// What the record's signals are called.
#[must_use]
pub fn lead_names(header: &Header) -> Vec<&str> {
    let signals = header.signals.iter();
    signals.map(|signal| signal.description.as_str()).collect()
}

fn choose(header: &Header, choice: SignalChoice) -> Result<Vec<usize>, String> {
    match choice {
        SignalChoice::Fixed(signal) => match header.signals.get(signal) {
            None => Err(format!(
                "no signal {}, the record has {} (counted from 1)",
                signal + 1,
                header.signals.len()
            )),
            Some(spec) if spec.uv_conversion().is_none() => Err(format!(
                "signal {} ({}) is in `{}`, expected V, mV, uV or nV",
                signal + 1,
                spec.description,
                spec.units
            )),
            Some(_) => Ok(vec![signal]),
        },
        SignalChoice::Auto => {
            let mut ecg = header.ecg_signals()?.signals;
            ecg.sort_by_key(|&signal| lead_rank(&header.signals[signal].description));
            ecg.truncate(CHANNEL_COUNT);
            Ok(ecg)
        }
    }
}

/// Lead II first; last those in which the QRS complex is often small or upside down.
fn lead_rank(description: &str) -> u8 {
    let name = description.trim().to_ascii_uppercase();
    let name = ["ECG", "LEAD"]
        .iter()
        .find_map(|word| name.strip_prefix(word))
        .unwrap_or(&name)
        .trim_start_matches([' ', '_', '-']);
    match name {
        "II" | "MLII" | "ML II" | "MII" | "D2" | "DII" => 0,
        "AVR" | "AVL" | "III" | "MLIII" | "D3" | "DIII" => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn header(signals: &[&str]) -> Header {
        let mut text = format!("x {} 250 0\n", signals.len());
        for signal in signals {
            let (units, name) = signal.split_once(' ').unwrap();
            text.push_str(&format!("x.dat 16 200/{units} 12 0 0 0 0 {name}\n"));
        }
        Header::parse(&text, Path::new("x.hea")).unwrap()
    }

    #[test]
    fn signals_are_chosen_by_lead_and_unit() {
        type Row<'a> = (&'a [&'a str], SignalChoice, Result<Vec<usize>, ()>);
        let rows: [Row<'_>; 16] = [
            (&["mV MLII", "mV V5"], SignalChoice::Auto, Ok(vec![0, 1])),
            (&["mV V5", "mV MLII"], SignalChoice::Auto, Ok(vec![1, 0])),
            (
                &["mV I", "mV II", "mV V1"],
                SignalChoice::Auto,
                Ok(vec![1, 0]),
            ),
            (&["mV ECG1"], SignalChoice::Auto, Ok(vec![0])),
            (
                &["mV aVR", "mV III", "mV V1", "mV I"],
                SignalChoice::Auto,
                Ok(vec![2, 3]),
            ),
            (
                &["mV aVR", "mV ECG II", "mV V2"],
                SignalChoice::Auto,
                Ok(vec![1, 2]),
            ),
            (&["mV aVL"], SignalChoice::Auto, Ok(vec![0])),
            (
                &["mmHg ABP", "mV RESP", "uV V2"],
                SignalChoice::Auto,
                Ok(vec![2]),
            ),
            (&["mmHg ABP"], SignalChoice::Auto, Err(())),
            (
                &["uV F3-M2", "uV F4-M1", "uV ABD", "mV ECG"],
                SignalChoice::Auto,
                Ok(vec![3]),
            ),
            (&["uV F3-M2", "uV F4-M1"], SignalChoice::Auto, Err(())),
            (
                &["mV x", "MV aVR", "\u{b5}V II"],
                SignalChoice::Auto,
                Ok(vec![2, 1]),
            ),
            (&["uV F3-M2"], SignalChoice::Fixed(0), Ok(vec![0])),
            (&["mV I", "mV II"], SignalChoice::Fixed(0), Ok(vec![0])),
            (&["mV I"], SignalChoice::Fixed(1), Err(())),
            (&["mV I", "mmHg ABP"], SignalChoice::Fixed(1), Err(())),
        ];
        let wrong: Vec<_> = rows
            .iter()
            .filter(|(signals, choice, expected)| {
                choose(&header(signals), *choice).map_err(|_| ()) != *expected
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
