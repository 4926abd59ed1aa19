//! Engines that fail in every way, without a GPU.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::self_test::SelfTest;
use super::*;
use crate::{CLASS_COUNT, Classifier, ClassifyError, CpuSimd, Model, Outputs};

/// What goes wrong with every batch.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    None,
    Error,
    /// Until there is other trouble.
    Hang,
    NotANumber,
    /// Every logit is off by this much.
    Off(f32),
    /// The largest logit is too small by this much.
    Shaved(f32),
}

/// Accelerators that compute on the CPU and have trouble when told so.
struct Fakes {
    trouble: Mutex<Trouble>,
    made: AtomicUsize,
    delay_per_beat: Duration,
}

impl Fakes {
    fn with(trouble: Trouble) -> Arc<Self> {
        Arc::new(Self {
            trouble: Mutex::new(trouble),
            made: AtomicUsize::new(0),
            delay_per_beat: Duration::ZERO,
        })
    }

    fn set(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap() = trouble;
    }

    fn get(&self) -> Trouble {
        *self.trouble.lock().unwrap()
    }
}

struct Fake {
    inner: CpuSimd,
    source: Arc<Fakes>,
}

struct Handle(Arc<Fakes>);

impl AcceleratorSource for Handle {
    fn make(
        &self,
        model: Arc<Model>,
        max_batch: usize,
    ) -> Result<Box<dyn Accelerator>, Unavailable> {
        self.0.made.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Fake {
            inner: CpuSimd::new(model, max_batch),
            source: Arc::clone(&self.0),
        }))
    }
}

