//! Durations in samples of the conditioned signal.

use super::super::CHAIN_RATE_HZ;

/// Samples of the chain's rate in `milliseconds`, rounded down.
pub(super) const fn samples(milliseconds: u64) -> u64 {
    milliseconds * CHAIN_RATE_HZ as u64 / 1000
}
