//! What `demo`, `replay` and `run` share: a source, a model and a gateway made into a session.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failure::{Cause, Failure};
use crate::acquisition::trace::{TraceEnd, TraceError};
use crate::acquisition::{AcquisitionError, FrameSource, ReplayHandle, SourceInfo};
use crate::ads1292::{CODE_MAX, Error as ChipError};
use crate::api::SocketError;
use crate::model::choose::{AcceleratorSource, ChooseError, ChooseOptions, EngineChoice, Engines};
use crate::model::{Classifier, InputDescription, Model, ModelError, Rejection};
use crate::pipeline::{
    Details, Injection, LabelError, Pipeline, PipelineConfig, PipelineEvent, SessionInfo,
};
use crate::service::{Gateway, GatewayError, SessionError, SessionOutcome, SessionReport};
use crate::signal::{
    CONTEXT_VALUES, ChainConfig, ChannelChoice, MODEL_RATE_HZ, Mains, R_INDEX, SampleRate,
    SignalError, WINDOW_SAMPLES,
};
use crate::store::StoreError;

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
    pub(super) fn engine(&self) -> Box<dyn Classifier> {
        self.engines.classifier(true)
    }

    /// An engine for the chip's beats as they come.
    pub(super) fn live_engine(&self) -> Box<dyn Classifier> {
        self.engines.classifier(false)
    }
}

#[cfg(feature = "gpu")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "there is none without the feature"
)]
fn accelerators(choice: EngineChoice) -> Option<Arc<dyn AcceleratorSource>> {
    Some(Arc::new(crate::model::choose::Gpus::for_choice(choice)))
}

#[cfg(not(feature = "gpu"))]
fn accelerators(_choice: EngineChoice) -> Option<Arc<dyn AcceleratorSource>> {
    None
}

/// How the signal is to be treated; the rest comes from the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Treatment {
    pub(super) mains: Mains,
    pub(super) channel: ChannelChoice,
    pub(super) ecg_block_seconds: Option<f64>,
    pub(super) rejection: Rejection,
    pub(super) details: Details,
}

/// A pipeline that fits `source`.
pub(super) fn pipeline(
    source: &SourceInfo,
    treatment: Treatment,
    classifier: Box<dyn Classifier>,
) -> Result<Pipeline, Failure> {
    let config = PipelineConfig {
        chain: ChainConfig {
            mains: treatment.mains,
            channel: treatment.channel,
            full_scale_uv: source.uv_per_code.map(full_scale_uv),
            ..ChainConfig::new(SampleRate::from_hz(source.sample_rate_hz)?)
        },
        uv_per_code: source.uv_per_code,
        ecg_block_samples: treatment.ecg_block_seconds.map(|seconds| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at most 60 s of 8000 SPS, positive"
            )]
            let samples = (seconds * source.sample_rate_hz).round() as usize;
            samples
        }),
        rejection: treatment.rejection,
    };
    let mut pipeline = Pipeline::new(&config, classifier)?;
    pipeline.tell(treatment.details).map_err(LabelError::from)?;
    Ok(pipeline)
}

/// The converter's limit on both sides of zero.
fn full_scale_uv(uv_per_code: f64) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "a few volts at most")]
    let limit_uv = (f64::from(CODE_MAX) * uv_per_code) as f32;
    Some(limit_uv)
}

/// What the store keeps about a session.
pub(super) fn session_info(
    kind: &str,
    origin: &str,
    source: &SourceInfo,
    classifier: &dyn Classifier,
) -> SessionInfo {
    SessionInfo {
        source: kind.to_owned(),
        origin: origin.to_owned(),
        chip: source.chip.to_string(),
        sample_rate_hz: source.sample_rate_hz,
        uv_per_code: source.uv_per_code,
        leads: source.leads.clone(),
        start: source.start,
        model: classifier.model().description().name.clone(),
        engine: classifier.engine().to_owned(),
    }
}

