//! The engines in `/v1/status`.

use arrhythmianet::choose::{AdapterReport, EngineCandidate, EngineReport};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct EnginesJson {
    asked: &'static str,
    single: String,
    backlog: String,
    backlog_batch: usize,
    losses: u64,
    candidates: Vec<CandidateJson>,
}

#[derive(Serialize)]
struct CandidateJson {
    engine: String,
    state: &'static str,
    detail: Option<String>,
    adapter: Option<AdapterJson>,
    single_us: Option<f64>,
    batch: Option<usize>,
    batch_us_per_beat: Option<f64>,
}

#[derive(Serialize)]
struct AdapterJson {
    name: String,
    driver: String,
    backend: &'static str,
    device_type: &'static str,
}

impl From<EngineReport> for EnginesJson {
    fn from(report: EngineReport) -> Self {
        Self {
            asked: report.asked,
            single: report.single,
            backlog: report.backlog,
            backlog_batch: report.backlog_batch,
            losses: report.losses,
            candidates: report
                .candidates
                .into_iter()
                .map(CandidateJson::from)
                .collect(),
        }
    }
}

impl From<EngineCandidate> for CandidateJson {
    fn from(candidate: EngineCandidate) -> Self {
        let figures = candidate.figures;
        Self {
            engine: candidate.engine,
            state: candidate.state.name(),
            detail: candidate.detail,
            adapter: candidate.adapter.map(AdapterJson::from),
            single_us: figures.map(|figures| microseconds(figures.single_ns)),
            batch: figures.map(|figures| figures.batch),
            batch_us_per_beat: figures.map(|figures| microseconds(figures.batch_ns_per_beat)),
        }
    }
}

impl From<AdapterReport> for AdapterJson {
    fn from(adapter: AdapterReport) -> Self {
        Self {
            name: adapter.name,
            driver: adapter.driver,
            backend: adapter.backend,
            device_type: adapter.device_type,
        }
    }
}

fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}
