//! EC57 matching and metrics.
//!
//! The rules are those of ANSI/AAMI EC57 as PhysioNet's `bxb` applies them, so that `bxb` on
//! written annotation files gives the same counts.

mod matching;
mod reference;

pub use matching::{Comparison, MATCH_WINDOW_MS, Pair, match_beats};
pub use reference::{Reference, ReferenceBeat};
