//! The streaming signal chain.

mod quality;

pub use quality::SignalQuality;
