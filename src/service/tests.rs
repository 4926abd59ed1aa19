//! Sessions with a store, without a socket.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrhythmianet::{Classifier, ClassifyError, CpuSimd, Model, Outputs};
use ecg_chain::{
    ClockRelation, LeadOff, MonotonicNs, Pipeline, PipelineConfig, PipelineEvent, RawSample,
    SessionInfo, WallUs,
};
use ecg_signal::{ChainConfig, SampleRate};

use super::{Gateway, GatewayOptions, PreparedSession, SessionError, SessionOutcome};
use crate::acquisition::{
    Acquired, AcquisitionError, FrameSource, Pace, QueuedSource, Realtime, SourceInfo, open_replay,
};
use crate::store::{StoreOptions, StoreReader};

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
        let from = source.info().clone();
        let chain = ChainConfig::new(SampleRate::from_hz(from.sample_rate_hz).unwrap());
        let config = PipelineConfig::new(chain, from.uv_per_code).ecg_block_samples(Some(1_000));
        let info = SessionInfo {
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
        };
        let session = PreparedSession {
            info,
            pipeline: Pipeline::new(&config, classifier).unwrap(),
            end_reason: &|| "completed",
            another: None,
        };
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
