//! ECG gateway for the TI ADS1292/ADS1292R: SPI bytes in, classified heartbeats out.
//!
//! The rooms below are listed the way a sample travels; a room knows only rooms above it.
//! `ARCHITECTURE.md` draws the picture.
//!
//! This is an engineering and research system, not a certified medical device.

pub mod files;
pub mod mapped;
pub mod pulse;
pub mod time;

pub mod ads1292;
pub mod wfdb;

pub mod signal;

pub mod model;

pub mod explain;

pub mod evaluate;

pub mod acquisition;

pub mod pipeline;

pub mod store;

pub mod revisit;

pub mod api;

pub mod service;

pub mod config;

pub mod cli;
