//! Sessions with a store, without a socket.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrhythmianet::{Classifier, ClassifyError, CpuSimd, Model, Outputs};
use ecg_chain::{
    ClockRelation, Episode, Event, EventKind, Gap, GapCause, LeadOff, MonotonicNs, Pipeline,
    PipelineConfig, PipelineEvent, RawSample, SessionInfo, WallUs,
};
use ecg_signal::{ChainConfig, SampleRate};

use super::{Gateway, GatewayOptions, PreparedSession, SessionError, SessionOutcome};
use crate::acquisition::{
    Acquired, AcquisitionError, FrameSource, Pace, QueuedSource, Realtime, SourceInfo, open_replay,
};
use crate::store::{RowFilter, StoreOptions, StoreReader};

fn model() -> Arc<Model> {
    Arc::new(Model::load("v2").unwrap())
}

/// The CPU engine, which counts what it is given and fails when told to.
struct Observed {
    inner: CpuSimd,
    batches: Arc<Mutex<Vec<usize>>>,
    fails_at: Option<usize>,
}

impl Observed {
    fn new(fails_at: Option<usize>) -> (Box<Self>, Arc<Mutex<Vec<usize>>>) {
        let batches = Arc::default();
        let observed = Self {
            inner: CpuSimd::new(model(), 16),
            batches: Arc::clone(&batches),
            fails_at,
        };
        (Box::new(observed), batches)
    }
}

impl Classifier for Observed {
    fn engine(&self) -> &'static str {
        "observed"
    }

    fn model(&self) -> &Model {
        self.inner.model()
    }

    fn max_batch(&self) -> usize {
        self.inner.max_batch()
    }

    fn classify(&mut self, input: &[f32], outputs: &mut Outputs) -> Result<(), ClassifyError> {
        self.inner.classify(input, outputs)?;
        let mut batches = self.batches.lock().unwrap();
        batches.push(outputs.batch());
        if Some(batches.len()) == self.fails_at {
            return Err(ClassifyError::Engine {
                engine: "observed".to_owned(),
                reason: "told to".to_owned(),
            });
        }
        Ok(())
    }
}

/// A source at another pace than its own.
struct Paced<S>(S, Pace);

impl<S: FrameSource> FrameSource for Paced<S> {
    fn info(&self) -> &SourceInfo {
        self.0.info()
    }

    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        self.0.next()
    }

    fn pace(&mut self) -> Pace {
        self.1
    }
}

/// A chip that never stops.
struct Endless {
    info: SourceInfo,
    next: u64,
}

impl Endless {
    fn new() -> Self {
        let info = crate::acquisition::queued_tests::info();
        Self { info, next: 0 }
    }
}

impl FrameSource for Endless {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        std::thread::sleep(Duration::from_micros(100));
        let index = self.next;
        self.next += 1;
        Ok(Some(Acquired::Sample(RawSample {
            index,
            time: MonotonicNs(index * 2_000_000),
            codes: [i32::try_from(index % 500).unwrap(), 0],
            lead_off: LeadOff::default(),
        })))
    }
}

/// A session over such a source.
fn session(from: &SourceInfo, classifier: Box<dyn Classifier>) -> PreparedSession<'static> {
    let chain = ChainConfig::new(SampleRate::from_hz(from.sample_rate_hz).unwrap());
    let config = PipelineConfig::new(chain, from.uv_per_code).ecg_block_samples(Some(1_000));
    PreparedSession {
        info: SessionInfo {
            source: "replay".to_owned(),
            origin: "test".to_owned(),
            chip: from.chip.to_string(),
            sample_rate_hz: from.sample_rate_hz,
            uv_per_code: from.uv_per_code,
            leads: ["I".to_owned(), "II".to_owned()],
            mains: None,
            channel: None,
            patient_label: None,
            start: from.start,
            model: "v2".to_owned(),
            engine: "observed".to_owned(),
        },
        pipeline: Pipeline::new(&config, classifier).unwrap(),
        end_reason: &|| "completed",
        another: None,
    }
}

