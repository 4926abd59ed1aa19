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
//!
//! What the escape beats e, j and n are, the authors disagree about: see [`EscapeRule`].

mod aami;
mod confusion;
mod figures;
mod matching;
mod record;
mod reference;
mod summary;

pub use aami::{AamiTable, EscapeRule, aami_class};
pub use confusion::Confusion;
pub use figures::Figures;
pub use matching::{Comparison, MATCH_WINDOW_MS, Pair, match_beats};
pub use record::{FoundBeat, RecordEvaluation};
pub use reference::{Reference, ReferenceBeat};
pub use summary::{Average, Summary};
