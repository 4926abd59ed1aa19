//! The simulated chip as a source, fed from a WFDB record or a synthetic heart.

mod board;
mod interpolator;
mod record;
mod session;
mod synthetic;

pub use board::{Simulated, SimulatedDriver, connect_simulated, open_simulated};
pub use record::{CarriedAnnotations, RecordExcerpt, RecordSignal};
pub use session::{RecordSimulation, SimulationReport, simulate_record};
pub use synthetic::SyntheticEcg;
