//! What the commands print on standard output.

use std::collections::BTreeMap;
use std::io::Write;

use arrhythmianet::{BeatClass, CLASS_COUNT};
use serde::Serialize;

use super::failure::{Failure, other};
use super::terminal::{json_escaped, printable, printable_lines};

/// Beats by class, in the order N L R A V.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ByClass(pub(super) [u64; CLASS_COUNT]);

/// `, 3 unclassifiable`, or nothing where there are none.
pub(super) fn unclassifiable(beats: u64) -> String {
    if beats == 0 {
        String::new()
    } else {
        format!(", {beats} unclassifiable")
    }
}

impl ByClass {
    pub(super) fn add_all(&mut self, others: Self) {
        for (count, more) in self.0.iter_mut().zip(others.0) {
            *count += more;
        }
    }

    pub(super) fn total(self) -> u64 {
        self.0.iter().sum()
    }

    /// `N 120  L 0  R 0  A 3  V 7`.
    pub(super) fn line(self) -> String {
        let parts: Vec<String> = BeatClass::ALL
            .into_iter()
            .map(|class| format!("{} {}", class.symbol(), self.0[class.index()]))
            .collect();
        parts.join("  ")
    }
}

impl Serialize for ByClass {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let map: BTreeMap<char, u64> = BeatClass::ALL
            .into_iter()
            .map(|class| (class.symbol(), self.0[class.index()]))
            .collect();
        map.serialize(serializer)
    }
}

/// Prints one JSON object and a newline. What a terminal would obey is escaped beyond what JSON asks.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| other("JSON", error))?;
    print(&json_escaped(&text))
}

/// Prints lines; a reader that went away (`| head`) ends the output, not the command.
pub(super) fn text_line(text: &str) -> Result<(), Failure> {
    print(&printable_lines(text))
}

fn print(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(other("standard output", error))
        }
        _ => Ok(()),
    }
}

/// Prints a warning on standard error: results are there, and something must be known about them.
pub(super) fn warn(text: &str) {
    // Where standard error is closed, the warning is lost.
    let _ = writeln!(
        std::io::stderr().lock(),
        "ecg-gateway: warning: {}",
        printable(text)
    );
}

/// A fraction as a percentage with two decimals, `-` where it does not exist.
pub(super) fn percent(fraction: Option<f64>) -> String {
    fraction.map_or_else(
        || "-".to_owned(),
        |fraction| format!("{:.2}", fraction * 100.0),
    )
}
