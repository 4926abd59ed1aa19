//! Threads, supervision, shutdown: a source, the pipeline, the store and the socket put together.

mod clock;
mod gateway;
mod inherited;
mod manager;
mod memory;
mod opening;
mod session;
mod stop;
#[cfg(test)]
mod tests;

pub use gateway::{Gateway, GatewayError, GatewayOptions};
pub use inherited::inherited_socket;
pub use manager::{NoManager, Notice, ServiceManager, Supervision, Watched, service_manager};
pub use memory::MemoryLimit;
pub use opening::{AnotherSession, PipelineError, PreparedSession, SessionOptions};
pub use session::{SessionError, SessionOutcome, SessionReport};
pub use stop::{Signals, outlive_file_size_limit, stop_on_signals, watch_signals};
