//! The driver over simulated, recorded and missing chips.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use ads1292::simulator::{BoardOptions, SampleSource, SampleTime};
use ads1292::{ChipConfig, ChipModel, DataRate, Gain};
use ecg_chain::{ClockRelation, EventKind, GapCause, MonotonicNs, WallUs};
use proptest::prelude::*;
use wfdb_io::{AnnotationCode, Record, read_annotations};

use super::trace::{Compression, TraceEnd, TraceError, TraceReader};
use super::*;

/// A flag that nobody raises.
static GO_ON: AtomicBool = AtomicBool::new(false);

/// Trace bytes that stay in reach while a recorder writes them.
#[derive(Clone, Default)]
pub(super) struct Bytes(pub(super) Arc<Mutex<Vec<u8>>>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn session(start_by_pin: bool) -> Session {
    Session {
        start: ClockRelation {
            monotonic: MonotonicNs(7_000_000_000),
            wall: WallUs(1_700_000_000_000_000),
        },
        start_by_pin,
        leads: ["I".to_owned(), String::new()],
        description: "test".to_owned(),
    }
}

pub(super) fn board(faults: &str) -> BoardOptions {
    BoardOptions::new().faults(faults.parse().unwrap())
}

fn drain(source: &mut impl FrameSource) -> Result<Vec<Acquired>, AcquisitionError> {
    let mut all = Vec::new();
    while let Some(acquired) = source.next()? {
        all.push(acquired);
    }
    Ok(all)
}

/// Ten seconds of a ramp, 1 µV a millisecond, through the simulated chip, and the trace of it.
fn recorded(
    faults: &str,
    config: ChipConfig,
    start_by_pin: bool,
) -> (Result<Vec<Acquired>, AcquisitionError>, Vec<u8>) {
    let mut start_ns = None;
    let ramp = move |at: SampleTime| {
        let from_ns = at.time_ns - *start_ns.get_or_insert(at.time_ns);
        (from_ns < 10_000_000_000).then(|| [from_ns as f64 / 1e6, -5.0])
    };
    record_source(faults, config, start_by_pin, ramp)
}

/// A recorder that has begun, and where its trace goes.
pub(super) fn recording(config: &ChipConfig, session: &Session) -> (Recorder, Bytes) {
    let (recorder, bytes) = (Recorder::default(), Bytes::default());
    let set_up = (ChipModel::Ads1292, config);
    let sink = Box::new(bytes.clone());
    recorder
        .begin(sink, "t".into(), Compression::None, set_up, session)
        .unwrap();
    (recorder, bytes)
}

fn record_source(
    faults: &str,
    config: ChipConfig,
    start_by_pin: bool,
    source: impl SampleSource + Send + 'static,
) -> (Result<Vec<Acquired>, AcquisitionError>, Vec<u8>) {
    let (board, session) = (board(faults), session(start_by_pin));
    let (recorder, bytes) = recording(&config, &session);
    let result = open_simulated(&board, config, source, session, Some(&recorder))
        .and_then(|mut source| drain(&mut source));
    recorder.finish().unwrap();
    let bytes = bytes.0.lock().unwrap().clone();
    (result, bytes)
}

pub(super) fn replayed(
    bytes: &[u8],
) -> Result<(Vec<Acquired>, Option<TraceEnd>), AcquisitionError> {
    let (mut source, handle) = replay(Cursor::new(bytes.to_vec()), Path::new("t.ecgtrace"))?;
    let all = drain(&mut source)?;
    Ok((all, handle.end()))
}

#[test]
fn every_sample_has_its_index_time_and_code() {
    let (all, bytes) = recorded("", ChipConfig::default(), false);
    let all = all.unwrap();
    assert_eq!(all.len(), 5_000);
    let uv_per_code = ChipConfig::default().uv_per_code();
    let Acquired::Sample(first) = all[0] else {
        panic!("{:?}", all[0])
    };
    for (index, acquired) in (0..).zip(&all) {
        let Acquired::Sample(sample) = acquired else {
            panic!("{acquired:?}")
        };
        assert_eq!(sample.index, index);
        assert_eq!(sample.time, first.time.plus_ns(index * 2_000_000));
        let uv = f64::from(sample.codes[0]) * uv_per_code[0];
        assert!((uv - 2.0 * index as f64).abs() < 10.0, "{index}: {uv} µV");
        assert!(!sample.lead_off.any());
    }
    assert!(first.time > session(false).start.monotonic);

    let (mut source, _) = replay(Cursor::new(bytes), Path::new("t")).unwrap();
    let info = source.info().clone();
    assert_eq!(info.chip, ChipModel::Ads1292);
    assert_eq!(info.sample_rate_hz.to_bits(), 500.0_f64.to_bits());
    assert_eq!(
        info.uv_per_code.map(f64::to_bits),
        uv_per_code.map(f64::to_bits)
    );
    assert_eq!(info.start, session(false).start);
    assert_eq!(info.leads, session(false).leads);
    assert!(source.next().unwrap().is_some());
}

/// Scripts of faults, and what is to be seen of them.
const SCRIPTS: [(&str, &str); 5] = [
    ("", ""),
    (
        "at 2s missed-drdy\nat 3s missed-drdy for 7ms",
        "missed_drdy 1, missed_drdy 3 or 4",
    ),
    ("at 2s flip-bits 0,1", "bad_frame 1"),
    ("at 4s brown-out", "chip_restarted, chip_restart"),
    (
        "at 2s missed-drdy for 3s",
        "chip_restarted x n, chip_restart",
    ),
];

#[test]
fn gaps_are_exact_and_never_shift_what_follows() {
    let uv_per_code = ChipConfig::default().uv_per_code()[0];
    for (script, what) in SCRIPTS {
        let (all, _) = recorded(script, ChipConfig::default(), false);
        let all = all.unwrap_or_else(|error| panic!("{script}: {error}"));
        let (mut expected, mut missing, mut events) = (0, 0, 0);
        let mut causes = Vec::new();
        let mut first = None;
        for acquired in &all {
            match acquired {
                Acquired::Sample(sample) => {
                    assert_eq!(sample.index, expected, "{script}");
                    expected += 1;
                    let first = *first.get_or_insert(sample.time);
                    // The ramp tells the true time of every sample: 1 µV a millisecond.
                    let uv = f64::from(sample.codes[0]) * uv_per_code;
                    let index = sample.index as f64;
                    assert!(
                        (uv - 2.0 * index).abs() < 12.0,
                        "{script}: sample {index} has {uv} µV"
                    );
                    assert!(
                        sample.time.since(first).abs_diff(sample.index * 2_000_000) < 1_100_000
                    );
                }
                Acquired::Gap(gap) => {
                    assert_eq!(gap.first_missing_sample, expected, "{script}");
                    expected += gap.missing_samples;
                    missing += gap.missing_samples;
                    causes.push(gap.cause);
                    let due_ns = gap.first_missing_sample * 2_000_000;
                    assert!(
                        gap.time.since(first.unwrap()).abs_diff(due_ns) < 1_100_000,
                        "{script}"
                    );
                }
                Acquired::Event(event) => {
                    events += u32::from(event.kind == EventKind::ChipRestarted);
                }
                Acquired::Idle => {}
            }
        }
        assert!((4_990..=5_001).contains(&expected), "{script}: {expected}");
        match what {
            "" => assert_eq!((missing, events), (0, 0)),
            "bad_frame 1" => {
                assert_eq!((missing, events, causes), (1, 0, vec![GapCause::BadFrame]));
            }
            "missed_drdy 1, missed_drdy 3 or 4" => {
                assert_eq!((events, causes), (0, vec![GapCause::MissedDrdy; 2]));
                assert!((4..=5).contains(&missing), "{missing}");
            }
            _ => {
                assert!(events > 0 && !causes.is_empty(), "{script}");
                assert_eq!(causes.last(), Some(&GapCause::ChipRestart), "{script}");
                assert!(missing > 100, "{script}: {missing}");
            }
        }
    }
}

#[test]
fn a_replay_is_what_was_recorded() {
    let rates = [DataRate::Sps125, DataRate::Sps500, DataRate::Sps8000];
    for (script, _) in SCRIPTS {
        for rate in rates {
            for start_by_pin in [false, true] {
                let config = ChipConfig::default().with_rate(rate).with_gain(Gain::X12);
                let (all, bytes) = recorded(script, config, start_by_pin);
                let (again, end) = replayed(&bytes).unwrap();
                assert!(again == all.unwrap(), "{script} {rate:?} {start_by_pin}");
                assert!(matches!(end, Some(TraceEnd::Complete { .. })), "{end:?}");
            }
        }
    }
}

#[test]
fn a_recording_of_a_part_replays_to_its_end() {
    let (config, session) = (ChipConfig::default(), session(false));
    let (recorder, bytes) = recording(&config, &session);
    let heart = SyntheticEcg::new(60.0, None);
    let mut source = open_simulated(&board(""), config, heart, session, Some(&recorder)).unwrap();
    for _ in 0..1_000 {
        assert!(matches!(source.next(), Ok(Some(Acquired::Sample(_)))));
    }
    // As the `record` command ends: first the trace, then the chip.
    recorder.finish().unwrap();
    source.stop().unwrap();
    let (all, end) = replayed(&bytes.0.lock().unwrap()).unwrap();
    assert_eq!(all.len(), 1_000);
    assert!(matches!(end, Some(TraceEnd::Complete { .. })), "{end:?}");
}

#[test]
fn a_cut_trace_is_replayed_to_the_cut() {
    let (all, bytes) = recorded("", ChipConfig::default(), false);
    let all = all.unwrap();
    let cut = bytes.len() * 2 / 3;
    let (again, end) = replayed(&bytes[..cut]).unwrap();
    assert!(
        all.starts_with(&again) && again.len() > 3_000,
        "{}",
        again.len()
    );
    let Some(TraceEnd::Cut { offset, .. }) = end else {
        panic!("{end:?}")
    };
    assert_eq!(offset, cut as u64);
    // So early that no conversion has come.
    let error = replayed(&bytes[..200]).map(|_| ()).unwrap_err();
    assert!(
        matches!(
            error,
            AcquisitionError::Trace {
                source: TraceError::CutInSetUp { offset: 200 },
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_damaged_trace_gives_what_is_sound_and_then_an_error() {
    let (all, mut bytes) = recorded("", ChipConfig::default(), false);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    let (mut source, handle) = replay(Cursor::new(bytes), Path::new("t.ecgtrace")).unwrap();
    let mut good = Vec::new();
    let error = loop {
        match source.next() {
            Ok(Some(acquired)) => good.push(acquired),
            Ok(None) => panic!("the damage went unnoticed"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(
        error.starts_with("t.ecgtrace: damaged trace: at byte "),
        "{error}"
    );
    assert!(
        all.unwrap().starts_with(&good) && good.len() > 1_900,
        "{}",
        good.len()
    );
    assert!(matches!(handle.end(), Some(TraceEnd::Damaged { .. })));
}

/// `bytes` with other registers in the header.
fn with_header(bytes: &[u8], change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let length = 14 + usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
    change(&mut bytes[..length]);
    let crc = crc32fast::hash(&bytes[..length]);
    bytes[length..length + 4].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[test]
fn a_host_that_says_something_else_is_told_what_and_where() {
    let (_, bytes) = recorded("", ChipConfig::default(), false);
    for (what, address, byte, expected) in [
        (
            "CONFIG1 says 1000 SPS",
            1,
            0x03,
            "t.ecgtrace: event 11: the recorded host sent [41], sent [00], sent [02], this host sent [41], sent [00], sent [03]",
        ),
        ("a reserved rate", 1, 0x07, "t.ecgtrace: CONFIG1 = 0x07: "),
        (
            "a fixed bit",
            2,
            0x20,
            "t.ecgtrace: CONFIG2 = 0x20: fixed bits",
        ),
    ] {
        let changed = with_header(&bytes, |header| header[23 + address] = byte);
        let error = replayed(&changed).map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{what}: {error}");
    }
    // START is driven by opcode in the recording, by pin here.
    let changed = with_header(&bytes, |header| header[51] = 1);
    let error = replayed(&changed).map(|_| ()).unwrap_err().to_string();
    assert!(
        error.contains("the recorded host sent [08], this host sent [10]"),
        "{error}"
    );
}

#[test]
fn an_unknown_chip_is_named_live_and_in_replay() {
    let (all, bytes) = recorded("at 0s flip-register ID 0xc1", ChipConfig::default(), false);
    let live = all.unwrap_err().to_string();
    assert!(live.contains("0x92"), "{live}");
    let error = replayed(&bytes).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), live);
    assert!(
        matches!(&error, AcquisitionError::Chip(chip) if matches!(**chip, ads1292::Error::Id(_))),
        "{error:?}"
    );

    let (_, bytes) = recorded("", ChipConfig::default(), false);
    let other = with_header(&bytes, |header| header[14] = 0x92);
    let error = replayed(&other).map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        error,
        "t.ecgtrace: trace of a chip with ID 0x92, expected 0x53 (ADS1292) or 0x73 (ADS1292R)"
    );
}

#[test]
fn a_chip_that_stays_silent_ends_the_acquisition() {
    let heart = SyntheticEcg::new(60.0, Some(200.0));
    let script = "at 1s missed-drdy for 200s";
    let (all, bytes) = record_source(script, ChipConfig::default(), false, heart);
    let live = all.unwrap_err().to_string();
    assert_eq!(
        live,
        "no good frame after setting up the chip 20 times; last: DRDY silent for 250 ms"
    );
    assert_eq!(replayed(&bytes).map(|_| ()).unwrap_err().to_string(), live);
}

fn excerpt() -> RecordExcerpt {
    RecordExcerpt {
        record: Path::new(env!("CARGO_MANIFEST_DIR")).join("src/acquisition/testdata/119_20s"),
        signals: None,
        from_s: 2.0,
        to_s: Some(12.0),
    }
}

fn simulation(folder: &Path, compression: Compression) -> RecordSimulation {
    RecordSimulation {
        excerpt: excerpt(),
        annotator: "atr".to_owned(),
        config: ChipConfig::default(),
        board: BoardOptions::default(),
        wall_start: WallUs(0),
        attribution: "Moody and Mark 2001".to_owned(),
        trace_path: folder.join(match compression {
            Compression::None => "one.ecgtrace",
            Compression::Gzip => "one.ecgtrace.gz",
        }),
        compression,
    }
}

#[test]
fn a_record_goes_through_the_chip_into_a_trace_with_its_annotations() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = 0;
    let plain = simulation(folder.path(), Compression::None);
    let report = simulate_record(&plain, &GO_ON, |samples| told = samples).unwrap();
    assert_eq!(
        (report.samples, report.missing_samples, told),
        (5_000, 0, 5_000)
    );
    let packed = simulation(folder.path(), Compression::Gzip);
    let report = simulate_record(&packed, &GO_ON, |_| ()).unwrap();

    // The trace, plain and packed, is the record.
    let (mut source, handle) = open_replay(&plain.trace_path).unwrap();
    let all = drain(&mut source).unwrap();
    let (mut from_gzip, _) = open_replay(&packed.trace_path).unwrap();
    assert!(drain(&mut from_gzip).unwrap() == all);
    assert_eq!(source.info().leads, ["MLII", "V1"]);
    let description = &handle.header().session.description;
    assert!(
        description.starts_with("Simulated ADS1292 fed from WFDB record 119_20s, 2 s to 12 s, resampled from 360 Hz to 500 Hz.\nSeconds 60 to 80")
            && description.ends_with("\nMoody and Mark 2001"),
        "{description}"
    );
    let record = Record::open(&excerpt().record).unwrap();
    let mut reader = record.frames().unwrap();
    let mut frames = Vec::new();
    let mut frame = [0; 2];
    while reader.next_frame(&mut frame).unwrap() {
        frames.push(frame);
    }
    let uv_per_code = source.info().uv_per_code;
    // Every 25th sample at 500 SPS falls on an 18th of the record: there both agree but for what
    // the record holds above the pass band and the chip's noise.
    let mut squares = 0.0;
    for step in 0..200 {
        let Acquired::Sample(sample) = all[step * 25] else {
            panic!("sample {step}")
        };
        for channel in 0..2 {
            let uv = f64::from(sample.codes[channel]) * uv_per_code[channel];
            let expected = f64::from(frames[720 + step * 18][channel] - 1_024) * 5.0;
            squares += (uv - expected).powi(2);
        }
    }
    let rms_uv = (squares / 400.0).sqrt();
    assert!(rms_uv < 8.0, "{rms_uv} µV");

    // The annotations, at the chip's rate and from the excerpt's start.
    let at = |path: &Path| read_annotations(path).unwrap();
    let original = at(&record.file_with_ending("atr"));
    let written = at(&folder.path().join("one.atr"));
    assert_eq!(written.resolution_hz, Some(500.0));
    assert_eq!(report.annotations, Some(written.annotations.len()));
    let expected: Vec<_> = original
        .annotations
        .iter()
        .filter(|annotation| (720..4_320).contains(&annotation.sample))
        .map(|annotation| ((annotation.sample - 720) as f64 / 0.72, annotation.code))
        .collect();
    assert!(expected.len() > 8 && expected.len() == written.annotations.len());
    for (annotation, (sample, code)) in written.annotations.iter().zip(expected) {
        assert_eq!(annotation.code, code);
        assert!((annotation.sample as f64 - sample).abs() <= 0.5);
        assert!(annotation.code != AnnotationCode::NOT_QRS);
    }
    let header = wfdb_io::Header::read(&folder.path().join("one")).unwrap();
    assert_eq!(
        (header.rate_hz.to_bits(), header.frames),
        (500.0_f64.to_bits(), Some(5_000))
    );

    let plain_bytes = std::fs::metadata(&plain.trace_path).unwrap().len();
    assert_eq!(report.trace_bytes, plain_bytes);
    let gzip_bytes = std::fs::metadata(&packed.trace_path).unwrap().len();
    println!(
        "simulated: plain {} B/s, gzip {} B/s",
        plain_bytes / 10,
        gzip_bytes / 10
    );
    assert!(plain_bytes < 60_000 && gzip_bytes * 10 < plain_bytes * 9);
}

#[test]
fn excerpts_that_cannot_be_are_refused() {
    for (excerpt, expected) in [
        (
            RecordExcerpt {
                from_s: 5.0,
                to_s: Some(5.0),
                ..excerpt()
            },
            "excerpt from 5 s to 5 s, expected 0 <= from < to",
        ),
        (
            RecordExcerpt {
                from_s: f64::NAN,
                ..excerpt()
            },
            "excerpt from NaN s to 12 s, expected 0 <= from < to",
        ),
        (
            RecordExcerpt {
                signals: Some([0, 2]),
                ..excerpt()
            },
            "no signal 3, the record has 2 (counted from 1)",
        ),
    ] {
        let error = RecordSignal::open(excerpt, 500.0).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("r.hea"), "r 1 360\nr.dat 16 1/mmHg\n").unwrap();
    std::fs::write(folder.path().join("r.dat"), [0; 8]).unwrap();
    let record = folder.path().join("r");
    let error = RecordSignal::open(
        RecordExcerpt {
            record,
            ..excerpt()
        },
        500.0,
    );
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with("(one without a name is in `mmHg`, expected V, mV, uV or nV)"),
        "{error}"
    );
    let open = |header: &str, signals| {
        std::fs::write(folder.path().join("r.hea"), header).unwrap();
        let excerpt = RecordExcerpt {
            record: folder.path().join("r"),
            signals,
            from_s: 0.0,
            to_s: None,
        };
        RecordSignal::open(excerpt, 500.0).map(|signal| signal.leads())
    };
    for (header, signals, expected) in [
        (
            "r 1 360\nr.dat 16 1/mmHg\n",
            Some([0, 0]),
            "signal 1 is in `mmHg`, expected V, mV, uV or nV",
        ),
        (
            "r 1 1000000\nr.dat 16\n",
            None,
            "frequency is 1000000 Hz, expected 1 to 100000 Hz",
        ),
        (
            "r 1 0.001\nr.dat 16\n",
            None,
            "frequency is 0.001 Hz, expected 1 to 100000 Hz",
        ),
    ] {
        let error = open(header, signals).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }
    // The first two that are an ECG, in the record's order.
    let sleep = "r 4 360\nr.dat 16 1/uV 0 0 0 0 0 F3-M2\nr.dat 16 1/mV 0 0 0 0 0 V1\n\
                 r.dat 16 1/uV 0 0 0 0 0 EMG\nr.dat 16 1/mV 0 0 0 0 0 II\n";
    assert_eq!(open(sleep, None).unwrap(), ["V1", "II"]);
}

#[test]
fn a_record_that_breaks_off_stops_the_simulation_with_its_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("r.hea"), "r 1 360 7200\nr.dat 16 200\n").unwrap();
    std::fs::write(folder.path().join("r.dat"), [0; 2_000]).unwrap();
    let record = folder.path().join("r");
    let simulation = RecordSimulation {
        excerpt: RecordExcerpt {
            record,
            from_s: 0.0,
            ..excerpt()
        },
        ..simulation(folder.path(), Compression::None)
    };
    let error = simulate_record(&simulation, &GO_ON, |_| ())
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("signal file ends after 1000 of 7200 frames"),
        "{error}"
    );
    assert!(
        !simulation.trace_path.exists(),
        "a cut trace has the final name"
    );
}

#[test]
fn a_stopped_simulation_leaves_no_file_and_what_was_there_is_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let plain = simulation(folder.path(), Compression::None);
    std::fs::write(&plain.trace_path, "older").unwrap();
    let stop = AtomicBool::new(true);
    let error = simulate_record(&plain, &stop, |_| ()).unwrap_err();
    assert!(matches!(
        error,
        AcquisitionError::Stopped { samples: 4_096, .. }
    ));
    assert_eq!(std::fs::read(&plain.trace_path).unwrap(), b"older");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_synthetic_heart_beats_at_its_rate() {
    let source = SyntheticEcg::new(75.0, Some(8.0));
    let (all, _) = record_source("", ChipConfig::default(), false, source);
    let codes: Vec<_> = all
        .unwrap()
        .iter()
        .map(|acquired| match acquired {
            Acquired::Sample(sample) => sample.codes[0],
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes.len(), 4_000);
    // R peaks every 0.8 s from 0.4 s on: samples 200, 600, ...
    for (beat, rr) in codes.chunks_exact(400).enumerate() {
        let peak = (0..400).max_by_key(|&index| rr[index]).unwrap();
        assert!(peak.abs_diff(200) <= 1, "beat {beat} at {peak}");
    }
}

#[test]
fn a_tap_without_a_pin_records_nothing() {
    use embedded_hal::digital::OutputPin;
    let recorder = Recorder::default();
    let bytes = Bytes::default();
    let (config, session) = (ChipConfig::default(), session(false));
    let set_up = (ChipModel::Ads1292, &config);
    let sink = Box::new(bytes.clone());
    recorder
        .begin(
            sink,
            PathBuf::from("t"),
            Compression::None,
            set_up,
            &session,
        )
        .unwrap();
    let mut pin = RecordingPin::<ads1292::NoPin, _> {
        inner: None,
        which: trace::ControlPin::Start,
        clock: SystemClock,
        recorder: Some(recorder.clone()),
    };
    pin.set_high().unwrap();
    recorder.finish().unwrap();
    let mut reader = TraceReader::new(Cursor::new(bytes.0.lock().unwrap().clone())).unwrap();
    assert_eq!(reader.next_event().unwrap(), None);
    assert!(matches!(reader.end(), Some(TraceEnd::Complete { .. })));
}

#[test]
fn missing_devices_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let options = LiveOptions {
        spi_device: folder.path().join("spidev0.0"),
        spi_hz: 1_000_000,
        gpio_chip: folder.path().join("gpiochip0"),
        drdy_line: 24,
        start_line: None,
        reset_line: None,
        gpio_abi: None,
    };
    let open = |options: &LiveOptions| {
        open_live(
            options,
            ChipConfig::default(),
            session(false),
            None,
            |_, _| Ok(()),
        )
        .map(|_| ())
        .unwrap_err()
        .to_string()
    };
    let message = open(&options);
    let expected = format!(
        "{}: No such file or directory",
        options.spi_device.display()
    );
    assert!(message.starts_with(&expected), "{message}");
    // A file that is no SPI device.
    let message = open(&LiveOptions {
        spi_device: file.clone(),
        ..options
    });
    assert!(
        message.starts_with(&format!("{}: ", file.display())),
        "{message}"
    );
}

#[test]
fn the_system_clock_runs_with_the_kernels() {
    let before = SystemClock.now();
    let relation = SystemClock::relation();
    let after = SystemClock.now();
    assert!(before <= relation.monotonic && relation.monotonic <= after && before.0 > 0);
}

proptest! {
    #[test]
    fn no_trace_bytes_panic(records in prop::collection::vec(any::<u8>(), 0..300), keep in 0_usize..700) {
        // The set-up of a real trace, then anything.
        static TRACE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let trace = TRACE.get_or_init(|| recorded("", ChipConfig::default(), false).1);
        let mut bytes = trace[..keep].to_vec();
        bytes.extend(records);
        let _ = replayed(&bytes);
    }
}
