//! A chain of hashes over everything that is committed but saliency maps.
//!
//! Each committed row has a link: the SHA-256 of the row, and the SHA-256 of the link before
//! together with this one. Links are written in the transaction of their rows, so the chain and the
//! rows are never apart. Whoever changes, deletes, adds or reorders rows without computing all later
//! links anew is found by [`verify`]; whoever does compute them is found by a head (session, link,
//! hash) that was written down elsewhere before. `docs/database.md` has every byte.

mod anchors;
mod digest;
mod kind;
mod links;
mod verify;

pub(super) use anchors::{Reason, Removed, anchor_rows, note_ids_passed_over, prune};
pub(super) use kind::Kind;
pub use links::ChainHead;
pub(super) use links::{Chain, chain_interrupted};
pub use verify::{
    AnchorSummary, DeletionSummary, Finding, HeadCheck, HeadVerdict, Protection, Verification,
};
