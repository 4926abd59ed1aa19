//! The server over real sockets and real databases.

mod client;
mod clusters;
mod corrections;
mod documented;
mod ecg;
mod http;
mod intervals;
mod live;
mod outage;
mod patients;
mod queries;
mod questions;
mod saliency;
mod sockets;
mod streaming;
mod web;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use arrhythmianet::choose::{
    AdapterReport, CandidateState, EngineCandidate, EngineReport, Figures,
};
use arrhythmianet::explain::{Method, SaliencyMap, WaveShares};
use arrhythmianet::{BeatClass, Unclassifiable};
use ecg_chain::{
    BeatDetail, EcgBlock, Episode, Event, EventKind, Gap, GapCause, LabelledBeat, PipelineEvent,
    SessionInfo,
};
use ecg_chain::{ClockRelation, MonotonicNs, WallUs};
use ecg_signal::{SignalQuality, Wave, Waves};
use tempfile::TempDir;

use super::{AcquisitionStatus, ApiDeps, ApiOptions, ApiServer, SharedLiveStatus, StreamHub};
use crate::acquisition::{EdgeNumbers, RealtimeGranted, RingGauge};
use crate::store::{Outage, Store, StoreOptions, StoreWriter, Synchronous};

/// 2023-11-14T22:13:20Z.
const START_WALL_US: i64 = 1_700_000_000_000_000;

struct House {
    writer: StoreWriter,
    hub: StreamHub,
    live: SharedLiveStatus,
    server: ApiServer,
    info: SessionInfo,
    /// Raised when a client asked for a reload.
    reload: Arc<AtomicBool>,
    /// Dropped last: while the server runs, a folder that is gone signs every browser out.
    folder: TempDir,
}