struct House {
    folder: tempfile::TempDir,
    gateway: Gateway,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gateway = Gateway::open(&GatewayOptions {
            database: folder.path().join("ecg.db"),
            store: StoreOptions::default(),
            socket: None,
        })
        .unwrap();
        Self { folder, gateway }
    }

    fn run(
        &self,
        source: &mut impl FrameSource,
        classifier: Box<dyn Classifier>,
        stop: &AtomicBool,
    ) -> (SessionOutcome, Vec<PipelineEvent>) {
        let session = session(source.info(), classifier);
        let mut seen = Vec::new();
        let outcome = self
            .gateway
            .run_session(source, session, stop, |event| seen.push(event.clone()));
        (outcome, seen)
    }
    /// Samples per channel stored as raw ECG, and how the last session ended.
    fn stored(self) -> (u64, Option<String>) {
        self.gateway.close().unwrap();
        let reader = StoreReader::open(&self.folder.path().join("ecg.db")).unwrap();
        let session = reader.latest_session().unwrap().unwrap();
        (session.counts.samples, session.end.map(|end| end.reason))
    }
}

fn trace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/200.ecgtrace.gz")
}

fn without_ecg(events: Vec<PipelineEvent>) -> Vec<PipelineEvent> {
    let mut events = events;
    events.retain(|event| !matches!(event, PipelineEvent::Ecg(_)));
    events
}

#[test]
fn a_recording_is_classified_in_batches_and_the_chips_beats_one_by_one() {
    let go_on = AtomicBool::new(false);
    let mut runs = Vec::new();
    for (pace, largest) in [(Pace::Recorded, 16), (Pace::Live, 1)] {
        let (engine, batches) = Observed::new(None);
        let mut source = Paced(open_replay(&trace()).unwrap().0, pace);
        let (outcome, events) = House::new().run(&mut source, engine, &go_on);
        assert!(outcome.ended.is_ok(), "{:?}", outcome.ended);
        let batches = batches.lock().unwrap().clone();
        let beats = outcome.report.beats_by_class.iter().sum::<u64>();
        assert_eq!(batches.iter().sum::<usize>() as u64, beats);
        // The last ones are cut by the signal's end, several at once.
        let (last, all_but_last) = batches.split_last().unwrap();
        assert!(
            all_but_last.iter().all(|&batch| batch == largest),
            "{batches:?}"
        );
        assert!(*last <= 16);
        runs.push(without_ecg(events));
    }
    assert!(runs[0].len() > 160);
    assert_eq!(runs[0], runs[1]);
}

/// A source that shows its newest sample's time.
struct Shown<S>(S, Arc<AtomicU64>);

impl<S: FrameSource> FrameSource for Shown<S> {
    fn info(&self) -> &SourceInfo {
        self.0.info()
    }

    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        let next = self.0.next();
        if let Ok(Some(Acquired::Sample(sample))) = &next {
            self.1.store(sample.time.0, Ordering::Relaxed);
        }
        next
    }
}

#[test]
fn a_wall_clock_that_steps_changes_no_order_and_no_rr() {
    const HOUR_US: i64 = 3_600_000_000;
    let mut runs = Vec::new();
    for steps in [false, true] {
        let mut house = House::new();
        let newest = Arc::new(AtomicU64::new(0));
        let mut source = Shown(open_replay(&trace()).unwrap().0, Arc::clone(&newest));
        let start = source.info().start;
        if steps {
            // An hour back after 30 s, three hours forward after 60, a leap second after 80.
            house.gateway = house.gateway.watching_clock(move || {
                let monotonic = MonotonicNs(newest.load(Ordering::Relaxed).max(start.monotonic.0));
                let seconds = monotonic.since(start.monotonic) / 1_000_000_000;
                let offset_us = match seconds {
                    0..30 => 0,
                    30..60 => -HOUR_US,
                    60..80 => 2 * HOUR_US,
                    _ => 2 * HOUR_US - 1_000_000,
                };
                ClockRelation {
                    monotonic,
                    wall: WallUs(start.wall_at(monotonic).0 + offset_us),
                }
            });
        }
        let never = AtomicBool::new(false);
        let (outcome, _) = house.run(&mut source, Observed::new(None).0, &never);
        assert!(outcome.ended.is_ok(), "{:?}", outcome.ended);
        let path = house.folder.path().join("ecg.db");
        house.gateway.close().unwrap();
        let database = rusqlite::Connection::open(path).unwrap();
        let rows = |sql: &str| -> Vec<(i64, i64, f64)> {
            let mut statement = database.prepare(sql).unwrap();
            let rows = statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .unwrap();
            rows.map(Result::unwrap).collect()
        };
        let beats = "SELECT r_sample, r_monotonic_ns, ifnull(rr_ms, 0.0) FROM beats ORDER BY id";
        // The times every beat would have if the clock after the last step had always been right.
        let corrected = "SELECT r_sample, r_wall_us + (SELECT coalesce(sum(step_us), 0) FROM
             clock_relations c WHERE c.session = beats.session AND c.monotonic_ns >
             beats.r_monotonic_ns), 0.0 FROM beats ORDER BY id";
        let stepped = "SELECT step_us, wall_us, 0.0 FROM clock_relations ORDER BY id";
        let events = "SELECT sample, sample, 0.0 FROM events WHERE kind = 'clock_stepped'";
        let (corrected, stepped) = (rows(corrected), rows(stepped));
        assert_eq!(rows(events).len(), stepped.len());
        runs.push((rows(beats), corrected, stepped));
    }
    let (beats, walls, none) = &runs[0];
    assert!(none.is_empty() && beats.len() > 100);
    let (stepped_beats, corrected, steps) = &runs[1];
    assert_eq!(
        stepped_beats, beats,
        "order and RR are the monotonic clock's"
    );
    let steps: Vec<i64> = steps.iter().map(|step| step.0).collect();
    assert_eq!(steps, [-HOUR_US, 3 * HOUR_US, -1_000_000]);
    let sum: i64 = steps.iter().sum();
    for (plain, corrected) in walls.iter().zip(corrected) {
        // Each relation cuts to microseconds.
        assert!(
            (plain.1 + sum).abs_diff(corrected.1) <= 4,
            "{plain:?} {corrected:?}"
        );
    }
}

