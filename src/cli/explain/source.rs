//! Where the beats come from.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrhythmianet::choose::EngineChoice;
use arrhythmianet::explain::{Explainer, WaveShares};
use arrhythmianet::{BeatClass, Rejection};
use ecg_chain::{BeatDetail, Details, LabelledBeat, PipelineEvent};
use ecg_evaluate::{RecordSettings, lead_names, mitdb_record, record_names, run_record};
use ecg_signal::{ChannelChoice, Mains};
use wfdb_io::Record;

use super::arguments::Arguments;
use super::collect::{Collected, Explained};
use crate::acquisition::trace::TraceEnd;
use crate::acquisition::{Acquired, FrameSource, open_replay};
use crate::cli::arguments::SHIPPED_MAINS;
use crate::cli::failure::{Cause, Failure};
use crate::cli::output;
use crate::cli::session::{LoadedModel, trace_failure};
use crate::cli::traces::DEMO_TRACES;
use crate::reprocess::{BeatExplainError, BeatExplainer};
use crate::service::SessionOptions;
use crate::store::{RowFilter, StoreReader, StoredBeat};

/// Beats read from a database at a time.
const PAGE: u32 = 500;

/// Everything about the beats that explaining needs.
const DETAILS: Details = Details::new().waves(true).network_view(true);

/// Fills `into`; a signal that raises `stop` ends it with [`Cause::Interrupted`].
pub(super) fn collect(
    arguments: &Arguments,
    stop: &Arc<AtomicBool>,
    into: &mut Collected,
) -> Result<(), Failure> {
    if let Some(path) = &arguments.db {
        return database(arguments, stop, path, into).map_err(|failure| failure.at_path(path));
    }
    let model = LoadedModel::load(&arguments.model, EngineChoice::Cpu, Cause::Usage)?;
    let mut explainer = Explainer::new(Arc::clone(&model.model));
    explainer
        .require(into.method)
        .map_err(|error| Failure::new(Cause::Usage, error))?;
    model.name().clone_into(&mut into.model);
    let session = Session {
        arguments,
        model: &model,
        stop,
    };
    for path in &arguments.traces {
        let name = path.display().to_string();
        let explained = open_replay(path)
            .map_err(|error| trace_failure(path, error))
            .and_then(|(source, handle)| {
                warn(model.stranger_warning_for_source(source.info(), &format!("that of {name}")));
                let mains = arguments.mains.unwrap_or_default();
                session.trace(mains, &mut explainer, (source, &name), into)?;
                match handle.end() {
                    Some(TraceEnd::Cut { offset, .. }) => Err(Failure::new(
                        Cause::TraceTruncated,
                        format!("{name}: the trace ends at byte {offset} without its end record"),
                    )),
                    _ => Ok(()),
                }
            });
        session.settle(
            &name,
            explained.map_err(|failure| failure.at_path(path)),
            into,
        )?;
    }
    if arguments.demo {
        for demo in DEMO_TRACES {
            let (source, _) = demo.open()?;
            let mains = arguments.mains.unwrap_or(SHIPPED_MAINS);
            let explained = session.trace(mains, &mut explainer, (source, demo.name), into);
            session.settle(demo.name, explained, into)?;
        }
    }
    for path in records(&arguments.record)? {
        let name = path.display().to_string();
        let explained = session.record(&mut explainer, &path, into);
        session.settle(&name, explained, into)?;
    }
    Ok(())
}

/// What explaining the beats of traces and records takes.
struct Session<'a> {
    arguments: &'a Arguments,
    model: &'a LoadedModel,
    stop: &'a Arc<AtomicBool>,
}

