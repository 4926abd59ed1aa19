//! `ecg-gateway record`: the live chip into a trace.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use clap::Args;
use serde::Serialize;

use super::arguments::CONFIG_FILE;
use super::failure::Failure;
use super::simulate::{TraceFigures, compression};
use super::wait::stop_on_signals;
use super::{live, output, progress};
use crate::acquisition::trace::Compression;
use crate::acquisition::{
    Acquired, BackgroundFile, FrameSource, Recorder, background_file, open_live,
};
use crate::config::Config;

/// Record what the live chip and the driver say to each other into an SPI trace.
///
/// Nothing is detected or classified; `replay` does that later from the same bytes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Configuration file: wiring and chip set-up.
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    config: PathBuf,
    /// Trace to write; compressed if the name ends in .gz. An existing file is refused.
    #[arg(long, short, value_name = "TRACE")]
    out: PathBuf,
    /// Stop after this long [default: when interrupted].
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Summary {
    trace: PathBuf,
    #[serde(flatten)]
    figures: TraceFigures,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    let stop = stop_on_signals()?;
    let recorder = Recorder::default();
    let chip = config.acquisition.chip;
    let mut written = None;
    let source = open_live(
        &config.device.wiring,
        chip,
        live::session(&config),
        Some(&recorder),
        |model, session| {
            // Compressed and written by a thread of its own: the one that reads the chip must not
            // wait for the medium.
            let path = arguments.out.clone();
            let (sink, file) = background_file(path.clone(), compression(&path))?;
            written = Some(file);
            let plain = Compression::None;
            recorder.begin(Box::new(sink), path, plain, (model, &chip), session)
        },
    )
    .map_err(|error| Failure::from(error).naming_device(&config.device.wiring.spi_device))?
    .with_recovery_policy(live::care(&config));
    super::chip::require_chip(config.device.chip, source.info().chip, "the chip")?;
    let mut source = live::start(source, &config, &stop)?;
    let rate_hz = source.info().sample_rate_hz;
    let bar = progress::bar(0, "samples");
    bar.unset_length();
    let (mut frames, mut gaps, mut missing_samples) = (0_u64, 0_u64, 0_u64);
    let mut ended = Ok(());
    while !stop.load(Ordering::Relaxed)
        && arguments
            .seconds
            .is_none_or(|limit_s| (frames + missing_samples) as f64 / rate_hz < limit_s)
    {
        match source.next() {
            Ok(Some(Acquired::Sample(_))) => frames += 1,
            Ok(Some(Acquired::Gap(gap))) => {
                gaps += 1;
                missing_samples += gap.missing_samples;
            }
            Ok(Some(Acquired::Event(event))) => {
                tracing::info!(kind = event.kind.name(), "{}", event.detail);
            }
            Ok(Some(Acquired::Idle)) => {}
            Ok(None) => break,
            Err(error) => {
                ended = Err(Failure::from(error));
                break;
            }
        }
        bar.set_position(frames);
    }
    bar.finish_and_clear();
    // The trace ends before the chip is told to stop: a replay ends with the last frame.
    let source = source.finish();
    let finished = recorder.finish();
    let stopped = source.map_or(Ok(()), |mut source| source.close());
    let written = written.map_or(Ok(()), BackgroundFile::finish);
    // Why the file could not be written says more than that nothing more could be put into it.
    written?;
    finished?;
    let summary = Summary {
        trace: arguments.out.clone(),
        figures: TraceFigures::new(&arguments.out, [frames, gaps, missing_samples], rate_hz)?,
    };
    if arguments.json {
        output::json(&summary)?;
    } else {
        output::text_line(&format!(
            "{}: {frames} samples, {missing_samples} missing in {gaps} gaps, {} bytes",
            arguments.out.display(),
            summary.figures.bytes
        ))?;
    }
    let ended = ended.and(stopped.map_err(Failure::from));
    ended.map_err(|failure| failure.naming_device(&config.device.wiring.spi_device))
}
