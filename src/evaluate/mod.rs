//! EC57 matching and metrics.
//!
//! The rules are those of ANSI/AAMI EC57 as PhysioNet's `bxb` applies them, so that `bxb` on
//! written annotation files gives the same counts.

mod matching;
mod reference;
mod scores;
mod tally;

pub use matching::{Comparison, MATCH_WINDOW_MS, Pair, match_beats};
pub use reference::{Reference, ReferenceBeat};
pub use scores::{AverageScores, Confusion, EctopicScore, MeanScore, QrsScore, Scores};
pub use tally::{Tally, aami_class, beat_class};
