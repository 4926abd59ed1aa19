//! EC57 matching and metrics.