#[test]
fn what_the_chip_had_delivered_before_a_stop_is_stored() {
    let house = House::new();
    let stop = Arc::new(AtomicBool::new(false));
    let mut source = QueuedSource::start(
        Endless::new(),
        16_384,
        Realtime::default(),
        Arc::clone(&stop),
    )
    .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    stop.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let (outcome, _) = house.run(&mut source, Observed::new(None).0, &stop);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert!(outcome.ended.is_ok(), "{:?}", outcome.ended);
    let samples = outcome.report.samples;
    assert!(samples > 100, "{samples}");
    assert_eq!(
        (outcome.report.gaps, outcome.report.missing_samples),
        (0, 0)
    );
    assert_eq!(house.stored(), (samples, Some("stopped".to_owned())));
}

#[test]
fn a_stop_does_not_wait_for_a_chip_that_goes_on() {
    let house = House::new();
    let stop = AtomicBool::new(true);
    let began = Instant::now();
    let (outcome, _) = house.run(&mut Endless::new(), Observed::new(None).0, &stop);
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    assert!(outcome.report.samples > 0);
    let mut recorded = Paced(Endless::new(), Pace::Recorded);
    let (outcome, _) = house.run(&mut recorded, Observed::new(None).0, &stop);
    assert_eq!(outcome.report.samples, 0, "a recording can be read again");
}

#[test]
fn a_failed_engine_ends_the_session_and_the_ecg_is_stored() {
    let house = House::new();
    let (engine, _) = Observed::new(Some(2));
    let mut source = open_replay(&trace()).unwrap().0;
    let (outcome, events) = house.run(&mut source, engine, &AtomicBool::new(false));
    assert!(
        matches!(outcome.ended, Err(SessionError::Label(_))),
        "{:?}",
        outcome.ended
    );
    let samples = outcome.report.samples;
    assert!(
        samples > 1_000 && !samples.is_multiple_of(1_000),
        "{samples}"
    );
    let beats = events
        .iter()
        .filter(|event| matches!(event, PipelineEvent::Beat(_)));
    assert!(beats.count() >= 16);
    assert_eq!(house.stored(), (samples, Some("failed".to_owned())));
}

/// Hands out what is scripted, live; asks for another patient behind some of it.
struct Scripted {
    info: SourceInfo,
    script: VecDeque<Acquired>,
    handed_out: usize,
    asks: Vec<(usize, Option<String>)>,
    patient: crate::api::PatientChange,
}

impl Scripted {
    fn new(house: &House, info: &SourceInfo, script: &[Acquired], asks: &[(usize, &str)]) -> Self {
        let asks = asks.iter();
        Self {
            info: info.clone(),
            script: script.iter().cloned().collect(),
            handed_out: 0,
            asks: asks
                .map(|(behind, label)| (*behind, Some((*label).to_owned())))
                .collect(),
            patient: house.gateway.live().patient().clone(),
        }
    }
}

impl FrameSource for Scripted {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        self.handed_out += 1;
        for (_, label) in self.asks.iter().filter(|(at, _)| *at == self.handed_out) {
            assert!(self.patient.ask(label.clone()));
        }
        Ok(self.script.pop_front())
    }
}

