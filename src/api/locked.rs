//! Mutexes whose value is still good after a panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The value, also after a panic of whoever held it.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
