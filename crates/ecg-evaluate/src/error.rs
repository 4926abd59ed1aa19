//! What can go wrong.

use std::path::PathBuf;

use arrhythmianet::explain::ExplainError;
use ecg_chain::LabelError;
use ecg_signal::SignalError;
use wfdb_io::WfdbError;

/// Why a record was not evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A file of the record is missing or malformed.
    #[error(transparent)]
    Wfdb(#[from] WfdbError),
    /// The record has no signal to run, or a database no records that can be listed.
    #[error("{path}: {problem}")]
    Missing {
        /// The record's header, or the database's list or directory.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
    /// The signal chain cannot work at the record's rate.
    #[error("{path}: {source}")]
    Signal {
        /// The record's header.
        path: PathBuf,
        /// The chain's reason.
        source: SignalError,
    },
    /// The engine failed.
    #[error("{path}: {source}")]
    Label {
        /// The record's header.
        path: PathBuf,
        /// The engine's reason.
        source: LabelError,
    },
    /// Signal or annotations are at a rate that the signal chain does not know.
    #[error(transparent)]
    Rate(#[from] SignalError),
    /// The noise record holds nothing to add.
    #[error("{path}: found {found}, expected a noise record of a second to a day")]
    NoNoise {
        /// The noise record's header.
        path: PathBuf,
        /// What is wrong.
        found: &'static str,
    },
    /// Noise is scaled to the QRS complexes, and there are none to measure.
    #[error("{record}: found no annotated normal QRS complex to scale the noise to")]
    NoBeats {
        /// The record's header.
        record: PathBuf,
    },
    /// Not a share of samples that can be dropped.
    #[error("share of dropped samples: found {found}, expected 0 to 0.9")]
    Share {
        /// The share asked for.
        found: f64,
    },
    /// A beat cannot be explained.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// Nothing can be taken away from the network's input, because it has no background to put there.
    #[error("{model}: no background")]
    NoBackground {
        /// The network's name.
        model: String,
    },
    /// `RecordSettings::stop` was raised.
    #[error("{path}: stopped after {samples} samples")]
    Stopped {
        /// The record's header.
        path: PathBuf,
        /// Samples run so far.
        samples: u64,
    },
}
