//! One session: a source, the pipeline and the store put together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrhythmianet::CLASS_COUNT;
use ecg_chain::{
    ClockRelation, ClockWatch, Episode, Event, EventKind, Gap, GapCause, LabelError, MonotonicNs,
    Pipeline, PipelineEvent, RawSample, SessionInfo,
};

use super::clock::ClockSource;
use super::opening::{AnotherSession, PreparedSession};
use crate::acquisition::{Acquired, AcquisitionError, CHIP, FrameSource, Pace};
use crate::api::{ServiceState, SharedLiveStatus, WaveformTap};
use crate::store::{StoreError, StoreWriter};

/// The live status is brought up to date once in this much signal time.
const LIVE_STATUS_EVERY_NS: u64 = 200_000_000;

/// While the pipeline catches up with a live source, no beat waits longer for others to be
/// classified with it.
const LONGEST_PENDING: Duration = Duration::from_millis(250);

/// The wall clock is compared with the monotonic one this often, in signal time.
const CHECK_CLOCK_EVERY_NS: u64 = 500_000_000;

/// How long a stopped session goes on storing what a live source had acquired by then.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// End reason of a session after which another patient's begins.
const NEW_PATIENT: &str = "new_patient";

/// What a session has recorded, together with those that followed it over the same source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionReport {
    /// The last one's row in the store; `None` if it could not be opened, or not at once.
    pub session: Option<i64>,
    /// Beats by class, in the order N L R A V.
    pub beats_by_class: [u64; CLASS_COUNT],
    /// Beats among them that are unclassifiable.
    pub unclassifiable: u64,
    /// Samples received.
    pub samples: u64,
    /// Gaps.
    pub gaps: u64,
    /// Samples missing in the gaps.
    pub missing_samples: u64,
    /// Those of them whose frames came and were bad.
    pub bad_frames: u64,
    /// Events.
    pub events: u64,
    /// Signal time from the first sample to the last, missing ones included, seconds.
    pub seconds_of_ecg: f64,
}

impl SessionReport {
    /// Both together.
    fn followed_by(mut self, later: &Self) -> Self {
        self.session = later.session;
        for (beats, more) in self.beats_by_class.iter_mut().zip(later.beats_by_class) {
            *beats += more;
        }
        self.unclassifiable += later.unclassifiable;
        self.samples += later.samples;
        self.gaps += later.gaps;
        self.missing_samples = self.missing_samples.saturating_add(later.missing_samples);
        self.bad_frames += later.bad_frames;
        self.events += later.events;
        self.seconds_of_ecg += later.seconds_of_ecg;
        self
    }
}

/// Why a session ended before its source did.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The source failed. What came before is stored.
    #[error(transparent)]
    Source(#[from] AcquisitionError),
    /// The engine failed.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A session's report, and how it ended.
#[derive(Debug)]
pub struct SessionOutcome {
    /// What was recorded.
    pub report: SessionReport,
    /// `Ok` if the source ended or the session was stopped.
    pub ended: Result<(), SessionError>,
}

/// A running session: what it works with and what it counts.
pub(super) struct Session<'a, O> {
    pub(super) writer: &'a StoreWriter,
    pub(super) live: &'a SharedLiveStatus,
    pub(super) stop: &'a AtomicBool,
    pub(super) info: SessionInfo,
    /// How the source ended, asked once it has.
    pub(super) end_reason: &'a dyn Fn() -> &'static str,
    /// What makes the session of another patient, where the source goes on for one.
    pub(super) another: Option<&'a AnotherSession<'a>>,
    /// Both clocks of the machine, where they are watched.
    pub(super) clock: Option<&'a ClockSource>,
    /// How they stood to each other the last time.
    pub(super) watch: ClockWatch,
    /// Sees every event on its way to the store.
    pub(super) observe: O,
    pub(super) progress: Progress,
    /// The source's index of this session's first sample.
    pub(super) first_of_source: u64,
    /// What the source says lasts: it begins again in the session of the next patient.
    pub(super) lasting: Vec<Event>,
}

/// What the running session counts.
#[derive(Default)]
pub(super) struct Progress {
    report: SessionReport,
    first_index: Option<u64>,
    newest: Option<(u64, MonotonicNs)>,
    live_after_ns: u64,
    recovering: bool,
    /// Passes samples on to whoever watches; none where a recording is read as fast as it goes.
    tap: Option<WaveformTap>,
    engine_changed: bool,
    pending_since: Option<Instant>,
    /// When to compare the clocks again.
    check_after_ns: u64,
    store_failure: Option<StoreError>,
}

