//! One record and one model: run, compared, its annotations written.

use std::path::{Component, Path};
use std::sync::Arc;

use arrhythmianet::{BeatClass, Rejection};
use ecg_chain::{Details, LabelledBeat};
use ecg_evaluate::{
    self, Comparison, Counts, Degradation, Dropping, FoundBeat, NoiseStress, Reference,
    ReferenceBeat, mitdb_record,
};
use ecg_evaluate::{
    RecordRun, RecordSettings, SignalChoice, chosen_signals, open_record, run_record,
};
use ecg_signal::{BeatSource, CHAIN_RATE_HZ, SampleRate};
use wfdb_io::{Annotation, AnnotationCode, Record, read_annotations, write_annotations};

use super::arguments::{Arguments, Protocol};
use super::explained::{self, Explained};
use super::plan::Plan;
use super::waves;
use crate::cli::failure::{Failure, other};
use crate::cli::session::LoadedModel;

/// What became of one record.
#[expect(
    clippy::large_enum_variant,
    reason = "one a record, moved once from its thread"
)]
pub(super) enum Evaluated {
    Done(Evaluation),
    /// The reason.
    Skipped(String),
}

/// What one record gave.
pub(super) struct Evaluation {
    pub(super) name: String,
    pub(super) signals: Vec<String>,
    /// The record of the MIT-BIH Arrhythmia Database it is, if it is one.
    pub(super) mitdb: Option<&'static str>,
    pub(super) scored_from_s: f64,
    /// `None` where the record is not annotated.
    pub(super) compared: Option<Compared>,
    pub(super) rate_hz: f64,
    pub(super) seconds: f64,
    pub(super) missing_samples: u64,
    pub(super) dropped_samples: u64,
    pub(super) beats: usize,
    /// What somebody who relies on the figures should know, in sentences.
    pub(super) notes: Vec<String>,
    /// How its explanations do, where that is asked for.
    pub(super) explained: Option<Explained>,
}

/// Counts against the record's annotations.
pub(super) struct Compared {
    /// What is scored: on the whole chain what comes after the learning period.
    pub(super) scored: Counts,
    /// The learning period included.
    pub(super) whole: Counts,
}

pub(super) fn evaluate_record(
    plan: &Plan<'_>,
    name: &str,
    model: &LoadedModel,
) -> Result<Evaluated, Failure> {
    let arguments = plan.arguments;
    let skip = |reason: String| Ok(Evaluated::Skipped(reason));
    let record = open_record(&arguments.data, name)?;
    if record.header().signals.is_empty() {
        return skip("it has no signals".to_owned());
    }
    let Some(signals) = signals(arguments, &record)? else {
        return skip(format!(
            "no lead {}, it has {}",
            arguments.lead.as_deref().unwrap_or_default(),
            leads(&record)
        ));
    };
    let (reference, trouble) = reference(&record, &arguments.reference);
    let annotated_peaks = arguments.protocol != Protocol::Chain;
    let scored = match (&reference, &plan.split) {
        (None, _) if annotated_peaks => {
            let why = trouble.map_or_else(String::new, |trouble| format!(" ({trouble})"));
            return skip(format!(
                "no beats annotated in .{}{why}",
                arguments.reference
            ));
        }
        (Some(reference), Some(split)) => {
            let Some(test) = split.of(name) else {
                return skip(format!("no test beats in {}", split.path().display()));
            };
            let rate = SampleRate::from_hz(record.rate_hz())?;
            let chain_rate = SampleRate::from_hz(f64::from(CHAIN_RATE_HZ))?;
            let is_test =
                |beat: &ReferenceBeat| test.contains(&rate.convert_index(beat.sample, chain_rate));
            Some(reference.beats.iter().map(is_test).collect::<Vec<bool>>())
        }
        _ => None,
    };
    let beats = match &reference {
        Some(reference) if annotated_peaks => {
            BeatSource::Known(reference.beats.iter().map(|beat| beat.sample).collect())
        }
        _ => BeatSource::Detector,
    };
    let settings = RecordSettings {
        signals,
        mains: arguments.mains,
        beats,
        degradation: degradation(plan, &record, signals, reference.as_ref())?,
        detector: arguments.detector.weights(),
        details: Details {
            waves: arguments.write_waves.is_some(),
            ..if arguments.explanations {
                explained::DETAILS
            } else {
                Details::default()
            }
        },
        rejection: Rejection {
            confidence: arguments.unclassifiable_below,
            novelty: !arguments.ignore_novelty,
        },
        stop: Some(Arc::clone(&plan.stop)),
    };
    let run = run_record(&record, settings.clone(), model.engine())?;
    write(plan, name, &record, &run)?;
    let explained = if arguments.explanations {
        let class_of = classes(reference.as_ref(), scored.as_deref(), &run);
        Some(explained::look(&record, model, &settings, &run, |beat| {
            class_of.get(beat).copied().flatten()
        })?)
    } else {
        None
    };
    let seconds = run.samples as f64 / run.rate_hz;
    let scored_from_s = if !annotated_peaks && seconds >= 2.0 * arguments.learning_seconds {
        arguments.learning_seconds
    } else {
        0.0
    };
    let found: Vec<FoundBeat> = run.beats.iter().map(|beat| found(plan, beat)).collect();
    let compared = reference.map(|reference| {
        if annotated_peaks {
            let counts = labels_only(plan, &reference, &found, scored.as_deref());
            return Compared {
                scored: counts,
                whole: counts,
            };
        }
        let from = |from_s| {
            let comparison = Comparison::standard(run.rate_hz, from_s);
            ecg_evaluate::compare(&reference, &found, &comparison, plan.escape)
        };
        Compared {
            scored: from(scored_from_s),
            whole: from(0.0),
        }
    });
    let leads = &record.header().signals;
    let all_leads: Vec<&str> = leads.iter().map(|lead| lead.description.as_str()).collect();
    let own_name = Path::new(name).file_name().and_then(|name| name.to_str());
    Ok(Evaluated::Done(Evaluation {
        name: name.to_owned(),
        mitdb: mitdb_record(
            own_name.unwrap_or(name),
            record.header().rate_hz,
            &all_leads,
        ),
        signals: run
            .signals
            .iter()
            .map(|&signal| leads[signal].description.clone())
            .collect(),
        scored_from_s,
        compared,
        rate_hz: run.rate_hz,
        seconds,
        missing_samples: run.missing_samples,
        dropped_samples: run.dropped_samples,
        beats: run.beats.len(),
        notes: trouble
            .into_iter()
            .chain(guess(&record, arguments))
            .collect(),
        explained,
    }))
}

