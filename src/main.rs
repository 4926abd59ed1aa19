//! The `ecg-gateway` binary: parses the command line and hands over to [`ecg_gateway::cli`].

fn main() {}
