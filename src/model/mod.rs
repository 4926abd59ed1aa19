//! ArrhythmiNet: description, weights, engines.

mod class;

pub use class::{AamiClass, BeatClass, CLASS_COUNT};
