//! What the events that the acquisition tells happen to.

/// What an [`ecg_chain::Episode`] of the chip itself happens to.
pub const CHIP: &str = "chip";