impl<O: FnMut(&PipelineEvent)> Session<'_, O> {
    pub(super) fn run(
        mut self,
        source: &mut impl FrameSource,
        pipeline: &mut Pipeline,
    ) -> SessionOutcome {
        let mut report = SessionReport::default();
        let ended = loop {
            let recorded = self.record(source, pipeline);
            report = report.followed_by(&self.report());
            match recorded {
                Ok(Some(another)) => self.go_on(*another, pipeline),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.live.patient().allow(false);
        SessionOutcome { report, ended }
    }

    /// Makes this the session of another patient, from the next sample of the source on.
    fn go_on(&mut self, another: PreparedSession<'_>, pipeline: &mut Pipeline) {
        if let Some((newest, _)) = self.progress.newest {
            self.first_of_source += newest + 1;
        }
        self.watch = ClockWatch::new(another.info.start);
        self.info = another.info;
        self.progress = Progress::default();
        *pipeline = another.pipeline;
    }

    /// Records one patient; the session of the next one, where that is how it ends.
    fn record(
        &mut self,
        source: &mut impl FrameSource,
        pipeline: &mut Pipeline,
    ) -> Result<Option<Box<PreparedSession<'static>>>, SessionError> {
        self.progress.report.session = self.writer.begin_session(&self.info)?;
        self.live.update(|live| {
            live.state = ServiceState::Recording;
            live.detail = None;
            live.conditions.clear();
            live.lead_off = None;
            live.signal_quality = None;
            live.model = Some(self.info.model.clone());
            live.engine = Some(self.info.engine.clone());
        });
        self.live
            .begin_session(&self.info, self.progress.report.session);
        self.show_engines(pipeline);
        if source.pace() != Pace::Recorded {
            if self.another.is_some() && self.live.patient().asked().is_none() {
                self.live.patient().allow(true);
            }
            let rate_hz = self.info.sample_rate_hz;
            self.progress.tap = Some(self.live.waveform_tap(rate_hz, self.clock.is_some()));
        }
        let ran = self.pump(source, pipeline);
        let reason = match &ran {
            Err(_) => "failed",
            Ok(Some(_)) => NEW_PATIENT,
            Ok(None) if self.stop.load(Ordering::Relaxed) => "stopped",
            Ok(None) => (self.end_reason)(),
        };
        let newest = self.progress.newest;
        let end = newest.map_or(self.info.start.monotonic, |(_, time)| time);
        let at = ClockRelation {
            monotonic: end,
            wall: self.watch.relation().wall_at(end),
        };
        self.show_live();
        self.live.end_session();
        let closed = self.writer.end_session(at, reason);
        // The first failure tells why; a store that cannot close the session is the second.
        let another = ran?;
        closed?;
        Ok(another)
    }

    /// The session of another patient, if it is time for one. What had been acquired before it was asked for
    /// belongs to the one before. While the store cannot be written there is none: the end of this one
    /// could not be stored.
    fn another_patient(
        &self,
        source: &mut impl FrameSource,
    ) -> Option<Box<PreparedSession<'static>>> {
        let another = self.another?;
        let asked = self.live.patient().asked()?;
        let newest = self.progress.newest.map(|(_, time)| time);
        if source.pace() == Pace::Behind && newest.is_none_or(|time| time < asked) {
            return None;
        }
        if self.writer.monitor().status().trouble.is_some() {
            return None;
        }
        let label = self.live.patient().take_request()?;
        let start = newest.map_or(self.info.start.monotonic, |time| {
            time.plus_ns(self.period_ns())
        });
        let start = ClockRelation {
            monotonic: start,
            wall: self.watch.relation().wall_at(start),
        };
        match another(start, label) {
            Ok(prepared) => Some(Box::new(prepared)),
            Err(error) => {
                tracing::error!(%error, "no session of another patient: the one before goes on");
                None
            }
        }
    }

    /// Between two samples.
    fn period_ns(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most 8 ms"
        )]
        let period_ns = (1e9 / self.info.sample_rate_hz) as u64;
        period_ns
    }

    /// Moves everything the source has through the pipeline, or all before another patient; pending beats are
    /// labelled and queued also when the source fails.
    fn pump(
        &mut self,
        source: &mut impl FrameSource,
        pipeline: &mut Pipeline,
    ) -> Result<Option<Box<PreparedSession<'static>>>, SessionError> {
        let mut stopped_at = None;
        let ended = self.begin_lasting(pipeline).and_then(|()| {
            loop {
                if self.stop.load(Ordering::Relaxed) {
                    let since = *stopped_at.get_or_insert_with(Instant::now);
                    if source.pace() == Pace::Recorded || since.elapsed() > DRAIN_TIME {
                        break Ok(None);
                    }
                } else if let Some(another) = self.another_patient(source) {
                    break Ok(Some(another));
                }
                match self.step(source, pipeline) {
                    Ok(true) => {}
                    Ok(false) => break Ok(None),
                    Err(error) => break Err(error),
                }
            }
        });
        let finished = pipeline.finish(&mut |event| self.record_event(event));
        self.show_engines_if_changed(pipeline);
        let stored = self.progress.store_failure.take().map_or(Ok(()), Err);
        // The first failure tells why.
        let another = ended?;
        finished?;
        stored?;
        Ok(another)
    }

    /// What lasted when the session before ended begins in this one, at its start.
    fn begin_lasting(&mut self, pipeline: &mut Pipeline) -> Result<(), SessionError> {
        for event in &mut self.lasting {
            (event.sample, event.time) = (0, self.info.start.monotonic);
        }
        for event in self.lasting.clone() {
            pipeline.event(event, &mut |event| self.record_event(event))?;
        }
        Ok(())
    }

    /// What the source has handed out, with this session's positions.
    fn placed(&mut self, acquired: Acquired) -> Acquired {
        let first = self.first_of_source;
        match acquired {
            Acquired::Sample(sample) => Acquired::Sample(RawSample {
                index: sample.index.saturating_sub(first),
                ..sample
            }),
            Acquired::Gap(gap) => Acquired::Gap(Gap {
                first_missing_sample: gap.first_missing_sample.saturating_sub(first),
                ..gap
            }),
            Acquired::Event(mut event) => {
                event.sample = event.sample.saturating_sub(first);
                match &mut event.episode {
                    Episode::Begins { .. } => self.lasting.push(event.clone()),
                    Episode::Ends {
                        subject,
                        began_sample,
                        began,
                    } => {
                        let over = |lasts: &Event| {
                            lasts.kind == event.kind
                                && matches!(lasts.episode, Episode::Begins { subject: of } if of == *subject)
                        };
                        self.lasting.retain(|lasts| !over(lasts));
                        *began_sample = began_sample.saturating_sub(first);
                        *began = (*began).max(self.info.start.monotonic);
                    }
                    // What neither begins nor ends anything.
                    _ => {}
                }
                Acquired::Event(event)
            }
            Acquired::Idle => Acquired::Idle,
        }
    }

    /// Moves one thing through the pipeline; false where the source has ended.
    fn step(
        &mut self,
        source: &mut impl FrameSource,
        pipeline: &mut Pipeline,
    ) -> Result<bool, SessionError> {
        if !pipeline.has_pending_beats() {
            self.progress.pending_since = None;
        } else if self.is_time_to_label(source.pace()) {
            self.progress.pending_since = None;
            pipeline.label_pending(&mut |event| self.record_event(event))?;
        }
        self.check_clock();
        let Some(acquired) = source.next()? else {
            return Ok(false);
        };
        let acquired = self.placed(acquired);
        match &acquired {
            Acquired::Sample(sample) => {
                self.count(sample, pipeline);
                if let Some(tap) = &mut self.progress.tap {
                    tap.sample(sample);
                }
            }
            Acquired::Gap(gap) => {
                if let Some(tap) = &mut self.progress.tap {
                    tap.gap(gap.time);
                }
            }
            Acquired::Event(_) | Acquired::Idle => {}
        }
        let mut sink = |event: PipelineEvent| self.record_event(event);
        match acquired {
            Acquired::Sample(sample) => pipeline.push(&sample, &mut sink)?,
            Acquired::Gap(gap) => pipeline.gap(&gap, &mut sink)?,
            Acquired::Event(event) => pipeline.event(event, &mut sink)?,
            Acquired::Idle => {}
        }
        self.show_engines_if_changed(pipeline);
        match self.progress.store_failure.take() {
            Some(failure) => Err(failure.into()),
            None => Ok(true),
        }
    }

    /// Twice a second of signal at most: a step is stored before the samples that come after it.
    fn check_clock(&mut self) {
        let Some(clock) = self.clock else { return };
        let newest = self
            .progress
            .newest
            .map_or(MonotonicNs(0), |(_, time)| time);
        if newest.0 < self.progress.check_after_ns {
            return;
        }
        self.progress.check_after_ns = newest.0.saturating_add(CHECK_CLOCK_EVERY_NS);
        let now = clock.now();
        let Some(step_us) = self.watch.update(now) else {
            return;
        };
        let (sample, time) = self
            .progress
            .newest
            .unwrap_or((0, self.info.start.monotonic));
        self.record_event(PipelineEvent::Clock {
            relation: now,
            step_us,
        });
        let direction = if step_us < 0 { "back" } else { "forward" };
        let detail = format!(
            "the wall clock went {direction} by {:.3} s",
            step_us.unsigned_abs() as f64 / 1e6
        );
        let event = Event::momentary(sample, time, EventKind::ClockStepped, detail);
        self.record_event(PipelineEvent::Event(event));
    }

    /// Whether pending beats have waited long enough for others to be classified with.
    fn is_time_to_label(&mut self, pace: Pace) -> bool {
        match pace {
            Pace::Recorded => false,
            Pace::Live => true,
            Pace::Behind => {
                let since = *self.progress.pending_since.get_or_insert_with(Instant::now);
                since.elapsed() > LONGEST_PENDING
            }
        }
    }

    fn show_engines_if_changed(&mut self, pipeline: &Pipeline) {
        if std::mem::take(&mut self.progress.engine_changed) {
            self.show_engines(pipeline);
        }
    }

    fn show_engines(&self, pipeline: &Pipeline) {
        let report = pipeline.engine_report();
        self.live.update(|live| {
            live.engine_reason = report.as_ref().map(|report| report.reason.clone());
            live.engines = report;
        });
    }

    fn count(&mut self, sample: &RawSample, pipeline: &Pipeline) {
        self.progress.report.samples += 1;
        self.progress.first_index.get_or_insert(sample.index);
        self.progress.newest = Some((sample.index, sample.time));
        if std::mem::take(&mut self.progress.recovering) {
            self.live.update(|live| {
                live.state = ServiceState::Recording;
                live.detail = None;
            });
        }
        if sample.time.0 >= self.progress.live_after_ns {
            self.progress.live_after_ns = sample.time.0.saturating_add(LIVE_STATUS_EVERY_NS);
            self.show_live();
            self.live.update(|live| {
                live.lead_off = Some(sample.lead_off.channels());
                live.signal_quality = Some(pipeline.signal_quality());
            });
        }
    }

    fn show_live(&self) {
        self.live.update(|live| {
            live.samples_received = self.progress.report.samples;
            let (position, newest) = self.progress.newest.unzip();
            if newest != live.newest_sample {
                live.newest_received = Some(Instant::now());
            }
            live.newest_sample = newest;
            live.newest_position = position.unwrap_or(0);
        });
    }

    fn record_event(&mut self, event: PipelineEvent) {
        match &event {
            PipelineEvent::Beat(beat) => {
                let report = &mut self.progress.report;
                report.beats_by_class[beat.class.index()] += 1;
                report.unclassifiable += u64::from(beat.unclassifiable.is_some());
            }
            PipelineEvent::Gap(gap) => {
                let report = &mut self.progress.report;
                report.gaps += 1;
                report.missing_samples = report.missing_samples.saturating_add(gap.missing_samples);
                if gap.cause == GapCause::BadFrame {
                    report.bad_frames += gap.missing_samples;
                }
                tracing::warn!(
                    first_missing_sample = gap.first_missing_sample,
                    missing_samples = gap.missing_samples,
                    cause = gap.cause.name(),
                    "samples are missing"
                );
            }
            PipelineEvent::Event(event) => {
                self.progress.report.events += 1;
                self.progress.engine_changed |= matches!(
                    event.kind,
                    EventKind::EngineLost | EventKind::EngineRecovered | EventKind::EngineRefused
                );
                let chip = matches!(event.episode, Episode::Begins { subject: CHIP });
                let chip = chip
                    || matches!(
                        event.kind,
                        EventKind::ChipRestarted | EventKind::RestartFailed
                    );
                self.progress.recovering |= chip;
                if chip {
                    self.live.update(|live| {
                        live.state = ServiceState::Recovering;
                        live.detail = Some(event.detail.clone());
                    });
                }
                tracing::info!(
                    kind = event.kind.name(),
                    sample = event.sample,
                    "{}",
                    event.detail
                );
            }
            PipelineEvent::Engine(_) => self.progress.engine_changed = true,
            _ => {}
        }
        if !matches!(event, PipelineEvent::Ecg(_) | PipelineEvent::Detail(_)) {
            self.live.observe(&event);
        }
        (self.observe)(&event);
        if let Err(error) = self.writer.record(event) {
            self.progress.store_failure.get_or_insert(error);
        }
    }

    fn report(&self) -> SessionReport {
        let progress = &self.progress;
        let mut report = progress.report.clone();
        if let (Some(first), Some((newest, _))) = (progress.first_index, progress.newest) {
            report.seconds_of_ecg = (newest - first + 1) as f64 / self.info.sample_rate_hz;
        }
        report
    }
}