impl House {
    /// As [`House::run`], with sessions of other patients where they are asked for.
    fn run_on(&self, source: &mut Scripted) -> (SessionOutcome, Vec<PipelineEvent>) {
        let from = source.info().clone();
        let another = |start, label| {
            let from = SourceInfo {
                start,
                ..from.clone()
            };
            Ok(session(&from, Observed::new(None).0).of_patient(label))
        };
        let mut first = another(from.start, Some("Bed 4".to_owned())).unwrap();
        first.another = Some(&another);
        let never = AtomicBool::new(false);
        let mut seen = Vec::new();
        let outcome = self
            .gateway
            .run_session(source, first, &never, |event| seen.push(event.clone()));
        (outcome, seen)
    }
}

#[test]
fn nothing_of_one_patient_is_in_the_session_of_the_next_and_no_sample_is_lost() {
    let mut replayed = open_replay(&trace()).unwrap().0;
    let info = replayed.info().clone();
    let mut script = Vec::new();
    while let Some(acquired) = replayed.next().unwrap() {
        script.push(acquired);
    }
    let is_sample = |acquired: &Acquired| matches!(acquired, Acquired::Sample(_));
    assert!(script.iter().all(is_sample), "positions below take that");
    let cut = script.len() / 2 + 37;
    let rebased: Vec<_> = script[cut..]
        .iter()
        .map(|acquired| match acquired {
            Acquired::Sample(sample) => Acquired::Sample(RawSample {
                index: sample.index - cut as u64,
                ..*sample
            }),
            other => other.clone(),
        })
        .collect();
    let alone = |part: &[Acquired]| {
        let house = House::new();
        let mut source = Scripted::new(&house, &info, part, &[]);
        house.run_on(&mut source).1
    };
    let (before, after) = (alone(&script[..cut]), alone(&rebased));
    assert!(before.len() > 80 && after.len() > 80);
    let house = House::new();
    let mut source = Scripted::new(&house, &info, &script, &[(cut, "Bed 5")]);
    let (outcome, both) = house.run_on(&mut source);
    assert!(outcome.ended.is_ok(), "{:?}", outcome.ended);
    assert_eq!(both.len(), before.len() + after.len());
    assert_eq!(both[..before.len()], before[..]);
    assert_eq!(both[before.len()..], after[..]);
    let report = outcome.report;
    assert_eq!(report.samples, script.len() as u64);
    assert_eq!(report.session, Some(2));
    assert!(
        !house.gateway.live().patient().ask(None),
        "the source has ended"
    );
    house.gateway.close().unwrap();
    let reader = StoreReader::open(&house.folder.path().join("ecg.db")).unwrap();
    let sessions = reader.sessions(0, 9).unwrap();
    let told: Vec<_> = sessions
        .iter()
        .map(|row| {
            let reason = row.end.as_ref().map(|end| &*end.reason);
            (
                row.info.patient_label.as_deref(),
                reason,
                row.counts.samples,
            )
        })
        .collect();
    let rest = (script.len() - cut) as u64;
    assert_eq!(
        told,
        [
            (Some("Bed 4"), Some("new_patient"), cut as u64),
            (Some("Bed 5"), Some("completed"), rest),
        ]
    );
    let Acquired::Sample(first) = script[cut] else {
        panic!()
    };
    let start = sessions[1].info.start;
    assert!(start.monotonic.0.abs_diff(first.time.0) < 2_000_000);
    assert_eq!(info.start.wall_at(start.monotonic), start.wall);
    assert!(reader.verify(&[]).unwrap().is_sound());
}

