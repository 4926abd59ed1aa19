//! A record of a database from its files to its figures.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrhythmianet::choose::SessionEngine;
use arrhythmianet::{BeatClass, Model};
use ecg_chain::{Details, LabelledBeat};
use ecg_signal::{BeatSource, CHAIN_RATE_HZ, SampleRate};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use wfdb_io::Record;

use super::aami::{AamiTable, EscapeRule};
use super::confusion::annotated_class;
use super::counts::Counts;
use super::degrade::{Degradation, Dropping, NoiseStress, NoiseTape};
use super::error::RecordError;
use super::explanations::Explanations;
use super::matching::Comparison;
use super::record::{FoundBeat, compare, compare_labels};
use super::reference::{Reference, ReferenceBeat};
use super::run_record::{
    RecordRun, RecordSettings, SignalChoice, chosen_signals, lead_names, run_record,
};
use super::sets::mitdb_record;

/// The beats that are scored of a database whose other beats a network was trained on, by record.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Split {
    /// The file that names them.
    #[serde(skip)]
    pub path: PathBuf,
    /// R peaks by record, samples at 250 Hz.
    pub test_samples_250hz: HashMap<String, HashSet<u64>>,
}

/// How the records of a database are evaluated; [`Evaluation::new`] has what is usual.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Evaluation {
    /// Directory of the database.
    pub data: PathBuf,
    /// Whether beats are cut at the annotated R peaks of one signal and their labels alone compared;
    /// else the chain finds its beats itself.
    pub annotated_peaks: bool,
    /// Those of them that are scored; all without.
    pub split: Option<Split>,
    /// Name of the signal that is read, whatever `settings` say; records without it are skipped.
    pub lead: Option<String>,
    /// Ending of the annotations.
    pub reference: String,
    /// Learning period, seconds: not scored, but in records shorter than twice this and at annotated
    /// R peaks, where there is none.
    pub learning_seconds: f64,
    /// What the escape beats are.
    pub escape: EscapeRule,
    /// Whether an unclassifiable beat counts as called Q.
    pub counts_as_q: bool,
    /// Noise to be added, and the signal-to-noise ratio, decibels.
    pub noise: Option<(Arc<NoiseTape>, f64)>,
    /// Share of the samples to be lost, 0 to 0.9.
    pub drop_samples: Option<f64>,
    /// Whether the explanations of rightly labelled beats are looked at.
    pub explanations: bool,
    /// How each record is run. Where its R peaks come from and what is done to its samples is decided
    /// for each.
    pub settings: RecordSettings,
}

/// What became of one record.
#[derive(Debug)]
pub enum Evaluated {
    /// Its figures, and what they came of.
    Done(Box<(EvaluatedRecord, Record, RecordRun)>),
    /// Why it was left out.
    Skipped(String),
}

/// One record's figures. Serialises with `qrs`, `veb`, `sveb`, `aami`, `confusion`, `ve_runs`,
/// `sve_runs` and `figures` of what is scored, `null` where it is not annotated.
#[derive(Debug, Clone, Serialize)]
pub struct EvaluatedRecord {
    /// Its name in the database.
    pub name: String,
    /// Names of the signals that were read.
    pub signals: Vec<String>,
    /// Samples per second.
    pub sample_rate_hz: f64,
    /// Length in seconds.
    pub seconds_of_ecg: f64,
    /// Samples that were not measured in any of the signals.
    pub missing_samples: u64,
    /// Those of them that were lost on request.
    pub dropped_samples: u64,
    /// Beats found.
    pub beats: usize,
    /// Whether it has annotated beats.
    pub annotated: bool,
    /// End of the learning period.
    pub scored_from_seconds: f64,
    /// What is scored.
    #[serde(flatten, serialize_with = "scored")]
    pub counts: Option<Counts>,
    /// What somebody who relies on the figures should know, in sentences.
    pub notes: Vec<String>,
    /// The learning period included.
    #[serde(skip)]
    pub whole: Option<Counts>,
    /// The record of the MIT-BIH Arrhythmia Database it is, if it is one.
    #[serde(skip)]
    pub mitdb: Option<&'static str>,
    /// Whether nothing but their unit says that the signals are an ECG.
    #[serde(skip)]
    pub guessed: bool,
    /// How its explanations do, where that is asked for.
    #[serde(skip)]
    pub explanations: Option<Explanations>,
}

fn scored<S: Serializer>(counts: &Option<Counts>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    entries(&mut map, counts.as_ref(), true)?;
    map.serialize_entry("figures", &counts.as_ref().map(Counts::figures))?;
    map.end()
}

/// All records' counts together. Serialises as `qrs`, `veb`, `sveb`, `aami`, `ve_runs` and `sve_runs`.
#[derive(Debug, Clone, Copy)]
pub struct Gross(pub Counts);

impl Serialize for Gross {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        entries(&mut map, Some(&self.0), false)?;
        map.end()
    }
}

