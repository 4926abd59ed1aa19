//! What can be wrong with tokens.

use std::io;
use std::path::{Path, PathBuf};

use crate::api::browser::TokenName;

/// Why something with tokens was not done.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The operating system refused.
    #[error("{path}: {doing}: {source}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What was attempted.
        doing: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// Others could read or change it: give it the mode and owner named.
    #[error("{path}: {why}")]
    Unsafe {
        /// The folder or file.
        path: PathBuf,
        /// What was found and what is expected.
        why: String,
    },
    /// A file is not what this program writes: remove it.
    #[error("{path}: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is a token of this name: revoke it first, or choose another name.
    #[error("there is a token {0} already")]
    Exists(TokenName),
    /// There is none of this name.
    #[error("there is no token {0}")]
    Unknown(TokenName),
    /// As many as there can be: revoke some.
    #[error("there are {0} tokens already, which is the most")]
    TooMany(usize),
    /// Addresses that nobody used: wait, or use one.
    #[error("{0} addresses wait for their use, which is the most: they expire within 5 minutes")]
    TooManyAddresses(usize),
}

impl TokensError {
    pub(super) fn io(path: &Path, doing: &'static str, error: impl Into<io::Error>) -> Self {
        Self::Io {
            path: path.to_owned(),
            doing,
            source: error.into(),
        }
    }

    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
