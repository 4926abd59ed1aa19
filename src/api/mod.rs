//! HTTP over the Unix socket.
//!
//! [`ApiServer::bind`] opens the socket and answers from a thread of its own. Rows come from
//! [`crate::store::StoreReader`]s; live rows reach the stream through a [`StreamHub`] that the
//! store's commit hook feeds; what only the service knows is in [`LiveStatus`].
//! `docs/api.md` describes every route and field, and a test holds the two together.

mod access;
mod audit;
mod budget;
mod counters;
mod desk;
mod engines;
mod gate;
mod head;
mod heart_rate;
mod io;
mod json;
mod live;
mod metrics;
mod peer_groups;
mod places;
mod pools;
mod problem;
mod query;
mod routes;
mod saliency;
mod server;
mod socket;
mod status;
mod stream;
#[cfg(test)]
mod tests;
mod together;
mod watch;

pub use access::{Access, Named};
pub use gate::{CONNECTION_BYTES, EXTRA_CONNECTIONS};
pub use live::{
    AcquisitionStatus, Condition, LiveSession, LiveStatus, ServiceState, SharedLiveStatus,
};
#[cfg(fuzzing)]
pub use query::fuzz_query;
pub use server::{ApiDeps, ApiOptions, ApiServer};
pub use socket::SocketError;
pub use stream::StreamHub;
