//! Where samples come from.

pub mod trace;

use crate::time::MonotonicNs;

/// A falling edge of DRDY: a conversion is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrdyEdge {
    /// When it fell.
    pub time: MonotonicNs,
    /// Running number of the edge, counted by whoever saw it first (the kernel); wraps at 2^32.
    /// A jump by more than one is edges nobody read the data of.
    pub sequence: u32,
}