/// Runs a replayed trace into the gateway. A trace that is cut or damaged ends in a failure after
/// everything before the cut is stored; the report comes back either way.
pub(super) fn run_trace(
    gateway: &Gateway,
    (mut source, handle): (impl FrameSource, ReplayHandle),
    (path, treatment): (&Path, Treatment),
    model: &LoadedModel,
    stop: &AtomicBool,
    observe: &mut impl FnMut(&PipelineEvent),
) -> Result<(SessionReport, Result<(), Failure>), Failure> {
    let classifier = model.engine();
    let origin = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    let info = session_info("replay", &origin, source.info(), &*classifier);
    let mut pipeline =
        pipeline(source.info(), treatment, classifier).map_err(|failure| failure.at_path(path))?;
    if let Some(injection) = &model.injection {
        pipeline.inject(Arc::clone(injection), info.start.monotonic);
    }
    let end_reason = || match handle.end() {
        Some(TraceEnd::Cut { .. }) => "truncated",
        _ => "completed",
    };
    let SessionOutcome { report, ended } = gateway.run_session(
        &mut source,
        &mut pipeline,
        &info,
        stop,
        &end_reason,
        observe,
    );
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
                    report.beats_by_class.iter().sum::<u64>()
                ),
            )),
            None if stop.load(Ordering::Relaxed) => Err(Failure::new(
                Cause::Interrupted,
                format!(
                    "{}: interrupted by a signal after {} samples, {} beats stored",
                    path.display(),
                    report.samples,
                    report.beats_by_class.iter().sum::<u64>()
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

impl From<AcquisitionError> for Failure {
    fn from(error: AcquisitionError) -> Self {
        let cause = match &error {
            AcquisitionError::Trace { source, .. } => match source {
                TraceError::UnknownChip { .. } => Cause::OtherChip,
                TraceError::CutInHeader { .. } | TraceError::CutInSetUp { .. } => {
                    Cause::TraceTruncated
                }
                TraceError::Io(_) => Cause::Other,
                _ => Cause::TraceDamaged,
            },
            AcquisitionError::SetUp { .. } | AcquisitionError::Replay { .. } => Cause::TraceDamaged,
            AcquisitionError::Chip(ChipError::Id(_)) => Cause::UnknownId,
            AcquisitionError::Device { .. }
            | AcquisitionError::Bus(_)
            | AcquisitionError::Chip(_)
            | AcquisitionError::ChipSilent { .. } => Cause::Device,
            AcquisitionError::Wfdb(_) | AcquisitionError::Signal { .. } => Cause::Wfdb,
            AcquisitionError::SourceEnded => Cause::TraceTruncated,
            AcquisitionError::Io { .. } => Cause::Other,
            AcquisitionError::Stopped { .. } => Cause::Interrupted,
        };
        Self::new(cause, error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let cause = match &error {
            StoreError::Locked { .. }
            | StoreError::InUse { .. }
            | StoreError::WriterStopped { locked: true, .. } => Cause::DatabaseLocked,
            _ => Cause::Database,
        };
        Self::new(cause, error)
    }
}

impl From<SocketError> for Failure {
    fn from(error: SocketError) -> Self {
        let cause = match &error {
            SocketError::InUse { .. } => Cause::SocketInUse,
            _ => Cause::Socket,
        };
        Self::new(cause, error)
    }
}

impl From<GatewayError> for Failure {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Store(error) => error.into(),
            GatewayError::Socket(error) => error.into(),
        }
    }
}

impl From<LabelError> for Failure {
    fn from(error: LabelError) -> Self {
        let cause = match &error {
            LabelError::Explain(_) => Cause::Usage,
            _ => Cause::Other,
        };
        Self::new(cause, error)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Source(error) => error.into(),
            SessionError::Store(error) => error.into(),
            SessionError::Label(error) => error.into(),
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::new(Cause::Weights, error)
    }
}

impl From<SignalError> for Failure {
    fn from(error: SignalError) -> Self {
        Self::new(Cause::Other, error)
    }
}

impl From<crate::wfdb::WfdbError> for Failure {
    fn from(error: crate::wfdb::WfdbError) -> Self {
        Self::new(Cause::Wfdb, error)
    }
}
