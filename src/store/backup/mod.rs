//! Copies of a database, and the way back.
//!
//! [`back_up()`] copies a database while it is written: one snapshot, a few pages at a time, checked, and
//! only then given its name. [`restore()`] puts such a copy in the place of a database that nobody writes.

mod back_up;
mod check;
mod copy;
mod error;
mod folder;
mod medium;
mod restore;
mod source;

pub use back_up::{BackupOptions, KeepFree, back_up};
pub use check::check_backup;
pub use copy::Progress;
pub use error::BackupError;
pub use folder::NumberedBackups;
pub use restore::{Restored, restore};
pub use source::Contents;
