//! The store and the socket, opened together.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ecg_chain::{ClockRelation, ClockWatch, PipelineEvent};

use super::clock::ClockSource;
use super::opening::PreparedSession;
use super::session::{Progress, Session, SessionOutcome};
use crate::acquisition::FrameSource;
use crate::api::{
    ApiDeps, ApiOptions, ApiServer, ServiceState, SharedLiveStatus, SocketError, StreamHub,
};
use crate::liveness::Liveness;
use crate::store::{Store, StoreError, StoreOptions, StoreWriter};

/// What a gateway is made of.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// The SQLite file; created if it does not exist.
    pub database: PathBuf,
    /// How it is written.
    pub store: StoreOptions,
    /// The socket; `None` serves nobody.
    pub socket: Option<ApiOptions>,
}

/// Why a gateway could not be opened or lost its store.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The database; nothing in it was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// A store that is written, and a socket that answers from it.
#[derive(Debug)]
pub struct Gateway {
    writer: StoreWriter,
    api: Option<ApiServer>,
    live: SharedLiveStatus,
    clock: Option<ClockSource>,
}

impl Gateway {
    /// Opens the database, then the socket.
    ///
    /// # Errors
    /// [`GatewayError`]; nothing is left open then.
    pub fn open(options: &GatewayOptions) -> Result<Self, GatewayError> {
        Self::open_with(options, None, None)
    }

    /// As [`Gateway::open`], but serves `inherited`, a socket the service manager opened, where
    /// there is one, and raises `reload` when a client that may control asks for it.
    ///
    /// # Errors
    /// [`GatewayError`]; nothing is left open then.
    pub fn open_with(
        options: &GatewayOptions,
        inherited: Option<UnixListener>,
        reload: Option<Arc<AtomicBool>>,
    ) -> Result<Self, GatewayError> {
        let store = Store::open(&options.database, options.store.clone())?;
        let hub = StreamHub::at(store.mark());
        let live = SharedLiveStatus::default();
        let announce = hub.clone();
        let database = store.path().to_owned();
        let writer = store.into_writer(move |commit| announce.publish(commit))?;
        let api = match &options.socket {
            None => None,
            Some(socket) => {
                let deps = ApiDeps {
                    database,
                    hub,
                    live: live.clone(),
                    writer: Some(writer.monitor()),
                    reload,
                };
                Some(match inherited {
                    None => ApiServer::bind(socket, deps)?,
                    Some(listener) => ApiServer::adopt(listener, socket, deps)?,
                })
            }
        };
        Ok(Self {
            writer,
            api,
            live,
            clock: None,
        })
    }

    /// Watches the wall clock while sessions run, and stores how both clocks stand to each other
    /// whenever it steps. For sources whose monotonic time is this machine's.
    #[must_use]
    pub fn watching_clock(
        mut self,
        now: impl Fn() -> ClockRelation + Send + Sync + 'static,
    ) -> Self {
        self.clock = Some(ClockSource::new(now));
        self
    }

    /// What the service knows beyond the store, for whoever watches it.
    #[must_use]
    pub fn live(&self) -> SharedLiveStatus {
        self.live.clone()
    }

    /// Whether browsers are served.
    #[must_use]
    pub fn has_page(&self) -> bool {
        self.api.as_ref().is_some_and(ApiServer::has_page)
    }

    /// The port that browsers get in by, if there is one.
    #[must_use]
    pub fn web_address(&self) -> Option<SocketAddr> {
        self.api.as_ref().and_then(ApiServer::web_address)
    }

    /// Signs of life of the gateway's own threads, by name.
    #[must_use]
    pub fn liveness(&self) -> Vec<(&'static str, Liveness)> {
        let mut threads = vec![("store writer", self.writer.monitor().liveness().clone())];
        threads.extend(
            self.api
                .iter()
                .map(|api| ("socket", api.liveness().clone())),
        );
        threads
    }

    /// Runs `source` through the session's pipeline into the store until it ends, fails or `stop` is
    /// set. `observe` sees every event on its way. Where another patient is asked for
    /// ([`crate::api::PatientChange`]) and the session says how, it ends as `new_patient` and another one
    /// goes on with the source.
    pub fn run_session(
        &self,
        source: &mut impl FrameSource,
        session: PreparedSession<'_>,
        stop: &AtomicBool,
        observe: impl FnMut(&PipelineEvent),
    ) -> SessionOutcome {
        let PreparedSession {
            info,
            mut pipeline,
            end_reason,
            another,
        } = session;
        Session {
            writer: &self.writer,
            live: &self.live,
            stop,
            watch: ClockWatch::new(info.start),
            info,
            end_reason,
            another,
            clock: self.clock.as_ref(),
            observe,
            progress: Progress::default(),
            first_of_source: 0,
            lasting: Vec::new(),
        }
        .run(source, &mut pipeline)
    }

    /// Shows the socket's clients what the service as a whole is doing.
    pub fn announce(&self, state: ServiceState, detail: Option<String>) {
        self.live.update(|live| {
            live.state = state;
            live.detail = detail;
        });
    }

    /// Commits what is queued, closes the socket and the database.
    ///
    /// # Errors
    /// [`StoreError::WriterStopped`] if anything queued was not committed.
    pub fn close(self) -> Result<(), StoreError> {
        if let Some(api) = &self.api {
            api.note_last_deeds();
        }
        let outcome = self.writer.close();
        if let Some(api) = self.api {
            api.shutdown();
        }
        outcome
    }
}
