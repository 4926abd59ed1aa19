//! What `demo`, `replay` and `run` share: a source, a model and a gateway made into a session.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrhythmianet::choose::{
    AcceleratorSource, ChooseError, ChooseOptions, EngineChoice, Engines, SessionEngine,
};
use arrhythmianet::{InputDescription, Model};
use ecg_chain::{Injection, PipelineEvent};
use ecg_signal::{CONTEXT_VALUES, MODEL_RATE_HZ, R_INDEX, WINDOW_SAMPLES};

use super::failure::{Cause, Failure};
use crate::acquisition::trace::TraceEnd;
use crate::acquisition::{AcquisitionError, FrameSource, ReplayHandle};
use crate::service::{Gateway, SessionError, SessionOptions, SessionOutcome, SessionReport};

/// What the signal chain gives of a beat: the window, what differs in it from the usual beat, and
/// the rhythm.
fn chain_window() -> InputDescription {
    InputDescription {
        channels: 2,
        samples: WINDOW_SAMPLES,
        rate_hz: f64::from(MODEL_RATE_HZ),
        r_index: R_INDEX,
        context: CONTEXT_VALUES,
    }
}

/// A loaded model and its engines, one of which every session gets.
pub(super) struct LoadedModel {
    pub(super) model: Arc<Model>,
    pub(super) engines: Engines,
    /// When a device is to be lost, for demonstrations.
    pub(super) injection: Option<Arc<Injection>>,
}

impl LoadedModel {
    /// Loads a built-in model by name or weights from a path, and chooses its engines; `cause` is
    /// to blame where the one asked for is not there.
    pub(super) fn load(
        name_or_path: &str,
        choice: EngineChoice,
        cause: Cause,
    ) -> Result<Self, Failure> {
        let model = Model::load(name_or_path)?;
        model.description().require_window(&chain_window())?;
        let model = Arc::new(model);
        let engines = Engines::choose(
            Arc::clone(&model),
            choice,
            accelerators(choice),
            &ChooseOptions::default(),
        )
        .map_err(|error| match error {
            ChooseError::Weights(error) => {
                Failure::new(Cause::Weights, format!("{name_or_path}: {error}"))
            }
            error => Failure::new(cause, error),
        })?;
        let report = engines.report();
        tracing::info!(
            single = report.single,
            backlog = report.backlog,
            batch = report.backlog_batch,
            "{}",
            report.reason
        );
        for candidate in &report.candidates {
            let figures = candidate.figures;
            tracing::info!(
                engine = candidate.engine,
                state = candidate.state.name(),
                adapter = candidate.adapter.as_ref().map(ToString::to_string),
                single_ns = figures.map(|figures| figures.single_ns),
                batch = figures.map(|figures| figures.batch),
                batch_ns_per_beat = figures.map(|figures| figures.batch_ns_per_beat),
                detail = candidate.detail,
                "engine measured"
            );
        }
        Ok(Self {
            model,
            engines,
            injection: None,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.model.description().name
    }

    /// An engine for a recording.
    pub(super) fn engine(&self) -> SessionEngine {
        self.engines.session(true)
    }

    /// An engine for the chip's beats as they come.
    pub(super) fn live_engine(&self) -> SessionEngine {
        self.engines.session(false)
    }
}

#[cfg(feature = "gpu")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "there is none without the feature"
)]
fn accelerators(choice: EngineChoice) -> Option<Arc<dyn AcceleratorSource>> {
    Some(Arc::new(arrhythmianet::choose::Gpus::for_choice(choice)))
}

#[cfg(not(feature = "gpu"))]
fn accelerators(_choice: EngineChoice) -> Option<Arc<dyn AcceleratorSource>> {
    None
}

/// Runs a replayed trace into the gateway. A trace that is cut or damaged ends in a failure after
/// everything before the cut is stored; the report comes back either way.
pub(super) fn run_trace(
    gateway: &Gateway,
    (mut source, handle): (impl FrameSource, ReplayHandle),
    (path, options): (&Path, SessionOptions),
    model: &LoadedModel,
    stop: &AtomicBool,
    observe: impl FnMut(&PipelineEvent),
) -> Result<(SessionReport, Result<(), Failure>), Failure> {
    let origin = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    let mut session = options
        .prepare(("replay", &origin), source.info(), model.engine())
        .map_err(|error| Failure::from(error).at_path(path))?
        .injecting(model.injection.clone());
    let end_reason = || match handle.end() {
        Some(TraceEnd::Cut { .. }) => "truncated",
        _ => "completed",
    };
    session.end_reason = &end_reason;
    let SessionOutcome { report, ended } = gateway.run_session(&mut source, session, stop, observe);
    let beats: u64 = report.beats_by_class.iter().sum();
    let ended = ended
        .map_err(|error| match error {
            SessionError::Source(error) => trace_failure(path, error),
            SessionError::Label(error) => Failure::from(error).at_path(path),
            SessionError::Store(error) => error.into(),
        })
        .and_then(|()| match handle.end() {
            Some(TraceEnd::Cut { offset, readable }) => Err(Failure::new(
                Cause::TraceTruncated,
                format!(
                    "{}: the trace ends at byte {offset} without its end record; everything up to \
                 byte {readable} was read ({} samples, {} beats stored)",
                    path.display(),
                    report.samples,
                    beats
                ),
            )),
            None if stop.load(Ordering::Relaxed) => Err(Failure::new(
                Cause::Interrupted,
                format!(
                    "{}: interrupted by a signal after {} samples, {} beats stored",
                    path.display(),
                    report.samples,
                    beats
                ),
            )),
            _ => Ok(()),
        });
    Ok((report, ended))
}

/// A failure of the replayed trace at `path`. What the recorded chip did wrong the driver reports
/// without knowing of a file, so its name is added.
pub(super) fn trace_failure(path: &Path, error: AcquisitionError) -> Failure {
    let names_no_file = matches!(
        error,
        AcquisitionError::Chip(_) | AcquisitionError::ChipSilent { .. }
    );
    let mut failure = Failure::from(error);
    if names_no_file {
        failure.message = format!("{}: {}", path.display(), failure.message);
    }
    failure
}
