//! The server's thread.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ecg_chain::WallUs;
use tokio::sync::{Semaphore, mpsc, watch};

use super::access::Access;
use super::audit::Audit;
use super::budget::{Budget, LONGEST_WAIT};
use super::counters::Counters;
use super::desk::Desk;
use super::explanations::Explanations;
use super::head::HEAD_TIMEOUT;
use super::io::{CappedListener, MOST_LINGERING};
use super::peer::Peer;
use super::places::{Limits, Places};
use super::pools::Pools;
use super::routes::router;
use super::shared::{ApiDeps, Shared};
use super::socket::{BoundSocket, SocketError, bind};
use super::together::Together;
use super::watch::{Doors, SocketWatch};
use super::web::{self, WebOptions};
use crate::liveness::Liveness;
use crate::mapped::OverflowIds;

/// At shutdown, until the last WebSocket has ended.
const LOOK_FOR_SOCKETS_EVERY: Duration = Duration::from_millis(5);
/// Open answers get this long at shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);
/// The serving thread shows that it lives this often.
const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(1);

/// How the socket is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiOptions {
    /// The socket file.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// Connections served at once; more are answered 503. Shares of it are in `docs/api.md`.
    pub max_connections: usize,
    /// Memory that answers may take while they are made and until they are read.
    pub answer_bytes: usize,
    /// A client that takes no byte of an answer for this long is dropped.
    pub stall_timeout: Duration,
    /// A connection over which nothing moves for this long is closed. Event streams move something
    /// every 15 s.
    pub idle_timeout: Duration,
    /// A request must be complete this long after its first byte.
    pub request_timeout: Duration,
    /// Who may read and who may control.
    pub access: Access,
    /// Where browsers get in; nowhere by default.
    pub web: Option<WebOptions>,
}

impl ApiOptions {
    /// Mode 0660, 128 connections, 32 MiB of answers, 10 s to stall, 60 s to idle, 10 s for a request;
    /// everybody who can connect may read.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            mode: 0o660,
            max_connections: 128,
            answer_bytes: 32 << 20,
            stall_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            request_timeout: HEAD_TIMEOUT,
            access: Access {
                unmapped: OverflowIds::from_kernel(),
                ..Access::default()
            },
            web: None,
        }
    }
}

/// A running server; dropping it closes the socket and removes its file.
#[derive(Debug)]
pub struct ApiServer {
    path: PathBuf,
    liveness: Liveness,
    has_page: bool,
    web_address: Option<SocketAddr>,
    audit: Arc<Audit>,
    closing: watch::Sender<bool>,
    pub(super) pools: Arc<Pools>,
    thread: Option<JoinHandle<()>>,
}

impl ApiServer {
    /// Opens the socket, so that clients can connect once this returns, and serves it from a new
    /// thread. The database is opened by the first request that needs it.
    ///
    /// # Errors
    /// [`SocketError`].
    pub fn bind(options: &ApiOptions, deps: ApiDeps) -> Result<Self, SocketError> {
        let (listener, socket) = bind(&options.path, options.mode)?;
        Self::start(options, deps, listener, Some(socket))
    }

    /// Serves a socket that somebody else opened and looks after: the service manager's (socket
    /// activation). Path and mode of the options are what the manager was told.
    ///
    /// # Errors
    /// [`SocketError::Io`].
    pub fn adopt(
        listener: UnixListener,
        options: &ApiOptions,
        deps: ApiDeps,
    ) -> Result<Self, SocketError> {
        listener
            .set_nonblocking(true)
            .map_err(|source| SocketError::Io {
                path: options.path.clone(),
                doing: "making it non-blocking",
                source,
            })?;
        Self::start(options, deps, listener, None)
    }

