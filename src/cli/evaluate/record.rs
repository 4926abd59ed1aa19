//! One record: run, compared, its annotations written.

use std::path::{Component, Path};

use super::{Arguments, Failure, other};
use crate::cli::session::LoadedModel;
use crate::evaluate::{Comparison, EscapeRule, FoundBeat, RecordEvaluation, Reference};
use crate::pipeline::{LabelledBeat, RecordRun, open_record, run_record};
use crate::wfdb::{Annotation, AnnotationCode, Record, read_annotations, write_annotations};

/// What one record gave.
pub(super) struct Evaluation {
    pub(super) name: String,
    pub(super) signals: Vec<String>,
    pub(super) scored_from_s: f64,
    pub(super) compared: Option<Compared>,
    pub(super) run: RecordRun,
}

/// Counts against the record's annotations.
pub(super) struct Compared {
    /// After the learning period.
    pub(super) scored: RecordEvaluation,
    /// The learning period included.
    pub(super) whole: RecordEvaluation,
}

pub(super) fn evaluate_record(
    arguments: &Arguments,
    name: &str,
    model: &LoadedModel,
) -> Result<Evaluation, Failure> {
    let record = open_record(&arguments.data, name)?;
    let run = run_record(
        &record,
        arguments.channel,
        arguments.treatment.treatment().mains,
        model.engine(),
    )?;
    write(arguments, name, &record, &run)?;
    let duration_s = run.samples as f64 / run.rate_hz;
    let scored_from_s = if duration_s >= 2.0 * arguments.learning_seconds {
        arguments.learning_seconds
    } else {
        0.0
    };
    let reference = reference(&record, &arguments.reference, run.rate_hz)?;
    let compared = reference.map(|reference| Compared {
        scored: compare(name, &reference, &run, scored_from_s),
        whole: compare(name, &reference, &run, 0.0),
    });
    let leads = &record.header().signals;
    Ok(Evaluation {
        name: name.to_owned(),
        signals: run
            .signals
            .iter()
            .map(|&signal| leads[signal].description.clone())
            .collect(),
        scored_from_s,
        compared,
        run,
    })
}

/// The record's annotated beats; `None` where it has no annotations, or none of beats.
fn reference(record: &Record, ending: &str, rate_hz: f64) -> Result<Option<Reference>, Failure> {
    let path = record.file_with_ending(ending);
    if !path.exists() {
        return Ok(None);
    }
    let mut file = read_annotations(&path)?;
    if let Some(resolution_hz) = file.resolution_hz {
        for annotation in &mut file.annotations {
            annotation.sample = rescale(annotation.sample, rate_hz / resolution_hz);
        }
    }
    let reference = Reference::from_annotations(&file.annotations);
    Ok((!reference.beats.is_empty()).then_some(reference))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive; saturates"
)]
fn rescale(sample: u64, factor: f64) -> u64 {
    (sample as f64 * factor).round() as u64
}

fn compare(name: &str, reference: &Reference, run: &RecordRun, from_s: f64) -> RecordEvaluation {
    let found: Vec<FoundBeat> = run
        .beats
        .iter()
        .map(|beat| FoundBeat {
            sample: beat.r_sample,
            class: beat.class,
        })
        .collect();
    let comparison = Comparison::standard(run.rate_hz, from_s);
    RecordEvaluation::new(name, reference, &found, &comparison, EscapeRule::default())
}

fn write(
    arguments: &Arguments,
    name: &str,
    record: &Record,
    run: &RecordRun,
) -> Result<(), Failure> {
    let (Some(ending), Some(folder)) = (&arguments.write_annotations, &arguments.out) else {
        return Ok(());
    };
    let path = folder.join(format!("{name}.{ending}"));
    if record.owns(&path, &arguments.reference) {
        return Err(other(
            path.display(),
            "a file of the record itself, left untouched: give another --write-annotations or --out",
        ));
    }
    let inside = |part| matches!(part, Component::Normal(_));
    if !Path::new(name).components().all(inside) || ending.contains('/') {
        return Err(other(path.display(), "not inside --out, not written"));
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| other(parent.display(), error))?;
    }
    let annotations: Vec<Annotation> = run
        .beats
        .iter()
        .map(|beat| annotation(beat, &run.signals))
        .collect();
    write_annotations(&path, &annotations, None)?;
    Ok(())
}

fn annotation(beat: &LabelledBeat, signals: &[usize]) -> Annotation {
    let signal = signals
        .get(usize::from(beat.channel))
        .copied()
        .unwrap_or_default();
    Annotation {
        sample: beat.r_sample,
        code: AnnotationCode::from_mnemonic(&beat.class.symbol().to_string())
            .unwrap_or(AnnotationCode::NORMAL),
        subtype: 0,
        chan: u8::try_from(signal).unwrap_or(u8::MAX),
        num: 0,
        aux: None,
    }
}
