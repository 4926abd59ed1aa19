//! How much memory a connection takes.

use super::io::{MOST_LINGERING, SEND_BUFFER_BYTES};
use super::places::KEPT_FOR_STATUS;
use super::query::PAGE_ROWS;

/// Answers up to this size are not counted: they are part of what a connection takes.
pub(super) const SMALL_BYTES: usize = 16 * 1_024;
/// A row of a list as JSON is smaller than this; beats have some 700 bytes.
pub(super) const MOST_ROW_BYTES: usize = 1_024;

/// Memory a connection may take at most, bytes, its answers beyond `SMALL_BYTES` not counted: what
/// the kernel holds of an answer (twice what was asked of it), a page of rows with which a resumed
/// stream catches up, and 64 KiB for buffers, requests and small answers.
pub const CONNECTION_BYTES: u64 =
    (2 * SEND_BUFFER_BYTES + 3 * PAGE_ROWS as usize * MOST_ROW_BYTES + 4 * SMALL_BYTES) as u64;
/// Connections beside `max_connections`: those for the status alone, and clients turned away that may
/// finish sending.
pub const EXTRA_CONNECTIONS: u64 = (KEPT_FOR_STATUS + MOST_LINGERING) as u64;
