//! The chip as its handles share it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chip::Chip;

/// The chip behind all handles of a board.
#[derive(Debug, Clone)]
pub(super) struct SharedChip(Arc<Mutex<Chip>>);

impl SharedChip {
    pub(super) fn new(chip: Chip) -> Self {
        Self(Arc::new(Mutex::new(chip)))
    }

    /// The chip. A poisoned lock is taken all the same: the chip's state is valid at every step.
    pub(super) fn lock(&self) -> MutexGuard<'_, Chip> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
