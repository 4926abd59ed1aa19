//! All records, on several threads.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use ecg_evaluate::EvaluatedRecord;
use serde::Serialize;

use super::plan::Plan;
use super::record::evaluate_record;
use crate::cli::failure::{Cause, Failure};
use crate::cli::progress;

/// A record that was left out.
#[derive(Serialize, Clone)]
pub(super) struct LeftOut {
    pub(super) record: String,
    pub(super) reason: String,
}

/// What the records gave.
pub(super) struct Worked {
    /// Figures of each model, records in the order of the plan.
    pub(super) by_model: Vec<Vec<EvaluatedRecord>>,
    /// Records that were left out, with the reason.
    pub(super) skipped: Vec<LeftOut>,
    /// Records that could not be read or run, with the reason.
    pub(super) failed: Vec<(String, Failure)>,
    /// Records begun and ended, where a signal ended the work before all were.
    pub(super) interrupted_after: Option<usize>,
}

pub(super) fn all_records(plan: &Plan<'_>) -> Worked {
    let models = plan.models.len();
    let count = plan.records.len() * models;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = plan.arguments.jobs.map_or(processors, NonZeroUsize::get);
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(count));
    let bar = progress::bar(count as u64, "records");
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(name) = plan.records.get(place / models) else {
                break;
            };
            if plan.evaluation.settings.is_stopped() {
                break;
            }
            let result = evaluate_record(plan, name, &plan.models[place % models]);
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((place, result));
            bar.inc(1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, count.max(1)) {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(place, _)| *place);
    let stopped = |result: &Result<_, Failure>| {
        let failure = result.as_ref().err();
        failure.is_some_and(|failure| failure.cause == Cause::Interrupted)
    };
    let ended = results.iter().filter(|(_, result)| !stopped(result));
    let ended = ended.count();
    let mut worked = Worked {
        by_model: (0..models).map(|_| Vec::new()).collect(),
        skipped: Vec::new(),
        failed: Vec::new(),
        interrupted_after: (ended < count).then_some(ended / models),
    };
    for (place, result) in results {
        let (record, model) = (plan.records[place / models].clone(), place % models);
        match result {
            Ok(Ok(figures)) => worked.by_model[model].push(figures),
            Ok(Err(reason)) if model == 0 => worked.skipped.push(LeftOut { record, reason }),
            // Once, whichever of the models it failed with.
            Err(failure) if worked.failed.last().is_none_or(|(last, _)| *last != record) => {
                worked.failed.push((record, failure));
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
    worked
}
