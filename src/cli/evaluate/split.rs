//! The test beats of the intra-patient protocol (`models/split-intra.json`).

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use ecg_files::read_whole;
use serde::Deserialize;

use crate::cli::failure::{Failure, other};

/// Largest split that is read: that of MIT-BIH takes 69 kB for 10,900 beats.
const MAX_BYTES: u64 = 16 << 20;

/// Test beats by record, as indices at 250 Hz.
pub(super) struct Split {
    path: PathBuf,
    test: HashMap<String, HashSet<u64>>,
}

#[derive(Deserialize)]
struct Contents {
    test_samples_250hz: HashMap<String, HashSet<u64>>,
}

impl Split {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = read_whole(path, MAX_BYTES).map_err(|error| {
            other(
                path.display(),
                format!("{error} (--split names the test beats of the intra-patient protocol)"),
            )
        })?;
        let contents: Contents =
            serde_json::from_slice(&bytes).map_err(|error| other(path.display(), error))?;
        Ok(Self {
            path: path.to_owned(),
            test: contents.test_samples_250hz,
        })
    }

    /// The record's test beats; `None` where the split does not know the record.
    pub(super) fn of(&self, record: &str) -> Option<&HashSet<u64>> {
        self.test.get(record)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
