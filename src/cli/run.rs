//! `ecg-gateway run`: the daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::failure::{Cause, Failure, other};
use super::live;
use super::simulated;
use crate::acquisition::{FrameSource, QueuedSource, SystemClock, open_live};
use crate::api::{Access, AcquisitionStatus, ApiOptions, Named, ServiceState};
use crate::config::{self, Config};
use crate::mapped::{OverflowIds, some_are_unmapped};
use crate::service::{
    Gateway, GatewayOptions, Signals, Supervision, Watched, inherited_socket, service_manager,
    watch_signals,
};
use crate::store::{Checkup, MinFree, Outage, Retention, StoreOptions, Synchronous};

/// The database is checked once a day, and soon after the start: a power cut may have been the reason
/// for it.
const CHECKUP: Checkup = Checkup {
    first: Duration::from_secs(600),
    every: Duration::from_secs(86_400),
};

/// Run the gateway: read the chip, label every beat, store and serve it, until SIGINT or SIGTERM.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Configuration file; `ecg-gateway.example.toml` documents every key.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/ecg-gateway/ecg-gateway.toml"
    )]
    config: PathBuf,
    /// Only check the configuration and the model's weights, then exit.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    simulation: simulated::SimulationArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    super::log::start(&config.log.level.to_string());
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
    let gateway = Gateway::open_with(
        &options(&config, arguments.simulation.is_asked_for()),
        inherited,
        Some(Arc::clone(&signals.reload)),
    )?
    .watching_clock(SystemClock::relation);
    let (kind, origin, source) = open_source(arguments, &config)?;
    super::chip::require_chip(live::expected_chip(&config), source.info().chip, "the chip")?;
    let options = live::session_options(&config);
    let classifier = model.live_engine();
    let info = options.info(kind, &origin, source.info(), &classifier);
    let mut pipeline = options.pipeline(source.info(), classifier)?;
    if let Some(injection) = arguments.simulation.injection()? {
        pipeline.inject(injection, info.start.monotonic);
    }
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
        chip = info.chip,
        model = info.model,
        engine = info.engine,
        "recording"
    );
    let outcome = gateway.run_session(
        &mut source,
        &mut pipeline,
        &info,
        &signals.stop,
        &|| "completed",
        &mut |_| {},
    );
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
            .of_database(&config.store.path)
            .of_device(Path::new(&origin))
    })
}

/// In a user namespace that does not map everybody the lists of the configuration hardly ever match.
fn say_who_cannot_be_told_apart(config: &Config) {
    let api = &config.api;
    let lists = [
        ("read_uids", &api.read_uids),
        ("read_gids", &api.read_gids),
        ("control_uids", &api.control_uids),
        ("control_gids", &api.control_gids),
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
        &live::wiring(config),
        live::chip(&config.acquisition),
        live::session(config),
        None,
        |_, _| Ok(()),
    )?
    .with_recovery_policy(live::care(config));
    let origin = config.device.spi_path.display().to_string();
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
            .map(|(name, pulse)| Watched::new(name, pulse))
            .collect(),
        Arc::clone(&signals.reload),
        move || reload(&path),
    )
}

/// The level of the log can change while the gateway runs; everything else needs a restart.
fn reload(path: &Path) {
    match Config::load(path) {
        Ok(config) => {
            super::log::set_level(&config.log.level.to_string());
            tracing::info!(
                level = %config.log.level,
                "configuration read again: the log's level is in force, other changes need a restart"
            );
        }
        Err(error) => tracing::error!(%error, "configuration not read again: the old one stays"),
    }
}

fn options(config: &Config, simulated: bool) -> GatewayOptions {
    let socket = Path::new(&config.api.socket_path);
    GatewayOptions {
        database: config.store.path.clone(),
        store: StoreOptions {
            synchronous: match config.store.synchronous {
                config::Synchronous::Normal => Synchronous::Normal,
                config::Synchronous::Full => Synchronous::Full,
            },
            commit_after: Duration::from_millis(u64::from(config.store.batch_ms)),
            outage: Outage::Bridge {
                longest: Duration::from_secs(u64::from(config.store.outage_minutes) * 60),
                most_bytes: usize::try_from(config.store.outage_mib)
                    .unwrap_or(usize::MAX)
                    .saturating_mul(1 << 20),
            },
            ecg_kept: config.store.keep_ecg,
            retention: Retention {
                rows: days(config.store.keep_days),
                ecg: days(config.store.keep_ecg_days),
                most_bytes: (config.store.max_mib > 0)
                    .then(|| u64::from(config.store.max_mib) << 20),
                min_free: min_free(&config.store),
            },
            checkup: Some(CHECKUP),
            ..StoreOptions::default()
        },
        socket: Some(ApiOptions {
            mode: config.api.mode.0,
            max_connections: usize::try_from(config.api.max_connections).unwrap_or(64),
            answer_bytes: usize::try_from(config.api.answers_mib).unwrap_or(32) << 20,
            access: Access {
                read: Named {
                    uids: config.api.read_uids.clone(),
                    gids: config.api.read_gids.clone(),
                },
                control: Named {
                    uids: config.api.control_uids.clone(),
                    gids: config.api.control_gids.clone(),
                },
                unmapped: OverflowIds::from_kernel(),
            },
            web: super::web::options(config, simulated),
            ..ApiOptions::at(socket)
        }),
    }
}

/// What stays free on the medium; nothing where both are 0.
fn min_free(store: &config::StoreConfig) -> Option<MinFree> {
    let (percent, mib) = (store.min_free_percent, store.min_free_mib);
    (percent > 0 || mib > 0).then(|| MinFree {
        percent,
        bytes: u64::from(mib) << 20,
    })
}

/// An age in days; 0 is none.
fn days(count: u32) -> Option<Duration> {
    (count > 0).then(|| Duration::from_secs(u64::from(count) * 86_400))
}
