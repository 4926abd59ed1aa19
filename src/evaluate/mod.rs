//! EC57 matching and metrics.
//!
//! The rules are those of ANSI/AAMI EC57 as PhysioNet's `bxb` applies them, so that `bxb` on
//! written annotation files gives the same counts:
//!
//! - A found and an annotated beat pair within 150 ms, each with its nearest ([`match_beats`]).
//! - The learning period (the standard: 5 minutes) is not scored, nor are stretches of ventricular
//!   flutter or fibrillation (annotated `[` to `]`).
//! - VEB: a fusion (F) or unclassifiable (Q) beat called ventricular is no false positive.
//! - SVEB: an unclassifiable (Q) beat called supraventricular is no false positive; a fusion is.
//! - Runs are compared as PhysioNet's `rxr` does ([`RunTable`]).
//!
//! What the escape beats e, j and n are, the authors disagree about: see [`EscapeRule`].

mod aami;
mod bootstrap;
mod calibration;
mod confusion;
mod counts;
mod degrade;
mod figures;
mod matching;
mod random;
mod record;
mod reference;
mod runs;
mod sets;
mod summary;

pub use aami::{AamiTable, EscapeRule, aami_class};
pub use bootstrap::{Intervals, LEVEL, RESAMPLES, SEED, intervals};
pub use calibration::{CONFIDENCE_LIMITS, Calibration, Coverage};
pub use confusion::Confusion;
pub use counts::{Counts, FIGURE_COUNT, FIGURE_NAMES, FigureValues};
pub use degrade::{Degradation, DegradeError, Dropping, NoisePower, NoiseStress, NoiseTape};
pub use figures::Figures;
pub use matching::{Comparison, MATCH_WINDOW_MS, Pair, match_beats};
pub use record::{FoundBeat, compare, compare_labels};
pub use reference::{Reference, ReferenceBeat};
pub use runs::{RunFigures, RunLength, RunTable};
pub use sets::{DS1, DS2, NEVER_TRAINED, PACED, mitdb_record};
pub use summary::{Spread, Summary};
