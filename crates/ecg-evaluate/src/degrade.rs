//! Making a record's signal worse on request, reproducibly.

mod dropping;
mod noise;

use std::path::PathBuf;

pub use dropping::Dropping;
pub use noise::{NoisePower, NoiseStress, NoiseTape};

use wfdb_io::WfdbError;

/// Why a signal cannot be degraded as asked.
#[derive(Debug, thiserror::Error)]
pub enum DegradeError {
    /// A file of the noise record or of the record cannot be read.
    #[error(transparent)]
    Wfdb(#[from] WfdbError),
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
}

/// What is done to the frames of one record.
#[derive(Debug, Clone, Default)]
pub struct Degradation {
    /// Recorded noise added in stretches.
    pub noise: Option<NoiseStress>,
    /// Samples lost.
    pub dropping: Option<Dropping>,
}

impl Degradation {
    /// Degrade the frame `index`: `codes` of the signals that are read, in the order the noise was
    /// scaled in, and whether each was measured. To be called for every frame in order.
    pub fn apply(&mut self, index: u64, codes: &mut [i32], measured: &mut [bool]) {
        if let Some(noise) = &mut self.noise {
            noise.add(index, codes);
        }
        if let Some(dropping) = &mut self.dropping
            && dropping.drops_next()
        {
            measured.fill(false);
        }
    }

    /// Samples dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropping.as_ref().map_or(0, Dropping::dropped)
    }
}
