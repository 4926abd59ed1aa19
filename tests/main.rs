//! Everything that is tested from outside, in one binary: `cargo test --test gateway -- access` runs one file.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test may end here, helpers included, and its numbers are small"
)]

mod common;

mod access;
mod acquisition_allocations;
mod architecture;
mod attack;
mod backup;
mod bad_input;
mod board_guide;
mod clusters;
mod crowd;
mod demo;
mod detector_on_mitdb;
mod detector_robustness;
mod doctor;
mod engine;
mod evaluate;
mod evaluate_protocols;
mod evaluate_resampled;
mod explain;
mod gpu_lost;
mod hardship;
mod help;
mod kill;
mod manners;
mod manual;
mod patient;
mod pipeline;
mod recorded;
mod replaced;
mod replay_simulate;
mod soak;
mod strangers;
mod torture;
mod unseen_patients;
mod verify;
mod web;