fn entries<M: SerializeMap>(
    map: &mut M,
    counts: Option<&Counts>,
    confusion: bool,
) -> Result<(), M::Error> {
    let aami = counts.map(|counts| &counts.aami);
    map.serialize_entry("qrs", &aami.map(AamiTable::qrs))?;
    map.serialize_entry("veb", &aami.map(AamiTable::veb))?;
    map.serialize_entry("sveb", &aami.map(AamiTable::sveb))?;
    map.serialize_entry("aami", &aami)?;
    if confusion {
        map.serialize_entry("confusion", &counts.map(|counts| &counts.confusion))?;
    }
    map.serialize_entry("ve_runs", &counts.map(|counts| &counts.ve_runs))?;
    map.serialize_entry("sve_runs", &counts.map(|counts| &counts.sve_runs))
}

impl Evaluation {
    /// The whole chain on the records in `data`, annotated in `.atr`, after 5 minutes of learning; an
    /// unclassifiable beat counts as called Q.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            annotated_peaks: false,
            split: None,
            lead: None,
            reference: "atr".to_owned(),
            learning_seconds: 300.0,
            escape: EscapeRule::default(),
            counts_as_q: true,
            noise: None,
            drop_samples: None,
            explanations: false,
            settings: RecordSettings::new(),
        }
    }

    /// With beats cut at the annotated R peaks, or found by the chain.
    #[must_use]
    pub const fn annotated_peaks(mut self, annotated: bool) -> Self {
        self.annotated_peaks = annotated;
        self
    }

    /// With another [`Evaluation::split`].
    #[must_use]
    pub fn split(mut self, split: Option<Split>) -> Self {
        self.split = split;
        self
    }

    /// With another [`Evaluation::lead`].
    #[must_use]
    pub fn lead(mut self, name: Option<String>) -> Self {
        self.lead = name;
        self
    }

    /// With another [`Evaluation::reference`].
    #[must_use]
    pub fn reference(mut self, ending: String) -> Self {
        self.reference = ending;
        self
    }

    /// With another [`Evaluation::learning_seconds`].
    #[must_use]
    pub const fn learning_seconds(mut self, seconds: f64) -> Self {
        self.learning_seconds = seconds;
        self
    }

    /// With another [`Evaluation::escape`].
    #[must_use]
    pub const fn escape(mut self, rule: EscapeRule) -> Self {
        self.escape = rule;
        self
    }

    /// With another [`Evaluation::counts_as_q`].
    #[must_use]
    pub const fn counts_as_q(mut self, counts: bool) -> Self {
        self.counts_as_q = counts;
        self
    }

    /// With another [`Evaluation::noise`].
    #[must_use]
    pub fn noise(mut self, noise: Option<(Arc<NoiseTape>, f64)>) -> Self {
        self.noise = noise;
        self
    }

    /// With another [`Evaluation::drop_samples`].
    #[must_use]
    pub const fn drop_samples(mut self, share: Option<f64>) -> Self {
        self.drop_samples = share;
        self
    }

    /// With a look at the explanations, or without.
    #[must_use]
    pub const fn explanations(mut self, wanted: bool) -> Self {
        self.explanations = wanted;
        self
    }

    /// With another [`Evaluation::settings`].
    #[must_use]
    pub fn settings(mut self, settings: RecordSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Evaluates the record of this name with a network and its engines.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn record(
        &self,
        name: &str,
        model: &Arc<Model>,
        engine: impl Fn() -> SessionEngine,
    ) -> Result<Evaluated, RecordError> {
        let skip = |reason: String| Ok(Evaluated::Skipped(reason));
        let record = Record::open(&self.data.join(name))?;
        let header = record.header();
        if header.signals.is_empty() {
            return skip("it has no signals".to_owned());
        }
        let Some(signals) = self.signals(&record)? else {
            let lead = self.lead.as_deref().unwrap_or_default();
            let has = lead_names(header).join(", ");
            return skip(format!("no lead {lead}, it has {has}"));
        };
        let (reference, trouble) = Reference::of_record(&record, &self.reference);
        let scored = match (&reference, &self.split) {
            (None, _) if self.annotated_peaks => {
                let why = trouble.map_or_else(String::new, |trouble| format!(" ({trouble})"));
                return skip(format!("no beats annotated in .{}{why}", self.reference));
            }
            (Some(reference), Some(split)) => {
                let Some(test) = split.test_samples_250hz.get(name) else {
                    return skip(format!("no test beats in {}", split.path.display()));
                };
                let rate = SampleRate::from_hz(record.rate_hz())?;
                let chain_rate = SampleRate::from_hz(f64::from(CHAIN_RATE_HZ))?;
                let is_test = |beat: &ReferenceBeat| {
                    test.contains(&rate.convert_index(beat.sample, chain_rate))
                };
                Some(reference.beats.iter().map(is_test).collect::<Vec<bool>>())
            }
            _ => None,
        };
        let mut settings = RecordSettings {
            signals,
            degradation: self.degradation(&record, signals, reference.as_ref())?,
            ..self.settings.clone()
        };
        if let Some(reference) = reference.as_ref().filter(|_| self.annotated_peaks) {
            let peaks = reference.beats.iter().map(|beat| beat.sample);
            settings.beats = BeatSource::Known(peaks.collect());
        }
        if self.explanations {
            settings.details = Details::new().waves(true).network_view(true);
        }
        let run = run_record(&record, settings.clone(), engine())?;
        let explanations = self.explanations.then(|| {
            let classes = reference.as_ref().map_or_else(Vec::new, |reference| {
                classes(reference, &run, scored.as_deref())
            });
            Explanations::new(&record, (model, &engine), &settings, &run, &classes)
        });
        let seconds = run.samples as f64 / run.rate_hz;
        let learns = !self.annotated_peaks && seconds >= 2.0 * self.learning_seconds;
        let scored_from_seconds = if learns { self.learning_seconds } else { 0.0 };
        let found = self.found(&run);
        let compared = |from_s| {
            let reference = reference.as_ref()?;
            Some(if self.annotated_peaks {
                compare_labels(reference, &found, scored.as_deref(), self.escape)
            } else {
                let comparison = Comparison::standard(run.rate_hz, from_s);
                compare(reference, &found, &comparison, self.escape)
            })
        };
        let own_name = Path::new(name).file_name().and_then(|name| name.to_str());
        let chosen = self.lead.is_some() || self.settings.signals != SignalChoice::Auto;
        let done = EvaluatedRecord {
            name: name.to_owned(),
            signals: run
                .signals
                .iter()
                .map(|&signal| header.signals[signal].description.clone())
                .collect(),
            sample_rate_hz: run.rate_hz,
            seconds_of_ecg: seconds,
            missing_samples: run.missing_samples,
            dropped_samples: run.dropped_samples,
            beats: run.beats.len(),
            annotated: reference.is_some(),
            scored_from_seconds,
            counts: compared(scored_from_seconds),
            notes: trouble.into_iter().collect(),
            whole: compared(0.0),
            mitdb: mitdb_record(
                own_name.unwrap_or(name),
                header.rate_hz,
                &lead_names(header),
            ),
            guessed: !chosen && header.ecg_signals().is_ok_and(|ecg| ecg.guessed),
            explanations: explanations.transpose()?,
        };
        Ok(Evaluated::Done(Box::new((done, record, run))))
    }

    /// The beats of a run as they are counted.
    #[must_use]
    pub fn found(&self, run: &RecordRun) -> Vec<FoundBeat> {
        let mut found: Vec<_> = run.beats.iter().map(FoundBeat::from).collect();
        for beat in &mut found {
            beat.unclassifiable &= self.counts_as_q;
        }
        found
    }

    /// The signals to read; `None` where the lead asked for is not there. At annotated R peaks one signal
    /// alone is read, as the networks were trained.
    fn signals(&self, record: &Record) -> Result<Option<SignalChoice>, RecordError> {
        let mut choice = self.settings.signals;
        if let Some(lead) = &self.lead {
            let named = |name: &&str| name.trim().eq_ignore_ascii_case(lead.trim());
            match lead_names(record.header()).iter().position(named) {
                None => return Ok(None),
                Some(signal) => choice = SignalChoice::Fixed(signal),
            }
        }
        let signals = chosen_signals(record, choice)?;
        Ok(match (choice, signals.first()) {
            (SignalChoice::Auto, Some(&first)) if self.annotated_peaks => {
                Some(SignalChoice::Fixed(first))
            }
            _ => Some(choice),
        })
    }

    fn degradation(
        &self,
        record: &Record,
        signals: SignalChoice,
        reference: Option<&Reference>,
    ) -> Result<Degradation, RecordError> {
        let noise = self.noise.as_ref().map(|(tape, snr_db)| {
            let signals = chosen_signals(record, signals)?;
            let nothing = Reference::default();
            let reference = reference.unwrap_or(&nothing);
            NoiseStress::new(tape, record, &signals, reference, *snr_db)
        });
        let dropping = self
            .drop_samples
            .map(|share| Dropping::new(share, record.rate_hz(), seed(&record.header().name)));
        Ok(Degradation {
            noise: noise.transpose()?,
            dropping: dropping.transpose()?,
        })
    }
}

/// The annotated class of each beat of `run` that stands at an annotated R peak within 150 ms, where
/// that one is `scored` and of the five classes.
fn classes(
    reference: &Reference,
    run: &RecordRun,
    scored: Option<&[bool]>,
) -> Vec<Option<BeatClass>> {
    let beats = &reference.beats;
    let window = Comparison::standard(run.rate_hz, 0.0).window_samples;
    let of = |beat: &LabelledBeat| {
        let away = |place: usize| beats[place].sample.abs_diff(beat.r_sample);
        let after = beats.partition_point(|of| of.sample < beat.r_sample);
        let around = after.saturating_sub(1)..(after + 1).min(beats.len());
        let nearest = around.min_by_key(|&place| away(place))?;
        let counts = scored.is_none_or(|scored| scored[nearest]) && away(nearest) <= window;
        annotated_class(beats[nearest].code).filter(|_| counts)
    };
    run.beats.iter().map(of).collect()
}

/// Every record loses other samples, and the same in every run (FNV-1a of the name).
fn seed(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
