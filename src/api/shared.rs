//! What the handlers share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use ecg_chain::WallUs;
use tokio::sync::watch;

use super::audit::Audit;
use super::budget::Budget;
use super::counters::{Counters, count};
use super::desk::Desk;
use super::explanations::Explanations;
use super::hub::StreamHub;
use super::live::SharedLiveStatus;
use super::peer::Peer;
use super::places::{Place, Places};
use super::pools::{Pool, Pools};
use super::problem::{Kind, Problem};
use super::ticket::Ticket;
use super::together::Together;
use crate::store::{Epoch, StoreReader, StoredBeat, StoredSession, Totals, WriterMonitor};

/// A stream that waits for a place in a line tries again after this.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What the answers are made of.
#[derive(Debug, Clone)]
pub struct ApiDeps {
    /// The database to read.
    pub database: PathBuf,
    /// Live rows, fed by the store's commit hook.
    pub hub: StreamHub,
    /// Facts only the service knows.
    pub live: SharedLiveStatus,
    /// The writer's status; `None` where the database is only read.
    pub writer: Option<WriterMonitor>,
    /// Raised when a client asks for the configuration to be read again; `None` where there is none.
    pub reload: Option<Arc<AtomicBool>>,
}

/// What the handlers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) deps: ApiDeps,
    pub(super) counters: Arc<Counters>,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) started: (Instant, WallUs),
    pub(super) pools: Arc<Pools>,
    pub(super) explanations: Explanations,
    /// One reading serves everybody who asks for the status before it begins.
    pub(super) status_rows: Together<(), Arc<StatusRows>>,
    pub(super) places: Arc<Places>,
    pub(super) budget: Arc<Budget>,
    pub(super) audit: Arc<Audit>,
}

/// What the status reads from the database: nothing that tells of now.
#[derive(Debug)]
pub(super) struct StatusRows {
    pub(super) epoch: Epoch,
    pub(super) session: Option<StoredSession>,
    pub(super) last_beat: Option<StoredBeat>,
    pub(super) totals: Totals,
    pub(super) size_bytes: u64,
}

impl Shared {
    /// A place for what is sent until the client has enough of it.
    ///
    /// # Errors
    /// [`Kind::TooManyStreams`] where all are taken.
    pub(super) fn stream_place(&self, peer: &Peer) -> Result<Place, Problem> {
        self.places.stream(peer).ok_or_else(|| {
            count(&self.counters.refused_streams);
            let detail = format!(
                "all {} event streams are taken (half of api.max_connections); try again later",
                self.places.limits().streams
            );
            Problem::new(Kind::TooManyStreams, detail)
        })
    }

    /// Asks the database in one of the pools, away from the thread that serves the connections. Dropped
    /// before it is done, the question is given up.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        pool: Pool,
        ask: impl FnOnce(&StoreReader) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let work = move |desk: &mut Desk, ticket: &Ticket| desk.read(ticket, ask);
        self.pools.ask(pool, work).await
    }

    /// As [`Shared::read`], but waits for a place in the line instead of giving up.
    pub(super) async fn read_in_turn<T: Send + 'static>(
        &self,
        pool: Pool,
        ask: impl FnOnce(&StoreReader) -> Result<T, Problem> + Clone + Send + 'static,
    ) -> Result<T, Problem> {
        loop {
            if self.pools.is_full(pool) {
                tokio::time::sleep(TRY_AGAIN_AFTER).await; // not asked, so not counted as refused
                continue;
            }
            match self.read(pool, ask.clone()).await {
                Err(problem) if problem.kind == Kind::Busy => {
                    tokio::time::sleep(TRY_AGAIN_AFTER).await;
                }
                outcome => return outcome,
            }
        }
    }
}
