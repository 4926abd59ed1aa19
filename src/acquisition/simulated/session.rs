//! A record through the simulated chip into a trace and its annotations.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use ads1292::ChipConfig;
use ads1292::simulator::BoardOptions;
use ecg_chain::{ClockRelation, MonotonicNs, WallUs};
use ecg_files::WholeFile;
use wfdb_io::{Header, encode_annotations};

use super::super::error::AcquisitionError;
use super::super::recording::Recorder;
use super::super::source::{Acquired, FrameSource, Session};
use super::super::trace::Compression;
use super::board::open_simulated;
use super::record::{RecordExcerpt, RecordSignal, beside, describe};

/// What to simulate and where to write it.
#[derive(Debug, Clone)]
pub struct RecordSimulation {
    /// The signal.
    pub excerpt: RecordExcerpt,
    /// Ending of the annotations to carry over, usually `atr`.
    pub annotator: String,
    /// The chip's set-up.
    pub config: ChipConfig,
    /// The board, its faults included.
    pub board: BoardOptions,
    /// Wall clock at the start.
    pub wall_start: WallUs,
    /// Words for the trace's description, after what the simulation says itself: attribution,
    /// licence.
    pub attribution: String,
    /// The trace to write.
    pub trace_path: PathBuf,
    /// Whether the trace is wrapped in gzip.
    pub compression: Compression,
}

/// What a simulation wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulationReport {
    /// Samples acquired.
    pub samples: u64,
    /// Stretches of missing samples.
    pub gaps: u64,
    /// Samples missing in them (scripted faults).
    pub missing_samples: u64,
    /// Length of the trace before compression.
    pub trace_bytes: u64,
    /// Annotations written, where the record has any.
    pub annotations: Option<usize>,
    /// The files written: the trace, the WFDB header and the annotations.
    pub files: Vec<PathBuf>,
    /// What somebody who uses the trace should know, in sentences: trouble with the annotations,
    /// signals that nothing says are an ECG.
    pub notes: Vec<String>,
}

/// Runs a record through the simulated chip and the real driver into a trace. Beside it go the
/// record's annotations at the chip's rate, sample 0 being the trace's first sample, and a header
/// without signals that tells WFDB tools the rate. `progress` hears the samples acquired, now and
/// then. The files get their names when all of them are whole; raising `stop` ends the run without
/// them.
///
/// # Errors
/// [`AcquisitionError`]: the record, the chip's set-up, a file that cannot be written, or
/// [`AcquisitionError::Stopped`].
pub fn simulate_record(
    simulation: &RecordSimulation,
    stop: &AtomicBool,
    mut progress: impl FnMut(u64),
) -> Result<SimulationReport, AcquisitionError> {
    let path = &simulation.trace_path;
    let rate_hz = f64::from(simulation.config.rate.hz());
    let signal = RecordSignal::open(simulation.excerpt.clone(), rate_hz)?;
    let carried = signal.annotations(&simulation.annotator, rate_hz);
    let guess = signal.is_guess().then(|| {
        format!(
            "nothing says that the signals taken ({}) are an ECG: --signals names others",
            signal.leads().join(", ").trim_end_matches([',', ' '])
        )
    });
    let outputs = [
        path.clone(),
        beside(path, "hea"),
        beside(path, &simulation.annotator),
    ];
    if let Some(own) = outputs
        .into_iter()
        .find(|output| signal.record().owns(output, &simulation.annotator))
    {
        return Err(AcquisitionError::Signal {
            path: own,
            problem: "a file of the record itself, left untouched: write the trace elsewhere or \
                      under another name"
                .to_owned(),
        });
    }
    let failure = signal.failure();
    let mut description = describe(&signal, rate_hz);
    if !simulation.attribution.is_empty() {
        description.push('\n');
        description.push_str(&simulation.attribution);
    }
    let session = Session {
        start: ClockRelation {
            monotonic: MonotonicNs(0),
            wall: simulation.wall_start,
        },
        start_by_pin: false,
        leads: signal.leads(),
        description: description.clone(),
    };
    let trace = WholeFile::create(path).map_err(AcquisitionError::trace(path))?;
    let handle = trace.handle().map_err(AcquisitionError::trace(path))?;
    let recorder = Recorder::default();
    recorder.begin(
        Box::new(handle),
        path.clone(),
        simulation.compression,
        (simulation.board.model, &simulation.config),
        &session,
    )?;
    let board = &simulation.board;
    let mut source = open_simulated(board, simulation.config, signal, session, Some(&recorder))?;
    let (mut samples, mut gaps, mut missing_samples, mut end) = (0, 0, 0, 0);
    while let Some(acquired) = source.next()? {
        match acquired {
            Acquired::Sample(sample) => {
                samples += 1;
                end = sample.index + 1;
                if samples % 4_096 == 0 {
                    progress(samples);
                    if stop.load(Ordering::Relaxed) {
                        let path = path.clone();
                        return Err(AcquisitionError::Stopped { path, samples });
                    }
                }
            }
            Acquired::Gap(gap) => {
                gaps += 1;
                missing_samples += gap.missing_samples;
            }
            Acquired::Event(_) | Acquired::Idle => {}
        }
    }
    if let Some(error) = failure.replace(None) {
        return Err(error.into());
    }
    progress(samples);
    let mut report = SimulationReport {
        samples,
        gaps,
        missing_samples,
        trace_bytes: recorder.finish()?,
        annotations: carried.annotations.as_ref().map(Vec::len),
        files: Vec::new(),
        notes: carried.note.into_iter().chain(guess).collect(),
    };
    let mut files = vec![(path.clone(), trace)];
    let annotations_path = beside(path, &simulation.annotator);
    let encoded = carried
        .annotations
        .map(|annotations| encode_annotations(&annotations, Some(rate_hz), &annotations_path))
        .transpose();
    // What strangers annotated may be more than this crate writes (code 0, long texts): that never
    // costs the ECG.
    let encoded = encoded.unwrap_or_else(|error| {
        report.annotations = None;
        report.notes.push(error.to_string());
        None
    });
    if let Some(annotations) = encoded {
        let header = rate_header(path, rate_hz, end, &description).to_string();
        for (path, bytes) in [
            (beside(path, "hea"), header.into_bytes()),
            (annotations_path, annotations),
        ] {
            let mut file = WholeFile::create(&path).map_err(AcquisitionError::io(&path))?;
            file.write_all(&bytes)
                .map_err(AcquisitionError::io(&path))?;
            files.push((path, file));
        }
    }
    for (path, file) in files {
        file.finish().map_err(AcquisitionError::io(&path))?;
        report.files.push(path);
    }
    Ok(report)
}

/// A header without signals: annotation readers take the rate from it.
fn rate_header(path: &Path, rate_hz: f64, frames: u64, description: &str) -> Header {
    let path = beside(path, "hea");
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Header {
        frames: Some(frames),
        comments: description.lines().map(|line| format!(" {line}")).collect(),
        ..Header::new(&name, rate_hz)
    }
}
