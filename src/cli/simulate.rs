//! `ecg-gateway simulate`: a WFDB record through the simulated chip into a trace.

use std::path::{Path, PathBuf};

use ads1292::ChipModel;
use ads1292::simulator::{BoardOptions, FaultScript};
use clap::Args;
use ecg_chain::WallUs;
use serde::Serialize;

use super::arguments::signal_number;
use super::failure::{Cause, Failure, other};
use super::injection;
use super::simulated::fault_script;
use super::terminal::printable;
use super::wait::stop_on_signals;
use super::{chip, output, progress};
use crate::acquisition::trace::Compression;
use crate::acquisition::{RecordExcerpt, RecordSimulation, simulate_record};

/// Feed a WFDB record to the simulated chip, read it with the real driver and write the SPI trace,
/// with the record's annotations beside it.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// WFDB record, with or without .hea.
    record: PathBuf,
    /// Trace to write; compressed if the name ends in .gz.
    #[arg(long, short, value_name = "TRACE")]
    out: PathBuf,
    /// Start in the record, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    from: f64,
    /// End in the record, seconds [default: its end].
    #[arg(long, value_name = "SECONDS")]
    to: Option<f64>,
    /// Signals for channel 1 and 2, counted from 1 [default: the first two that are an ECG].
    #[arg(long, value_name = "N,N", value_parser = signal_pair)]
    signals: Option<[usize; 2]>,
    /// Samples per second of the chip.
    #[arg(long, value_name = "SPS", default_value_t = 500)]
    rate: u32,
    /// Gain of both channels.
    #[arg(long, default_value_t = 6)]
    gain: u8,
    /// The part to simulate.
    #[arg(long, value_enum, default_value = "ads1292r")]
    chip: ChipModel,
    /// Script of faults, one a line: `at 2.5s lead-off in2n for 1s`.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Ending of the annotations to carry over.
    #[arg(long, value_name = "EXT", default_value = "atr")]
    annotator: String,
    /// Words for the trace's description: attribution, licence.
    #[arg(long, default_value = "")]
    attribution: String,
    /// Wall-clock start, RFC 3339 [default: now].
    #[arg(long, value_name = "TIME")]
    wall_start: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary {
    trace: PathBuf,
    annotations: Option<usize>,
    files: Vec<PathBuf>,
    #[serde(flatten)]
    figures: TraceFigures,
    notes: Vec<String>,
}

/// What is in a trace that was written.
#[derive(Serialize)]
pub(super) struct TraceFigures {
    pub(super) frames: u64,
    pub(super) gaps: u64,
    pub(super) missing_samples: u64,
    pub(super) bytes: u64,
    seconds_of_ecg: f64,
    bytes_per_second: f64,
}

impl TraceFigures {
    pub(super) fn new(
        path: &Path,
        [frames, gaps, missing_samples]: [u64; 3],
        rate_hz: f64,
    ) -> Result<Self, Failure> {
        let file = std::fs::metadata(path).map_err(|error| other(path.display(), error))?;
        let seconds_of_ecg = (frames + missing_samples) as f64 / rate_hz;
        Ok(Self {
            frames,
            gaps,
            missing_samples,
            bytes: file.len(),
            seconds_of_ecg,
            bytes_per_second: file.len() as f64 / seconds_of_ecg,
        })
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let simulation = RecordSimulation {
        excerpt: RecordExcerpt {
            record: arguments.record.clone(),
            signals: arguments.signals,
            from_s: arguments.from,
            to_s: arguments.to,
        },
        annotator: arguments.annotator.clone(),
        config: chip::config(arguments.rate, arguments.gain)?,
        board: BoardOptions::new()
            .model(arguments.chip)
            .faults(chip_faults(arguments)?),
        wall_start: wall_start(arguments)?,
        attribution: arguments.attribution.clone(),
        trace_path: arguments.out.clone(),
        compression: compression(&arguments.out),
    };
    let stop = stop_on_signals()?;
    let bar = progress::bar(0, "samples");
    bar.unset_length();
    let report = simulate_record(&simulation, &stop, |samples| bar.set_position(samples));
    bar.finish_and_clear();
    let report = report?;
    let counts = [report.samples, report.gaps, report.missing_samples];
    let figures = TraceFigures::new(&arguments.out, counts, arguments.rate.into())?;
    let summary = Summary {
        trace: arguments.out.clone(),
        annotations: report.annotations,
        files: report.files,
        figures,
        notes: report.notes,
    };
    if arguments.json {
        return output::json(&summary);
    }
    output::text_line(&format!(
        "{}: {:.1} s of ECG, {} samples, {} missing, {} bytes ({:.0} a second)",
        arguments.out.display(),
        summary.figures.seconds_of_ecg,
        summary.figures.frames,
        summary.figures.missing_samples,
        summary.figures.bytes,
        summary.figures.bytes_per_second
    ))?;
    for file in summary.files.iter().filter(|file| **file != arguments.out) {
        output::text_line(&format!("{}", file.display()))?;
    }
    for note in &summary.notes {
        output::text_line(&printable(&format!("Note: {note}.")))?;
    }
    Ok(())
}

/// The script's faults; those of the host have no place in a trace.
fn chip_faults(arguments: &Arguments) -> Result<FaultScript, Failure> {
    let script = fault_script(arguments.faults.as_deref())?;
    if injection::scripted_ns(&script).is_some() {
        return Err(Failure::new(
            Cause::Configuration,
            "gpu-lost happens to the host and a trace holds what the chip does: give it to \
             `replay --inject` or `run --simulated`",
        ));
    }
    Ok(script)
}

/// gzip for names that say so.
pub(super) fn compression(path: &Path) -> Compression {
    if path.extension().is_some_and(|extension| extension == "gz") {
        Compression::Gzip
    } else {
        Compression::None
    }
}

/// `1,2`: a signal for each channel.
fn signal_pair(text: &str) -> Result<[usize; 2], String> {
    let expected = || "expected two signal numbers such as 1,2".to_owned();
    let (first, second) = text.split_once(',').ok_or_else(expected)?;
    let place = |word| signal_number(word).map_err(|problem| problem.unwrap_or_else(expected));
    Ok([place(first)?, place(second)?])
}

fn wall_start(arguments: &Arguments) -> Result<WallUs, Failure> {
    match &arguments.wall_start {
        None => Ok(WallUs::now()),
        Some(text) => WallUs::from_rfc3339(text).ok_or_else(|| {
            Failure::new(
                Cause::Usage,
                format!(
                    "--wall-start: found {text}, expected RFC 3339 such as 2026-11-22T18:00:00Z"
                ),
            )
        }),
    }
}
