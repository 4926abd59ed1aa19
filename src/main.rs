//! The `ecg-gateway` binary: everything is in [`ecg_gateway::cli`].

fn main() -> std::process::ExitCode {
    ecg_gateway::cli::main()
}