    fn start(
        options: &ApiOptions,
        deps: ApiDeps,
        listener: UnixListener,
        socket: Option<BoundSocket>,
    ) -> Result<Self, SocketError> {
        let failed = |doing: &'static str| {
            move |source| SocketError::Io {
                path: options.path.clone(),
                doing,
                source,
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(failed("starting its runtime"))?;
        // the service manager's may be another one than was configured
        let path = listener
            .local_addr()
            .ok()
            .filter(|_| socket.is_none())
            .and_then(|address| address.as_pathname().map(Path::to_owned))
            .unwrap_or_else(|| options.path.clone());
        let inner = {
            let _inside = runtime.enter();
            tokio::net::UnixListener::from_std(listener).map_err(failed("watching the socket"))?
        };
        let web = match &options.web {
            None => None,
            Some(web) => web::Doors::open_or_not(web)?,
        };
        let has_page = web.is_some();
        let web_address = web.as_ref().and_then(|web| web.address);
        let (closing, closed) = watch::channel(false);
        let desk = || Desk::new(deps.database.clone(), deps.writer.clone());
        let pools = Pools::start(desk).map_err(failed("starting the threads that read"))?;
        let pools = Arc::new(pools);
        let counters: Arc<Counters> = Arc::default();
        let audit = Arc::new(Audit::new(deps.writer.clone(), Arc::clone(&counters)));
        let shared = Arc::new(Shared {
            deps,
            counters,
            closing: closed,
            started: (Instant::now(), WallUs::now()),
            pools: Arc::clone(&pools),
            explanations: Explanations::default(),
            status_rows: Together::default(),
            places: Places::new(Limits::for_connections(options.max_connections)),
            budget: Budget::new(options.answer_bytes, LONGEST_WAIT),
            audit: Arc::clone(&audit),
        });
        let (replace, replaced) = mpsc::channel(1);
        let counters = Arc::clone(&shared.counters);
        let socket = SocketWatch::new(&path, options.mode, socket, replace, counters);
        let listener = CappedListener {
            inner: Doors::new(inner, replaced),
            shared: Arc::clone(&shared),
            lingering: Arc::new(Semaphore::new(MOST_LINGERING)),
            stall_timeout: options.stall_timeout,
            idle_timeout: options.idle_timeout,
            request_timeout: options.request_timeout,
            access: options.access.clone(),
        };
        let terms = web::Terms {
            shared: Arc::clone(&shared),
            stall_timeout: options.stall_timeout,
            idle_timeout: options.idle_timeout,
            request_timeout: options.request_timeout,
        };
        let liveness = Liveness::default();
        let shown = liveness.clone();
        let noted = Arc::clone(&audit);
        let thread = std::thread::Builder::new()
            .name("api".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let watched = socket.run(shared.closing.clone());
                    tokio::select! {
                        () = serve(listener, web.map(|web| (web, terms)), shared) => {}
                        () = watched => {}
                        () = show_life(&shown, &noted) => {}
                    }
                });
                runtime.shutdown_background();
            })
            .map_err(failed("starting its thread"))?;
        Ok(Self {
            path: options.path.clone(),
            liveness,
            has_page,
            web_address,
            audit,
            closing,
            pools,
            thread: Some(thread),
        })
    }

    /// The socket file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether browsers are served.
    #[must_use]
    pub fn has_page(&self) -> bool {
        self.has_page
    }

    /// The port that browsers get in by, if there is one.
    #[must_use]
    pub fn web_address(&self) -> Option<SocketAddr> {
        self.web_address
    }

    /// Beats once a second as long as the thread serves.
    #[must_use]
    pub fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// Hands what clients did in the last minute to the writer, because it is about to close.
    pub fn note_last_deeds(&self) {
        self.audit.flush();
    }

    /// Closes the socket, removes its file, ends the event streams, gives open answers half a second
    /// and reads that are then still in progress another half; one that hangs on a dying disk is left
    /// behind.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.closing.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // a panic there has already been reported by the panic hook
            let _ = thread.join();
        }
        self.pools.close();
    }
}

/// Never ends.
async fn show_life(liveness: &Liveness, audit: &Audit) {
    let mut turns = tokio::time::interval(SIGN_OF_LIFE_EVERY);
    loop {
        turns.tick().await;
        liveness.beat();
        audit.turn();
    }
}

async fn serve(
    listener: CappedListener,
    web: Option<(web::Doors, web::Terms)>,
    shared: Arc<Shared>,
) {
    let mut closing = shared.closing.clone();
    let mut overdue = shared.closing.clone();
    let graceful = async move {
        let _ = closing.wait_for(|closing| *closing).await;
    };
    // A connection that became a WebSocket is no longer one of the server's below: it says `closed` by itself.
    let counters = Arc::clone(&shared.counters);
    let live_sockets_end = async {
        while counters.live_sockets.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LOOK_FOR_SOCKETS_EVERY).await;
        }
    };
    let api = router(Arc::clone(&shared));
    let browsers = async {
        if let Some((doors, terms)) = web {
            doors.serve(api.clone(), terms).await;
        }
    };
    let service = api.clone().into_make_service_with_connect_info::<Peer>();
    let served = axum::serve(listener, service).with_graceful_shutdown(graceful);
    tokio::select! {
        outcome = async {
            let (outcome, ()) = tokio::join!(served, browsers);
            live_sockets_end.await;
            outcome
        } => {
            if let Err(error) = outcome {
                tracing::error!(%error, "the socket is no longer served");
            }
        }
        () = async {
            let _ = overdue.wait_for(|closing| *closing).await;
            tokio::time::sleep(SHUTDOWN_GRACE).await;
        } => {}
    }
}
