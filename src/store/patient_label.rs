//! What a patient is called, and how the chain holds it without telling it.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::query::one;

/// Longest label of a patient, characters.
const MOST_CHARACTERS: usize = 64;

/// What a label may be, for errors.
pub const PATIENT_LABEL_EXPECTED: &str = "1 to 64 characters without control characters";

/// Whether this may be a patient's label: see [`PATIENT_LABEL_EXPECTED`].
#[must_use]
pub fn is_patient_label(text: &str) -> bool {
    (1..=MOST_CHARACTERS).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// What stands beside a label in its session's row.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) salt: [u8; 32],
    pub(super) digest: [u8; 32],
}

impl Sealed {
    pub(super) fn new(connection: &Connection, label: &str) -> rusqlite::Result<Self> {
        let salt: [u8; 32] = one(connection, "SELECT randomblob(32)")?;
        let digest = label_digest(&salt, label.as_bytes());
        Ok(Self { salt, digest })
    }
}

/// The digest of a label. Without the salt nobody can find the label by trying likely ones.
pub(super) fn label_digest(salt: &[u8], label: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(salt);
    hasher.update(label);
    hasher.finalize().into()
}
