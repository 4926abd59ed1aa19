//! What a session is made of beside its source and its engine.

use std::sync::Arc;

use ads1292::full_scale_uv;
use arrhythmianet::choose::SessionEngine;
use arrhythmianet::{Classifier, Rejection};
use ecg_chain::{
    ClockRelation, Details, Injection, LabelError, Pipeline, PipelineConfig, SessionInfo,
};
use ecg_signal::{ChainConfig, ChannelChoice, Mains, SampleRate, SignalError};

use crate::acquisition::SourceInfo;

/// How the signal of a session is treated; the rest comes from its source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionOptions {
    /// Mains frequency to take out.
    pub mains: Mains,
    /// Channel that beats are taken from.
    pub channel: ChannelChoice,
    /// Seconds of raw ECG in a stored block, at most 60; `None` stores none.
    pub ecg_block_seconds: Option<f64>,
    /// When a beat is unclassifiable.
    pub rejection: Rejection,
    /// What is told of the beats beyond their labels.
    pub details: Details,
}

/// A session that is ready to run.
pub struct PreparedSession<'a> {
    /// What the store keeps about it.
    pub info: SessionInfo,
    /// Labels the beats.
    pub pipeline: Pipeline,
    /// How a source ended that ended by itself, e.g. `completed` or `truncated`.
    pub end_reason: &'a dyn Fn() -> &'static str,
    /// What makes a session of another patient over the same source, where it goes on for one.
    pub another: Option<&'a AnotherSession<'a>>,
}

/// Makes a session that begins at this relation of the clocks, of the patient who is called so. Nothing
/// that was learned of the one before is in its pipeline.
pub type AnotherSession<'a> =
    dyn Fn(ClockRelation, Option<String>) -> Result<PreparedSession<'static>, PipelineError> + 'a;

impl PreparedSession<'_> {
    /// The same session of the patient who is called so, if a name is given.
    #[must_use]
    pub fn of_patient(mut self, label: Option<String>) -> Self {
        self.info.patient_label = label;
        self
    }

    /// The same session that loses its accelerator as `injection` says, if there is one.
    #[must_use]
    pub fn injecting(mut self, injection: Option<Arc<Injection>>) -> Self {
        if let Some(injection) = injection {
            self.pipeline.inject(injection, self.info.start.monotonic);
        }
        self
    }
}

/// Why there is no pipeline for a source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The signal chain cannot work at the source's rate, or not with the chosen channel.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The network cannot be explained as the details ask.
    #[error(transparent)]
    Label(#[from] LabelError),
}

impl SessionOptions {
    /// A pipeline that fits `source`.
    ///
    /// # Errors
    /// [`PipelineError`].
    pub fn pipeline(
        &self,
        source: &SourceInfo,
        engine: impl Into<SessionEngine>,
    ) -> Result<Pipeline, PipelineError> {
        let chain = ChainConfig::new(SampleRate::from_hz(source.sample_rate_hz)?)
            .mains(self.mains)
            .channel(self.channel)
            .full_scale_uv(source.uv_per_code.map(|scale| Some(full_scale_uv(scale))));
        let block_samples = self.ecg_block_seconds.map(|seconds| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "at most 60 s of 8000 SPS, positive"
            )]
            let samples = (seconds * source.sample_rate_hz).round() as usize;
            samples
        });
        let config = PipelineConfig::new(chain, source.uv_per_code)
            .ecg_block_samples(block_samples)
            .rejection(self.rejection);
        let mut pipeline = Pipeline::new(&config, engine)?;
        pipeline
            .set_details(self.details)
            .map_err(LabelError::from)?;
        Ok(pipeline)
    }

    /// A session over `source`. `kind` is `live`, `replay` or `simulation`; `origin` the trace file, WFDB record or
    /// device node.
    ///
    /// # Errors
    /// [`PipelineError`].
    pub fn prepare(
        &self,
        (kind, origin): (&str, &str),
        source: &SourceInfo,
        engine: impl Into<SessionEngine>,
    ) -> Result<PreparedSession<'static>, PipelineError> {
        let engine = engine.into();
        Ok(PreparedSession {
            info: SessionInfo {
                source: kind.to_owned(),
                origin: origin.to_owned(),
                chip: source.chip.to_string(),
                sample_rate_hz: source.sample_rate_hz,
                uv_per_code: source.uv_per_code,
                leads: source.leads.clone(),
                mains: Some(self.mains),
                channel: Some(self.channel),
                patient_label: None,
                start: source.start,
                model: engine.model().description().name.clone(),
                engine: engine.engine().to_owned(),
            },
            pipeline: self.pipeline(source, engine)?,
            end_reason: &|| "completed",
            another: None,
        })
    }
}
