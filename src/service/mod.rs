//! Threads, supervision, shutdown: a source, the pipeline, the store and the socket put together.

mod gateway;
mod queue;
mod session;
mod stop;

pub use gateway::{Gateway, GatewayError, GatewayOptions};
pub use queue::QueuedSource;
pub use session::{SessionError, SessionOutcome, SessionReport};
pub use stop::stop_on_signals;