/// The annotated class of each beat of `run` that is scored, of those that stand at an annotated R peak
/// within 150 ms.
fn classes(
    reference: Option<&Reference>,
    scored: Option<&[bool]>,
    run: &RecordRun,
) -> Vec<Option<BeatClass>> {
    let Some(reference) = reference else {
        return Vec::new();
    };
    let window = (0.150 * run.rate_hz).round();
    let of = |beat: &LabelledBeat| {
        let after = reference
            .beats
            .partition_point(|of| of.sample < beat.r_sample);
        let around = [after.checked_sub(1), Some(after)].into_iter().flatten();
        let nearest = around
            .filter(|&place| place < reference.beats.len())
            .min_by_key(|&place| reference.beats[place].sample.abs_diff(beat.r_sample))?;
        let annotated = &reference.beats[nearest];
        let near = annotated.sample.abs_diff(beat.r_sample) as f64 <= window;
        let counts = scored.is_none_or(|scored| scored[nearest]);
        let symbol = annotated.code.mnemonic()?.chars().next()?;
        BeatClass::from_symbol(symbol).filter(|_| near && counts)
    };
    run.beats.iter().map(of).collect()
}

/// A beat as it is counted.
fn found(plan: &Plan<'_>, beat: &LabelledBeat) -> FoundBeat {
    let found = FoundBeat::from(beat);
    FoundBeat {
        unclassifiable: found.unclassifiable && plan.counts_as_q,
        ..found
    }
}

/// The signals to read; `None` where the lead asked for is not there. The protocols with annotated R
/// peaks read one signal alone, as the networks were trained.
fn signals(arguments: &Arguments, record: &Record) -> Result<Option<SignalChoice>, Failure> {
    let choice = match &arguments.lead {
        None => arguments.channel,
        Some(lead) => {
            let named = |description: &str| description.trim().eq_ignore_ascii_case(lead.trim());
            let mut signals = record.header().signals.iter();
            match signals.position(|signal| named(&signal.description)) {
                None => return Ok(None),
                Some(signal) => SignalChoice::Fixed(signal),
            }
        }
    };
    let signals = chosen_signals(record, choice)?;
    Ok(match (choice, signals.first()) {
        (SignalChoice::Auto, Some(&first)) if arguments.protocol != Protocol::Chain => {
            Some(SignalChoice::Fixed(first))
        }
        _ => Some(choice),
    })
}

fn leads(record: &Record) -> String {
    let names: Vec<&str> = record
        .header()
        .signals
        .iter()
        .map(|signal| signal.description.as_str())
        .collect();
    names.join(", ")
}

fn degradation(
    plan: &Plan<'_>,
    record: &Record,
    signals: SignalChoice,
    reference: Option<&Reference>,
) -> Result<Degradation, Failure> {
    let arguments = plan.arguments;
    let noise = match (&plan.noise, arguments.noise_snr_db) {
        (Some(tape), Some(snr_db)) => {
            let signals = chosen_signals(record, signals)?;
            let nothing = Reference::default();
            let reference = reference.unwrap_or(&nothing);
            let tape = Arc::clone(tape);
            Some(NoiseStress::new(
                &tape, record, &signals, reference, snr_db,
            )?)
        }
        _ => None,
    };
    let dropping = arguments
        .drop_samples
        .map(|share| Dropping::new(share, record.rate_hz(), seed(&record.header().name)))
        .transpose()?;
    Ok(Degradation { noise, dropping })
}

