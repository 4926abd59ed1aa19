//! Beats of a replayed session, found again from the store alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

use super::*;
use crate::acquisition::{Acquired, FrameSource, open_replay};
use crate::explain::{ExplainPolicy, ExplainWhich};
use crate::model::Rejection;
use crate::pipeline::{BeatDetail, Details, Pipeline, PipelineConfig, PipelineEvent, SessionInfo};
use crate::signal::{ChainConfig, Mains, SampleRate};
use crate::store::{BeatFilter, SaliencyFilter, Store, StoreOptions};

struct Session {
    _folder: tempfile::TempDir,
    reader: StoreReader,
    beats: Vec<StoredBeat>,
    details: Vec<BeatDetail>,
}

/// The first `seconds` of a demo trace, labelled by `model`, stored with or without its ECG.
fn session(model: &str, mains: Mains, seconds: u64, keep_ecg: bool) -> Session {
    let folder = tempfile::tempdir().unwrap();
    let database: PathBuf = folder.path().join("ecg.db");
    let store = Store::open(&database, StoreOptions::default()).unwrap();
    let (sender, commits) = channel();
    let writer = store
        .into_writer(move |_| sender.send(()).unwrap_or(()))
        .unwrap();
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/200.ecgtrace.gz");
    let (mut source, _) = open_replay(&trace).unwrap();
    let from = source.info().clone();
    let config = PipelineConfig {
        chain: ChainConfig {
            mains,
            ..ChainConfig::new(SampleRate::from_hz(from.sample_rate_hz).unwrap())
        },
        uv_per_code: from.uv_per_code,
        ecg_block_samples: keep_ecg.then_some(5_000),
        rejection: Rejection::default(),
    };
    let model = Arc::new(Model::load(model).unwrap());
    let info = SessionInfo {
        source: "replay".to_owned(),
        origin: "200".to_owned(),
        chip: from.chip.to_string(),
        sample_rate_hz: from.sample_rate_hz,
        uv_per_code: from.uv_per_code,
        leads: ["I".to_owned(), "II".to_owned()],
        start: from.start,
        model: model.description().name.clone(),
        engine: "cpu".to_owned(),
    };
    writer.begin_session(&info).unwrap();
    let mut pipeline = Pipeline::new(&config, best_cpu_engine(model, 8)).unwrap();
    let policy = ExplainPolicy {
        which: ExplainWhich::All,
        method: Method::GradCam,
        low_confidence: 0.8,
    };
    pipeline
        .tell(Details {
            explain: Some(policy),
            waves: true,
            seen: true,
        })
        .unwrap();
    let mut details = Vec::new();
    let mut sink = |event: PipelineEvent| {
        if let PipelineEvent::Detail(detail) = &event {
            details.push((**detail).clone());
        }
        writer.record(event).unwrap();
    };
    while let Some(acquired) = source.next().unwrap() {
        if let Acquired::Sample(sample) = acquired {
            if sample.index > seconds * 500 {
                break;
            }
            pipeline.push(&sample, &mut sink).unwrap();
        }
    }
    pipeline.finish(&mut sink).unwrap();
    writer.close().unwrap();
    drop(commits);
    let reader = StoreReader::open(&database).unwrap();
    let beats = reader.beats(&BeatFilter::default()).unwrap();
    assert!(beats.len() > 30 && beats.len() == details.len());
    Session {
        _folder: folder,
        reader,
        beats,
        details,
    }
}

/// What the network saw is found again, whatever the treatment, with context and without.
#[test]
fn beats_are_seen_as_they_were() {
    for (name, mains) in [
        ("v1", Mains::Hz60),
        ("v2", Mains::Hz50),
        ("v1-context", Mains::None),
    ] {
        let session = session(name, mains, 60, true);
        let mut revisitor = Revisitor::of(&session.beats[0]).unwrap();
        for (beat, detail) in session.beats.iter().zip(&session.details).step_by(11) {
            let method = Method::GradCam;
            let (found, seen) = revisitor
                .explain(&session.reader, beat, method, beat.beat.class)
                .unwrap();
            let was = detail.seen.as_ref().unwrap();
            let apart = |a: &[f32], b: &[f32]| {
                let pairs = a.iter().zip(b);
                pairs.fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()))
            };
            assert!(apart(&seen.input, &was.input) < 0.1, "{name} {}", beat.id);
            assert!(seen.difference <= LARGEST_DIFFERENCE);
            let stored = session.reader.saliency(beat.id, method, beat.beat.class);
            let stored = stored.unwrap().unwrap();
            let scale = found
                .map
                .waveform()
                .iter()
                .fold(0.0_f32, |m, v| m.max(v.abs()));
            let apart = apart(&stored.map.waveform(), &found.map.waveform());
            assert!(
                apart < 0.05 * scale,
                "{name} {}: {apart} of {scale}",
                beat.id
            );
            let difference = stored.shares.unwrap().qrs - found.shares.unwrap().qrs;
            assert!(difference.abs() < 0.05, "{name}: {difference}");
        }
        let filter = SaliencyFilter {
            session: None,
            method: Method::GradCam,
            class: Some(BeatClass::V),
            limit: 10,
        };
        let ventricular = session.reader.saliencies(&filter).unwrap();
        assert_eq!(ventricular.len(), 10);
        assert!(ventricular.iter().all(|row| row.map.class == BeatClass::V));
    }
}

/// An hour of ECG is not run through for somebody who has gone: it ends within a piece.
#[test]
fn an_explanation_is_given_up_between_two_pieces() {
    let session = session("v1", Mains::Hz60, 30, true);
    let mut revisitor = Revisitor::of(&session.beats[0]).unwrap();
    for patience in 0..3 {
        let asked = std::cell::Cell::new(0);
        let given_up = || asked.replace(asked.get() + 1) >= patience;
        let error = revisitor
            .explain_unless(
                &session.reader,
                &session.beats[9],
                Method::GradCam,
                session.beats[9].beat.class,
                &given_up,
            )
            .unwrap_err();
        assert!(matches!(error, RevisitError::GivenUp { .. }), "{error}");
        assert_eq!(asked.get(), patience + 1);
    }
}

#[test]
fn what_is_not_stored_is_not_guessed() {
    let without = session("v1", Mains::Hz60, 30, false);
    let mut revisitor = Revisitor::of(&without.beats[0]).unwrap();
    let error = revisitor
        .find(&without.reader, &without.beats[9])
        .unwrap_err();
    assert!(matches!(error, RevisitError::NotStored { .. }), "{error}");

    let with = session("v1", Mains::Hz60, 30, true);
    let mut moved = with.beats[9].clone();
    moved.beat.r_sample += 100;
    let error = revisitor.find(&with.reader, &moved).unwrap_err();
    assert!(
        matches!(error, RevisitError::NotReproduced { .. }),
        "{error}"
    );
    let mut other = with.beats[9].clone();
    other.beat.probabilities.rotate_left(1);
    let error = revisitor.find(&with.reader, &other).unwrap_err();
    assert!(error.to_string().contains("apart"), "{error}");
    other.model = "none-such".into();
    let error = Revisitor::of(&other).unwrap_err();
    assert!(matches!(error, RevisitError::Model { .. }), "{error}");
}
