//! How a command ends when it cannot do its job: one line on standard error, one exit code per cause.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use super::terminal::printable;

/// The cause of a failed command; its number is the process's exit code and part of the contract
/// with scripts (`docs/exit-codes.md`). Code 2 is shared with clap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// Anything without a code of its own (terminal gone, file not writable, ...).
    Other = 1,
    /// The command line asks for something impossible.
    Usage = 2,
    /// The configuration file could not be read or says something impossible.
    Configuration = 10,
    /// The trace ends before its end record; everything before the cut was processed.
    TraceTruncated = 20,
    /// The trace is damaged, or is no trace at all.
    TraceDamaged = 21,
    /// The trace was recorded with another chip than the one asked for or known.
    OtherChip = 22,
    /// The ID register holds the byte of no known chip.
    UnknownId = 23,
    /// The front-end could not be talked to.
    Device = 24,
    /// `doctor` found something wrong with the board.
    Board = 25,
    /// A WFDB file is missing or malformed.
    Wfdb = 30,
    /// Model weights are missing, malformed, of the wrong shape, or give answers that make no sense.
    Weights = 40,
    /// Another process holds the database.
    DatabaseLocked = 50,
    /// The database cannot be used: corrupt, foreign, newer than this program, disk full.
    Database = 51,
    /// A backup is damaged or cut; nothing was restored, and the database is as it was.
    Backup = 52,
    /// `verify` found damage, or rows that are not as they were committed.
    NotAsWritten = 53,
    /// Another server answers on the socket path.
    SocketInUse = 60,
    /// The socket could not be made.
    Socket = 61,
    /// A signal ended the command before its job was done; what it had read is stored.
    Interrupted = 130,
}

impl Cause {
    /// Every cause, for the documentation test.
    pub const ALL: [Self; 18] = [
        Self::Other,
        Self::Usage,
        Self::Configuration,
        Self::TraceTruncated,
        Self::TraceDamaged,
        Self::OtherChip,
        Self::UnknownId,
        Self::Device,
        Self::Board,
        Self::Wfdb,
        Self::Weights,
        Self::DatabaseLocked,
        Self::Database,
        Self::Backup,
        Self::NotAsWritten,
        Self::SocketInUse,
        Self::Socket,
        Self::Interrupted,
    ];

    /// Whether the store is to blame: what was counted may not be stored then.
    #[must_use]
    pub const fn is_database(self) -> bool {
        matches!(self, Self::Database | Self::DatabaseLocked)
    }

    /// Whether one trace is to blame, and the next may be fine.
    #[must_use]
    pub const fn is_of_one_trace(self) -> bool {
        matches!(
            self,
            Self::Other
                | Self::TraceTruncated
                | Self::TraceDamaged
                | Self::OtherChip
                | Self::UnknownId
                | Self::Device
        )
    }

    /// The process exit code, 1 to 130.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        self as u8
    }
}

/// Why a command failed, ready to be shown.
#[derive(Debug)]
pub struct Failure {
    /// The cause, which decides the exit code.
    pub cause: Cause,
    /// One line: what, where, found and expected.
    pub message: String,
}

impl Failure {
    /// A failure with the text of `error`.
    pub fn new(cause: Cause, error: impl Display) -> Self {
        Self {
            cause,
            message: error.to_string(),
        }
    }

    /// The same failure with where it happened before its text.
    pub(super) fn at(mut self, place: impl Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// The same failure with the file it happened to before its text, unless that names it.
    pub(super) fn at_path(self, path: &Path) -> Self {
        let name = path.display().to_string();
        if self.message.contains(&name) {
            return self;
        }
        self.at(name)
    }

    /// As [`Self::at_path`] where the database is to blame.
    pub(super) fn naming_database(self, path: &Path) -> Self {
        if self.cause.is_database() {
            return self.at_path(path);
        }
        self
    }

    /// As [`Self::at_path`] where the front-end is to blame; `node` is its SPI device.
    pub(super) fn naming_device(self, node: &Path) -> Self {
        if matches!(
            self.cause,
            Cause::Device | Cause::UnknownId | Cause::OtherChip
        ) {
            return self.at_path(node);
        }
        self
    }

    /// How a batch ends of which these items failed, each with its name: as the first of them.
    pub(super) fn first_of_batch(failed: Vec<(String, Self)>) -> Result<(), Self> {
        let others = failed.len().saturating_sub(1);
        match failed.into_iter().next() {
            None => Ok(()),
            Some((_, first)) if others == 0 => Err(first),
            Some((_, first)) => Err(Self {
                message: format!("{} (and {others} more that failed)", first.message),
                ..first
            }),
        }
    }

    /// Prints the one error line and gives the exit code.
    pub fn report(&self) -> ExitCode {
        let line = self.message.replace('\n', " ");
        let line = printable(&line);
        // A reader that went away must not change the exit code.
        let _ = writeln!(std::io::stderr().lock(), "ecg-gateway: error: {line}");
        ExitCode::from(self.cause.exit_code())
    }
}

/// For errors without a code of their own, with the path they happened at.
pub(super) fn other(what: impl Display, error: impl Display) -> Failure {
    Failure::new(Cause::Other, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_distinct_and_documented() {
        let documentation = include_str!("../../docs/exit-codes.md");
        let mut seen = std::collections::HashSet::new();
        for cause in Cause::ALL {
            assert!(
                seen.insert(cause.exit_code()),
                "{cause:?} shares its exit code"
            );
            let row = format!("| {} | ", cause.exit_code());
            assert!(
                documentation.contains(&row),
                "{cause:?} is missing in docs/exit-codes.md"
            );
        }
        assert_eq!(
            documentation
                .lines()
                .filter(|line| line.starts_with("| "))
                .count(),
            2 + 1 + Cause::ALL.len()
        );
    }
}
