//! Recorded traces through the pipeline.

use std::path::Path;
use std::sync::Arc;

use arrhythmianet::{Model, Unclassifiable, best_cpu_engine};
use ecg_chain::{Gap, GapCause, Pipeline, PipelineConfig, PipelineEvent};
use ecg_gateway::acquisition::{Acquired, FrameSource, open_replay};
use ecg_signal::{ChainConfig, SampleRate};

/// The demo's trace of record 214 begins 0.16 s before an R peak.
#[test]
fn a_beat_that_begins_before_the_signal_is_unclassifiable() {
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/214.ecgtrace.gz");
    let (mut source, _) = open_replay(&trace).expect("it works");
    let from = source.info().clone();
    let chain = ChainConfig::new(SampleRate::from_hz(from.sample_rate_hz).expect("it works"));
    let config = PipelineConfig::new(chain, from.uv_per_code);
    // v1 has no limits of its own: nothing but the signal makes its beats unclassifiable.
    let model = Arc::new(Model::load("v1").expect("it works"));
    let mut pipeline = Pipeline::new(&config, best_cpu_engine(model, 8)).expect("it works");
    let mut beats = Vec::new();
    let mut sink = |event| {
        if let PipelineEvent::Beat(beat) = event {
            beats.push(beat);
        }
    };
    // A gap that ends 0.2 s before an R peak, and the end 0.09 s behind one.
    let (gap, end) = (5_000..5_777, 8_697);
    while let Some(acquired) = source.next().expect("it works") {
        let Acquired::Sample(sample) = acquired else {
            continue;
        };
        if sample.index == end {
            break;
        }
        if !gap.contains(&sample.index) {
            pipeline.push(&sample, &mut sink).expect("it works");
        }
    }
    pipeline.finish(&mut sink).expect("it works");
    let poor: Vec<u64> = beats
        .iter()
        .filter(|beat| beat.unclassifiable == Some(Unclassifiable::PoorSignal))
        .map(|beat| beat.r_sample)
        .collect();
    let near = |(found, expected): (&u64, u64)| found.abs_diff(expected) <= 2;
    assert!(
        poor.len() == 3 && poor.iter().zip([81, 5_877, 8_652]).all(near),
        "{poor:?}"
    );
    assert!(beats.len() > 15, "{}", beats.len());
}

/// Beats that wait to be classified together hold no gap back: the raw ECG behind it does not wait.
#[test]
fn a_gap_comes_before_the_raw_ecg_behind_it() {
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/200.ecgtrace.gz");
    let (mut source, _) = open_replay(&trace).expect("it works");
    let from = source.info().clone();
    let chain = ChainConfig::new(SampleRate::from_hz(from.sample_rate_hz).expect("it works"));
    let config = PipelineConfig::new(chain, from.uv_per_code).ecg_block_samples(Some(100));
    let model = Arc::new(Model::load("v1").expect("it works"));
    let mut pipeline = Pipeline::new(&config, best_cpu_engine(model, 512)).expect("it works");
    let mut events = Vec::new();
    let mut missing = 0;
    while let Some(acquired) = source.next().expect("it works") {
        let Acquired::Sample(mut sample) = acquired else {
            continue;
        };
        let mut sink = |event| events.push(event);
        if sample.index == 10_000 {
            let gap = Gap {
                first_missing_sample: sample.index,
                missing_samples: 500,
                time: sample.time,
                cause: GapCause::MissedDrdy,
            };
            pipeline.gap(&gap, &mut sink).expect("it works");
            missing = gap.missing_samples;
        }
        if sample.index == 12_000 {
            break;
        }
        sample.index += missing;
        pipeline.push(&sample, &mut sink).expect("it works");
    }
    let gap = events
        .iter()
        .position(|event| matches!(event, PipelineEvent::Gap(_)));
    let behind = events.iter().position(
        |event| matches!(event, PipelineEvent::Ecg(block) if block.first_sample >= 10_000),
    );
    let (gap, behind) = (
        gap.expect("the gap is told"),
        behind.expect("ECG follows it"),
    );
    assert!(
        gap < behind,
        "the gap is event {gap}, ECG from behind it event {behind}"
    );
}
