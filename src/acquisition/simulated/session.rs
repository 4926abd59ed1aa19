//! A record through the simulated chip into a trace and its annotations.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::ads1292::ChipConfig;
use crate::ads1292::simulator::BoardOptions;
use crate::time::{ClockRelation, MonotonicNs, WallUs};
use crate::wfdb::{Header, write_annotations};

use super::super::trace::{Compression, TraceError};
use super::super::{Acquired, AcquisitionError, FrameSource, Recorder, Session};
use super::open_simulated;
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
}

/// Runs a record through the simulated chip and the real driver into a trace. Beside it go the
/// record's annotations at the chip's rate, sample 0 being the trace's first sample, and a header
/// without signals that tells WFDB tools the rate. `progress` hears the samples acquired, now and
/// then.
///
/// # Errors
/// [`AcquisitionError`]: the record, the chip's set-up, or a file that cannot be written.
pub fn simulate_record(
    simulation: &RecordSimulation,
    mut progress: impl FnMut(u64),
) -> Result<SimulationReport, AcquisitionError> {
    let path = &simulation.trace_path;
    let rate_hz = f64::from(simulation.config.rate.hz());
    let signal = RecordSignal::open(simulation.excerpt.clone(), rate_hz)?;
    let annotations = signal.annotations(&simulation.annotator, rate_hz)?;
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
    let file = File::create(path).map_err(|error| AcquisitionError::Trace {
        path: path.clone(),
        source: TraceError::Io(error),
    })?;
    let recorder = Recorder::new();
    recorder.begin(
        Box::new(file),
        path.clone(),
        simulation.compression,
        (simulation.board.model, &simulation.config),
        &session,
    )?;
    let board = &simulation.board;
    let mut source = open_simulated(board, simulation.config, signal, session, &recorder)?;
    let (mut samples, mut gaps, mut missing_samples, mut end) = (0, 0, 0, 0);
    while let Some(acquired) = source.next()? {
        match acquired {
            Acquired::Sample(sample) => {
                samples += 1;
                end = sample.index + 1;
                if samples % 4_096 == 0 {
                    progress(samples);
                }
            }
            Acquired::Gap(gap) => {
                gaps += 1;
                missing_samples += gap.missing_samples;
            }
            Acquired::Event(_) | Acquired::Idle => {}
        }
    }
    if let Some(error) = failure.take() {
        return Err(error.into());
    }
    progress(samples);
    let mut report = SimulationReport {
        samples,
        gaps,
        missing_samples,
        trace_bytes: recorder.finish()?,
        annotations: annotations.as_ref().map(Vec::len),
        files: vec![path.clone()],
    };
    if let Some(annotations) = annotations {
        let header_path = beside(path, "hea");
        write_rate_header(&header_path, rate_hz, end, &description)?;
        let annotations_path = beside(path, &simulation.annotator);
        write_annotations(&annotations_path, &annotations, Some(rate_hz))?;
        report.files.extend([header_path, annotations_path]);
    }
    Ok(report)
}

/// A header without signals: annotation readers take the rate from it.
fn write_rate_header(
    path: &Path,
    rate_hz: f64,
    frames: u64,
    description: &str,
) -> Result<(), AcquisitionError> {
    let name = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    let header = Header {
        segments: Vec::new(),
        name: name.unwrap_or_default(),
        rate_hz,
        counter_hz: None,
        base_counter: None,
        frames: Some(frames),
        base_time: None,
        base_date: None,
        signals: Vec::new(),
        comments: description.lines().map(|line| format!(" {line}")).collect(),
    };
    std::fs::write(path, header.to_string()).map_err(|source| AcquisitionError::Io {
        path: path.to_owned(),
        source,
    })
}