impl House {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut ApiOptions)) -> Self {
        Self::open(change, |_| {})
    }

    fn with_store(change: impl FnOnce(&mut StoreOptions)) -> Self {
        Self::open(|_| {}, change)
    }

    /// As the daemon's: a damaged database is quarantined.
    fn bridging() -> Self {
        Self::with_store(|options| {
            options.outage = Outage::Bridge {
                longest: Duration::from_secs(60),
                most_bytes: 1 << 20,
            };
        })
    }

    /// An empty database, a writer and a server, with a session open.
    fn open(
        change: impl FnOnce(&mut ApiOptions),
        change_store: impl FnOnce(&mut StoreOptions),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("beats.db");
        let mut options = StoreOptions {
            synchronous: Synchronous::Off,
            commit_after: Duration::from_millis(5),
            ..StoreOptions::default()
        };
        change_store(&mut options);
        let store = Store::open(&database, options).unwrap();
        let hub = StreamHub::at(store.mark());
        let publisher = hub.clone();
        let writer = store
            .into_writer(move |commit| publisher.publish(commit))
            .unwrap();
        let info = SessionInfo {
            source: "simulation".to_owned(),
            origin: "100".to_owned(),
            chip: "ADS1292R".to_owned(),
            sample_rate_hz: 500.0,
            uv_per_code: [0.5, 0.5],
            leads: ["I".to_owned(), "II".to_owned()],
            mains: None,
            channel: None,
            patient_label: None,
            start: ClockRelation {
                monotonic: MonotonicNs(0),
                wall: WallUs(START_WALL_US),
            },
            model: "v1".to_owned(),
            engine: "cpu-reference".to_owned(),
        };
        writer.begin_session(&info).unwrap();
        let live = SharedLiveStatus::default();
        live.begin_session(&info, Some(1));
        let mut options = ApiOptions::at(folder.path().join("ecg.sock"));
        change(&mut options);
        let reload = Arc::new(AtomicBool::new(false));
        let deps = ApiDeps {
            database,
            hub: hub.clone(),
            live: live.clone(),
            writer: Some(writer.monitor()),
            reload: Some(Arc::clone(&reload)),
        };
        let server = ApiServer::bind(&options, deps).unwrap();
        Self {
            folder,
            writer,
            hub,
            live,
            server,
            info,
            reload,
        }
    }

    fn socket(&self) -> &Path {
        self.server.path()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn time(&self, sample: u64) -> MonotonicNs {
        self.info.start.monotonic.plus_ns(sample * 2_000_000)
    }

    /// A beat every 0.8 s, classes N L R A V in turn, every other V unclassifiable.
    fn beat(&self, k: u64) {
        let class = BeatClass::ALL[usize::try_from(k % 5).unwrap()];
        let mut probabilities = [0.01; 5];
        probabilities[class.index()] = 0.96;
        self.record(PipelineEvent::Beat(LabelledBeat {
            r_sample: 400 * (k + 1),
            r_time: self.time(400 * (k + 1)),
            rr_ms: (k > 0).then_some(800.0),
            class,
            unclassifiable: (k % 10 == 4).then_some(Unclassifiable::OutOfClass),
            probabilities,
            channel: 0,
            quality: SignalQuality::Good,
            window_complete: true,
            label_delay_ms: 600.0,
        }));
    }

    /// A map of the newest beat.
    fn detail(&self) {
        let wave = |onset_ms, end_ms| {
            Some(Wave {
                onset_ms,
                peak_ms: 0.0,
                end_ms: Some(end_ms),
            })
        };
        let shares = WaveShares {
            p: 0.1,
            qrs: 0.6,
            t: 0.2,
        };
        self.record(PipelineEvent::Detail(Box::new(BeatDetail {
            r_sample: 400,
            waves: Waves {
                p: wave(-200.0, -100.0),
                qrs: wave(-40.0, 44.0),
                t: wave(150.0, 380.0),
            },
            map: Some(SaliencyMap {
                method: Method::GradCam,
                class: BeatClass::N,
                channels: vec![vec![0.0, 1.0, 2.0, 4.0, 2.0, -1.0, 0.0, 0.5]],
                context: vec![0.25, -0.5],
                logit: 8.5,
                base: 0.25,
                samples: 128,
            }),
            shares: Some(shares),
            network_view: None,
        })));
    }

    fn gap(&self, first_missing_sample: u64) {
        self.record(PipelineEvent::Gap(Gap {
            first_missing_sample,
            missing_samples: 3,
            time: self.time(first_missing_sample),
            cause: GapCause::BadFrame,
        }));
    }

    fn event(&self, sample: u64) {
        self.record(PipelineEvent::Event(Event::momentary(
            sample,
            self.time(sample),
            EventKind::LeadOff,
            "electrode IN1P is off".to_owned(),
        )));
    }

    fn ecg(&self, first_sample: u64, samples: i32) {
        self.record(PipelineEvent::Ecg(EcgBlock {
            first_sample,
            first_time: self.time(first_sample),
            codes: (0..samples).map(|k| [k, -k]).collect(),
        }));
    }

    /// As the service does: what is live is told first.
    fn record(&self, event: PipelineEvent) {
        self.live.observe(&event);
        self.writer.record(event).unwrap();
    }

    /// Some of everything, committed.
    fn furnish(&self) {
        self.ecg(0, 4_000);
        for k in 0..9 {
            self.beat(k);
            if k == 0 {
                self.detail();
            }
        }
        self.gap(4_000);
        self.event(4_003);
        self.writer.flush().unwrap();
        self.live.update(|live| {
            live.engines = Some(engines());
            live.note(
                &Event::momentary(0, MonotonicNs(0), EventKind::DrdySilent, String::new())
                    .with_episode(Episode::Begins { subject: "chip" }),
            );
            live.acquisition = Some(AcquisitionStatus {
                granted: RealtimeGranted::default(),
                edge_numbers: EdgeNumbers::Reader,
                ring: RingGauge::default(),
            });
        });
    }
}

/// A CPU and a GPU that is only faster with backlogs.
fn engines() -> EngineReport {
    let figures = |single_ns, batch, batch_ns_per_beat| {
        Some(Figures {
            single_ns,
            batch,
            batch_ns_per_beat,
        })
    };
    EngineReport {
        asked: "auto",
        single: "cpu-neon".to_owned(),
        backlog: "gpu-vulkan".to_owned(),
        backlog_batch: 512,
        reason: "measured".to_owned(),
        losses: 1,
        candidates: vec![
            EngineCandidate {
                engine: "cpu-neon".to_owned(),
                state: CandidateState::InUse,
                detail: None,
                adapter: None,
                figures: figures(210_500, 64, 198_250),
            },
            EngineCandidate {
                engine: "gpu-vulkan".to_owned(),
                state: CandidateState::InUse,
                detail: None,
                adapter: Some(AdapterReport {
                    name: "V3D 7.1.7".to_owned(),
                    driver: "V3DV Mesa 26.0".to_owned(),
                    backend: "vulkan",
                    device_type: "integrated",
                }),
                figures: figures(900_000, 512, 150_000),
            },
        ],
    }
}

/// Waits for something another thread is about to bring about.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
