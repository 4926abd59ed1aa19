//! All records, on several threads.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::plan::Plan;
use super::record::{Evaluated, Evaluation, evaluate_record};
use crate::cli::failure::{Cause, Failure};
use crate::cli::progress;

/// What the records gave.
pub(super) struct Worked {
    /// Evaluations of each model, records in the order of the plan.
    pub(super) by_model: Vec<Vec<Evaluation>>,
    /// Records that were left out, with the reason.
    pub(super) skipped: Vec<(String, String)>,
    /// Records that could not be read or run, with the reason.
    pub(super) failed: Vec<(String, Failure)>,
    /// Records begun and ended, where a signal ended the work before all were.
    pub(super) interrupted_after: Option<usize>,
}

pub(super) fn all_records(plan: &Plan<'_>) -> Worked {
    let models = plan.models.len();
    let count = plan.records.len() * models;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = plan
        .arguments
        .jobs
        .map_or(processors, NonZeroUsize::get)
        .clamp(1, count.max(1));
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(count));
    let bar = progress::bar(count as u64, "records");
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(name) = plan.records.get(place / models) else {
                        break;
                    };
                    if plan.stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let result = evaluate_record(plan, name, &plan.models[place % models]);
                    results
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((place, result));
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(place, _)| *place);
    let ended = results.iter().filter(|(_, result)| !is_stopped(result));
    let ended = ended.count();
    let mut worked = Worked {
        by_model: (0..models).map(|_| Vec::new()).collect(),
        skipped: Vec::new(),
        failed: Vec::new(),
        interrupted_after: (ended < count).then_some(ended / models),
    };
    for (place, result) in results {
        let (record, model) = (place / models, place % models);
        let name = &plan.records[record];
        match result {
            Ok(Evaluated::Done(evaluation)) => worked.by_model[model].push(evaluation),
            Ok(Evaluated::Skipped(reason)) if model == 0 => {
                worked.skipped.push((name.clone(), reason));
            }
            // Once, whichever of the models it failed with.
            Err(failure) if worked.failed.last().is_none_or(|(last, _)| last != name) => {
                worked.failed.push((name.clone(), failure));
            }
            Ok(Evaluated::Skipped(_)) | Err(_) => {}
        }
    }
    worked
}

fn is_stopped(result: &Result<Evaluated, Failure>) -> bool {
    matches!(result, Err(failure) if failure.cause == Cause::Interrupted)
}
