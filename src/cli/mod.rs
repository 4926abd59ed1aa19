//! The command line, one file a subcommand.

mod arguments;
mod backup;
mod bench;
mod causes;
mod chip;
mod delete;
mod demo;
mod doctor;
mod evaluate;
mod explain;
mod failure;
mod injection;
mod live;
mod log;
mod memory;
mod new_patient;
mod output;
mod progress;
mod record;
mod replay;
mod restore;
mod run;
mod session;
mod simulate;
mod simulated;
mod table;
mod terminal;
mod traces;
mod training;
mod verify;
mod wait;
mod web;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::service::outlive_file_size_limit;

pub use failure::{Cause, Failure};

/// The version and the build profile: published figures are of `dist`.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("ECG_BUILD_PROFILE"),
    ")"
);

/// Reads a TI ADS1292/ADS1292R front-end (or a recording of one), finds and classifies every
/// heartbeat, keeps them in SQLite and serves them over a Unix socket.
///
/// An engineering and research system, not a certified medical device.
#[derive(Debug, Parser)]
#[command(name = "ecg-gateway", version = VERSION, propagate_version = true)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Replay(replay::Arguments),
    Simulate(simulate::Arguments),
    Record(record::Arguments),
    Run(run::Arguments),
    Doctor(doctor::Arguments),
    Evaluate(evaluate::Arguments),
    Explain(explain::Arguments),
    Bench(bench::Arguments),
    Backup(backup::Arguments),
    Restore(restore::Arguments),
    Verify(verify::Arguments),
    Delete(delete::Arguments),
    NewPatient(new_patient::Arguments),
    Web(web::Arguments),
}

/// Parses the process's arguments, runs the command and gives the process's exit code
/// (`docs/exit-codes.md`).
#[must_use]
pub fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    if let Err(error) = outlive_file_size_limit() {
        return failure::other("signal handlers", error).report();
    }
    let outcome = match command_line.command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Record(arguments) => record::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Delete(arguments) => delete::run(&arguments),
        Command::NewPatient(arguments) => new_patient::run(&arguments),
        Command::Web(arguments) => web::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
