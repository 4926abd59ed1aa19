//! Threads, supervision, shutdown.
