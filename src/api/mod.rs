//! HTTP over the Unix socket.
//!
//! [`ApiServer::bind`] opens the socket and answers from a thread of its own. Rows come from
//! [`crate::store::StoreReader`]s; live rows reach the stream through a [`StreamHub`] that the
//! store's commit hook feeds; what only the service knows is in [`LiveStatus`].
//! `docs/api.md` describes every route and field, and a test holds the two together.

mod access;
mod audit;
mod body;
mod browser;
mod budget;
mod clusters;
mod corrections;
mod counters;
mod desk;
mod ecg;
mod endpoint;
mod explanations;
mod gate;
mod head;
mod heart_rate;
mod hub;
mod intervals;
mod io;
mod json;
mod live;
mod live_hub;
mod live_socket;
mod locked;
mod metrics;
mod minutes;
mod new_patient;
mod order;
mod pass;
mod patient;
mod peer;
mod peer_groups;
mod places;
mod pools;
mod problem;
mod query;
mod routes;
mod saliency;
mod server;
mod session_deletion;
mod session_of;
mod shared;
mod socket;
mod status;
mod stream;
#[cfg(test)]
mod tests;
mod ticket;
mod together;
mod watch;
mod web;

pub use access::{Access, Named};
pub use browser::TokenName;
#[cfg(fuzzing)]
pub use corrections::fuzz_body;
pub use gate::{CONNECTION_BYTES, EXTRA_CONNECTIONS};
pub use hub::StreamHub;
pub use live::{
    AcquisitionStatus, Condition, LiveSession, LiveStatus, ServiceState, SharedLiveStatus,
};
pub use live_hub::WaveformTap;
pub use patient::PatientChange;
#[cfg(fuzzing)]
pub use query::fuzz_query;
pub use server::{ApiOptions, ApiServer};
pub use shared::ApiDeps;
pub use socket::SocketError;
#[cfg(fuzzing)]
pub use web::fuzz_web;
pub use web::{
    ADDRESS_LIFE_SECONDS, DEFAULT_PORT, HOST_EXPECTED, MOST_STRANGERS, MOST_TOKENS, ProxyUsers,
    Site, TokensError, WebOptions, WebToken, WebTokens,
};