#[test]
fn what_lasts_begins_again_with_the_next_patient_and_gaps_are_in_its_own_positions() {
    let house = House::new();
    let info = crate::acquisition::queued_tests::info();
    let time = |index: u64| MonotonicNs(index * 2_000_000);
    let sample = |index: u64| {
        Acquired::Sample(RawSample {
            index,
            time: time(index),
            codes: [i32::try_from(index % 500).unwrap(), 0],
            lead_off: LeadOff::default(),
        })
    };
    let silent = |index: u64, episode| {
        Acquired::Event(
            Event::momentary(
                index,
                time(index),
                EventKind::DrdySilent,
                "no edge".to_owned(),
            )
            .with_episode(episode),
        )
    };
    let mut script: Vec<_> = (0..400).map(sample).collect();
    script.push(silent(400, Episode::Begins { subject: "chip" }));
    script.extend((400..600).map(sample));
    let asked = script.len();
    script.push(Acquired::Gap(Gap {
        first_missing_sample: 600,
        missing_samples: 10,
        time: time(600),
        cause: GapCause::MissedDrdy,
    }));
    script.extend((610..900).map(sample));
    script.push(silent(
        900,
        Episode::Ends {
            subject: "chip",
            began_sample: 400,
            began: time(400),
        },
    ));
    script.extend((900..1_000).map(sample));
    let all = script.len();
    script.extend((1_000..1_200).map(sample));
    let asks = [(asked, "Bed 5"), (all, "Bed 6")];
    let (outcome, _) = house.run_on(&mut Scripted::new(&house, &info, &script, &asks));
    assert!(outcome.ended.is_ok(), "{:?}", outcome.ended);
    assert_eq!(house.gateway.live().snapshot().conditions, []);
    house.gateway.close().unwrap();
    let reader = StoreReader::open(&house.folder.path().join("ecg.db")).unwrap();
    let filter = RowFilter::default();
    let events: Vec<_> = reader.events(&filter).unwrap();
    let events: Vec<_> = events
        .iter()
        .filter(|event| event.kind == "drdy_silent")
        .map(|event| {
            let phase = event.phase.as_deref();
            (event.session, event.sample, phase, event.began)
        })
        .collect();
    assert_eq!(
        events,
        [
            (1, 400, Some("begin"), None),
            (2, 0, Some("begin"), None),
            (2, 300, Some("end"), Some((0, time(600)))),
        ]
    );
    let gaps = reader.gaps(&filter).unwrap();
    let gaps: Vec<_> = gaps
        .iter()
        .map(|gap| {
            (
                gap.session,
                gap.gap.first_missing_sample,
                gap.gap.missing_samples,
            )
        })
        .collect();
    assert_eq!(gaps, [(2, 0, 10)]);
    let samples: Vec<_> = reader
        .sessions(0, 9)
        .unwrap()
        .iter()
        .map(|session| session.counts.samples)
        .collect();
    assert_eq!(samples, [600, 390, 200]);
    let stored = reader.ecg(2, &(0..20)).unwrap();
    assert_eq!(
        (stored[9][0], stored[10][0]),
        (crate::store::MISSING_CODE, 110)
    );
}

/// What was acquired before somebody asked belongs to the patient before, however far the pipeline is behind.
#[test]
fn samples_of_before_belong_to_the_patient_before() {
    let house = House::new();
    let now = crate::acquisition::SystemClock::relation().monotonic;
    let mut info = crate::acquisition::queued_tests::info();
    info.start.monotonic = now;
    let script: Vec<_> = (0..5_000_u64)
        .map(|index| {
            Acquired::Sample(RawSample {
                index,
                // the first thousand are before what is asked, in the next second
                time: MonotonicNs(
                    now.0 - 1_998_000_000
                        + index * 2_000_000
                        + 600_000_000_000 * u64::from(index >= 1_000),
                ),
                codes: [0; 2],
                lead_off: LeadOff::default(),
            })
        })
        .collect();
    let mut source = Scripted::new(&house, &info, &script, &[(10, "Bed 5")]);
    let from = source.info().clone();
    let another = |start, label| {
        let from = SourceInfo {
            start,
            ..from.clone()
        };
        Ok(session(&from, Observed::new(None).0).of_patient(label))
    };
    let mut first = another(from.start, None).unwrap();
    first.another = Some(&another);
    let never = AtomicBool::new(false);
    let mut behind = Behind(&mut source);
    let outcome = house
        .gateway
        .run_session(&mut behind, first, &never, |_| {});
    assert!(outcome.ended.is_ok(), "{:?}", outcome.ended);
    house.gateway.close().unwrap();
    let reader = StoreReader::open(&house.folder.path().join("ecg.db")).unwrap();
    let samples: Vec<_> = reader
        .sessions(0, 9)
        .unwrap()
        .iter()
        .map(|session| session.counts.samples)
        .collect();
    assert_eq!(samples, [1_001, 3_999]);
}

struct Behind<'a>(&'a mut Scripted);

impl FrameSource for Behind<'_> {
    fn info(&self) -> &SourceInfo {
        self.0.info()
    }

    fn next(&mut self) -> Result<Option<Acquired>, AcquisitionError> {
        self.0.next()
    }

    fn pace(&mut self) -> Pace {
        Pace::Behind
    }
}
