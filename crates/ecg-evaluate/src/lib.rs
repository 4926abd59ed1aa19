//! The records of a database evaluated ([`Evaluation`]): EC57 matching and metrics.
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
//!
//! ```
//! use ecg_evaluate::{Comparison, Pair, Reference, match_beats};
//! use wfdb_io::{Annotation, parse_annotations};
//!
//! // Normal beats at samples 100, 400 and 700; found are two of them and one that is none.
//! let bytes = [100, 1 << 2, 44, (1 << 2) | 1, 44, (1 << 2) | 1, 0, 0];
//! let annotations: Vec<Annotation> = parse_annotations(&bytes).annotations;
//! let reference = Reference::from_annotations(&annotations);
//! let pairs = match_beats(&reference, &[105, 550, 702], &Comparison::standard(360.0, 0.0));
//! let matched = pairs.iter().filter(|pair| matches!(pair, Pair::Matched { .. })).count();
//! assert_eq!((matched, pairs.len()), (2, 4));
//! ```

mod aami;
mod bootstrap;
mod calibration;
mod change;
mod confusion;
mod counts;
mod database;
mod degrade;
mod error;
mod evaluation;
mod explanations;
mod figures;
mod matching;
mod record;
mod reference;
mod run_record;
mod runs;
mod sets;
mod summary;
mod whole;
mod written;

pub use aami::{AamiTable, EscapeRule, aami_class};
pub use bootstrap::{Intervals, LEVEL, RESAMPLES, SEED, intervals};
pub use calibration::{CONFIDENCE_LIMITS, Calibration, Coverage};
pub use change::Change;
pub use confusion::Confusion;
pub use counts::{ByFigure, Counts, FIGURE_COUNT, FIGURE_NAMES, FigureValues};
pub use database::record_names;
pub use degrade::{Degradation, Dropping, NoisePower, NoiseStress, NoiseTape};
pub use error::RecordError;
pub use evaluation::{Evaluated, EvaluatedRecord, Evaluation, Gross, Split};
pub use explanations::{
    ExplanationCase, ExplanationRecord, ExplanationRow, Explanations, Mean, WANTED_ON_QRS_T,
};
pub use figures::Figures;
pub use matching::{Comparison, MATCH_WINDOW_MS, Pair, match_beats};
pub use record::{FoundBeat, compare, compare_labels};
pub use reference::{Reference, ReferenceBeat};
pub use run_record::{
    RecordRun, RecordSettings, SignalChoice, chosen_signals, lead_names, run_record,
};
pub use runs::{RunFigures, RunLength, RunTable};
pub use sets::{DS1, DS2, NEVER_TRAINED, PACED, mitdb_record};
pub use summary::{Spread, Summary};
pub use whole::whole;