impl Classifier for Fake {
    fn engine(&self) -> &'static str {
        "gpu-fake"
    }

    fn model(&self) -> &Model {
        self.inner.model()
    }

    fn max_batch(&self) -> usize {
        self.inner.max_batch()
    }

    fn classify(&mut self, input: &[f32], outputs: &mut Outputs) -> Result<(), ClassifyError> {
        self.inner.classify(input, outputs)?;
        let beats = outputs.batch();
        let whole = self.source.delay_per_beat * u32::try_from(beats).unwrap();
        std::thread::sleep(whole);
        let error = || ClassifyError::Engine {
            engine: "gpu-fake".to_owned(),
            reason: "device lost".to_owned(),
        };
        match self.source.get() {
            Trouble::None => {}
            Trouble::Error => return Err(error()),
            Trouble::Hang => {
                while self.source.get() == Trouble::Hang {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            Trouble::NotANumber => outputs.set_logits(beats - 1, [f32::NAN; CLASS_COUNT]),
            Trouble::Off(by) => {
                for beat in 0..beats {
                    outputs.set_logits(beat, outputs.logits()[beat].map(|logit| logit + by));
                }
            }
            Trouble::Shaved(by) => {
                for beat in 0..beats {
                    let mut logits = outputs.logits()[beat];
                    logits[label(&logits)] -= by;
                    outputs.set_logits(beat, logits);
                }
            }
        }
        Ok(())
    }
}

impl Accelerator for Fake {
    fn adapter(&self) -> AdapterReport {
        AdapterReport {
            name: "Fake".to_owned(),
            driver: "1.0".to_owned(),
            backend: "vulkan",
            device_type: "discrete",
        }
    }
}

/// A machine with nothing but a software adapter.
struct SoftwareOnly;

impl AcceleratorSource for SoftwareOnly {
    fn make(&self, _: Arc<Model>, _: usize) -> Result<Box<dyn Accelerator>, Unavailable> {
        Err(Unavailable {
            reason: "computes on the CPU".to_owned(),
            no_device: true,
            others: vec![AdapterReport {
                name: "llvmpipe".to_owned(),
                driver: "Mesa".to_owned(),
                backend: "vulkan",
                device_type: AdapterReport::SOFTWARE,
            }],
        })
    }
}

fn label(logits: &[f32; CLASS_COUNT]) -> usize {
    (0..CLASS_COUNT)
        .max_by(|&a, &b| logits[a].total_cmp(&logits[b]))
        .unwrap()
}

fn model() -> Arc<Model> {
    Arc::new(Model::load("v2").unwrap())
}

/// How long something that is sure to come may take: an emulated processor is slow.
const SURE_TO_COME: Duration = Duration::from_secs(300);

fn options() -> ChooseOptions {
    ChooseOptions::new()
        .start_timeout(SURE_TO_COME)
        .pauses(Duration::from_millis(20), Duration::from_millis(40))
        .batch_grace(Duration::from_millis(100))
}

fn engines(choice: EngineChoice, fakes: &Arc<Fakes>) -> Result<Engines, ChooseError> {
    let source: Arc<dyn AcceleratorSource> = Arc::new(Handle(Arc::clone(fakes)));
    Engines::choose(model(), choice, Some(source), &options())
}

fn notices(engine: &mut SessionEngine) -> Vec<EngineNotice> {
    std::iter::from_fn(|| engine.notice()).collect()
}

/// The known beats, `count` of them.
fn beats(count: usize) -> Vec<f32> {
    let test = SelfTest::new(&model()).unwrap();
    let window = model().description().input.len();
    let values = test.windows().iter().copied().cycle();
    values.take(count * window).collect()
}

/// What the CPU says.
fn on_cpu(input: &[f32]) -> Vec<[f32; CLASS_COUNT]> {
    let mut outputs = Outputs::logits_only(model().description(), 512);
    CpuSimd::new(model(), 512)
        .classify(input, &mut outputs)
        .unwrap();
    outputs.logits().to_vec()
}

/// Classifies single beats until a notice comes; what came.
fn until_noticed(engine: &mut SessionEngine) -> Vec<EngineNotice> {
    let input = beats(1);
    let mut outputs = Outputs::logits_only(model().description(), 1);
    let began = Instant::now();
    loop {
        engine.classify(&input, &mut outputs).unwrap();
        assert_eq!(outputs.logits(), on_cpu(&input));
        let found = notices(engine);
        if !found.is_empty() {
            return found;
        }
        assert!(began.elapsed() < SURE_TO_COME, "no notice");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn whatever_goes_wrong_the_answers_are_the_cpus_and_one_notice_tells() {
    let input = beats(100);
    let expected = on_cpu(&input);
    let rows = [
        (Trouble::Error, LossCause::Driver, "device lost"),
        (Trouble::Hang, LossCause::TimeOut, "no answer within"),
        (Trouble::NotANumber, LossCause::WrongNumbers, "NaN"),
        (Trouble::Off(0.1), LossCause::WrongNumbers, "found"),
    ];
    for (trouble, cause, words) in rows {
        let fakes = Fakes::with(Trouble::None);
        let engines = engines(EngineChoice::Gpu, &fakes).unwrap();
        let mut engine = engines.session(true);
        let mut outputs = Outputs::logits_only(model().description(), 512);
        engine.classify(&input, &mut outputs).unwrap();
        assert_eq!(engine.engine(), "gpu-fake", "{trouble:?}");
        assert_eq!(notices(&mut engine), [], "{trouble:?}");

        fakes.set(trouble);
        for _ in 0..3 {
            engine.classify(&input, &mut outputs).unwrap();
            assert_eq!(outputs.logits(), expected, "{trouble:?}");
            assert!(engine.engine().starts_with("cpu-"), "{trouble:?}");
        }
        let told = notices(&mut engine);
        let [
            EngineNotice::Lost {
                cause: found,
                reason,
                beats_again: 100,
                ..
            },
            rest @ ..,
        ] = told.as_slice()
        else {
            panic!("{trouble:?}: {told:?}");
        };
        assert_eq!(*found, cause, "{trouble:?}");
        assert!(reason.contains(words), "{trouble:?}: {reason}");
        // A device that answers wrongly may have been tried again and refused meanwhile.
        let refused = |notice: &EngineNotice| matches!(notice, EngineNotice::Refused { .. });
        assert!(rest.iter().all(refused) && rest.len() <= 1, "{told:?}");
        assert_eq!(engines.report().losses, 1);
        assert_ne!(engines.report().single, "gpu-fake");
        if trouble == Trouble::Hang {
            std::thread::sleep(Duration::from_millis(100));
            engine.classify(&input, &mut outputs).unwrap();
            let made = fakes.made.load(Ordering::Relaxed);
            assert_eq!(made, 1, "tried again while the driver hangs");
        }

        fakes.set(Trouble::None);
        let mut told = until_noticed(&mut engine);
        told.retain(|notice| !refused(notice));
        if told.is_empty() {
            told = until_noticed(&mut engine);
        }
        assert!(
            matches!(told.as_slice(), [EngineNotice::Recovered { .. }]),
            "{trouble:?}: {told:?}"
        );
        engine.classify(&input, &mut outputs).unwrap();
        assert_eq!(engine.engine(), "gpu-fake", "{trouble:?}");
    }
}

#[test]
fn a_device_taken_away_on_purpose_is_a_lost_one() {
    let fakes = Fakes::with(Trouble::None);
    let engines = engines(EngineChoice::Gpu, &fakes).unwrap();
    let mut engine = engines.session(true);
    let input = beats(3);
    let mut outputs = Outputs::new(model().description(), 3);
    engine.inject_faults().lose_device();
    engine.classify(&input, &mut outputs).unwrap();
    assert_eq!(outputs.logits(), on_cpu(&input));
    let told = notices(&mut engine);
    assert!(
        matches!(
            told.as_slice(),
            [EngineNotice::Lost { cause: LossCause::Driver, reason, .. }]
                if reason.starts_with("device lost")
        ),
        "{told:?}"
    );
    let told = until_noticed(&mut engine);
    assert!(
        matches!(told[0], EngineNotice::Recovered { .. }),
        "{told:?}"
    );
    engine.classify(&input, &mut outputs).unwrap();
    assert_eq!(engine.engine(), "gpu-fake");
    let map = outputs.feature_maps(2).unwrap();
    assert!(map.iter().any(|value| *value > 0.0), "no feature maps");
}

#[test]
fn a_device_is_taken_away_from_the_session_that_asked_for_it() {
    let fakes = Fakes::with(Trouble::None);
    let engines = engines(EngineChoice::Gpu, &fakes).unwrap();
    let input = beats(3);
    let mut outputs = Outputs::logits_only(model().description(), 3);
    // One that ends before it has a batch, and one whose batch comes later than another session's.
    let left_pending = engines.session(true).inject_faults();
    left_pending.lose_device();
    let [mut losing, mut other] = [(); 2].map(|()| engines.session(true));
    // Two that have handles, too: a fault left pending waits for whoever looks for one.
    let (fault, _) = (losing.inject_faults(), other.inject_faults());
    fault.lose_device();
    other.classify(&input, &mut outputs).unwrap();
    assert_eq!(other.engine(), "gpu-fake");
    assert_eq!(notices(&mut other), []);
    losing.classify(&input, &mut outputs).unwrap();
    assert_eq!(outputs.logits(), on_cpu(&input));
    assert_eq!(notices(&mut losing).len(), 1);
    assert_eq!(engines.report().losses, 1);
}

#[test]
fn wrong_numbers_at_the_start_keep_an_engine_out() {
    let fakes = Fakes::with(Trouble::Off(0.1));
    let error = engines(EngineChoice::Gpu, &fakes).unwrap_err().to_string();
    assert!(error.contains("self-check failed"), "{error}");

    let engines = engines(EngineChoice::Auto, &fakes).unwrap();
    let states: Vec<_> = engines
        .report()
        .candidates
        .iter()
        .map(|candidate| candidate.state)
        .collect();
    assert_eq!(states, [CandidateState::InUse, CandidateState::Refused]);
    let mut engine = engines.session(false);
    let told = until_noticed(&mut engine);
    assert!(
        matches!(told.as_slice(), [EngineNotice::Refused { engine, .. }] if engine == "gpu-fake"),
        "{told:?}"
    );
    fakes.set(Trouble::None);
    let told = until_noticed(&mut engine);
    assert!(
        matches!(told.as_slice(), [EngineNotice::Recovered { .. }]),
        "{told:?}"
    );
}

#[test]
fn a_label_does_not_depend_on_the_engine() {
    // Between a normal beat and a ventricular one there is one that rounding decides.
    let known = beats(8);
    let window = known.len() / 8;
    let (mut from, mut to) = (
        known[..window].to_vec(),
        known[4 * window..5 * window].to_vec(),
    );
    let first = label(&on_cpu(&from)[0]);
    assert_ne!(first, label(&on_cpu(&to)[0]));
    for _ in 0..40 {
        let middle: Vec<f32> = from.iter().zip(&to).map(|(a, b)| (a + b) / 2.0).collect();
        if label(&on_cpu(&middle)[0]) == first {
            from = middle;
        } else {
            to = middle;
        }
    }
    let fakes = Fakes::with(Trouble::Shaved(9e-4));
    let engines = engines(EngineChoice::Gpu, &fakes).unwrap();
    let mut engine = engines.session(false);
    let mut outputs = Outputs::logits_only(model().description(), 1);
    for input in [&from, &to] {
        let expected = on_cpu(input);
        let mut shaved = expected[0];
        shaved[label(&shaved)] -= 9e-4;
        assert_ne!(
            label(&shaved),
            label(&expected[0]),
            "not close: shows nothing"
        );
        engine.classify(input, &mut outputs).unwrap();
        assert_eq!(engine.engine(), "gpu-fake");
        assert_eq!(label(&outputs.logits()[0]), label(&expected[0]));
    }
}

#[test]
fn auto_takes_no_slower_engine_and_no_software() {
    // The fake computes on the CPU, too: its delay has to stand out of what a beat takes there.
    let (began, input) = (Instant::now(), beats(64));
    on_cpu(&input);
    let slow = Arc::new(Fakes {
        trouble: Mutex::new(Trouble::None),
        made: AtomicUsize::new(0),
        delay_per_beat: (10 * began.elapsed() / 64).max(Duration::from_micros(500)),
    });
    let cpu = best_name();
    for (source, state) in [
        (
            Arc::new(Handle(slow)) as Arc<dyn AcceleratorSource>,
            CandidateState::Slower,
        ),
        (Arc::new(SoftwareOnly), CandidateState::Software),
    ] {
        let chosen = Engines::choose(model(), EngineChoice::Auto, Some(source), &options());
        let report = chosen.unwrap().report();
        assert_eq!((&report.single, &report.backlog), (&cpu, &cpu));
        assert_eq!(report.candidates[1].state, state);
        assert!(report.candidates[1].adapter.is_some());
        assert!(report.reason.contains(&cpu), "{}", report.reason);
    }
    let none = Engines::choose(model(), EngineChoice::Auto, None, &options()).unwrap();
    assert_eq!(none.report().candidates[1].state, CandidateState::Absent);
    let source: Arc<dyn AcceleratorSource> = Arc::new(SoftwareOnly);
    for source in [None, Some(source)] {
        let asked = Engines::choose(model(), EngineChoice::Gpu, source, &options());
        assert!(matches!(asked, Err(ChooseError::Gpu { .. })), "{asked:?}");
    }
}

fn best_name() -> String {
    CpuSimd::new(model(), 1).engine().to_owned()
}