/// Every record loses other samples, and the same in every run (FNV-1a of the name).
fn seed(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// Labels at annotated R peaks: what was cut at a beat is what was found there. A beat without
/// signal (in a gap) was not found.
fn labels_only(
    plan: &Plan<'_>,
    reference: &Reference,
    found: &[FoundBeat],
    scored: Option<&[bool]>,
) -> Counts {
    let mut found = found.iter().copied().peekable();
    let pairs: Vec<(ReferenceBeat, Option<FoundBeat>)> = reference
        .beats
        .iter()
        .enumerate()
        .map(|(place, &beat)| {
            let label = found.next_if(|found| found.sample == beat.sample);
            (scored.is_none_or(|scored| scored[place]), beat, label)
        })
        .filter_map(|(is_scored, beat, label)| is_scored.then_some((beat, label)))
        .collect();
    ecg_evaluate::compare_labels(&pairs, plan.escape)
}

/// Where nothing but the unit says that the signals are an ECG.
fn guess(record: &Record, arguments: &Arguments) -> Option<String> {
    let ecg = record.header().ecg_signals().ok()?;
    let chosen = arguments.lead.is_some() || arguments.channel != SignalChoice::Auto;
    (ecg.guessed && !chosen).then(|| {
        format!(
            "nothing says that the signals taken are an ECG (it has {}); --lead or --channel names one",
            leads(record)
        )
    })
}

/// The record's annotated beats, `None` where it has no annotations, or none of beats; and what is wrong
/// with them. What cannot be read of the annotations never costs the ECG.
fn reference(record: &Record, ending: &str) -> (Option<Reference>, Option<String>) {
    let path = record.file_with_ending(ending);
    if !path.exists() {
        return (None, None);
    }
    let mut file = match read_annotations(&path) {
        Ok(file) => file,
        Err(error) => return (None, Some(error.to_string())),
    };
    let note = file.note();
    let resolution_hz = file.resolution_hz.unwrap_or(record.header().rate_hz);
    let factor = record.rate_hz() / resolution_hz;
    if (factor - 1.0).abs() > 1e-12 {
        for annotation in &mut file.annotations {
            annotation.sample = rescale(annotation.sample, factor);
        }
    }
    let reference = Reference::from_annotations(&file.annotations);
    (
        (!reference.beats.is_empty()).then_some(reference),
        note.map(|note| format!("{}: {note}", path.display())),
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive; saturates"
)]
fn rescale(sample: u64, factor: f64) -> u64 {
    // Far beyond every record, and far from where sums would overflow.
    (sample as f64 * factor).round().min(2_f64.powi(60)) as u64
}

fn write(plan: &Plan<'_>, name: &str, record: &Record, run: &RecordRun) -> Result<(), Failure> {
    let arguments = plan.arguments;
    let beats = |run: &RecordRun| {
        let beats = run.beats.iter();
        beats
            .map(|beat| annotation(beat, &found(plan, beat), &run.signals))
            .collect::<Vec<Annotation>>()
    };
    if let Some(ending) = &arguments.write_annotations {
        write_file(
            plan,
            (name, ending, "--write-annotations"),
            record,
            run,
            &beats(run),
        )?;
    }
    if let Some(ending) = &arguments.write_waves {
        let waves = waves::annotations(run);
        write_file(plan, (name, ending, "--write-waves"), record, run, &waves)?;
    }
    Ok(())
}

fn write_file(
    plan: &Plan<'_>,
    (name, ending, option): (&str, &str, &str),
    record: &Record,
    run: &RecordRun,
    annotations: &[Annotation],
) -> Result<(), Failure> {
    let arguments = plan.arguments;
    let Some(folder) = &arguments.out else {
        return Ok(());
    };
    let path = folder.join(format!("{name}.{ending}"));
    if record.owns(&path, &arguments.reference) {
        return Err(other(
            path.display(),
            format!("a file of the record itself, left untouched: give another {option} or --out"),
        ));
    }
    let inside = |part| matches!(part, Component::Normal(_));
    if !Path::new(name).components().all(inside) || ending.contains('/') {
        return Err(other(path.display(), "not inside --out, not written"));
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| other(parent.display(), error))?;
    }
    let own_rate = (run.rate_hz - record.header().rate_hz).abs() > 1e-9;
    write_annotations(&path, annotations, own_rate.then_some(run.rate_hz))?;
    Ok(())
}

fn annotation(beat: &LabelledBeat, found: &FoundBeat, signals: &[usize]) -> Annotation {
    let signal = signals
        .get(usize::from(beat.channel))
        .copied()
        .unwrap_or_default();
    let code = if found.unclassifiable {
        AnnotationCode::UNKNOWN
    } else {
        AnnotationCode::from_mnemonic(&found.class.symbol().to_string())
            .unwrap_or(AnnotationCode::UNKNOWN)
    };
    Annotation {
        chan: u8::try_from(signal).unwrap_or(u8::MAX),
        ..Annotation::new(beat.r_sample, code)
    }
}
