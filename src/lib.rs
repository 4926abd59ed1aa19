//! ECG gateway for the TI ADS1292/ADS1292R: SPI bytes in, classified heartbeats out.
//!
//! The rooms below are listed the way a sample travels; a room knows only rooms above it.
//! `ARCHITECTURE.md` draws the picture.
//!
//! This is an engineering and research system, not a certified medical device.

pub mod acquisition;
pub mod liveness;
pub mod mapped;

pub mod store;

pub mod reprocess;

pub mod api;

pub mod service;

pub mod config;

pub mod cli;
