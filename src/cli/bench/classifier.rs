//! The classifier: every engine in turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arrhythmianet::{ClassifyError, CpuIsa, Outputs};
use ecg_evaluate::whole;
use serde::Serialize;

use super::arguments::interrupted;
use super::contestant::Contestant;
use super::peak;
use super::process::{peak_resident_kib, resident_kib};
use crate::cli::failure::{Cause, Failure};
use crate::cli::session::LoadedModel;

const BATCHES: [usize; 5] = [1, 8, 64, 512, 4096];

/// How long to measure.
struct Plan {
    rounds: usize,
    /// Seconds of a turn.
    turn: f64,
    /// A batch that takes longer than this is left out, seconds.
    longest_call: f64,
}

const FULL: Plan = Plan {
    rounds: 9,
    turn: 0.03,
    longest_call: 0.5,
};

const QUICK: Plan = Plan {
    rounds: 3,
    turn: 0.003,
    longest_call: 0.05,
};

#[derive(Serialize)]
pub(super) struct Summary {
    pub(super) model: String,
    pub(super) multiply_adds_per_beat: usize,
    pub(super) processors: usize,
    pub(super) peaks: Vec<Peak>,
    pub(super) engines: Vec<Engine>,
    pub(super) resident_kib: Option<u64>,
    pub(super) peak_resident_kib: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Peak {
    pub(super) engine: &'static str,
    pub(super) threads: usize,
    pub(super) gflops: f64,
}

#[derive(Serialize)]
pub(super) struct Engine {
    pub(super) engine: String,
    pub(super) threads: usize,
    pub(super) adapter: Option<String>,
    pub(super) software: Option<bool>,
    /// Of one beat alone.
    pub(super) latency_median_us: f64,
    pub(super) latency_p99_us: f64,
    pub(super) batches: Vec<Batch>,
}

#[derive(Serialize)]
pub(super) struct Batch {
    pub(super) batch: usize,
    pub(super) us_per_beat: f64,
    pub(super) beats_per_second: f64,
    /// All multiply-adds of the network, those too that an engine skips because their input is zero.
    pub(super) gflops: f64,
    /// Of the best instruction set's peak on as many threads, measured in the same rounds: over 1 where
    /// enough is skipped.
    pub(super) share_of_peak: Option<f64>,
    pub(super) dispatches: Option<usize>,
}

/// Seconds of the calls of one engine and batch.
#[derive(Default)]
struct Times {
    /// Seconds a beat of each round, by the median call.
    beat: Vec<f64>,
    /// Share of the peak of each round.
    share: Vec<f64>,
    calls: Vec<f64>,
}

pub(super) fn measure(
    loaded: &LoadedModel,
    quick: bool,
    stop: &AtomicBool,
) -> Result<Summary, Failure> {
    let plan = if quick { QUICK } else { FULL };
    let model = &loaded.model;
    let largest = BATCHES[BATCHES.len() - 1];
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let operations = 2.0 * model.description().macs_per_beat() as f64;
    let windows = windows(largest * model.description().input.len());
    let mut outputs = Outputs::logits_only(model.description(), largest);
    let mut contestants = Contestant::all(&Arc::clone(model), largest, processors);
    let mut peaks = peaks(processors);
    let mut times: Vec<[Times; BATCHES.len()]> =
        contestants.iter().map(|_| Default::default()).collect();
    for _ in 0..plan.rounds {
        for (isa, threads, found) in &mut peaks {
            found.push(peak::measure(*isa, *threads, plan.turn / 4.0));
        }
        for (contestant, times) in contestants.iter_mut().zip(&mut times) {
            let peak = peaks
                .iter()
                .find(|(_, threads, _)| contestant.on_cpu && *threads == contestant.threads)
                .and_then(|(_, _, found)| found.last());
            for (&batch, times) in BATCHES.iter().zip(times) {
                if stop.load(Ordering::Relaxed) {
                    return Err(interrupted("classifier"));
                }
                let windows = &windows[..batch * model.description().input.len()];
                turn(&plan, contestant, windows, &mut outputs, times)
                    .map_err(|error| Failure::new(Cause::Other, error))?;
                let (Some(seconds), Some(peak)) = (times.beat.last(), peak) else {
                    continue;
                };
                times.share.push(operations / seconds / peak);
            }
        }
    }
    let engines = contestants
        .iter()
        .zip(times)
        .map(|(contestant, times)| engine(contestant, times, operations))
        .collect();
    Ok(Summary {
        model: loaded.name().to_owned(),
        multiply_adds_per_beat: model.description().macs_per_beat(),
        processors,
        peaks: peaks
            .into_iter()
            .map(|(isa, threads, mut found)| Peak {
                engine: isa.engine(),
                threads,
                gflops: quantile(&mut found, 0.5) * 1e-9,
            })
            .collect(),
        engines,
        resident_kib: resident_kib(),
        peak_resident_kib: peak_resident_kib(),
    })
}

/// The best instruction set on one thread and on all, then the others on one: what each does at
/// most, to be measured. The portable one has no instructions of its own to be compared with.
fn peaks(processors: usize) -> Vec<(CpuIsa, usize, Vec<f64>)> {
    let mut all: Vec<_> = CpuIsa::ALL
        .into_iter()
        .filter(|&isa| isa.is_available() && (isa != CpuIsa::Portable || isa == CpuIsa::best()))
        .map(|isa| (isa, 1, Vec::new()))
        .collect();
    if processors > 1 {
        all.insert(1, (CpuIsa::best(), processors, Vec::new()));
    }
    all
}

/// Values of the size that normalised windows have.
fn windows(len: usize) -> Vec<f32> {
    (0..len)
        .map(|index| (index * 37 % 1013) as f32 / 500.0 - 1.0)
        .collect()
}

/// One turn, unless a call takes too long.
fn turn(
    plan: &Plan,
    contestant: &mut Contestant,
    windows: &[f32],
    outputs: &mut Outputs,
    times: &mut Times,
) -> Result<(), ClassifyError> {
    let slow = |seconds: &f64| *seconds > plan.longest_call;
    if times.calls.last().is_some_and(slow) {
        return Ok(());
    }
    let first = Instant::now();
    contestant.engine.classify(windows, outputs)?;
    let first = first.elapsed().as_secs_f64();
    if slow(&first) {
        times.calls.push(first);
        return Ok(());
    }
    let start = Instant::now();
    let mut before = 0.0;
    let mut calls = Vec::new();
    while calls.is_empty() || before < plan.turn {
        contestant.engine.classify(windows, outputs)?;
        let now = start.elapsed().as_secs_f64();
        calls.push(now - before);
        before = now;
    }
    times.calls.extend_from_slice(&calls);
    let call = quantile(&mut calls, 0.5);
    times.beat.push(call / outputs.batch() as f64);
    Ok(())
}

fn engine(contestant: &Contestant, mut times: [Times; BATCHES.len()], operations: f64) -> Engine {
    let [single, ..] = &mut times;
    let (median, p99) = (
        quantile(&mut single.calls, 0.5),
        quantile(&mut single.calls, 0.99),
    );
    let batches = BATCHES.into_iter().zip(&mut times);
    let batches = batches.filter(|(_, times)| !times.beat.is_empty());
    let batches = batches.map(|(batch, times)| {
        let seconds = quantile(&mut times.beat, 0.5);
        let share = (!times.share.is_empty()).then(|| quantile(&mut times.share, 0.5));
        Batch {
            batch,
            us_per_beat: seconds * 1e6,
            beats_per_second: 1.0 / seconds,
            gflops: operations / seconds * 1e-9,
            share_of_peak: share,
            dispatches: contestant.dispatches(batch),
        }
    });
    Engine {
        engine: contestant.engine.engine().to_owned(),
        threads: contestant.threads,
        adapter: contestant.adapter.as_ref().map(|(name, _)| name.clone()),
        software: contestant.adapter.as_ref().map(|(_, software)| *software),
        latency_median_us: median * 1e6,
        latency_p99_us: p99 * 1e6,
        batches: batches.collect(),
    }
}

/// The value below which a share of `values` lies; not a number without any.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = whole(values.len().saturating_sub(1) as f64 * share);
    let value = usize::try_from(index)
        .ok()
        .and_then(|index| values.get(index));
    value.copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_values_of_the_list() {
        let mut hundred: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        for (share, expected) in [(0.0, 0.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let found = quantile(&mut hundred, share);
            assert!((found - expected).abs() < 1e-9, "{share}: {found}");
        }
        assert!(quantile(&mut [], 0.5).is_nan());
    }
}
