//! Beats of a replayed session, found again from the store alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

use arrhythmianet::best_cpu_engine;
use arrhythmianet::explain::{ExplainPolicy, ExplainWhich};
use ecg_chain::{BeatDetail, Details, Pipeline, PipelineConfig, PipelineEvent, SessionInfo};
use ecg_signal::{ChainConfig, ChannelChoice, Mains, SampleRate};

use super::*;
use crate::acquisition::{Acquired, FrameSource, open_replay};
use crate::store::{RowFilter, SaliencyFilter, Store, StoreOptions};

struct Session {
    _folder: tempfile::TempDir,
    database: PathBuf,
    reader: StoreReader,
    beats: Vec<StoredBeat>,
    details: Vec<BeatDetail>,
}

impl Session {
    /// As sessions from before schema version 9 are: they do not say how their signal was treated.
    fn forget_treatment(&self) {
        rusqlite::Connection::open(&self.database)
            .unwrap()
            .execute_batch("DROP TRIGGER sessions_stay; UPDATE sessions SET mains_filter = NULL, channel_choice = NULL")
            .unwrap();
    }
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
    let chain = ChainConfig::new(SampleRate::from_hz(from.sample_rate_hz).unwrap()).mains(mains);
    let config =
        PipelineConfig::new(chain, from.uv_per_code).ecg_block_samples(keep_ecg.then_some(5_000));
    let model = Arc::new(Model::load(model).unwrap());
    let info = SessionInfo {
        source: "replay".to_owned(),
        origin: "200".to_owned(),
        chip: from.chip.to_string(),
        sample_rate_hz: from.sample_rate_hz,
        uv_per_code: from.uv_per_code,
        leads: ["I".to_owned(), "II".to_owned()],
        mains: Some(mains),
        channel: Some(ChannelChoice::Auto),
        patient_label: None,
        start: from.start,
        model: model.description().name.clone(),
        engine: "cpu".to_owned(),
    };
    writer.begin_session(&info).unwrap();
    let mut pipeline = Pipeline::new(&config, best_cpu_engine(model, 8)).unwrap();
    let details = Details::explaining(ExplainPolicy::new(ExplainWhich::All))
        .waves(true)
        .network_view(true);
    pipeline.set_details(details).unwrap();
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
    let beats = reader.beats(&RowFilter::default()).unwrap();
    assert!(beats.len() > 30 && beats.len() == details.len());
    Session {
        _folder: folder,
        database,
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
        beats_are_seen_again(&session, name);
        session.forget_treatment();
        beats_are_seen_again(&session, name);
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

fn beats_are_seen_again(session: &Session, name: &str) {
    let mut explainer = BeatExplainer::for_beat(&session.beats[0]).unwrap();
    for (beat, detail) in session.beats.iter().zip(&session.details).step_by(11) {
        let method = Method::GradCam;
        let (found, seen) = explainer
            .explain(&session.reader, beat, method, beat.beat.class, &|| false)
            .unwrap();
        let was = detail.network_view.as_ref().unwrap();
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
}

/// An hour of ECG is not run through for somebody who has gone: it ends within a piece.
#[test]
fn an_explanation_is_given_up_between_two_pieces() {
    let session = session("v1", Mains::Hz60, 30, true);
    session.forget_treatment();
    let mut explainer = BeatExplainer::for_beat(&session.beats[0]).unwrap();
    for pieces in 0..3 {
        let asked = std::cell::Cell::new(0);
        let given_up = || asked.replace(asked.get() + 1) >= pieces;
        let error = explainer
            .explain(
                &session.reader,
                &session.beats[9],
                Method::GradCam,
                session.beats[9].beat.class,
                &given_up,
            )
            .unwrap_err();
        assert!(matches!(error, BeatExplainError::GivenUp { .. }), "{error}");
        assert_eq!(asked.get(), pieces + 1);
    }
}

#[test]
fn where_the_session_says_how_its_signal_was_treated_the_chain_runs_once() {
    let session = session("v1", Mains::Hz60, 30, true);
    for (known, expected) in [(true, 2), (false, 7)] {
        if !known {
            session.forget_treatment();
        }
        let mut explainer = BeatExplainer::for_beat(&session.beats[0]).unwrap();
        let asked = std::cell::Cell::new(0);
        let given_up = || {
            asked.set(asked.get() + 1);
            false
        };
        let (beat, method) = (&session.beats[9], Method::GradCam);
        explainer
            .explain(&session.reader, beat, method, beat.beat.class, &given_up)
            .unwrap();
        // before the one piece of each run, and before the map is made
        assert_eq!(asked.get(), expected);
    }
}

#[test]
fn what_is_not_stored_is_not_guessed() {
    let without = session("v1", Mains::Hz60, 30, false);
    let mut explainer = BeatExplainer::for_beat(&without.beats[0]).unwrap();
    let error = explainer
        .find(&without.reader, &without.beats[9], &|| false)
        .unwrap_err();
    assert!(
        matches!(error, BeatExplainError::NotStored { .. }),
        "{error}"
    );

    let with = session("v1", Mains::Hz60, 30, true);
    let mut moved = with.beats[9].clone();
    moved.beat.r_sample += 100;
    let error = explainer.find(&with.reader, &moved, &|| false).unwrap_err();
    assert!(
        matches!(error, BeatExplainError::NotReproduced { .. }),
        "{error}"
    );
    let mut other = with.beats[9].clone();
    other.beat.probabilities.rotate_left(1);
    let error = explainer.find(&with.reader, &other, &|| false).unwrap_err();
    assert!(error.to_string().contains("apart"), "{error}");
    other.model = "none-such".into();
    let error = BeatExplainer::for_beat(&other).unwrap_err();
    assert!(matches!(error, BeatExplainError::Model { .. }), "{error}");
}
