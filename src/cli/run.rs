//! `ecg-gateway run`: the daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::arguments::CONFIG_FILE;
use super::failure::{Cause, Failure, other};
use super::live;
use super::simulated;
use crate::acquisition::{FrameSource, QueuedSource, SourceInfo, SystemClock, open_live};
use crate::api::{AcquisitionStatus, ServiceState};
use crate::config::Config;
use crate::mapped::some_are_unmapped;
use crate::service::{
    Gateway, Signals, Supervision, Watched, inherited_socket, service_manager, watch_signals,
};
use crate::store::{PATIENT_LABEL_EXPECTED, is_patient_label};

/// Run the gateway: read the chip, label every beat, store and serve it, until SIGINT or SIGTERM.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Configuration file; `ecg-gateway.example.toml` documents every key.
    #[arg(long, value_name = "FILE", default_value = CONFIG_FILE)]
    config: PathBuf,
    /// Only check the configuration and the model's weights, then exit.
    #[arg(long)]
    check: bool,
    /// Name of the patient, kept with the session [default: the one of the configuration].
    #[arg(long, value_name = "LABEL", value_parser = patient_label)]
    label: Option<String>,
    #[command(flatten)]
    simulation: simulated::SimulationArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    super::log::start(config.log_level);
    let model = live::model(&config, Cause::Configuration)?;
    super::memory::check(&arguments.config, &config)?;
    say_who_cannot_be_told_apart(&config);
    if let Some(warning) = model.stranger_warning("whoever wears the electrodes") {
        tracing::warn!("{warning}");
    }
    if arguments.check {
        return super::output::text_line(&format!(
            "{}: fine; model {} with {} parameters, {} for single beats, {} for backlogs",
            arguments.config.display(),
            model.name(),
            model.model.description().parameters(),
            model.live_engine().engine(),
            model.engine().engine(),
        ));
    }
    let signals = watch_signals().map_err(|error| other("signal handlers", error))?;
    let inherited = inherited_socket()
        .map_err(|error| Failure::new(Cause::Socket, format!("socket activation: {error}")))?;
    let mut options = config.gateway();
    if let Some(socket) = &mut options.socket {
        socket.web = super::web::options(&config, arguments.simulation.is_asked_for());
    }
    let gateway = Gateway::open_with(&options, inherited, Some(Arc::clone(&signals.reload)))?
        .watching_clock(SystemClock::relation);
    let (kind, origin, source) = open_source(arguments, &config)?;
    super::chip::require_chip(config.device.chip, source.info().chip, "the chip")?;
    let from = source.info().clone();
    let another = |start, label| {
        let from = SourceInfo {
            start,
            ..from.clone()
        };
        let prepared = config
            .session()
            .prepare((kind, &origin), &from, model.live_engine());
        prepared.map(|session| session.of_patient(label))
    };
    let label = arguments.label.as_ref().or(config.patient_label.as_ref());
    let mut session =
        another(from.start, label.cloned())?.injecting(arguments.simulation.injection()?);
    session.another = Some(&another);
    let mut source = live::start(source, &config, &signals.stop)?;
    gateway.live().update(|live| {
        live.acquisition = Some(AcquisitionStatus {
            granted: source.granted().clone(),
            edge_numbers: source.info().edge_numbers,
            ring: source.gauge().clone(),
        });
    });
    let supervision = supervise(&arguments.config, &gateway, &source, &signals)
        .map_err(|error| other("supervision thread", error))?;
    if gateway.has_page() {
        super::web::say_how_to_open(&arguments.config, &config, gateway.web_address());
    }
    tracing::info!(
        chip = session.info.chip,
        model = session.info.model,
        engine = session.info.engine,
        "recording"
    );
    let outcome = gateway.run_session(&mut source, session, &signals.stop, |_| {});
    tracing::info!(
        samples = outcome.report.samples,
        missing_samples = outcome.report.missing_samples,
        "stopped"
    );
    drop(supervision);
    let closed = source.finish().map_or(Ok(()), |mut source| source.close());
    gateway.announce(ServiceState::Finished, None);
    let stored = gateway.close().map_err(Failure::from);
    let closed = closed.map_err(Failure::from);
    let ended = outcome.ended.map_err(Failure::from);
    ended.and(stored).and(closed).map_err(|failure| {
        failure
            .naming_database(&config.store.path)
            .naming_device(Path::new(&origin))
    })
}

/// A patient's label on the command line.
pub(super) fn patient_label(text: &str) -> Result<String, String> {
    if is_patient_label(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected {PATIENT_LABEL_EXPECTED}"))
    }
}

/// In a user namespace that does not map everybody the lists of the configuration hardly ever match.
fn say_who_cannot_be_told_apart(config: &Config) {
    let access = &config.api.access;
    let lists = [
        ("read_uids", &access.read.uids),
        ("read_gids", &access.read.gids),
        ("control_uids", &access.control.uids),
        ("control_gids", &access.control.gids),
    ];
    let named: Vec<_> = lists
        .into_iter()
        .filter_map(|(key, ids)| (!ids.is_empty()).then_some(key))
        .collect();
    if !named.is_empty() && some_are_unmapped() == Some(true) {
        tracing::warn!(
            lists = named.join(", "),
            "the gateway runs in a user namespace that does not map every user: those it does not \
             map are refused, whatever the lists of [api] say (PrivateUsers= of the unit?)"
        );
    }
}

/// The live chip, or a simulated one where the command line asks for it: what the session's source
/// is called, where it comes from, and the source.
fn open_source(
    arguments: &Arguments,
    config: &Config,
) -> Result<(&'static str, String, Box<dyn FrameSource + Send>), Failure> {
    if let Some(simulated) = arguments.simulation.open(config)? {
        return Ok(simulated);
    }
    let source = open_live(
        &config.device.wiring,
        config.acquisition.chip,
        live::session(config),
        None,
        |_, _| Ok(()),
    )?
    .with_recovery_policy(live::care(config));
    let origin = config.device.wiring.spi_device.display().to_string();
    Ok(("live", origin, Box::new(source)))
}

/// Tells the service manager how things are, and reads the configuration again when it is asked to.
fn supervise(
    path: &Path,
    gateway: &Gateway,
    source: &QueuedSource<Box<dyn FrameSource + Send>>,
    signals: &Signals,
) -> std::io::Result<Supervision> {
    let mut threads = gateway.liveness();
    threads.push(("acquisition", source.reading_liveness().clone()));
    threads.push(("pipeline", source.receiving_liveness().clone()));
    let path = path.to_owned();
    Supervision::start(
        service_manager(),
        gateway.live(),
        threads
            .into_iter()
            .map(|(name, liveness)| Watched::new(name, liveness))
            .collect(),
        Arc::clone(&signals.reload),
        move || reload(&path),
    )
}

/// The level of the log can change while the gateway runs; everything else needs a restart.
fn reload(path: &Path) {
    match Config::load(path) {
        Ok(config) => {
            super::log::set_level(config.log_level);
            tracing::info!(
                level = %config.log_level.as_str().to_lowercase(),
                "configuration read again: the log's level is in force, other changes need a restart"
            );
        }
        Err(error) => tracing::error!(%error, "configuration not read again: the old one stays"),
    }
}
