//! One record and one model: evaluated, its annotations written.

use std::path::{Component, Path};

use ecg_evaluate::{Evaluated, EvaluatedRecord, RecordRun, lead_names};
use wfdb_io::{Annotation, Record, write_annotations};

use super::plan::Plan;
use crate::cli::failure::{Failure, other};
use crate::cli::session::LoadedModel;

/// What one record gave, or why it was left out.
pub(super) fn evaluate_record(
    plan: &Plan<'_>,
    name: &str,
    model: &LoadedModel,
) -> Result<Result<EvaluatedRecord, String>, Failure> {
    let evaluated = plan
        .evaluation
        .record(name, &model.model, || model.engine())?;
    let (mut figures, record, run) = match evaluated {
        Evaluated::Done(done) => *done,
        Evaluated::Skipped(reason) => return Ok(Err(reason)),
    };
    if figures.guessed {
        figures.notes.push(format!(
            "nothing says that the signals taken are an ECG (it has {}); --lead or --channel names one",
            lead_names(record.header()).join(", ")
        ));
    }
    let arguments = plan.arguments;
    if let Some(ending) = &arguments.write_annotations {
        let beats = run.beat_annotations(&plan.evaluation.found(&run));
        let to = (name, ending.as_str(), "--write-annotations");
        write_file(plan, to, &record, &run, &beats)?;
    }
    if let Some(ending) = &arguments.write_waves {
        let to = (name, ending.as_str(), "--write-waves");
        write_file(plan, to, &record, &run, &run.wave_annotations())?;
    }
    Ok(Ok(figures))
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