impl Session<'_> {
    /// Keeps a source's own failure, so that the others are explained; a signal ends the command.
    fn settle(
        &self,
        name: &str,
        explained: Result<(), Failure>,
        into: &mut Collected,
    ) -> Result<(), Failure> {
        match explained {
            _ if self.stop.load(Ordering::Relaxed) => Err(Failure::new(
                Cause::Interrupted,
                format!("{name}: interrupted by a signal, nothing is explained"),
            )),
            Err(failure) => {
                into.sources_failed.push((name.to_owned(), failure));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn record(
        &self,
        explainer: &mut Explainer,
        path: &Path,
        into: &mut Collected,
    ) -> Result<(), Failure> {
        let record = Record::open(path)?;
        if record.header().signals.is_empty() {
            let name = path.display().to_string();
            into.skipped.push((name, "it has no signals"));
            return Ok(());
        }
        let header = record.header();
        if mitdb_record(&header.name, header.rate_hz, &lead_names(header)).is_none() {
            let whose = format!("that of {}", path.display());
            warn(self.model.stranger_warning(&whose));
        }
        let settings = RecordSettings::new()
            .mains(self.arguments.mains.unwrap_or(Mains::Hz60))
            .details(DETAILS)
            .stop(Arc::clone(self.stop));
        let run = run_record(&record, settings, self.model.engine())?;
        if record.header().ecg_signals().is_ok_and(|ecg| ecg.guessed) {
            into.notes.push(format!(
                "{}: nothing says that the signals taken are an ECG",
                path.display()
            ));
        }
        let name = &record.header().name;
        for (beat, detail) in run.beats.iter().zip(&run.details) {
            // `settle` tells of it.
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let seconds = beat.r_sample as f64 / run.rate_hz;
            add(explainer, beat, detail, (name, seconds), into)?;
        }
        Ok(())
    }

    fn trace(
        &self,
        mains: Mains,
        explainer: &mut Explainer,
        (mut source, name): (impl FrameSource, &str),
        into: &mut Collected,
    ) -> Result<(), Failure> {
        let options = SessionOptions {
            mains,
            channel: ChannelChoice::Auto,
            ecg_block_seconds: None,
            rejection: Rejection::default(),
            details: DETAILS,
        };
        let rate_hz = source.info().sample_rate_hz;
        let mut pipeline = options.pipeline(source.info(), self.model.engine())?;
        let mut beat = None;
        let mut explained = Ok(());
        let mut sink = |event| match event {
            PipelineEvent::Beat(labelled) => beat = Some(labelled),
            PipelineEvent::Detail(detail) => {
                if let Some(beat) = beat.take() {
                    let seconds = beat.r_sample as f64 / rate_hz;
                    let added = add(explainer, &beat, &detail, (name, seconds), into);
                    if explained.is_ok() {
                        explained = added;
                    }
                }
            }
            _ => {}
        };
        while let Some(acquired) = source.next()? {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            match acquired {
                Acquired::Sample(sample) => pipeline.push(&sample, &mut sink)?,
                Acquired::Gap(gap) => pipeline.gap(&gap, &mut sink)?,
                Acquired::Event(event) => pipeline.event(event, &mut sink)?,
                Acquired::Idle => {}
            }
        }
        pipeline.finish(&mut sink)?;
        explained
    }
}

fn warn(warning: Option<String>) {
    if let Some(warning) = warning {
        output::warn(&warning);
    }
}

/// Paths of the records asked for; of a directory, of all of its database.
fn records(asked: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::new();
    for path in asked {
        if path.is_dir() {
            let names = record_names(path)?;
            paths.extend(names.iter().map(|name| path.join(name)));
        } else {
            paths.push(path.clone());
        }
    }
    Ok(paths)
}

fn add(
    explainer: &mut Explainer,
    beat: &LabelledBeat,
    detail: &BeatDetail,
    (name, seconds): (&str, f64),
    into: &mut Collected,
) -> Result<(), Failure> {
    let Some(seen) = &detail.network_view else {
        return Ok(());
    };
    let class = into.class.unwrap_or(beat.class);
    let map = explainer
        .explain(into.method, &seen.input, class)
        .map_err(|error| Failure::new(Cause::Other, error))?;
    into.add(Explained {
        origin: format!("{name}, R at {seconds:.3} s"),
        id: None,
        beat: beat.clone(),
        shares: WaveShares::new(&map, detail.waves.ranges()),
        waves: detail.waves,
        map,
        window_uv: seen.window_uv,
    });
    Ok(())
}

fn database(
    arguments: &Arguments,
    stop: &AtomicBool,
    path: &Path,
    into: &mut Collected,
) -> Result<(), Failure> {
    let reader = StoreReader::open(path)?;
    if let Some(id) = arguments.beat {
        let beat = reader.beat(id)?.ok_or_else(|| {
            Failure::new(
                Cause::Usage,
                format!("{}: beat {id} is not in this database", path.display()),
            )
        })?;
        return stored(&reader, &beat, &mut None, into)
            .map_err(|error| Failure::from(error).at(path.display()));
    }
    if let Some(id) = arguments.session
        && reader.session(id)?.is_none()
    {
        return Err(Failure::new(
            Cause::Usage,
            format!("{}: session {id} is not in this database", path.display()),
        ));
    }
    let newest = reader.newest_beat_id()?;
    let mut filter = RowFilter {
        session: arguments.session,
        after_id: (newest - i64::from(arguments.limit)).max(0),
        limit: PAGE,
        ..RowFilter::default()
    };
    let mut explainer = None;
    loop {
        let page = reader.beats(&filter)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        filter.after_id = last.id;
        for beat in &page {
            if stop.load(Ordering::Relaxed) {
                let words = "interrupted by a signal, nothing is explained";
                return Err(Failure::new(Cause::Interrupted, words).at(path.display()));
            }
            match stored(&reader, beat, &mut explainer, into) {
                Ok(()) => {}
                // One beat's own trouble is counted; what concerns all of them ends the command.
                Err(
                    error @ (BeatExplainError::NotStored { .. }
                    | BeatExplainError::NotReproduced { .. }),
                ) => into.fail(error),
                // A model file that is gone concerns the sessions that it labelled.
                Err(error @ BeatExplainError::Model { .. }) => {
                    into.fail(&error);
                    let name = format!("session {}", beat.session);
                    if !into.sources_failed.iter().any(|(known, _)| *known == name) {
                        let failure = Failure::from(error).at(path.display());
                        into.sources_failed.push((name, failure));
                    }
                }
                Err(error) => return Err(Failure::from(error).at(path.display())),
            }
        }
    }
}

fn stored(
    reader: &StoreReader,
    beat: &StoredBeat,
    explainer: &mut Option<(Arc<str>, BeatExplainer)>,
    into: &mut Collected,
) -> Result<(), BeatExplainError> {
    let ready = match explainer.take().filter(|(model, _)| *model == beat.model) {
        Some(ready) => ready,
        None => (Arc::clone(&beat.model), BeatExplainer::for_beat(beat)?),
    };
    let (_, explaining) = explainer.insert(ready);
    let class: BeatClass = into.class.unwrap_or(beat.beat.class);
    let (saliency, seen) = explaining.explain(reader, beat, into.method, class, &|| false)?;
    beat.model.as_ref().clone_into(&mut into.model);
    into.add(Explained {
        origin: format!("session {}, beat {}", beat.session, beat.id),
        id: Some(beat.id),
        beat: beat.beat.clone(),
        shares: saliency.shares,
        waves: saliency.waves,
        map: saliency.map,
        window_uv: seen.window_uv,
    });
    Ok(())
}
